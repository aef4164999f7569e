"""Warp a few images of an object into the many samples of a ``.vec`` file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np

from fercli.annotations.notes import input_notes
from fercli.cascade.samples.options import WarpRules
from fercli.cascade.samples.results import Created, Engine
from fercli.cascade.samples.scene import (
    Scene,
    cut_window,
    read_background,
    read_scene,
    with_skip_hint,
)
from fercli.cascade.samples.vec import Samples, vec_writer
from fercli.cascade.samples.warping import Foreground, compose, draw_pose, fitted
from fercli.common.errors import FerError, ImageError
from fercli.common.files import atomic_write, require_absent
from fercli.common.images import ImageArray
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress

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
    workers: int | None = None,
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
        What warps: fer on `workers` cores, or ``opencv_createsamples`` from the folder `tools`.
        Angles and intensities have the same distributions, the samples differ. Defaults to
        "native".
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
    workers: int | None,
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
