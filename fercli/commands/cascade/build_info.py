"""``fer cascade build-info``: from folders of images to info.dat and bg.txt."""

from pathlib import Path
from typing import Any

import click

from fercli.cascade.list_builder.options import BoxRules, CollectOptions, FileOptions
from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress

SEPARATORS = {"space": " ", "tab": "\t"}


class Amount(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A number of things such as ``500``, or a share of them such as ``20%`` or ``0.2``."""

    name = "N|P%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """Return a number as an int, a share as a float from 0 to 1."""
        if isinstance(value, int | float):
            return value
        text = str(value).strip()
        try:
            amount = _to_amount(text)
        except ValueError:
            expected = "a number such as 500, or a share such as 20% or 0.2"
            self.fail(f"expected {expected}, got {value!r}", param, ctx)
        if not 0 < amount <= (1 if isinstance(amount, float) else amount):
            self.fail(f"expected more than none and at most 100%, got {value!r}", param, ctx)
        return amount


def _to_amount(text: str) -> int | float:
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return float(text) if "." in text else int(text)


def split_extensions(text: str) -> tuple[str, ...]:
    """Return ``png, .JPG`` as ``(".png", ".jpg")``; ``*`` stands for any."""
    words = (word.strip().lower().lstrip(".") for word in text.split(","))
    return tuple("" if word == "*" else f".{word}" for word in words if word)


@options.command()
@click.argument("positives", nargs=-1, type=options.path_type())
@click.option(
    "-n",
    "--negatives",
    multiple=True,
    type=options.path_type(),
    metavar="PATH",
    help="Take negatives from this folder, list or image; may be repeated.",
)
@options.out("DIR", "Write the lists to this folder.")
@options.annotation_options
@options.from_fields(CollectOptions, only=["detect", "check_negatives", "min_neighbors"])
@click.option(
    "--extensions",
    metavar="png,jpg,…",
    help="Take files in folders with these endings, * for any.  [default: those of all common "
    "formats]",
)
@options.from_fields(CollectOptions, only=["recursive"])
@options.from_fields(BoxRules)
@options.from_fields(
    CollectOptions,
    only=["keep_duplicates", "take", "take_negatives", "test", "seed", "in_order"],
    types={name: Amount() for name in ("take", "take_negatives", "test")},
)
@click.option(
    "--separator",
    type=click.Choice(list(SEPARATORS)),
    default="space",
    show_default=True,
    help="Separate the words of info.dat by this.",
)
@options.from_fields(FileOptions)
@options.cores_or_cluster
@options.overwrite
@options.as_json
@options.quiet
def build_info(
    positives: tuple[Path, ...],
    negatives: tuple[Path, ...],
    out: Path,
    extensions: str | None,
    separator: str,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Write info.dat and bg.txt, the lists that training needs, from folders of images.

    POSITIVES show the object: folders of crops (each image is one box), or files or folders of
    annotations in any of the formats of --format. Fractions of pixels are rounded to the nearest.

    Every image is opened. Images and boxes that cannot be used (unreadable, empty, too small,
    duplicates) are left out and listed with the reason in info_left_out.csv and bg_left_out.csv.

    Names that a list cannot hold (with spaces, say) and images that OpenCV's programs may not
    read (GIF, WebP, TIFF) get a safe name in positive_links/ or negative_links/; names.csv there
    says which.

    --names auto works from any directory: relative to DIR in info.dat, absolute in bg.txt, which
    is how opencv_createsamples and opencv_traincascade want them. With relative names, DIR and
    the images can be moved together, but opencv_traincascade must be started in DIR. With
    absolute ones, opencv_createsamples must be started in DIR.

    \b
    Examples:
      fer cascade build-info faces/ --negatives scenes/ --out work/
      fer cascade build-info photos/boxes.xml -n scenes/ -o work/ --size 24x24 --test 20%
      fer cascade build-info instances.json --images photos/ --label dog -o work/
      fer cascade build-info photos/ --detect cascade.xml --also dlib -o work/
      fer cascade build-info faces/ -n web/ -o work/ --parallel dask --scheduler tcp://node1:8786
    """
    from fercli.cascade.list_builder.build import build_description
    from fercli.run_folder import output_folder

    choices |= {
        "rules": options.build(BoxRules, choices),
        "extensions": split_extensions(extensions) if extensions else None,
        "separator": SEPARATORS[separator],
        "overwrite": overwrite,
    }
    with output_folder(out, "the making of lists"):
        report = build_description(
            positives,
            negatives,
            out,
            options.build(CollectOptions, choices),
            options.build(FileOptions, choices),
            workers=workers,
            progress=progress,
        )
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    options.echo(report, as_json)
