"""Warped samples and test images by ``opencv_createsamples``, on input that it can digest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from fercli.cascade.opencv3.createsamples import CreateSamples, Warping
from fercli.cascade.samples.options import Invert
from fercli.cascade.samples.scene import LARGEST_SHARE, Scene, check_backgrounds
from fercli.common.errors import FerError, OptionError
from fercli.common.progress import SILENT, Progress

#: The program asks for backgrounds of at least this width and height in test images.
LEAST_BACKGROUND = (10, 10)

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
    workers: int | None = None,
    progress: Progress = SILENT,
) -> list[FerError]:
    """Let the program write warped samples, and return what is wrong with backgrounds left out.

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
            "opencv_createsamples cannot extend the edges of an image",
            hint="--bg or --bg-color, or --engine native",
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
    workers: int | None = None,
    progress: Progress = SILENT,
) -> tuple[int, list[FerError]]:
    """Let the program paste the object into backgrounds; return how often, and what was left out.

    Raises as `write_warped`. Backgrounds that are too small for the largest object (which the
    program would abort at) are errors.

    Parameters
    ----------
    max_scale : float, optional
        The largest object in sizes of the window. Defaults to what takes `LARGEST_SHARE` of the
        smallest background. (The program itself would take the first one that it draws.)
    """
    program = CreateSamples(scene.rules.size_wh, tools=tools, progress=progress)
    width, height = (math.ceil(side * (max_scale or 1)) for side in scene.rules.size_wh)
    least = max(width, LEAST_BACKGROUND[0]), max(height, LEAST_BACKGROUND[1])
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
            f"opencv_createsamples warps one image, found {len(scene.images)}",
            hint="--engine native, or a .vec file each and `fer cascade samples merge`",
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
