"""Measure `fer models train --distribute` on two hosts, which this machine plays, a core each.

CPU seconds, wall seconds and bytes of a step are those of all epochs but the first, which compiles.
Needs Keras with JAX, and Linux: bytes are those of the network interface lo, which nothing else
may use meanwhile:

    unshare -rn sh -c 'ip link set lo up; python benchmarks/distributed_training.py'

In there, `tc qdisc add dev lo root tbf rate 1gbit burst 1mb latency 50ms` makes lo as slow as a
network of that rate.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from fercli.common.tables import format_table
from fercli.models.architectures import ARCHITECTURES


def make_tree(folder: Path, images: int) -> None:
    """Write a tree of noise: what the images show takes no time."""
    rng = np.random.default_rng(0)
    for split, count in (("train", images), ("validation", 14)):
        for number in range(count):
            place = folder / split / "abcdefg"[number % 7]
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{number}.png"), rng.integers(0, 256, (48, 48), np.uint8))


def train(options: list[str], hosts: int, epochs: int) -> NDArray[np.float64]:
    """Return CPU seconds of a host, wall seconds and bytes of all epochs but the first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    env = {**os.environ, "KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1"}
    if hosts > 1:
        env |= {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(hosts),
        }
        options = [*options, "--distribute"]
    command = [sys.executable, "-m", "fercli", "models", "train", *options]
    with tempfile.TemporaryDirectory() as out:
        running = [
            psutil.Popen(
                [*command, "--epochs", str(1 + epochs), "--out", f"{out}/{at}"],
                env=env | {"KERAS_DISTRIBUTION_PROCESS_ID": str(at)},
                preexec_fn=lambda core=at: os.sched_setaffinity(0, {core}),
                stdout=subprocess.DEVNULL,
            )
            for at in range(hosts)
        ]
        before, after = (used_after(n, Path(out) / "0", running) for n in (1, 1 + epochs))
        if any([process.wait() for process in running]):  # noqa: C419 - all are waited for
            raise SystemExit("a training failed")
    return after - before


def used_after(epoch: int, out: Path, running: list[psutil.Popen]) -> NDArray[np.float64]:
    """Wait for an epoch, and return what was used until then."""
    history = out / "history.csv"
    while not history.exists() or len(history.read_text().splitlines()) <= epoch:
        if running[0].poll():
            raise SystemExit("a training failed")
        time.sleep(0.02)
    cpu = sum(sum(process.cpu_times()[:2]) for process in running) / len(running)
    return np.array([cpu, time.perf_counter(), bytes_of_lo()])


def bytes_of_lo() -> int:
    """Return how many bytes the interface lo has received."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.split()[0] == "lo:")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architectures", default="mini-xception,fernet")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="that are measured")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as tree:
        make_tree(Path(tree), given.steps * given.batch_size)
        for name in given.architectures.split(","):
            options = ["--data", tree, "--architecture", name, "--quiet", "--workers", "1"]
            options += ["--average", "0", "--batch-size", str(given.batch_size)]
            for hosts in (1, 2):
                used = train(options, hosts, given.epochs)
                cpu, wall, sent = used / (given.epochs * given.steps)
                gradients = 4 * ARCHITECTURES[name].parameters
                row = (name, hosts, 1000 * cpu, 1000 * wall, gradients / 1e6, sent / 1e6)
                rows.append([*row[:2], *(f"{value:.3g}" for value in row[2:])])
                print(*rows[-1], f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    headers = ("architecture", "hosts", "CPU ms of a host a step", "wall ms a step",
               "MB of gradients", "MB sent by all a step")  # fmt: skip
    print(format_table(headers, rows))


if __name__ == "__main__":
    main()
