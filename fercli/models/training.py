"""Training: a tree of labeled faces to a folder with the best model and its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import TrainingError
from fercli.common.files import folder_lock, make_folder
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted
from fercli.datasets.augment import find_policy
from fercli.datasets.tree import read_tree, unreadable_lines
from fercli.models.backend import (
    emulates_bfloat16,
    has_gpu,
    load_keras,
    precision_policy,
    quiet_warnings,
)
from fercli.models.batches import BatchMaker, BatchOptions, batch_errors, training_batches
from fercli.models.callbacks import (
    MEASURED,
    EpochMonitor,
    averaged,
    make_callback,
    tensorboard_log,
    validate,
)
from fercli.models.checkpoint import (
    State,
    draw_curves,
    epoch_of,
    read_checkpoint,
    write_checkpoint,
    write_history,
)
from fercli.models.distributed import (
    count_hosts,
    data_parallel,
    join_hosts,
    require_same,
    share_of_host,
)
from fercli.models.keras_model import rebuild, save_model
from fercli.models.labeled_faces import (
    Faces,
    check_classes,
    identify,
    is_unsplit,
    read_splits,
)
from fercli.models.run_folder import BEST, CHECKPOINT, CURVES, HISTORY, ModelFolder
from fercli.models.training_model import compiled_model, start, training_card
from fercli.models.training_options import ModelTrainingOptions, check_options, to_recipe

if TYPE_CHECKING:
    from keras import Model


@dataclass(frozen=True)
class ModelTrainingResult:
    """The result of a training.

    Parameters
    ----------
    model : Path
        The best epoch's model, with its card.
    epochs : int
        Epochs that are done.
    best : dict
        The figures of the best epoch.
    seconds : float
        Time of all epochs.
    stopped_because : str
        "all epochs done" or "no better epoch for so many".
    unreadable : mapping of str to str
        Images that were left out, and why.
    """

    model: Path
    epochs: int
    best: dict[str, float]
    seconds: float
    stopped_because: str
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {**asdict(self), "model": str(self.model)}

    def to_text(self) -> str:
        """Return a few lines for people."""
        best = self.best
        lines = [
            f"{counted(self.epochs, 'epoch')} in {self.seconds / 60:.1f} minutes: "
            f"{self.stopped_because}",
            f"best epoch {best['epoch']:.0f}: accuracy {best['val_accuracy']:.4f}, "
            f"loss {best['val_loss']:.4f} on the validation split",
            *unreadable_lines(self.unreadable),
            f"wrote {self.model}",
        ]
        return "\n".join(lines)

    def _repr_png_(self) -> bytes:
        """Show the curves of the training, for Jupyter."""
        return (self.model.parent / CURVES).read_bytes()


@dataclass(frozen=True)
class _Task:
    """The data, options and folder of a training."""

    maker: BatchMaker
    validation: Faces
    images: Mapping[str, Any]
    out: Path
    options: ModelTrainingOptions
    divided: bool
    progress: Progress

    @property
    def training(self) -> Faces:
        return self.maker.faces

    def first_images(self) -> Iterator[NDArray[np.float32]]:
        """Yield the batches that normalizations are measured on."""
        return (self.maker.make(0, number)[0] for number in range(min(MEASURED, self.maker.count)))


def train(
    data: Path,
    out: Path,
    options: ModelTrainingOptions,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> ModelTrainingResult:
    """Train a model, or continue a training that was interrupted.

    `out` gets, after each epoch, ``checkpoint.npz`` (all that is needed to continue),
    ``best.keras`` (the best epoch's model) and ``history.csv``; at the start ``recipe.toml``; at
    the end ``result.json`` and ``curves.png``.

    Parameters
    ----------
    data : Path
        The tree. Its split "train" is learned from, `options.validation` chooses the epoch.
    out : Path
        The folder of results. If it holds a checkpoint of the same options, the training
        continues from there.
    options : ModelTrainingOptions
        How.
    overwrite : bool
        Start anew even if there is a checkpoint. Defaults to False.
    workers : int, optional
        Threads that read images. Defaults to all cores.
    progress : Progress
        A bar and a line an epoch.

    Raises
    ------
    OptionError
        Options that cannot be, or not with this tree.
    TrainingError
        The tree has one class only or a class without images; the checkpoint is of other
        options, classes, labels or images; the loss is not a number any more.
    OutputError
        Another training is under way in `out`.
    DependencyError
        Keras is not installed.
    """
    check_options(options)
    if options.distribute:
        join_hosts()
    tree = read_tree(data)
    check_classes(tree)
    with folder_lock(make_folder(out), "a training"):
        folder = ModelFolder(out)
        resumed = folder.prepare(options, data, overwrite=overwrite)
        training, validation = read_splits(tree, options, workers, progress)
        images = identify(training, validation)
        if resumed:
            folder.continue_with(options, data, images)
        maker = BatchMaker(training, _batch_options(options))
        divided = is_unsplit(tree, options.validation)
        task = _Task(maker, validation, images, out, options, divided, progress)
        if options.precision == "mixed_bfloat16" and emulates_bfloat16() and not has_gpu():
            progress.note(
                "this processor has no bfloat16 arithmetic, and is faster with --precision float32"
            )
        with precision_policy(options.precision), quiet_warnings(), data_parallel(options):
            return _run(task, resumed)


def _batch_options(options: ModelTrainingOptions) -> BatchOptions:
    return BatchOptions(
        options.batch_size,
        options.seed,
        None if options.augment == "none" else find_policy(options.augment).apply_batch,
        options.crop,
        options.label_smoothing,
        options.mixup,
        options.cutmix,
        options.class_weights == "balanced",
    )


def _run(task: _Task, resumed: bool) -> ModelTrainingResult:
    options = task.options
    if count_hosts() > 1:
        require_same(_what_decides(task, resumed))
    model = compiled_model(task.training, task.maker.count, options)
    state = State()
    if resumed:
        state = read_checkpoint(task.out / CHECKPOINT, model)
        task.progress.note(f"continued after epoch {state.epoch}")
    elif options.init is not None:
        start(model, options.init, task.first_images, task.progress)
    monitor = EpochMonitor(
        state,
        options.monitor,
        options.epochs,
        options.patience,
        options.batch_size,
        validate=partial(_validated, task=task),
        save_best=partial(_save_best, task, state),
        save_epoch=partial(_save_epoch, task, state),
        progress=task.progress,
    )
    if not monitor.out_of_patience:
        _fit(model, task, monitor)
    return _finish(task, monitor)


def _fit(model: Model, task: _Task, monitor: EpochMonitor) -> None:
    batches = training_batches(task.maker, share_of_host(task.options.batch_size))
    callbacks = [make_callback(monitor, batches)]
    if task.options.tensorboard:
        callbacks.append(tensorboard_log(task.out / "tensorboard"))
    with monitor.stack, batch_errors(batches):
        model.fit(
            batches,
            initial_epoch=monitor.state.epoch,
            epochs=task.options.epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )


@contextmanager
def _validated(model: Model, *, task: _Task) -> Iterator[dict[str, float]]:
    card = training_card(task.training, task.options)
    with averaged(model, task.first_images()):
        yield validate(model, card, task.validation, task.options)


def _what_decides(task: _Task, resumed: bool) -> dict[str, object]:
    """Return what must be the same on all hosts, by its name in messages."""
    return {
        "options": to_recipe(task.options),
        "images": task.images,
        "epoch to continue from": epoch_of(task.out / CHECKPOINT) if resumed else 0,
    }


def _save_best(task: _Task, state: State, model: Model) -> None:
    card = training_card(task.training, task.options)
    card = replace(card, training=_about(task, state))
    save_model(task.out / BEST, rebuild(model, card), card, overwrite=True)


def _save_epoch(task: _Task, state: State, model: Model) -> None:
    write_checkpoint(task.out / CHECKPOINT, model, state, task.images)
    write_history(task.out / HISTORY, state.history)


def _about(task: _Task, state: State) -> dict[str, Any]:
    row = state.history[-1]
    counts = task.training.counts().tolist()
    held_out = {"held_out": task.images["labels to validate on"]} if task.divided else {}
    return {
        "images": dict(zip(task.training.classes, counts, strict=True)),
        "epoch": int(row["epoch"]),
        "epochs": task.options.epochs,
        "seed": task.options.seed,
        "soft_labels": task.options.soft_labels,
        "validation_accuracy": round(row["val_accuracy"], 4),
        "keras": load_keras().__version__,
        **held_out,
    }


def _finish(task: _Task, monitor: EpochMonitor) -> ModelTrainingResult:
    state, best = monitor.state, monitor.state.best(monitor.monitor)
    if monitor.broken:
        kept = f"; epoch {best['epoch']:.0f} is kept in {task.out / BEST}" if best else ""
        raise TrainingError(
            f"The loss became NaN or infinite in epoch {state.epoch + 1}{kept}",
            hint="set a lower `learning_rate`, or `precision` to float32",
        )
    assert best is not None
    reason = "all epochs done"
    if monitor.out_of_patience:
        reason = f"no better epoch for {task.options.patience}"
    seconds = sum(row["seconds"] for row in state.history)
    unreadable = {**task.training.unreadable, **task.validation.unreadable}
    result = ModelTrainingResult(task.out / BEST, state.epoch, best, seconds, reason, unreadable)
    about = {**result.to_dict(), "model": BEST, "seconds": round(seconds, 1)}
    ModelFolder(task.out).write_result(about)
    draw_curves(task.out / CURVES, state.history, task.options.architecture)
    return result
