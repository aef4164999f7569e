"""``fer datasets preview``: a contact sheet a class."""

from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "The folder of the sheets.")
@click.option("--split", metavar="NAME", help="Only this split.  [default: all]")
@click.option(
    "--count",
    type=click.IntRange(min=1, max=10_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Images a class, chosen at random.",
)
@click.option(
    "--columns",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Images a row.",
)
@click.option(
    "--size",
    "size_wh",
    type=options.Size(),
    default="64x64",
    show_default=True,
    help="The size of each on the sheet.",
)
@options.seed
@options.overwrite
@options.quiet
def preview(
    tree: Path,
    out: Path,
    split: str | None,
    count: int,
    columns: int,
    size_wh: tuple[int, int],
    seed: int,
    overwrite: bool,
    progress: Progress,
) -> None:
    """Draw a contact sheet of each class of TREE.

    \b
    Examples:
      fer datasets preview fer2013/ --out sheets/
      fer datasets preview fer2013/ --split validation --count 30 --size 96x96 --out sheets/
    """
    from fercli.datasets import preview as previews
    from fercli.datasets import tree as trees

    chosen = previews.PreviewOptions(split, count, columns, size_wh, seed)
    sheets = previews.write_previews(
        trees.read_tree(tree), out, chosen, overwrite=overwrite, progress=progress
    )
    for sheet in sheets:
        images = f"{sheet.images} images" if sheet.images else "not written"
        unreadable = f", {sheet.unreadable} unreadable" if sheet.unreadable else ""
        click.echo(f"{sheet.path}: {images}{unreadable}")
