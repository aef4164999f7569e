"""``fer cascade visualize``: images of a cascade's features, and how it rejects windows."""

from pathlib import Path

import click

from fercli.cascade.detection import SCALE_FACTOR
from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("cascade", type=options.CascadeFile())
@click.argument("images", nargs=-1, type=options.path_type())
@options.out("DIR", "Write the images to this folder.")
@click.option(
    "--vec",
    type=options.path_type(),
    metavar="FILE",
    help="Draw the features over the mean of these positives.",
)
@click.option(
    "--image",
    type=options.path_type(),
    metavar="FILE",
    help="Draw the features over this image of the object, cropped as the positives are.",
)
@options.from_option("scale_factor", 1.1, float, SCALE_FACTOR)
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def visualize(
    cascade: Path,
    images: tuple[Path, ...],
    out: Path,
    vec: Path | None,
    image: Path | None,
    scale_factor: float,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Draw the features of a CASCADE, and how it rejects the windows of IMAGES.

    The folder gets features.png with the first features of all stages, and a sheet for each stage
    (stage_00.png, …) with all its features in their order and with their votes. With IMAGES
    (images, or folders of them) there is a table of how many windows each stage sees, and
    profile.png, its plot.

    \b
    Examples:
      fer cascade visualize cascade.xml --vec faces.vec --out drawn/
      fer cascade visualize cascade.xml scenes/ --image face.png --out drawn/
    """
    from fercli.cascade.detection.batch import images_of
    from fercli.cascade.visualization import visualize_cascade
    from fercli.common.tables import counted
    from fercli.run_folder import output_folder

    with output_folder(out, "the drawing of a cascade"):
        drawn = visualize_cascade(
            cascade,
            out,
            vec=vec,
            image=image,
            scan=images_of(images) if images else (),
            scale_factor=scale_factor,
            overwrite=overwrite,
            workers=workers,
            progress=progress,
        )
    images_drawn = counted(len(drawn.files), "image")
    text = f"{images_drawn} in {out}: {drawn.files[0].name} shows all stages"
    if drawn.profile is not None:
        text = f"{drawn.profile.to_text()}\n\n{text}"
    options.echo(drawn, as_json, text)
