"""``fer datasets``: from what data sets' authors publish to a clean tree."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.options import option_fields
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.common.recipes import bundled_recipes
from fercli.datasets.options import (
    CopyOptions,
    FaceOptions,
    PolicyOptions,
    PreviewOptions,
    ReadingOptions,
    SplitOptions,
)


@options.group()
def datasets() -> None:
    """Import, crop, split, augment and examine data sets of expressions.

    A tree is ROOT/<split>/<class>/*.png, with dataset.json and files.csv beside the splits.

    \b
    From a download to a tree:
      fer datasets import fer2013.csv --out fer2013/
      fer datasets stats fer2013/
      fer datasets preview fer2013/ --out sheets/
      fer datasets split fer2013/ --ratios 80,10,10 --out clean/
    """


#: The named formats are listed here again because reading them off the library is slow.
FORMAT_NAMES = (
    "ferplus", "tree", "fer2013", "affectnet", "rafdb", "ckplus", "rafd", "jaffe", "kdef", "csv",
    "folder",
)  # fmt: skip


@datasets.command("import")
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
    from fercli.datasets import expressions, importing
    from fercli.datasets import sources as found

    result = importing.import_sources(
        found.find_sources(sources, choices["votes"]),
        out,
        expressions.ImportOptions(
            scheme=expressions.parse_classes(classes),
            renames=expressions.parse_renames(renames),
            **{name: value for name, value in choices.items() if value is not None},
        ),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    options.echo(result, as_json)


@datasets.command()
@click.argument("folder", type=options.path_type())
@options.out("DIR", "Write the crops to this folder.")
@options.from_fields(FaceOptions, but=["scale_factor"])
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def crop(
    folder: Path,
    out: Path,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Crop the faces out of the images in FOLDER and its subfolders.

    The crops are written to a folder of the same structure; crops.csv there lists what was found
    in each image. Run the same command again to do only what is missing. A tree with a manifest
    gives a tree with a manifest.

    \b
    Examples:
      fer datasets crop photos/ --out faces/
      fer datasets crop rafd/ --size 96x96 --channels color --margin 0.1 --align --out rafd96/
      fer datasets crop groups/ --faces all --cascade my_cascade.xml --out faces/
    """
    from fercli.cascade.model import bundled_cascade
    from fercli.datasets import face_cropping

    cascade = choices["cascade"] or (bundled_cascade(),)
    result = face_cropping.crop_folder(
        folder,
        out,
        options.build(FaceOptions, {**choices, "cascade": cascade}),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    options.echo(result, as_json)


@datasets.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "Write the new tree to this folder.")
@click.option(
    "--ratios",
    default="80,10,10",
    show_default=True,
    metavar="TRAIN,VALIDATION[,TEST]",
    help="Give the splits these shares.",
)
@options.from_fields(SplitOptions)
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def split(
    tree: Path,
    out: Path,
    ratios: str,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
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
    from fercli.datasets import splitting
    from fercli.datasets.tree import read_tree

    result = splitting.split_tree(
        read_tree(tree),
        out,
        options.build(SplitOptions, {**choices, "ratios": splitting.parse_ratios(ratios)}),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    options.echo(result, as_json)


@datasets.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "Write the new tree to this folder.")
@options.from_fields(CopyOptions, only=["balance", "target", "copies"])
@click.option(
    "--policy",
    default="standard",
    show_default=True,
    metavar="NAME|FILE.toml",
    help=f"Change images by this policy: {', '.join(bundled_recipes('augmentation'))}, or a TOML "
    "file of the numbers below.",
)
@options.from_fields(PolicyOptions)
@click.option(
    "--splits",
    default="train",
    show_default=True,
    metavar="NAMES",
    help="Copy images of these splits. Models are chosen and measured by validation: changed "
    "images in it change the result; test never gets copies.",
)
@options.from_fields(CopyOptions, only=["placing", "seed"])
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def augment(
    tree: Path,
    out: Path,
    policy: str,
    splits: str,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Add changed copies of images to a tree, so that each class has enough.

    Only the split train gets copies, unless --splits names others. A copy is named after its
    original: a.png gives a-aug1.png. `fer models train --augment` takes the same policies and
    changes images on the fly, which takes no space.

    \b
    Examples:
      fer datasets augment clean/ --balance --out balanced/
      fer datasets augment clean/ --target 5000 --policy strong --out more/
      fer datasets augment clean/ --copies 2 --rotation 15 --noise 0 --out twice/
    """
    from fercli.datasets.augment import AugmentOptions, augment_tree, find_policy
    from fercli.datasets.tree import read_tree

    changes = {name: choices[name] for name in option_fields(PolicyOptions)}
    result = augment_tree(
        read_tree(tree),
        out,
        options.build(
            AugmentOptions,
            {
                **choices,
                "policy": find_policy(policy, changes),
                "splits": tuple(name.strip() for name in splits.split(",")),
            },
        ),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    options.echo(result, as_json)


@datasets.command()
@click.argument("tree", type=options.path_type())
@click.option(
    "--plot", type=options.path_type(), metavar="FILE.png", help="Draw counts and gray levels."
)
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def stats(
    tree: Path,
    plot: Path | None,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
) -> None:
    """Count the images of TREE and find what is wrong with them.

    Counts by split and class, sizes, gray levels; exact and near duplicates, those of them that
    leak from one split into another, and those with several classes; constant and unreadable
    images; persons in several splits. With --json every such file is named.

    \b
    Examples:
      fer datasets stats fer2013/
      fer datasets stats fer2013/ --plot counts.png
      fer datasets stats mine/ --json > stats.json
    """
    from fercli.common.files import require_absent
    from fercli.datasets import statistics
    from fercli.datasets.tree import read_tree

    if plot is not None:
        require_absent(plot, overwrite=overwrite)
    found = statistics.describe_tree(read_tree(tree), workers=workers, progress=progress)
    if plot is not None:
        statistics.plot(found, plot, overwrite=overwrite)
    wrote = "" if plot is None else f"\nwrote {plot}"
    options.echo(found, as_json, f"{found.to_text()}{wrote}")


@datasets.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "Write the sheets to this folder.")
@options.from_fields(PreviewOptions)
@options.overwrite
@options.as_json
@options.quiet
def preview(
    tree: Path,
    out: Path,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Draw a contact sheet of each class of TREE.

    \b
    Examples:
      fer datasets preview fer2013/ --out sheets/
      fer datasets preview fer2013/ --split validation --count 30 --size 96x96 --out sheets/
    """
    from fercli.datasets import statistics
    from fercli.datasets.tree import read_tree

    chosen = options.build(PreviewOptions, choices)
    sheets = statistics.write_previews(
        read_tree(tree), out, chosen, overwrite=overwrite, progress=progress
    )
    options.echo(sheets, as_json, "\n".join(sheet.to_text() for sheet in sheets))
