"""``fer datasets stats``: what is in a tree, and what is wrong with it."""

import json
from pathlib import Path

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress


@options.command()
@click.argument("tree", type=options.path_type())
@click.option(
    "--plot", type=options.path_type(), metavar="FILE.png", help="Draw counts and gray levels."
)
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def stats(
    tree: Path,
    plot: Path | None,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
) -> None:
    """Count the images of TREE and find what is wrong with them.

    Counts by split and class, sizes, gray levels; exact and near duplicates, those of them that
    leak from one split into another, and those with several classes; constant and unreadable
    images; persons in several splits. With --json every such file is named.

    \b
    Examples:
      fer datasets stats fer2013/
      fer datasets stats fer2013/ --plot counts.png
      fer datasets stats mine/ --json > stats.json
    """
    from fercli.common.files import require_absent
    from fercli.datasets import statistics
    from fercli.datasets import tree as trees

    if plot is not None:
        require_absent(plot, overwrite=overwrite)
    found = statistics.describe_tree(trees.read_tree(tree), workers=workers, progress=progress)
    if plot is not None:
        statistics.plot(found, plot, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        click.echo(statistics.to_text(found))
        if plot is not None:
            click.echo(f"wrote {plot}")
