"""``fer datasets``: from what data sets' authors publish to a clean tree."""

import click

from fercli.cli import LazyGroup


@click.group(
    cls=LazyGroup,
    package="fercli.commands.datasets",
    names=["import", "crop", "split", "augment", "stats", "preview"],
)
def datasets() -> None:
    """Import, crop, split, augment and examine data sets of expressions.

    A tree is ROOT/<split>/<class>/*.png, with dataset.json and files.csv beside the splits.

    \b
    From a download to a tree:
      fer datasets import fer2013.csv --out fer2013/
      fer datasets stats fer2013/
      fer datasets preview fer2013/ --out sheets/
      fer datasets split fer2013/ --ratios 80,10,10 --out clean/
    """
