"""``fer demo signs``: stop signs in photographs and the table of their boxes."""

import json
from pathlib import Path

import click

from fercli.commands import options


@options.command()
@click.argument("folder", type=options.path_type())
@options.overwrite
@options.as_json
@options.no_progress
def signs(folder: Path, overwrite: bool, as_json: bool) -> None:
    """Write photographs with drawn stop signs and the table of their boxes into FOLDER.

    FOLDER gets photos/ and test/, each with boxes.csv, scenes/, and sign.png. The photographs come
    from the package scikit-image.

    \b
    Examples:
      fer demo signs signs/
    """
    from fercli.demo.signs import write_signs

    counts = write_signs(folder, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "images": counts}, indent=2))
    else:
        click.echo(f"{folder}: {sum(counts.values())} images")
