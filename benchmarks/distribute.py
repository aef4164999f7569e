"""What --distribute of `fer models train` costs: Keras on JAX in one process and in two.

Prints CPU seconds for each batch, since wall seconds of a machine that does other work say nothing:
what two processes take together beyond what one takes is the exchange of gradients.

    python benchmarks/distribute.py [ARCHITECTURE...] [--batch 64] [--steps 20]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path

from fercli.common.tables import format_table

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("architectures", nargs="*", default=["mini-xception", "fernet"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        print(json.dumps(train(given.architectures[0], given.batch, given.steps)))
        return
    rows = []
    for name in given.architectures:
        (one,) = run(name, given.batch, given.steps, processes=1)
        both = run(name, given.batch, given.steps, processes=2)
        cpu = sum(each["cpu"] for each in both)
        times = [f"{1e3 * seconds:.0f}" for seconds in (one["cpu"], cpu, cpu - one["cpu"])]
        megabytes = f"{4e-6 * one['parameters']:.2f}"
        rows.append((name, f"{one['parameters']:,}", megabytes, *times))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}; batches "
          f"of {given.batch}; {one['versions']}")  # fmt: skip
    headers = (
        "architecture", "parameters", "MB of gradients", "CPU ms a batch, one process",
        "two together", "more",
    )  # fmt: skip
    print(format_table(headers, rows))


def run(name: str, batch: int, steps: int, *, processes: int) -> list[dict[str, object]]:
    """Train in processes that share each batch; return what each measured."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for number in range(processes):
        environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
        if processes > 1:
            environment |= {
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
                "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
                "KERAS_DISTRIBUTION_PROCESS_ID": str(number),
            }
        command = [sys.executable, __file__, name, "--inside"]
        command += ["--batch", str(batch), "--steps", str(steps)]
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]


def train(name: str, batch: int, steps: int) -> dict[str, object]:
    """Return CPU seconds a batch in this process, whose share of the batch it trains on."""
    import numpy as np

    from fercli.models.architectures import find_architecture
    from fercli.models.distributed import count_hosts, distributed_by, join_hosts, share_of_host

    join_hosts()
    import jax
    import keras

    architecture = find_architecture(name)
    width, height = architecture.size_wh
    rng = np.random.default_rng(0)
    faces = rng.random((batch, height, width, architecture.channels), np.float32)
    labels = np.eye(architecture.classes, dtype=np.float32)[np.arange(batch) % architecture.classes]
    mine = share_of_host(batch)
    several = keras.distribution.DataParallel(auto_shard_dataset=False)
    with distributed_by(several if count_hosts() > 1 else None):
        model = architecture.build(architecture.input_shape, architecture.classes)
        model.compile("adam", "categorical_crossentropy")
        model.fit(faces[mine], labels[mine], batch_size=batch, epochs=2, verbose=0)
        began = time.process_time()
        model.fit(faces[mine], labels[mine], batch_size=batch, epochs=steps, verbose=0)
    return {
        "cpu": (time.process_time() - began) / steps,
        "parameters": model.count_params(),
        "versions": f"Keras {keras.__version__}, JAX {jax.__version__}",
    }


if __name__ == "__main__":
    main()
