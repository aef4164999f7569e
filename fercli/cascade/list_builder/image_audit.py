"""Audit images: each is opened once, on all cores, and what is in it is recorded.

One that cannot be used is recorded with the reason and never ends the audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fercli.annotations.base import Record
from fercli.annotations.opencv_lists import programs_read
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import DEFAULTS, Detector
from fercli.cascade.list_builder.options import BoxRules
from fercli.common.boxes import Box, clip_box, fit_box, has_shape
from fercli.common.errors import AnnotationError, FerError, ImageError, image_errors
from fercli.common.images import ImageArray, digest_of, read_gray
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress

#: Gives the boxes of the objects in a gray image.
FindBoxes = Callable[[ImageArray], Sequence[Box]]


class CascadeBoxes:
    """Finds objects with a cascade; may be called from several threads at once.

    Parameters
    ----------
    path : Path
        The cascade's file.
    options : DetectionOptions
        How images are searched. Defaults to ``detectMultiScale``'s way.

    Raises
    ------
    CascadeFileError
        The file is no cascade that a detector may load.
    """

    def __init__(self, path: Path, options: DetectionOptions = DEFAULTS) -> None:
        self._detector = Detector(path)
        self._options = options

    def __call__(self, image: ImageArray) -> tuple[Box, ...]:
        """Return the boxes in an image, from top to bottom and left to right."""
        found = self._detector.detect(image, self._options).boxes_xywh.tolist()
        return tuple(sorted((tuple(box) for box in found), key=lambda box: (box[1], box[0])))


@dataclass(frozen=True)
class LeftOut:
    """An image, or a box in it, that cannot be used, and why.

    Parameters
    ----------
    path : Path
        The image, or the file of annotations.
    reason : str
        One of few words, to be counted: "unreadable", "duplicate", …
    detail : str
        The rest of it.
    box_xywh : (int, int, int, int), optional
        The box, where it is not the whole image.
    """

    path: Path
    reason: str
    detail: str = ""
    box_xywh: Box | None = None


@dataclass(frozen=True)
class Sample:
    """A box to be cropped.

    Parameters
    ----------
    box_xywh : (int, int, int, int)
        The box, all of it in the image.
    digest : bytes
        Of the pixels in it.
    clipped : bool
        Whether the box lay partly outside the image before.
    stretched : bool
        Whether the image was too small to widen the box to the window's shape.
    """

    box_xywh: Box
    digest: bytes = field(repr=False)
    clipped: bool = False
    stretched: bool = False


@dataclass(frozen=True)
class AuditedImage:
    """An image that could be opened.

    Parameters
    ----------
    path : Path
        The image.
    size_wh : (int, int)
        Its size.
    digest : bytes
        Of its pixels and size: equal for images that are the same in every pixel.
    samples : tuple of Sample
        Its usable boxes.
    left_out : tuple of LeftOut
        Its other boxes.
    plain : bool
        Whether OpenCV's programs read its format, however they were built.
    """

    path: Path
    size_wh: tuple[int, int]
    digest: bytes = field(repr=False)
    samples: tuple[Sample, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    plain: bool = True


def audit_positives(
    records: Sequence[Record],
    rules: BoxRules,
    *,
    find_boxes: FindBoxes | None = None,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> Iterator[AuditedImage | LeftOut]:
    """Yield what is found for each record, in order.

    Parameters
    ----------
    records : sequence of Record
        The images and their boxes.
    rules : BoxRules
        What becomes of the boxes.
    find_boxes : callable, optional
        Gives the boxes instead of the records. Called from several threads.
    workers, progress
        As `parallel_map`.
    """
    look = partial(_positive, rules=rules, find_boxes=find_boxes)
    return parallel_map(
        look,
        records,
        workers=workers,
        prefer="threads",
        progress=progress,
        description="positives",
    )


def audit_negatives(
    paths: Sequence[Path],
    *,
    find_boxes: FindBoxes | None = None,
    window_wh: tuple[int, int] = (1, 1),
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> Iterator[AuditedImage | LeftOut]:
    """Yield what is found for each negative, in order.

    Parameters
    ----------
    paths : sequence of Path
        The images.
    find_boxes : callable, optional
        Where it finds something the image is left out. Called from several threads.
    window_wh : (int, int)
        Smaller images are left out.
    workers, progress
        As `parallel_map`.
    """
    look = partial(_negative, find_boxes=find_boxes, window_wh=window_wh)
    return parallel_map(
        look,
        paths,
        workers=workers,
        prefer="threads",
        progress=progress,
        description="negatives",
    )


def without_duplicates(images: Iterable[AuditedImage]) -> Iterator[AuditedImage]:
    """Yield the images less the samples whose very pixels came before."""
    first: dict[bytes, Path] = {}
    for image in images:
        new: list[Sample] = []
        left_out = list(image.left_out)
        for sample in image.samples:
            if sample.digest in first:
                detail = f"the same pixels as in {first[sample.digest]}"
                left_out.append(LeftOut(image.path, "duplicate", detail, sample.box_xywh))
            else:
                first[sample.digest] = image.path
                new.append(sample)
        yield replace(image, samples=tuple(new), left_out=tuple(left_out))


def without_equals(
    images: Iterable[AuditedImage], others: Iterable[AuditedImage]
) -> Iterator[AuditedImage | LeftOut]:
    """Yield the images less those that are, pixel by pixel, among `others` or came before."""
    first = {other.digest: ("also a positive", other.path) for other in others}
    for image in images:
        if image.digest in first:
            reason, path = first[image.digest]
            yield LeftOut(image.path, reason, f"the same pixels as {path}")
        else:
            first[image.digest] = ("duplicate", image.path)
            yield image


def _positive(
    record: Record, rules: BoxRules, find_boxes: FindBoxes | None
) -> AuditedImage | LeftOut:
    try:
        with image_errors(record.path):
            audited, image = _opened(record.path)
            boxes = find_boxes(image) if find_boxes else _boxes_of(record, audited.size_wh)
    except FerError as error:
        return _unusable(record.path, error)
    found = [
        box if isinstance(box, LeftOut) else _sample(box, image, rules, record.path)
        for box in boxes
    ]
    return replace(
        audited,
        samples=tuple(each for each in found if isinstance(each, Sample)),
        left_out=tuple(each for each in found if isinstance(each, LeftOut)),
    )


def _negative(
    path: Path, find_boxes: FindBoxes | None, window_wh: tuple[int, int]
) -> AuditedImage | LeftOut:
    try:
        with image_errors(path):
            audited, image = _opened(path)
            boxes = find_boxes(image) if find_boxes else ()
    except FerError as error:
        return _unusable(path, error)
    if not _holds(audited.size_wh, window_wh):
        return LeftOut(path, "smaller than the window", _size_text(audited.size_wh))
    if boxes:
        where = " ".join(map(str, boxes[0]))
        return LeftOut(path, "seems to hold the object", f"{len(boxes)} found, one at {where}")
    return audited


def _opened(path: Path) -> tuple[AuditedImage, ImageArray]:
    image = read_gray(path)
    size_wh = image.shape[1], image.shape[0]
    return AuditedImage(path, size_wh, digest_of(image), plain=programs_read(path)), image


def _boxes_of(record: Record, size_wh: tuple[int, int]) -> Iterator[Box | LeftOut]:
    """Yield the boxes in pixels; one that is not finite costs no other."""
    for box in record.boxes:
        try:
            found = replace(record, boxes=(box,)).in_pixels(size_wh)
        except AnnotationError as error:
            yield LeftOut(record.path, "malformed annotation", error.message)
            continue
        yield from found.boxes_xywh
        for ignored in found.ignored_xywh:
            yield LeftOut(record.path, "to be ignored", "as the annotations say", ignored)


def _unusable(path: Path, error: FerError) -> LeftOut:
    reason = "unreadable" if isinstance(error, ImageError) else "malformed annotation"
    return LeftOut(path, reason, error.message)


def _sample(box: Box, image: ImageArray, rules: BoxRules, path: Path) -> Sample | LeftOut:
    size_wh = image.shape[1], image.shape[0]
    fitted = fit_box(box, size_wh, padding=rules.padding, window_wh=rules.window_wh)
    if fitted is None:
        empty = min(box[2:]) <= 0
        reason = "empty box" if empty else "box outside the image"
        return LeftOut(path, reason, f"the image is {_size_text(size_wh)}", box)
    if not _holds(fitted[2:], rules.min_size_wh):
        return LeftOut(path, "too small", _size_text(fitted[2:]), box)
    x, y, width, height = fitted
    pixels = image[y : y + height, x : x + width]
    if pixels.min() == pixels.max():
        return LeftOut(path, "one gray level", _size_text(fitted[2:]), box)
    clipped = clip_box(box, size_wh) != box
    stretched = rules.window_wh is not None and not has_shape(fitted, rules.window_wh)
    return Sample(fitted, digest_of(pixels), clipped, stretched)


def _holds(size_wh: tuple[int, int], window_wh: tuple[int, int]) -> bool:
    return size_wh[0] >= window_wh[0] and size_wh[1] >= window_wh[1]


def _size_text(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"
