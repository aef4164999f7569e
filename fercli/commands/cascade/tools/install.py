"""``fer cascade tools install``: build OpenCV's programs."""

from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@options.tools
@click.option(
    "--source",
    type=options.path_type(),
    metavar="ARCHIVE",
    help="Build from this archive of OpenCV 3's source (.tar.gz, .zip) instead of downloading "
    "one: opencv-python-3.4.18.65.tar.gz, or a release of OpenCV's.",
)
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def install(
    tools: Path | None,
    source: Path | None,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Build OpenCV 3.4's training programs from source, as an ordinary user.

    The build takes some minutes, half a gigabyte of disk meanwhile and 5 MB at the end. It needs
    a C++ compiler; pip fetches the source, and cmake and ninja where the system has none. If the
    programs exist already, nothing is done. A build that fails or is interrupted leaves no
    programs, and a failed one leaves its log in the folder.

    \b
    Examples:
      fer cascade tools install
      fer cascade tools install --tools ~/opencv-3.4/bin
      fer cascade tools install --source opencv-python-3.4.18.65.tar.gz    (without a network)
    """
    from fercli.cascade.opencv3.build import install_programs

    installation = install_programs(
        tools, source=source, overwrite=overwrite, workers=workers, progress=progress
    )
    options.echo(installation, as_json)
