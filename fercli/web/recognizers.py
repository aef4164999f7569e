"""Recognizers of a server: models loaded once, a bounded number of images at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fercli.common.parallel import available_workers
from fercli.models.loading import bundled_models, find_model
from fercli.models.model_card import ModelCard, ModelSettings
from fercli.recognition.recognizer import Recognizer
from fercli.web.http_errors import HttpError
from fercli.web.settings import ServerSettings

#: How long an image may wait to be processed, in seconds.
LONGEST_WAIT = 15.0

#: Seconds between two checks of a waiting request whether its client is still connected.
PATIENCE = 0.25


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
                self._loaded[name] = Recognizer(
                    self._settings.cascade, file, self._settings.recognition, self.settings(name)
                )
            return self._loaded[name]

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

    def models(self) -> list[dict[str, Any]]:
        """Return input and classes of each model, the default first."""
        names = sorted(self._files, key=lambda name: (name != self.default, name))
        return [
            {"name": name, "default": name == self.default, **_describe(self.get(name).card)}
            for name in names
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


def _describe(card: ModelCard) -> dict[str, Any]:
    height, width, channels = card.input_shape
    return {
        "classes": list(card.classes),
        "architecture": card.architecture,
        "input": {"width": width, "height": height, "channels": channels},
    }
