"""``fer datasets import``: published data sets to one tree."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.datasets.options import ReadingOptions

#: The named formats are listed here again because reading them off the library is slow.
FORMATS = (
    "ferplus", "tree", "fer2013", "affectnet", "rafdb", "ckplus", "rafd", "jaffe", "kdef", "csv",
    "folder",
)  # fmt: skip


@options.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="[FORMAT=]PATH...")
@options.out("DIR", "Write the new tree to this folder.")
@click.option(
    "--classes",
    metavar="5|7|8|NAMES",
    help="Sort images into these classes: 5, 7 or 8 expressions, or names with commas between "
    "them, each NAME or NAME=LABEL+LABEL.  [default: those that occur]",
)
@click.option(
    "--map",
    "renames",
    multiple=True,
    metavar="WORD=LABEL",
    help="Read this word of the source as LABEL; WORD= leaves it out. May be repeated.",
)
@options.from_fields(ReadingOptions)
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def import_(
    sources: tuple[str, ...],
    out: Path,
    classes: str | None,
    renames: tuple[str, ...],
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Import published data sets into one tree ROOT/<split>/<class>/*.png.

    The format of a PATH is found out, or named: fer2013 (fer2013.csv, .gz, .zip, or folders),
    ferplus (the same with --votes), affectnet, rafd, ckplus, jaffe, kdef, rafdb, csv (columns path
    and label), folder (a folder a class), tree (one that fer made). The cards in datasets/ say
    where to get each and how it must lie. Names of --classes are taken as they stand; where a word
    of a source is called otherwise in the tree, that is said. A run that was stopped goes on when
    the same command is given again. Images that cannot be used are listed in skipped.csv.

    \b
    Examples:
      fer datasets import fer2013.csv --out fer2013/
      fer datasets import fer2013.csv --votes fer2013new.csv --classes 5 --out ferplus5/
      fer datasets import affectnet=AffectNet/ --size 96x96 --channels gray --out affectnet/
      fer datasets import ferplus=fer2013.csv.gz affectnet=AffectNet/ --classes 8 --out both/
      fer datasets import my_faces/ --map smirk=contempt --map blurred= --out mine/
      fer datasets import masks/ --classes masked,bare --out masks_tree/
    """
    from fercli.datasets import expressions, importing, labels, reports
    from fercli.datasets import sources as found

    result = importing.import_sources(
        found.find_sources(sources, choices["votes"]),
        out,
        labels.ImportOptions(
            scheme=expressions.parse_classes(classes),
            renames=expressions.parse_renames(renames),
            **{name: value for name, value in choices.items() if value is not None},
        ),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    if as_json:
        click.echo(json.dumps(reports.import_as_json(result), indent=2))
    else:
        click.echo(reports.import_as_text(result, out))
