"""Files of networks that fer did not write, and some that nobody can read."""

import zipfile

import pytest

from fercli.errors import InputError
from fercli.models.backend import load_keras, quiet_warnings
from fercli.models.network_file import load_network


def save(path, shape):
    """Write a network of one dense layer, as another program would."""
    keras = load_keras()
    with quiet_warnings():
        inputs = keras.Input(shape)
        pooled = keras.layers.GlobalAveragePooling2D()(inputs) if len(shape) == 3 else inputs
        keras.Model(inputs, keras.layers.Dense(3)(pooled)).save(path)
    return path


def test_a_network_of_another_program_gets_a_card(tmp_path):
    model, card = load_network(save(tmp_path / "a.keras", (24, 32, 3)))
    assert model.input_shape == (None, 24, 32, 3)
    assert (card.size_wh, card.channels) == ((32, 24), 3)
    assert card.classes == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize("shape", [(7,), (24, 32, 2), (None, None, 1)])
def test_a_network_of_something_else_is_named(tmp_path, shape):
    with pytest.raises(InputError, match="wanted a network of pictures, found one of inputs"):
        load_network(save(tmp_path / "a.keras", shape))


def test_what_keras_cannot_load_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match=r"wanted a network that Keras .* can load, found"):
        load_network(tmp_path / "a.keras")
