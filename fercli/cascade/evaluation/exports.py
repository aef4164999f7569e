"""Write cascades for other programs and devices, and measure what they decide there.

Each format is a module of `fercli.cascade.model.export`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fercli.annotations.base import AnnotatedImage
from fercli.cascade.detection.grid import Layer, detector_layers
from fercli.cascade.detection.openmv import (
    CameraDetector,
    CameraTables,
    camera_tables,
    decide,
    find_features,
    raise_contrast,
)
from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.downloads import skimage_file
from fercli.cascade.evaluation.evaluate import annotated_images, evaluate
from fercli.cascade.evaluation.matching import CenterRule, match
from fercli.cascade.model import Cascade, read_cascade
from fercli.cascade.model.export import identifier
from fercli.cascade.model.export.c import c_header, has_whole_numbers, table_bytes, work_bytes
from fercli.cascade.model.export.js import js_module, js_page
from fercli.cascade.model.export.opencv1 import opencv1_text, unbalanced
from fercli.cascade.model.export.openmv import (
    openmv_bytes,
    padding,
    read_openmv,
    with_camera_norm,
)
from fercli.common.errors import (
    CascadeFileError,
    DependencyError,
    ImageError,
    InputError,
    OptionError,
)
from fercli.common.files import atomic_write, list_folder, require_absent
from fercli.common.images import ImageArray, read_gray
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

FormatName = Literal["openmv", "c", "js", "opencv1"]

#: Windows that decisions are compared on, at least, if there are so many.
WINDOWS = 1_000_000
#: Of the camera's own search that is tried, and what counts as found.
SCALE_FACTORS = (1.25, 1.1)
FOUND = CenterRule(max_distance=0.3, max_size_ratio=2.0)
#: Photographs of scikit-image's package that are looked at when none are given.
PHOTOGRAPHS = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png",
    "motorcycle_right.png", "rocket.jpg",
)  # fmt: skip


@dataclass(frozen=True)
class CameraSearch:
    """What ``img.find_features`` of a camera finds.

    Parameters
    ----------
    scale_factor : float
    found, false_alarms : int
        Detections whose center and size fit an object (`FOUND`), and others.
    """

    scale_factor: float
    found: int
    false_alarms: int

    def __str__(self) -> str:
        false_alarms = counted(self.false_alarms, "false alarm")
        return f"{self.found:,} with {false_alarms} at scale_factor {self.scale_factor:g}"


@dataclass(frozen=True)
class CameraCost:
    """What the arithmetic of an OpenMV camera changes.

    Parameters
    ----------
    images, windows : int
        How much was looked at.
    accepted, accepted_by_camera, different : int
        Windows that cv2 accepts, that the camera accepts, and that they decide otherwise.
    low_contrast : int
        Those of `different` that the camera passes over for their variance.
    objects : int
        Annotated ones; 0 if there is no ground truth.
    average_precision : float, optional
        By cv2.
    average_precision_fixed_point : float, optional
        By the camera's arithmetic, without its rule on the variance.
    average_precision_camera : float, optional
        With it.
    searches : tuple of CameraSearch
        What the camera finds by its own search, which looks at fewer windows than cv2.
    """

    images: int
    windows: int
    accepted: int
    accepted_by_camera: int
    different: int
    low_contrast: int
    objects: int = 0
    average_precision: float | None = None
    average_precision_fixed_point: float | None = None
    average_precision_camera: float | None = None
    searches: tuple[CameraSearch, ...] = ()

    def to_text(self) -> str:
        """Return the cost in lines."""
        million = 1e6 * self.different / max(self.windows, 1)
        lines = [
            f"windows: {self.windows:,} in {counted(self.images, 'image')}; cv2 accepts "
            f"{self.accepted:,}, the camera {self.accepted_by_camera:,}",
            f"decided otherwise: {self.different:,}, {million:.0f} in a million, of which "
            f"{self.low_contrast:,} have too little contrast for the camera "
            "(variance below 2500)",
        ]
        if self.average_precision is not None:
            lines.append(
                f"AP of {counted(self.objects, 'object')}: cv2 {self.average_precision:.3f}, fixed "
                f"point {self.average_precision_fixed_point:.3f}, with the camera's rule on "
                f"contrast {self.average_precision_camera:.3f}"
            )
            lines.append(f"its own search finds {', '.join(map(str, self.searches))}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Export:
    """A cascade in another format.

    Parameters
    ----------
    path : Path
        The file.
    format : str
    stages, weak_classifiers, bytes : int
        What the file holds.
    cost : CameraCost, optional
        What the device's arithmetic changes, where it was measured.
    notes : tuple of str
        What to know of it.
    """

    path: Path
    format: FormatName
    stages: int
    weak_classifiers: int
    bytes: int
    cost: CameraCost | None = None
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the export in lines."""
        return "\n".join(
            [
                f"{self.path}: {self.format}, {counted(self.stages, 'stage')}, "
                f"{counted(self.weak_classifiers, 'weak classifier')}, {self.bytes:,} bytes",
                *([self.cost.to_text()] if self.cost else []),
                *(f"note: {note}" for note in self.notes),
            ]
        )


@dataclass(frozen=True)
class MeasuringImages:
    """The images that an export is measured on.

    Parameters
    ----------
    truth : Path, optional
        Annotated images, with `format`, `labels` and `box_format` as `read_records`.
    images : Path, optional
        A folder of images; with `truth`, that of its images. Without either, photographs of
        scikit-image's package are taken.
    format, labels, box_format
        See `truth`.
    contrast : float
        How many times the camera raises the contrast of an image before it searches it, see
        `raise_contrast`. Defaults to 1.
    """

    truth: Path | None = None
    images: Path | None = None
    format: str | None = None
    labels: Collection[str] = ()
    box_format: Literal["xywh", "xyxy"] | None = None
    contrast: float = 1.0

    def annotated(self) -> list[AnnotatedImage]:
        """Return the images, with their boxes if there is a ground truth.

        Raises
        ------
        AnnotationError, InputError
            They are missing or malformed.
        DependencyError
            scikit-image is not installed, and no other images are given.
        """
        if self.truth is not None:
            return annotated_images(
                self.truth,
                format=self.format,
                images=self.images,
                labels=self.labels,
                box_format=self.box_format,
            )
        if self.images is None:
            return [AnnotatedImage(skimage_file(name), ()) for name in PHOTOGRAPHS]
        found = list_folder(self.images).found
        if not found:
            raise InputError("There are no images", path=self.images)
        return [AnnotatedImage(path, ()) for path in found]


def export_cascade(
    source: Path,
    out: Path,
    to: FormatName,
    *,
    images: MeasuringImages | None = None,
    camera_norm: bool = False,
    align: bool = False,
    page: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Export:
    """Write a cascade in the format of another program or device.

    Parameters
    ----------
    source : Path
        A cascade of any format that `read_cascade` reads.
    out : Path
        The file to write.
    to : {"openmv", "c", "js", "opencv1"}
    images : MeasuringImages, optional
        openmv: what it is measured on. Defaults to nothing: it is not measured.
    camera_norm : bool
        openmv: whether thresholds are fitted to the camera's norm, see `with_camera_norm`.
    align : bool
        openmv: whether the file is one for firmware that has its own cascades in ``/rom``, see
        `openmv_bytes`. Defaults to False.
    page : Path, optional
        js: where to write a page with the module that shows what a camera sees.
    overwrite : bool
        Whether `out` and `page` may be replaced. Defaults to False.
    progress : Progress, optional

    Raises
    ------
    CascadeFileError
        The file is no cascade, or one that the format cannot express; says which options of a
        training avoid it.
    OptionError
        `camera_norm`, `align` or `images` with another format than openmv, `page` with another
        than js, or one that is `out`.
    OutputExistsError, OutputError
        `out` or `page` exists and `overwrite` is False, or cannot be written.
    """
    cascade = read_cascade(source, repair=True)
    notes: list[str] = []
    cost = None
    for given, option in ((camera_norm, "camera_norm"), (align, "align")):
        if given and to != "openmv":
            raise OptionError(f"`{option}` is for openmv, not for {to}")
    if images is not None and to != "openmv":
        raise OptionError(
            f"`truth`, `images`, `contrast`: nothing is measured for {to}, only for openmv"
        )
    if page is not None:
        if to != "js":
            raise OptionError(f"`page` is for js, not for {to}")
        if page.absolute() == out.absolute():
            raise OptionError(f"`page` and `out` are the same file: {page}")
        require_absent(page, overwrite=overwrite)
    try:
        if to == "openmv":
            fitted = with_camera_norm(cascade) if camera_norm else cascade
            data = openmv_bytes(fitted, align=align)
            notes += _notes_of_openmv(len(cascade.stages), align)
        elif to == "c":
            data = c_header(cascade, name=out.stem).encode()
            notes += _notes_of_c(cascade, out)
        elif to == "js":
            data = js_module(cascade, name=out.stem, file=out.name).encode()
            notes.append("windows are decided as OpenCV 4 decides them")
        else:
            data = opencv1_text(cascade, name=out.stem).encode()
            odd = unbalanced(cascade)
            if odd:
                notes.append(
                    f"the weights of {counted(odd, 'feature')} do not cancel out: OpenCV 1 and 2 "
                    "replace the first of them, and decide otherwise than OpenCV 4"
                )
    except CascadeFileError as error:
        raise CascadeFileError(error.message, hint=error.hint, path=source) from error
    with atomic_write(out, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)
    if page is not None:
        with atomic_write(page, overwrite=overwrite) as temporary:
            temporary.write_text(js_page(data.decode(), name=out.stem), encoding="utf-8")
        notes.append(f"{page}: a page with the module inside, which works from a file")
    if to == "openmv" and images is not None:
        try:
            cost = camera_cost(
                source, out, images.annotated(), contrast=images.contrast, progress=progress
            )
        except DependencyError as error:
            notes.append(f"not measured: {error.message}; give images with `images` or `truth`")
    return Export(out, to, len(cascade.stages), cascade.weak_count, len(data), cost, tuple(notes))


def _notes_of_openmv(stages: int, align: bool) -> Iterator[str]:
    skipped = padding(stages)
    if align and skipped:
        yield "firmware without cascades in /rom cannot read this file"
    elif skipped:
        yield (
            f"firmware with cascades in /rom skips {counted(skipped, 'byte')} after the sizes of "
            f"{counted(stages, 'stage')}, and needs a file written with `align`"
        )


def _notes_of_c(cascade: Cascade, out: Path) -> Iterator[str]:
    yield (
        f"tables of {table_bytes(cascade):,} bytes, a work buffer of {work_bytes(cascade, 320):,} "
        "for images of 320 pixels a row"
    )
    integer = f"{identifier(out.stem).upper()}_INTEGER"
    if has_whole_numbers(cascade):
        yield f"windows are decided as OpenCV 4 decides them; in whole numbers with {integer}"
    else:
        yield (
            f"windows are decided as OpenCV 4 decides them; {integer} cannot be used: weights are "
            "no whole numbers, or the window is too large"
        )


# What the arithmetic of an OpenMV camera costs.


def camera_cost(
    cascade: Path,
    exported: Path,
    images: Sequence[AnnotatedImage],
    *,
    contrast: float = 1.0,
    windows: int = WINDOWS,
    progress: Progress = SILENT,
) -> CameraCost:
    """Compare what cv2 and an OpenMV camera decide on the same windows of the same images.

    Parameters
    ----------
    cascade, exported : Path
        The cascade, and its file for OpenMV.
    images : sequence of AnnotatedImage
        Average precision is measured on all of them, if they have objects.
    contrast : float
        As `MeasuringImages`.
    windows : int
        Windows are compared in one image after the other until there are so many.
    progress : Progress, optional

    Raises
    ------
    InputError
        None of the images can be read.
    """
    on_camera = read_openmv(exported)
    counts = np.zeros(5, np.int64)
    looked_at = 0
    scanner, tables = Scanner(read_cascade(cascade, repair=True)), camera_tables(on_camera)
    # In an order of no meaning: neighbors in a list resemble each other.
    order = np.random.default_rng(0).permutation(len(images))
    for at in progress.track(order, "comparing windows", unit="image"):
        if counts[0] >= windows:
            continue
        try:
            gray = read_gray(images[at].path)
        except ImageError as error:
            progress.note(f"left out: {error}")
            continue
        looked_at += 1
        raised = raise_contrast(gray, contrast)
        for layer in detector_layers(gray.shape[::-1], on_camera.size_wh):
            counts += _compared(layer.resize(gray), layer.resize(raised), layer, scanner, tables)
    if not looked_at:
        raise InputError("None of the images can be read")
    seen, accepted, accepted_by_camera, different, low_contrast = counts.tolist()
    cost = CameraCost(looked_at, seen, accepted, accepted_by_camera, different, low_contrast)
    if not (objects := sum(len(image.boxes_xywh) for image in images)):
        return cost
    by_cv2, fixed_point, by_camera = _precisions(cascade, on_camera, images, contrast, progress)
    return replace(
        cost,
        objects=objects,
        average_precision=by_cv2,
        average_precision_fixed_point=fixed_point,
        average_precision_camera=by_camera,
        searches=_searches(tables, images, contrast, progress),
    )


def _compared(
    pixels: ImageArray, by_camera_pixels: ImageArray, layer: Layer, scanner: Scanner, tables: Any
) -> Any:
    """Return how many windows there are, are accepted by each, differ, and are too flat."""
    decided = decide(
        by_camera_pixels, tables, step=layer.step, columns=layer.columns, rows=layer.rows
    )
    found = scanner.scan_layer(pixels, layer.step, columns=layer.columns, rows=layer.rows)
    accepted = np.zeros(decided.passed.shape, np.bool_)
    columns, rows = (found.positions_xy // layer.step).T
    accepted[rows, columns] = True
    by_camera = (decided.passed == len(tables.counts)) & ~decided.low_contrast
    differs = accepted != by_camera
    arrays = (accepted, by_camera, differs, differs & decided.low_contrast)
    return np.array([accepted.size, *(array.sum() for array in arrays)])


def _precisions(
    cascade: Path,
    on_camera: Cascade,
    images: Sequence[AnnotatedImage],
    contrast: float,
    progress: Progress,
) -> tuple[Any, ...]:
    """Return the three average precisions."""
    by_cv2 = evaluate([cascade], images, box_scale="auto", progress=progress).cascades[0]
    fixed_point = CameraDetector(on_camera, any_contrast=True, contrast=contrast)
    by_camera = evaluate(
        [cascade, cascade],
        images,
        detectors=[fixed_point, CameraDetector(on_camera, beside=fixed_point)],
        box_scale=by_cv2.box_scale,
        progress=progress,
    ).cascades
    results = (by_cv2, *by_camera)
    return tuple(result.average_precision or 0.0 for result in results)


def _searches(
    tables: CameraTables, images: Sequence[AnnotatedImage], contrast: float, progress: Progress
) -> tuple[CameraSearch, ...]:
    """Return what the camera finds by its own search, at each of `SCALE_FACTORS`."""
    counts = np.zeros((len(SCALE_FACTORS), 2), np.int64)
    for image in progress.track(images, "searching as the camera", unit="image"):
        with suppress(ImageError):
            gray = raise_contrast(read_gray(image.path), contrast)
            for at, scale_factor in enumerate(SCALE_FACTORS):
                boxes = find_features(gray, tables, scale_factor=scale_factor)
                found = int((match(boxes, image.boxes_xywh, FOUND) >= 0).sum())
                counts[at] += found, len(boxes) - found
    pairs = zip(SCALE_FACTORS, counts.tolist(), strict=True)
    return tuple(CameraSearch(scale_factor, *pair) for scale_factor, pair in pairs)
