"""`parallel_map` on a real scheduler with two worker processes, whatever happens to them."""

import os
import threading
import time

import pytest

from fercli.common.errors import InputError
from fercli.common.parallel import Workers, parallel_map

pytestmark = pytest.mark.slow


def on(cluster, function, items, **more):
    return parallel_map(function, items, workers=Workers(scheduler=cluster.address), **more)


def test_results_come_in_order_from_both_workers(cluster):
    def slow_first(number):
        time.sleep(0.2 if number % 40 == 0 else 0.001)
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


def test_a_cluster_that_loses_a_worker_loses_no_work(cluster):
    def square_slowly(number):
        time.sleep(0.01)
        return number * number, os.getpid()

    workers = list(cluster.workers)
    found = []
    for result in on(cluster, square_slowly, iter(range(500))):
        found.append(result)
        if len(found) == 100:
            workers[0].kill()
    assert [square for square, _ in found] == [number * number for number in range(500)]
    assert {pid for _, pid in found} == {worker.pid for worker in workers}


def test_a_worker_that_joins_late_gets_work(cluster):
    first = cluster.have_workers(1)[0]
    pids, began = {first.pid}, time.monotonic()

    def numbers():
        number = 0
        while len(pids) < 2 and time.monotonic() < began + 60:
            yield number
            number += 1

    def slowly(number):
        time.sleep(0.01)
        return number, os.getpid()

    found = []
    for number, pid in on(cluster, slowly, numbers()):
        found.append(number)
        pids.add(pid)
        if len(found) == 10:
            late = cluster.start_worker()
    assert found == list(range(len(found)))
    assert pids == {first.pid, late.pid}


def test_a_scheduler_that_comes_back_gets_what_is_not_done(cluster):
    def square_slowly(number):
        time.sleep(0.01)
        return number * number, os.getpid()

    old = {worker.pid for worker in cluster.workers}
    told, found = [], []
    for result in on(cluster, square_slowly, iter(range(150)), note=told.append):
        found.append(result)
        if len(found) == 30:
            cluster.end(cluster.scheduler)
            cluster.start_scheduler()
            new = {cluster.start_worker().pid for _ in range(2)}
    assert [square for square, _ in found] == [number * number for number in range(150)]
    assert told == [f"the Dask scheduler at {cluster.address} went away; waiting for it"]
    pids = {pid for _, pid in found}
    assert pids & old
    assert pids & new


def test_a_run_that_is_stopped_does_not_wait(cluster, tmp_path):
    stop, end = threading.Event(), tmp_path / "end"

    def wait_for_end(number):
        while not end.exists():
            time.sleep(0.05)
        return number

    fuse = threading.Timer(60, end.touch)  # or a run that waits would never end
    fuse.start()
    stop.set()
    assert list(on(cluster, wait_for_end, range(4), stop=stop)) == []
    fuse.cancel()
    end.touch()


def test_what_fails_on_one_worker_alone_is_done_here(cluster):
    here, bad = os.getpid(), cluster.workers[0].pid

    def fail_there(number):
        if os.getpid() == bad:
            raise OSError("no such disk")
        time.sleep(0.005)
        return number, os.getpid()

    told = []
    found = list(on(cluster, fail_there, range(200), note=told.append))
    assert [number for number, _ in found] == list(range(200))
    assert {pid for _, pid in found} == {here, cluster.workers[1].pid}
    assert len(told) == 1
    assert told[0].endswith("is left out: OSError: no such disk")


def test_what_fails_everywhere_is_raised_as_on_one_machine(cluster):
    def root(number):
        if number == 30:
            raise InputError("30 has none", path="list.txt")
        return number

    results = on(cluster, root, range(100))
    assert [next(results) for _ in range(30)] == list(range(30))
    with pytest.raises(InputError, match="30 has none"):
        next(results)
