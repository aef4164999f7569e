"""``fer datasets crop``: the faces of images."""

import json
from pathlib import Path

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress


@options.command()
@click.argument("folder", type=options.path_type())
@options.out("DIR", "The folder of the crops.")
@click.option(
    "--cascade",
    type=options.path_type(),
    metavar="FILE.xml",
    help="What finds the faces.  [default: the cascade that fer brings along]",
)
@click.option(
    "--size",
    "size_wh",
    type=options.Size(),
    default="48x48",
    show_default=True,
    help="The size of the crops.",
)
@click.option(
    "--margin",
    type=float,
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="What is added to the face's box at each side, as a share of it.",
)
@click.option(
    "--channels",
    type=click.Choice(["gray", "color"]),
    default="gray",
    show_default=True,
    help="What the crops are stored as.",
)
@click.option(
    "--faces",
    type=click.Choice(["largest", "all"]),
    default="largest",
    show_default=True,
    help="Which faces of an image are cut.",
)
@click.option("--align", is_flag=True, help="Turn faces so that their eyes are level.")
@click.option(
    "--without-face",
    type=click.Choice(["skip", "keep"]),
    default="skip",
    show_default=True,
    help="What becomes of images without a face; keep: taken whole.",
)
@click.option(
    "--least-face",
    type=click.IntRange(min=8),
    default=24,
    show_default=True,
    metavar="PIXELS",
    help="Faces with a shorter side are not looked for.",
)
@click.option(
    "--min-neighbors",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="A face must have been seen by more windows than this.",
)
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def crop(
    folder: Path,
    out: Path,
    cascade: Path | None,
    size_wh: tuple[int, int],
    margin: float,
    channels: str,
    faces: str,
    align: bool,
    without_face: str,
    least_face: int,
    min_neighbors: int,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
) -> None:
    """Cut the faces out of the images below FOLDER, into a folder of the same shape.

    crops.csv lists what was found in each image. The same command again does only what is
    missing. A tree with a manifest gives a tree with a manifest.

    \b
    Examples:
      fer datasets crop photos/ --out faces/
      fer datasets crop rafd/ --size 96x96 --channels color --margin 0.1 --align --out rafd96/
      fer datasets crop groups/ --faces all --cascade my_cascade.xml --out faces/
    """
    from fercli.cascade.model.bundled import bundled_cascade
    from fercli.datasets import face_cropping, reports
    from fercli.datasets.face_boxes import FaceOptions

    result = face_cropping.crop_folder(
        folder,
        out,
        FaceOptions(
            cascade=cascade or bundled_cascade(),
            size_wh=size_wh,
            margin=margin,
            channels=channels,  # type: ignore[arg-type]  # click's choice
            faces=faces,  # type: ignore[arg-type]  # click's choice
            align=align,
            without_face=without_face,  # type: ignore[arg-type]  # click's choice
            least_face=least_face,
            min_neighbors=min_neighbors,
        ),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        click.echo(reports.crop_as_text(result, out))
