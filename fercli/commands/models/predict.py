"""``fer models predict``: images of faces to probabilities."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@options.network
@click.argument("faces", nargs=-1, required=True, type=options.path_type())
@options.out("FILE.csv", "A CSV file.  [default: standard output]", required=False)
@options.model_settings
@options.workers
@options.overwrite
@options.quiet
def predict(
    network: str,
    faces: tuple[Path, ...],
    out: Path | None,
    workers: int | None,
    overwrite: bool,
    progress: Progress,
    **said: Any,
) -> int:
    """Give the probabilities of all classes for images of faces, as CSV.

    FACES are images, or folders of them, that show one face each, cropped; `fer datasets crop`
    finds faces in photographs. Images that cannot be read are named and left out, and the
    status is then 1.

    \b
    Examples:
      fer models predict ferplus faces/ > answers.csv
      fer models predict run/best.keras a.png b.png --out answers.csv
    """
    from fercli.models.prediction import predict_files

    text, unreadable = predict_files(
        network, faces, options.to_settings(said), out, overwrite, workers, progress
    )
    click.echo(text, nl=False)
    for error in unreadable:
        click.echo(f"fer: left out: {error}", err=True)
    return int(bool(unreadable))
