"""``fer cascade annotate``: a page in the browser to draw boxes on images."""

from pathlib import Path
from typing import Any

import click

from fercli.annotations.formats import FORMATS
from fercli.cascade.detection import DetectionOptions
from fercli.commands import options
from fercli.common.files import VIDEO_EXTENSIONS
from fercli.common.progress import Progress
from fercli.common.tables import counted
from fercli.common.xml import fits_xml

#: Formats of boxes that can be written, and those of them that are a file an image.
WRITTEN = [each.name for each in FORMATS.values() if each.writer]
FOLDERS = [each.name for each in FORMATS.values() if each.writer and each.of_one_image]


@options.command()
@click.argument("folder", metavar="DIR|VIDEO", type=options.path_type())
@options.out(
    "PATH",
    "Read and write the boxes here: info.dat, boxes.csv (CSV), .json (COCO), .xml (dlib), or a "
    "folder.",
)
@click.option(
    "--format",
    type=click.Choice(WRITTEN),
    metavar="FORMAT",
    help=f"Write the boxes in this format: {', '.join(WRITTEN)}; {', '.join(FOLDERS)} are folders."
    "  [default: what the name says]",
)
@click.option(
    "--classes",
    metavar="A,B,…",
    callback=lambda _, __, value: _classes(value),
    help="Annotate several classes, in CSV, COCO, VOC or YOLO; the keys 1 to 9 choose one.",
)
@click.option(
    "--every",
    metavar="N",
    type=click.IntRange(1),
    help="Annotate every Nth frame of VIDEO.  [default: 10]",
)
@click.option(
    "--bg",
    "backgrounds",
    type=options.path_type(),
    metavar="FILE",
    help="Write the list of images without the object here.  [default: bg.txt beside PATH]",
)
@click.option(
    "--window",
    "window_wh",
    type=options.Size(),
    help="Keep boxes in the shape of this window; the page can switch that off.",
)
@click.option(
    "--suggest",
    metavar="CASCADE.xml|faces",
    help="Suggest the detections of this cascade; faces: fer's own.",
)
@click.option(
    "--train-bg",
    "more_backgrounds",
    type=options.path_type(),
    metavar="PATH",
    help="Let `Train now and suggest` take negatives from these images as well: a list or a folder."
    "  [default: the finished images, outside their boxes]",
)
@click.option(
    "--review",
    metavar="CASCADE.xml|faces",
    help="Review the detections of this cascade in backgrounds; see above.",
)
@options.detection_options
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=8001,
    show_default=True,
    help="Listen on this port; 0: one that is free.",
)
@options.quiet
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def annotate(
    folder: Path,
    out: Path,
    format: str | None,
    classes: tuple[str, ...],
    every: int | None,
    backgrounds: Path | None,
    window_wh: tuple[int, int] | None,
    suggest: str | None,
    more_backgrounds: Path | None,
    review: str | None,
    port: int,
    opens: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Draw boxes on the images in DIR or the frames of VIDEO, in a page in the browser.

    With mouse, fingers or keys; ? in the page lists the keys. Images that are said to hold no
    object go to bg.txt. Everything is saved at once, and the next start goes on where the last one
    stopped. Ctrl-C ends, and lists the images that could not be read.

    PATH is the only place of the boxes: other programs may change it between two runs. It holds
    boxes of one class, or of those of --classes, in whole pixels; a file that something else has
    written is copied to PATH.before first. PATH.progress.json remembers which images are
    unfinished.

    "Train now and suggest" trains a quick cascade on the boxes so far, eleven or more, and suggests
    in the other images. It stays in the folder PATH_cascade (less the suffix), and suggests at the
    next start as well; the page counts how many of its boxes had to be corrected.

    The frames of VIDEO go to the folder PATH_frames (less the suffix), as JPEG images that a
    training reads. Finish two of them, and the page suggests in those between where the objects
    are: they are looked for on their way from one to the other.

    With --review, DIR holds backgrounds, and the page shows what the cascade finds in them. False
    alarms that are confirmed are cut out, with half their size around them, into the folder
    PATH_crops (less the suffix), and PATH lists the crops: add its lines to the bg.txt of the next
    training. Crops rather than whole images, since training looks at some windows of each
    image in turn, and a crop holds little but the false alarm, shifted and scaled. A detection
    that really is the object is marked so and left out; no crop shows a part of it, unless the two
    overlap. PATH with the suffix .json keeps the judgement (COCO; the objects are crowds).

    \b
    Examples:
      fer cascade annotate photos/ --out work/info.dat
      fer cascade annotate photos/ --out boxes.json --suggest faces --window 24x24
      fer cascade annotate photos/ --out photos/ --format yolo --classes face,hand
      fer cascade annotate talk.mp4 --every 25 --out work/info.dat
      fer cascade annotate scenes/ --review trained/cascade.xml --out work/extra.txt
    """
    from fercli.labeling.app import annotate as run
    from fercli.labeling.session import AnnotateSettings

    if review and (suggest or format or backgrounds or classes or more_backgrounds):
        raise click.UsageError(
            "--review goes without --suggest, --format, --classes, --bg and --train-bg"
        )
    is_video = folder.suffix.lower() in VIDEO_EXTENSIONS and not folder.is_dir()
    if every is not None and not is_video:
        raise click.UsageError(f"--every is for a video, and {folder} is none")
    settings = AnnotateSettings(
        folder,
        out,
        format,
        backgrounds,
        _cascade(review or suggest),
        bool(review),
        window_wh,
        options.build(DetectionOptions, choices),
        classes,
        more_backgrounds,
        (every or 10) if is_video else None,
    )

    def started(address: str, session: Any) -> None:
        images, place = counted(len(session.store.images), "image"), session.settings.folder
        if is_video:
            click.echo(f"every {session.settings.every}th frame of {folder} is in {place}")
        click.echo(f"{images} in {place}: {_counts(session)}")
        click.echo(f"annotate at {address} (Ctrl-C ends)")
        if opens:
            click.launch(address)

    _tell_end(run(settings, port, started, progress=progress))


def _classes(value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    names = [name.strip() for name in value.split(",")]
    if not all(names) or len({*names}) < len(names) or not all(map(fits_xml, names)):
        raise click.BadParameter("Expected different names such as face,hand")
    return tuple(names)


def _cascade(name: str | None) -> Path | None:
    if name is None:
        return None
    from fercli.cascade.model import bundled_cascade

    return bundled_cascade() if name == "faces" else Path(name)


def _counts(session: Any) -> str:
    counts = session.store.counts()
    if session.settings.review:
        seen = counts["done"] + counts["negative"]
        return f"{seen} reviewed, {counted(counts['boxes'], 'false alarm')}"
    parts = [
        f"{counts['done']} done",
        counted(counts["boxes"], "box"),
        f"{counts['negative']} negative",
    ]
    if counts["begun"]:
        parts.append(f"{counts['begun']} unfinished")
    return ", ".join(parts)


def _tell_end(session: Any) -> None:
    images = len(session.store.images)
    click.echo(f"{session.settings.out}: {_counts(session)} of {counted(images, 'image')}")
    for number, reason in sorted(session.images.unreadable.items()):
        click.echo(f"{session.store.images[number]}: {reason}", err=True)
