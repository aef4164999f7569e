import csv
import importlib.util
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fercli.common.errors import (
    DependencyError,
    ImageError,
    InputError,
    OptionError,
    OutputError,
    OutputExistsError,
    TrainingError,
)
from fercli.common.files import folder_lock
from fercli.common.progress import Progress
from fercli.datasets.tree import read_tree
from fercli.models.backend import precision_policy
from fercli.models.batches import SHUFFLING
from fercli.models.callbacks import averaged
from fercli.models.checkpoint import images_of, read_checkpoint
from fercli.models.distributed import check_devices
from fercli.models.keras_model import load_model, read_card
from fercli.models.labeled_faces import read_split
from fercli.models.training import train
from fercli.models.training_model import compiled_model, logit_adjusted
from fercli.models.training_options import ModelTrainingOptions, check_options

from .conftest import CLASSES, QUICK, make_tree


class StopAfter(Progress):
    """Presses Ctrl-C when an epoch is announced."""

    def __init__(self, epoch):
        self.epoch = epoch

    def note(self, text):
        if text.startswith(f"epoch {self.epoch}/"):
            raise KeyboardInterrupt


def variables(out):
    with np.load(out / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "about"}


def test_a_training_leaves_all_that_is_promised(run):
    assert {path.name for path in run.iterdir()} == {
        "best.keras", "checkpoint.npz", "curves.png", "history.csv", "recipe.toml", "result.json",
    }  # fmt: skip
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    result = json.loads((run / "result.json").read_text())
    assert result["epochs"] == 2
    assert "keras" in result["versions"]
    assert cv2.imread(str(run / "curves.png")) is not None


def test_the_best_model_knows_itself_and_its_task(run, validation):
    model, card = load_model(run / "best.keras")
    assert card == read_card(run / "best.keras")
    assert (card.classes, card.size_wh, card.architecture) == (CLASSES, (48, 48), "mini-xception")
    assert card.training["images"] == dict.fromkeys(CLASSES, 24)
    images = validation.pixels.astype(np.float32) / 127.5 - 1
    answers = model.predict(images, verbose=0)
    accuracy = (answers.argmax(axis=1) == validation.labels).mean()
    assert accuracy == pytest.approx(card.training["validation_accuracy"], abs=1e-4)


def test_interrupted_and_continued_is_the_same_as_never_interrupted(tree, run, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(tree, out, QUICK, progress=StopAfter(1))
    train(tree, out, QUICK)
    expected, found = variables(run), variables(out)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("clip_norm", "clipped"), [(0.01, True), (0.0, False)])
def test_a_step_is_no_longer_than_the_clipped_gradient(tree, clip_norm, clipped):
    options = replace(
        QUICK, learning_rate=1.0, momentum=0.0, weight_decay=0.0, schedule="constant", average=0.0,
        clip_norm=clip_norm,
    )  # fmt: skip
    faces = read_split(read_tree(tree), "train", (48, 48))
    model = compiled_model(faces, 1, options)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.train_on_batch(faces.pixels.astype(np.float32) / 255, faces.targets)
    steps = [now.numpy() - then for now, then in zip(model.trainable_weights, before, strict=True)]
    length = np.sqrt(sum(np.square(step).sum() for step in steps))
    assert (length == pytest.approx(0.01, rel=1e-2)) == clipped


@pytest.mark.parametrize(("rate", "dropped"), [(0.0, 0.0), (0.9, 0.9), (None, 0.5)])
def test_a_rate_of_dropout_is_every_layers(tree, rate, dropped):
    faces = read_split(read_tree(tree), "train", (48, 48))
    options = replace(QUICK, architecture="vgg-like", size=None, dropout=rate)
    layers = [
        layer for layer in compiled_model(faces, 1, options).layers if "dropout" in layer.name
    ]
    assert len(layers) == 7
    ones = np.ones((1, 10_000), np.float32)
    for layer in layers:
        zeros = (np.asarray(layer(ones, training=True)) == 0).mean()
        assert zeros == pytest.approx(dropped, abs=0.03)


def test_a_warm_up_is_no_longer_than_the_training(tree):
    faces = read_split(read_tree(tree), "train", (48, 48))
    options = replace(QUICK, warmup_epochs=1e308, schedule="constant", learning_rate=0.8)
    rate = compiled_model(faces, 2, options).optimizer._learning_rate  # over two epochs
    assert [float(rate(step)) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize(("steps", "momentum"), [(1, 0.0), (10, 0.75), (5000, 0.999)])
def test_an_average_spans_a_fifth_of_the_training_at_most(tree, steps, momentum):
    """Over two epochs of so many steps; else a short one would keep what it began with."""
    faces = read_split(read_tree(tree), "train", (48, 48))
    optimizer = compiled_model(faces, steps, replace(QUICK, average=0.999)).optimizer
    assert optimizer.use_ema
    assert optimizer.ema_momentum == pytest.approx(momentum)


def test_a_rate_of_dropout_where_there_is_none(tree, tmp_path):
    with pytest.raises(OptionError, match="mini-xception has no dropout layer"):
        train(tree, tmp_path / "out", replace(QUICK, dropout=0.5))
    assert not list(tmp_path.glob("out/*.keras"))


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_averaged_weights_lie_between_those_of_the_steps(tree, precision):
    """And the model has its own again afterwards."""
    faces = read_split(read_tree(tree), "train", (48, 48))
    images = faces.pixels[::6].astype(np.float32) / 255
    with precision_policy(precision):
        model = compiled_model(faces, 9, replace(QUICK, precision=precision, weight_decay=0.0))
        with averaged(model, [images]):  # of nothing yet
            assert model.get_weights()[0].any()
        before = take_a_step(model, images, faces.targets[::6])[0]  # where the average begins
        after = take_a_step(model, images, faces.targets[::6])
        with averaged(model, [images]):
            found = model.get_weights()[0]
    assert (before != after[0]).any()
    np.testing.assert_allclose(found, (before + after[0]) / 2, atol=1e-6)
    for own, now in zip(after, model.get_weights(), strict=True):
        np.testing.assert_allclose(now, own, atol=1e-6)


def take_a_step(model, images, targets):
    """Return the weights after it; those at which float16 overflows are none."""
    before = int(model.optimizer.iterations)
    while int(model.optimizer.iterations) == before:
        model.train_on_batch(images, targets)
    return model.get_weights()


@pytest.mark.slow
def test_crop_averages_and_votes(tmp_path):
    """The other way through everything: crops, augmentation, mixup, soft labels, weights."""
    root = make_tree(tmp_path / "tree", (("train", 8), ("validation", 4)))
    lines = ["file,source,origin,subject,sha256,votes"]
    for path in sorted(root.glob("*/*/*.png")):
        votes = [9 if name == path.parent.name else 1 for name in CLASSES]
        lines.append(f"{path.relative_to(root).as_posix()},x,x,,,{' '.join(map(str, votes))}")
    (root / "files.csv").write_text("\n".join(lines) + "\n")
    manifest = {"classes": CLASSES, "counts": {}, "sources": [], "made_by": [], "fer": "0",
                "version": 1}  # fmt: skip
    (root / "dataset.json").write_text(json.dumps(manifest))
    options = replace(
        QUICK, epochs=1, crop=40, augment="standard", mixup=0.2, soft_labels=True,
        class_weights="balanced", label_smoothing=0.1, optimizer="adamw",
        precision="mixed_bfloat16", learning_rate=1e-3,
    )  # fmt: skip
    result = train(root, tmp_path / "out", options)
    model, card = load_model(result.model)
    assert model.input_shape == (None, 40, 40, 1)
    assert (card.crop, card.size_wh) == (40, (48, 48))
    assert model.dtype_policy.name == "float32"
    training = read_split(read_tree(root), "train", (48, 48), soft_labels=True)
    assert training.targets[0] == pytest.approx([9 / 11, 1 / 11, 1 / 11])


@pytest.mark.slow
def test_killed_and_continued_is_the_same_as_never_interrupted(tree, tmp_path):
    """SIGKILL right after the first checkpoint of a training that changes its images."""
    options = replace(QUICK, epochs=3, augment="standard", optimizer="adam", learning_rate=1e-3)
    with subprocess.Popen(training_command(tree, tmp_path / "a", options)) as process:
        while not (tmp_path / "a" / "checkpoint.npz").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    train(tree, tmp_path / "a", options)
    train(tree, tmp_path / "b", options)
    expected, found = variables(tmp_path / "b"), variables(tmp_path / "a")
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-4)
    assert not list((tmp_path / "a").glob("*tmp*"))


def test_a_training_killed_before_its_first_checkpoint_begins_anew(run, tree, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(run, out)
    for name in ("checkpoint.npz", "result.json"):
        (out / name).unlink()
    with pytest.raises(TrainingError, match="other settings: `seed` 0 there, 9 here"):
        train(tree, out, replace(QUICK, seed=9))
    train(tree, out, QUICK)
    assert {path.name for path in out.iterdir()} == {path.name for path in run.iterdir()}
    (out / "checkpoint.npz").unlink()
    with pytest.raises(OutputExistsError, match="has ended; try: use another `out`"):
        train(tree, out, QUICK)


def test_what_a_killed_training_was_writing_goes(run, tree, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(run, out)
    (out / ".fer-abc.npz").touch()
    train(tree, out, QUICK)
    assert not (out / ".fer-abc.npz").exists()


def test_only_jax_distributes(tree, tmp_path):
    with pytest.raises(
        TrainingError, match="`distribute` needs Keras with JAX, and it runs with tensorflow"
    ):
        train(tree, tmp_path, replace(QUICK, distribute=True))


def test_devices_share_a_batch_evenly():
    with pytest.raises(OptionError, match="multiple of 3"):
        check_devices("jax", ["gpu:0", "gpu:1", "gpu:2"], 128)
    check_devices("jax", ["gpu:0", "gpu:1"], 128)


def test_two_trainings_in_one_folder(run, tree):
    with (
        folder_lock(run, "a training"),
        pytest.raises(OutputError, match="under way there already"),
    ):
        train(tree, run, QUICK)


def test_other_options_do_not_go_on(run, tree):
    with pytest.raises(TrainingError, match=r"`learning_rate` 0\.05 there, 0\.01 here"):
        train(tree, run, replace(QUICK, learning_rate=0.01))


@pytest.mark.parametrize("epochs", [2, 3])
@pytest.mark.parametrize(
    ("counts", "classes", "other"),
    [
        ((("train", 24), ("validation", 12)), ("down", "left", "up"), "classes than"),
        ((("train", 25), ("validation", 12)), CLASSES, "labels to train on than"),
        ((("train", 24), ("validation", 13)), CLASSES, "labels to validate on than"),
    ],
)
def test_other_images_do_not_go_on(run, tmp_path, counts, classes, other, epochs):
    """Whether there are epochs left or not; the folder stays what it was."""
    root = make_tree(tmp_path / "tree", counts, classes)
    before = (run / "recipe.toml").read_text()
    with pytest.raises(TrainingError, match=f"holds a training with other {other}"):
        train(root, run, replace(QUICK, epochs=epochs))
    assert (run / "recipe.toml").read_text() == before


def test_images_that_were_changed_do_not_go_on(run, tree, tmp_path):
    root = tmp_path / "tree"
    shutil.copytree(tree, root)
    image = root / "validation" / "left" / "003.png"
    shutil.copy(root / "validation" / "left" / "004.png", image)
    with pytest.raises(TrainingError, match="with other images to validate on than"):
        train(root, run, QUICK)


def test_a_tree_may_be_moved(run, tree, tmp_path):
    out, moved = tmp_path / "out", tmp_path / "moved"
    shutil.copytree(run, out)
    moved.symlink_to(tree)
    assert train(moved, out, QUICK).epochs == 2
    assert f'"{moved}"' in (out / "recipe.toml").read_text()


def test_a_checkpoint_that_does_not_know_its_images(run, tree, tmp_path):
    """Of an older fer: it is gone on with, and knows them then."""
    out = tmp_path / "out"
    shutil.copytree(run, out)
    about = edit_checkpoint(out, "images")
    train(tree, out, replace(QUICK, epochs=3))
    assert images_of(out / "checkpoint.npz") == about["images"]


def edit_checkpoint(out, *without):
    """Take entries out of what a checkpoint says about itself; return all that it said."""
    with np.load(out / "checkpoint.npz") as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays["about"]))
    kept = {name: value for name, value in about.items() if name not in without}
    np.savez(out / "checkpoint.npz", **{**arrays, "about": np.array(json.dumps(kept))})
    return about


def test_a_checkpoint_of_another_architecture(run, validation):
    model = compiled_model(validation, 1, replace(QUICK, architecture="cnn4"))
    with pytest.raises(TrainingError, match="The checkpoint is of mini_xception"):
        read_checkpoint(run / "checkpoint.npz", model)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 truncated"])
def test_a_broken_checkpoint(tree, tmp_path, run, content):
    for name in ("recipe.toml", "best.keras"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    (tmp_path / "checkpoint.npz").write_bytes(content)
    with pytest.raises(InputError, match="not a checkpoint"):
        train(tree, tmp_path, QUICK)


def test_a_loss_that_is_no_number_stops_and_keeps_the_best(tree, tmp_path):
    options = replace(QUICK, learning_rate=1e30, average=0.0)
    with pytest.raises(TrainingError, match="The loss became NaN or infinite in epoch 1"):
        train(tree, tmp_path, options)
    assert not list(tmp_path.glob("*.keras"))


def test_a_last_step_that_breaks_the_weights_is_no_epoch(tree, tmp_path):
    """The loss of the only step is a number still; that of the validation is not."""
    options = replace(QUICK, learning_rate=1e30, average=0.0, batch_size=72)
    with pytest.raises(TrainingError, match="The loss became NaN or infinite in epoch 1"):
        train(tree, tmp_path, options)
    assert not list(tmp_path.glob("*.npz"))


def test_a_log_for_tensorboard(tree, tmp_path):
    options = replace(QUICK, epochs=1, tensorboard=True)
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(DependencyError, match="needs the package tensorboard"):
            train(tree, tmp_path, options)
    else:
        train(tree, tmp_path, options)
        assert list((tmp_path / "tensorboard").rglob("events*"))


@pytest.mark.slow
def test_patience(tree, tmp_path):
    options = replace(QUICK, epochs=9, patience=1, learning_rate=1e-9, schedule="constant")
    result = train(tree, tmp_path, options)
    assert result.epochs < 9
    assert result.stopped_because == "no better epoch for 1"
    assert train(tree, tmp_path, options) == result  # and it does not go on when told again


def test_start_from_a_model_with_other_classes(run, tmp_path):
    root = make_tree(tmp_path / "tree", (("train", 8), ("validation", 4)), ("down", "up"))
    notes = []
    progress = Progress()
    progress.note = notes.append
    options = replace(QUICK, epochs=1, init=str(run / "best.keras"), freeze=-1)
    train(root, tmp_path / "out", options, progress=progress)
    (kernels,) = [note for note in notes if "start from" in note]
    before, _ = load_model(run / "best.keras")
    after, card = load_model(tmp_path / "out" / "best.keras")
    assert card.classes == ("down", "up")
    first = before.layers[1].get_weights()[0]
    assert (after.layers[1].get_weights()[0] == first).all(), kernels


@pytest.mark.parametrize(("freeze", "found"), [(28, None), (29, 29), (99, 99), (-99, None)])
def test_a_layer_at_least_is_trained(validation, freeze, found):
    options = replace(QUICK, freeze=freeze)
    if found is None:
        assert compiled_model(validation, 1, options).trainable_weights
    else:
        with pytest.raises(OptionError, match=f"`freeze` must be at most 28, got {found}"):
            compiled_model(validation, 1, options)


def test_init_of_another_architecture(run, tree, tmp_path):
    options = replace(QUICK, architecture="cnn4", init=str(run / "best.keras"))
    with pytest.raises(OptionError, match="of the architecture cnn4, got mini_xception"):
        train(tree, tmp_path, options)


def test_streamed_images_are_those_in_memory(tree):
    kept = read_split(read_tree(tree), "train", (40, 32))
    streamed = read_split(read_tree(tree), "train", (40, 32), streamed=True)
    assert streamed.pixels is None
    indices = np.array([3, 70, 0])
    assert kept.take(indices).shape == (3, 32, 40, 1)
    assert (streamed.take(indices) == kept.take(indices)).all()


def test_an_image_that_is_damaged_while_a_training_streams_it_is_named(tmp_path):
    """In a later batch: Keras reads the first ones itself."""
    root = make_tree(tmp_path / "tree", (("train", 24), ("validation", 2)))
    last = np.random.default_rng((QUICK.seed, 0, 0, SHUFFLING)).permutation(72)[-1]
    broken = sorted((root / "train").glob("*/*.png"))[last]

    class Damage(Progress):
        def bar(self, description, *, total=None, unit="it"):
            if description == "read validation":  # those of train were looked at
                broken.write_bytes(b"no image")
            return super().bar(description, total=total, unit=unit)

    with pytest.raises(ImageError, match=f"{broken.parent.name}/{broken.name}"):
        train(root, tmp_path / "out", replace(QUICK, stream=True), progress=Damage())


@pytest.mark.parametrize(
    ("classes", "empty", "message"),
    [(("left",), None, "at least two classes"), (CLASSES, "right", "have none of right")],
)
def test_trees_that_cannot_be_learned_from(tmp_path, classes, empty, message):
    root = make_tree(tmp_path / "tree", (("train", 2), ("validation", 2)), classes)
    for path in (root / "train").glob(f"{empty}/*"):
        path.unlink()
    with pytest.raises(TrainingError, match=message):
        train(root, tmp_path / "out", QUICK)


def test_images_of_two_sizes_are_brought_to_one(tmp_path):
    root = make_tree(tmp_path / "tree", (("train", 2),))
    large = np.zeros((96, 96), np.uint8)
    large[:, :48] = 200
    cv2.imwrite(str(root / "train" / "left" / "large.png"), large)
    faces = read_split(read_tree(root), "train", (48, 48))
    assert faces.pixels.shape == (7, 48, 48, 1)
    at = [path.name for path in faces.paths].index("large.png")
    assert (faces.pixels[at, :, :, 0] == large[::2, ::2]).all()


def test_no_validation_split(tmp_path):
    root = make_tree(tmp_path / "tree", (("train", 2), ("test", 1)))
    with pytest.raises(OptionError, match="no split 'validation': the tree has train, test"):
        train(root, tmp_path / "out", QUICK)


def test_images_that_cannot_be_read_are_left_out_and_told(tmp_path):
    """Nine images a split, of which one cannot be read: eight are left."""
    root = make_tree(tmp_path / "tree", (("train", 3), ("validation", 3)))
    reason = "The file is not an image: neither OpenCV nor Pillow can decode it"
    bad = {f"{split}/left/000.png": reason for split in ("train", "validation")}
    for name in bad:
        (root / name).write_bytes(b"no image")
    result = train(root, tmp_path / "out", replace(QUICK, epochs=1))
    assert result.unreadable == bad
    told = f"left out 2 images that cannot be read, such as train/left/000.png ({reason})"
    assert told in result.to_text()
    assert result.to_dict()["unreadable"] == bad
    stored = json.loads((tmp_path / "out/result.json").read_text())
    assert (stored["unreadable"], stored["model"]) == (bad, "best.keras")
    counts = read_card(tmp_path / "out/best.keras").training["images"]
    assert counts == {"down": 3, "left": 2, "right": 3}
    again = read_split(read_tree(root), "train", (48, 48), streamed=True)
    assert (len(again), again.pixels, dict(again.unreadable)) == (
        8, None, {"train/left/000.png": reason},
    )  # fmt: skip


def test_a_split_without_a_readable_image_is_named(tmp_path):
    root = make_tree(tmp_path / "tree", (("train", 2), ("validation", 2)))
    for path in root.glob("train/*/*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"down/000.png: None of 6 images can be read; the first"):
        train(root, tmp_path / "out", QUICK)


def test_a_class_without_a_readable_image_is_named(tmp_path):
    root = make_tree(tmp_path / "tree", (("train", 2), ("validation", 2)))
    for path in root.glob("train/left/*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(TrainingError, match="images to learn from have none of left"):
        train(root, tmp_path / "out", QUICK)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "`epochs`: expected more than 0, got 0"),
        ({"learning_rate": float("nan")}, "`learning_rate`: .*got nan"),
        ({"learning_rate": math.inf}, "`learning_rate`: .*got inf"),
        ({"warmup_epochs": math.inf}, "`warmup_epochs`: .*got inf"),
        ({"weight_decay": math.inf}, "`weight_decay`: .*got inf"),
        ({"clip_norm": math.inf}, "`clip_norm`: .*got inf"),
        ({"mixup": math.inf}, "`mixup`: .*got inf"),
        ({"seed": 2**32}, "`seed`: expected 0 to 4294967295, got 4294967296"),
        ({"seed": -1}, "`seed`: .*got -1"),
        ({"average": 1.0}, "`average`: expected at least 0 and less than 1, got 1"),
        ({"clip_norm": -1.0}, "`clip_norm`: .*got -1"),
        ({"dropout": 1.0}, "`dropout`: expected at least 0 and less than 1, got 1"),
        ({"dropout": math.nan}, "`dropout`: .*got nan"),
        ({"schedule": "up"}, "`schedule`: expected constant, cosine, "),
        ({"crop": 50}, "`crop`: expected 16 to 48 pixels, got 50"),
        ({"architecture": "lenet"}, "no architecture 'lenet'"),
    ],
)
def test_options_that_cannot_be(changes, message):
    with pytest.raises(OptionError, match=message):
        check_options(replace(ModelTrainingOptions(), **changes))


def training_command(data, out, options):
    """Return a command that trains in a process of its own and writes the best accuracy."""
    code = (
        "import sys; from pathlib import Path; from fercli.models.training import train;"
        "from fercli.models.training_options import ModelTrainingOptions;"
        f"options = ModelTrainingOptions(**{vars(options)!r});"
        "print(train(Path(sys.argv[1]), Path(sys.argv[2]), options).best['val_accuracy'])"
    )
    return [sys.executable, "-c", code, data, out]


@pytest.mark.slow
@pytest.mark.parametrize("distribute", [False, True])
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend, distribute, tree, tmp_path):
    """JAX on two devices, too, which the processor plays; it goes on after an interruption."""
    pytest.importorskip(backend, reason=f"pip install {backend}")
    if distribute and backend != "jax":
        pytest.skip("Keras distributes with JAX only")
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"} if distribute else {}
    for epochs in (1, 2):
        options = replace(QUICK, epochs=epochs, distribute=distribute, schedule="constant")
        done = subprocess.run(
            training_command(tree, tmp_path / "out", options),
            env={**os.environ, "KERAS_BACKEND": backend, **flags},
            capture_output=True,
            text=True,
            check=True,
        )
    assert float(done.stdout) > 1 / 3
    rows = (tmp_path / "out" / "history.csv").read_text().splitlines()
    assert len(rows) == 3


@pytest.mark.skipif(importlib.util.find_spec("jax") is not None, reason="JAX would wait")
def test_hosts_that_cannot_be_joined(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_DISTRIBUTION_JOB_ADDRESSES", "127.0.0.1:1")
    with pytest.raises(
        TrainingError, match=r"127\.0\.0\.1:1 cannot be joined: No module named 'jax'"
    ):
        train(tree, tmp_path, replace(QUICK, distribute=True))


def on_two_hosts(commands):
    """Run a command on each of two hosts, which this machine plays; return how each ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    shared = {
        **os.environ, "KERAS_BACKEND": "jax", "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
    }  # fmt: skip
    running = [
        subprocess.Popen(
            command, env={**shared, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number, command in enumerate(commands)
    ]  # fmt: skip
    return [(*process.communicate(timeout=300), process.returncode) for process in running]


@pytest.mark.slow
def test_two_hosts_train_one_model(tree, tmp_path):
    """As one host does, but for the order of sums; each goes on from a checkpoint of its own."""
    pytest.importorskip("jax", reason="pip install jax")
    for epochs in (1, 2):
        options = replace(QUICK, epochs=epochs, distribute=True, schedule="constant")
        ends = on_two_hosts(training_command(tree, tmp_path / n, options) for n in "ab")
        assert [code for _, _, code in ends] == [0, 0], ends
    first, second = variables(tmp_path / "a"), variables(tmp_path / "b")
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])
    alone = replace(QUICK, epochs=1, schedule="constant")
    subprocess.run(
        training_command(tree, tmp_path / "alone", alone),
        env={**os.environ, "KERAS_BACKEND": "jax"}, check=True, capture_output=True,
    )  # fmt: skip
    losses = [
        float((tmp_path / name / "history.csv").read_text().splitlines()[1].split(",")[2])
        for name in ("a", "alone")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # of the first epoch


@pytest.mark.slow
def test_hosts_that_differ_say_so(tree, tmp_path):
    pytest.importorskip("jax", reason="pip install jax")
    options = [replace(QUICK, epochs=1, distribute=True, seed=seed) for seed in (1, 2)]
    ends = on_two_hosts(
        training_command(tree, tmp_path / str(number), each) for number, each in enumerate(options)
    )
    for _, said, code in ends:
        assert (code, "The hosts differ in options" in said) == (1, True), said


def test_a_frozen_start_trains_the_last_layer_alone(validation):
    """For one epoch of two steps; without decay, which would move the others."""
    options = replace(
        QUICK, optimizer="adam", learning_rate=1e-3, frozen_epochs=1, schedule="constant"
    )
    model = compiled_model(validation, 2, options)
    images = validation.pixels[:12].astype(np.float32) / 127.5 - 1
    changed = []
    for _ in range(3):
        before = [weight.numpy().copy() for weight in model.trainable_variables]
        model.train_on_batch(images, validation.targets[:12])
        pairs = zip(before, model.trainable_variables, strict=True)
        changed.append([bool((old != new.numpy()).any()) for old, new in pairs])
    last = [False] * (len(changed[0]) - 2) + [True, True]
    assert changed[:2] == [last, last]
    assert sum(changed[2]) > len(last) // 2


def test_logit_adjusted_loss_by_hand(validation):
    """Shares 3/4 and 1/4; answers 1/2 and 1/2 become 3/4 and 1/4."""
    faces = replace(
        validation, labels=np.array([0, 0, 0, 1]), targets=np.eye(2, dtype=np.float32)[[0, 0, 0, 1]]
    )
    loss = logit_adjusted(faces)
    answers = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    found = np.asarray(loss(np.eye(2, dtype=np.float32), answers))
    assert found == pytest.approx([-math.log(3 / 4), -math.log(1 / 4)], rel=1e-5)
