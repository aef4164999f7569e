"""Weights of ``.onnx`` files that lie beside them, and what may be passed off as such."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fercli.common.errors import InputError
from fercli.models.onnx_graph import has_external_data
from fercli.models.onnx_model import OnnxModel

from .test_onnx_model import face, write_model


def save_outside(folder, factor=1.0, location="net.onnx.data"):
    """Write a model whose weights are in a file beside it, and return the model's path."""
    folder.mkdir(exist_ok=True)
    path = write_model(folder / "net.onnx")
    model = onnx.load(path)
    weights = model.graph.initializer[0]
    array = numpy_helper.to_array(weights) * np.float32(factor)
    weights.CopyFrom(numpy_helper.from_array(array, weights.name))
    onnx.save_model(
        model, path, save_as_external_data=True, location="net.onnx.data", size_threshold=0
    )
    if location != "net.onnx.data":
        path.write_bytes(relocated(path.read_bytes(), location))
    return path


def relocated(content, location):
    model = onnx.load_from_string(content)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    return model.SerializeToString()


def test_weights_are_those_beside_the_model(tmp_path, monkeypatch):
    """Not those of another model of the same name in the working directory."""
    mine, other = save_outside(tmp_path / "mine"), save_outside(tmp_path / "other", factor=-1)
    monkeypatch.chdir(mine.parent)
    expected = OnnxModel(mine).classify(face(1)[None])
    assert expected.argmax() == 1
    monkeypatch.chdir(other.parent)
    assert (OnnxModel(mine).classify(face(1)[None]) == expected).all()
    monkeypatch.chdir("/")
    assert (OnnxModel(mine).classify(face(1)[None]) == expected).all()
    assert OnnxModel(other).classify(face(1)[None]).argmax() != 1


@pytest.mark.parametrize(
    "location", ["../other/net.onnx.data", "/etc/hostname", "a/../../b", "C:\\b", "..\\b", ""]
)
def test_weights_outside_the_folder_are_refused(tmp_path, location):
    save_outside(tmp_path / "other")
    path = save_outside(tmp_path / "mine", location=location)
    with pytest.raises(InputError, match="which is not in the folder of the model"):
        OnnxModel(path)


def test_weights_that_are_missing_are_named(tmp_path):
    path = save_outside(tmp_path / "mine")
    (path.parent / "net.onnx.data").unlink()
    with pytest.raises(InputError, match=r"'net\.onnx\.data', which cannot be read"):
        OnnxModel(path)


def test_weights_that_were_not_downloaded_are_named(tmp_path):
    path = save_outside(tmp_path / "mine")
    (path.parent / "net.onnx.data").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match=r"net\.onnx\.data: The file is a Git LFS pointer"):
        OnnxModel(path)


def test_weights_inside_of_branches_are_seen(tmp_path):
    """Of an If node, whose branches are graphs of their own."""
    inner = onnx.load(save_outside(tmp_path), load_external_data=False).graph
    node = onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    graph = onnx.helper.make_graph([node], "g", [], [])
    content = onnx.helper.make_model(graph).SerializeToString()
    assert has_external_data(content, tmp_path / "a.onnx")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_protocol_buffer_has_no_external_data(tmp_path, content):
    assert not has_external_data(content, tmp_path / "a.onnx")
