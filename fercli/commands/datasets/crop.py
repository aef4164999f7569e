"""``fer datasets crop``: the faces of images."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.datasets.options import FaceOptions


@options.command()
@click.argument("folder", type=options.path_type())
@options.out("DIR", "Write the crops to this folder.")
@options.from_fields(FaceOptions, but=["scale_factor"])
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def crop(
    folder: Path,
    out: Path,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Crop the faces out of the images in FOLDER and its subfolders.

    The crops are written to a folder of the same structure; crops.csv there lists what was found
    in each image. Run the same command again to do only what is missing. A tree with a manifest
    gives a tree with a manifest.

    \b
    Examples:
      fer datasets crop photos/ --out faces/
      fer datasets crop rafd/ --size 96x96 --channels color --margin 0.1 --align --out rafd96/
      fer datasets crop groups/ --faces all --cascade my_cascade.xml --out faces/
    """
    from fercli.cascade.model import bundled_cascade
    from fercli.datasets import face_cropping, reports

    result = face_cropping.crop_folder(
        folder,
        out,
        options.build(FaceOptions, {**choices, "cascade": choices["cascade"] or bundled_cascade()}),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        click.echo(reports.crop_as_text(result, out))
