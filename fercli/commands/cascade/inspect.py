"""``fer cascade inspect``: what a cascade file holds, or what is wrong with it."""

import json
from pathlib import Path

import click

from fercli.commands import options


@options.command()
@click.argument("file", type=options.path_type())
@options.as_json
def inspect(file: Path, as_json: bool) -> None:
    """Say what a cascade FILE holds: window, features, stages, weak classifiers.

    The file is checked for all that OpenCV does not check when it loads a cascade (features that
    do not exist, rectangles outside the window or too many of them, trees that run in a circle,
    numbers that are none). What is not a cascade that a detector may load ends with status 1 and
    says what is wrong. Files of the old format (opencv-haar-classifier) are read too.

    \b
    Examples:
      fer cascade inspect work/cascade/cascade.xml
      fer cascade inspect haarcascade_eye.xml --json
    """
    from fercli.cascade.model.describe import describe_cascade

    description = describe_cascade(file)
    click.echo(json.dumps(description.to_dict(), indent=2) if as_json else description.to_text())
