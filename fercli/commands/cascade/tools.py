"""``fer cascade tools``: OpenCV 3.4's own training programs, found or built."""

from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.group()
def tools() -> None:
    """Find or build OpenCV's own training programs.

    opencv_createsamples and opencv_traincascade, which OpenCV stopped building in 4.0. Only
    `--engine opencv` needs them; everything else works without. To build them takes a C++
    compiler, on Windows and macOS as well.

    \b
    They are looked for in this order:
      1. the folder that --tools names, and there alone
      2. the folder that the variable FER_OPENCV_TOOLS names, and there alone
      3. the folders of PATH
      4. ~/.cache/fer/opencv-tools (or below XDG_CACHE_HOME), where `install` puts them
    """


@tools.command()
@options.tools
@options.as_json
@options.no_progress
def status(tools: Path | None, as_json: bool) -> int:
    """Show where each of OpenCV's programs was found.

    The exit status is 1 if one is missing or does not run.

    \b
    Examples:
      fer cascade tools status
      fer cascade tools status --tools ~/opencv-3.4/bin
      fer cascade tools status --json
    """
    from fercli.cascade.opencv3.programs import examine_programs

    found = examine_programs(tools)
    options.echo(found, as_json, "\n".join(map(str, found)))
    return int(any(program.problem for program in found))


@tools.command()
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
