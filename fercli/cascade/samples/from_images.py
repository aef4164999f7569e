"""Warp a few images of an object into the many samples of a ``.vec`` file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np

from fercli.annotations.base import input_notes
from fercli.annotations.opencv_lists import read_background_list
from fercli.cascade.samples.options import Created, Engine, WarpRules
from fercli.cascade.samples.vec import Samples, vec_writer
from fercli.cascade.samples.warping import Foreground, compose, cut_out, draw_pose, fitted
from fercli.common.errors import AnnotationError, FerError, ImageError, InputError, OptionError
from fercli.common.files import atomic_write, require_absent
from fercli.common.images import ImageArray, read_gray, read_gray_alpha
from fercli.common.parallel import Workers, parallel_map, require_no_cluster
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

#: Size of the largest object in a test image, as a share of the background's width or height.
LARGEST_SHARE = 0.7

#: A note is given when more than this share of an image is transparent.
TRANSPARENT_NOTE = 0.5


@dataclass(frozen=True)
class Scene:
    """Foreground objects and backgrounds, ready to be composed.

    Parameters
    ----------
    rules : WarpRules
    images : tuple of Path
        The images of the object.
    foregrounds : tuple of Foreground
        The object in each.
    backgrounds : tuple of Path
        The images behind it; none for a flat background.
    """

    rules: WarpRules
    images: tuple[Path, ...]
    foregrounds: tuple[Foreground, ...]
    backgrounds: tuple[Path, ...]

    def notes(self) -> list[str]:
        """Return sentences on the images with transparent parts."""
        masked = [
            path
            for path, each in zip(self.images, self.foregrounds, strict=True)
            if each.has_alpha_channel
        ]
        notes = []
        if masked:
            ground = "the backgrounds" if self.backgrounds else f"gray {self.rules.bg_color or 0}"
            notes.append(
                f"{counted(len(masked), 'image')} with an alpha channel ({masked[0]}): invisible "
                f"parts show {ground}"
            )
        for path, each in zip(self.images, self.foregrounds, strict=True):
            share = float((each.alpha == 0).mean())
            if share > TRANSPARENT_NOTE and not each.has_alpha_channel:
                notes.append(
                    f"{share:.0%} of {path} is transparent; check the samples, and --bg-threshold"
                )
        return notes


def read_scene(images: Sequence[Path], rules: WarpRules) -> Scene:
    """Return the scene that rules describe.

    Raises
    ------
    ImageError
        An image of the object cannot be read.
    OptionError
        There is no image, or all of one is transparent.
    AnnotationError
        The list of backgrounds names none.
    """
    if not images:
        raise OptionError("Expected at least one image of the object")
    backgrounds: list[Path] = []
    if rules.backgrounds is not None:
        backgrounds = read_background_list(rules.backgrounds)
        if not backgrounds:
            raise AnnotationError("The list of backgrounds names no image", path=rules.backgrounds)
    extend = rules.backgrounds is None and rules.bg_color is None
    objects = tuple(_read_foreground(path, rules, extend) for path in images)
    return Scene(rules, tuple(images), objects, tuple(backgrounds))


def check_backgrounds(
    scene: Scene,
    least_wh: tuple[int, int],
    *,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> tuple[list[tuple[Path, tuple[int, int]]], list[FerError]]:
    """Return the usable backgrounds of a scene with their sizes, and the errors of the others.

    Raises
    ------
    ImageError
        A background cannot be used and `skip_bad` is False, or none can be used.
    """
    good: list[tuple[Path, tuple[int, int]]] = []
    errors: list[FerError] = []
    for path, found in _examined(scene, least_wh, workers, progress):
        if not isinstance(found, ImageError):
            good.append((path, found))
        elif scene.rules.skip_bad:
            errors.append(found)
        else:
            raise with_skip_hint(found)
    if not good and errors:
        raise errors[0]
    return good, errors


def with_skip_hint(error: FerError) -> FerError:
    """Return an error about a background with a hint to skip it."""
    hint = error.hint or "use `skip_bad` to leave such backgrounds out"
    return type(error)(error.message, hint=hint, path=error.path, line=error.line)


def _read_foreground(path: Path, rules: WarpRules, extend: bool) -> Foreground:
    gray, alpha = read_gray_alpha(path)
    try:
        cut = cut_out(gray, rules.bg_color, rules.bg_threshold, alpha)
    except InputError as error:
        raise type(error)(error.message, hint=error.hint, path=path) from error
    return Foreground(cut.gray, cut.alpha, extend and alpha is None, alpha is not None)


def _examined(
    scene: Scene, least_wh: tuple[int, int], workers: int | Workers | None, progress: Progress
) -> Iterator[tuple[Path, tuple[int, int] | ImageError]]:
    sizes = parallel_map(
        partial(_size_or_error, least_wh=least_wh),
        scene.backgrounds,
        workers=workers,
        prefer="threads",
        progress=progress,
        description="backgrounds",
    )
    return zip(scene.backgrounds, sizes, strict=True)


def _size_or_error(path: Path, least_wh: tuple[int, int]) -> tuple[int, int] | ImageError:
    try:
        height, width = read_background(path, least_wh).shape
    except ImageError as error:
        return error
    return width, height


# Backgrounds: windows at random positions and scales, cut from images without the object.


def read_background(path: Path, least_wh: tuple[int, int]) -> ImageArray:
    """Return a background as gray levels.

    Raises
    ------
    ImageError
        It cannot be read, or is smaller than `least_wh`.
    """
    image = read_gray(path)
    height, width = image.shape
    if width < least_wh[0] or height < least_wh[1]:
        raise ImageError(
            f"The background is {width}x{height}; expected at least {least_wh[0]}x{least_wh[1]}",
            path=path,
        )
    return image


def cut_window(image: ImageArray, size_wh: tuple[int, int], rng: np.random.Generator) -> ImageArray:
    """Return a window of an image at a random position and scale, resized to `size_wh`.

    All scales from the whole image down to its single pixels are equally likely
    (logarithmically).

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
        At least as large as `size_wh`.
    size_wh : (int, int)
    rng : numpy.random.Generator
    """
    height, width = image.shape
    largest = min(width / size_wh[0], height / size_wh[1])
    scale = math.exp(rng.uniform(0, math.log(largest)))
    across, down = min(round(size_wh[0] * scale), width), min(round(size_wh[1] * scale), height)
    x = int(rng.integers(width - across, endpoint=True))
    y = int(rng.integers(height - down, endpoint=True))
    part = image[y : y + down, x : x + across]
    window: ImageArray = cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA)
    return window


#: Samples per random generator; changing it changes the samples of a given seed.
CHUNK = 64

#: Beyond this many samples, processes take over from threads, `TASK` samples at a time.
PROCESSES_FROM, TASK = 20_000, 1024

#: Windows cut from one background before the next is opened.
WINDOWS = 8


def create_from_images(
    images: Sequence[Path],
    out: Path,
    num: int = 1000,
    rules: WarpRules | None = None,
    *,
    engine: Engine = "native",
    tools: Path | None = None,
    workers: int | Workers | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Created:
    """Write warped views of images to a ``.vec`` file.

    Parameters
    ----------
    images : sequence of Path
        Images of the object, used in turn.
    out : Path
        The ``.vec`` file, written whole or not at all.
    num : int
        Samples to make. Defaults to 1000.
    rules : WarpRules, optional
        How they are made. The native engine gives the same samples for the same seed on any
        number of workers; a larger `num` only appends.
    engine : {"native", "opencv"}
        What warps: fer by `workers`, or ``opencv_createsamples`` from the folder `tools`. Angles
        and intensities have the same distributions, the samples differ. Defaults to "native".
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    ImageError
        An image, or a background that was drawn, cannot be used.
    OptionError
        All of an image is transparent, the angles never show its front, or the engine cannot do
        what `rules` ask for.
    DependencyError, ProgramError
        OpenCV's program is missing, or fails.
    OutputError
        `out` exists already or cannot be written.
    """
    started = time.monotonic()
    rules = rules or WarpRules()
    require_absent(out, overwrite=overwrite)
    scene = read_scene(images, rules)
    created = Created(out, num, rules.size_wh, notes=scene.notes())
    if engine == "native":
        left_out = _write_natively(scene, out, num, workers, overwrite, progress)
    else:
        from fercli.cascade.opencv3.createsamples import write_warped

        require_no_cluster(workers)
        with atomic_write(out, overwrite=overwrite) as temporary:
            left_out = write_warped(scene, temporary, num, tools, workers, progress)
    created.left_out = left_out
    created.input_notes = input_notes()
    created.seconds = time.monotonic() - started
    return created


def draw_samples(scene: Scene, start: int, count: int) -> tuple[Samples, list[FerError]]:
    """Return the samples from index `start` on, and the errors of unusable backgrounds.

    Parameters
    ----------
    scene : Scene
        Foregrounds already `fitted` to the samples make it fast.
    start : int
        A multiple of `CHUNK`.
    count : int
        At most `CHUNK`.

    Returns
    -------
    ndarray of uint8, shape (count, height, width), and list of FerError
    """
    rng = np.random.default_rng([scene.rules.seed, start // CHUNK])
    errors: list[FerError] = []
    windows = _windows(scene, rng, errors)
    samples = [
        _draw(scene.foregrounds[(start + at) % len(scene.foregrounds)], scene, windows[at], rng)
        for at in range(count)
    ]
    return np.stack(samples), errors


def _write_natively(
    scene: Scene,
    out: Path,
    num: int,
    workers: int | Workers | None,
    overwrite: bool,
    progress: Progress,
) -> list[FerError]:
    small = tuple(fitted(each, scene.rules.size_wh) for each in scene.foregrounds)
    scene = Scene(scene.rules, scene.images, small, scene.backgrounds)
    many = num > PROCESSES_FROM
    task = TASK if many else CHUNK
    draw = partial(_draw_task, scene, num, task)
    found: dict[str, FerError] = {}
    with (
        vec_writer(out, scene.rules.size_wh, overwrite=overwrite) as write,
        progress.bar("warping", total=num, unit="sample") as bar,
    ):
        for samples, errors in parallel_map(
            draw,
            range(0, num, task),
            workers=workers,
            prefer="processes" if many else "threads",
            note=progress.note,
        ):
            write(samples)
            bar.advance(len(samples))
            found.update((str(error), error) for error in errors)
    return list(found.values())


def _draw_task(scene: Scene, num: int, task: int, start: int) -> tuple[Samples, list[FerError]]:
    end = min(start + task, num)
    chunks = [draw_samples(scene, at, min(CHUNK, end - at)) for at in range(start, end, CHUNK)]
    samples = np.concatenate([samples for samples, _ in chunks])
    return samples, [error for _, errors in chunks for error in errors]


def _draw(
    foreground: Foreground, scene: Scene, window: ImageArray, rng: np.random.Generator
) -> ImageArray:
    pose = draw_pose(foreground.size_wh, scene.rules.distortion, rng)
    return compose(foreground, pose, window)


def _windows(scene: Scene, rng: np.random.Generator, errors: list[FerError]) -> list[ImageArray]:
    """Return `CHUNK` backgrounds of the samples' size, in random order."""
    width, height = scene.rules.size_wh
    if not scene.backgrounds:
        return [np.full((height, width), scene.rules.bg_color or 0, np.uint8)] * CHUNK
    windows: list[ImageArray] = []
    for background in _drawn_backgrounds(scene, rng, errors):
        windows += [cut_window(background, (width, height), rng) for _ in range(WINDOWS)]
        if len(windows) >= CHUNK:
            break
    return [windows[at] for at in rng.permutation(CHUNK)]


def _drawn_backgrounds(
    scene: Scene, rng: np.random.Generator, errors: list[FerError]
) -> Iterator[ImageArray]:
    """Yield usable backgrounds in random order, repeatedly; each unusable one adds one error."""
    order = [scene.backgrounds[at] for at in rng.permutation(len(scene.backgrounds))]
    bad: set[Path] = set()
    for path in cycle(order):
        if path in bad:
            continue
        try:
            yield read_background(path, scene.rules.size_wh)
        except ImageError as error:
            if not scene.rules.skip_bad or len(bad) + 1 == len(set(order)):
                raise with_skip_hint(error) from error
            bad.add(path)
            errors.append(error)
