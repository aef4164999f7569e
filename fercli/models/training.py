"""Training: from a tree of labelled faces to a folder with the best network and its history."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fercli import __version__
from fercli.datasets.augmentation import find_policy
from fercli.datasets.tree import Tree, read_tree
from fercli.errors import OutputExistsError, TrainingError
from fercli.files import make_folder, write_text
from fercli.models.averaging import MEASURED, averaged
from fercli.models.backend import load_keras, quiet_warnings
from fercli.models.batches import BatchMaker, BatchOptions, plain_batches, training_batches
from fercli.models.callbacks import Watch, make_callback
from fercli.models.card import MIDDLE, NetworkCard
from fercli.models.checkpoint import State, read_checkpoint, write_checkpoint
from fercli.models.faces import Faces, read_split
from fercli.models.history import draw_curves, write_history
from fercli.models.network_file import rebuild, save_network, start_from
from fercli.models.schedules import RateOptions, learning_rate
from fercli.models.training_options import (
    TrainingOptions,
    check_options,
    differences,
    to_recipe,
)
from fercli.progress import SILENT, Progress
from fercli.recipes import write_recipe

if TYPE_CHECKING:
    from keras import Model

CHECKPOINT = "checkpoint.npz"
BEST = "best.keras"
RECIPE = "recipe.toml"
RESULT = "result.json"
HISTORY = "history.csv"
CURVES = "curves.png"


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training.

    Parameters
    ----------
    network : Path
        The best epoch's network, with its card.
    epochs : int
        Epochs that are done.
    best : dict
        The figures of the best epoch.
    seconds : float
        Time of all epochs.
    stopped_because : str
        "all epochs done" or "no better epoch for so many".
    """

    network: Path
    epochs: int
    best: dict[str, float]
    seconds: float
    stopped_because: str


def train(
    data: Path,
    out: Path,
    options: TrainingOptions,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> TrainingResult:
    """Train a network, or go on with a training that was stopped.

    `out` gets, after each epoch, ``checkpoint.npz`` (all that is needed to go on), ``best.keras``
    (the best epoch's network), ``history.csv`` and ``curves.png``; at the start ``recipe.toml``;
    at the end ``result.json``.

    Parameters
    ----------
    data : Path
        The tree. Its split "train" is learned from, `options.validation` chooses the epoch.
    out : Path
        The folder of results. If it holds a checkpoint of the same options, the training goes
        on from there.
    options : TrainingOptions
        How.
    overwrite : bool
        Start anew even if there is a checkpoint. Defaults to False.
    workers : int, optional
        Threads that read pictures. Defaults to all cores.
    progress : Progress
        A bar and a line an epoch.

    Raises
    ------
    OptionError
        Options that cannot be, or not with this tree.
    TrainingError
        The tree has one class only or a class without pictures; the checkpoint is of other
        options; the loss is not a number any more.
    DependencyError
        Keras is not installed.
    """
    check_options(options)
    tree = read_tree(data)
    _check_tree(tree)
    going_on = _prepare_folder(out, options, data, overwrite)
    read = partial(
        read_split,
        tree,
        size_wh=options.size_wh,
        channels=options.found.channels,
        streamed=True if options.stream else None,
        workers=workers,
        progress=progress,
    )
    training = read("train", soft_labels=options.soft_labels)
    validation = read(options.validation)
    _check_counts(training)
    with _policy(options.precision), quiet_warnings():
        return _run(training, validation, out, options, going_on, progress)


def _run(
    training: Faces,
    validation: Faces,
    out: Path,
    options: TrainingOptions,
    going_on: bool,
    progress: Progress,
) -> TrainingResult:
    maker = BatchMaker(training, _batch_options(options))
    model = _compiled_model(training, maker.count, options)
    state = read_checkpoint(out / CHECKPOINT, model) if going_on else State()
    if going_on:
        progress.note(f"going on after epoch {state.epoch}")
    else:
        _start(model, options, progress)
    watch = Watch(
        state,
        options.monitor,
        options.epochs,
        options.patience,
        options.batch_size,
        validate=partial(_validated, maker=maker, validation=validation, options=options),
        save_best=lambda model: _save_best(out, model, training, options, state),
        save_epoch=lambda model: _save_epoch(out, model, state),
        progress=progress,
    )
    _fit(model, maker, watch, out, options)
    return _finish(out, options, watch)


def _fit(
    model: Model,
    maker: BatchMaker,
    watch: Watch,
    out: Path,
    options: TrainingOptions,
) -> None:
    keras = load_keras()
    batches = training_batches(maker)
    callbacks = [make_callback(watch, batches)]
    if options.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(out / "tensorboard"))
    with watch.stack:
        model.fit(
            batches,
            initial_epoch=watch.state.epoch,
            epochs=options.epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )


def _finish(out: Path, options: TrainingOptions, watch: Watch) -> TrainingResult:
    state = watch.state
    best = state.best(options.monitor)
    if watch.broken:
        kept = f"; epoch {best['epoch']:.0f} is kept in {out / BEST}" if best else ""
        raise TrainingError(
            f"the loss is not a number any more in epoch {state.epoch + 1}{kept}",
            hint="a lower --learning-rate, or --precision float32",
        )
    assert best is not None
    reason = "all epochs done"
    if watch.out_of_patience:
        reason = f"no better epoch for {options.patience}"
    seconds = sum(row["seconds"] for row in state.history)
    result = TrainingResult(out / BEST, state.epoch, best, seconds, reason)
    write_text(out / RESULT, _result_text(result), overwrite=True)
    draw_curves(out / CURVES, state.history, options.architecture)
    return result


def _check_tree(tree: Tree) -> None:
    if len(tree.classes) < 2:
        raise TrainingError(
            f"wanted at least two classes, found {', '.join(tree.classes)} only in {tree.root}"
        )


def _check_counts(training: Faces) -> None:
    empty = [
        name for name, count in zip(training.classes, training.counts(), strict=True) if not count
    ]
    if empty:
        raise TrainingError(
            f"wanted pictures of every class in the split train, found none of {', '.join(empty)}",
            hint="import the data set again with the --classes that it has",
        )


def _prepare_folder(out: Path, options: TrainingOptions, data: Path, overwrite: bool) -> bool:
    """Return whether there is a training to go on with; if not, write the recipe of a new one."""
    from fercli.recipes import read_recipe

    recipe = {**to_recipe(options), "data": str(data)}
    if (out / CHECKPOINT).exists() and not overwrite:
        before = read_recipe(out / RECIPE, recipe.keys())
        known = {name: value for name, value in recipe.items() if value is not None}
        changed = differences(before, known)
        if changed:
            raise TrainingError(
                f"{out} holds a training with other options: {', '.join(changed)}",
                hint="the same options to go on, another --out, or --overwrite to start anew",
            )
        write_recipe(out / RECIPE, recipe, overwrite=True)
        return True
    make_folder(out)
    if not overwrite and any((out / name).exists() for name in (BEST, RESULT)):
        raise OutputExistsError("holds a network already", hint="--overwrite", path=out)
    (out / CHECKPOINT).unlink(missing_ok=True)
    write_recipe(out / RECIPE, recipe, overwrite=True)
    return False


def _batch_options(options: TrainingOptions) -> BatchOptions:
    return BatchOptions(
        options.batch_size,
        options.seed,
        None if options.augment == "none" else find_policy(options.augment).apply_batch,
        options.crop,
        options.label_smoothing,
        options.mixup,
        options.class_weights == "balanced",
    )


def _compiled_model(training: Faces, steps: int, options: TrainingOptions) -> Model:
    keras = load_keras()
    if options.distribute:
        _distribute()
    keras.utils.set_random_seed(options.seed)
    model = options.found.build(_card(training, options).input_shape, len(training.classes))
    _freeze(model, options.freeze)
    optimizer = _optimizer(options, steps)
    model.compile(
        optimizer,
        loss="categorical_crossentropy",
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=_jit(),
    )
    model.optimizer.build(model.trainable_variables)
    return model


def _optimizer(options: TrainingOptions, steps: int) -> Any:
    keras = load_keras()
    warmup = round(options.warmup_epochs * steps)
    rate = RateOptions(options.learning_rate, options.schedule, warmup, options.epochs * steps)
    common = {
        "learning_rate": learning_rate(rate),
        "weight_decay": options.weight_decay or None,
        "use_ema": bool(options.average),
        "ema_momentum": options.average or 0.99,
    }
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=options.momentum, nesterov=True, **common)
    else:
        kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
        optimizer = kinds[options.optimizer](**common)
    if options.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _jit() -> bool | str:
    """XLA makes convolutions several times slower on TensorFlow's CPU, and faster elsewhere."""
    keras = load_keras()
    if keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu"):
        return False
    return "auto"


def _distribute() -> None:
    keras = load_keras()
    try:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    except Exception as error:  # NotImplementedError, ValueError, RuntimeError, by backend
        raise TrainingError(
            f"Keras cannot distribute with {keras.backend.backend()}: {error}",
            hint="KERAS_BACKEND=jax, or leave --distribute out",
        ) from error


def _freeze(model: Model, count: int) -> None:
    layers = [layer for layer in model.layers if layer.weights]
    for layer in layers[:count] if count else []:
        layer.trainable = False


def _start(model: Model, options: TrainingOptions, progress: Progress) -> None:
    if options.init is None:
        return
    taken = start_from(model, options.init)
    progress.note(f"{taken} layers start from {options.init}")


@contextmanager
def _policy(name: str) -> Iterator[None]:
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _validated(
    model: Model, *, maker: BatchMaker, validation: Faces, options: TrainingOptions
) -> Iterator[dict[str, float]]:
    measured = (maker.make(0, number)[0] for number in range(min(MEASURED, maker.count)))
    with averaged(model, measured):
        batches = plain_batches(validation, 4 * options.batch_size, options.crop)
        figures = model.evaluate(batches, return_dict=True, verbose=0)
        yield {f"val_{name}": float(value) for name, value in figures.items()}


def _save_best(
    out: Path, model: Model, training: Faces, options: TrainingOptions, state: State
) -> None:
    card = replace(_card(training, options), training=_about(training, options, state))
    save_network(out / BEST, rebuild(model, card), card, overwrite=True)


def _card(training: Faces, options: TrainingOptions) -> NetworkCard:
    scale = (MIDDLE,) * training.channels
    return NetworkCard(
        training.classes,
        training.size_wh,
        training.channels,
        scale,
        scale,
        options.crop,
        architecture=options.architecture,
    )


def _save_epoch(out: Path, model: Model, state: State) -> None:
    write_checkpoint(out / CHECKPOINT, model, state)
    write_history(out / HISTORY, state.history)


def _about(training: Faces, options: TrainingOptions, state: State) -> dict[str, Any]:
    row = state.history[-1]
    counts = training.counts().tolist()
    return {
        "pictures": dict(zip(training.classes, counts, strict=True)),
        "epoch": int(row["epoch"]),
        "epochs": options.epochs,
        "seed": options.seed,
        "soft_labels": options.soft_labels,
        "validation_accuracy": round(row["val_accuracy"], 4),
        "keras": load_keras().__version__,
    }


def _result_text(result: TrainingResult) -> str:
    keras = load_keras()
    versions = {"fer": __version__, "keras": keras.__version__, "python": platform.python_version()}
    backend = keras.backend.backend()
    versions[backend] = metadata.version(backend)
    about = {
        "network": result.network.name,
        "epochs": result.epochs,
        "best": result.best,
        "seconds": round(result.seconds, 1),
        "stopped_because": result.stopped_because,
        "versions": versions,
    }
    return json.dumps(about, indent=2) + "\n"


def describe_result(result: TrainingResult) -> str:
    """Return a few lines that say what came of a training."""
    best = result.best
    return (
        f"{result.epochs} epochs in {result.seconds / 60:.1f} minutes: {result.stopped_because}\n"
        f"best epoch {best['epoch']:.0f}: accuracy {best['val_accuracy']:.4f}, "
        f"loss {best['val_loss']:.4f} on the validation split\n"
        f"wrote {result.network}"
    )
