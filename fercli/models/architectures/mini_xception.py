"""mini-Xception: depthwise separable convolutions and no dense layer.

58,423 parameters for 7 classes; 66 % on FER-2013 by its authors, 65.4 % measured on PrivateTest
with their public weights. Two 3×3 convolutions of 8 channels without padding, four residual blocks
of 16, 32, 64 and 128, a 3×3 convolution with one channel a class, the mean over all positions.
Only the first two have a weight decay: Keras 2.0.5 did not use what the authors gave the separable
ones. With it these die: their outputs fall far below the epsilon of the batch normalisation behind.
Source: Arriaga, Plöger, Valdenegro, "Real-time convolutional neural networks for emotion and gender
classification", arXiv 1710.07557, figure 5, and github.com/oarriaga/face_classification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


def build(shape: InputShape, classes: int) -> Model:
    """Return the network, untrained; any input size from 20×20 on."""
    from keras import Model, layers, regularizers

    inputs = x = layers.Input(shape)
    for _ in range(2):
        x = layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=regularizers.L2(0.01))(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    for width in (16, 32, 64, 128):
        x = _block(x, width)
    x = layers.Conv2D(classes, 3, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return Model(inputs, layers.Softmax(dtype="float32")(x), name="mini_xception")


def _block(x: Any, width: int) -> Any:
    """Two separable convolutions and a pooling, beside a 1×1 convolution of stride 2.

    The stride is a layer of its own: TensorFlow 2.21 with oneDNN crashes in the gradient of a 1×1
    convolution of stride 2 over 8 channels of 46×46 or more.
    """
    from keras import layers

    shortcut = layers.MaxPooling2D(1, 2, "same")(x)
    shortcut = layers.Conv2D(width, 1, use_bias=False)(shortcut)
    shortcut = layers.BatchNormalization()(shortcut)
    for active in (True, False):
        x = layers.SeparableConv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x) if active else x
    return layers.Add()([layers.MaxPooling2D(3, 2, "same")(x), shortcut])


ARCHITECTURE = Architecture(
    name="mini-xception",
    define=build,
    size_wh=(48, 48),
    channels=1,
    classes=7,
    parameters=58_423,
    source="arXiv 1710.07557",
)
