"""``fer models evaluate``: how well a model classifies expressions."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@options.model_argument
@options.data
@options.split
@click.option(
    "--compare", multiple=True, metavar="MODEL", help="Compare with this model; may be repeated."
)
@click.option(
    "--average",
    type=click.Choice(["none", "flip", "ten"]),
    default="none",
    show_default=True,
    help="Average over each face and its mirror image, or over ten crops.",
)
@click.option(
    "--check-copies",
    is_flag=True,
    help="Evaluate also without images that occur, pixel for pixel, in the split train.",
)
@options.out("DIR", "Write a report with images to this folder.", required=False)
@options.model_settings
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def evaluate(
    model: str,
    data: Path,
    split: str | None,
    compare: tuple[str, ...],
    average: str,
    check_copies: bool,
    out: Path | None,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **said: Any,
) -> None:
    """Evaluate a model on a split of a tree; with --compare, several in one table.

    The output folder gets report.json, confusion.png and mistakes.png.

    \b
    Examples:
      fer models evaluate ferplus --data ferplus/
      fer models evaluate run/best.keras --data fer2013/ --check-copies --out report/
      fer models evaluate ferplus --compare run/best.keras --data ferplus/ --average flip
      fer models evaluate other.onnx --classes happy,sad --mean 0 --std 255 --data mine/
    """
    from fercli.common.work_folder import alone_in
    from fercli.models import evaluation as report
    from fercli.models.evaluation import evaluate_files

    with alone_in(out, "an evaluation"):
        if out is not None:
            report.require_no_report(out, overwrite=overwrite)
        faces, found = evaluate_files(
            [model, *compare],
            data,
            split,
            settings=options.to_settings(said),
            average=average,
            check_copies=check_copies,
            workers=workers,
            progress=progress,
        )
        if out is not None:
            report.write_report(out, found[0], faces, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps([report.to_dict(one) for one in found], indent=2))
    else:
        click.echo(report.comparison(found) if compare else report.to_text(found[0]))
        if out is not None:
            click.echo(f"wrote {out}")
