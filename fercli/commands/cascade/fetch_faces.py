"""``fer cascade fetch-faces``: faces, and photographs without any, to train a face cascade."""

from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.option(
    "-o",
    "--out",
    type=options.path_type(),
    default="faces.vec",
    show_default=True,
    metavar="FILE",
    help="Write the faces to this .vec file.",
)
@click.option(
    "--negatives",
    type=options.path_type(),
    metavar="DIR",
    help="Write photographs without faces into this folder, too.",
)
@click.option(
    "--source",
    type=options.path_type(),
    metavar="ARCHIVE",
    help="Take them from this archive instead of downloading it: opencv-python-3.4.18.65.tar.gz.",
)
@options.overwrite
@options.as_json
@options.quiet
def fetch_faces(
    out: Path,
    negatives: Path | None,
    source: Path | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Download 16,520 faces to train a cascade with, and photographs without faces.

    The faces are frontal ones of 24x24 pixels, which OpenCV's source carries (BSD license). pip
    downloads it once: the source package of opencv-python 3.4, 88 MB. The photographs, some
    seventy, are from there and from scikit-image, which must be installed. They do for a first
    cascade; a good one takes thousands.

    Existing files are kept, and downloads stay in fer's cache.

    \b
    Examples:
      fer cascade fetch-faces
      fer cascade fetch-faces --out data/faces.vec --negatives data/scenes
      fer cascade train --vec data/faces.vec --bg data/scenes --out data/cascade
      fer cascade fetch-faces --source opencv-python-3.4.18.65.tar.gz    (without a network)
    """
    from fercli.cascade.downloads import fetch_faces as fetch

    fetched = fetch(out, negatives=negatives, source=source, overwrite=overwrite, progress=progress)
    options.echo(fetched, as_json)
