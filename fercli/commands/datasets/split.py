"""``fer datasets split``: train, validation and test, without leaks between them."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.datasets.options import SplitOptions


@options.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "Write the new tree to this folder.")
@click.option(
    "--ratios",
    default="80,10,10",
    show_default=True,
    metavar="TRAIN,VALIDATION[,TEST]",
    help="Give the splits these shares.",
)
@options.from_fields(SplitOptions)
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def split(
    tree: Path,
    out: Path,
    ratios: str,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Split the images of TREE anew into train, validation and test.

    Splits that TREE has are pooled first. Every split gets its share of every class. Images that
    look alike, and with --by-subject those of one person, never fall into different splits.

    \b
    Examples:
      fer datasets split fer2013/ --out clean/
      fer datasets split ckplus/ --by-subject --ratios 70,30 --out by_person/
      fer datasets split ckplus/ --by-subject --folds 10 --out folds/
      fer datasets split mine/ --subject-pattern '^(p\\d+)_' --files copy --out split/
    """
    from fercli.datasets import reports, splitting
    from fercli.datasets import tree as trees

    result = splitting.split_tree(
        trees.read_tree(tree),
        out,
        options.build(SplitOptions, {**choices, "ratios": splitting.parse_ratios(ratios)}),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    if as_json:
        click.echo(json.dumps(reports.split_as_json(result), indent=2))
    else:
        click.echo(reports.split_as_text(result))
