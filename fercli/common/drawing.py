"""Drawing: plots in one style, and boxes on images, without a display."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OutputError
from fercli.common.files import atomic_write, shown_name
from fercli.common.images import ImageArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from PIL import ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


#: Okabe and Ito's colors, which people with any kind of color vision tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def new_plot(
    title: str, x_label: str, y_label: str, *, size_inches: tuple[float, float] = (7.0, 4.5)
) -> tuple[Figure, Axes]:
    """Return an empty figure of one plot with its title and axes named."""
    figure, (axes,) = new_plots([(title, x_label, y_label)], size_inches=size_inches)
    return figure, axes


def new_plots(
    labels: Sequence[tuple[str, str, str]], *, size_inches: tuple[float, float] = (7.0, 4.5)
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of plots side by side.

    Parameters
    ----------
    labels : sequence of (str, str, str)
        Title, label of x and label of y for each plot.
    size_inches : (float, float)
        Width and height of each plot.
    """
    from matplotlib.figure import Figure

    width, height = size_inches
    figure = Figure(figsize=(width * len(labels), height), layout="constrained")
    plots = [figure.add_subplot(1, len(labels), at + 1) for at in range(len(labels))]
    for axes, texts in zip(plots, labels, strict=True):
        _style(axes, *texts)
    return figure, plots


def _style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    from cycler import cycler

    axes.set_prop_cycle(cycler(color=COLORS))
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def png_of(draw: Callable[[Path], object]) -> bytes:
    """Return what a function that writes a PNG file draws, for Jupyter."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "plot.png")
        draw(path)
        return path.read_bytes()


def save_plot(figure: Figure, path: Path, *, overwrite: bool = False) -> None:
    """Write a figure in the format of the name's suffix (.png, .svg, .pdf), atomically.

    Texts are shown literally: "$" in the name of a class does not start a formula.

    Raises
    ------
    OutputError
        The suffix is not a format of matplotlib, or the file exists or cannot be written.
    """
    require_suffix(path)
    _disable_formulas(figure)
    with atomic_write(path, overwrite=overwrite) as temporary, _ignore_missing_glyphs():
        figure.savefig(temporary, dpi=150)


def _disable_formulas(figure: Figure) -> None:
    """Disable formulas in texts, except in powers of ten on axes."""
    from matplotlib.text import Text

    powers = set(_powers(figure))
    for text in figure.findobj(Text):
        text.set_parse_math(text in powers)
        text.set_text(shown_name(text.get_text()))  # undecodable bytes in names have no glyph


def _powers(figure: Figure) -> Iterator[Text]:
    from matplotlib.ticker import LogFormatter

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):
                yield from axis.get_ticklabels(which="both")


@contextmanager
def _ignore_missing_glyphs() -> Iterator[None]:
    """Suppress warnings on missing glyphs: names may be in any script, and a box is drawn."""
    with warnings.catch_warnings():
        for message in ("Glyph .* missing", "Matplotlib currently does not support"):
            warnings.filterwarnings("ignore", message, UserWarning)
        yield


def require_suffix(path: Path) -> None:
    """Raise `OutputError` if a name's suffix is not a format of matplotlib."""
    from matplotlib.backend_bases import FigureCanvasBase

    if path.suffix.lstrip(".").lower() not in FigureCanvasBase.get_supported_filetypes():
        raise OutputError(
            f"{path.suffix!r} is not a file type of plots",
            hint="use a name that ends in .png, .svg or .pdf",
            path=path,
        )


# Draw boxes on images, with labels that stay readable and inside the image.


#: Red, green, blue: Okabe and Ito's green, which stands out from skin.
BOX_COLOR = (0, 158, 115)
WHITE = (255, 255, 255)


def line_width(size_wh: tuple[int, int]) -> int:
    """Return the width of lines on an image of this size, in pixels."""
    return max(2, round(max(size_wh) / 400))


def label_font(size_wh: tuple[int, int]) -> Font:
    """Return the font of labels on an image of this size."""
    from PIL import ImageFont

    return ImageFont.load_default(max(11, round(max(size_wh) / 60)))


def draw_box(
    draw: ImageDraw.ImageDraw,
    box_xywh: Iterable[float],
    color: tuple[int, int, int],
    width: int,
    label: str = "",
    font: Font | None = None,
) -> None:
    """Draw a box with a label above it, or just inside where there is no room above.

    A label that would leave the image at a side is moved in.
    """
    x, y, box_width, box_height = box_xywh
    draw.rectangle((x, y, x + box_width, y + box_height), outline=color, width=width)
    if label:
        x = max(min(x, draw.im.size[0] - 5 - draw.textlength(label, font=font)), 0)
        left, top, right, bottom = draw.textbbox((x, y), label, font=font, anchor="lb")
        if top < 0:
            y -= top
            top, bottom = 0, bottom - top
        draw.rectangle((left, top, right + 4, bottom), fill=color)
        draw.text((x + 2, y), label, fill=WHITE, font=font, anchor="lb")


def draw_boxes(
    image: ImageArray, boxes_xywh: NDArray[np.int32], labels: Sequence[str]
) -> ImageArray:
    """Return a copy of an image with boxes drawn.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3), BGR
    boxes_xywh : ndarray of int32, shape (n, 4)
    labels : sequence of n str
    """
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(image[:, :, ::-1])
    draw = ImageDraw.Draw(canvas)
    width, font = line_width(canvas.size), label_font(canvas.size)
    for box, label in zip(boxes_xywh.tolist(), labels, strict=True):
        draw_box(draw, box, BOX_COLOR, width, label, font)
    return np.ascontiguousarray(np.asarray(canvas)[:, :, ::-1])
