"""Learning rates over a training, as functions of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fercli.models.backend import load_keras

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
    """Return a Keras schedule, a function of the optimiser's own count of steps."""
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
