"""The four-layer network known from many FER-2013 repositories; 63.2 % after 50 epochs reported.

Convolutions 32, 64, pooling, dropout; 128, pooling, 128, pooling, dropout; dense 1024, dropout.
Published with Adam at 1e-4 and batches of 64 pictures scaled to 0…1.
Source: github.com/atulapra/Emotion-detection, ``src/emotions.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


def build(shape: InputShape, classes: int) -> Model:
    """Return the network, untrained."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input(shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="cnn4",
    )


ARCHITECTURE = Architecture(
    name="cnn4",
    define=build,
    size_wh=(48, 48),
    channels=1,
    classes=7,
    parameters=2_345_607,
    source="github.com/atulapra/Emotion-detection",
)
