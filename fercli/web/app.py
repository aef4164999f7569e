"""The Flask application of ``fer serve``: its settings, its services, its pages and its API."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from flask import Flask, Response, current_app, request

from fercli.common.parallel import available_workers
from fercli.models.catalog import DEFAULT, bundled_models, find_model
from fercli.models.model_card import ModelCard, ModelSettings
from fercli.recognition.options import RecognitionOptions
from fercli.recognition.recognizer import Recognizer
from fercli.web import http_errors
from fercli.web.auth import AccessControl
from fercli.web.camera import SharedCamera
from fercli.web.http_errors import MEGA, HttpError
from fercli.web.jobs import JobQueue

#: How long an image may wait to be processed, in seconds.
LONGEST_WAIT = 15.0

#: Seconds between two checks of a waiting request whether its client is still connected.
PATIENCE = 0.25


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Parameters
    ----------
    image_bytes, images, image_pixels : int
        Bytes of a request with images, images in it, and pixels of each image. Default to
        20 MiB, 16 and 64 million.
    video_bytes, video_pixels : int
        Bytes of a request with a video, and pixels of its frames. Default to 200 MiB and 9 million
        (3840 × 2160 and a little more).
    job_seconds : float
        Most time to process a video. Defaults to 600.
    waiting : int
        Most videos that wait. Defaults to 4.
    kept : int
        Most videos whose results are kept. Defaults to 16.
    kept_seconds : float
        How long results are kept after they were last asked for. Defaults to 1800.
    patience : float
        A video whose progress was not requested for so many seconds is canceled. Defaults to 180:
        a page in the background of a browser asks once a minute.
    watchers : int
        Most viewers of the server's camera; each takes a thread. Defaults to 4.
    """

    image_bytes: int = 20 * MEGA
    images: int = 16
    image_pixels: int = 64_000_000
    video_bytes: int = 200 * MEGA
    video_pixels: int = 9_000_000
    job_seconds: float = 600.0
    waiting: int = 4
    kept: int = 16
    kept_seconds: float = 1800.0
    patience: float = 180.0
    watchers: int = 4


@dataclass(frozen=True)
class ServerSettings:
    """Settings of the server.

    Parameters
    ----------
    cascade : tuple of Path, optional
        Those of `Recognizer`. Defaults to the cascade that fer ships.
    model : str
        A shipped model's name or a file. Defaults to the one that fer ships.
    model_settings : ModelSettings
        What the metadata of the model's file lacks.
    recognition : RecognitionOptions
    camera : str
        The number, device or address of the camera that is shown; "" for none. Defaults to "0".
    token : str
        The secret that clients must send; "" for none. Defaults to "".
    trusted_proxy : str
        The address of a proxy whose headers ``X-Forwarded-For``, ``-Host`` and ``-Proto`` are
        believed; "" for none. Defaults to "".
    access_log : TextIO, optional
        Gets a line for each request. Defaults to none.
    limits : Limits
    """

    cascade: tuple[Path, ...] | None = None
    model: str = DEFAULT
    model_settings: ModelSettings = field(default_factory=ModelSettings)
    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    camera: str = "0"
    token: str = ""
    trusted_proxy: str = ""
    access_log: TextIO | None = None
    limits: Limits = field(default_factory=Limits)


#: The smallest face that a client may ask for, in pixels: smaller ones cost too much time.
SMALLEST_FACE = 20

#: The longer side of an image in which small faces are searched for; larger ones are reduced.
LONGEST_SEARCHED = 4096


class ClientGoneError(Exception):
    """Raised when the client of a request has disconnected."""


class RecognizerPool:
    """The recognizers of a server, by the name of their model.

    Parameters
    ----------
    settings : ServerSettings

    Attributes
    ----------
    default : str
        The name of the model that is used unless a request names another.
    preparation : Thread or None
        That of `prepare_search`.

    Raises
    ------
    FerError
        The cascade or the model cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        path = find_model(settings.model)
        self.default = path.stem
        self._files = {name: str(file) for name, file in bundled_models().items()}
        self._files[self.default] = str(path.resolve())
        self._loaded: dict[str, Recognizer] = {}
        self._loading = threading.Lock()
        self.preparation: threading.Thread | None = None
        self._searches_quickly = False
        self._free = threading.Semaphore(available_workers())
        self.get()

    def get(self, name: str | None = None) -> Recognizer:
        """Return the recognizer with a model, by default that of the default model.

        Raises
        ------
        HttpError
            404: there is no such model.
        """
        name = name or self.default
        file = self.file(name)
        with self._loading:
            if name not in self._loaded:
                recognizer = Recognizer(
                    self._settings.cascade, file, self._settings.recognition, self.settings(name)
                )
                if self._searches_quickly:
                    recognizer.many_places = 0
                self._loaded[name] = recognizer
            return self._loaded[name]

    def prepare_search(self) -> None:
        """Begin, once, to make the search from coarse to fine ready, which takes a second or ten.

        It takes half the time and finds 99 of 100 faces. Until it is ready, images of usual sizes
        are searched by OpenCV; from then on, all are searched so.
        """
        with self._loading:
            if self.preparation is None:
                self.preparation = threading.Thread(target=self._load_search, daemon=True)
                self.preparation.start()

    def _load_search(self) -> None:
        self.get().load_search()
        with self._loading:
            self._searches_quickly = True
            for recognizer in self._loaded.values():
                recognizer.many_places = 0

    def file(self, name: str) -> str:
        """Return the file of a model; errors as `get`."""
        if name not in self._files:
            raise HttpError(
                404, f"There is no model {name!r}; the models are {', '.join(self._files)}"
            )
        return self._files[name]

    def settings(self, name: str) -> ModelSettings:
        """Return the settings of a model; the user gives them for the default model alone."""
        return self._settings.model_settings if name == self.default else ModelSettings()

    @property
    def names(self) -> list[str]:
        """The names of the models, the default first."""
        return sorted(self._files, key=lambda name: (name != self.default, name))

    def models(self) -> list[dict[str, Any]]:
        """Return input and classes of each model, the default first."""
        return [
            {"name": name, "default": name == self.default, **_describe(self.get(name).card)}
            for name in self.names
        ]

    @contextmanager
    def slot(self, is_gone: Callable[[], bool]) -> Iterator[None]:
        """Wait until fewer images are processed than there are cores.

        Parameters
        ----------
        is_gone : callable
            Whether the client has disconnected.

        Raises
        ------
        HttpError
            503: the wait took too long.
        ClientGoneError
            The client disconnected meanwhile.
        """
        for _ in range(round(LONGEST_WAIT / PATIENCE)):
            if is_gone():
                raise ClientGoneError
            if self._free.acquire(timeout=PATIENCE):
                break
        else:
            raise HttpError(503, "The server is busy with other images", hint="try again", retry=5)
        try:
            yield
        finally:
            self._free.release()


def with_min_face(recognizer: Recognizer, min_face: int, shape: tuple[int, ...]) -> Recognizer:
    """Return a recognizer of smaller or larger faces, which shares cascade and model with another.

    Parameters
    ----------
    recognizer : Recognizer
    min_face : int
        The side of the smallest face to detect, in pixels.
    shape : (int, int, ...)
        Of the image; a very large one is reduced to `LONGEST_SEARCHED`, as `smallest_face` tells.
    """
    changed = copy.copy(recognizer)
    resolution = recognizer.options.resolution
    if max(shape) > LONGEST_SEARCHED and min_face < SMALLEST_FACE * max(shape) / LONGEST_SEARCHED:
        resolution = LONGEST_SEARCHED
    changed.options = replace(recognizer.options, min_face=min_face, resolution=resolution)
    return changed


def _describe(card: ModelCard) -> dict[str, Any]:
    height, width, channels = card.input_shape
    return {
        "classes": list(card.classes),
        "architecture": card.architecture,
        "input": {"width": width, "height": height, "channels": channels},
    }


@dataclass(frozen=True)
class Services:
    """The services that pages and API share.

    Parameters
    ----------
    settings : ServerSettings
    recognizers : RecognizerPool
    jobs : JobQueue
    camera : SharedCamera or None
    access : AccessControl
    """

    settings: ServerSettings
    recognizers: RecognizerPool
    jobs: JobQueue
    camera: SharedCamera | None
    access: AccessControl

    def close(self) -> None:
        """Release the camera, cancel all jobs, remove all files."""
        if self.camera is not None:
            self.camera.close()
            self.camera.wait()
        self.jobs.close()


def create_app(settings: ServerSettings) -> Flask:
    """Return the application; its services are ``services(app)``.

    Raises
    ------
    FerError
        The cascade or the model cannot be used, or there is no folder for temporary files.
    """
    from fercli.web.api import api
    from fercli.web.pages import pages

    app = Flask(__name__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the classes have their order
    app.config["MAX_CONTENT_LENGTH"] = 1 << 20  # routes of uploads raise it
    app.extensions["fer"] = _load(settings)
    services(app).access.install(app)
    if settings.access_log is not None:
        app.after_request(partial(_log, settings.access_log))
    http_errors.install(app)
    app.register_blueprint(api)
    app.register_blueprint(pages)
    return app


def services(app: Flask | None = None) -> Services:
    """Return the services of an application, by default the one of the current request."""
    loaded = (app or current_app).extensions["fer"]
    assert isinstance(loaded, Services)
    return loaded


def _log(stream: TextIO, response: Response) -> Response:
    """Write a line on a request: no query, which may hold anything, and no secret id of a job."""
    path = re.sub(r"(?<=/jobs/)[^/]+", "*", quote(request.path))
    size = "-" if response.content_length is None else response.content_length
    now = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S %z")
    line = f'"{request.method} {path}" {response.status_code} {size}'
    stream.write(f"{request.remote_addr} - - [{now}] {line}\n")
    stream.flush()
    return response


def _load(settings: ServerSettings) -> Services:
    recognizers = RecognizerPool(settings)
    camera = None
    if settings.camera:
        most = settings.limits.watchers
        camera = SharedCamera(settings.camera, recognizers.get(), most)
    access = AccessControl(settings.token)
    return Services(settings, recognizers, JobQueue(settings), camera, access)
