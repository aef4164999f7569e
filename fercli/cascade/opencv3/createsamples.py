"""``opencv_createsamples``: run on input that it can digest, its failures told by name.

The program ends with status 0 for most of its failures and aborts on the others; on an info file
without boxes it never ends. So it is given a folder of links under plain names, checked
beforehand, and what it wrote is counted afterwards.

See: apps/createsamples in OpenCV 3.4.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from fercli.annotations import Box
from fercli.annotations.opencv_lists import programs_read
from fercli.cascade.opencv3.programs import find_program
from fercli.cascade.samples.vec import describe_vec
from fercli.common.errors import ProgramError
from fercli.common.files import output_error
from fercli.common.images import read_gray, write_image
from fercli.common.progress import SILENT, Bar, Progress
from fercli.common.subprocesses import running

#: How often the growing file is looked at, in seconds.
POLL = 0.1

#: Words of the program's messages, what they mean, and what to try.
KNOWN = (
    (
        "Quadrangle is nonconvex",
        "it met angles at which the image is seen from behind or edge-on",
        "smaller angles, or --engine native",
    ),
    (
        "ssize.empty()",
        "it resized an empty image or box",
        "--engine native",
    ),
    (
        "roi.x + roi.width <= m.cols",
        "it cropped a box outside its image",
        "--engine native",
    ),
)


@dataclass
class Staged:
    """A folder of links to images under names that the program can read.

    Parameters
    ----------
    folder : Path
        Where the program runs.
    originals : dict of str to Path
        The image behind each name.
    """

    folder: Path
    originals: dict[str, Path] = field(default_factory=dict)

    def link(self, image: Path) -> str:
        """Return the name of a new link to an image, or of a copy that the program can decode."""
        name = f"p{len(self.originals):07d}"
        if programs_read(image):
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


@contextmanager
def staged() -> Iterator[Staged]:
    """Give a folder for links, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="fer-createsamples-") as folder:
        try:
            yield Staged(Path(folder))
        except OSError as error:
            raise output_error(error, Path(folder)) from error


@dataclass(frozen=True)
class Warping:
    """What the program warps, and how.

    Parameters
    ----------
    image : Path
        An image of the object, that can be read.
    backgrounds : sequence of Path
        Images that can be read and are no smaller than the samples; none for a flat one.
    options : sequence of str
        Options of the program that say how to warp, such as ``-maxxangle 1.1``, as its words.
    """

    image: Path
    backgrounds: Sequence[Path]
    options: Sequence[str]

    def stage(self, stage: Staged) -> list[str]:
        """Link the images into a folder, and return all options of the program."""
        options = [*self.options, "-img", stage.link(self.image)]
        if self.backgrounds:
            names = [stage.link(background) for background in self.backgrounds]
            options += ["-bg", stage.write_list("bg.txt", names)]
        return options


class CreateSamples:
    """The program, ready to make samples of one size.

    Parameters
    ----------
    size_wh : (int, int)
        Width and height of the samples.
    tools : Path, optional
        The folder with the program. Defaults to looking for it, as `find_program`.
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
            Images that can be read, with boxes that lie in them; at least one box.
        vec : Path
            The file to write.

        Raises
        ------
        ProgramError
            The program failed, or wrote fewer samples than it should have.
        """
        with staged() as stage:
            lines = [_info_line(stage.link(path), boxes) for path, boxes in boxes_xywh]
            options = ["-info", stage.write_list("info.dat", lines)]
            self._fill(vec, sum(len(boxes) for _, boxes in boxes_xywh), options, stage)

    def warp(self, warping: Warping, vec: Path, count: int) -> None:
        """Warp an image `count` times, to a ``.vec`` file; raises as `crop`."""
        with staged() as stage:
            self._fill(vec, count, warping.stage(stage), stage)

    def paste(self, warping: Warping, folder: Path, count: int) -> int:
        """Paste a warped image into up to `count` backgrounds, and return into how many.

        The images and an ``info.dat`` are written to `folder`, which exists.
        Raises `ProgramError` as `crop` does, and if no image came of it.
        """
        info = folder.absolute() / "info.dat"
        with staged() as stage:
            options = [*warping.stage(stage), "-info", str(info), "-num", str(count)]
            with self.progress.bar("opencv_createsamples", total=count, unit="image") as bar:
                output = self._run(options, stage, lambda: sum(1 for _ in folder.iterdir()), bar)
        made = len(info.read_text().splitlines()) if info.exists() else 0
        if not made:
            raise ProgramError(f"opencv_createsamples made no image: {_last_words(output)}")
        return made

    def _fill(self, vec: Path, count: int, options: Sequence[str], stage: Staged) -> None:
        options = [*options, "-vec", str(vec.absolute()), "-num", str(count)]
        size = 1 + 2 * self.size_wh[0] * self.size_wh[1]
        with self.progress.bar("opencv_createsamples", total=count, unit="sample") as bar:
            output = self._run(options, stage, lambda: vec.stat().st_size // size, bar)
        written = describe_vec(vec).count if vec.stat().st_size else 0
        if written < count:
            raise ProgramError(
                f"opencv_createsamples wrote {written} of {count} samples: {_last_words(output)}",
                hint="is the disk full? if not, --engine native",
            )

    def _run(
        self, options: Sequence[str], stage: Staged, count: Callable[[], int], bar: Bar
    ) -> str:
        """Run the program in a folder of links, and return what it printed.

        It prints little until it ends, so that the bar follows `count` of what it has written.
        """
        width, height = map(str, self.size_wh)
        command: list[str | Path] = [self.program, *options, "-w", width, "-h", height]
        with running(command, folder=stage.folder) as child, _followed(count, bar):
            output = "\n".join(child.lines())
            status = child.wait()
        if status:
            raise explained(status, output, stage.originals)
        return output


def explained(status: int, output: str, originals: Mapping[str, Path]) -> ProgramError:
    """Return the error that tells why the program ended with a status other than 0."""
    unreadable = re.search(r"Unable to open image: (\S+)", output)
    if unreadable:
        return ProgramError(
            "opencv_createsamples cannot decode this image: the build lacks its format",
            hint="--engine native, or a copy in another format",
            path=originals.get(unreadable[1], Path(unreadable[1])),
        )
    for words, meaning, hint in KNOWN:
        if words in output:
            return ProgramError(f"opencv_createsamples aborted: {meaning}", hint=hint)
    return ProgramError(
        f"opencv_createsamples ended with status {status}: {_last_words(output)}",
        hint="--engine native",
    )


@contextmanager
def _followed(count: Callable[[], int], bar: Bar) -> Iterator[None]:
    """Let a bar follow a growing count while the body runs."""
    ended = threading.Event()

    def follow() -> None:
        shown = 0
        while not ended.wait(POLL):
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


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"its last words were {lines[-1]!r}" if lines else "it said nothing"
