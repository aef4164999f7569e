"""Recognition for many clients: networks loaded once, a bounded number of images at a time."""

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

#: How long an image may wait for its turn, in seconds.
LONGEST_WAIT = 15.0

#: How often a request that waits looks whether its client is still there, in seconds.
PATIENCE = 0.25


class ClientGoneError(Exception):
    """Raised when nobody is left who wants the answer."""


class Recognition:
    """The recognizers of a server, by the name of their network.

    Parameters
    ----------
    settings : ServerSettings

    Attributes
    ----------
    default : str
        The name of the network that answers unless a request names another.

    Raises
    ------
    FerError
        The cascade or the network cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        path = find_model(settings.network)
        self.default = path.stem
        self._files = {name: str(file) for name, file in bundled_models().items()}
        self._files[self.default] = str(path.resolve())
        self._loaded: dict[str, Recognizer] = {}
        self._loading = threading.Lock()
        self._free = threading.Semaphore(available_workers())
        self.recognizer()

    def recognizer(self, name: str | None = None) -> Recognizer:
        """Return the recognizer with a network, the default's if none is named.

        Raises
        ------
        HttpError
            404: there is none of that name.
        """
        name = name or self.default
        file = self.file(name)
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = Recognizer(
                    self._settings.cascade, file, self._settings.recognition, self.said(name)
                )
            return self._loaded[name]

    def file(self, name: str) -> str:
        """Return what to open for a network; errors as `recognizer`."""
        if name not in self._files:
            raise HttpError(
                404, f"wanted a model, found none of that name; {', '.join(self._files)}"
            )
        return self._files[name]

    def said(self, name: str) -> ModelSettings:
        """Return what the user says about a network: nothing but about the default."""
        return self._settings.said if name == self.default else ModelSettings()

    def models(self) -> list[dict[str, Any]]:
        """Return what each network takes and tells, the default first."""
        names = sorted(self._files, key=lambda name: (name != self.default, name))
        return [
            {"name": name, "default": name == self.default, **_describe(self.recognizer(name).card)}
            for name in names
        ]

    @contextmanager
    def turn(self, is_gone: Callable[[], bool]) -> Iterator[None]:
        """Wait until fewer images are looked at than there are cores.

        Parameters
        ----------
        is_gone : callable
            Whether the client went away.

        Raises
        ------
        HttpError
            503: it takes too long.
        ClientGoneError
            The client went away meanwhile.
        """
        for _ in range(round(LONGEST_WAIT / PATIENCE)):
            if is_gone():
                raise ClientGoneError
            if self._free.acquire(timeout=PATIENCE):
                break
        else:
            raise HttpError(503, "too many images at once", hint="again in a moment", retry=5)
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
