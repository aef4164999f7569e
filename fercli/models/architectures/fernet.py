"""Ours: a small residual network whose multiply-adds lie where they are cheap.

Designed for about half a millisecond a face on one core: the 5×5 convolution of the input
has stride 2, so that nothing wide happens at 48×48; channels double whenever the area is
quartered (32, 64, 128), in multiples of 16, the width of a vector register in float32; and most
blocks are where the area is smallest. Residual blocks: He et al., "Deep residual learning for image
recognition", CVPR 2016 (arXiv 1512.03385); the shortcut that pools before its 1×1 convolution:
He et al., "Bag of tricks for image classification with convolutional neural networks", CVPR 2019
(arXiv 1812.01187), figure 2c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


#: Residual blocks of each stage; each stage but the first halves the size.
DEPTHS = (1, 2, 3)


def build_fernet(shape: InputShape, classes: int) -> Model:
    """Return the model, untrained, for inputs of any size from 16×16 on."""
    return residual("fernet", (32, 64, 128), shape, classes)


def residual(
    name: str,
    widths: tuple[int, ...],
    shape: InputShape,
    classes: int,
    *,
    squeeze: bool = False,
) -> Model:
    """Return such a model whose stages have these widths, in channels.

    With `squeeze`, each block weighs its channels by their means over the image.
    """
    from keras import Model, layers

    inputs = layers.Input(shape)
    x = _normalized(layers.Conv2D(widths[0], 5, 2, "same", use_bias=False)(inputs), active=True)
    for stage, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True)):
        for block in range(depth):
            x = _block(x, width, halve=stage > 0 and block == 0, squeeze=squeeze)
    x = layers.GlobalAveragePooling2D()(x)
    features = layers.Dropout(0.3, name="features")(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")
    return Model(inputs, outputs(features), name=name)


def _normalized(x: Any, *, active: bool) -> Any:
    from keras import layers

    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    return layers.ReLU()(x) if active else x


def _block(x: Any, width: int, *, halve: bool, squeeze: bool) -> Any:
    """Two 3×3 convolutions beside a shortcut."""
    from keras import layers

    shortcut = layers.AveragePooling2D(2, padding="same")(x) if halve else x
    if x.shape[-1] != width:
        shortcut = layers.Conv2D(width, 1, use_bias=False)(shortcut)
        shortcut = _normalized(shortcut, active=False)
    stride = 2 if halve else 1
    y = _normalized(layers.Conv2D(width, 3, stride, "same", use_bias=False)(x), active=True)
    y = _normalized(layers.Conv2D(width, 3, 1, "same", use_bias=False)(y), active=False)
    if squeeze:
        y = layers.Multiply()([y, _channel_weights(y, width)])
    return layers.ReLU()(layers.Add()([y, shortcut]))


def _channel_weights(x: Any, width: int) -> Any:
    """Return a weight from 0 to 1 for each channel, through a layer of an eighth of the width.

    Source: Hu, Shen, Sun, "Squeeze-and-excitation networks", CVPR 2018 (arXiv 1709.01507).
    """
    from keras import layers

    means = layers.GlobalAveragePooling2D(keepdims=True)(x)
    narrow = layers.Conv2D(width // 8, 1, activation="relu")(means)
    return layers.Conv2D(width, 1, activation="sigmoid")(narrow)


FERNET = Architecture(
    name="fernet",
    define=build_fernet,
    size_wh=(48, 48),
    channels=1,
    classes=8,
    parameters=975_784,
    source="fer's own, small: under 1 M parameters, half a millisecond a face",
)


def build_fernet_large(shape: InputShape, classes: int) -> Model:
    """Return the model, untrained, for inputs of any size from 16×16 on."""
    return residual("fernet-large", (48, 96, 192), shape, classes)


FERNET_LARGE = Architecture(
    name="fernet-large",
    define=build_fernet_large,
    size_wh=(48, 48),
    channels=1,
    classes=7,
    parameters=2_190_007,
    source="fer's own, larger: 2.2 M parameters, about a millisecond a face",
)


def build_fernet_se(shape: InputShape, classes: int) -> Model:
    """Return the model, untrained, for inputs of any size from 16×16 on."""
    return residual("fernet-se", (32, 64, 128), shape, classes, squeeze=True)


FERNET_SE = Architecture(
    name="fernet-se",
    define=build_fernet_se,
    size_wh=(48, 48),
    channels=1,
    classes=8,
    parameters=990_988,
    source="fernet with squeeze-and-excitation in each block",
)
