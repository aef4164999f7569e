import json
import time

import numpy as np
import onnx
import pytest

from fercli.common.errors import InputError, OptionError, TrainingError
from fercli.datasets.tree import read_tree
from fercli.models.backend import load_keras, quiet_warnings
from fercli.models.export import TOLERANCES, export_file, export_onnx, has_training
from fercli.models.keras_model import load_model, save_model
from fercli.models.labeled_faces import Faces
from fercli.models.model_card import ModelCard
from fercli.models.onnx_model import OnnxModel


@pytest.fixture(scope="module")
def exported(run, validation, tmp_path_factory):
    out = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return export_onnx(run / "best.keras", out, faces=validation)


def test_the_exported_model_answers_as_the_trained_one(exported, run, validation):
    model, card = load_model(run / "best.keras")
    images = validation.pixels.astype(np.float32) / 127.5 - 1
    expected = model.predict(images, verbose=0)
    tolerance = TOLERANCES["float32"]
    onnx_model = OnnxModel(exported.path)
    assert onnx_model.classify(validation.pixels) == pytest.approx(expected, abs=tolerance)
    assert exported.difference <= tolerance
    assert exported.accuracy_before == exported.accuracy_after
    assert exported.size == exported.path.stat().st_size
    found = onnx_model.card
    assert found.classes == card.classes
    assert found.training == {**card.training, "storage": "float32"}


def test_metadata_can_be_read_by_anyone(exported):
    properties = {p.key: p.value for p in onnx.load(exported.path).metadata_props}
    assert json.loads(properties["fer.classes"]) == ["down", "left", "right"]
    assert properties["fer.input_size"] == "48x48"
    assert json.loads(properties["fer.mean"]) == [127.5]


def test_features_are_the_second_output(exported, validation):
    features = OnnxModel(exported.path).features(validation.pixels)
    assert features.shape == (len(validation), 128)
    assert features.std() > 0


def test_float16_halves_the_file_and_changes_little(exported, run, validation, tmp_path):
    half = export_onnx(run / "best.keras", tmp_path / "a.onnx", faces=validation, storage="float16")
    assert half.size < 0.6 * exported.size
    assert 0 < half.difference < 0.02
    assert half.accuracy_after == pytest.approx(exported.accuracy_after, abs=0.06)


def test_what_to_try_if_float16_changes_too_much(run, tmp_path, monkeypatch):
    monkeypatch.setitem(TOLERANCES, "float16", 1e-9)
    with pytest.raises(TrainingError, match=r"differ by .* try: export as float32"):
        export_onnx(run / "best.keras", tmp_path / "a.onnx", storage="float16")
    assert not any(tmp_path.iterdir())


def test_weights_that_float16_cannot_hold_stay(run, tmp_path):
    """A weight of 1e6 would be infinite."""
    model, card = load_model(run / "best.keras")
    last = next(layer for layer in reversed(model.layers) if layer.weights)
    kernel, *others = last.get_weights()
    last.set_weights([np.full_like(kernel, 1e6), *others])
    save_model(tmp_path / "large.keras", model, card)
    result = export_onnx(tmp_path / "large.keras", tmp_path / "a.onnx", storage="float16")
    kinds = {array.data_type for array in onnx.load(result.path).graph.initializer}
    assert {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16} <= kinds


def test_int8_is_smaller_and_nearly_as_good(exported, run, validation, tmp_path):
    small = export_onnx(run / "best.keras", tmp_path / "a.onnx", faces=validation, storage="int8")
    assert small.accuracy_after is not None
    assert small.accuracy_after >= exported.accuracy_after - 0.1
    kinds = {node.op_type for node in onnx.load(small.path).graph.node}
    assert "QuantizeLinear" in kinds


def test_int8_is_calibrated_on_training_faces_and_measured_on_others(run, tree, tmp_path):
    result = export_file(run / "best.keras", tmp_path / "a.onnx", tree, storage="int8")
    assert result.faces == 36
    assert "lost from" in result.to_text()
    assert OnnxModel(result.path).card.training["storage"] == "int8"


@pytest.mark.parametrize(("split", "learns"), [("Training", True), ("val", False)])
def test_faces_to_calibrate_on_are_found_by_any_name(tmp_path, split, learns):
    (tmp_path / split / "a").mkdir(parents=True)
    (tmp_path / split / "a" / "a.png").touch()
    assert has_training(read_tree(tmp_path)) is learns


def test_int8_wants_faces(run, tmp_path):
    with pytest.raises(OptionError, match="give `data`"):
        export_onnx(run / "best.keras", tmp_path / "a.onnx", storage="int8")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"garbage"])
def test_not_a_keras_file(tmp_path, content):
    path = tmp_path / "a.keras"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"neither a \.keras nor an HDF5 file|zip archive without a Keras model"
    ):
        export_onnx(path, tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_one_face_takes_less_than_a_millisecond(tmp_path):
    """fer's own architecture, untrained, on one core; the best of many, as others may be busy."""
    from fercli.models.architectures import ARCHITECTURES
    from fercli.models.backend import load_keras
    from fercli.models.keras_model import save_model
    from fercli.models.model_card import ModelCard

    load_keras()
    classes = tuple("abcdefgh")
    model = ARCHITECTURES["fernet"].build((40, 40, 1), 8)
    card = ModelCard(classes, (48, 48), crop=40, architecture="fernet")
    save_model(tmp_path / "a.keras", model, card)
    result = export_onnx(tmp_path / "a.keras", tmp_path / "a.onnx")
    assert result.size < 6e6
    model = OnnxModel(result.path)
    face = np.zeros((1, 48, 48), np.uint8)
    times = []
    for _ in range(200):
        start = time.perf_counter()
        model.classify(face)
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


def save_too_sure(path, rng, count=400):
    """Write a model that is right on 7 faces of 10 and sure of all; return such faces."""
    keras = load_keras()
    with quiet_warnings():
        inputs = keras.Input((8, 8, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        dense = keras.layers.Dense(3, activation="softmax")
        model = keras.Model(inputs, dense(pooled))
        dense.set_weights([12 * np.eye(3, dtype=np.float32), np.zeros(3, np.float32)])
    save_model(path, model, ModelCard(("a", "b", "c"), (8, 8), 3))
    shown = rng.integers(0, 3, count)
    labels = np.where(rng.random(count) < 0.7, shown, (shown + 1) % 3)
    pixels = rng.integers(60, 90, (count, 8, 8, 3)).astype(np.uint8)
    pixels[np.arange(count), :, :, shown] += 60
    targets = np.eye(3, dtype=np.float32)[labels]
    return Faces(("",) * count, labels, targets, ("a", "b", "c"), (8, 8), 3, pixels)


def test_a_temperature_is_found_checked_and_stored(tmp_path, rng):
    faces = save_too_sure(tmp_path / "a.keras", rng)
    plain = export_onnx(tmp_path / "a.keras", tmp_path / "a.onnx", faces=faces)
    found = export_onnx(tmp_path / "a.keras", tmp_path / "b.onnx", faces=faces, calibrate=True)
    assert plain.calibration is None
    assert found.calibration.faces == 200
    assert found.calibration.error_after < 0.1 < found.calibration.error_before
    assert found.difference < TOLERANCES["float32"]
    before, after = (OnnxModel(one.path) for one in (plain, found))
    assert after.card.temperature == pytest.approx(found.calibration.temperature) != 1
    assert (before.classify(faces.pixels).argmax(axis=1)
            == after.classify(faces.pixels).argmax(axis=1)).all()  # fmt: skip
    assert "calibration error" in found.to_text()
    assert found.to_dict()["calibration"]["faces"] == 200


def test_calibration_wants_faces(tmp_path, rng):
    save_too_sure(tmp_path / "a.keras", rng, 2)
    with pytest.raises(OptionError, match="`calibrate` needs labeled faces"):
        export_onnx(tmp_path / "a.keras", tmp_path / "a.onnx", calibrate=True)
