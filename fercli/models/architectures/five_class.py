"""The five-class network of an older project: four convolutions, three dense layers.

Convolutions of 3×3 without padding, each followed by ReLU, batch normalisation and 2×2
max-pooling, leave 1×1×256 of 48×48. A dropout stands between the second convolution and its
activation, and one after the first dense layer. 1,004,805 parameters, of which the batch
normalisations do not train 1,792.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


def build(shape: InputShape, classes: int) -> Model:
    """Return the network, untrained, for 48×48 pixels (or 46 to 61, which leave 1×1 or 2×2)."""
    from keras import Sequential, layers

    network = Sequential([layers.Input(shape)], name="five_class")
    for width, dropout in ((64, 0.0), (128, 0.25), (256, 0.0), (256, 0.0)):
        network.add(layers.Conv2D(width, 3))
        if dropout:
            network.add(layers.Dropout(dropout))
        network.add(layers.ReLU())
        network.add(layers.BatchNormalization())
        network.add(layers.MaxPooling2D())
    network.add(layers.Flatten())
    for width, dropout in ((128, 0.25), (64, 0.0)):
        network.add(layers.Dense(width, activation="relu"))
        network.add(layers.BatchNormalization())
        if dropout:
            network.add(layers.Dropout(dropout))
    network.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return network


ARCHITECTURE = Architecture(
    name="five-class",
    define=build,
    size_wh=(48, 48),
    channels=1,
    classes=5,
    parameters=1_004_805,
    source="an older project: 4 convolutions, 3 dense layers, batch normalisation",
)
