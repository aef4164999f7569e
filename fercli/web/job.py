"""A job: the work on one video, from its upload to the removal of its results."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

from fercli.web.worker import UPLOADED

State = Literal["waiting", "running", "done", "failed"]

#: What is said of a process that ended without a word.
CRASHED = "the work on this video broke off: its decoder failed, or memory ran out"


class Job:
    """The work on one video.

    Parameters
    ----------
    folder : Path
        A private folder, in which the job has one of its own.

    Attributes
    ----------
    id : str
        128 random bits: who knows it may see the results.
    """

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_urlsafe(16)
        self.folder = folder / self.id
        self.folder.mkdir(mode=0o700)
        self.state: State = "waiting"
        self.asked = time.monotonic()
        self.error = ""
        self.known: dict[str, Any] = {}
        self._began = self._ended = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._given_up = self._removed = False
        self._lock = threading.Lock()

    @property
    def video(self) -> Path:
        """Where the upload goes."""
        return self.folder / UPLOADED

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("done", "failed")

    @property
    def seconds(self) -> float:
        """How long the work took, or has taken until now."""
        end = self._ended or time.monotonic()
        return round(end - self._began, 2) if self._began else 0.0

    def run(self, task: dict[str, Any], limit: float) -> None:
        """Do the work; it is ended after `limit` seconds.

        Parameters
        ----------
        task : dict
            As in `fercli.web.worker.classify_video`, less ``folder``.
        limit : float
            In seconds.
        """
        try:
            if not self._start():
                return
        except OSError as error:
            self.error = f"its process could not be started: {error.strerror}"
            self._end()
            return
        timer = threading.Timer(limit, self.give_up, [f"it took more than {limit:g} seconds"])
        timer.start()
        try:
            self._listen({**task, "folder": str(self.folder)})
        finally:
            timer.cancel()
            self._end()

    def give_up(self, why: str) -> None:
        """End the work, wherever it is."""
        with self._lock:
            if self.is_over:
                return
            self._given_up, self.error = True, why
            if self._process is None:
                self.state = "failed"
            else:
                self._process.kill()

    def remove(self) -> None:
        """End the work and remove all files."""
        self._removed = True
        self.give_up("removed")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> bool:
        with self._lock:
            if self._given_up:
                return False
            self.state, self._began = "running", time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fercli.web.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            return True

    def _listen(self, task: dict[str, Any]) -> None:
        assert self._process is not None
        with self._process as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(task))
                process.stdin.close()
            except BrokenPipeError:
                return
            for line in process.stdout:
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            self.known.update(json.loads(line))
        except ValueError:  # killed in the middle of a line
            return

    def _end(self) -> None:
        with self._lock:
            self._ended = time.monotonic()
            self.video.unlink(missing_ok=True)
            if "summary" in self.known and not self._given_up:
                self.state = "done"
                return
            self.error = self.error or self.known.get("error", "") or CRASHED
            self.state = "failed"
        for left in self.folder.glob("*"):
            left.unlink(missing_ok=True)
        if self._removed:  # the process may have written on until it was dead
            shutil.rmtree(self.folder, ignore_errors=True)
