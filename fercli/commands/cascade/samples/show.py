"""``fer cascade samples show``: a contact sheet of a ``.vec`` file."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options


@options.command()
@click.argument("vec", type=options.path_type(), metavar="FILE.vec")
@options.out(
    "FILE.png",
    "Write the sheet to this file.  [default: FILE.png beside FILE.vec; for page N, FILE-N.png]",
    required=False,
)
@options.sample_size
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
