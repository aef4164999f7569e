"""The seam through which work is spread: order, failures, a cluster that loses a worker."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fercli.common.errors import DependencyError, FerError, InputError
from fercli.common.images import IMAGE_NOTES
from fercli.common.parallel import Workers, parallel_map

#: A lambda: workers cannot import a test module, so that its functions must travel whole.
SQUARE = lambda number: number * number  # noqa: E731

PLACES = [
    1,
    Workers(2, "processes"),
    Workers(2, "threads"),
]


def numbers_until_failure():
    yield from range(100)
    raise InputError("row 100")


@pytest.mark.parametrize("workers", PLACES, ids=str)
def test_results_come_in_order(workers):
    assert list(parallel_map(SQUARE, range(200), workers=workers)) == [n * n for n in range(200)]
    assert list(parallel_map(SQUARE, iter(range(200)), workers=workers))[-1] == 199 * 199
    assert list(parallel_map(SQUARE, [], workers=workers)) == []


@pytest.mark.parametrize("workers", PLACES, ids=str)
def test_failures_come_back_whole(workers):
    def fail_at_70(number):
        if number == 70:
            raise InputError("wanted another number, found 70", hint="71", path="a.csv", line=70)
        return number

    with pytest.raises(InputError, match="71") as caught:
        list(parallel_map(fail_at_70, range(200), workers=workers))
    assert (caught.value.line, str(caught.value.path)) == (70, "a.csv")


@pytest.mark.parametrize("workers", PLACES, ids=str)
def test_the_first_failure_is_that_of_the_first_item_not_the_earliest(workers):
    def fail(number):
        if number == 20:
            time.sleep(0.2)
        if number >= 20:
            raise InputError(f"row {number}")

    with pytest.raises(InputError, match="row 20"):
        list(parallel_map(fail, range(60), workers=workers))


@pytest.mark.parametrize("workers", PLACES, ids=str)
def test_what_was_assumed_is_told_in_the_order_of_the_items(workers):
    def look(number):
        from fercli.common.images import IMAGE_NOTES  # that of the process

        if number == 0:
            time.sleep(0.2)
        IMAGE_NOTES.add(Path(f"{number}.png"), "scaled", "is large")

    IMAGE_NOTES.take()
    list(parallel_map(look, range(40), workers=workers))
    assert IMAGE_NOTES.take() == ["40 images: scaled; 0.png: is large"]
    results = parallel_map(look, range(40), workers=workers)
    next(results)
    results.close()
    assert IMAGE_NOTES.take() == ["0.png: is large: scaled"]


@pytest.mark.parametrize("workers", PLACES, ids=str)
def test_what_comes_before_a_failure_of_the_items_is_done(workers):
    done = []
    with pytest.raises(InputError, match="row 100"):
        done.extend(parallel_map(lambda n: n * n, numbers_until_failure(), workers=workers))
    assert done == [n * n for n in range(100)]


def test_a_killed_worker_is_named():
    with pytest.raises(FerError, match="A worker process was killed"):
        list(parallel_map(os._exit, range(3, 50), workers=2))


def test_the_first_workers_never_see_ctrl_c(tmp_path):
    """In a new process: once the processes that clean up are there, workers were right before."""
    script = tmp_path / "script.py"
    script.write_text(
        "import signal\n"
        "from fercli.common.parallel import parallel_map\n"
        "held = lambda _: signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "print(set(parallel_map(held, range(40), workers=2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "{True}\n"


def test_items_are_taken_only_as_they_are_needed():
    taken = 0

    def items():
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    results = parallel_map(time.sleep, (0.001 for _ in items()), workers=Workers(2, "threads"))
    next(results)
    assert taken < 1000
    results.close()


# --- a cluster


def test_schedulers_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.setattr("fercli.common.cluster.SCHEDULER_TIMEOUT", 1)
    with pytest.raises(DependencyError, match=r"No Dask scheduler answers at tcp://127\.0"):
        list(parallel_map(SQUARE, range(3), workers=Workers(scheduler="tcp://127.0.0.1:9")))
    with pytest.raises(DependencyError, match="No Dask scheduler answers at nonsense://x"):
        list(parallel_map(SQUARE, range(3), workers=Workers(scheduler="nonsense://x")))
