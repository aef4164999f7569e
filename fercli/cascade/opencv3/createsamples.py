"""Run ``opencv_createsamples`` on checked input, and turn its failures into named errors.

The program ends with status 0 for most of its failures and aborts on the others; with an info
file without boxes it never ends. So its input is checked and linked under plain names beforehand,
and its output is counted afterwards.

See: apps/createsamples in OpenCV 3.4.
"""

from __future__ import annotations

import math
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from fercli.annotations.opencv_lists import programs_read
from fercli.cascade.opencv3.programs import find_program
from fercli.cascade.samples.from_images import LARGEST_SHARE, Scene, check_backgrounds
from fercli.cascade.samples.options import Invert
from fercli.cascade.samples.vec import describe_vec
from fercli.common.boxes import Box
from fercli.common.errors import FerError, ImageError, OptionError, ProgramError
from fercli.common.files import output_error
from fercli.common.images import read_gray, write_image
from fercli.common.parallel import Workers
from fercli.common.processes import running
from fercli.common.progress import SILENT, Bar, Progress

#: Interval of checking the growing file, in seconds.
POLL_SECONDS = 0.1

#: Text in the program's messages, its meaning, and a hint.
KNOWN_FAILURES = (
    (
        "Quadrangle is nonconvex",
        "the angles show the image from behind or edge-on",
        "use smaller angles, or set `engine` to native",
    ),
    (
        "ssize.empty()",
        "it resized an empty image or box",
        "set `engine` to native",
    ),
    (
        "roi.x + roi.width <= m.cols",
        "it cropped a box outside its image",
        "set `engine` to native",
    ),
)


@dataclass
class LinkFolder:
    """A folder of links to images under names that the program can read.

    Parameters
    ----------
    folder : Path
        The folder, in which the program runs.
    originals : dict of str to Path
        The image of each name.
    """

    folder: Path
    originals: dict[str, Path] = field(default_factory=dict)

    def link(self, image: Path) -> str:
        """Return the name of a new link to an image, or of a copy as fer reads it.

        The copy is for formats that the program cannot decode, and for images that it would
        decode to other pixels: transparent ones and those of more than 8 bits.
        """
        name = f"p{len(self.originals):07d}"
        if programs_read(image) and not _is_read_otherwise(image):
            (self.folder / name).symlink_to(image.absolute())
        else:
            name += ".png"
            write_image(self.folder / name, read_gray(image))
        self.originals[name] = image
        return name

    def write_list(self, name: str, lines: Sequence[str]) -> str:
        """Write lines to a file in the folder, and return its name."""
        (self.folder / name).write_text("\n".join(lines) + "\n", encoding="ascii")
        return name


def _is_read_otherwise(image: Path) -> bool:
    """Whether fer had to make assumptions to read an image, which the program does not share."""
    notes: list[str] = []
    try:
        read_gray(image, notes)
    except ImageError:  # the program will say so
        return False
    return bool(notes)


@contextmanager
def link_folder() -> Iterator[LinkFolder]:
    """Yield a temporary folder for links."""
    with tempfile.TemporaryDirectory(prefix="fer-createsamples-") as folder:
        try:
            yield LinkFolder(Path(folder))
        except OSError as error:
            raise output_error(error, Path(folder)) from error


@dataclass(frozen=True)
class Warping:
    """Input and options of the program for warping.

    Parameters
    ----------
    image : Path
        A readable image of the object.
    backgrounds : sequence of Path
        Readable images no smaller than the samples; empty for a flat background.
    options : sequence of str
        Further options of the program, such as ``-maxxangle 1.1``, as separate words.
    """

    image: Path
    backgrounds: Sequence[Path]
    options: Sequence[str]

    def link(self, links: LinkFolder) -> list[str]:
        """Link the images into a folder, and return all options of the program."""
        options = [*self.options, "-img", links.link(self.image)]
        if self.backgrounds:
            names = [links.link(background) for background in self.backgrounds]
            options += ["-bg", links.write_list("bg.txt", names)]
        return options


class CreateSamples:
    """A runner of the program for samples of one size.

    Parameters
    ----------
    size_wh : (int, int)
        Width and height of the samples.
    tools : Path, optional
        The folder with the program. By default it is searched, see `find_program`.
    progress : Progress

    Raises
    ------
    DependencyError
        The program is missing.
    """

    def __init__(
        self, size_wh: tuple[int, int], *, tools: Path | None = None, progress: Progress = SILENT
    ) -> None:
        self.size_wh = size_wh
        self.program = find_program("opencv_createsamples", tools)
        self.progress = progress

    def crop(self, boxes_xywh: Sequence[tuple[Path, Sequence[Box]]], vec: Path) -> None:
        """Crop boxes to a ``.vec`` file.

        Parameters
        ----------
        boxes_xywh : sequence of (Path, sequence of (int, int, int, int))
            Readable images, with boxes inside them; at least one box.
        vec : Path
            The file to write.

        Raises
        ------
        ProgramError
            The program failed, or wrote fewer samples than boxes.
        """
        with link_folder() as links:
            lines = [_info_line(links.link(path), boxes) for path, boxes in boxes_xywh]
            options = ["-info", links.write_list("info.dat", lines)]
            self._fill(vec, sum(len(boxes) for _, boxes in boxes_xywh), options, links)

    def warp(self, warping: Warping, vec: Path, count: int) -> None:
        """Warp an image `count` times, to a ``.vec`` file; raises as `crop`."""
        with link_folder() as links:
            self._fill(vec, count, warping.link(links), links)

    def paste(self, warping: Warping, folder: Path, count: int) -> int:
        """Paste a warped image into up to `count` backgrounds, and return into how many.

        The images and an ``info.dat`` are written to `folder`, which exists.
        Raises `ProgramError` as `crop` does, and if no image came of it.
        """
        info = folder.absolute() / "info.dat"
        with link_folder() as links:
            options = [*warping.link(links), "-info", str(info), "-num", str(count)]
            with self.progress.bar("opencv_createsamples", total=count, unit="image") as bar:
                output = self._run(options, links, lambda: sum(1 for _ in folder.iterdir()), bar)
        made = len(info.read_text().splitlines()) if info.exists() else 0
        if not made:
            raise ProgramError(f"opencv_createsamples wrote no image; {_last_line(output)}")
        return made

    def _fill(self, vec: Path, count: int, options: Sequence[str], links: LinkFolder) -> None:
        options = [*options, "-vec", str(vec.absolute()), "-num", str(count)]
        size = 1 + 2 * self.size_wh[0] * self.size_wh[1]
        with self.progress.bar("opencv_createsamples", total=count, unit="sample") as bar:
            output = self._run(options, links, lambda: vec.stat().st_size // size, bar)
        written = describe_vec(vec).count if vec.stat().st_size else 0
        if written < count:
            raise ProgramError(
                f"opencv_createsamples wrote {written} of {count} samples; {_last_line(output)}",
                hint="free disk space, or set `engine` to native",
            )

    def _run(
        self, options: Sequence[str], links: LinkFolder, count: Callable[[], int], bar: Bar
    ) -> str:
        """Run the program in a folder of links, and return what it printed.

        It prints little until it ends, so the bar follows `count`, the items written so far.
        """
        width, height = map(str, self.size_wh)
        command: list[str | Path] = [self.program, *options, "-w", width, "-h", height]
        with running(command, folder=links.folder) as child, _followed(count, bar):
            output = "\n".join(child.lines())
            status = child.wait()
        if status:
            raise explained(status, output, links.originals)
        return output


def explained(status: int, output: str, originals: Mapping[str, Path]) -> ProgramError:
    """Return the error for a status other than 0."""
    unreadable = re.search(r"Unable to open image: (\S+)", output)
    if unreadable:
        return ProgramError(
            "opencv_createsamples cannot decode this image: the build lacks its format",
            hint="set `engine` to native, or convert the image",
            path=originals.get(unreadable[1], Path(unreadable[1])),
        )
    for words, meaning, hint in KNOWN_FAILURES:
        if words in output:
            return ProgramError(f"opencv_createsamples aborted: {meaning}", hint=hint)
    return ProgramError(
        f"opencv_createsamples ended with status {status}; {_last_line(output)}",
        hint="set `engine` to native",
    )


@contextmanager
def _followed(count: Callable[[], int], bar: Bar) -> Iterator[None]:
    """Let a bar follow a growing count while the body runs."""
    ended = threading.Event()

    def follow() -> None:
        shown = 0
        while not ended.wait(POLL_SECONDS):
            with suppress(OSError):
                shown, before = count(), shown
                bar.advance(shown - before)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _info_line(name: str, boxes: Sequence[Box]) -> str:
    return " ".join([name, str(len(boxes)), *(str(number) for box in boxes for number in box)])


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"its last line was {lines[-1]!r}" if lines else "it printed nothing"


#: Least width and height of the program's backgrounds for test images.
MIN_BACKGROUND_WH = (10, 10)

INVERT_OPTIONS: Mapping[Invert, Sequence[str]] = {
    "never": (),
    "always": ("-inv",),
    "random": ("-randinv",),
}


def write_warped(
    scene: Scene,
    vec: Path,
    num: int,
    tools: Path | None = None,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> list[FerError]:
    """Let the program write warped samples; return the errors of the backgrounds left out.

    Raises
    ------
    OptionError
        The program cannot do what the scene's rules ask for.
    DependencyError, ProgramError
        The program is missing, or fails.
    ImageError
        A background cannot be used.
    """
    if not scene.backgrounds and scene.rules.bg_color is None:
        raise OptionError(
            "opencv_createsamples needs a background",
            hint="give `backgrounds` or `bg_color`, or set `engine` to native",
        )
    program = CreateSamples(scene.rules.size_wh, tools=tools, progress=progress)
    good, errors = check_backgrounds(scene, scene.rules.size_wh, workers=workers, progress=progress)
    program.warp(_warping(scene, [path for path, _ in good]), vec, num)
    return errors


def write_test_images(
    scene: Scene,
    folder: Path,
    num: int,
    max_scale: float | None,
    tools: Path | None = None,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> tuple[int, list[FerError]]:
    """Let the program paste the object into backgrounds.

    Returns the number of test images, and the errors of the backgrounds left out.

    Raises as `write_warped`. Backgrounds that are too small for the largest object (which the
    program would abort at) are errors.

    Parameters
    ----------
    max_scale : float, optional
        Size of the largest object in multiples of the window. Defaults to `LARGEST_SHARE` of the
        smallest background. (The program itself would use the first background drawn.)
    """
    program = CreateSamples(scene.rules.size_wh, tools=tools, progress=progress)
    width, height = (math.ceil(side * (max_scale or 1)) for side in scene.rules.size_wh)
    least = max(width, MIN_BACKGROUND_WH[0]), max(height, MIN_BACKGROUND_WH[1])
    good, errors = check_backgrounds(scene, least, workers=workers, progress=progress)
    most = max_scale or _scale_for_all([size for _, size in good], scene.rules.size_wh)
    warping = _warping(scene, [path for path, _ in good], "-maxscale", f"{most:.6f}")
    return program.paste(warping, folder, num), errors


def _scale_for_all(backgrounds_wh: Sequence[tuple[int, int]], size_wh: tuple[int, int]) -> float:
    width = min(width for width, _ in backgrounds_wh)
    height = min(height for _, height in backgrounds_wh)
    return max(LARGEST_SHARE * min(width / size_wh[0], height / size_wh[1]), 1.0)


def _warping(scene: Scene, backgrounds: Sequence[Path], *options: str) -> Warping:
    if len(scene.images) > 1:
        raise OptionError(
            f"opencv_createsamples can warp only one image, got {len(scene.images)}",
            hint="set `engine` to native, or make a .vec file for each and merge them",
        )
    if scene.foregrounds[0].has_alpha_channel:
        raise OptionError(
            "opencv_createsamples cannot use the alpha channel of an image",
            hint="set `engine` to native, or `bg_color` for a copy without alpha channel",
            path=scene.images[0],
        )
    return Warping(scene.images[0], backgrounds, [*_options(scene), *options])


def _options(scene: Scene) -> list[str]:
    rules, distortion = scene.rules, scene.rules.distortion
    # A threshold of -1 leaves no gray level that is transparent.
    values = {
        "-bgcolor": rules.bg_color or 0,
        "-bgthresh": -1 if rules.bg_color is None else rules.bg_threshold,
        "-maxidev": distortion.max_intensity_deviation,
        "-maxxangle": distortion.max_x_angle,
        "-maxyangle": distortion.max_y_angle,
        "-maxzangle": distortion.max_z_angle,
        "-rngseed": rules.seed,
    }
    words = [word for name, value in values.items() for word in (name, str(value))]
    return words + list(INVERT_OPTIONS[distortion.invert])
