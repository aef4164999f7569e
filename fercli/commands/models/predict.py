"""``fer models predict``: images of faces to probabilities."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@options.model_argument
@click.argument("faces", nargs=-1, required=True, type=options.path_type())
@options.out(
    "FILE.csv", "Write the table to this CSV file.  [default: standard output]", required=False
)
@options.model_settings
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def predict(
    model: str,
    faces: tuple[Path, ...],
    out: Path | None,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **said: Any,
) -> int:
    """Classify images of cropped faces and write the probabilities of all classes as CSV.

    FACES are images, or folders of them, that show one cropped face each; `fer datasets crop`
    crops the faces of photographs. Images that cannot be read are reported and left out, and the
    exit status is then 1.

    \b
    Examples:
      fer models predict ferplus faces/ > answers.csv
      fer models predict run/best.keras a.png b.png --out answers.csv
    """
    from fercli.models.prediction import predict_files

    text, unreadable = predict_files(
        model, faces, options.to_settings(said), out, overwrite, workers, progress
    )
    if as_json and out is None:
        click.echo(json.dumps(list(csv.DictReader(io.StringIO(text))), indent=2))
    elif as_json:
        click.echo(json.dumps({"out": str(out), "unreadable": len(unreadable)}, indent=2))
    else:
        click.echo(text, nl=False)
    for error in unreadable:
        click.echo(f"fer: left out: {error}", err=True)
    return int(bool(unreadable))
