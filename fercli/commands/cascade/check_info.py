"""``fer cascade check-info``: what is wrong with an info file or a background list."""

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
    help="Read FILE as this kind of list.  [default: what it looks like]",
)
@click.option(
    "--size",
    type=options.Size(),
    default="1x1",
    help="Report images in a background list that are smaller than this training window.",
)
@options.annotation_format
@options.annotation_images
@options.workers
@options.as_json
@options.quiet
def check_info(
    file: Path,
    kind: Any,
    size: tuple[int, int],
    format: str | None,
    images: Path | None,
    workers: int | None,
    as_json: bool,
    progress: Progress,
) -> int:
    """Check an info file, a background list or annotations of any format, record by record.

    Every image is opened: in an info file names are relative to its folder, in a background
    list to the working directory, as for OpenCV's programs. Annotations of other formats, files or
    folders, are read as by the other commands. Ends with status 1 if anything is wrong.

    \b
    Examples:
      fer cascade check-info work/info.dat
      fer cascade check-info work/bg.txt --size 24x24 --json
      fer cascade check-info photos/_annotations.coco.json
    """
    from fercli.annotations.validate import check_list

    report = check_list(
        file,
        kind=kind,
        format=format,
        images=images,
        window_wh=size,
        workers=workers,
        progress=progress,
    )
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    options.echo(report, as_json)
    return int(bool(report.problems))
