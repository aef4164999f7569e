"""Ours, with half as many channels again: the network of `fernet` with 48, 96 and 160."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fercli.models.architectures import fernet
from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


def build(shape: InputShape, classes: int) -> Model:
    """Return the network, untrained."""
    return fernet.build(shape, classes, widths=(48, 96, 160), depths=(1, 2, 2), name="fernet_large")


ARCHITECTURE = Architecture(
    name="fernet-large",
    build=build,
    size_wh=(48, 48),
    channels=1,
    classes=8,
    parameters=1_189_368,
    source="fer's own, larger: about a millisecond a face",
)
