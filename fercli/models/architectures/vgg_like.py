"""The VGG-like network known from FER-2013 tutorials; 65 % after 100 epochs reported.

Four times two 3×3 convolutions (64, 128, 256, 512), 2×2 max-pooling and dropout 0.5, then dense
512, 256 and 128, each with dropout 0.5. The first convolution has no padding; all but it are
followed by batch normalisation. Published with Adam at 1e-3 and batches of 64.
Source: github.com/gitshanks/fer2013, ``fertrain.py``, whose dense dropouts are 0.4, 0.4 and 0.5,
and whose first convolution has an L2 penalty of 0.01, which leaves two thirds of its filters dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


def build(shape: InputShape, classes: int) -> Model:
    """Return the network, untrained."""
    from keras import Sequential, layers

    network = Sequential([layers.Input(shape)], name="vgg_like")
    for width in (64, 128, 256, 512):
        if width == 64:
            network.add(layers.Conv2D(width, 3, activation="relu"))
        else:
            network.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
            network.add(layers.BatchNormalization())
        network.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        network.add(layers.BatchNormalization())
        network.add(layers.MaxPooling2D())
        network.add(layers.Dropout(0.5))
    network.add(layers.Flatten())
    for width in (512, 256, 128):
        network.add(layers.Dense(width, activation="relu"))
        network.add(layers.Dropout(0.5))
    network.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return network


ARCHITECTURE = Architecture(
    name="vgg-like",
    define=build,
    size_wh=(48, 48),
    channels=1,
    classes=7,
    parameters=5_905_863,
    source="github.com/gitshanks/fer2013",
)
