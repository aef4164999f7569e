"""``fer cascade check-info``: what is wrong with an info file or a background list."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("file", type=options.path_type())
@click.option(
    "--kind",
    type=click.Choice(["info", "bg"]),
    help="Info file or background list.  [default: what it looks like]",
)
@click.option(
    "--size",
    type=options.Size(),
    default="1x1",
    help="The training window: smaller images in a background list are a problem.",
)
@options.workers
@options.as_json
@options.quiet
def check_info(
    file: Path,
    kind: Any,
    size: tuple[int, int],
    workers: int | None,
    as_json: bool,
    progress: Progress,
) -> int:
    """Find what is wrong with an info file or a background list, record by record.

    Every image is opened: in an info file names are relative to its folder, in a background
    list to the working directory, as for OpenCV's programs. Ends with status 1 if anything is
    wrong.

    \b
    Examples:
      fer cascade check-info work/info.dat
      fer cascade check-info work/bg.txt --size 24x24 --json
    """
    from fercli.annotations.validate import check_list

    report = check_list(file, kind=kind, window_wh=size, workers=workers, progress=progress)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_text())
    return int(bool(report.problems))
