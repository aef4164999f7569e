"""The page of ``fer cascade annotate``: an application for one person on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

from fercli.annotations.autolabel import CascadeBoxes
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import DEFAULTS
from fercli.common.files import folder_lock, make_folder
from fercli.common.signals import signals_as_interrupts
from fercli.labeling import AnnotationStore, BoxOutput, ReviewOutput, open_store
from fercli.labeling.images import ImageCache
from fercli.web import http_errors
from fercli.web.auth import AccessControl
from fercli.web.server import address_of, create_waitress, listening

if TYPE_CHECKING:
    import socket

HOST = "127.0.0.1"
THREADS = 8

#: The most bytes of a request: some ten thousand boxes.
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class AnnotateSettings:
    """What is annotated, and how.

    Parameters
    ----------
    folder : Path
        The images.
    out : Path
        Where the boxes go; in a review, the list of extra negatives.
    format : str, optional
        Of `out`. Defaults to what its name says.
    backgrounds : Path, optional
        The list of images without the object. Defaults to ``bg.txt`` beside `out`.
    cascade : Path, optional
        Finds what is suggested, or reviewed. Defaults to no suggestions.
    review : bool
        Whether the cascade's false alarms are reviewed. Defaults to False.
    window_wh : (int, int), optional
        The window whose shape boxes can be held to. Defaults to a square, at first not held to.
    detection : DetectionOptions
        How the cascade searches.
    """

    folder: Path
    out: Path
    format: str | None = None
    backgrounds: Path | None = None
    cascade: Path | None = None
    review: bool = False
    window_wh: tuple[int, int] | None = None
    detection: DetectionOptions = DEFAULTS


@dataclass(frozen=True)
class LabelingSession:
    """What the page works on.

    Parameters
    ----------
    settings : AnnotateSettings
    store : AnnotationStore
    images : ImageCache
    """

    settings: AnnotateSettings
    store: AnnotationStore
    images: ImageCache


def open_session(settings: AnnotateSettings) -> LabelingSession:
    """Return what the page works on, as it was left.

    Raises
    ------
    FerError
        There are no images, the output is malformed or cannot hold their names, the cascade
        cannot be used.
    """
    if settings.review:
        store = open_store(ReviewOutput(settings.out, settings.folder))
    else:
        output = BoxOutput(settings.out, settings.folder, settings.format)
        backgrounds = settings.backgrounds or settings.out.parent / "bg.txt"
        store = open_store(output, backgrounds)
    finder = (
        None if settings.cascade is None else CascadeBoxes(settings.cascade, settings.detection)
    )
    return LabelingSession(settings, store, ImageCache(store.images, finder))


def create_app(session: LabelingSession) -> Flask:
    """Return the application that shows a session."""
    from fercli.labeling.api import api, pages

    # Its pages lie among those of the web page, whose style they share.
    app = Flask("fercli.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.extensions["fer"] = session
    AccessControl("").install(app)
    http_errors.install(app)
    app.register_blueprint(api)
    app.register_blueprint(pages)
    return app


def session_of(app: Flask | None = None) -> LabelingSession:
    """Return what an application shows; the one of the request by default."""
    session = (app or current_app).extensions["fer"]
    assert isinstance(session, LabelingSession)
    return session


def annotate(
    settings: AnnotateSettings, port: int, started: Callable[[str, LabelingSession], None]
) -> LabelingSession:
    """Serve the page until the process is interrupted or told to end.

    Parameters
    ----------
    settings : AnnotateSettings
    port : int
        0 for one that is free.
    started : callable
        Told the address and what is there already, once the page can be opened.

    Returns
    -------
    LabelingSession
        What there is at the end.

    Raises
    ------
    OutputError
        Someone annotates in the same place, or it cannot be written.
    OptionError
        The port is taken.
    FerError
        As `open_session`.
    """
    with ExitStack() as stack:
        stack.enter_context(signals_as_interrupts())
        folder = make_folder(settings.out.absolute().parent)
        stack.enter_context(folder_lock(folder, "an annotation"))
        session = open_session(settings)
        listener = stack.enter_context(listening(HOST, port))
        server = make_server(create_app(session), listener)
        started(address_of(HOST, listener), session)
        server.run()  # which returns when it is interrupted
    return session


def make_server(app: Flask, listener: socket.socket) -> Any:
    """Return waitress's server of the page of annotation on a socket that listens."""
    return create_waitress(app, listener, threads=THREADS, max_request_body_size=MOST_BYTES)
