"""``fer demo faces``: faces to train with and a test with known boxes."""

import json
from pathlib import Path

import click

from fercli.commands import options


@options.command()
@click.argument("folder", type=options.path_type())
@options.overwrite
@options.as_json
@options.no_progress
def faces(folder: Path, overwrite: bool, as_json: bool) -> None:
    """Write faces, photographs without faces, and a test with known boxes into FOLDER.

    FOLDER gets faces/, scenes/, test/ with info.dat, and astronaut.png. All of it comes from the
    package scikit-image.

    \b
    Examples:
      fer demo faces images/
    """
    from fercli.demo.faces import write_faces

    counts = write_faces(folder, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "images": counts}, indent=2))
    else:
        click.echo(f"{folder}: {sum(counts.values())} images")
