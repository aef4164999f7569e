"""``fer cascade``: from folders of images to a cascade.xml, with its quality measured."""

import click

from fercli.cli import LazyGroup


@click.group(
    cls=LazyGroup,
    package="fercli.commands.cascade",
    names=[
        "fetch-faces",
        "annotate",
        "build-info",
        "check-info",
        "create-samples",
        "samples",
        "train",
        "calibrate",
        "evaluate",
        "detect",
        "inspect",
        "convert",
        "export",
        "visualize",
        "tools",
    ],
)
def cascade() -> None:
    """Train, evaluate and inspect Haar and LBP cascades.

    \b
    From images to a detector:
      fer cascade build-info faces/ --negatives scenes/ --out work/
      fer cascade create-samples --info work/info.dat --size 24x24 --out work/faces.vec
      fer cascade train --vec work/faces.vec --bg work/bg.txt --out work/cascade
      fer cascade evaluate work/cascade/cascade.xml --truth test/info.dat
    """
