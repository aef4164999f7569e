"""``fer models``: from a tree of labeled faces to a trained, evaluated, exported model."""

import click

from fercli.cli import LazyGroup


@click.group(
    cls=LazyGroup,
    package="fercli.commands.models",
    names=["list", "summary", "train", "evaluate", "predict", "export", "embed"],
)
def models() -> None:
    """Train, evaluate, export and run models that classify expressions.

    MODEL is the name of a model that comes with fer, or an .onnx, .keras or .h5 file.

    \b
    From a tree to a model that runs anywhere:
      fer models train --recipe fernet-ferplus --data ferplus/ --out run/
      fer models evaluate run/best.keras --data ferplus/ --out report/
      fer models export run/best.keras --out model.onnx --data ferplus/
      fer models predict model.onnx faces/
    """
