"""What a training can be told; also the keys of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fercli.common.errors import OptionError
from fercli.common.options import SEED, check, option
from fercli.common.recipes import bundled_recipes
from fercli.models.architectures import ARCHITECTURES, find_architecture
from fercli.models.architectures.base import Architecture
from fercli.models.backend import load_keras

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
MONITORS = ("val_accuracy", "val_loss")
NAMES = tuple(ARCHITECTURES)

#: The decay of weights where none is given, of all optimizers but adam.
WEIGHT_DECAY = 5e-4

#: From the share of the training that is done (0…1) to the share of the highest rate.
SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "constant": lambda done, ops: ops.ones_like(done),
    "cosine": lambda done, ops: (1 + ops.cos(math.pi * done)) / 2,
    "linear": lambda done, ops: 1 - done,
    # Constant, then linearly down over the last third: can be prolonged at any time before.
    "trapezoid": lambda done, ops: ops.minimum(ops.ones_like(done), (1 - done) * 3),
    # From 1/25 up over three tenths, then down to 0. Smith and Topin, arXiv 1708.07120.
    "onecycle": lambda done, ops: ops.where(
        done < 0.3,
        0.04 + 0.48 * (1 - ops.cos(math.pi * done / 0.3)),
        (1 + ops.cos(math.pi * (done - 0.3) / 0.7)) / 2,
    ),
    # A tenth after half of the training, a hundredth after three quarters.
    "steps": lambda done, ops: ops.where(done < 0.5, 1.0, 0.1) * ops.where(done < 0.75, 1.0, 0.1),
}


@dataclass(frozen=True)
class ModelTrainingOptions:
    """How a model is trained; the fields say what they are.

    `weight_decay` spares biases and the weights of normalizations. The moving average of weights
    (`average`) is what is validated and kept; a training that is short for it has a lower
    momentum. For `label_smoothing` and `mixup` see `fercli.models.batches.BatchOptions`.
    """

    architecture: str = option(
        "fernet", help="Train this architecture; `fer models list` shows all.", choices=NAMES
    )
    size: tuple[int, int] | None = option(
        None, help="Feed images of this size to the model.", default_text="the architecture's"
    )
    crop: int | None = option(
        None,
        help="Learn from random square parts of this side; later the middle one is used.",
        metavar="SIDE",
        minimum=16,
        default_text="the whole image",
    )
    epochs: int = option(60, help="Show all images this often.", metavar="N", above=0)
    batch_size: int = option(128, help="Take this many images in each step.", metavar="N", above=0)
    optimizer: Literal["sgd", "adam", "adamw"] = option(
        "sgd", help="Optimize by this method; sgd has Nesterov's momentum."
    )
    learning_rate: float = option(
        0.1, help="Reach this learning rate at the highest.", metavar="X", above=0
    )
    momentum: float = option(0.9, help="Give sgd this momentum.", metavar="X", minimum=0, below=1)
    weight_decay: float | None = option(
        None,
        help="Decay weights by this; adam has none, adamw is the one with it.",
        metavar="X",
        minimum=0,
        default_text=f"{WEIGHT_DECAY:g}; 0 with adam",
    )
    clip_norm: float = option(
        0.0, help="Shorten longer gradients to this norm; 0: never.", metavar="X", minimum=0
    )
    dropout: float | None = option(
        None,
        help="Use this rate in all dropout layers.",
        metavar="RATE",
        minimum=0,
        below=1,
        default_text="the architecture's",
    )
    schedule: str = option(
        "trapezoid",
        help="Lower the learning rate this way after warming up.",
        choices=tuple(SCHEDULES),
    )
    warmup_epochs: float = option(
        2.0, help="Raise the learning rate over this many epochs.", metavar="X", minimum=0
    )
    average: float = option(
        0.999,
        help="Keep a moving average of the weights with this momentum; 0: none.",
        metavar="X",
        minimum=0,
        below=1,
    )
    precision: str = option(
        "float32",
        help="Compute in this precision; the mixed ones are faster where the processor knows them.",
        choices=PRECISIONS,
    )
    augment: str = option(
        "standard",
        help="Change images at random by this policy: none, one of fer "
        f"({', '.join(bundled_recipes('augmentation'))}), or a TOML file.",
        metavar="POLICY",
    )
    label_smoothing: float = option(
        0.0,
        help="Spread this share of a label over all classes.",
        metavar="SHARE",
        minimum=0,
        below=1,
    )
    mixup: float = option(
        0.0, help="Mix images with this parameter; 0: never.", metavar="X", minimum=0
    )
    cutmix: float = option(
        0.0,
        help="Put rectangles of other images into images, of areas with this parameter; 0: never.",
        metavar="X",
        minimum=0,
    )
    sharpness: float = option(
        0.0,
        help="Learn by the gradient at the worst weights at this distance, 0.05 for example: "
        "labels are learned by heart less, and a step takes twice as long; needs TensorFlow; "
        "0: never.",
        metavar="X",
        minimum=0,
    )
    soft_labels: bool = option(False, help="Learn the distribution of people's votes.")
    class_weights: Literal["none", "balanced", "logit-adjusted"] = option(
        "none",
        help="Favor rare classes; balanced: their images weigh more; logit-adjusted: they are "
        "learned as if all classes were as frequent.",
    )
    patience: int = option(
        0,
        help="Stop after this many epochs without a better one; 0: never.",
        metavar="N",
        minimum=0,
    )
    monitor: str = option(
        "val_accuracy", help="Keep the epoch that is best in this.", choices=MONITORS
    )
    seed: int = option(0, SEED)
    init: str | None = option(
        None,
        help="Start from the weights of this model where they fit: a shipped one by name, a .keras "
        "file, or an .onnx file that fer exported.",
        metavar="MODEL",
    )
    freeze: int = option(
        0,
        help="Do not train the first N layers that have weights; negative: all but the last N.",
        metavar="N",
    )
    frozen_epochs: float = option(
        0.0,
        help="Train the last layer alone for this many epochs first.",
        metavar="X",
        minimum=0,
    )
    validation: str = option("validation", help="Compare epochs on this split.", metavar="SPLIT")
    stream: bool = option(False, help="Read images again in each epoch, to save memory.")
    tensorboard: bool = option(False, help="Write a log for TensorBoard.")
    distribute: bool = option(
        False, help="Use all devices that Keras finds, of other hosts too; needs JAX."
    )

    @property
    def found(self) -> Architecture:
        """The architecture of that name."""
        return find_architecture(self.architecture)

    @property
    def size_wh(self) -> tuple[int, int]:
        """The input size: the one given, or the architecture's."""
        return self.size or self.found.size_wh

    @property
    def decay(self) -> float:
        """The decay of weights: the one given, or the optimizer's usual one."""
        if self.weight_decay is None:
            return 0.0 if self.optimizer == "adam" else WEIGHT_DECAY
        return self.weight_decay


def check_options(options: ModelTrainingOptions) -> None:
    """Raise `OptionError` for the first option that cannot be."""
    find_architecture(options.architecture)  # names the closest one
    check(options)
    if options.optimizer == "adam" and options.decay:
        raise OptionError(
            f"`weight_decay`: adam has none, got {options.decay:g}",
            hint="set `optimizer` to adamw, or `weight_decay` to 0",
        )
    most = min(options.size_wh)
    if options.crop is not None and options.crop > most:
        raise OptionError(f"`crop`: expected 16 to {most} pixels, got {options.crop}")


def to_recipe(options: ModelTrainingOptions) -> dict[str, Any]:
    """Return the options as a recipe's keys and values; size and weight decay are spelt out."""
    width, height = options.size_wh
    return {**asdict(options), "size": f"{width}x{height}", "weight_decay": options.decay}


# Learning rates over a training, as functions of the step.


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
