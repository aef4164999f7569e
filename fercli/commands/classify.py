"""``fer classify``: faces and their expressions in images, videos, cameras and streams."""

import json
import sys
from typing import Any, TypeVar

import click

from fercli.commands import options
from fercli.common.progress import Progress

T = TypeVar("T")

INTERRUPTED = 130


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A time: seconds such as ``75.5``, or ``1:15.5``, or ``1:02:03``."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds."""
        try:
            parts = [float(part) for part in str(value).split(":")]
        except ValueError:
            parts = []
        if not 1 <= len(parts) <= 3 or not all(0 <= part < 1e9 for part in parts):
            self.fail(f"wanted a time such as 75.5 or 1:15.5, found {value!r}", param, ctx)
        return sum(part * float(60**power) for power, part in enumerate(reversed(parts)))


_OUTPUTS = [
    click.option(
        "--save",
        type=options.path_type(),
        metavar="FILE|DIR",
        help="Write annotated images, and videos as H.264 in MP4 with their sound.",
    ),
    click.option(
        "--csv", type=options.path_type(), metavar="FILE", help="Write a row for each face."
    ),
    click.option(
        "--jsonl",
        type=options.path_type(),
        metavar="FILE",
        help="Write a JSON object for each image or frame.",
    ),
    click.option(
        "--timeline",
        type=options.path_type(),
        metavar="FILE|DIR",
        help="Write a plot of each person's expressions over the time of a video.",
    ),
    click.option("--show", is_flag=True, help="Show images and frames in a window; q ends."),
    click.option("--bars", is_flag=True, help="Draw the probability of each class beside a face."),
    click.option("--empty", is_flag=True, help="Rows for images and frames without a face, too."),
]

_SEARCH = [
    click.option(
        "--cascade",
        type=options.path_type(),
        metavar="FILE.xml",
        help="Finds the faces: OpenCV's or yours.  [default: fer's own]",
    ),
    click.option(
        "--model",
        default="ferplus",
        show_default=True,
        metavar="NAME|FILE",
        help="The network: one that comes with fer, an .onnx, .keras or .h5 file.",
    ),
    click.option(
        "--min-face",
        type=click.IntRange(min=1),
        metavar="PX",
        help="Side of the smallest face.  [default: 1/20 of an image's, 1/12 of a video's height]",
    ),
    click.option(
        "--resolution",
        type=click.IntRange(min=32),
        metavar="PX",
        help="Longer side at which faces are looked for.  [default: 1280; 640 in video]",
    ),
    click.option("--largest", is_flag=True, help="Only the largest face."),
    options.threshold,
    options.margin,
    click.option(
        "--min-neighbors",
        type=click.IntRange(min=0),
        default=3,
        show_default=True,
        metavar="N",
        help="A face must be seen by at least this many windows: more are stricter.",
    ),
    options.scale_factor,
]

_VIDEO = [
    click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
                 help="Look at every n-th frame."),
    click.option("--start", type=Seconds(), default="0", help="Begin at this time of a video."),
    click.option("--end", type=Seconds(), help="End at this time.  [default: the video's end]"),
    click.option("--smooth", type=options.FiniteRange(min=0), default=0.3, show_default=True,
                 metavar="SECONDS", help="Smooth each person's probabilities over time; 0: off."),
    click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True,
                 metavar="N", help="Frames whose faces go through the network at once."),
    click.option("--search-interval", type=options.FiniteRange(min=0), default=0.3,
                 show_default=True, metavar="SECONDS",
                 help="Between searches of whole frames; known faces are followed. 0: all frames."),
    click.option("--reconnect", type=click.IntRange(min=0), default=10, show_default=True,
                 metavar="N", help="Attempts to reach a stream that broke off."),
]  # fmt: skip


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@options.each(_OUTPUTS)
@options.each(_SEARCH)
@options.each(_VIDEO)
@options.network_settings
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def classify(
    inputs: tuple[str, ...],
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> int:
    """Tell the expressions of the faces in images, videos, a camera or a stream.

    INPUT is an image, a video, a folder of them, a pattern such as 'photos/*.jpg', the number of
    a camera, the address of a stream (rtsp://, http://), or - for a list of names on standard
    input. People in a video are followed and keep a number. Ctrl-C ends in good order: what was
    seen is written, a video closed properly. An input that cannot be read is named on stderr, and
    the status is then 1.

    \b
    Examples:
      fer classify photo.jpg
      fer classify photos/ --save annotated/ --csv faces.csv
      fer classify talk.mp4 --save out.mp4 --timeline talk.png --bars
      fer classify 0 --show                        the camera; q or Ctrl-C ends
      find . -name '*.jpg' | fer classify - --jsonl faces.jsonl
    """
    from fercli.common.signals import stopped_by_signals
    from fercli.recognition.classify import (
        Classifying,
        Outputs,
        complaints,
        failed,
        to_dict,
        to_text,
    )
    from fercli.recognition.options import RecognitionOptions, VideoOptions
    from fercli.recognition.recognizer import Recognizer
    from fercli.recognition.sources.inputs import find_inputs

    choices["overwrite"] = overwrite
    settings = options.to_settings(choices)
    found = find_inputs(inputs, sys.stdin)
    recognizer = Recognizer(
        choices.pop("cascade"), choices.pop("model"), _fields(RecognitionOptions, choices), settings
    )
    with stopped_by_signals() as stop:
        run = Classifying(
            recognizer,
            _fields(VideoOptions, choices),
            _fields(Outputs, choices),
            workers=workers,
            attempts=choices["reconnect"],
            stop=stop,
            progress=progress,
        )
        results = list(run.run(found))
    for line in complaints(results):
        click.echo(line, err=True)
    if as_json:
        click.echo(json.dumps(to_dict(results, recognizer.classes), indent=2))
    else:
        click.echo(to_text(results, recognizer.classes))
    if stop.is_set() and not all(one.live for one in found):
        click.echo("fer: interrupted; this is what was seen until then", err=True)
        return INTERRUPTED
    return int(bool(failed(results)))


def _fields(kind: type[T], choices: dict[str, Any]) -> T:
    """Return a dataclass of options from the choices of that name; None is its default."""
    names: list[str] = list(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    return kind(**{name: choices[name] for name in names if choices.get(name) is not None})
