"""Options that several commands of ``fer cascade`` share."""

from typing import Any

import click

from fercli.commands.options import Size, each, path_type, scale_factor


class Amount(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A number of things such as ``500``, or a share of them such as ``20%``."""

    name = "N|P%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """Return a number as an int, a share as a float from 0 to 1."""
        if isinstance(value, int | float):
            return value
        text = str(value).strip()
        try:
            amount = float(text[:-1]) / 100 if text.endswith("%") else int(text)
        except ValueError:
            self.fail(f"wanted a number such as 500 or a share such as 20%, found {value!r}")
        if not 0 < amount <= (1 if isinstance(amount, float) else amount):
            self.fail(f"wanted more than none and at most 100%, found {value!r}", param, ctx)
        return amount


def split_extensions(text: str) -> tuple[str, ...]:
    """Return ``png, .JPG`` as ``(".png", ".jpg")``; ``*`` stands for any."""
    words = (word.strip().lower().lstrip(".") for word in text.split(","))
    return tuple("" if word == "*" else f".{word}" for word in words if word)


#: The names of `fercli.annotations.FORMATS`, which a command does not import for its help.
ANNOTATION_FORMATS = ("csv", "coco", "dlib", "voc", "yolo", "pictures", "info")


_format = click.option(
    "--format",
    type=click.Choice(ANNOTATION_FORMATS),
    help="Format of the boxes.  [default: what it looks like]",
)

_pictures = click.option(
    "--pictures",
    type=path_type(),
    metavar="DIR",
    help="Folder that names in annotations are relative to.  [default: the file's, or beside it]",
)

_label = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="Only boxes of this label; may be repeated.  [default: all]",
)

#: What annotations take.
annotation_options = each((_format, _pictures, _label))

_min_neighbors = click.option(
    "--min-neighbors",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="A detection must be seen by more windows than this.",
)

_min_size = click.option(
    "--min-size",
    "min_size_wh",
    type=Size(),
    help="Smallest object looked for.  [default: the cascade's window]",
)

_max_size = click.option(
    "--max-size",
    "max_size_wh",
    type=Size(),
    help="Largest object looked for.  [default: the picture]",
)

_equalize = click.option(
    "--equalize", is_flag=True, help="Equalise the histogram of pictures before the search."
)

#: How pictures are searched: the fields of `fercli.cascade.detection.detector.DetectionOptions`.
detection_options = each((scale_factor, _min_neighbors, _min_size, _max_size, _equalize))

tools = click.option(
    "--tools",
    type=path_type(),
    metavar="DIR",
    help="Folder with OpenCV's programs.  [default: FER_OPENCV_TOOLS, PATH, fer's cache]",
)

sample_size = click.option(
    "--size",
    type=Size(),
    help="Width and height of the samples.  [default: the squarest that fits the file]",
)
