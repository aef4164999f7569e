"""``fer cascade samples``: what is in a ``.vec`` file, and what can be done with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress
from fercli.common.tables import counted

sample_size = click.option(
    "--size",
    type=options.Size(),
    help="Read samples of this width and height.  [default: the squarest that fits the file]",
)


@options.group()
def samples() -> None:
    """Look at, describe, merge, split and export .vec files.

    \b
    A .vec file does not tell the width and height of its samples, only their product: without
    --size the squarest that fits is taken.
    """


@samples.command()
@click.argument("vec", type=options.path_type(), metavar="FILE.vec")
@options.out(
    "FILE.png",
    "Write the sheet to this file.  [default: FILE.png beside FILE.vec; for page N, FILE-N.png]",
    required=False,
)
@sample_size
@click.option(
    "--page",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Show this page of samples.",
)
@click.option(
    "--per-page",
    type=click.IntRange(1, 10_000),
    default=400,
    show_default=True,
    metavar="N",
    help="Put this many samples on a page.",
)
@click.option(
    "--columns", type=click.IntRange(min=1), metavar="N", help="Put this many images into a row."
)
@click.option(
    "--scale",
    type=click.IntRange(1, 16),
    metavar="N",
    help="Draw each pixel as a square of this side.  [default: 2 below 32 pixels, else 1]",
)
@options.overwrite
@options.as_json
@options.quiet
def show(
    vec: Path,
    out: Path | None,
    size: tuple[int, int] | None,
    page: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Draw a contact sheet of the samples in a .vec file, with their numbers.

    \b
    Examples:
      fer cascade samples show faces.vec
      fer cascade samples show faces.vec --size 20x20 --page 3 --out sheet.png
    """
    from fercli.cascade.samples.viewing import show

    suffix = ".png" if page == 1 else f"-{page}.png"
    sheet = show(vec, out or vec.with_name(vec.stem + suffix), size_wh=size, page=page, **given)
    text = f"{sheet.path}: samples {sheet.first} to {sheet.last} of {sheet.count}"
    options.echo(sheet, as_json, text)


@samples.command()
@click.argument("vec", type=options.path_type(), metavar="FILE.vec")
@sample_size
@options.as_json
@options.quiet
def info(vec: Path, size: tuple[int, int] | None, as_json: bool, progress: Progress) -> None:
    """Describe a .vec file: count, header, possible sizes, gray levels, duplicates.

    Constant samples, and those so flat (deviation of 10 gray levels at most) that OpenCV's
    detectors skip such windows, teach a training nothing that is of use.

    \b
    Examples:
      fer cascade samples info faces.vec
      fer cascade samples info faces.vec --json
    """
    from fercli.cascade.samples.inspection import examine_vec

    statistics = examine_vec(vec, size, progress=progress)
    options.echo(statistics, as_json)


@samples.command()
@click.argument("vecs", type=options.path_type(), nargs=-1, required=True, metavar="FILE.vec...")
@options.out("FILE.vec", "Write the samples to this file.")
@sample_size
@click.option("--drop-duplicates", is_flag=True, help="Write equal samples only once.")
@click.option(
    "--shuffle", is_flag=True, help="Write them in random order, so that a training mixes them."
)
@options.seed
@options.overwrite
@options.as_json
@options.quiet
def merge(
    vecs: tuple[Path, ...],
    out: Path,
    size: tuple[int, int] | None,
    drop_duplicates: bool,
    shuffle: bool,
    seed: int,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Merge .vec files whose samples are of one size.

    A single file is copied, which repairs a header with a wrong count.

    \b
    Examples:
      fer cascade samples merge a.vec b.vec --out both.vec
      fer cascade samples merge *.vec --shuffle --drop-duplicates --out all.vec
    """
    from fercli.cascade.samples.merge_split import merge

    written = merge(
        vecs,
        out,
        size_wh=size,
        drop_duplicates=drop_duplicates,
        shuffle=shuffle,
        seed=seed,
        overwrite=overwrite,
        progress=progress,
    )
    options.echo(written, as_json, f"{written.path}: {counted(written.count, 'sample')}")


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


@samples.command()
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
@sample_size
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
    text = "\n".join(f"{part.path}: {counted(part.count, 'sample')}" for part in parts)
    options.echo(parts, as_json, text)


@samples.command()
@click.argument("vec", type=options.path_type(), metavar="FILE.vec")
@options.out("DIR", "Write the images, named by their number, to this folder.")
@sample_size
@click.option(
    "--num",
    type=click.IntRange(min=1),
    metavar="N",
    help="Export at most N samples.  [default: all]",
)
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def export(
    vec: Path,
    out: Path,
    size: tuple[int, int] | None,
    num: int | None,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Write the samples of a .vec file as PNG files.

    \b
    Examples:
      fer cascade samples export faces.vec --out faces/
      fer cascade samples export faces.vec --size 20x20 --num 100 --out few/
    """
    from fercli.cascade.samples.viewing import export

    written = export(
        vec,
        out,
        size_wh=size,
        num=num,
        workers=workers,
        overwrite=overwrite,
        progress=progress,
    )
    options.echo(written, as_json, f"{written.path}: {counted(written.count, 'image')}")
