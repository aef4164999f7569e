"""``fer serve``: the web page and the JSON API."""

from typing import Any

import click

from fercli.commands import options

MEGA = 1 << 20

_PLACE = [
    click.option(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on; 0.0.0.0 lets other machines in and needs a token.",
    ),
    click.option(
        "--port",
        metavar="N",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="0: one that is free.",
    ),
    click.option(
        "--token",
        envvar="FER_TOKEN",
        default="",
        metavar="TOKEN",
        help="What clients must know. Better in FER_TOKEN: other users see command lines.",
    ),
    click.option(
        "--camera",
        default="0",
        show_default=True,
        metavar="N|DEVICE|ADDRESS",
        help="The camera or stream that is shown.",
    ),
    click.option("--no-camera", is_flag=True, help="Show no camera of this machine."),
]

_SEARCH = [
    click.option(
        "--cascade",
        type=options.path_type(),
        metavar="FILE.xml",
        help="Finds the faces.  [default: fer's own]",
    ),
    click.option(
        "--model",
        default="ferplus",
        show_default=True,
        metavar="NAME|FILE.onnx",
        help="The network that answers unless a request names another.",
    ),
    options.threshold,
    options.margin,
]

_LIMITS = [
    click.option(
        "--max-image",
        type=options.FiniteRange(0.01, 1000),
        default=20,
        show_default=True,
        metavar="MB",
        help="Largest upload of images.",
    ),
    click.option(
        "--max-pixels",
        type=options.FiniteRange(0.01, 250),
        default=64,
        show_default=True,
        metavar="MILLIONS",
        help="Largest image.",
    ),
    click.option(
        "--max-video",
        type=options.FiniteRange(0.01, 100_000),
        default=200,
        show_default=True,
        metavar="MB",
        help="Largest upload of a video.",
    ),
    click.option(
        "--job-time",
        type=options.FiniteRange(1, 1_000_000),
        default=600,
        show_default=True,
        metavar="SECONDS",
        help="Longest work on one video.",
    ),
    click.option(
        "--queue",
        type=click.IntRange(1, 1000),
        default=4,
        show_default=True,
        metavar="N",
        help="Videos that may wait for their turn.",
    ),
    click.option(
        "--keep",
        type=options.FiniteRange(min=0.1),
        default=30,
        show_default=True,
        metavar="MINUTES",
        help="How long a video's results are kept after they were last asked for.",
    ),
]


@click.command()
@options.each(_PLACE)
@options.each(_SEARCH)
@options.each(_LIMITS)
@options.network_settings
def serve(host: str, port: int, **choices: Any) -> None:
    """Serve a web page and a JSON API that tell expressions.

    The page shows this machine's camera and the browser's own, and takes images and videos.
    Uploads are kept in a private temporary folder (TMPDIR says where) and removed. Ctrl-C ends.

    \b
    Examples:
      fer serve
      fer serve --camera rtsp://door/stream --port 0
      FER_TOKEN=$(openssl rand -hex 16) fer serve --host 0.0.0.0
      curl -F image=@photo.jpg http://127.0.0.1:8000/api/v1/classify
    """
    from fercli.web.server import serve as run

    run(_settings(choices), host, port, _tell)


def _tell(address: str) -> None:
    click.echo(f"fer serves {address} (Ctrl-C ends)")


def _settings(choices: dict[str, Any]) -> Any:
    from fercli.recognition.options import RecognitionOptions
    from fercli.web.settings import Limits, ServerSettings

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
        network=choices["model"],
        said=options.to_settings(choices),
        recognition=RecognitionOptions(threshold=choices["threshold"], margin=choices["margin"]),
        camera="" if choices["no_camera"] else choices["camera"],
        token=choices["token"],
        limits=limits,
    )
