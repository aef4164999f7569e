"""``fer cascade convert``: a cascade file written anew, shorter or in the present format."""

from pathlib import Path

import click

from fercli.commands import options


@options.command()
@click.argument("file", type=options.path_type())
@options.out("FILE", "The new file.")
@click.option(
    "--stages", type=int, metavar="N", help="Keep only the first N stages.  [default: all]"
)
@click.option(
    "--compact",
    is_flag=True,
    help="Leave out blanks and digits that nobody needs: half the size, the same cascade.",
)
@options.overwrite
def convert(file: Path, out: Path, stages: int | None, compact: bool, overwrite: bool) -> None:
    """Write the cascade of FILE as a cascade.xml that OpenCV 3 to 5 load.

    Reads files of the old format (opencv-haar-classifier) too. Every number comes back exactly,
    so that the new file decides as the old one does, unless stages were left out: fewer stages
    find more, are faster, and give more false alarms.

    \b
    Examples:
      fer cascade convert haarcascade_old.xml --out cascade.xml
      fer cascade convert cascade.xml --out small.xml --compact
      fer cascade convert cascade.xml --out first12.xml --stages 12
    """
    from fercli.cascade.model.convert import convert_cascade

    done = convert_cascade(file, out, stages=stages, compact=compact, overwrite=overwrite)
    click.echo(done.to_text())
