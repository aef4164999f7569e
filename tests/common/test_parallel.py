"""The seam through which work is spread: order, failures, a cluster that loses a worker."""

import os
import subprocess
import sys
import time

import pytest

from fercli.common.errors import DependencyError, FerError, InputError
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


def start(*args):
    command = [sys.executable, "-m", "distributed.cli.dask_" + args[0], *args[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two worker processes: (address, the workers)."""
    pytest.importorskip("distributed", reason="pip install 'fercli[cluster]'")
    file = tmp_path / "scheduler.json"
    local = ["--local-directory", str(tmp_path / "dask")]
    scheduler = start(
        "scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={file}"
    )
    workers = [
        start("worker", f"--scheduler-file={file}", "--nthreads=1", "--no-nanny",
              "--no-dashboard", *local)
        for _ in range(2)
    ]  # fmt: skip
    try:
        yield address_with_two_workers(file), workers
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()


def address_with_two_workers(file):
    import json

    from distributed import Client

    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"]
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    return address


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_loses_no_work(cluster):
    def square_slowly(numbers):
        time.sleep(0.02)
        return [(number * number, os.getpid()) for number in numbers]

    address, workers = cluster
    items = [[number, number + 1] for number in range(0, 1000, 2)]
    found = []
    for results in parallel_map(square_slowly, iter(items), workers=Workers(scheduler=address)):
        found += results
        if len(found) == 100:
            workers[0].kill()
    assert [square for square, _ in found] == [n * n for n in range(1000)]
    assert {pid for _, pid in found} == {worker.pid for worker in workers}


@pytest.mark.slow
def test_an_import_on_a_cluster_that_loses_a_worker(cluster, fer, tmp_path):
    import cv2
    import numpy as np

    address, workers = cluster
    rng = np.random.default_rng(0)
    for number in range(3000):
        path = tmp_path / "in" / ("happy", "sad")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (64, 64), np.uint8))
    command = ["datasets", "import", str(tmp_path / "in"), "-q", "--size", "48x48", "--out"]
    over = ["--parallel", "dask", "--scheduler", address]
    process = subprocess.Popen(
        [sys.executable, "-m", "fercli", *command, str(tmp_path / "cluster"), *over],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while sum(1 for _ in (tmp_path / "cluster").rglob("*.png")) < 300:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers[1].kill()
    assert process.wait(timeout=60) == 0
    assert fer(*command, tmp_path / "here", "-j1").status == 0

    def files(root):
        hidden = ".fer-"  # the killed worker's unfinished file
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*.*")
            if not path.name.startswith(hidden)
        }

    assert files(tmp_path / "cluster") == files(tmp_path / "here")


def test_schedulers_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.setattr("fercli.common.parallel.SCHEDULER_TIMEOUT", 1)
    with pytest.raises(DependencyError, match=r"No Dask scheduler answers at tcp://127\.0"):
        list(parallel_map(SQUARE, range(3), workers=Workers(scheduler="tcp://127.0.0.1:9")))
    with pytest.raises(DependencyError, match="No Dask scheduler answers at nonsense://x"):
        list(parallel_map(SQUARE, range(3), workers=Workers(scheduler="nonsense://x")))
