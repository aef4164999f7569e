"""Training on several devices and hosts, each with its share of every batch; needs JAX.

Keras's own variables say who takes part, and are set on each host before it is started:
``KERAS_DISTRIBUTION_JOB_ADDRESSES`` (host and port of the first), ``…_NUM_PROCESSES`` and
``…_PROCESS_ID`` (from 0); see ``keras.distribution.initialize``. All hosts do the same at the
same time, so what decides how a training continues must be the same on all of them.
"""

from __future__ import annotations

import importlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fercli.common.errors import OptionError, TrainingError
from fercli.models.backend import load_keras, quiet_stderr, quiet_warnings
from fercli.models.training_options import ModelTrainingOptions

ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


def join_hosts() -> None:
    """Wait for the other hosts, if there are to be any; before Keras computes anything.

    Raises
    ------
    TrainingError
        They cannot be reached, or not by Keras's backend.
    """
    if not _are_wanted():
        return
    try:
        with quiet_stderr(), quiet_warnings():
            if _jax().distributed.is_initialized():
                return
            keras = importlib.import_module("keras")
            keras.utils.set_random_seed(0)  # or Keras agrees on one before it has devices
            keras.distribution.initialize()
    except (ImportError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"The hosts at {os.environ[ADDRESSES]} cannot be joined: {error}",
            hint=f"set the same {ADDRESSES} and KERAS_DISTRIBUTION_NUM_PROCESSES on each host, and "
            "KERAS_DISTRIBUTION_PROCESS_ID from 0",
        ) from error


def count_hosts() -> int:
    """Return how many hosts train together; 1 if nobody was joined."""
    return int(_jax().process_count()) if _are_wanted() else 1


def share_of_host(size: int) -> slice:
    """Return the slice of a batch of `size` images that this host processes."""
    hosts = count_hosts()
    this = _jax().process_index() if hosts > 1 else 0
    return slice(this * size // hosts, (this + 1) * size // hosts)


def require_same(what: Mapping[str, object]) -> None:
    """Raise unless all hosts have the same values, given by name.

    Raises
    ------
    TrainingError
        They differ; the hosts would wait for each other without end.
    """
    mine = np.array([zlib.crc32(repr(value).encode()) for value in what.values()], np.uint32)
    alike = (_multihost().process_allgather(mine) == mine).all(axis=0)
    differ = [name for name, same in zip(what, alike, strict=True) if not same]
    if differ:
        raise TrainingError(
            f"The hosts differ in {' and '.join(differ)}, which must be the same on all",
            hint="use one recipe and one tree on all hosts, and copies of one run folder or none",
        )


def of_first_host(figures: dict[str, float]) -> dict[str, float]:
    """Return the figures of the first host, so that all hosts decide alike."""
    if count_hosts() == 1:
        return figures
    values = _multihost().broadcast_one_to_all(np.array(list(figures.values()), np.float64))
    return dict(zip(figures, map(float, values), strict=True))


@contextmanager
def data_parallel(options: ModelTrainingOptions) -> Iterator[None]:
    """Build models within the context that train on all devices, each on a part of a batch.

    Without `options.distribute` nothing changes.

    Raises
    ------
    TrainingError
        Keras runs on another backend than JAX, the only one that it distributes with.
    OptionError
        The devices are not a divisor of the size of batches.
    """
    if not options.distribute:
        yield
        return
    keras = load_keras()
    check_devices(keras.backend.backend(), keras.distribution.list_devices(), options.batch_size)
    with distributed_by(keras.distribution.DataParallel(auto_shard_dataset=False)):
        yield


@contextmanager
def distributed_by(distribution: Any) -> Iterator[None]:
    """Build models within the context by a Keras distribution; None: on one device."""
    keras = load_keras()
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(distribution)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def check_devices(backend: str, devices: Sequence[str], batch_size: int) -> None:
    """Raise unless batches of this size can be spread over these devices.

    Raises
    ------
    TrainingError
        Another backend than JAX.
    OptionError
        The devices are not a divisor of the size of batches.
    """
    if backend != "jax":
        raise TrainingError(
            f"`distribute` needs Keras with JAX, and it runs with {backend}",
            hint="set KERAS_BACKEND=jax, or remove `distribute`",
        )
    if batch_size % len(devices):
        raise OptionError(
            f"`batch_size` must be a multiple of {len(devices)}, the number of devices, got "
            f"{batch_size}"
        )


def _are_wanted() -> bool:
    return bool(os.environ.get(ADDRESSES)) and os.environ.get("KERAS_BACKEND") == "jax"


def _jax() -> Any:
    return importlib.import_module("jax")


def _multihost() -> Any:
    return importlib.import_module("jax.experimental.multihost_utils")
