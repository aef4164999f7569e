"""Paste an object into backgrounds at known positions: ground truth for an evaluation."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from fercli.annotations.base import AnnotatedImage, input_notes
from fercli.annotations.opencv_lists import write_info
from fercli.cascade.samples.from_images import (
    LARGEST_SHARE,
    Scene,
    read_background,
    read_scene,
    with_skip_hint,
)
from fercli.cascade.samples.options import Created, Engine, WarpRules
from fercli.cascade.samples.warping import compose, draw_pose
from fercli.common.boxes import Box
from fercli.common.errors import (
    FerError,
    ImageError,
    OptionError,
    OutputError,
    OutputExistsError,
)
from fercli.common.files import UNFINISHED, input_error, make_folder, output_error
from fercli.common.images import ImageArray, write_image
from fercli.common.parallel import Workers, parallel_map, require_no_cluster
from fercli.common.progress import SILENT, Progress

#: Range of the object's left and top, as shares of the space beside it.
POSITION_RANGE = (0.1, 0.8)


def create_test_images(
    images: Sequence[Path],
    folder: Path,
    num: int | None = None,
    rules: WarpRules | None = None,
    *,
    max_scale: float | None = None,
    engine: Engine = "native",
    tools: Path | None = None,
    workers: int | Workers | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Created:
    """Paste warped views of an object into backgrounds, and write the ground truth.

    Parameters
    ----------
    images : sequence of Path
        Images of the object, used in turn.
    folder : Path
        Receives the images, named by number, x, y, width and height of the box, and ``info.dat``.
    num : int, optional
        Images to make; backgrounds are reused if there are fewer. Defaults to one per
        background.
    rules : WarpRules, optional
        How the object is warped; `size_wh` is the smallest object, `backgrounds` is required.
    max_scale : float, optional
        Size of the largest object in multiples of the window. Defaults to `LARGEST_SHARE` of
        each background.
    engine : {"native", "opencv"}
        Which engine pastes. Defaults to "native".
    overwrite : bool
        Whether files in `folder` may be replaced. Defaults to False: it must be empty.

    Raises
    ------
    OptionError, ImageError, DependencyError, ProgramError
        As `fercli.cascade.samples.from_images.create_from_images`.
    OutputError
        `folder` is not empty, or cannot be written.
    """
    started = time.monotonic()
    rules = rules or WarpRules()
    if engine == "opencv":
        require_no_cluster(workers)
    if rules.backgrounds is None:
        raise OptionError(
            "Test images need backgrounds", hint="give a list of images with `backgrounds`"
        )
    scene = read_scene(images, rules)
    num = len(scene.backgrounds) if num is None else num
    created = Created(folder / "info.dat", 0, rules.size_wh, "test images", notes=scene.notes())
    with _atomic_fill(folder, overwrite=overwrite) as staging:
        if engine == "native":
            work = _paste_natively(scene, staging, num, max_scale, workers, progress)
        else:
            work = _paste_with_program(scene, staging, num, max_scale, tools, workers, progress)
        created.count, created.left_out = work
    created.input_notes = input_notes()
    created.seconds = time.monotonic() - started
    return created


def paste(
    scene: Scene, number: int, background: ImageArray, max_scale: float | None = None
) -> tuple[ImageArray, Box]:
    """Return a background with the object of a scene in it, and the object's box.

    Parameters
    ----------
    scene : Scene
    number : int
        Selects the scene's image and, with its seed, the random numbers.
    background : ndarray of uint8, shape (height, width)
    max_scale : float, optional
        As in `create_test_images`; limited by the background.

    Returns
    -------
    ndarray of uint8, shape (height, width), and (int, int, int, int)
    """
    rng = np.random.default_rng([scene.rules.seed, number])
    foreground = scene.foregrounds[number % len(scene.foregrounds)]
    box = _draw_box(background, scene.rules.size_wh, max_scale, rng)
    x, y, width, height = box
    pose = draw_pose(foreground.size_wh, scene.rules.distortion, rng)
    image = background.copy()
    window = image[y : y + height, x : x + width]
    window[:] = compose(foreground, pose, window, inscribe=True)
    return image, box


def _draw_box(
    background: ImageArray,
    size_wh: tuple[int, int],
    max_scale: float | None,
    rng: np.random.Generator,
) -> Box:
    room = np.array(background.shape[::-1])
    size = np.array(size_wh)
    largest = float((room / size).min())
    most = LARGEST_SHARE * largest if max_scale is None else min(max_scale, largest)
    extent = (rng.uniform(1, max(most, 1)) * size).astype(int)
    corner = (rng.uniform(*POSITION_RANGE, size=2) * (room - extent)).astype(int)
    x, y, width, height = (int(number) for number in (*corner, *extent))
    return x, y, width, height


def _paste_natively(
    scene: Scene,
    folder: Path,
    num: int,
    max_scale: float | None,
    workers: int | Workers | None,
    progress: Progress,
) -> tuple[int, list[FerError]]:
    rng = np.random.default_rng(scene.rules.seed)
    jobs = list(enumerate(islice(_in_random_order(scene.backgrounds, rng), num)))
    paste_job = partial(_paste_job, scene, folder, max_scale)
    done = parallel_map(
        paste_job,
        jobs,
        workers=workers,
        prefer="threads",
        progress=progress,
        description="pasting",
    )
    marked: list[AnnotatedImage] = []
    errors: dict[str, FerError] = {}
    for result in done:
        if isinstance(result, AnnotatedImage):
            marked.append(result)
        elif scene.rules.skip_bad:
            errors[str(result)] = result
        else:
            raise with_skip_hint(result)
    if not marked:
        raise next(iter(errors.values()))
    write_info(folder / "info.dat", marked)
    return len(marked), list(errors.values())


def _in_random_order(paths: Sequence[Path], rng: np.random.Generator) -> Iterator[Path]:
    """Yield all paths in random order, then in another random order, without end."""
    while True:
        yield from (paths[at] for at in rng.permutation(len(paths)))


def _paste_job(
    scene: Scene, folder: Path, max_scale: float | None, job: tuple[int, Path]
) -> AnnotatedImage | ImageError:
    number, path = job
    try:
        background = read_background(path, scene.rules.size_wh)
    except ImageError as error:
        return error
    image, box = paste(scene, number, background, max_scale)
    name = "_".join(f"{value:04d}" for value in (number + 1, *box)) + ".jpg"
    # Work of a worker that dies is done again.
    write_image(folder / name, image, overwrite=True)
    return AnnotatedImage(folder / name, (box,))


def _paste_with_program(
    scene: Scene,
    folder: Path,
    num: int,
    max_scale: float | None,
    tools: Path | None,
    workers: int | Workers | None,
    progress: Progress,
) -> tuple[int, list[FerError]]:
    from fercli.cascade.opencv3.createsamples import write_test_images

    return write_test_images(scene, folder, num, max_scale, tools, workers, progress)


@contextmanager
def _atomic_fill(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder whose files are moved to `folder` if the body succeeds."""
    if not overwrite and folder.exists() and _holds_anything(folder):
        raise OutputExistsError(
            "The folder already exists and is not empty",
            hint="use `overwrite`, or another name",
            path=folder,
        )
    make_folder(folder.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder.parent) as name:
            yield Path(name)
            make_folder(folder)
            for file in sorted(Path(name).iterdir()):
                file.replace(folder / file.name)
    except OutputError as error:
        raise OutputError(error.message, hint=error.hint, path=folder) from error
    except OSError as error:
        raise output_error(error, folder) from error


def _holds_anything(folder: Path) -> bool:
    try:
        return any(True for _ in folder.iterdir())
    except OSError as error:
        raise input_error(error, folder, wanted="a folder") from error
