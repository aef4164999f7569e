"""``fer cascade samples``: what is in a ``.vec`` file, and what can be done with it."""

import click

from fercli.cli import LazyGroup


@click.group(
    cls=LazyGroup,
    package="fercli.commands.cascade.samples",
    names=["show", "info", "merge", "split", "export"],
)
def samples() -> None:
    """Look at, describe, merge, split and export .vec files.

    \b
    A .vec file does not tell the width and height of its samples, only their product: without
    --size the squarest that fits is taken.
    """
