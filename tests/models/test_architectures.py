import subprocess
import sys

import pytest

from fercli.common.errors import OptionError
from fercli.models.architectures import ARCHITECTURES, find_architecture
from fercli.models.backend import load_keras

# All parameters, and those that are not trained; counted by hand from the layers, or published.
COUNTS = {
    "fernet": (975_784, 2_624),
    "fernet-large": (2_190_007, 3_936),
    # fernet, and 2w²/8 + w/8 + w in each block of width w: 292 + 2 × 1,096 + 3 × 4,240
    "fernet-se": (990_988, 2_624),
    "five-class": (1_004_805, 1_792),
    "cnn4": (2_345_607, 0),
    "vgg-like": (5_905_863, 3_712),
    "average-pooling": (8_482_440, 0),
    "mini-xception": (58_423, 1_472),
}


def test_every_architecture_is_counted():
    assert set(COUNTS) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name):
    load_keras()
    architecture = ARCHITECTURES[name]
    model = architecture.build(architecture.input_shape, architecture.classes)
    trained = sum(weight.numpy().size for weight in model.trainable_weights)
    assert (model.count_params(), model.count_params() - trained) == COUNTS[name]
    assert architecture.parameters == COUNTS[name][0]
    assert model.output_shape == (None, architecture.classes)


def test_five_class_parameters_by_hand():
    convolutions = [(9 * a + 1) * b for a, b in ((1, 64), (64, 128), (128, 256), (256, 256))]
    dense = [(a + 1) * b for a, b in ((256, 128), (128, 64), (64, 5))]
    normalized = 64 + 128 + 256 + 256 + 128 + 64
    assert sum(convolutions) + sum(dense) + 4 * normalized == ARCHITECTURES["five-class"].parameters


def test_five_class_drops_out_before_the_second_activation():
    load_keras()
    model = ARCHITECTURES["five-class"].build((48, 48, 1), 5)
    kinds = [type(layer).__name__ for layer in model.layers]
    second = kinds.index("Conv2D", kinds.index("Conv2D") + 1)
    assert kinds[second : second + 5] == [
        "Conv2D",
        "Dropout",
        "ReLU",
        "BatchNormalization",
        "MaxPooling2D",
    ]
    assert model.layers[kinds.index("Flatten")].output.shape == (None, 256)


def test_mini_xception_decays_its_first_two_convolutions_only():
    load_keras()
    model = ARCHITECTURES["mini-xception"].build((48, 48, 1), 7)
    assert len(model.losses) == 2


def test_mini_xception_learns_from_larger_images():
    # In a process of its own: TensorFlow crashes in the gradient of a strided 1×1 convolution.
    step = """
import numpy as np
from fercli.models.architectures import ARCHITECTURES
from fercli.models.backend import load_keras
load_keras()
model = ARCHITECTURES["mini-xception"].build((64, 64, 1), 7)
model.compile("sgd", "categorical_crossentropy")
model.fit(np.ones((2, 64, 64, 1), np.float32), np.eye(7, dtype=np.float32)[:2], verbose=0)
"""
    assert subprocess.run([sys.executable, "-c", step], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "width", "height", "hint"),
    [
        ("five-class", 20, 20, "set a larger `size`"),
        ("five-class", 64, 20, "set a larger `size`"),
        ("vgg-like", 8, 8, "set a larger `size`"),
        ("cnn4", 10, 10, "set a larger `size`"),
        ("mini-xception", 4, 4, "set a larger `size`"),
        ("cnn4", 1_000_000, 1_000_000, "set a smaller `size`"),
    ],
)
def test_inputs_that_an_architecture_cannot_be_built_for(name, width, height, hint):
    load_keras()
    message = f"{name} cannot be built for inputs of {width}x{height} .*; try: {hint}"
    with pytest.raises(OptionError, match=message):
        ARCHITECTURES[name].build((height, width, 1), 7)


def test_unknown_name_is_an_error_with_the_nearest():
    with pytest.raises(OptionError, match="mini-xception"):
        find_architecture("mini-exception")
