"""``fer cascade samples split``: one ``.vec`` file to several."""

from collections.abc import Sequence
from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


def _to_shares(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> dict[str, float]:
    shares: dict[str, float] = {}
    for value in values:
        name, _, share = value.rpartition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            name = ""
        if not name:
            raise click.BadParameter(f"expected NAME=SHARE such as train=0.8, got {value!r}")
    if len(shares) < len(values):
        raise click.BadParameter("a name may have only one share")
    return shares


@options.command()
@click.argument("vec", type=options.path_type(), metavar="FILE.vec")
@click.option(
    "--share",
    "shares",
    multiple=True,
    callback=_to_shares,
    default=("train=0.8", "test=0.2"),
    show_default=True,
    metavar="NAME=SHARE",
    help="Make a part of this share, in proportion to the others; may be repeated.",
)
@options.out(
    "DIR",
    "Write the parts, FILE-NAME.vec, to this folder.  [default: that of FILE.vec]",
    required=False,
)
@options.sample_size
@click.option(
    "--together",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Keep runs of N samples together: views of one object, 2 after --mirror.",
)
@options.seed
@options.overwrite
@options.as_json
@options.quiet
def split(
    vec: Path,
    shares: dict[str, float],
    out: Path | None,
    size: tuple[int, int] | None,
    together: int,
    seed: int,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Split a .vec file at random, for example into samples for training and for testing.

    Samples that are equal, pixel by pixel, stay together. Where several samples in a row show
    one object (mirror images, warped views), say how many, or tests will be too good.

    \b
    Examples:
      fer cascade samples split faces.vec
      fer cascade samples split mirrored.vec --together 2
      fer cascade samples split faces.vec --share train=9 --share test=1 --out parts/
    """
    from fercli.cascade.samples.merge_split import split

    parts = split(
        vec,
        shares,
        out or vec.parent,
        size_wh=size,
        together=together,
        seed=seed,
        overwrite=overwrite,
        progress=progress,
    )
    text = "\n".join(f"{part.path}: {part.count} samples" for part in parts)
    options.echo(parts, as_json, text)
