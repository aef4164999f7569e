"""`parallel_map` on a real scheduler with two worker processes, whatever happens to them."""

import os
import threading
import time
from pathlib import Path

import pytest

from fercli.common import cluster as seam
from fercli.common.errors import DependencyError, InputError
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import Progress

pytestmark = pytest.mark.slow


def on(cluster, function, items, **more):
    return parallel_map(function, items, workers=Workers(scheduler=cluster.address), **more)


class Notes(Progress):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def test_results_come_in_order_from_both_workers(cluster):
    def slow_first(number):
        time.sleep(0.3 if number % 40 == 0 else 0.002)
        return number * number, os.getpid()

    found = list(on(cluster, slow_first, iter(range(400))))
    assert [square for square, _ in found] == [number * number for number in range(400)]
    assert {pid for _, pid in found} == {worker.pid for worker in cluster.workers}


class CountsLoads:
    """A function that knows how often its process has unpickled it."""

    loads = 0

    def __init__(self, size):
        self.ballast = bytes(size)

    def __setstate__(self, state):
        self.__dict__ = state
        type(self).loads += 1

    def __call__(self, number):
        return os.getpid(), type(self).loads


def test_the_function_is_loaded_once_a_worker(cluster):
    import cloudpickle

    cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["x"]))
    try:
        found = set(on(cluster, CountsLoads(100_000), range(300)))
        again = set(on(cluster, CountsLoads(100_000), range(300)))
    finally:
        cloudpickle.unregister_pickle_by_value(__import__(__name__, fromlist=["x"]))
    assert {loads for _, loads in found} == {1}
    assert found == again
