"""The end of each batch and each epoch: progress, validation, averaged weights, early stopping."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import DependencyError
from fercli.common.progress import Bar, Progress
from fercli.models.backend import load_keras
from fercli.models.batches import batch_errors, plain_batches
from fercli.models.checkpoint import State
from fercli.models.distributed import count_hosts, distributed_by, of_first_host
from fercli.models.keras_model import rebuild
from fercli.models.labeled_faces import Faces
from fercli.models.metrics import accuracy, log_loss
from fercli.models.model_card import ModelCard
from fercli.models.training_options import ModelTrainingOptions

if TYPE_CHECKING:
    from keras import Model


@dataclass
class EpochMonitor:
    """Follows a training: validates each epoch, keeps the best, and stops it when it is time.

    Parameters
    ----------
    state : State
        Grows by one row of history an epoch.
    monitor : str
        The figure that decides which epoch is the best.
    epochs, patience, batch_size : int
        As in the training's options.
    validate : callable
        Gives the figures of the model on the validation split; within the context the model
        is as it was validated, with averaged weights.
    save_best, save_epoch : callable
        Called with the model after an epoch that is the best so far, and after every epoch.
    progress : Progress
        Bars and notes.
    """

    state: State
    monitor: str
    epochs: int
    patience: int
    batch_size: int
    validate: Callable[[Model], AbstractContextManager[dict[str, float]]]
    save_best: Callable[[Model], None]
    save_epoch: Callable[[Model], None]
    progress: Progress
    stack: ExitStack = field(default_factory=ExitStack)
    broken: bool = False

    @property
    def out_of_patience(self) -> bool:
        """Whether the last `patience` epochs brought no better one; earlier runs count too."""
        best = self.state.best(self.monitor)
        return best is not None and 0 < self.patience <= self.state.epoch - best["epoch"]

    def finish_epoch(self, model: Model, logs: Mapping[str, Any], seconds: float) -> None:
        """Record the figures of an epoch and save the model and the checkpoint."""
        figures = {name: float(value) for name, value in logs.items()}
        before = self.state.best(self.monitor)
        with self.validate(model) as validated:
            if not math.isfinite(validated["val_loss"]):  # the epoch's last step broke the weights
                self.broken = True
                return
            row = {"epoch": self.state.epoch + 1, **figures, **validated, "seconds": seconds}
            self.state.history.append(row)
            self.state.epoch += 1
            best = self.state.best(self.monitor)
            assert best is not None
            if best is not before:
                self.save_best(model)
        self.save_epoch(model)
        self.progress.note(self._line(row, best))

    def _line(self, row: Mapping[str, float], best: Mapping[str, float]) -> str:
        mark = "best" if best is row else f"best {best[self.monitor]:.4f} in {best['epoch']:.0f}"
        return (
            f"epoch {row['epoch']:.0f}/{self.epochs}  loss {row['loss']:.4f}  "
            f"accuracy {row['accuracy']:.4f}  validation loss {row['val_loss']:.4f}  "
            f"accuracy {row['val_accuracy']:.4f} ({mark})  {row['seconds']:.0f} s"
        )


def tensorboard_log(folder: Path) -> Any:
    """Return the Keras callback that writes a log for TensorBoard into a folder.

    Raises
    ------
    DependencyError
        TensorBoard, or TensorFlow, whose summaries it reads, is not installed.
    """
    for name in ("tensorflow", "tensorboard"):
        if importlib.util.find_spec(name) is None:
            raise DependencyError(
                f"`tensorboard` needs the package {name}, which is not installed",
                hint=f"pip install {name}, or remove `tensorboard`",
            )
    return load_keras().callbacks.TensorBoard(folder)


def make_callback(monitor: EpochMonitor, batches: Any) -> Any:
    """Return the Keras callback that reports to `monitor` and sets the epoch of `batches`."""
    keras = load_keras()

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        bar: Bar
        start = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            batches.epoch = epoch
            self.start = time.perf_counter()
            total = len(batches) * monitor.batch_size
            name = f"epoch {epoch + 1}/{monitor.epochs}"
            bar = monitor.progress.bar(name, total=total, unit="image")
            self.bar = monitor.stack.enter_context(bar)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            loss = float(logs["loss"])
            if not math.isfinite(loss):
                monitor.broken = True
                self.model.stop_training = True
            self.bar.figures(f"loss {loss:.3f}, accuracy {float(logs['accuracy']):.3f}")
            self.bar.advance(monitor.batch_size)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            monitor.stack.close()
            if monitor.broken:
                return
            monitor.finish_epoch(self.model, logs, time.perf_counter() - self.start)
            if monitor.broken or monitor.out_of_patience:
                self.model.stop_training = True

    return Reporter()


# Validation at the end of an epoch.


def validate(
    model: Model, card: ModelCard, faces: Faces, options: ModelTrainingOptions
) -> dict[str, float]:
    """Return the loss and accuracy of a model as ``val_loss`` and ``val_accuracy``.

    Parameters
    ----------
    model : keras.Model
        As it is trained.
    card : ModelCard
        What is known of it.
    faces : Faces
        The images.
    options : ModelTrainingOptions
        Of the training.
    """
    batches = plain_batches(faces, 4 * options.batch_size, options.crop)
    with batch_errors(batches):
        if count_hosts() == 1:
            answers = model.predict(batches, verbose=0)
        else:  # the model's own answers would be spread over the hosts
            with distributed_by(None):
                answers = rebuild(model, card).predict(batches, verbose=0)
    answers = np.asarray(answers, np.float32)[: len(faces)]
    return of_first_host(
        {
            "val_loss": log_loss(answers, faces.labels),
            "val_accuracy": accuracy(answers, faces.labels),
        }
    )


# Averaged weights, which are validated and kept instead of those of the last step.
#
# The optimizer keeps a moving average of the weights (Polyak and Juditsky, "Acceleration of
# stochastic approximation by averaging", 1992). Batch normalization's means and variances belong
# to the weights of the moment, though, and are wrong for averaged ones; they are measured anew on
# some training images, as Izmailov et al. do ("Averaging weights leads to wider optima and better
# generalization", UAI 2018, arXiv 1803.05407, section 3.2).


#: Batches on which means and variances are measured.
MEASURED = 16


@contextmanager
def averaged(model: Model, images: Iterable[NDArray[np.float32]]) -> Iterator[None]:
    """Use the averaged weights within the context, with normalizations measured on `images`.

    Does nothing if the optimizer keeps no average, or has none before the first step.
    """
    # With mixed_float16, Keras puts the optimizer into one that scales the loss.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema or not int(optimizer.iterations):
        yield
        return
    swap = load_keras().callbacks.SwapEMAWeights()
    swap.set_model(model)
    layers = _normalizations(model)
    kept = [layer.get_weights() for layer in layers]
    swap.on_test_begin()
    try:
        _measure(model, layers, images)
        yield
    finally:
        swap.on_test_end()
        for layer, (*_, mean, variance) in zip(layers, kept, strict=True):
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)


def _normalizations(model: Model) -> list[Any]:
    kind = load_keras().layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind) and layer.trainable]


def _measure(model: Model, layers: list[Any], images: Iterable[NDArray[np.float32]]) -> None:
    """Run batches through the model so that each counts alike in the means and variances."""
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    try:
        for number, batch in enumerate(images):
            for layer in layers:
                layer.momentum = number / (number + 1)
            model(batch, training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
