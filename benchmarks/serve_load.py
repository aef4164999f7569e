"""Load on ``fer serve``: many clients, each asking again as soon as it has its answer.

Starts a server of its own on 127.0.0.1, with scikit-image's astronaut as the image; beside the
clients one person watches the server's camera (a stream made here), unless ``--alone``. One image
comes before, and some seconds for the server to make its search ready. Prints latencies, errors,
the server's CPU time and its memory over the time. Bounded: it ends by itself.

    python benchmarks/serve_load.py --clients 50 --seconds 60
"""

from __future__ import annotations

import argparse
import http.client
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import psutil
import skimage.data

#: Seconds between two looks at the server's memory.
INTERVAL = 5.0

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Client(threading.Thread):
    """Someone who asks again and again until an end."""

    def __init__(self, port: int, path: str, body: bytes, end: float) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self._port, self._path, self._body, self._end = port, path, body, end

    def run(self) -> None:
        """Ask until the end; what goes wrong is counted."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while time.monotonic() < self._end:
            start = time.monotonic()
            try:
                connection.request("POST", self._path, self._body)
                answer = connection.getresponse()
                answer.read()
                self.statuses[str(answer.status)] += 1
                if answer.status == 503:
                    time.sleep(int(answer.headers["Retry-After"]))
                    continue
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                connection.close()
            self.seconds.append(time.monotonic() - start)
        connection.close()


class Visitor(threading.Thread):
    """Someone who opens a page now and then, which must not wait for the images of others."""

    def __init__(self, port: int, end: float) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self._address, self._end = f"http://127.0.0.1:{port}/", end

    def run(self) -> None:
        """Open the page until the end."""
        while time.monotonic() < self._end:
            start = time.monotonic()
            with urllib.request.urlopen(self._address, timeout=60) as answer:
                answer.read()
            self.seconds.append(time.monotonic() - start)
            time.sleep(0.2)


class Camera(BaseHTTPRequestHandler):
    """A camera that sends Motion JPEG, 15 frames a second."""

    def do_GET(self) -> None:
        """Send frames until the one who looks goes away."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        image = skimage.data.astronaut()[:, :, ::-1]
        try:
            for at in range(100_000):
                data = cv2.imencode(".jpg", np.roll(image, 2 * at, axis=1))[1].tobytes()
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(b"Content-Length: %d\r\n\r\n%b\r\n" % (len(data), data))
                time.sleep(1 / 15)
        except OSError:
            return

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Watcher(threading.Thread):
    """Someone who watches the server's camera."""

    def __init__(self, port: int, end: float) -> None:
        super().__init__(daemon=True)
        self.frames = 0
        self._port, self._end = port, end

    def run(self) -> None:
        """Count frames until the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", "/camera")
        key = re.search(rb'name="key" value="(.+?)"', connection.getresponse().read())
        assert key is not None
        connection.request("POST", "/camera", b"key=" + key[1], FORM)
        connection.getresponse().read()
        connection.request("GET", "/camera/stream")
        answer = connection.getresponse()
        while time.monotonic() < self._end:
            self.frames += answer.readline().startswith(b"Content-Type")
        connection.close()


@contextmanager
def served(camera: str) -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "fercli", "serve", "--port", "0", "--camera", camera]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[2].rstrip("/").rsplit(":", 1)[1])
        yield port, psutil.Process(process.pid)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.kill()
        process.communicate()


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time that a process has taken."""
    times = process.cpu_times()
    return float(times.user + times.system)


def watch_memory(server: psutil.Process, end: float) -> list[float]:
    """Return the server's memory now and then, in MiB."""
    found = []
    while time.monotonic() < end:
        found.append(server.memory_info().rss / 2**20)
        time.sleep(min(INTERVAL, max(end - time.monotonic(), 0)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--quick", action="store_true", help="ask as a live view asks")
    parser.add_argument("--alone", action="store_true", help="nobody watches the camera")
    parser.add_argument("--settle", type=float, default=10, help="seconds after the first image")
    options = parser.parse_args()
    image = cv2.imencode(".jpg", skimage.data.astronaut()[:, :, ::-1])[1].tobytes()
    sender = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    sender.daemon_threads = True
    threading.Thread(target=sender.serve_forever, daemon=True).start()
    with served(f"http://127.0.0.1:{sender.server_port}/") as (port, server):
        path = f"/api/v1/classify?quick={int(options.quick)}"
        first = Client(port, path, image, time.monotonic() + 0.01)
        first.start()
        first.join()
        time.sleep(options.settle)
        before = cpu_seconds(server)
        end = time.monotonic() + options.seconds
        clients = [Client(port, path, image, end) for _ in range(options.clients)]
        watcher, visitor = Watcher(port, end), Visitor(port, end)
        threads = (*clients, visitor) if options.alone else (*clients, visitor, watcher)
        for thread in threads:
            thread.start()
        memory = watch_memory(server, end)
        for thread in threads:
            thread.join(60)
        cpu = cpu_seconds(server) - before
    report(clients, watcher, visitor, memory, options.seconds, cpu)
    sender.shutdown()


def report(
    clients: list[Client],
    watcher: Watcher,
    visitor: Visitor,
    memory: list[float],
    seconds: float,
    cpu: float,
) -> None:
    statuses = sum((client.statuses for client in clients), Counter())
    taken = sorted(second for client in clients for second in client.seconds)
    cuts = statistics.quantiles(taken, n=100)
    print(f"{len(clients)} clients, {seconds:g} s, 512 × 512 JPEG: {len(taken)} answers, "
          f"{len(taken) / seconds:.1f} a second; statuses {dict(statuses)}")  # fmt: skip
    print(f"latency: median {cuts[49]:.2f} s, 95 % {cuts[94]:.2f} s, largest {taken[-1]:.2f} s")
    print(f"pages: median {statistics.median(visitor.seconds):.2f} s, "
          f"largest {max(visitor.seconds):.2f} s")  # fmt: skip
    print(f"camera: {watcher.frames / seconds:.1f} frames a second for who watches")
    print(f"CPU: {cpu / seconds:.2f} cores, {1000 * cpu / len(taken):.0f} ms an answer")
    print(f"memory in MiB every {INTERVAL:g} s: "
          f"{' '.join(f'{one:.0f}' for one in memory)}")  # fmt: skip


if __name__ == "__main__":
    main()
