"""The Flask application: pages and API."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from fercli.web import http_errors
from fercli.web.auth import AccessControl
from fercli.web.camera import SharedCamera
from fercli.web.jobs import JobQueue
from fercli.web.recognizers import RecognizerPool
from fercli.web.settings import ServerSettings


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
    http_errors.install(app)
    app.register_blueprint(api)
    app.register_blueprint(pages)
    return app


def services(app: Flask | None = None) -> Services:
    """Return the services of an application, by default the one of the current request."""
    loaded = (app or current_app).extensions["fer"]
    assert isinstance(loaded, Services)
    return loaded


def _load(settings: ServerSettings) -> Services:
    recognizers = RecognizerPool(settings)
    camera = None
    if settings.camera:
        most = settings.limits.watchers
        camera = SharedCamera(settings.camera, recognizers.get(), most)
    access = AccessControl(settings.token)
    return Services(settings, recognizers, JobQueue(settings), camera, access)
