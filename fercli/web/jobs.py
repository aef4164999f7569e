"""Jobs: a bounded queue of videos, processed one after the other, and removed when they expire."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fercli.common.errors import FerError, OutputError
from fercli.common.files import folder_lock, output_error
from fercli.models.model_card import ModelSettings
from fercli.web.http_errors import HttpError
from fercli.web.worker import UPLOADED

if TYPE_CHECKING:
    from fercli.web.app import ServerSettings

#: Prefix of folders of uploads.
PREFIX = "fer-serve-"

#: Seconds between two checks for expired jobs.
SWEEP = 2.0


class JobQueue:
    """The jobs of a server and the thread that runs them. A context manager.

    Parameters
    ----------
    settings : ServerSettings

    Raises
    ------
    OutputError
        There is no folder for temporary files.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._jobs: dict[str, VideoJob] = {}
        self._queue: list[tuple[VideoJob, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._lock = ExitStack()
        self._folder = _private_folder(self._lock)
        for loop in (self._work, self._expire_loop):
            threading.Thread(target=loop, daemon=True).start()

    def __enter__(self) -> JobQueue:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel all jobs and remove all files."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            jobs = list(self._jobs.values())
        for job in jobs:
            job.remove()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()

    def add(
        self,
        save: Callable[[Path], None],
        model: str,
        settings: ModelSettings,
        *,
        bars: bool,
        min_face: int | None = None,
    ) -> VideoJob:
        """Queue a video and return its job.

        Parameters
        ----------
        save : callable
            Writes the upload to the given path.
        model : str
            The model's file.
        settings : ModelSettings
            What the metadata of the model's file lacks.
        bars : bool
            Whether probabilities are drawn.
        min_face : int, optional
            The side of the smallest face to detect, in pixels. Defaults to the server's.

        Raises
        ------
        HttpError
            503: too many are waiting; and as `save`.
        """
        job = self._new_job()
        try:
            save(job.video)
        except BaseException:
            self.remove(job.id)
            raise
        job.asked = time.monotonic()
        with self._changed:
            self._queue.append((job, self._task(model, settings, bars, min_face)))
            self._changed.notify_all()
        return job

    def find(self, identity: str) -> VideoJob:
        """Return a job and note that it was asked for.

        Raises
        ------
        HttpError
            404: there is none, or it has expired.
        """
        with self._changed:
            job = self._jobs.get(identity)
        if job is None:
            raise HttpError(404, "This result is no longer kept", hint="upload the video again")
        job.asked = time.monotonic()
        return job

    def position(self, job: VideoJob) -> int:
        """Return how many videos are processed before this one; 0 once it is running."""
        with self._changed:
            waiting = [one for one, _ in self._queue]
            return waiting.index(job) + self._running() if job in waiting else 0

    def remove(self, identity: str) -> None:
        """Cancel a job and remove its files; errors as `find`."""
        job = self.find(identity)
        with self._changed:
            self._jobs.pop(identity, None)
            self._queue = [entry for entry in self._queue if entry[0] is not job]
        job.remove()

    def room(self) -> int:
        """Return how many more videos may wait."""
        return max(self._limits.waiting - self.counts()["waiting"], 0)

    def counts(self) -> dict[str, int]:
        """Return how many jobs are waiting, running and over."""
        with self._changed:
            states = [job.state for job in self._jobs.values()]
        over = states.count("done") + states.count("failed")
        return {
            "waiting": states.count("waiting"),
            "running": states.count("running"),
            "kept": over,
        }

    def _running(self) -> int:
        return sum(job.state == "running" for job in self._jobs.values())

    def _new_job(self) -> VideoJob:
        with self._changed:
            # One that is being uploaded counts, too.
            waiting = sum(job.state == "waiting" for job in self._jobs.values())
            if waiting >= self._limits.waiting or self._closed:
                raise HttpError(
                    503,
                    f"No more videos can wait now (already waiting: {waiting})",
                    hint="try again later",
                    retry=60,
                )
            try:
                job = VideoJob(self._folder)
            except OSError as error:
                raise HttpError(507, OutputError(str(error.strerror)).message) from error
            self._jobs[job.id] = job
            return job

    def _task(
        self, model: str, model_settings: ModelSettings, bars: bool, min_face: int | None
    ) -> dict[str, Any]:
        settings = self._settings
        recognition = asdict(settings.recognition)
        if min_face is not None:
            recognition["min_face"] = min_face
        if settings.recognition.detector is not None:  # the worker works in another folder
            recognition["detector"] = str(Path(settings.recognition.detector).resolve())
        return {
            "cascade": [str(path.resolve()) for path in settings.cascade or ()],
            "model": model,
            "model_settings": asdict(model_settings),
            "recognition": recognition,
            "pixels": self._limits.video_pixels,
            "bars": bars,
        }

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._queue)
                if self._closed:
                    return
                job, task = self._queue.pop(0)
            job.run(task, self._limits.job_seconds)

    def _expire_loop(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, SWEEP):
                    return
                forgotten = self._expired()
                for job in forgotten:
                    del self._jobs[job.id]
                self._queue = [entry for entry in self._queue if entry[0] not in forgotten]
            for job in forgotten:
                job.remove()

    def _expired(self) -> list[VideoJob]:
        """Return abandoned jobs, expired results, and the oldest results beyond the limit."""
        now = time.monotonic()
        over = sorted((job for job in self._jobs.values() if job.is_over), key=lambda j: j.asked)
        excess = over[: max(len(over) - self._limits.kept, 0)]
        return [
            job
            for job in self._jobs.values()
            if job in excess
            or now - job.asked
            > (self._limits.kept_seconds if job.is_over else self._limits.patience)
        ]


def _private_folder(lock: ExitStack) -> Path:
    """Return a new folder, locked until `lock` is closed; remove those of dead servers."""
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{PREFIX}*"):
        # It may be in use, gone or another user's.
        with suppress(FerError, OSError), folder_lock(left, "serving"):
            shutil.rmtree(left)
    # A server that starts at the same moment may take a new folder for one that was left.
    for _ in range(10):
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        except OSError as error:
            raise output_error(error, parent) from error
        with suppress(OutputError):
            lock.enter_context(folder_lock(folder, "serving"))
            if folder.exists():
                return folder
    raise OutputError("The folder of uploads cannot be locked", path=folder)


# One job


State = Literal["waiting", "running", "done", "failed"]

#: The error of a process that ended without one.
CRASHED = "Processing of the video crashed: its decoder failed, or memory ran out"


class VideoJob:
    """The processing of one video, from its upload to the removal of its results.

    Parameters
    ----------
    folder : Path
        A private folder, in which the job gets a subfolder.

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
        self.status: dict[str, Any] = {}
        self._began = self._ended = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._is_canceled = self._removed = False
        self._lock = threading.Lock()

    @property
    def video(self) -> Path:
        """The path of the upload."""
        return self.folder / UPLOADED

    @property
    def is_over(self) -> bool:
        """Whether it is done or failed."""
        return self.state in ("done", "failed")

    @property
    def seconds(self) -> float:
        """How long processing took, or has taken so far."""
        end = self._ended or time.monotonic()
        return round(end - self._began, 2) if self._began else 0.0

    def run(self, task: dict[str, Any], limit: float) -> None:
        """Process the video, for at most `limit` seconds.

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
            self.error = f"The process of the job could not be started: {error.strerror}"
            self._end()
            return
        timer = threading.Timer(
            limit, self.cancel, [f"Processing took more than {limit:g} seconds"]
        )
        timer.start()
        try:
            self._read_status({**task, "folder": str(self.folder)})
        finally:
            timer.cancel()
            self._end()

    def cancel(self, why: str) -> None:
        """Stop processing and fail with a reason."""
        with self._lock:
            if self.is_over:
                return
            self._is_canceled, self.error = True, why
            if self._process is None:
                self.state = "failed"
            else:
                self._process.kill()

    def remove(self) -> None:
        """Stop processing and remove all files."""
        self._removed = True
        self.cancel("removed")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> bool:
        with self._lock:
            if self._is_canceled:
                return False
            self.state, self._began = "running", time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fercli.web.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            return True

    def _read_status(self, task: dict[str, Any]) -> None:
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
                self._update(line)

    def _update(self, line: str) -> None:
        try:
            self.status.update(json.loads(line))
        except ValueError:  # the process was killed in the middle of a line
            return

    def _end(self) -> None:
        with self._lock:
            self._ended = time.monotonic()
            self.video.unlink(missing_ok=True)
            if "summary" in self.status and not self._is_canceled:
                self.state = "done"
                return
            self.error = self.error or self.status.get("error", "") or CRASHED
            self.state = "failed"
        for left in self.folder.glob("*"):
            left.unlink(missing_ok=True)
        if self._removed:  # the process may have written until it ended
            shutil.rmtree(self.folder, ignore_errors=True)
