"""``fer cascade samples export``: the samples of a ``.vec`` file as PNG files."""

from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("vec", type=options.path_type(), metavar="FILE.vec")
@options.out("DIR", "Write the images, named by their number, to this folder.")
@options.sample_size
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
    options.echo(written, as_json, f"{written.path}: {written.count} images")
