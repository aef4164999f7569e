"""``fer cascade inspect``: what a cascade file holds, or what is wrong with it."""

from pathlib import Path

import click

from fercli.commands import options


@options.command()
@click.argument("file", type=options.CascadeFile())
@options.as_json
@options.no_progress
def inspect(file: Path, as_json: bool) -> None:
    """Describe a cascade file: window, features, stages, weak classifiers.

    The file is checked for everything that OpenCV does not check when it loads a cascade: missing
    features, rectangles outside the window or too many of them, cyclic trees, invalid numbers. If
    a detector must not load FILE, the problem is printed and the exit status is 1. Files of the
    old format (opencv-haar-classifier) are read too.

    \b
    Examples:
      fer cascade inspect work/cascade/cascade.xml
      fer cascade inspect haarcascade_eye.xml --json
    """
    from fercli.cascade.model.describe import describe_cascade

    description = describe_cascade(file)
    options.echo(description, as_json)
