"""Crop annotated boxes of images into the samples of a ``.vec`` file."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from fercli.annotations.base import Record, input_notes
from fercli.annotations.reading import read_records
from fercli.cascade.samples.options import Created, CropRules, Engine
from fercli.cascade.samples.vec import Samples, vec_writer
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError, FerError, ImageError, OptionError
from fercli.common.files import IMAGE_EXTENSIONS, atomic_write, require_absent
from fercli.common.images import ImageArray, read_gray
from fercli.common.parallel import Workers, parallel_map, require_no_cluster
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

#: Records that a worker crops at a time.
BATCH = 8

#: Samples that are written together.
WRITTEN_AT_ONCE = 512

#: Below this time per image (in seconds) one core crops all of them: threads would lose more to
#: the interpreter's lock than they gain.
ONE_CORE_SECONDS = 200e-6


def create_from_annotations(
    annotations: Path,
    out: Path,
    rules: CropRules | None = None,
    *,
    format: str | None = None,
    images: Path | None = None,
    labels: Collection[str] = (),
    box_format: Literal["xywh", "xyxy"] | None = None,
    engine: Engine = "native",
    tools: Path | None = None,
    workers: int | Workers | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Created:
    """Crop the annotated boxes of images to a ``.vec`` file.

    Parameters
    ----------
    annotations : Path
        An info file, or annotations of any other format; `format`, `images`, `labels` and
        `box_format` as in `fercli.annotations.reading.read_records`.
    out : Path
        The ``.vec`` file, written whole or not at all.
    rules : CropRules, optional
        Which boxes become samples, and how.
    engine : {"native", "opencv"}
        What crops: fer by `workers`, or ``opencv_createsamples`` from the folder `tools`, with
        input checked beforehand. The two agree within a gray level. Defaults to "native".
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    AnnotationError, ImageError
        The annotations, a box or an image cannot be used; the message has file and record.
    OptionError
        The engine cannot do what `rules` ask for.
    DependencyError, ProgramError
        OpenCV's program is missing, or fails.
    OutputError
        `out` exists already or cannot be written.
    """
    started = time.monotonic()
    rules = rules or CropRules()
    require_absent(out, overwrite=overwrite)
    if engine == "opencv":
        require_no_cluster(workers)
    if engine == "opencv" and rules.mirror:
        raise OptionError(
            "opencv_createsamples cannot do what `mirror` asks for", hint="set `engine` to native"
        )
    records = read_records(
        annotations, format=format, images=images, labels=labels, box_format=box_format
    )
    _require_boxes(records, annotations)
    counter = _CropCounter(Created(out, 0, rules.size_wh), rules)
    crops = counter.counted(_cropped(records, rules, workers, progress))
    if engine == "native":
        _write_natively(crops, out, rules, overwrite)
    else:
        _write_with_program(crops, out, rules, overwrite, tools, progress)
    return counter.result(time.monotonic() - started)


class _CropCounter:
    """Counts crops as they are made, and ends the iteration when there are enough."""

    def __init__(self, created: Created, rules: CropRules) -> None:
        self.created = created
        self.rules = rules
        self.boxes = self.enlarged = self.stretched = 0

    def counted(self, crops: Iterator[Crops]) -> Iterator[Crops]:
        """Yield crops up to the number of boxes asked for; raise the first error unless skipped."""
        most = self.rules.max_boxes
        for each in crops:
            left = None if most is None else most - self.boxes
            if each.errors and not self.rules.skip_bad:
                raise each.errors[0]
            self.created.left_out += each.errors
            each.samples, each.boxes_xywh = each.samples[:left], each.boxes_xywh[:left]
            self._count(each)
            yield each
            if self.boxes == most:
                return

    def _count(self, crops: Crops) -> None:
        size_wh = self.rules.size_wh
        self.boxes += len(crops.boxes_xywh)
        self.enlarged += sum(is_enlarged(box, size_wh) for box in crops.boxes_xywh)
        self.stretched += sum(is_stretched(box, size_wh) for box in crops.boxes_xywh)

    def result(self, seconds: float) -> Created:
        """Return the finished result, with notes."""
        created, num = self.created, self.rules.num
        created.input_notes = input_notes()
        created.seconds = seconds
        made = self.boxes * (2 if self.rules.mirror else 1)
        created.count = made if num is None else min(made, num)
        if num is not None and created.count < num:
            created.notes.append(f"{num} samples were asked for, the annotations give {made}")
        if self.enlarged:
            created.notes.append(
                f"enlarged, being smaller than the sample: {counted(self.enlarged, 'box')}"
            )
        if self.stretched:
            created.notes.append(
                f"stretched, having another aspect ratio than the sample by more than "
                f"{STRETCHED - 1:.0%}: {counted(self.stretched, 'box')} (fer cascade build-info "
                "widens boxes instead)"
            )
        return created


def _require_boxes(records: Sequence[Record], annotations: Path) -> None:
    if any(not box.ignored for record in records for box in record.boxes):
        return
    hint = None
    if not records and annotations.is_dir():
        hint = f"name images with one of the suffixes {', '.join(IMAGE_EXTENSIONS)}"
    raise AnnotationError(
        f"The annotations have no boxes (images listed: {len(records)})",
        hint=hint,
        path=annotations,
    )


def _cropped(
    records: Sequence[Record], rules: CropRules, workers: int | Workers | None, progress: Progress
) -> Iterator[Crops]:
    """Yield the crops of each record, in order, made on all cores."""
    batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    crop_batch = partial(_crop_batch, size_wh=rules.size_wh)
    with progress.bar("cropping", total=len(records), unit="image") as bar:
        # The first image takes longer than others; and what else the machine does is no matter.
        first: list[Crops] = []
        second: list[Crops] = []
        seconds = math.inf
        for batch in batches[:2]:
            started = time.thread_time()
            first, second = second, crop_batch(batch)
            seconds = min(seconds, (time.thread_time() - started) / len(batch))
        where = Workers.of(workers)
        if seconds < ONE_CORE_SECONDS and where.scheduler is None:
            where = Workers(1)
        others = parallel_map(
            crop_batch, batches[2:], workers=where, prefer="threads", note=progress.note
        )
        for crops in itertools.chain([first, second], others):
            yield from crops
            bar.advance(len(crops))


def _crop_batch(records: Sequence[Record], size_wh: tuple[int, int]) -> list[Crops]:
    return [crop_record(record, size_wh) for record in records]


def _write_natively(crops: Iterator[Crops], out: Path, rules: CropRules, overwrite: bool) -> None:
    left = rules.num
    with vec_writer(out, rules.size_wh, overwrite=overwrite) as write:
        for images in _batched(crops):
            samples = to_array(images, rules.size_wh)
            samples = _with_mirrors(samples)[:left] if rules.mirror else samples
            write(samples)
            left = None if left is None else left - len(samples)


def _batched(crops: Iterator[Crops]) -> Iterator[list[ImageArray]]:
    """Yield samples, `WRITTEN_AT_ONCE` or more at a time."""
    images: list[ImageArray] = []
    for each in crops:
        images += each.samples
        if len(images) >= WRITTEN_AT_ONCE:
            yield images
            images = []
    yield images


def _with_mirrors(samples: Samples) -> Samples:
    """Return each sample followed by its mirror image."""
    pairs = np.stack([samples, samples[:, :, ::-1]], axis=1)
    return pairs.reshape(-1, *samples.shape[1:])


def _write_with_program(
    crops: Iterator[Crops],
    out: Path,
    rules: CropRules,
    overwrite: bool,
    tools: Path | None,
    progress: Progress,
) -> None:
    from fercli.cascade.opencv3.createsamples import CreateSamples

    program = CreateSamples(rules.size_wh, tools=tools, progress=progress)
    boxes = [(each.record.path, each.boxes_xywh) for each in crops if each.boxes_xywh]
    with atomic_write(out, overwrite=overwrite) as temporary:
        program.crop(boxes, temporary)


# Cropping: annotated boxes to samples, as ``opencv_createsamples -info`` makes them.
#
# See: ``cvCreateTrainingSamplesFromInfo`` in OpenCV 3.4, apps/createsamples/utility.cpp.


#: A box is called stretched when its shape differs from the window's by more than this factor.
STRETCHED = 1.1

SKIP_HINT = "use `skip_bad` to leave such boxes out; fer cascade check-info lists all of them"


@dataclass
class Crops:
    """The samples of a record, the boxes that they come from, and errors."""

    record: Record
    samples: list[ImageArray] = field(default_factory=list)
    boxes_xywh: list[Box] = field(default_factory=list)
    errors: list[FerError] = field(default_factory=list)


def crop(image: ImageArray, box_xywh: Box, size_wh: tuple[int, int]) -> ImageArray:
    """Return the part of an image in a box, resized to `size_wh`, its shape not kept.

    Averaged over areas where the box is at least as wide and as high as the sample, otherwise
    bilinear. (OpenCV's program does the same; `INTER_LINEAR_EXACT` is the bilinear
    interpolation that gives the same bytes on every machine.)

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
    box_xywh : (int, int, int, int)
    size_wh : (int, int)

    Raises
    ------
    AnnotationError
        The box is empty, or not all of it lies in the image.
    """
    x, y, width, height = box_xywh
    if width <= 0 or height <= 0:
        raise AnnotationError(f"The box is empty: {_shown(box_xywh)}")
    if x < 0 or y < 0 or x + width > image.shape[1] or y + height > image.shape[0]:
        raise AnnotationError(
            f"The box {_shown(box_xywh)} is not inside the image of "
            f"{image.shape[1]}x{image.shape[0]} pixels"
        )
    larger = width >= size_wh[0] and height >= size_wh[1]
    part = image[y : y + height, x : x + width]
    interpolation = cv2.INTER_AREA if larger else cv2.INTER_LINEAR_EXACT
    sample: ImageArray = cv2.resize(part, size_wh, interpolation=interpolation)
    return sample


def crop_record(record: Record, size_wh: tuple[int, int]) -> Crops:
    """Return the samples of a record's boxes, with an error for each that cannot be cropped.

    The errors tell file and record (or line). An image without boxes is not opened.
    """
    crops = Crops(record)
    if all(box.ignored for box in record.boxes):
        return crops
    try:
        image = read_gray(record.path)
        boxes = record.in_pixels((image.shape[1], image.shape[0])).boxes_xywh
    except FerError as error:
        crops.errors.append(_located(error, record))
        return crops
    for number, box in enumerate(boxes, 1):
        try:
            crops.samples.append(crop(image, box, size_wh))
            crops.boxes_xywh.append(box)
        except AnnotationError as error:
            crops.errors.append(_located(error, record, number))
    return crops


def is_enlarged(box_xywh: Box, size_wh: tuple[int, int]) -> bool:
    """Whether a box has fewer pixels across or down than the sample made of it."""
    return box_xywh[2] < size_wh[0] or box_xywh[3] < size_wh[1]


def is_stretched(box_xywh: Box, size_wh: tuple[int, int]) -> bool:
    """Whether a box is more than `STRETCHED` times too wide or too high for the sample."""
    _, _, width, height = box_xywh
    return abs(math.log(width * size_wh[1] / (height * size_wh[0]))) > math.log(STRETCHED)


def to_array(images: list[ImageArray], size_wh: tuple[int, int]) -> Samples:
    """Return images of one size as one array, shape (count, height, width)."""
    width, height = size_wh
    return np.array(images, np.uint8).reshape(-1, height, width)


def _located(error: FerError, record: Record, number: int | None = None) -> FerError:
    """Return the error with the file and line of the record."""
    if record.source == record.path:
        return type(error)(error.message, hint=error.hint, path=record.path)
    if isinstance(error, ImageError):
        message, hint = f"{record.path}: {error.message}", "use `skip_bad` to leave it out"
    elif number is None:
        return error
    else:
        of = f"box {number} of {record.path}" if len(record.boxes) > 1 else f"{record.path}"
        message, hint = f"{of}: {error.message}", SKIP_HINT
    return type(error)(message, hint=hint, path=record.source, line=record.line)


def _shown(box_xywh: Box) -> str:
    return " ".join(map(str, box_xywh)) + " (x y width height)"
