"""Simulate mining on a cluster, from figures that are measured on this machine.

Without arguments: how long a late stage of a training looks at a million backgrounds, on clusters
of 8 to 4,096 cores, and what limits it. With --measure: the figures that this is computed from, by
a real scheduler and one or two worker processes, on a cascade of 20 stages. They are CPU seconds,
since wall seconds of a machine that does other work say nothing.

    python benchmarks/cluster_model.py [--backgrounds 1000000] [--storage 1000]
    python benchmarks/cluster_model.py --measure [--data DIR] [--images 1000] [--wanted 60]
"""

from __future__ import annotations

import argparse
import heapq
import os
import pickle
import platform
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from fercli.common.cluster import BATCH_SECONDS, BATCHES_A_SECOND, BATCHES_PER_CORE
from fercli.common.tables import format_table

ROOT = Path(__file__).parents[1]
#: Tiles of a task, and how uneven batches are: the standard deviation of the logarithm.
TASK_TILES, UNEVEN = 8, 0.3
CORES = (1, 8, 64, 512, 4096)


@dataclass(frozen=True)
class Figures:
    """What mining costs, in CPU seconds and bytes, after 20 stages.

    The defaults are those of --measure with two workers on a virtual machine of two x86-64 cores
    that other work kept busy (load 40): an idle machine takes less, above all for the last four.
    """

    #: To decode an image, and its bytes.
    decode: float = 0.0005
    file_bytes: float = 18_080
    #: Tiles of an image in the detector's grid, windows of a tile, and seconds to scan one.
    tiles: float = 27.05
    tile_windows: float = 7157
    tile: float = 0.00107
    #: The cascade that is sent to each worker, and seconds to unpickle it.
    stage_bytes: float = 527_500
    stage_load: float = 0.1
    #: Of the process that trains, for each task and each batch; of the others, for a batch.
    client_task: float = 0.000011
    client_batch: float = 0.0026
    scheduler_batch: float = 0.0021
    worker_batch: float = 0.0008


# The simulation


@dataclass(frozen=True)
class Outcome:
    """How long a stage takes, and the share of it in which something is busy."""

    seconds: float
    busy: dict[str, float]

    @property
    def limit(self) -> str:
        """What is busiest."""
        return max(self.busy, key=lambda name: self.busy[name])


def simulate(cores: int, backgrounds: int, figures: Figures, storage: float) -> Outcome:
    """Return how long all windows of the grid of all images take.

    Parameters
    ----------
    cores, backgrounds : int
    figures : Figures
    storage : float
        Bytes a second that the shared disk gives to all workers together.
    """
    rng = random.Random(1)
    at = max(figures.stage_load, cores * figures.stage_bytes / 1e9)
    busy = dict.fromkeys(("workers", "this process", "scheduler", "storage"), 0.0)
    for tasks, tiles in rounds_of(backgrounds, figures.tiles):
        at = _round(at, cores, tasks, tiles, figures, storage, busy, rng)
    busy["workers"] /= cores
    return Outcome(at, {name: seconds / at for name, seconds in busy.items()})


def rounds_of(backgrounds: int, tiles: float) -> Iterator[tuple[int, float]]:
    """Yield for each round how many tasks it has, and of how many tiles each is."""
    first, count = 0.0, 1.0
    while first < tiles:
        last = min(first + count, tiles)
        tasks = -(-(last - first) // TASK_TILES)
        yield int(tasks * backgrounds), (last - first) / tasks
        first, count = first + count, first + count


def _round(
    at: float, cores: int, tasks: int, tiles: float, figures: Figures, storage: float,
    busy: dict[str, float], rng: random.Random,
) -> float:  # fmt: skip
    """Return when a round ends that begins `at`: batches in order, so many of them under way."""
    each = figures.decode + tiles * figures.tile
    size = max(1, int(max(BATCH_SECONDS, cores / BATCHES_A_SECOND) / each))
    size = min(size, -(-tasks // (2 * cores)))
    ahead = BATCHES_PER_CORE * cores + 2
    free = [at] * cores
    scheduled = read = taken = at
    ends: list[float] = []
    for number in range(-(-tasks // size)):
        submitted = ends[number - ahead] if number >= ahead else at
        scheduled = max(scheduled, submitted) + figures.scheduler_batch
        read = max(read, scheduled) + size * figures.file_bytes / storage
        seconds = (figures.worker_batch + size * each) * rng.lognormvariate(
            -UNEVEN * UNEVEN / 2, UNEVEN
        )
        begin = max(heapq.heappop(free), scheduled)
        done = max(begin + seconds, read)
        heapq.heappush(free, done)
        work = figures.client_batch + size * figures.client_task
        taken = max(taken, done) + work
        ends.append(taken)
        busy["workers"] += seconds
        busy["this process"] += work
        busy["scheduler"] += figures.scheduler_batch
        busy["storage"] += size * figures.file_bytes / storage
    return taken


def report(backgrounds: int, figures: Figures, storage: float) -> None:
    """Print the table."""
    print(
        f"{backgrounds:,} backgrounds of {figures.file_bytes / 1e3:.0f} kB, the grid's "
        f"{figures.tiles * figures.tile_windows * backgrounds / 1e9:,.0f} thousand million windows "
        f"once, after 20 stages; {storage / 1e6:,.0f} MB/s from the shared disk"
    )
    rows = []
    one = simulate(1, backgrounds, figures, storage)
    for cores in CORES:
        found = one if cores == 1 else simulate(cores, backgrounds, figures, storage)
        faster = one.seconds / found.seconds
        shares = [f"{share:.0%}" for share in found.busy.values()]
        row = (f"{cores:,}", _duration(found.seconds), f"{faster:,.1f}", f"{faster / cores:.0%}")
        rows.append((*row, *shares, found.limit))
    headers = ("cores", "time", "times faster", "efficiency", *one.busy, "limit")
    print(format_table(headers, rows))


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 3600 else f"{seconds / 60:.1f} min"


# The figures


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, workers: int, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder = folder
        self.scheduler = self._start("scheduler", "--host=127.0.0.1", f"--port={port}")
        options = ("--nthreads=1", "--no-nanny", f"--local-directory={folder}")
        self.workers = [self._start("worker", self.address, *options) for _ in range(workers)]

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
        return subprocess.Popen(
            [*command, "--no-dashboard"], cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait for all workers."""
        from distributed import Client

        with Client(self.address, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=120)

    def cpu(self) -> tuple[float, float]:
        """Return CPU seconds of the scheduler and of all workers."""
        return cpu_of(self.scheduler.pid), sum(cpu_of(worker.pid) for worker in self.workers)

    def close(self) -> None:
        """End all."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process."""
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def bytes_of(client: object) -> tuple[int, int]:
    """Return the bytes sent and received by a client, as TCP counts them (Linux)."""
    comms = [client.scheduler_comm.comm]  # type: ignore[attr-defined]
    for several in client.rpc.available.values():  # type: ignore[attr-defined]
        comms += several
    sent = received = 0
    for comm in comms:
        info = comm.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
        # tcpi_bytes_acked and tcpi_bytes_received of linux/tcp.h.
        one, other = struct.unpack_from("QQ", info, 120)
        sent, received = sent + one, received + other
    return sent, received


@contextmanager
def counted_batches() -> Iterator[list[int]]:
    """Give a list that gets the size of each batch that is sent."""
    from fercli.common import cluster

    sizes: list[int] = []
    submit = cluster._Batches._submit

    def counting(self, batch):  # type: ignore[no-untyped-def]
        sizes.append(len(batch.items))
        submit(self, batch)

    cluster._Batches._submit = counting  # type: ignore[method-assign]
    try:
        yield sizes
    finally:
        cluster._Batches._submit = submit  # type: ignore[method-assign]


def measure(data: Path, images: int, wanted: int) -> Figures:
    """Mine on one machine, with one and with two workers; print and return the figures."""
    import cv2
    import distributed
    import numba

    from fercli.cascade.model import bundled_cascade, read_cascade
    from fercli.cascade.training.checkpoint import first_stages

    cascade = first_stages(read_cascade(bundled_cascade()), 20)
    paths = sorted((data / "negatives").glob("*.jpg"))
    paths = random.Random(1).sample(paths, min(images, len(paths)))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python "
        f"{platform.python_version()}, OpenCV {cv2.__version__}, numba {numba.__version__}, "
        f"distributed {distributed.__version__}"
    )
    about = about_images(paths, cascade)
    here, alone = mine_here(paths, cascade, wanted)
    rows = [here]
    known: dict[str, float] = {}
    for workers in (1, 2):
        row, found = mine_there(paths, cascade, wanted, workers, alone)
        rows.append(row)
        known = found
    headers = (
        "mined by", "windows", "wall s", "CPU s of workers", "of this process", "of the scheduler",
        "CPU s a million windows", "batches", "tasks", "kB sent and received a million windows",
    )  # fmt: skip
    print(format_table(headers, rows))
    figures = Figures(**about, **known)
    for field in fields(figures):
        print(f"    {field.name}: float = {getattr(figures, field.name):.4g}")
    return figures


def about_images(paths: list[Path], cascade: object) -> dict[str, float]:
    """Return the figures of images alone."""
    from fercli.cascade.detection.scanner import Scanner
    from fercli.cascade.training.negative_mining.worker import Sweep, tiles_of
    from fercli.common.images import read_gray

    scanner = Scanner(cascade)  # type: ignore[arg-type]
    decode, tiles, windows, scan = [], [], [], []
    for path in paths[:60]:
        began = time.thread_time()
        image = read_gray(path)
        decode.append(time.thread_time() - began)
        found = tiles_of(Sweep.GRID, image.shape[::-1], scanner.cascade.size_wh, 1.1)
        tiles.append(len(found))
        windows.append(sum(tile.columns * tile.rows for tile in found) / len(found))
        for tile in random.Random(2).sample(found, min(3, len(found))):
            began = time.thread_time()
            pixels = tile.layer.resize(image)
            scanner.scan_layer(
                pixels, tile.step, start_xy=tile.start_xy, columns=tile.columns, rows=tile.rows
            )
            scan.append(time.thread_time() - began)
    return {
        "decode": statistics.median(decode),
        "file_bytes": statistics.mean(path.stat().st_size for path in paths),
        "tiles": statistics.mean(tiles),
        "tile_windows": statistics.mean(windows),
        "tile": statistics.mean(sorted(scan)[: int(0.95 * len(scan))]),
    }


def idle_cpu(there: Cluster, seconds: float = 10.0) -> tuple[float, float, float]:
    """Return the share of a core that this process, the scheduler and all workers take idle."""
    time.sleep(seconds)  # they are still busy with their start
    before, began = (time.process_time(), *there.cpu()), time.monotonic()
    time.sleep(seconds)
    after, wall = (time.process_time(), *there.cpu()), time.monotonic() - began
    this, scheduler, workers = (b - a for a, b in zip(before, after, strict=True))
    return this / wall, scheduler / wall, workers / wall


def client_task(paths: list[Path], cascade: object) -> float:
    """Return the CPU seconds that the process that trains takes for a task of a batch of 32."""
    import cloudpickle

    from fercli.cascade.detection.scanner import Scanner
    from fercli.cascade.training.negative_mining.miner import MiningRounds
    from fercli.cascade.training.negative_mining.worker import BackgroundCache, MiningWorker
    from fercli.common.progress import SilentBar

    worker = MiningWorker(Scanner(cascade), BackgroundCache(0), 1.1, (0, 20))  # type: ignore[arg-type]
    rounds = MiningRounds(worker, paths, {}, 10**6, 0.0, 1)
    tasks = list(rounds._tasks(np.arange(32), 0, 8, 40))
    results = pickle.dumps([worker.run(task) for task in tasks])
    began = time.process_time()
    for _ in range(50):
        cloudpickle.dumps(tasks)
        for result in pickle.loads(results):
            rounds._receive(result, 10, SilentBar())
    return (time.process_time() - began) / (50 * len(tasks))


def mine_here(paths: list[Path], cascade: object, wanted: int) -> tuple[tuple[object, ...], float]:
    """Mine without a cluster; return a row of the table, and CPU seconds a million windows."""
    from fercli.cascade.training.negative_mining import NegativeMiner

    miner = NegativeMiner(paths, cascade.size_wh, workers=1, memory_bytes=0)  # type: ignore[attr-defined]
    miner.mine(cascade, 1, stage_index=20)  # type: ignore[arg-type]  # compiles the kernels
    wall, cpu = time.monotonic(), time.process_time()
    found = miner.mine(cascade, wanted, stage_index=20)  # type: ignore[arg-type]
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    million = found.windows_seen / 1e6
    cells = ("this process", f"{million:.0f} M", f"{wall:.1f}", "-", f"{cpu:.1f}", "-")
    return (*cells, f"{cpu / million:.3f}", "-", "-", "-"), cpu / million


def mine_there(
    paths: list[Path], cascade: object, wanted: int, workers: int, alone: float
) -> tuple[tuple[object, ...], dict[str, float]]:
    """Mine on a cluster; return a row of the table, and figures.

    `alone` is the CPU time that one process takes for a million windows.
    """
    import cloudpickle

    from fercli.cascade.detection.scanner import Scanner
    from fercli.cascade.training.negative_mining import NegativeMiner
    from fercli.common import cluster as seam
    from fercli.common.parallel import Workers

    pickled = cloudpickle.dumps(Scanner(cascade))  # type: ignore[arg-type]
    began = time.process_time()
    pickle.loads(pickled)
    load = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        there = Cluster(workers, Path(folder))
        stack.callback(there.close)
        there.wait()
        where = Workers(scheduler=there.address)
        miner = NegativeMiner(paths, cascade.size_wh, workers=where, memory_bytes=0)  # type: ignore[attr-defined]
        miner.mine(cascade, 1, stage_index=20)  # type: ignore[arg-type]
        client = seam.Cluster._known[there.address]._client
        idle = idle_cpu(there)
        sizes = stack.enter_context(counted_batches())
        before, sent, wall = (time.process_time(), *there.cpu()), bytes_of(client), time.monotonic()
        found = miner.mine(cascade, wanted, stage_index=20)  # type: ignore[arg-type]
        wall = time.monotonic() - wall
        after, now = (time.process_time(), *there.cpu()), bytes_of(client)
        seam.Cluster.close_all()
    spent = [b - a for a, b in zip(before, after, strict=True)]
    here, scheduler, cpu = (
        max(seconds - wall * share, 0.0) for seconds, share in zip(spent, idle, strict=True)
    )
    traffic = [b - a for a, b in zip(sent, now, strict=True)]
    million, batches, tasks = found.windows_seen / 1e6, len(sizes), sum(sizes)
    row = (
        f"{workers} worker{'s' * (workers > 1)}", f"{million:.0f} M", f"{wall:.1f}", f"{cpu:.1f}",
        f"{here:.1f}", f"{scheduler:.1f}", f"{cpu / million:.3f}", batches, tasks,
        " and ".join(f"{one / 1e3 / million:.1f}" for one in traffic),
    )  # fmt: skip
    each = client_task(paths, cascade)
    return row, {
        "client_batch": max(here - tasks * each, 0.0) / batches,
        "client_task": each,
        "scheduler_batch": scheduler / batches,
        "worker_batch": max(cpu - alone * million, 0.0) / batches,
        "stage_bytes": len(pickled),
        "stage_load": load,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--backgrounds", type=int, default=1_000_000)
    parser.add_argument("--storage", type=float, default=1000, help="MB/s of the shared disk")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FER_DATA", beside)))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--wanted", type=int, default=60)
    given = parser.parse_args()
    figures = measure(given.data, given.images, given.wanted) if given.measure else Figures()
    report(given.backgrounds, figures, 1e6 * given.storage)


if __name__ == "__main__":
    main()
