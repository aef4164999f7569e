"""Check and prepare the input of ``opencv_traincascade``, and plan its memory.

The program does not check its input: a wrong size aborts it in the first stage, unreadable
backgrounds are skipped silently, a blank line ends their list. So the input is checked here, and
the program gets a list of absolute names of usable images.
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
from fercli.annotations.reading import read_objects
from fercli.cascade.opencv3 import ProgramSettings
from fercli.cascade.samples.inspection import usable_positives
from fercli.cascade.samples.vec import VecInfo, describe_vec
from fercli.common.errors import AnnotationError, ImageError, OptionError, VecError
from fercli.common.files import find_files, make_folder, write_text
from fercli.common.images import read_gray, write_image
from fercli.common.parallel import parallel_map
from fercli.common.processes import available_memory
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

#: Stages reject positives outside their training set more often than those in it, so more are
#: consumed than the hit rate implies: 1.14 times as many for 10 LBP stages on 7,000 faces of
#: FER-2013. If that is not enough, a training continues with fewer positives.
REJECTION_MARGIN = 1.25

#: A node of no more samples is not split, so no stage can be trained.
MIN_SAMPLES_TO_SPLIT = 10


def resolve_counts(settings: ProgramSettings, vec: VecInfo) -> ProgramSettings:
    """Return the settings with the numbers of positives and negatives filled in.

    Raises
    ------
    OptionError
        More positives are asked for than the file has, or there are too few samples in all.
    """
    most = most_positives(vec.count, settings)
    positives = settings.positives or max(most, 1)
    negatives = settings.negatives or max(positives // 2, 1)
    if positives > vec.count:
        raise OptionError(
            f"`positives` is {positives}, but {vec.path} has only {vec.count} samples",
            hint=f"omit `positives`, to use {most} for each of {settings.stages} stages",
        )
    if positives + negatives <= MIN_SAMPLES_TO_SPLIT:
        raise OptionError(
            f"A training needs more than {MIN_SAMPLES_TO_SPLIT} samples, got {positives} positives "
            f"and {negatives} negatives",
            hint="use more of them",
        )
    return replace(settings, positives=positives, negatives=negatives)


def most_positives(samples: int, settings: ProgramSettings) -> int:
    """Return the number of positives per stage with which `samples` suffice for all stages."""
    rejected = REJECTION_MARGIN * (1 - settings.min_hit_rate)
    return usable_positives(samples, stages=settings.stages, hit_rate=1 - rejected)


def check_positives(settings: ProgramSettings, progress: Progress = SILENT) -> VecInfo:
    """Describe the ``.vec`` file, after checking that its samples have the window's size.

    Raises
    ------
    VecError
        It is not a ``.vec`` file, is empty, or its samples do not have the window's size.
    InputError
        It is missing or cannot be read.
    """
    assert settings.vec is not None  # `check` has seen to it
    vec = describe_vec(settings.vec)
    width, height = settings.size_wh
    if vec.vec_size != width * height:
        sizes = ", ".join(f"{w}x{h}" for w, h in vec.sizes_wh)
        raise VecError(
            f"Expected samples of {width}x{height} = {width * height} pixels, the file holds "
            f"samples of {vec.vec_size}",
            hint=f"set `size` to the one they were made with ({sizes})",
            path=vec.path,
        )
    if vec.count == 0:
        raise VecError("The file holds no sample", path=vec.path)
    for problem in vec.problems:
        progress.note(f"{vec.path}: {problem}")
    return vec


@dataclass(frozen=True)
class Backgrounds:
    """The backgrounds of a training.

    Parameters
    ----------
    usable : tuple of Path
        Readable images no smaller than the window, in the order of the list.
    left_out : tuple of (Path, str)
        The others, and the reasons.
    windows : int
        Number of windows that the program takes from them in its first pass.
    """

    usable: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]
    windows: int


def check_backgrounds(
    bg: Path, size_wh: tuple[int, int], *, progress: Progress = SILENT
) -> Backgrounds:
    """Open every background of a list or below a folder, and return the usable ones.

    Raises
    ------
    AnnotationError
        None is usable.
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
    # The program takes windows from anywhere in an image.
    objects = {record.path for record in read_objects(bg) or () if record.boxes}
    usable, left_out, windows = [], [], 0
    for path, size in zip(paths, found, strict=True):
        if path in objects:
            left_out.append((path, "objects are annotated in it"))
        elif isinstance(size, str):
            left_out.append((path, size))
        elif size[0] < size_wh[0] or size[1] < size_wh[1]:
            left_out.append((path, f"{size[0]}x{size[1]} pixels, smaller than the window"))
        else:
            usable.append(path)
            windows += count_windows(size, size_wh)
    if not usable:
        reasons = "; ".join(f"{path}: {why}" for path, why in left_out[:3])
        raise AnnotationError(
            f"None of {len(paths)} backgrounds can be read and is at least as large as the window "
            f"of {size_wh[0]}x{size_wh[1]}" + (f" ({reasons})" if reasons else ""),
            path=bg,
        )
    return Backgrounds(tuple(usable), tuple(left_out), windows)


def _background_size(path: Path) -> tuple[int, int] | str:
    """Return the width and height of an image, or the reason why it is unusable."""
    try:
        height, width = read_gray(path).shape
    except ImageError as error:
        return error.message
    return width, height


def count_windows(image_wh: tuple[int, int], size_wh: tuple[int, int]) -> int:
    """Return the number of windows that the program takes from an image in its first pass.

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


def prepare_backgrounds(
    backgrounds: Backgrounds, folder: Path, progress: Progress = SILENT
) -> Path:
    """Write the program's list of backgrounds, and return it.

    Images of formats that the program may not read are copied as PNG files, and images whose
    names do not fit its list get links, all below `folder`. Unusable ones are listed there in
    ``left_out.txt``.
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
    """Return an image, or the copy or link of one that the program cannot open by its name."""
    if not programs_read(path):
        copy = stand_in.with_suffix(".png")
        write_image(copy, read_gray(path), overwrite=True)
        return copy
    if not fits_background_list(str(path)):
        stand_in.unlink(missing_ok=True)
        stand_in.symlink_to(path)
        return stand_in
    return path


def note_plan(
    settings: ProgramSettings, backgrounds: Backgrounds, buffers: Buffers, progress: Progress
) -> None:
    """Note the samples of a stage, and anything that may surprise."""
    progress.note(
        f"each stage: {settings.positives} positives, {settings.negatives} negatives from "
        f"{counted(len(backgrounds.usable), 'background')}"
    )
    if backgrounds.left_out:
        path, why = backgrounds.left_out[0]
        progress.note(
            f"left out: {counted(len(backgrounds.left_out), 'background')} (engine/backgrounds/"
            f"left_out.txt lists all), the first {path}: {why}"
        )
    if backgrounds.windows < (settings.negatives or 0):
        progress.note(
            f"the backgrounds have about {backgrounds.windows} windows, fewer than the negatives: "
            "they are reused, shifted by a pixel"
        )
    if not buffers.whole:
        progress.note(
            f"the caches (values {buffers.value_mb} MB, indices 2 × {buffers.index_mb} MB) do not "
            "hold all features; more memory or fewer samples would make the training faster"
        )


# The two caches of ``opencv_traincascade``: of the features' values and of their sorted order.
#
# For n samples and F features all values take 4·n·F bytes, all orders 2·n·F (4·n·F from 65,536
# samples on), of which the program keeps two copies.
#
# See: ``CvCascadeBoostTrainData::setData``, apps/traincascade/boost.cpp.


#: Share of the free memory that the buffers may take: the system and other programs need some.
USABLE_MEMORY = 0.8

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Buffers:
    """The two caches of the program.

    Parameters
    ----------
    index_mb, value_mb : int
        What its options say, in units of 2^20 bytes. It takes twice the former.
    whole : bool
        Whether all features fit into both.
    """

    index_mb: int
    value_mb: int
    whole: bool = True


def count_features(settings: ProgramSettings) -> int:
    """Return how many features the window has."""
    from fercli.cascade.features.haar import haar_features
    from fercli.cascade.features.lbp import lbp_features

    if settings.feature_type == "LBP":
        return len(lbp_features(settings.size_wh))
    return len(haar_features(settings.size_wh, settings.mode or "BASIC"))


def plan_buffers(
    settings: ProgramSettings,
    features: int,
    memory: int | None = None,
) -> Buffers:
    """Return buffers that hold all features if memory allows, those of indices first.

    A feature whose values are cached but not its sorted order is sorted again for every weak
    classifier, which costs more than computing its values again.

    Parameters
    ----------
    settings : ProgramSettings
        With `positives` and `negatives`; `index_buffer` and `value_buffer` are kept to.
    features : int
        How many the window has.
    memory : int, optional
        Bytes that may be taken. Defaults to `USABLE_MEMORY` of what is free.

    Raises
    ------
    OptionError
        The samples alone do not fit into memory, or the buffers asked for do not.
    """
    assert settings.positives is not None
    assert settings.negatives is not None
    samples = settings.positives + settings.negatives
    if memory is None:
        memory = int(available_memory() * USABLE_MEMORY)
    memory = (memory - _samples_bytes(settings, samples)) // MEGABYTE
    # LBP has no order to cache: its values are categories.
    index_bytes = 0 if settings.feature_type == "LBP" else (2 if samples < 1 << 16 else 4)
    all_index = math.ceil(index_bytes * samples * features / MEGABYTE)
    all_value = math.ceil(4 * samples * features / MEGABYTE)
    index = min(all_index, _asked(settings.index_buffer, memory // 2))
    value = min(all_value, _asked(settings.value_buffer, memory - 2 * index))
    if memory < 2 * index + value or memory < 0:
        raise OptionError(
            f"Expected {2 * index + value + max(-memory, 0)} MB of memory for {samples} samples of "
            f"{features} features, found {max(memory, 0)} MB free",
            hint="use a smaller `value_buffer` and `index_buffer`, or fewer `positives` and "
            "`negatives`",
        )
    return Buffers(index, value, whole=(index, value) == (all_index, all_value))


def _asked(asked: int | None, room: int) -> int:
    return max(room, 0) if asked is None else asked


def _samples_bytes(settings: ProgramSettings, samples: int) -> int:
    """Return what the samples' integral images take; for Haar features tilted ones, too."""
    width, height = settings.size_wh
    images = 1 if settings.feature_type == "LBP" else 2
    return samples * images * 4 * (width + 1) * (height + 1)
