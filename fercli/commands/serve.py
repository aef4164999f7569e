"""``fer serve``: the web page and the JSON API."""

from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import SILENT, Progress
from fercli.recognition.options import RecognitionOptions

MEGA = 1 << 20

_PLACE = [
    click.option(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        show_default=True,
        help="Listen on this address; 0.0.0.0 lets other machines in and needs a token.",
    ),
    click.option(
        "--port",
        metavar="N",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="Listen on this port; 0: one that is free.",
    ),
    click.option(
        "--token",
        envvar="FER_TOKEN",
        default="",
        metavar="TOKEN",
        help="Require this token of clients. Better set FER_TOKEN: other users see command lines.",
    ),
    click.option(
        "--camera",
        default="0",
        show_default=True,
        metavar="N|DEVICE|ADDRESS",
        help="Show this camera or stream.",
    ),
    click.option(
        "--trusted-proxy",
        default="",
        metavar="ADDRESS",
        help="Believe the X-Forwarded-For, -Host and -Proto headers of the proxy at this address; "
        "needs a token.",
    ),
    click.option(
        "--access-log",
        type=click.File("a", encoding="utf-8", lazy=False),
        metavar="FILE",
        help="Append a line for each request to this file (-: standard output), without tokens.",
    ),
    click.option("--no-camera", is_flag=True, help="Do not show a camera of this machine."),
]

_LIMITS = [
    click.option(
        "--max-image",
        type=options.FiniteRange(0.01, 1000),
        default=20,
        show_default=True,
        metavar="MB",
        help="Refuse larger uploads of images.",
    ),
    click.option(
        "--max-pixels",
        type=options.FiniteRange(0.01, 250),
        default=64,
        show_default=True,
        metavar="MILLIONS",
        help="Refuse larger images.",
    ),
    click.option(
        "--max-video",
        type=options.FiniteRange(0.01, 100_000),
        default=200,
        show_default=True,
        metavar="MB",
        help="Refuse larger uploads of videos.",
    ),
    click.option(
        "--job-time",
        type=options.FiniteRange(1, 1_000_000),
        default=600,
        show_default=True,
        metavar="SECONDS",
        help="Stop working on a video after this time.",
    ),
    click.option(
        "--queue",
        type=click.IntRange(1, 1000),
        default=4,
        show_default=True,
        metavar="N",
        help="Let this many videos wait for their turn.",
    ),
    click.option(
        "--keep",
        type=options.FiniteRange(min=0.1),
        default=30,
        show_default=True,
        metavar="MINUTES",
        help="Delete the results of a video this long after the last request for them.",
    ),
]


@options.command()
@options.each(_PLACE)
@options.face_cascade
@options.model
@options.from_fields(
    RecognitionOptions, only=["min_face", "threshold", "margin", "detector", "min_score"]
)
@options.each(_LIMITS)
@options.model_settings
@options.quiet
def serve(host: str, port: int, progress: Progress, **choices: Any) -> None:
    """Serve a web page and a JSON API that classify expressions.

    The page shows the camera of this machine and that of the browser, and takes images and
    videos. Uploads are kept in a private temporary folder (below TMPDIR) and removed. Ctrl-C
    stops the server.

    \b
    Examples:
      fer serve
      fer serve --camera rtsp://door/stream --port 0
      FER_TOKEN=$(openssl rand -hex 16) fer serve --host 0.0.0.0
      curl -F image=@photo.jpg http://127.0.0.1:8000/api/v1/classify
    """
    from fercli.web.server import serve as run

    def started(address: str) -> None:
        if progress is not SILENT:
            click.echo(f"fer serves {address} (Ctrl-C ends)")

    run(_settings(choices), host, port, started)


def _settings(choices: dict[str, Any]) -> Any:
    from fercli.web.app import Limits, ServerSettings

    limits = Limits(
        image_bytes=round(choices["max_image"] * MEGA),
        image_pixels=round(choices["max_pixels"] * 1e6),
        video_bytes=round(choices["max_video"] * MEGA),
        job_seconds=choices["job_time"],
        waiting=choices["queue"],
        kept_seconds=60 * choices["keep"],
    )
    return ServerSettings(
        cascade=choices["cascade"],
        model=choices["model"],
        model_settings=options.to_settings(choices),
        recognition=options.build(RecognitionOptions, choices),
        camera="" if choices["no_camera"] else choices["camera"],
        token=choices["token"],
        trusted_proxy=choices["trusted_proxy"],
        access_log=choices["access_log"],
        limits=limits,
    )
