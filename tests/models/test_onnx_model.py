import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fercli.common.errors import InputError, OptionError
from fercli.common.progress import Progress
from fercli.models.catalog import open_model, open_models, summarize
from fercli.models.model_card import ModelCard, ModelSettings, to_metadata
from fercli.models.onnx_model import OnnxModel, softmax, to_probabilities


def write_model(path, shape=("n", 1, 8, 8), classes=3, scores=False, metadata=None):
    """Write a model of one matrix product: the mean of thirds of the pixels."""
    pixels = int(np.prod(shape[1:]))
    weights = np.zeros((pixels, classes), np.float32)
    for at, part in enumerate(np.array_split(np.arange(pixels), classes)):
        weights[part, at] = 10 / len(part)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    if not scores:
        nodes.append(helper.make_node("Softmax", ["scores"], ["answer"]))
    name = "scores" if scores else "answer"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (shape[0], classes))],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.save(model, path)
    return path


def face(bright):
    """Return an 8×8 face that is bright in one of three horizontal parts."""
    levels = np.full(64, 20, np.uint8)
    levels[np.array_split(np.arange(64), 3)[bright]] = 250
    return levels.reshape(8, 8)


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("shape", [("n", 1, 8, 8), (1, 1, 8, 8), ("n", 8, 8, 1), (4, 8, 8, 1)])
def test_models_of_others(tmp_path, shape, scores):
    """Channels first or last, a batch of any size or a fixed one, probabilities or scores."""
    path = write_model(tmp_path / "a.onnx", shape, scores=scores)
    model = OnnxModel(path, ModelSettings(classes=("top", "middle", "bottom")))
    answers = model.classify(np.stack([face(at % 3) for at in range(11)]))
    assert answers.shape == (11, 3)
    assert answers.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert answers.argmax(axis=1).tolist() == [at % 3 for at in range(11)]


def test_answers_that_end_in_a_convolution(tmp_path):
    """Models without a dense layer give (n, classes, 1, 1)."""
    path = write_model(tmp_path / "a.onnx", scores=True)
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 3, 1, 1]), "four"))
    model.graph.node.append(helper.make_node("Reshape", ["scores", "four"], ["answer"]))
    del model.graph.output[:]
    shape = ("n", 3, 1, 1)
    model.graph.output.append(helper.make_tensor_value_info("answer", TensorProto.FLOAT, shape))
    onnx.save(model, path)
    model = OnnxModel(path)
    assert model.classes == ("class 0", "class 1", "class 2")
    assert model.classify(np.stack([face(1), face(2)])).argmax(axis=1).tolist() == [1, 2]


def test_features_of_no_known_width_are_none(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Identity", ["x"], ["features"]))
    shape = ("n", 1, 8, 8)
    model.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, shape))
    onnx.save(model, path)
    with pytest.raises(
        OptionError, match="'features' of a known width: its outputs are answer, features"
    ):
        OnnxModel(path).features(face(1)[None])


def test_normalization_is_the_users(tmp_path):
    path = write_model(tmp_path / "a.onnx", scores=True)
    faces = face(1)[None]
    settings = ModelSettings(classes=("a", "b", "c"), mean=10.0, std=100.0)
    parts = np.array_split((face(1).ravel().astype(float) - 10) / 100, 3)
    expected = softmax(np.array([[10 * part.mean() for part in parts]], np.float32))
    assert OnnxModel(path, settings).classify(faces) == pytest.approx(expected, abs=1e-5)


def test_gray_faces_for_a_model_of_colors(tmp_path):
    path = write_model(tmp_path / "a.onnx", ("n", 8, 8, 3))
    assert OnnxModel(path).classify(face(2)[None]).argmax() == 2


def test_any_size_wants_a_size(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    model = onnx.load(path)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "side"
    onnx.save(model, path)
    with pytest.raises(OptionError, match="set `size_wh`"):
        OnnxModel(path)
    assert OnnxModel(path, ModelSettings(size_wh=(8, 8))).card.size_wh == (8, 8)
    assert "8x8" in summarize(str(path), size_wh=(8, 8))
    with pytest.raises(InputError, match="image of 9x9"):
        OnnxModel(path, ModelSettings(size_wh=(9, 9)))


def test_classes_must_be_as_many_as_outputs(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    with pytest.raises(OptionError, match="Expected 3 `classes`"):
        OnnxModel(path, ModelSettings(classes=("a", "b")))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"classes": ("a", "", "c")}, "Expected distinct names in `classes`"),
        ({"classes": ("a", "b", "a")}, "Expected distinct names in `classes`"),
        ({"mean": float("nan")}, "`mean` must be a finite number, got nan"),
        ({"std": 0.0}, "`std` must be a finite number above 0"),
        ({"std": float("inf")}, "`std` must be a finite number above 0"),
        ({"size_wh": (9, 8)}, "takes inputs of 8x8 only"),
    ],
)
def test_what_cannot_be_said_of_a_model(tmp_path, said, message):
    with pytest.raises(OptionError, match=message):
        OnnxModel(write_model(tmp_path / "a.onnx"), ModelSettings(**said))


def test_a_model_that_was_broken_in_training(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    model = onnx.load(path)
    weights = np.full((64, 3), np.nan, np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "weights"))
    onnx.save(model, path)
    with pytest.raises(InputError, match="NaN or infinite"):
        OnnxModel(path)


def test_features_are_an_error_where_there_are_none(tmp_path):
    model = OnnxModel(write_model(tmp_path / "a.onnx"))
    assert not model.has_features
    with pytest.raises(OptionError, match="features"):
        model.features(face(0)[None])


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_not_a_model(tmp_path, content):
    path = tmp_path / "a.onnx"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.onnx"):
        OnnxModel(path)


def test_a_model_of_other_things(tmp_path):
    with pytest.raises(InputError, match="does not take images"):
        OnnxModel(write_model(tmp_path / "a.onnx", ("n", 10)))


def test_metadata_that_cannot_be_read(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    model = onnx.load(path)
    helper.set_model_props(model, {"fer.classes": '["a", "b", "c"]'})
    onnx.save(model, path)
    with pytest.raises(InputError, match="The metadata cannot be read"):
        OnnxModel(path)


def test_running_needs_no_keras(tmp_path):
    """A model runs, from the import on, with onnxruntime and NumPy alone."""
    path = write_model(tmp_path / "a.onnx")
    code = (
        "import sys, numpy; from pathlib import Path\n"
        "from fercli.models.onnx_model import OnnxModel\n"
        f"OnnxModel(Path({str(path)!r})).classify(numpy.zeros((1, 8, 8), 'uint8'))\n"
        "print({'tensorflow', 'keras', 'cv2', 'jax', 'torch', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_model_without_inputs(tmp_path):
    value = numpy_helper.from_array(np.ones((1, 3), np.float32))
    node = helper.make_node("Constant", [], ["answer"], value=value)
    output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, (1, 3))
    model = helper.make_model(
        helper.make_graph([node], "g", [], [output]),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(InputError, match="Expected a model with one input, the image, got none"):
        OnnxModel(tmp_path / "a.onnx")


def test_what_is_said_of_foreign_models_is_not_said_of_others(tmp_path):
    path = str(write_model(tmp_path / "a.onnx"))
    said = ModelSettings(classes=("a", "b", "c"), size_wh=(8, 8), mean=0.0, std=255.0)
    other, own = open_models([path, "ferplus"], said)
    assert (other.card.classes, other.card.std) == (said.classes, (255.0,))
    assert own.card == open_models(["ferplus"])[0].card
    with pytest.raises(OptionError, match=r"All models state .* ferplus, ferplus"):
        open_models(["ferplus", "ferplus"], said)


def scaled_model(path, *operations):
    """Write a model whose input goes through operations with a constant first."""
    write_model(path, scores=True)
    model = onnx.load(path)
    name = "x"
    for at, (kind, value) in enumerate(operations):
        constant = np.array(value, np.float32).reshape(-1, 1, 1) if np.ndim(value) else value
        array = numpy_helper.from_array(np.array(constant, np.float32), f"constant{at}")
        model.graph.initializer.append(array)
        node = helper.make_node(kind, [name, f"constant{at}"], [f"scaled{at}"])
        model.graph.node.insert(at, node)
        name = f"scaled{at}"
    model.graph.node[len(operations)].input[0] = name
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("operations", "normalization"),
    [
        ([], None),
        ([("Div", 255.0)], (0, 1)),  # to 0…1
        ([("Sub", 127.5), ("Div", 127.5)], (0, 1)),  # to −1…1
        ([("Mul", 2 / 255), ("Add", -1.0)], (0, 1)),
        ([("Sub", 128.0)], (0, 1)),  # as Caffe does
        ([("Mul", 2.0), ("Sub", 1.0)], (0, 255)),  # of 0…1
        ([("Sub", [0.485]), ("Div", [0.229])], (0, 255)),  # ImageNet's, of 0…1
        ([("Mul", 255.0)], (0, 255)),
    ],
)
def test_a_model_that_scales_its_input_is_not_normalized_again(tmp_path, operations, normalization):
    card = OnnxModel(scaled_model(tmp_path / "a.onnx", *operations)).card
    if normalization is None:
        assert (card.mean, card.std) == ((127.5,), (127.5,))
        assert {"mean", "std"} <= set(card.assumed)
    else:
        assert (card.mean, card.std) == ((normalization[0],), (normalization[1],))
        assert not {"mean", "std"} & set(card.assumed)
        assert any("scales its input itself" in note for note in card.notes)


def test_what_is_assumed_is_told_in_one_line(tmp_path):
    path = write_model(tmp_path / "a.onnx", ("n", 3, 8, 8), scores=True)
    told = []
    progress = Progress()
    progress.note = told.append
    open_model(str(path), progress=progress)
    assert told == [
        f"{path}: not stated in the file, assumed: classes class 0, class 1, class 2; mean 127.5; "
        "std 127.5; color order rgb; softmax added, as its outputs are not probabilities"
    ]
    told.clear()
    said = ModelSettings(("a", "b", "c"), mean=0, std=255, color_order="bgr")
    open_model(str(path), said, progress=progress)
    open_model("ferplus", progress=progress)
    assert told == [f"{path}: softmax added, as its outputs are not probabilities"]


def test_what_contradicts_the_file_is_told(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    model = onnx.load(path)
    card = ModelCard(("a", "b", "c"), (8, 8))
    helper.set_model_props(model, to_metadata(card))
    onnx.save(model, path)
    assert OnnxModel(path, ModelSettings(mean=127.5)).card.notes == ()
    changed = OnnxModel(path, ModelSettings(("c", "b", "a"), mean=0)).card
    assert changed.notes == (
        "its classes a,b,c replaced by c,b,a as given",
        "its mean 127.5 replaced by 0 as given",
    )


def test_mean_and_std_by_channel(tmp_path):
    path = write_model(tmp_path / "a.onnx", ("n", 3, 8, 8), scores=True)
    faces = np.stack([face(1)] * 3, axis=-1)[None]
    said = ModelSettings(mean=(10, 20, 30), std=(100, 50, 25))
    planes = [(face(1).astype(float) - m) / s for m, s in ((10, 100), (20, 50), (30, 25))]
    parts = np.array_split(np.stack(planes).ravel(), 3)
    expected = softmax(np.array([[10 * part.mean() for part in parts]], np.float32))
    assert OnnxModel(path, said).classify(faces) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"mean": 0.5, "std": 0.5}, r"looks like one of pixels 0…1; try: set `mean` to 127.5 and"),
        ({"mean": (0.485, 0.456, 0.406)}, r"set `mean` to 123.675,116.28,103.53"),
        ({"mean": 0, "std": 0.2}, "`std` is of pixels 0…255"),
        ({"mean": (1.0, 2.0, 3.0)}, "Expected one `mean`, or one for each of 1 channels, got 3"),
    ],
)
def test_a_normalization_of_other_pixels_is_questioned(tmp_path, said, message):
    with pytest.raises(OptionError, match=message):
        OnnxModel(write_model(tmp_path / "a.onnx"), ModelSettings(**said))


def change_type(path, kind, *, output=False):
    """Let a model take (or give) numbers of another kind, which it converts."""
    model = onnx.load(path)
    value = model.graph.output[0] if output else model.graph.input[0]
    value.type.tensor_type.elem_type = kind
    if output:
        model.graph.node[-1].output[0] = "inner"
        model.graph.node.append(helper.make_node("Cast", ["inner"], [value.name], to=kind))
    else:
        model.graph.node[0].input[0] = "converted"
        cast = helper.make_node("Cast", ["x"], ["converted"], to=TensorProto.FLOAT)
        model.graph.node.insert(0, cast)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64])
def test_integers_are_given_pixels(tmp_path, kind):
    path = change_type(write_model(tmp_path / "a.onnx", scores=True), kind)
    model = OnnxModel(path)
    assert (model.card.mean, model.card.std) == ((0,), (1,))
    parts = [part.mean() for part in np.array_split(face(1).ravel().astype(float), 3)]
    expected = softmax(10 * np.array([parts], np.float32))
    assert model.classify(face(1)[None]) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(OptionError, match=r"takes pixels 0…255 as .*, which cannot be normalized"):
        OnnxModel(path, ModelSettings(mean=127.5))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floating_point_numbers(tmp_path, kind):
    path = write_model(tmp_path / "a.onnx", scores=True)
    expected = OnnxModel(path).classify(face(1)[None])
    change_type(change_type(path, kind), kind, output=True)
    assert OnnxModel(path).classify(face(1)[None]) == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize(
    ("kind", "output", "message"),
    [
        (TensorProto.INT8, False, r"The model takes tensor\(int8\)"),
        (TensorProto.BOOL, False, r"The model takes tensor\(bool\)"),
        (TensorProto.UINT8, True, r"output of floating point numbers, got tensor\(uint8\)"),
    ],
)
def test_quantized_numbers_are_refused(tmp_path, kind, output, message):
    path = change_type(write_model(tmp_path / "a.onnx"), kind, output=output)
    with pytest.raises(InputError, match=message):
        OnnxModel(path)


def test_the_output_with_as_many_numbers_as_classes(tmp_path):
    path = write_model(tmp_path / "a.onnx", scores=True)
    model = onnx.load(path)
    first = helper.make_tensor_value_info("flat", TensorProto.FLOAT, ("n", 64))
    model.graph.output.insert(0, first)
    onnx.save(model, path)
    answers = OnnxModel(path, ModelSettings(("a", "b", "c"))).classify(face(1)[None])
    assert answers.shape == (1, 3)
    assert answers.argmax() == 1


def test_an_image_of_three_rows_and_three_channels_is_ambiguous(tmp_path):
    card = OnnxModel(write_model(tmp_path / "a.onnx", ("n", 3, 3, 3))).card
    assert "layout" in card.assumed


@pytest.mark.parametrize("shape", [("n", "c", "h", "w"), ("n", 4, 8, 2), ("n", 8, 8)])
def test_shapes_that_are_no_images(tmp_path, shape):
    path = write_model(tmp_path / "a.onnx")
    model = onnx.load(path)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(given)
    onnx.save(model, path)
    with pytest.raises(InputError, match="does not take images in 1 or 3 channels"):
        OnnxModel(path)


def test_two_inputs_are_refused(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 2)))
    model.graph.node.append(helper.make_node("Identity", ["y"], ["z"]))
    onnx.save(model, path)
    with pytest.raises(InputError, match="Expected a model with one input, the image, got x, y"):
        OnnxModel(path)


def test_a_temperature_softens_what_a_model_answers(tmp_path):
    """By hand: of softmax(2, 1, 0) at temperature 2, softmax(1, 0.5, 0)."""
    path = write_model(tmp_path / "a.onnx")
    plain = OnnxModel(path).classify(face(1)[None])
    model = onnx.load(path)
    card = ModelCard(("a", "b", "c"), (8, 8), temperature=2.0)
    helper.set_model_props(model, to_metadata(card))
    onnx.save(model, path)
    expected = np.sqrt(plain) / np.sqrt(plain).sum()
    assert OnnxModel(path).classify(face(1)[None]) == pytest.approx(expected, abs=1e-5)
    exact = to_probabilities(np.array([[2.0, 1.0, 0.0]], np.float32), True, 2.0)[0]
    assert exact == pytest.approx([0.506480, 0.307196, 0.186324], abs=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html>\n<html></html>", "The file is a web page"),
    ],
)
@pytest.mark.parametrize("name", ["a.onnx", "a.keras", "a.h5"])
def test_what_stands_in_for_a_model_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_model(str(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.pt", "Files of PyTorch cannot be run"),
        ("a.TFLite", "Files of TensorFlow Lite cannot be run"),
        ("nobody", "There is no model 'nobody'"),
    ],
)
def test_files_of_other_libraries(name, message):
    with pytest.raises(InputError, match=message):
        open_model(name)
