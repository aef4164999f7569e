"""An older project's network for RaFD: colour pictures of 256×256, 2×2 average pooling.

Three 3×3 "same" convolutions with ReLU, the first of 32 channels, each followed by average
pooling; flattened; two dense layers. The project told neither the widths of the second and third
convolution nor that of the first dense layer: 64, 128 and 64 here. Trained with early stopping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


def build(shape: InputShape, classes: int) -> Model:
    """Return the network, untrained."""
    from keras import Sequential, layers

    network = Sequential([layers.Input(shape)], name="average_pooling")
    for width in (32, 64, 128):
        network.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        network.add(layers.AveragePooling2D(2))
    network.add(layers.Flatten())
    network.add(layers.Dense(64, activation="relu"))
    network.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return network


ARCHITECTURE = Architecture(
    name="average-pooling",
    define=build,
    size_wh=(256, 256),
    channels=3,
    classes=8,
    parameters=8_482_440,
    source="an older project on RaFD: 3 convolutions with average pooling, 2 dense layers",
)
