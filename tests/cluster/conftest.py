"""A real Dask cluster on this machine: one scheduler, worker processes that come and go."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: Workers cannot import test modules, and fer is not always installed.
ROOT = Path(__file__).parents[2]

#: How long a scheduler and workers may take to start, in seconds: on a busy machine, a minute.
PATIENCE = 200


class LocalCluster:
    """A scheduler at a fixed address, and workers in a folder that is not the test's."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = None
        self.workers = []
        self.start_scheduler()

    def start_scheduler(self):
        self.scheduler = self._start(
            "scheduler", "--host=127.0.0.1", f"--port={self.port}", "--no-dashboard"
        )

    def start_worker(self):
        worker = self._start(
            "worker", self.address, "--nthreads=1", "--no-nanny", "--no-dashboard",
            "--local-directory", str(self.folder),
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def have_workers(self, count):
        """Make it so many live workers."""
        from distributed import Client

        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) > count:
            self.end(self.workers.pop())
        while len(self.workers) < count:
            self.start_worker()
        with Client(self.address, timeout=PATIENCE, set_as_default=False) as client:
            deadline = time.monotonic() + PATIENCE
            while len(client.nthreads()) != count:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        return self.workers

    def close(self):
        for process in [*self.workers, self.scheduler]:
            self.end(process)

    def _start(self, program, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=log, stderr=log
            )

    def end(self, process):
        """Kill a process, and wait until it is gone."""
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def local_cluster(tmp_path_factory):
    pytest.importorskip("distributed", reason="pip install 'fercli[cluster]'")
    cluster = LocalCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(local_cluster, monkeypatch, tmp_path):
    """The cluster with two workers; the test's working directory is its own."""
    from fercli.common.cluster import Cluster

    monkeypatch.chdir(tmp_path)
    local_cluster.have_workers(2)
    yield local_cluster
    Cluster.close_all()
