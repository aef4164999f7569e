"""What is looked at and laid out before ``opencv_traincascade`` starts.

The program takes what it gets: a wrong size aborts it in the first stage, unreadable backgrounds
are passed over, a blank line ends their list. So all of it is checked here, and the program gets
a list of its own, with absolute names of images that it can use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from fercli.annotations.opencv_lists import (
    fits_background_list,
    programs_read,
    read_background_list,
    write_background_list,
)
from fercli.cascade.opencv3.settings import Buffers, ProgramSettings
from fercli.cascade.samples.statistics import usable_positives
from fercli.cascade.samples.vec import VecInfo, describe_vec
from fercli.common.errors import AnnotationError, ImageError, OptionError, VecError
from fercli.common.files import find_files, make_folder, write_text
from fercli.common.images import read_gray, write_image
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress

#: Stages refuse positives that they were not trained with more often than those that they were,
#: so that more is read than the quota of the hit rate says: 1.14 times as much for 10 LBP stages
#: on 7,000 faces of FER-2013. Where it is still more, a training goes on with fewer positives.
REFUSED_BEYOND_QUOTA = 1.25

#: A node of fewer samples is not split: with no more than these, no stage can be trained.
FEWEST_SAMPLES = 10


def resolve_counts(settings: ProgramSettings, vec: VecInfo) -> ProgramSettings:
    """Return the settings with the numbers of positives and negatives filled in.

    Raises
    ------
    OptionError
        More positives are wanted than there are, or there are too few samples altogether.
    """
    most = most_positives(vec.count, settings)
    positives = settings.positives or max(most, 1)
    negatives = settings.negatives or max(positives // 2, 1)
    if positives > vec.count:
        raise OptionError(
            f"--positives: wanted at most the {vec.count} samples of {vec.path}, found {positives}",
            hint=f"leave --positives out: {most} for {settings.stages} stages",
        )
    if positives + negatives <= FEWEST_SAMPLES:
        raise OptionError(
            f"wanted more than {FEWEST_SAMPLES} samples to train with, found {positives} positives "
            f"and {negatives} negatives",
            hint="more of them",
        )
    return replace(settings, positives=positives, negatives=negatives)


def most_positives(samples: int, settings: ProgramSettings) -> int:
    """Return the positives of a stage that so many samples allow for all stages."""
    refused = REFUSED_BEYOND_QUOTA * (1 - settings.min_hit_rate)
    return usable_positives(samples, stages=settings.stages, hit_rate=1 - refused)


def check_positives(settings: ProgramSettings, progress: Progress = SILENT) -> VecInfo:
    """Return what the ``.vec`` file holds, if its samples can be of the window's size.

    Raises
    ------
    VecError
        It is not a ``.vec`` file, holds none, or its samples are not of the window's size.
    InputError
        It is missing or cannot be read.
    """
    assert settings.vec is not None  # `check` has seen to it
    vec = describe_vec(settings.vec)
    width, height = settings.size_wh
    if vec.vec_size != width * height:
        sizes = ", ".join(f"{w}x{h}" for w, h in vec.sizes_wh)
        raise VecError(
            f"wanted samples of {width}x{height} = {width * height} pixels, found "
            f"{vec.vec_size} pixels",
            hint=f"--size {sizes}" if sizes else "the --size that it was made with",
            path=vec.path,
        )
    if vec.count == 0:
        raise VecError("wanted positives, found none", path=vec.path)
    for problem in vec.problems:
        progress.note(f"{vec.path}: {problem}")
    return vec


@dataclass(frozen=True)
class Backgrounds:
    """The backgrounds of a training.

    Parameters
    ----------
    usable : tuple of Path
        Images that can be read and hold a window, in the order of the list.
    left_out : tuple of (Path, str)
        The others, and why.
    windows : int
        How many windows the program takes from them in its first pass.
    """

    usable: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]
    windows: int


def check_backgrounds(
    bg: Path, size_wh: tuple[int, int], *, progress: Progress = SILENT
) -> Backgrounds:
    """Open every background of a list or below a folder, and return those that can be used.

    Raises
    ------
    AnnotationError
        There is none.
    InputError
        The list is missing or cannot be read.
    """
    paths = find_files(bg) if bg.is_dir() else read_background_list(bg)
    found = list(
        parallel_map(
            _background_size,
            paths,
            prefer="threads",
            progress=progress,
            description="checking backgrounds",
        )
    )
    usable, left_out, windows = [], [], 0
    for path, size in zip(paths, found, strict=True):
        if isinstance(size, str):
            left_out.append((path, size))
        elif size[0] < size_wh[0] or size[1] < size_wh[1]:
            left_out.append((path, f"{size[0]}x{size[1]} pixels, smaller than the window"))
        else:
            usable.append(path)
            windows += count_windows(size, size_wh)
    if not usable:
        reasons = "; ".join(f"{path}: {why}" for path, why in left_out[:3])
        raise AnnotationError(
            f"wanted backgrounds that can be read and hold a window of "
            f"{size_wh[0]}x{size_wh[1]}, found none among {len(paths)}"
            + (f" ({reasons})" if reasons else ""),
            path=bg,
        )
    return Backgrounds(tuple(usable), tuple(left_out), windows)


def _background_size(path: Path) -> tuple[int, int] | str:
    """Return the width and height of an image, or why it cannot be used."""
    try:
        height, width = read_gray(path).shape
    except ImageError as error:
        return error.message
    return width, height


def count_windows(image_wh: tuple[int, int], size_wh: tuple[int, int]) -> int:
    """Return how many windows the program takes from an image in its first pass.

    From the smallest scale at which one window fits up to the full size, √2 apart, in steps of
    half a window. See: ``CvCascadeImageReader::NegReader``, apps/traincascade/imagestorage.cpp.
    """
    scale = max(window / side for window, side in zip(size_wh, image_wh, strict=True))
    found = 0
    while scale <= 1:
        steps = (
            max(math.ceil((scale * side - 1.5 * window) / max(window // 2, 1)), 0) + 1
            for side, window in zip(image_wh, size_wh, strict=True)
        )
        found += math.prod(steps)
        scale *= math.sqrt(2)
    return found


def lay_out_backgrounds(
    backgrounds: Backgrounds, folder: Path, progress: Progress = SILENT
) -> Path:
    """Write the program's list of backgrounds, and return it.

    Images of formats that the program may not read are copied as PNG files, and images whose
    names cannot stand in its list get links, all below `folder`. Those left out are listed there,
    too.
    """
    make_folder(folder)
    listed = [
        _readable(path.absolute(), folder / f"{number:07d}")
        for number, path in enumerate(
            progress.track(backgrounds.usable, "listing backgrounds", unit="image")
        )
    ]
    if backgrounds.left_out:
        lines = [f"{path}\t{why}\n" for path, why in backgrounds.left_out]
        write_text(folder / "left_out.txt", "".join(lines), overwrite=True)
    target = folder / "bg.txt"
    write_background_list(target, listed, overwrite=True)
    return target


def _readable(path: Path, stand_in: Path) -> Path:
    """Return an image, or what stands for one that the program cannot open by its name."""
    if not programs_read(path):
        copy = stand_in.with_suffix(".png")
        write_image(copy, read_gray(path), overwrite=True)
        return copy
    if not fits_background_list(str(path)):
        stand_in.unlink(missing_ok=True)
        stand_in.symlink_to(path)
        return stand_in
    return path


def tell_plan(
    settings: ProgramSettings, backgrounds: Backgrounds, buffers: Buffers, progress: Progress
) -> None:
    """Note what a training is about to take, and what may surprise."""
    progress.note(
        f"each stage: {settings.positives} positives, {settings.negatives} negatives from "
        f"{len(backgrounds.usable)} backgrounds"
    )
    if backgrounds.left_out:
        path, why = backgrounds.left_out[0]
        progress.note(
            f"{len(backgrounds.left_out)} backgrounds are left out (engine/backgrounds/"
            f"left_out.txt lists them), the first {path}: {why}"
        )
    if backgrounds.windows < (settings.negatives or 0):
        progress.note(
            f"the backgrounds have about {backgrounds.windows} windows, which are fewer than the "
            "negatives: they are taken again and again, a pixel apart"
        )
    if not buffers.whole:
        progress.note(
            f"the caches (values {buffers.value_mb} MB, indices 2 × {buffers.index_mb} MB) do not "
            "hold all features: more memory, or fewer samples, would make the training faster"
        )
