"""``fer cascade samples info``: what is in a ``.vec`` file."""

import json
from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("vec", type=options.path_type(), metavar="FILE.vec")
@options.sample_size
@options.as_json
@options.quiet
def info(vec: Path, size: tuple[int, int] | None, as_json: bool, progress: Progress) -> None:
    """Describe a .vec file: count, header, possible sizes, gray levels, duplicates.

    Constant samples, and those so flat (deviation of 10 gray levels at most) that OpenCV's
    detectors skip such windows, teach a training nothing that is of use.

    \b
    Examples:
      fer cascade samples info faces.vec
      fer cascade samples info faces.vec --json
    """
    from fercli.cascade.samples.statistics import examine_vec

    statistics = examine_vec(vec, size, progress=progress)
    text = json.dumps(statistics.to_dict(), indent=2) if as_json else statistics.to_text()
    click.echo(text)
