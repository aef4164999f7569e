"""``fer cascade convert``: a cascade file written anew, shorter or in the present format."""

from pathlib import Path

import click

from fercli.commands import options


@options.command()
@click.argument("file", type=options.CascadeFile())
@options.out("FILE", "Write the cascade to this file.")
@click.option(
    "--stages", type=int, metavar="N", help="Keep only the first N stages.  [default: all]"
)
@click.option(
    "--compact",
    is_flag=True,
    help="Leave out blanks and superfluous digits: half the size, the same cascade.",
)
@options.overwrite
@options.as_json
@options.no_progress
def convert(
    file: Path, out: Path, stages: int | None, compact: bool, overwrite: bool, as_json: bool
) -> None:
    """Write the cascade of FILE as a cascade.xml that OpenCV 3 to 5 load.

    FILE may have the old format (opencv-haar-classifier). Every number is kept exactly, so that
    the new file detects the same as the old one. Fewer stages detect more and faster, with more
    false alarms.

    \b
    Examples:
      fer cascade convert haarcascade_old.xml --out cascade.xml
      fer cascade convert cascade.xml --out small.xml --compact
      fer cascade convert cascade.xml --out first12.xml --stages 12
    """
    from fercli.cascade.model.write import convert_cascade

    done = convert_cascade(file, out, stages=stages, compact=compact, overwrite=overwrite)
    about = {
        "path": done.path,
        "stages": len(done.cascade.stages),
        "bytes_before": done.bytes_before,
        "bytes_after": done.bytes_after,
    }
    options.echo(about, as_json, done.to_text())
