"""``fer classify``: classify facial expressions in images, videos, cameras and streams."""

import sys
from typing import Any

import click

from fercli.commands import options
from fercli.common.files import FolderFiles
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.recognition.options import RecognitionOptions, VideoOptions

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
            self.fail(f"expected a time such as 75.5 or 1:15.5, got {value!r}", param, ctx)
        return sum(part * float(60**power) for power, part in enumerate(reversed(parts)))


_OUTPUTS = [
    click.option(
        "--save",
        type=options.path_type(),
        metavar="FILE|DIR",
        help="Write annotated images, and videos as H.264 in MP4 with their sound.",
    ),
    click.option(
        "--csv", type=options.path_type(), metavar="FILE", help="Write a table of the results."
    ),
    click.option(
        "--jsonl",
        type=options.path_type(),
        metavar="FILE",
        help="Write a JSON object for each image or frame.",
    ),
    click.option(
        "--summary",
        type=options.path_type(),
        metavar="FILE.json|FILE.csv",
        help="Write each person's share of the time and of each expression; JSON with thumbnails.",
    ),
    click.option(
        "--no-thumbnails",
        "thumbnails",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Leave the images of faces out of --summary and --timeline.",
    ),
    click.option(
        "--timeline",
        type=options.path_type(),
        metavar="FILE|DIR",
        help="Plot each person's expressions over the time of a video (.png, .svg, .pdf), or write "
        "a page to hover, zoom and go to a moment of the copy (.html); a folder gets both.",
    ),
    click.option("--show", is_flag=True, help="Show images and frames in a window; q ends."),
    click.option("--bars", is_flag=True, help="Draw the probability of each class beside a face."),
    click.option(
        "--strip",
        is_flag=True,
        help="Draw the bars in a strip beside or below the image, as --bars does where an image "
        "has no room for them.",
    ),
    click.option(
        "--empty", is_flag=True, help="Write rows for images and frames without a face, too."
    ),
]


@options.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@options.each(_OUTPUTS)
@options.face_cascade
@options.model
@options.from_fields(RecognitionOptions)
@options.from_fields(VideoOptions, types={"start": Seconds(), "end": Seconds()})
@click.option(
    "--reconnect",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Try this often to reach a stream that broke off.",
)
@options.model_settings
@options.cores_or_cluster
@options.overwrite
@options.as_json
@options.quiet
def classify(
    inputs: tuple[str, ...],
    workers: Workers,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> int:
    """Classify facial expressions in images, videos, cameras and streams.

    INPUT is an image, a video, a folder of them, a pattern such as 'photos/*.jpg', the number of
    a camera, the address of a stream (rtsp://, http://), or - to read names from standard input.
    People in a video are tracked and keep a number. Ctrl-C stops: results so far are written and
    videos are closed properly. An input that cannot be read is reported on stderr, and the exit
    status is then 1.

    \b
    Examples:
      fer classify photo.jpg
      fer classify photos/ --save annotated/ --csv faces.csv
      fer classify talk.mp4 --save out.mp4 --timeline talk.png --bars
      fer classify 0 --show                        the camera; q or Ctrl-C ends
      find . -name '*.jpg' | fer classify - --jsonl faces.jsonl
      fer classify talks/ --csv faces.csv --parallel dask --scheduler tcp://node1:8786
    """
    from fercli.common.processes import stopped_by_signals
    from fercli.recognition.classify import ClassifyRun
    from fercli.recognition.recognizer import Recognizer
    from fercli.recognition.results import complaints, failed, to_dict, to_text
    from fercli.recognition.sinks.outputs import Outputs
    from fercli.recognition.sources.inputs import find_inputs

    choices["overwrite"] = overwrite
    settings = options.to_settings(choices)
    folders: list[FolderFiles] = []
    found = find_inputs(inputs, sys.stdin, folders)
    recognizer = Recognizer(
        choices.pop("cascade"),
        choices.pop("model"),
        options.build(RecognitionOptions, choices),
        settings,
    )
    if recognizer.assumptions:
        progress.note(recognizer.assumptions)
    with stopped_by_signals() as stop:
        run = ClassifyRun(
            recognizer,
            options.build(VideoOptions, choices),
            options.build(Outputs, choices),
            workers=workers,
            attempts=choices["reconnect"],
            stop=stop,
            progress=progress,
        )
        results = list(run.run(found))
    notes = [files.note("images or videos") for files in folders] + run.notes
    for line in (*(f"fer: {note}" for note in notes), *complaints(results)):
        click.echo(line.replace("`min_face`", "--min-face").replace("`strip`", "--strip"), err=True)
    plain = to_dict(results, recognizer.classes, folders) if as_json else []
    said = {"assumptions": recognizer.assumptions} if recognizer.assumptions else {}
    text = "" if as_json else to_text(results, recognizer.classes)
    options.echo([{**row, **said} for row in plain], as_json, text)
    if stop.is_set() and not all(one.live for one in found):
        click.echo("fer: interrupted; these are the results so far", err=True)
        return INTERRUPTED
    return int(bool(failed(results)))
