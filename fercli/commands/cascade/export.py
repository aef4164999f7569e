"""``fer cascade export``: a cascade for other programs and devices."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress

TARGETS = ("openmv", "c", "js", "opencv1")


@options.command()
@click.argument("file", type=options.CascadeFile())
@click.option(
    "--to", type=click.Choice(TARGETS), required=True, help="Write this format; see above."
)
@options.out("FILE", "Write the cascade to this file.")
@click.option(
    "--camera-norm",
    is_flag=True,
    help="openmv: fit the thresholds to the camera, which normalizes by the whole window.",
)
@click.option(
    "--page",
    type=options.path_type(),
    metavar="FILE.html",
    help="js: also write a page with the module inside, for the browser's camera or an image.",
)
@click.option(
    "--truth",
    type=options.path_type(),
    metavar="PATH",
    help="openmv: measure on these annotated images, of any format that build-info reads.",
)
@options.annotation_options
@click.option(
    "--measure/--no-measure",
    default=True,
    show_default=True,
    help="openmv: measure what the camera decides otherwise.",
)
@options.overwrite
@options.as_json
@options.quiet
def export(
    file: Path,
    to: Any,
    out: Path,
    camera_norm: bool,
    page: Path | None,
    truth: Path | None,
    measure: bool,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **annotations: Any,
) -> None:
    """Write the cascade of FILE for another program or device.

    --to openmv is the file that image.HaarCascade of OpenMV cameras loads: upright Haar features
    in stumps, in fixed point. How many of a million windows the camera's arithmetic decides
    otherwise than OpenCV is counted on the images of --truth or --images, else on a few
    photographs of scikit-image's; with --truth, so is its cost in average precision.
    --camera-norm lowers it.

    --to c is one C99 header of tables and the detector, which needs no library and no allocation
    and decides windows as OpenCV does; its names begin with that of --out. It keeps as many rows
    of an image's sums as a window has, and decides in whole numbers if the program says so.

    --to js is one ES module for browsers and Node.js, which decides windows as OpenCV does. --page
    writes a page as well, which works from a file.

    --to opencv1 is the format of OpenCV 1 to 2.3, which older programs and ports to other
    languages read.

    What a format cannot express is an error that names the options of `fer cascade train` that
    avoid it.

    \b
    Examples:
      fer cascade export cascade.xml --to openmv --out face.cascade --truth test/info.dat
      fer cascade export cascade.xml --to c --out face.h
      fer cascade export cascade.xml --to js --out face.js --page face.html
      fer cascade export cascade.xml --to opencv1 --out old.xml
    """
    from fercli.cascade.evaluation.exports import MeasuringImages, export_cascade

    images_given = truth is not None or any(annotations.values())
    measured = measure and (to == "openmv" or images_given)
    done = export_cascade(
        file,
        out,
        to,
        images=MeasuringImages(truth, **annotations) if measured else None,
        camera_norm=camera_norm,
        page=page,
        overwrite=overwrite,
        progress=progress,
    )
    options.echo(done, as_json)
