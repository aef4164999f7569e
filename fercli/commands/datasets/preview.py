"""``fer datasets preview``: a contact sheet a class."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress
from fercli.datasets.options import PreviewOptions


@options.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "Write the sheets to this folder.")
@options.from_fields(PreviewOptions)
@options.overwrite
@options.as_json
@options.quiet
def preview(
    tree: Path,
    out: Path,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Draw a contact sheet of each class of TREE.

    \b
    Examples:
      fer datasets preview fer2013/ --out sheets/
      fer datasets preview fer2013/ --split validation --count 30 --size 96x96 --out sheets/
    """
    from fercli.datasets import preview as previews
    from fercli.datasets import tree as trees

    chosen = options.build(PreviewOptions, choices)
    sheets = previews.write_previews(
        trees.read_tree(tree), out, chosen, overwrite=overwrite, progress=progress
    )
    options.echo(sheets, as_json, "\n".join(map(_line, sheets)))


def _line(sheet: Any) -> str:
    images = f"{sheet.images} images" if sheet.images else "not written"
    unreadable = f", {sheet.unreadable} unreadable" if sheet.unreadable else ""
    return f"{sheet.path}: {images}{unreadable}"
