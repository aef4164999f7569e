"""The scene of warped samples: foreground objects and background images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fercli.annotations.opencv_lists import read_background_list
from fercli.cascade.samples.options import WarpRules
from fercli.cascade.samples.warping import Foreground, cut_out
from fercli.common.errors import AnnotationError, FerError, ImageError, InputError, OptionError
from fercli.common.images import ImageArray, read_gray, read_gray_alpha
from fercli.common.parallel import parallel_map
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
    workers: int | None = None,
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
    scene: Scene, least_wh: tuple[int, int], workers: int | None, progress: Progress
) -> Iterator[tuple[Path, tuple[int, int] | ImageError]]:
    def examine(path: Path) -> tuple[int, int] | ImageError:
        try:
            height, width = read_background(path, least_wh).shape
        except ImageError as error:
            return error
        return width, height

    sizes = parallel_map(
        examine,
        scene.backgrounds,
        workers=workers,
        prefer="threads",
        progress=progress,
        description="backgrounds",
    )
    return zip(scene.backgrounds, sizes, strict=True)


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
