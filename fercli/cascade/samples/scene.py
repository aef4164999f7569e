"""The scene of warped samples: objects cut out of their pictures, and what stands behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fercli.annotations.opencv_lists import read_background_list
from fercli.cascade.samples.warping import Distortion, Foreground, cut_out
from fercli.common.errors import AnnotationError, FerError, OptionError, PictureError
from fercli.common.images import Picture, read_grey
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress

#: The largest object in a test picture takes this share of the background's width or height.
LARGEST_SHARE = 0.7

#: A picture of which more than this share is transparent is worth a note.
MUCH_TRANSPARENT = 0.5


@dataclass(frozen=True)
class WarpRules:
    """How pictures of the object are warped, and what stands behind them.

    Parameters
    ----------
    size_wh : (int, int)
        Width and height of the samples. Defaults to (24, 24).
    distortion : Distortion
        How far the object is turned and its light changed.
    backgrounds : Path, optional
        A list of pictures without the object, as `read_background_list` reads it. Defaults to a
        flat background of `bg_color`; without that either, to the picture's edges, extended.
    bg_color : int, optional
        The grey level that is transparent in the picture. Defaults to none.
    bg_threshold : int
        How far from `bg_color` grey levels are transparent. Defaults to 80.
    seed : int
        Start of the random numbers. Defaults to 0.
    skip_bad : bool
        Whether backgrounds that cannot be used are left out and listed. Defaults to False: the
        first that is drawn is an error.
    """

    size_wh: tuple[int, int] = (24, 24)
    distortion: Distortion = field(default_factory=Distortion)
    backgrounds: Path | None = None
    bg_color: int | None = None
    bg_threshold: int = 80
    seed: int = 0
    skip_bad: bool = False


@dataclass(frozen=True)
class Scene:
    """Objects and backgrounds, ready to be drawn.

    Parameters
    ----------
    rules : WarpRules
    pictures : tuple of Path
        The pictures of the object.
    foregrounds : tuple of Foreground
        The object in each.
    backgrounds : tuple of Path
        The pictures behind it; none for a flat background.
    """

    rules: WarpRules
    pictures: tuple[Path, ...]
    foregrounds: tuple[Foreground, ...]
    backgrounds: tuple[Path, ...]

    def notes(self) -> list[str]:
        """Return a sentence for each picture of which little is left."""
        shares = [float((each.alpha == 0).mean()) for each in self.foregrounds]
        return [
            f"{share:.0%} of {path} is transparent: look at the samples, or see --bg-threshold"
            for path, share in zip(self.pictures, shares, strict=True)
            if share > MUCH_TRANSPARENT
        ]


def read_scene(pictures: Sequence[Path], rules: WarpRules) -> Scene:
    """Return the scene that rules describe.

    Raises
    ------
    PictureError
        A picture of the object cannot be read.
    OptionError
        There is no picture, or nothing of one is left.
    AnnotationError
        The list of backgrounds names none.
    """
    if not pictures:
        raise OptionError("wanted a picture of the object, found none")
    backgrounds: list[Path] = []
    if rules.backgrounds is not None:
        backgrounds = read_background_list(rules.backgrounds)
        if not backgrounds:
            raise AnnotationError("wanted names of pictures, found none", path=rules.backgrounds)
    extend = rules.backgrounds is None and rules.bg_color is None
    objects = tuple(_read_foreground(path, rules, extend) for path in pictures)
    return Scene(rules, tuple(pictures), objects, tuple(backgrounds))


def check_backgrounds(
    scene: Scene,
    least_wh: tuple[int, int],
    *,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> tuple[list[tuple[Path, tuple[int, int]]], list[FerError]]:
    """Return the usable backgrounds of a scene with their sizes, and what is wrong with others.

    Raises
    ------
    PictureError
        A background cannot be used, unless the rules say to skip such; or none can.
    """
    good: list[tuple[Path, tuple[int, int]]] = []
    errors: list[FerError] = []
    for path, found in _examined(scene, least_wh, workers, progress):
        if not isinstance(found, PictureError):
            good.append((path, found))
        elif scene.rules.skip_bad:
            errors.append(found)
        else:
            raise with_skip_hint(found)
    if not good and errors:
        raise errors[0]
    return good, errors


def with_skip_hint(error: FerError) -> FerError:
    """Return an error about a background with the way around it."""
    hint = error.hint or "--skip-bad, to leave such backgrounds out"
    return type(error)(error.message, hint=hint, path=error.path, line=error.line)


def _read_foreground(path: Path, rules: WarpRules, extend: bool) -> Foreground:
    try:
        cut = cut_out(read_grey(path), rules.bg_color, rules.bg_threshold)
    except OptionError as error:
        raise OptionError(error.message, hint=error.hint, path=path) from error
    return Foreground(cut.grey, cut.alpha, extend)


def _examined(
    scene: Scene, least_wh: tuple[int, int], workers: int | None, progress: Progress
) -> Iterator[tuple[Path, tuple[int, int] | PictureError]]:
    def examine(path: Path) -> tuple[int, int] | PictureError:
        try:
            height, width = read_background(path, least_wh).shape
        except PictureError as error:
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


# Backgrounds: windows of random places and scales, cut from pictures without the object.


def read_background(path: Path, least_wh: tuple[int, int]) -> Picture:
    """Return a background as grey levels.

    Raises
    ------
    PictureError
        It cannot be read, or is smaller than `least_wh`.
    """
    picture = read_grey(path)
    height, width = picture.shape
    if width < least_wh[0] or height < least_wh[1]:
        raise PictureError(
            f"wanted a background of at least {least_wh[0]}x{least_wh[1]}, found {width}x{height}",
            path=path,
        )
    return picture


def cut_window(picture: Picture, size_wh: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return a window of a picture at a random place and scale, resized to `size_wh`.

    All scales from the whole picture down to its single pixels are equally likely
    (logarithmically).

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width)
        At least as large as `size_wh`.
    size_wh : (int, int)
    rng : numpy.random.Generator
    """
    height, width = picture.shape
    largest = min(width / size_wh[0], height / size_wh[1])
    scale = math.exp(rng.uniform(0, math.log(largest)))
    across, down = min(round(size_wh[0] * scale), width), min(round(size_wh[1] * scale), height)
    x = int(rng.integers(width - across, endpoint=True))
    y = int(rng.integers(height - down, endpoint=True))
    part = picture[y : y + down, x : x + across]
    window: Picture = cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA)
    return window
