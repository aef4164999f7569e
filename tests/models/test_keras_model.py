"""Files of models that fer did not write, and some that nobody can read."""

import json
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest

from fercli.common.errors import InputError, OptionError
from fercli.models.backend import load_keras, quiet_warnings
from fercli.models.catalog import describe_card, open_model, open_models
from fercli.models.export import TOLERANCES, export_onnx
from fercli.models.keras_model import CARD, KerasModel, load_model, save_model
from fercli.models.model_card import ModelCard, ModelSettings, to_metadata
from fercli.models.onnx_model import OnnxModel, softmax


def save(path, shape):
    """Write a model of one dense layer, as another program would."""
    keras = load_keras()
    with quiet_warnings():
        inputs = keras.Input(shape)
        pooled = keras.layers.GlobalAveragePooling2D()(inputs) if len(shape) == 3 else inputs
        keras.Model(inputs, keras.layers.Dense(3)(pooled)).save(path)
    return path


def test_a_model_of_another_program_gets_a_card(tmp_path):
    model, card = load_model(save(tmp_path / "a.keras", (24, 32, 3)))
    assert model.input_shape == (None, 24, 32, 3)
    assert (card.size_wh, card.channels) == ((32, 24), 3)
    assert card.classes == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize("shape", [(7,), (24, 32, 2)])
def test_a_model_of_something_else_is_named(tmp_path, shape):
    with pytest.raises(InputError, match="The model does not take images: its input shape is"):
        load_model(save(tmp_path / "a.keras", shape))


def test_what_keras_cannot_load_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match=r"Keras .* cannot load the model: "):
        load_model(tmp_path / "a.keras")


def test_answers_without_a_softmax_become_probabilities(tmp_path, rng):
    path = save(tmp_path / "a.keras", (8, 8, 1))
    faces = rng.integers(0, 256, (4, 8, 8, 1), np.uint8)
    scores = load_model(path)[0].predict(faces / np.float32(127.5) - 1, verbose=0)
    model = KerasModel(path)
    assert model.classify(faces) == pytest.approx(softmax(scores), abs=1e-5)
    assert model.features(faces).shape == (4, 1)
    result = export_onnx(path, tmp_path / "a.onnx")
    assert result.difference <= TOLERANCES["float32"]
    exported = OnnxModel(result.path)
    assert exported.classify(faces) == pytest.approx(softmax(scores), abs=1e-5)


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.hdf5"])
def test_what_is_said_of_a_model_of_others_holds(tmp_path, rng, name):
    path = save(tmp_path / name, (8, 8, 3))
    faces = rng.integers(0, 256, (4, 8, 8, 3), np.uint8)
    expected = softmax(load_model(path)[0].predict(faces[..., ::-1] / np.float32(255), verbose=0))
    said = ModelSettings(("calm", "glad", "sad"), mean=0.0, std=255.0, color_order="bgr")
    model = open_model(str(path), said)
    assert model.card.classes == ("calm", "glad", "sad")
    assert model.classify(faces) == pytest.approx(expected, abs=1e-5)
    exported = OnnxModel(export_onnx(path, tmp_path / "a.onnx", said).path)
    assert exported.card.classes == ("calm", "glad", "sad")
    assert exported.classify(faces) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            ModelSettings(("a", "b")),
            "Expected 3 `classes`, one for each output of the model, got 2",
        ),
        (ModelSettings(size_wh=(9, 9)), "takes inputs of 8x8 only"),
        (ModelSettings(std=0.0), "`std` must be a finite number above 0"),
    ],
)
def test_what_cannot_be_said_of_a_model_of_others(tmp_path, said, message):
    path = save(tmp_path / "a.keras", (8, 8, 1))
    with pytest.raises(OptionError, match=message):
        open_model(str(path), said)


def test_separable_convolutions_of_keras_2(tmp_path, rng):
    """It wrote options of theirs that Keras 3 does not take, and all axes in a list."""

    def separable(layers, x):
        x = layers.BatchNormalization()(layers.SeparableConv2D(4, 3, activation="relu")(x))
        return one_row(layers, layers.DepthwiseConv2D(3)(x))

    path = save_outputs(tmp_path / "a.h5", separable)
    faces = rng.integers(0, 256, (4, 8, 8, 1), np.uint8)
    expected = open_model(str(path)).classify(faces)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] in ("SeparableConv2D", "DepthwiseConv2D"):
                layer["config"] |= {"groups": 1, "kernel_constraint": None}
                layer["config"] |= {"kernel_initializer": None, "kernel_regularizer": None}
            if layer["class_name"] == "BatchNormalization":
                layer["config"]["axis"] = [3]
        file.attrs["model_config"] = json.dumps(config)
    assert open_model(str(path)).classify(faces) == pytest.approx(expected, abs=1e-6)


def test_a_model_of_others_that_takes_any_size(tmp_path, rng):
    path = save(tmp_path / "a.keras", (None, None, 1))
    with pytest.raises(OptionError, match="takes inputs of any size, so `size_wh` must be given"):
        open_model(str(path))
    said = ModelSettings(size_wh=(12, 10))
    faces = rng.integers(0, 256, (3, 10, 12), np.uint8)
    expected = open_model(str(path), said).classify(faces)
    exported = OnnxModel(export_onnx(path, tmp_path / "a.onnx", said).path)
    assert exported.card.size_wh == (12, 10)
    assert exported.classify(faces) == pytest.approx(expected, abs=1e-5)


def test_any_number_of_faces(tmp_path, rng):
    model = open_model(str(save(tmp_path / "a.keras", (8, 8, 1))))
    faces = rng.integers(0, 256, (300, 8, 8), np.uint8)
    answers = model.classify(faces)
    assert answers[290:] == pytest.approx(model.classify(faces[290:]), abs=1e-6)
    assert model.classify(faces[:0]).shape == (0, 3)
    assert model.features(faces).shape == (300, 1)


def test_a_model_that_ends_in_a_model_is_named(tmp_path):
    def nested(layers, inputs):
        inner = load_keras().Sequential([layers.Flatten(), layers.Dense(2)], name="inner")
        return inner(layers.Rescaling(2.0)(inputs))

    path = save_outputs(tmp_path / "a.keras", nested)
    assert open_model(str(path)).classify(np.zeros((1, 8, 8), np.uint8)).shape == (1, 2)
    with pytest.raises(InputError, match="The last layer is itself a model, inner"):
        export_onnx(path, tmp_path / "a.onnx")


def test_of_several_models_those_of_others_are_meant(tmp_path):
    path = save(tmp_path / "a.h5", (8, 8, 1))
    said = ModelSettings(("calm", "glad", "sad"))
    ours, theirs = open_models(["fer2013", str(path)], said)
    assert len(ours.card.classes) == 7
    assert theirs.card.classes == said.classes


def test_the_names_of_layers_of_others_are_not_in_the_way(tmp_path):
    """Keras numbers its own names in each process, and a file has those of another process."""

    def outputs(layers, inputs):
        convolved = layers.Conv2D(2, 3, name="identity")(inputs)
        pooled = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(convolved)
        return layers.Activation("linear", name="softmax")(pooled)

    path = save_outputs(tmp_path / "a.h5", outputs)
    load_keras().backend.clear_session()  # as a new process
    assert export_onnx(path, tmp_path / "a.onnx").difference <= TOLERANCES["float32"]


def save_outputs(path, outputs):
    """Write a model whose outputs are made of an 8×8 image by a function."""
    keras = load_keras()
    inputs = keras.Input((8, 8, 1))
    with quiet_warnings():
        keras.Model(inputs, outputs(keras.layers, inputs)).save(path)
    return path


def one_row(layers, inputs, width=2):
    return layers.Dense(width)(layers.Flatten()(inputs))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda *given: [one_row(*given), one_row(*given)], "Expected one output of shape"),
        (lambda layers, inputs: layers.Conv2D(2, 3)(inputs), "Expected one output of shape"),
        (lambda *given: one_row(*given, width=1), "2 classes or more"),
    ],
)
def test_outputs_that_are_no_classes_are_named(tmp_path, outputs, message):
    with pytest.raises(InputError, match=message):
        load_model(save_outputs(tmp_path / "a.keras", outputs))


def test_one_output_with_a_name_is_one_output(tmp_path):
    path = save_outputs(tmp_path / "a.keras", lambda *given: {"answer": one_row(*given)})
    assert KerasModel(path).classify(np.zeros((3, 8, 8), np.uint8)).shape == (3, 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size_wh": (16, 16)}, r"The card \(fer.json\) says that inputs are \(16, 16, 1\), but"),
        ({"classes": ("a", "b")}, r"\(fer.json\) lists 2 classes, but the model has 3"),
    ],
)
def test_the_card_of_another_model_is_named(tmp_path, changed, message):
    model = load_model(save(tmp_path / "a.keras", (8, 8, 1)))[0]
    card = replace(ModelCard(("a", "b", "c"), (8, 8)), **changed)
    save_model(tmp_path / "b.keras", model, card)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "b.keras")


@pytest.mark.parametrize("content", ["5", "[]", json.dumps({"fer.classes": '["a"]'})])
def test_a_card_that_is_none_is_named(tmp_path, content):
    path = save(tmp_path / "a.keras", (8, 8, 1))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CARD, content)
    with pytest.raises(InputError, match=r"neither a \.keras nor an HDF5 file"):
        load_model(path)


def test_a_training_that_does_not_count_by_class_is_described():
    card = ModelCard(("a", "b"), (8, 8), training={"images": 5})
    assert "trained on    5 images" in describe_card(card)


def scaling(*layers_of):
    """Return a function that makes outputs of an image which first goes through layers."""

    def outputs(layers, inputs):
        x = inputs
        for make in layers_of:
            x = make(layers, x)
        return one_row(layers, x)

    return outputs


def adapted(layers, x, mean, variance):
    return layers.Normalization(mean=mean, variance=variance)(x)


def nested(layers, x):
    return load_keras().Sequential([layers.RandomFlip(), layers.Rescaling(1 / 127.5, -1)])(x)


def nested_to_the_end(layers, x):
    inner = [layers.Rescaling(1 / 255), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()]
    return load_keras().Sequential(inner)(x)


@pytest.mark.parametrize(
    ("first", "normalization"),
    [
        ([], None),
        ([lambda layers, x: layers.RandomFlip()(x)], None),
        ([lambda layers, x: layers.BatchNormalization()(x)], None),  # untrained: does nothing
        ([lambda layers, x: layers.Rescaling(1 / 255)(x)], (0, 1)),
        ([lambda layers, x: layers.Rescaling(1 / 127.5, -1)(layers.Resizing(6, 6)(x))], (0, 1)),
        ([lambda layers, x: layers.Rescaling(2.0, -1.0)(x)], (0, 255)),
        ([lambda layers, x: adapted(layers, x, 120.0, 3600.0)], (0, 1)),
        ([lambda layers, x: adapted(layers, x, 0.47, 0.06)], (0, 255)),
        ([lambda layers, x: adapted(layers, x, 0.0, 0.25)], (127.5, 127.5)),
        ([lambda layers, x: x / 255.0], (0, 1)),
        ([lambda layers, x: (x - 127.5) / 127.5], (0, 1)),
        ([nested], (0, 1)),
        ([nested, lambda layers, x: layers.Rescaling(0.5)(x)], (0, 1)),
    ],
)
def test_a_model_that_scales_its_input_is_not_normalized_again(tmp_path, first, normalization):
    card = load_model(save_outputs(tmp_path / "a.keras", scaling(*first)))[1]
    if normalization is None:
        assert (card.mean, card.std) == ((127.5,), (127.5,))
        assert {"mean", "std"} <= set(card.assumed)
    else:
        assert (card.mean, card.std) == ((normalization[0],), (normalization[1],))
        assert not {"mean", "std"} & set(card.assumed)
        assert any("scales its input itself" in note for note in card.notes)


def test_scaling_inside_of_a_model_in_the_model(tmp_path):
    def outputs(layers, inputs):
        return layers.Dense(2)(nested_to_the_end(layers, inputs))

    card = load_model(save_outputs(tmp_path / "a.keras", outputs))[1]
    assert (card.mean, card.std) == ((0,), (1,))


def test_a_model_that_rescales_answers_as_keras_does(tmp_path, rng):
    rescaled = scaling(lambda layers, x: layers.Rescaling(1 / 255)(x))
    path = save_outputs(tmp_path / "a.keras", rescaled)
    faces = rng.integers(0, 256, (5, 8, 8, 1), np.uint8)
    expected = softmax(load_model(path)[0].predict(faces.astype(np.float32), verbose=0))
    assert KerasModel(path).classify(faces) == pytest.approx(expected, abs=1e-5)
    exported = export_onnx(path, tmp_path / "a.onnx")
    model = OnnxModel(exported.path)
    assert model.classify(faces) == pytest.approx(expected, abs=1e-5)
    assert (model.card.mean, model.card.std) == ((0,), (1,))


def test_what_was_assumed_stays_so_in_the_exported_file(tmp_path):
    path = save(tmp_path / "a.keras", (8, 8, 1))
    said = ModelSettings(("calm", "glad", "sad"))
    model = OnnxModel(export_onnx(path, tmp_path / "a.onnx", said).path)
    assert model.card.assumed == ("mean", "std")
    exported = export_onnx(path, tmp_path / "b.onnx", replace(said, mean=0, std=255)).path
    assert OnnxModel(exported).card.assumed == ()


def test_integers_are_given_pixels(tmp_path, rng):
    keras = load_keras()
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    path = tmp_path / "a.keras"
    with quiet_warnings():
        keras.Model(inputs, one_row(keras.layers, x)).save(path)
    faces = rng.integers(0, 256, (5, 8, 8, 1), np.uint8)
    expected = softmax(load_model(path)[0].predict(faces, verbose=0))
    assert KerasModel(path).classify(faces) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(OptionError, match="takes pixels 0…255 as uint8, which cannot"):
        KerasModel(path, ModelSettings(mean=127.5, std=127.5))


@pytest.mark.parametrize("name", ["a.keras", "a.h5"])
def test_a_lambda_layer_is_named(tmp_path, name):
    path = save_outputs(
        tmp_path / name, scaling(lambda layers, x: layers.Lambda(lambda pixels: pixels / 255)(x))
    )
    with pytest.raises(InputError, match=r"has a Lambda layer.* try: export it to \.onnx"):
        load_model(path)


def test_weights_without_an_architecture_are_named(tmp_path):
    keras = load_keras()
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    with quiet_warnings():
        model.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(InputError, match="weights without an architecture"):
        load_model(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("bare", [True, False])
def test_a_sequential_model_of_keras_2_2(tmp_path, rng, bare):
    keras = load_keras()
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Flatten(),
         layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    path = tmp_path / "a.h5"
    with quiet_warnings():
        model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        listed = config["config"]["layers"][1:]
        listed[0]["config"]["batch_input_shape"] = [None, 8, 8, 1]
        inner = listed if bare else {"name": "sequential_1", "layers": listed}
        old = {"class_name": "Sequential", "config": inner}
        file.attrs["model_config"] = json.dumps(old).encode()
    faces = rng.integers(0, 256, (5, 8, 8, 1), np.uint8)
    expected = model.predict(faces / np.float32(127.5) - 1, verbose=0)
    assert KerasModel(path).classify(faces) == pytest.approx(expected, abs=1e-5)


def test_hdf5_by_another_name(tmp_path):
    path = save(tmp_path / "a.h5", (8, 8, 1)).rename(tmp_path / "a.keras")
    assert load_model(path)[1].size_wh == (8, 8)


def test_a_temperature_travels_with_the_model(tmp_path, rng):
    model = load_model(save(tmp_path / "a.keras", (8, 8, 1)))[0]
    model = load_keras().Model(model.inputs, load_keras().layers.Softmax()(model.outputs[0]))
    card = ModelCard(("a", "b", "c"), (8, 8))
    save_model(tmp_path / "b.keras", model, card)
    save_model(tmp_path / "c.keras", model, replace(card, temperature=2.0))
    faces = rng.integers(0, 256, (5, 8, 8, 1), np.uint8)
    plain, soft = (KerasModel(tmp_path / name).classify(faces) for name in ("b.keras", "c.keras"))
    roots = np.sqrt(plain)
    assert soft == pytest.approx(roots / roots.sum(axis=1, keepdims=True), abs=1e-5)
    exported = export_onnx(tmp_path / "c.keras", tmp_path / "c.onnx").path
    assert OnnxModel(exported).classify(faces) == pytest.approx(soft, abs=1e-5)


def test_a_file_that_the_first_fer_wrote(tmp_path):
    """Its card spelled the order of channels as the British do, and called images pictures."""
    model = load_model(save(tmp_path / "a.keras", (8, 8, 3)))[0]
    old = to_metadata(ModelCard(("a", "b", "c"), (8, 8), 3, color_order="bgr"))
    del old["fer.temperature"]
    old["fer.training"] = '{"pictures": {"a": 3}, "epoch": 2}'
    old["fer.colour_order"] = old.pop("fer.color_order")
    with quiet_warnings():
        model.save(tmp_path / "b.keras")
    with zipfile.ZipFile(tmp_path / "b.keras", "a") as archive:
        archive.writestr(CARD, json.dumps(old))
    card = load_model(tmp_path / "b.keras")[1]
    assert (card.color_order, card.temperature, card.assumed) == ("bgr", 1.0, ())
    assert card.training == {"images": {"a": 3}, "epoch": 2}
