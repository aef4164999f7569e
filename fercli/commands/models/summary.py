"""``fer models summary``: the layers of an architecture or a model."""

import click

from fercli.commands import options


@options.command()
@click.argument("name", metavar="ARCHITECTURE|MODEL")
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    metavar="N",
    help="Give an architecture this many classes.",
)
@click.option(
    "--size", type=options.Size(), help="Give an architecture or a foreign model this input size."
)
@options.no_progress
def summary(name: str, classes: int | None, size: tuple[int, int] | None) -> None:
    """Show the layers of an architecture, or the metadata of a model's file.

    \b
    Examples:
      fer models summary fernet
      fer models summary mini-xception --classes 8 --size 64x64
      fer models summary run/best.keras
      fer models summary model.onnx
    """
    from fercli.models.catalog import summarize

    click.echo(summarize(name, classes, size))
