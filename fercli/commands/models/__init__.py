"""``fer models``: from a tree of labeled faces to a trained, measured, exported network."""

import click

from fercli.cli import LazyGroup


@click.group(
    cls=LazyGroup,
    package="fercli.commands.models",
    names=["list", "summary", "train", "evaluate", "predict", "export", "embed"],
)
def models() -> None:
    """Train, evaluate, export and run expression networks.

    NETWORK is the name of a shipped network, or an .onnx, .keras or .h5 file.

    \b
    The way from a tree to a network that runs anywhere:
      fer models train --recipe fernet-ferplus --data ferplus/ --out run/
      fer models evaluate run/best.keras --data ferplus/ --out report/
      fer models export run/best.keras --out network.onnx --data ferplus/
      fer models predict network.onnx faces/
    """
