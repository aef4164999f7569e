from dataclasses import replace

import numpy as np
import pytest

from fercli.common.errors import InputError, OptionError
from fercli.common.progress import Progress
from fercli.models.architectures import ARCHITECTURES
from fercli.models.catalog import bundled_models
from fercli.models.export import export_onnx
from fercli.models.keras_model import load_model, save_model
from fercli.models.model_card import ModelCard
from fercli.models.onnx_model import OnnxModel
from fercli.models.training import train
from fercli.models.training_model import measure_normalizations, restore

from .conftest import QUICK, make_tree

IMAGES = np.random.default_rng(1).normal(0, 0.5, (16, 40, 40, 1)).astype(np.float32)


def save_untrained(path, architecture, classes=("a", "b", "c")):
    """Write a model whose normalizations are as arbitrary as trained ones."""
    rng = np.random.default_rng(0)
    card = ModelCard(classes, (48, 48), crop=40, architecture=architecture)
    model = ARCHITECTURES[architecture].build(card.input_shape, len(classes))
    model.set_weights([w * rng.uniform(0.5, 1.5, w.shape) + 0.01 for w in model.get_weights()])
    save_model(path, model, card)
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    model = save_untrained(folder / "a.keras", "fernet")
    return model, export_onnx(folder / "a.keras", folder / "a.onnx").path


def test_the_restored_model_answers_as_the_one_exported(exported):
    model, path = exported
    restored, card = restore(path)
    assert card.architecture == "fernet"
    expected = model.predict_on_batch(IMAGES)
    assert restored.predict_on_batch(IMAGES) == pytest.approx(expected, abs=1e-4)
    assert restored.count_params() == model.count_params()


def test_a_model_in_float16_can_be_restored(exported, tmp_path):
    model, _ = exported
    card = ModelCard(("a", "b", "c"), (48, 48), crop=40, architecture="fernet")
    save_model(tmp_path / "a.keras", model, card)
    path = export_onnx(tmp_path / "a.keras", tmp_path / "a.onnx", storage="float16").path
    restored, _ = restore(path)
    expected = OnnxModel(path).classify(np.full((1, 48, 48), 90, np.uint8))
    images = np.full((1, 40, 40, 1), (90 - 127.5) / 127.5, np.float32)
    assert restored.predict_on_batch(images) == pytest.approx(expected, abs=1e-4)


def test_measured_normalizations_change_no_answer_and_fit_the_images(exported):
    """What a training step normalizes by is what the model was measured with."""
    restored, _ = restore(exported[1])
    before = restored.predict_on_batch(IMAGES)
    measure_normalizations(restored, [IMAGES])
    assert restored.predict_on_batch(IMAGES) == pytest.approx(before, abs=1e-4)
    for layer in restored.layers:
        if "dropout" in type(layer).__name__.lower():
            layer.rate = 0.0
    in_training = np.asarray(restored(IMAGES, training=True))
    assert in_training == pytest.approx(before, abs=1e-3)


def test_a_model_without_normalizations_has_none_to_measure(tmp_path):
    save_untrained(tmp_path / "a.keras", "cnn4")
    restored, _ = restore(export_onnx(tmp_path / "a.keras", tmp_path / "a.onnx").path)
    before = restored.get_weights()
    measure_normalizations(restored, [IMAGES])
    assert all((a == b).all() for a, b in zip(before, restored.get_weights(), strict=True))


def test_a_training_starts_from_a_shipped_model(tmp_path):
    root = make_tree(tmp_path / "tree", (("train", 4), ("validation", 2)), ("left", "right"))
    notes = []
    progress = Progress()
    progress.note = notes.append
    options = replace(
        QUICK, architecture="fernet", crop=40, epochs=1, batch_size=4, learning_rate=1e-9,
        average=0.0, weight_decay=0.0, init="ferplus", freeze=-1,
    )  # fmt: skip
    result = train(root, tmp_path / "out", options, progress=progress)
    assert "30 layers start from ferplus" in notes
    trained, _ = load_model(result.model)
    source, _ = restore(bundled_models()["ferplus"])
    kernels = [
        next(layer.get_weights()[0] for layer in model.layers if layer.weights)
        for model in (trained, source)
    ]
    assert (kernels[0] == kernels[1]).all()


def test_normalizations_after_activations_cannot_be_restored(tmp_path):
    card = ModelCard(("a", "b"), (48, 48), architecture="five-class")
    model = ARCHITECTURES["five-class"].build(card.input_shape, 2)
    save_model(tmp_path / "a.keras", model, card)
    path = export_onnx(tmp_path / "a.keras", tmp_path / "a.onnx").path
    with pytest.raises(OptionError, match="cannot be restored in Keras"):
        restore(path)


def test_models_of_others_cannot_be_restored(tmp_path):
    from .test_onnx_model import write_model

    with pytest.raises(OptionError, match="cannot be restored in Keras"):
        restore(write_model(tmp_path / "a.onnx"))


def test_no_model(tmp_path):
    with pytest.raises(InputError, match=r"a\.onnx"):
        restore(tmp_path / "a.onnx")
