"""What a training can be told; also the keys of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fercli.common.errors import OptionError
from fercli.common.recipes import HIGHEST_SEED
from fercli.models.architectures import find_architecture
from fercli.models.architectures.base import Architecture
from fercli.models.backend import load_keras

#: Those that may change between a training and its continuation.
MAY_CHANGE = frozenset({"epochs", "patience", "stream", "tensorboard", "data", "workers"})

OPTIMIZERS = ("sgd", "adam", "adamw")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
MONITORS = ("val_accuracy", "val_loss")


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained.

    Parameters
    ----------
    architecture : str
        One of `fercli.models.architectures.ARCHITECTURES`.
    size : (int, int), optional
        Width and height of the input. Defaults to the architecture's.
    epochs, batch_size : int
        How often all images are seen, and how many at once.
    optimizer : {"sgd", "adam", "adamw"}
        "sgd" is with Nesterov's momentum.
    learning_rate, momentum, weight_decay : float
        The highest rate; momentum of "sgd"; decay of weights other than biases and those of
        normalizations.
    clip_norm : float
        Gradients that are longer than this, of all weights together, are shortened to it; 0: none.
    dropout : float, optional
        Rate of all dropout layers. Defaults to the architecture's.
    schedule : str
        One of `fercli.models.training_options.SCHEDULES`.
    warmup_epochs : float
        Over these the rate rises to its highest.
    average : float
        Momentum of the moving average of weights that is validated and kept; 0: none. A training
        that is short for it has a lower one.
    precision : str
        "float32", or faster and half the memory on processors that can.
    augment : str
        A policy of `fercli.datasets.augment` by name or TOML file, or "none".
    crop : int, optional
        The network sees a square part of this side: in training any, later the middle one.
    label_smoothing, mixup : float
        See `fercli.models.batches.BatchOptions`.
    soft_labels : bool
        Train on the distribution of people's votes.
    class_weights : {"none", "balanced"}
        Whether rare classes weigh more.
    patience : int
        Stop after this many epochs without a better one; 0: never.
    monitor : {"val_accuracy", "val_loss"}
        What is better.
    seed : int
        Start of all random numbers.
    init : str, optional
        A network whose weights are taken where they fit: a shipped one by name, a ``.keras``
        file, or an ``.onnx`` file that fer exported.
    freeze : int
        The first so many layers that have weights are not trained; negative: all but so many.
    validation : str
        The split that epochs are compared on.
    stream : bool
        Read images again in each epoch even if they fit into memory.
    tensorboard, distribute : bool
        Write a log for TensorBoard; use all devices of this host, which Keras does with JAX.
    """

    architecture: str = "fernet"
    size: tuple[int, int] | None = None
    epochs: int = 60
    batch_size: int = 128
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float = 0.0
    dropout: float | None = None
    schedule: str = "trapezoid"
    warmup_epochs: float = 2.0
    average: float = 0.999
    precision: str = "float32"
    augment: str = "standard"
    crop: int | None = None
    label_smoothing: float = 0.0
    mixup: float = 0.0
    soft_labels: bool = False
    class_weights: Literal["none", "balanced"] = "none"
    patience: int = 0
    monitor: str = "val_accuracy"
    seed: int = 0
    init: str | None = None
    freeze: int = 0
    validation: str = "validation"
    stream: bool = False
    tensorboard: bool = False
    distribute: bool = False

    @property
    def found(self) -> Architecture:
        """The architecture of that name."""
        return find_architecture(self.architecture)

    @property
    def size_wh(self) -> tuple[int, int]:
        """The input size: the one given, or the architecture's."""
        return self.size or self.found.size_wh


def check_options(options: TrainingOptions) -> None:
    """Raise `OptionError` for the first option that cannot be."""
    choices: dict[str, tuple[str, ...]] = {
        "optimizer": OPTIMIZERS,
        "schedule": tuple(SCHEDULES),
        "precision": PRECISIONS,
        "monitor": MONITORS,
    }
    for name, allowed in choices.items():
        if getattr(options, name) not in allowed:
            raise _wrong(name, "one of " + ", ".join(allowed), getattr(options, name))
    _check_ranges(options)
    most = min(options.size_wh)
    if options.crop is not None and not 16 <= options.crop <= most:
        raise _wrong("crop", f"16…{most} pixels", options.crop)


def _check_ranges(options: TrainingOptions) -> None:
    for name in ("epochs", "batch_size", "learning_rate"):
        if not 0 < getattr(options, name) < math.inf:
            raise _wrong(name, "a finite number above 0", getattr(options, name))
    for name in ("momentum", "average", "label_smoothing"):
        if not 0 <= getattr(options, name) < 1:
            raise _wrong(name, "0 ≤ number < 1", getattr(options, name))
    if options.dropout is not None and not 0 <= options.dropout < 1:
        raise _wrong("dropout", "0 ≤ number < 1", options.dropout)
    for name in ("weight_decay", "clip_norm", "warmup_epochs", "mixup", "patience"):
        if not 0 <= getattr(options, name) < math.inf:
            raise _wrong(name, "a finite number from 0 on", getattr(options, name))
    if not 0 <= options.seed <= HIGHEST_SEED:
        raise _wrong("seed", f"0…{HIGHEST_SEED}", options.seed)


def _wrong(name: str, wanted: str, found: object) -> OptionError:
    return OptionError(f"wanted {wanted} for --{name.replace('_', '-')}, found {found}")


def to_recipe(options: TrainingOptions) -> dict[str, Any]:
    """Return the options as a recipe's keys and values; the input size is spelt out."""
    width, height = options.size_wh
    return {**asdict(options), "size": f"{width}x{height}"}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return, as ``"name before → now"``, options that differ and may not."""
    names = sorted((set(before) | set(now)) - MAY_CHANGE)
    return [
        f"--{name.replace('_', '-')} {before.get(name)} → {now.get(name)}"
        for name in names
        if str(before.get(name)) != str(now.get(name))
    ]


# Learning rates over a training, as functions of the step.


#: From the share of the training that is done (0…1) to the share of the highest rate.
SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "constant": lambda done, ops: ops.ones_like(done),
    "cosine": lambda done, ops: (1 + ops.cos(math.pi * done)) / 2,
    "linear": lambda done, ops: 1 - done,
    # Constant, then linearly down over the last third: can be prolonged at any time before.
    "trapezoid": lambda done, ops: ops.minimum(ops.ones_like(done), (1 - done) * 3),
    # A tenth after half of the training, a hundredth after three quarters.
    "steps": lambda done, ops: ops.where(done < 0.5, 1.0, 0.1) * ops.where(done < 0.75, 1.0, 0.1),
}


@dataclass(frozen=True)
class RateOptions:
    """How the learning rate goes.

    Parameters
    ----------
    highest : float
        The rate after warming up.
    schedule : str
        One of `SCHEDULES`.
    warmup_steps, total_steps : int
        The rate rises linearly over the first, and `schedule` covers the rest.
    """

    highest: float
    schedule: str
    warmup_steps: int
    total_steps: int


def learning_rate(options: RateOptions) -> Any:
    """Return a Keras schedule, a function of the optimizer's own count of steps."""
    keras = load_keras()
    ops, shape = keras.ops, SCHEDULES[options.schedule]
    span = max(options.total_steps - options.warmup_steps, 1)

    class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc,name-defined]
        def __call__(self, step: Any) -> Any:
            step = ops.cast(step, "float32")
            done = ops.clip((step - options.warmup_steps) / span, 0.0, 1.0)
            warm = ops.minimum((step + 1) / max(options.warmup_steps, 1), 1.0)
            return options.highest * warm * shape(done, ops)

        def get_config(self) -> dict[str, Any]:
            return vars(options)

    return Rate()
