"""The models of older projects: average-pooling, cnn4, five-class, vgg-like, mini-xception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fercli.models.architectures.base import Architecture, InputShape

if TYPE_CHECKING:
    from keras import Model


def build_average_pooling(shape: InputShape, classes: int) -> Model:
    """A model for RaFD: color images of 256×256, 2×2 average pooling.

    Three 3×3 "same" convolutions with ReLU, the first of 32 channels, each followed by average
    pooling; flattened; two dense layers. The project told neither the widths of the second and
    third convolution nor that of the first dense layer: 64, 128 and 64 here. Trained with early
    stopping.
    """
    from keras import Sequential, layers

    model = Sequential([layers.Input(shape)], name="average_pooling")
    for width in (32, 64, 128):
        model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(layers.AveragePooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return model


AVERAGE_POOLING = Architecture(
    name="average-pooling",
    define=build_average_pooling,
    size_wh=(256, 256),
    channels=3,
    classes=8,
    parameters=8_482_440,
    source="an older project on RaFD: 3 convolutions with average pooling, 2 dense layers",
)


def build_cnn4(shape: InputShape, classes: int) -> Model:
    """The four-layer model known from many FER-2013 repositories; 63.2 % after 50 epochs
    reported.

    Convolutions 32, 64, pooling, dropout; 128, pooling, 128, pooling, dropout; dense 1024, dropout.
    Published with Adam at 1e-4 and batches of 64 images scaled to 0…1.
    Source: github.com/atulapra/Emotion-detection, ``src/emotions.py``.
    """
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


CNN4 = Architecture(
    name="cnn4",
    define=build_cnn4,
    size_wh=(48, 48),
    channels=1,
    classes=7,
    parameters=2_345_607,
    source="github.com/atulapra/Emotion-detection",
)


def build_five_class(shape: InputShape, classes: int) -> Model:
    """Return the model, untrained, for 48×48 pixels (or 46 to 61, which leave 1×1 or 2×2)."""
    from keras import Sequential, layers

    model = Sequential([layers.Input(shape)], name="five_class")
    for width, dropout in ((64, 0.0), (128, 0.25), (256, 0.0), (256, 0.0)):
        model.add(layers.Conv2D(width, 3))
        if dropout:
            model.add(layers.Dropout(dropout))
        model.add(layers.ReLU())
        model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    for width, dropout in ((128, 0.25), (64, 0.0)):
        model.add(layers.Dense(width, activation="relu"))
        model.add(layers.BatchNormalization())
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return model


FIVE_CLASS = Architecture(
    name="five-class",
    define=build_five_class,
    size_wh=(48, 48),
    channels=1,
    classes=5,
    parameters=1_004_805,
    source="an older project: 4 convolutions, 3 dense layers, batch normalization",
)


def build_vgg_like(shape: InputShape, classes: int) -> Model:
    """The VGG-like model known from FER-2013 tutorials; 65 % after 100 epochs reported.

    Four times two 3×3 convolutions (64, 128, 256, 512), 2×2 max-pooling and dropout 0.5, then dense
    512, 256 and 128, each with dropout 0.5. The first convolution has no padding; all but it are
    followed by batch normalization. Published with Adam at 1e-3 and batches of 64.
    Source: github.com/gitshanks/fer2013, ``fertrain.py``, whose dense dropouts are 0.4, 0.4 and
    0.5, and whose first convolution has an L2 penalty of 0.01, which leaves two thirds of its
    filters dead.
    """
    from keras import Sequential, layers

    model = Sequential([layers.Input(shape)], name="vgg_like")
    for width in (64, 128, 256, 512):
        if width == 64:
            model.add(layers.Conv2D(width, 3, activation="relu"))
        else:
            model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
            model.add(layers.BatchNormalization())
        model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(0.5))
    model.add(layers.Flatten())
    for width in (512, 256, 128):
        model.add(layers.Dense(width, activation="relu"))
        model.add(layers.Dropout(0.5))
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return model


VGG_LIKE = Architecture(
    name="vgg-like",
    define=build_vgg_like,
    size_wh=(48, 48),
    channels=1,
    classes=7,
    parameters=5_905_863,
    source="github.com/gitshanks/fer2013",
)


def build_mini_xception(shape: InputShape, classes: int) -> Model:
    """Return the model, untrained; any input size from 20×20 on."""
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


MINI_XCEPTION = Architecture(
    name="mini-xception",
    define=build_mini_xception,
    size_wh=(48, 48),
    channels=1,
    classes=7,
    parameters=58_423,
    source="arXiv 1710.07557",
)
