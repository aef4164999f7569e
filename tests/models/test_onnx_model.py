import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fercli.common.errors import InputError, OptionError
from fercli.models.catalog import summarize
from fercli.models.loading import open_models
from fercli.models.onnx_model import ModelSettings, OnnxModel, softmax


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
    with pytest.raises(InputError, match="The model has no input"):
        OnnxModel(tmp_path / "a.onnx")


def test_what_is_said_of_foreign_models_is_not_said_of_others(tmp_path):
    path = str(write_model(tmp_path / "a.onnx"))
    said = ModelSettings(classes=("a", "b", "c"), size_wh=(8, 8), mean=0.0, std=255.0)
    other, own = open_models([path, "ferplus"], said)
    assert (other.card.classes, other.card.std) == (said.classes, (255.0,))
    assert own.card == open_models(["ferplus"])[0].card
    with pytest.raises(OptionError, match=r"All models state .* ferplus, ferplus"):
        open_models(["ferplus", "ferplus"], said)
