"""``fer models summary``: the layers of an architecture or a network."""

import click

from fercli.commands import options


@options.command()
@click.argument("name", metavar="ARCHITECTURE|NETWORK")
@click.option(
    "--classes", type=click.IntRange(min=2), metavar="N", help="Of an architecture: its classes."
)
@click.option(
    "--size", type=options.Size(), help="Of an architecture or a foreign network: its input size."
)
def summary(name: str, classes: int | None, size: tuple[int, int] | None) -> None:
    """Show the layers of an architecture, or what a network's file says about itself.

    \b
    Examples:
      fer models summary fernet
      fer models summary mini-xception --classes 8 --size 64x64
      fer models summary run/best.keras
      fer models summary network.onnx
    """
    from fercli.models.catalog import summarize

    click.echo(summarize(name, classes, size))
