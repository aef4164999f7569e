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
    "--align",
    is_flag=True,
    help="openmv: write the file that firmware with its own cascades in /rom reads.",
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
    "--contrast",
    type=options.FiniteRange(0.1, 100),
    metavar="X",
    help="openmv: measure a camera that raises the contrast of its images so many times.",
)
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
    align: bool,
    page: Path | None,
    truth: Path | None,
    contrast: float | None,
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
    --camera-norm lowers it. Firmware that has its own cascades in /rom skips some bytes where
    the number of stages is no multiple of four, older firmware does not: --align is for the newer.

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

    images_given = truth is not None or contrast is not None or any(annotations.values())
    measured = measure and (to == "openmv" or images_given)
    done = export_cascade(
        file,
        out,
        to,
        images=MeasuringImages(truth, contrast=contrast or 1.0, **annotations)
        if measured
        else None,
        camera_norm=camera_norm,
        align=align,
        page=page,
        overwrite=overwrite,
        progress=progress,
    )
    options.echo(done, as_json)
