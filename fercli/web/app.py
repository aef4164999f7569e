"""The application: pages and API over what a server has loaded."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from fercli.web import http_errors
from fercli.web.auth import Guard
from fercli.web.camera import SharedCamera
from fercli.web.jobs import Jobs
from fercli.web.recognition import Recognition
from fercli.web.settings import ServerSettings


@dataclass(frozen=True)
class Services:
    """What pages and API share.

    Parameters
    ----------
    settings : ServerSettings
    recognition : Recognition
    jobs : Jobs
    camera : SharedCamera or None
    guard : Guard
    """

    settings: ServerSettings
    recognition: Recognition
    jobs: Jobs
    camera: SharedCamera | None
    guard: Guard

    def close(self) -> None:
        """Give back the camera, end all work, remove all files."""
        if self.camera is not None:
            self.camera.close()
            self.camera.wait()
        self.jobs.close()


def create_app(settings: ServerSettings) -> Flask:
    """Return the application; what it has loaded is ``services(app)``.

    Raises
    ------
    FerError
        The cascade or the network cannot be used, or there is no folder for temporary files.
    """
    from fercli.web.api import api
    from fercli.web.pages import pages

    app = Flask(__name__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the classes have their order
    app.config["MAX_CONTENT_LENGTH"] = 1 << 20  # uploads raise it for themselves
    app.extensions["fer"] = _load(settings)
    services(app).guard.install(app)
    http_errors.install(app)
    app.register_blueprint(api)
    app.register_blueprint(pages)
    return app


def services(app: Flask | None = None) -> Services:
    """Return what an application has loaded; the one of the request by default."""
    loaded = (app or current_app).extensions["fer"]
    assert isinstance(loaded, Services)
    return loaded


def _load(settings: ServerSettings) -> Services:
    recognition = Recognition(settings)
    camera = None
    if settings.camera:
        most = settings.limits.watchers
        camera = SharedCamera(settings.camera, recognition.recognizer(), most)
    return Services(settings, recognition, Jobs(settings), camera, Guard(settings.token))
