"""``fer cascade detect``: the boxes that a cascade finds in images."""

from pathlib import Path
from typing import Any

import click

from fercli.cascade.detection import DetectionOptions
from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress


@options.command()
@click.argument("cascade", type=options.CascadeFile())
@click.argument("inputs", nargs=-1, required=True, type=options.path_type())
@click.option(
    "--cascade",
    "others",
    type=options.path_type(),
    multiple=True,
    metavar="FILE.xml",
    help="Detect with this cascade as well; may be repeated: windows that several accept are "
    "joined, and their votes added.",
)
@options.out("DIR", "Write the images with the boxes drawn to this folder.", required=False)
@click.option(
    "--csv",
    "csv_file",
    type=options.path_type(),
    metavar="FILE",
    help="Write a table of the results.",
)
@options.detection_options
@options.spread_by_threads
@options.overwrite
@options.as_json
@options.quiet
def detect(
    cascade: Path,
    inputs: tuple[Path, ...],
    others: tuple[Path, ...],
    out: Path | None,
    csv_file: Path | None,
    workers: Workers,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> int:
    """Detect objects in images with a CASCADE, OpenCV's or your own.

    INPUTS are images and folders of images. Each box has a score, which only compares boxes of
    the same cascade. The table of --csv can be given to build-info and evaluate. An image that
    cannot be read is reported on stderr and left out, and the exit status is then 1.

    \b
    Examples:
      fer cascade detect cascade.xml photo.jpg --out found/
      fer cascade detect cascade.xml photos/ --csv boxes.csv --min-size 40x40
      fer cascade detect frontal.xml photos/ --cascade profile.xml --out found/
    """
    from fercli.cascade.detection.batch import (
        COLUMNS,
        find_objects,
        images_of,
        require_apart,
        to_csv,
    )
    from fercli.common.files import require_absent, write_text
    from fercli.common.tables import counted, format_table
    from fercli.run_folder import output_folder

    notes: list[str] = []
    images = images_of(inputs, notes)
    if csv_file is not None:
        require_apart([csv_file], [cascade, *others, *images])
        require_absent(csv_file, overwrite=overwrite)
    with output_folder(out, "a search"):
        found = find_objects(
            [cascade, *others],
            images,
            options.build(DetectionOptions, choices),
            out=out,
            folders=[name for name in inputs if name.is_dir()],
            overwrite=overwrite,
            workers=workers,
            progress=progress,
        )
    if csv_file is not None:
        write_text(csv_file, to_csv(found), overwrite=overwrite)
    rows = [row for one in found for row in one.rows()]
    if rows or as_json:
        boxes = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        options.echo(boxes, as_json, format_table(COLUMNS, rows))
    for note in notes:
        click.echo(f"fer: {note}", err=True)
    for one in found:
        if one.error:
            click.echo(one.error, err=True)
    unread = sum(bool(one.error) for one in found)
    if not as_json:
        left_out = f", {unread} unreadable" if unread else ""
        click.echo(f"{len(rows)} found in {counted(len(found) - unread, 'image')}{left_out}")
    return int(unread > 0)
