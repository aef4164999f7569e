"""Readers of networks and of what a training of a network leaves to go on with."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fuzz.reader import MB, Reader

CLASSES = ("happy", "neutral", "sad")
SIDE = 12


def _recipes() -> list[bytes]:
    import tempfile

    from fercli.common.recipes import write_recipe
    from fercli.models.training_options import ModelTrainingOptions, to_recipe

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recipe.toml")
        write_recipe(path, {**to_recipe(ModelTrainingOptions()), "data": "tree"})
        return [path.read_bytes()]


def _metadata() -> dict[str, str]:
    from fercli.models.model_card import ModelCard, to_metadata

    return to_metadata(ModelCard(CLASSES, (SIDE, SIDE), training={"seed": 1}))


@cache
def _network(metadata: bool = True) -> bytes:
    """Return a tiny network: pixels, one matrix, probabilities."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(SIDE * SIDE, len(CLASSES))).astype("f4")
    nodes = [
        helper.make_node("Flatten", ["faces"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    faces = helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", SIDE, SIDE, 1])
    answers = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])
    given = [numpy_helper.from_array(weights / 100, "weights")]
    graph = helper.make_graph(nodes, "network", [faces], [answers], given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if metadata:
        helper.set_model_props(model, _metadata())
    return bytes(model.SerializeToString())


def _run(path: Path) -> object:
    from fercli.models.onnx_model import OnnxModel

    network = OnnxModel(path)
    width, height = network.card.size_wh
    if width * height > 1 << 20:
        return network.card
    faces = np.zeros((2, height, width, network.card.channels), np.uint8)
    return network.classify(faces)


def _read_onnx(folder: Path) -> object:
    return _run(folder / "network.onnx")


def _cards() -> list[bytes]:
    return [json.dumps(_metadata(), indent=1).encode()]


def _card_in_onnx(folder: Path) -> object:
    """Put a mutated card into a network that is whole, each of its texts on its own."""
    from onnx import helper, load_from_string

    text = (folder / "card.json").read_bytes()
    try:
        card = json.loads(text)
        card = {str(key): _text(value) for key, value in card.items()}
    except (ValueError, AttributeError, RecursionError):
        card = {"fer.classes": text.decode("latin-1"), "fer.input_size": "12x12"}
    model = load_from_string(_network(metadata=False))
    try:
        helper.set_model_props(model, card)
    except ValueError:  # half a surrogate pair, which no file of ONNX can hold
        return None
    (folder / "network.onnx").write_bytes(model.SerializeToString())
    return _run(folder / "network.onnx")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _zip(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", ".")), content)
    return stream.getvalue()


def _card_in_keras(folder: Path) -> object:
    from fercli.models.keras_model import read_card

    path = folder / "network.keras"
    path.write_bytes(_zip(config__json=b"{}", fer__json=(folder / "card.json").read_bytes()))
    return read_card(path)


@cache
def _keras_model() -> Any:
    from fercli.models.backend import load_keras

    keras = load_keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(2, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax", name="answers"),
        ],
        name="tiny",
    )
    model.compile("adam", "categorical_crossentropy")
    return model


@cache
def _keras_members() -> dict[str, bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.keras")
        _keras_model().save(path)
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _keras_member(member: str) -> tuple[Callable[[], list[bytes]], Callable[[Path], object]]:
    """Return the valid contents of a member of a .keras file, and what reads the whole file."""

    def valid() -> list[bytes]:
        return [_keras_members()[member]]

    def read(folder: Path) -> object:
        from fercli.models.keras_model import load_model

        members = _keras_members() | {member: (folder / member).read_bytes()}
        path = folder / "network.keras"
        path.write_bytes(_zip(**members))
        return load_model(path)

    return valid, read


def _archives() -> list[bytes]:
    return [_zip(**_keras_members(), fer__json=_cards()[0])]


def _read_archive(folder: Path) -> object:
    from fercli.models.keras_model import read_card

    return read_card(folder / "network.keras")


@cache
def _checkpoint() -> dict[str, bytes]:
    import tempfile

    from fercli.models.checkpoint import FIGURES, State, write_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint.npz")
        rows = [dict.fromkeys(FIGURES, 1.0)]
        write_checkpoint(path, _keras_model(), State(1, rows))
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _checkpoint_member(member: str) -> tuple[Callable[[], list[bytes]], Callable[[Path], object]]:
    def valid() -> list[bytes]:
        return [_checkpoint()[member]]

    def read(folder: Path) -> object:
        (folder / "checkpoint.npz").write_bytes(
            _zip(**_checkpoint() | {member: (folder / member).read_bytes()})
        )
        return _read_checkpoint(folder)

    return valid, read


def _read_checkpoint(folder: Path) -> object:
    from fercli.models.checkpoint import read_checkpoint

    return read_checkpoint(folder / "checkpoint.npz", _keras_model()).best("val_accuracy")


def _read_recipe(folder: Path) -> object:
    """Go on with the training of a folder whose recipe is this."""
    from fercli.models.run_folder import ModelFolder
    from fercli.models.training_options import ModelTrainingOptions

    (folder / "checkpoint.npz").touch()
    return ModelFolder(folder).prepare(ModelTrainingOptions(), Path("tree"), overwrite=False)


READERS = (
    Reader(".onnx", "network.onnx", lambda: [_network(), _network(metadata=False)], _read_onnx,
           share=1.5),
    Reader("card in .onnx", "card.json", _cards, _card_in_onnx, share=1.5),
    Reader("card in .keras", "card.json", _cards, _card_in_keras),
    Reader(".keras", "network.keras", _archives, _read_archive),
    Reader("config in .keras", "config.json", *_keras_member("config.json"), share=0.03,
           memory=1024 * MB),
    Reader("weights in .keras", "model.weights.h5", *_keras_member("model.weights.h5"), share=0.03,
           memory=1024 * MB),
    Reader("checkpoint.npz", "checkpoint.npz", lambda: [_zip(**_checkpoint())], _read_checkpoint,
           share=0.2),
    Reader("state in checkpoint.npz", "about.npy", *_checkpoint_member("about.npy"), share=0.2),
    Reader("array in checkpoint.npz", "0000.npy", *_checkpoint_member("0000.npy"), share=0.2),
    Reader("recipe.toml of a network", "recipe.toml", _recipes, _read_recipe),
)  # fmt: skip
