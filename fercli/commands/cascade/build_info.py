"""``fer cascade build-info``: from folders of images to info.dat and bg.txt."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress

SEPARATORS = {"space": " ", "tab": "\t"}


@options.command()
@click.argument("positives", nargs=-1, type=options.path_type())
@click.option(
    "-n",
    "--negatives",
    multiple=True,
    type=options.path_type(),
    metavar="PATH",
    help="Images without the object: a folder, a list or an image; may be repeated.",
)
@options.out("DIR", "Where to write.")
@options.annotation_options
@click.option(
    "--detect",
    type=options.path_type(),
    metavar="CASCADE.xml",
    help="Take as boxes what this cascade finds in the images.",
)
@click.option(
    "--check-negatives",
    type=options.path_type(),
    metavar="CASCADE.xml",
    help="Leave out negatives in which this cascade finds something, and list them.",
)
@click.option(
    "--min-neighbors",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Windows that a cascade's detection needs, for --detect and --check-negatives.",
)
@click.option(
    "--extensions",
    metavar="png,jpg,…",
    help="Endings of images in folders, * for any.  [default: those of all common formats]",
)
@click.option(
    "--recursive/--no-recursive",
    default=True,
    show_default=True,
    help="Look into folders in folders.",
)
@click.option(
    "--size",
    type=options.Size(),
    help="The training window. Boxes are widened to its shape, smaller negatives left out."
    "  [default: boxes stay, a window is proposed]",
)
@click.option(
    "--padding",
    type=options.FiniteRange(0, 2),
    default=0.0,
    show_default=True,
    metavar="X",
    help="Added on each side of a box, as a share of it: 0.1 makes it 1.2 times as wide and high.",
)
@click.option(
    "--min-size", type=options.Size(), default="1x1", help="Leave out smaller boxes.", metavar="WXH"
)
@click.option("--keep-duplicates", is_flag=True, help="Keep what is the same pixel by pixel.")
@click.option("--take", type=options.Amount(), help="Draw so many images of the positives.")
@click.option(
    "--take-negatives", type=options.Amount(), help="Draw so many images of the negatives."
)
@click.option(
    "--test",
    type=options.Amount(),
    help="Set so many images of both aside: test_info.dat, test_bg.txt.",
)
@options.seed
@click.option(
    "--in-order",
    is_flag=True,
    help="Keep the order of files and annotations instead of drawing it. A training uses the"
    " lists from their start.",
)
@click.option(
    "--separator",
    type=click.Choice(list(SEPARATORS)),
    default="space",
    show_default=True,
    help="What stands between the words of info.dat.",
)
@click.option(
    "--names",
    type=click.Choice(["auto", "relative", "absolute"]),
    default="auto",
    show_default=True,
    help="Names of images, see above.",
)
@click.option(
    "--also",
    type=click.Choice(["csv", "coco", "dlib"]),
    help="Write the positives' boxes in this format, too: annotations.*",
)
@click.option(
    "--plot",
    type=options.path_type(),
    metavar="FILE.png",
    help="Draw the sizes and shapes of the boxes.",
)
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def build_info(
    positives: tuple[Path, ...],
    negatives: tuple[Path, ...],
    out: Path,
    size: tuple[int, int] | None,
    padding: float,
    min_size: tuple[int, int],
    extensions: str | None,
    separator: str,
    names: Any,
    also: str | None,
    plot: Path | None,
    overwrite: bool,
    workers: int | None,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Write info.dat and bg.txt, the lists that training needs, from folders of images.

    POSITIVES hold the object: folders of crops (a box around the whole of each), or files or
    folders of annotations: a table path,x,y,w,h (CSV), OpenCV's info file, Pascal VOC XML, YOLO
    text files, COCO JSON, dlib XML. Fractions of pixels are rounded to the nearest.

    Every image is opened. What cannot be used (unreadable, empty, too small, a duplicate) is
    left out and listed in info_left_out.csv and bg_left_out.csv, with the reason.

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
    """
    from fercli.cascade.list_builder.build import build_description
    from fercli.cascade.list_builder.collect import CollectOptions
    from fercli.cascade.list_builder.image_audit import BoxRules
    from fercli.cascade.list_builder.output_files import FileOptions
    from fercli.common.work_folder import alone_in

    if extensions is not None:
        choices["extensions"] = options.split_extensions(extensions)
    with alone_in(out, "the making of lists"):
        report = build_description(
            positives,
            negatives,
            out,
            CollectOptions(rules=BoxRules(size, padding, min_size), **choices),
            FileOptions(names, SEPARATORS[separator], also, plot, overwrite),
            workers=workers,
            progress=progress,
        )
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_text())
