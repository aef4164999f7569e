"""``fer datasets split``: train, validation and test, without leaks between them."""

import json
from pathlib import Path

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress


@options.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "The root of the new tree.")
@click.option(
    "--ratios",
    default="80,10,10",
    show_default=True,
    metavar="TRAIN,VALIDATION[,TEST]",
    help="The shares of the splits.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Make K trees fold1/, fold2/, … for cross-validation instead.",
)
@click.option("--by-subject", is_flag=True, help="Keep each person in one split.")
@click.option(
    "--subject-pattern",
    metavar="REGEX",
    help="Where the person stands in a file's name; implies --by-subject.",
)
@click.option(
    "--duplicates",
    type=click.Choice(["near", "exact", "apart"]),
    default="near",
    show_default=True,
    help="Which images that look alike stay in one split; apart: none.",
)
@options.placing
@options.seed
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def split(
    tree: Path,
    out: Path,
    ratios: str,
    folds: int | None,
    by_subject: bool,
    subject_pattern: str | None,
    duplicates: str,
    placing: str,
    seed: int,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
) -> None:
    """Split the images of TREE anew into train, validation and test.

    Splits that TREE has are pooled first. Every split gets its share of every class. Images that
    look alike, and with --by-subject those of one person, never fall into different splits.

    \b
    Examples:
      fer datasets split fer2013/ --out clean/
      fer datasets split ckplus/ --by-subject --ratios 70,30 --out by_person/
      fer datasets split ckplus/ --by-subject --folds 10 --out folds/
      fer datasets split mine/ --subject-pattern '^(p\\d+)_' --files copy --out split/
    """
    from fercli.datasets import reports, splitting
    from fercli.datasets import tree as trees

    result = splitting.split_tree(
        trees.read_tree(tree),
        out,
        splitting.SplitOptions(
            ratios=splitting.parse_ratios(ratios),
            folds=folds,
            by_subject=by_subject,
            subject_pattern=subject_pattern,
            duplicates=duplicates,  # type: ignore[arg-type]  # click's choice
            placing=placing,  # type: ignore[arg-type]  # click's choice
            seed=seed,
        ),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    if as_json:
        click.echo(json.dumps(reports.split_as_json(result), indent=2))
    else:
        click.echo(reports.split_as_text(result))
