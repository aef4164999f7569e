"""Videos to be annotated: every n-th frame as an image, and boxes between two annotated frames."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fercli.cascade.evaluation.matching import NO_MATCH, IouRule
from fercli.common.boxes import Box, clip_box
from fercli.common.errors import OptionError
from fercli.common.files import make_folder, parse_json, read_text, write_text
from fercli.common.images import ImageArray, read_gray, write_image
from fercli.common.progress import SILENT, Progress
from fercli.labeling.images import Suggestion
from fercli.labeling.store import AnnotationStore, ImageAnnotation

#: What the frames in a folder are of.
SOURCE = "frames.json"

#: Correlation from which on something is taken for the object, pixels of a template's longer side,
#: and what a place as far away as the searched part is wide costs.
LEAST_CORRELATION, TEMPLATE_SIDE, FAR = 0.5, 48, 0.2

#: Boxes of two frames are of one object if their sides differ by less than this factor.
MOST_GROWTH = 3.0


def extract_frames(
    video: Path, folder: Path, every: int = 10, *, progress: Progress = SILENT
) -> int:
    """Write every n-th frame of a video as ``NAME-000120.jpg``, upright and in square pixels.

    Frames that are there from an earlier run stay as they are.

    Parameters
    ----------
    video : Path
    folder : Path
        Made where it is missing.
    every : int
        1 for all frames.
    progress : Progress

    Returns
    -------
    int
        How many frames are there.

    Raises
    ------
    OptionError
        The folder holds frames of another video, or others of this one.
    VideoError
        The video cannot be read.
    OutputError
        A frame cannot be written.
    """
    from fercli.recognition.sources.video_file import VideoFile

    source = {"video": video.name, "bytes": video.stat().st_size if video.exists() else 0,
              "every": every}  # fmt: skip
    before = _source_of(folder)
    if before is not None and {**before, "complete": True} != {**source, "complete": True}:
        raise OptionError(
            f"{folder} holds every {before.get('every')}th frame of {before.get('video')}",
            hint="use another `out`, or the same video and `every`",
        )
    if before is not None and before.get("complete"):
        return len([*folder.glob("*.jpg")])
    count = 0
    with VideoFile(video) as frames:
        make_folder(folder)
        write_text(folder / SOURCE, json.dumps(source) + "\n", overwrite=True)
        with progress.bar("frames", total=frames.count, unit="frame") as bar:
            for frame in frames.frames():
                if frame.number % every == 0:
                    path = folder / f"{video.stem}-{frame.number:06d}.jpg"
                    write_image(path, np.ascontiguousarray(frame.square_color), overwrite=True)
                    count += 1
                bar.advance()
        for problem in frames.problems:
            progress.note(f"{video}: {problem}")
    write_text(folder / SOURCE, json.dumps({**source, "complete": True}) + "\n", overwrite=True)
    return count


def _source_of(folder: Path) -> dict[str, object] | None:
    try:
        found = parse_json(read_text(folder / SOURCE)) if (folder / SOURCE).exists() else None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else None


class FrameTracker:
    """Suggests boxes in the frames between two that are finished.

    Each object is looked for as it is in the two frames; where it cannot be made out, the box lies
    on the straight way between its places.

    Parameters
    ----------
    store : AnnotationStore
        Of the frames, in their order.
    """

    def __init__(self, store: AnnotationStore) -> None:
        self._store = store

    def suggestions(self, number: int) -> list[Suggestion]:
        """Return what is expected in a frame; nothing where it does not lie between two.

        Raises `ImageError` if the frame cannot be read.
        """
        before, after = self._nearest(number, -1), self._nearest(number, 1)
        if before is None or after is None:
            return []
        share = (number - before) / (after - before)
        first, last = (self._objects(at) for at in (before, after))
        pairs = pair_boxes(first, last)
        if not pairs:
            return []
        images = [self._read(at) for at in (before, number, after)]
        found = ((follow(images, start, end, share), label) for start, end, label in pairs)
        return [Suggestion(box, 1.0, label) for box, label in found if box]

    def _nearest(self, number: int, step: int) -> int | None:
        """Return the next frame in a direction that is finished."""
        states, at = self._store.states(), number + step
        while 0 <= at < len(states):
            if states[at][0] in ("done", "negative"):
                return at
            at += step
        return None

    def _objects(self, number: int) -> list[tuple[Box, str]]:
        annotation: ImageAnnotation = self._store.annotation(number)
        labels = annotation.labels or ("",) * len(annotation.boxes_xywh)
        return list(zip(annotation.boxes_xywh, labels, strict=True))

    def _read(self, number: int) -> ImageArray:
        return read_gray(self._store.images[number])


def joined_suggestions(
    tracked: Sequence[Suggestion], found: Sequence[Suggestion]
) -> list[Suggestion]:
    """Return suggestions less those that a cascade has of what was followed through the video."""
    followed = np.array([each.box_xywh for each in tracked], float).reshape(-1, 4)
    boxes = np.array([each.box_xywh for each in found], float).reshape(-1, 4)
    same = IouRule(0.5).agreement(boxes, followed) > NO_MATCH
    return [*tracked, *(each for each, known in zip(found, same, strict=True) if not known.any())]


def pair_boxes(
    first: Sequence[tuple[Box, str]], last: Sequence[tuple[Box, str]]
) -> list[tuple[Box, Box, str]]:
    """Return the boxes of two frames that are of one object: of one class, the nearest first."""
    ways = sorted(
        (_distance(one, other), at, to)
        for at, (one, label) in enumerate(first)
        for to, (other, name) in enumerate(last)
        if label == name and _growth(one, other) < MOST_GROWTH
    )
    pairs: dict[int, int] = {}
    for _, at, to in ways:
        if at not in pairs and to not in pairs.values():
            pairs[at] = to
    return [(first[at][0], last[to][0], first[at][1]) for at, to in sorted(pairs.items())]


def follow(images: Sequence[ImageArray], start: Box, end: Box, share: float) -> Box | None:
    """Return where an object is in the second of three images.

    Parameters
    ----------
    images : three ndarrays of uint8, shape (height, width)
        The frame before, the frame in question, and the one after.
    start, end : (int, int, int, int)
        The object's box in the first and the last.
    share : float
        How far the second is on the way from the first to the last, 0 to 1.

    Returns
    -------
    (int, int, int, int) or None
        The box; None where it lies outside the image.
    """
    image_wh = images[1].shape[1], images[1].shape[0]
    straight = _between(start, end, share)
    region = _region(start, end, image_wh)
    found = _best_place(images, (start, end), straight, region, share)
    return clip_box(found or straight, image_wh)


def _best_place(
    images: Sequence[ImageArray], ends: tuple[Box, Box], straight: Box, region: Box, share: float
) -> Box | None:
    """Return the place of a region that looks most like the object; None if none does."""
    scale = min(1.0, TEMPLATE_SIDE / max(straight[2:]))
    width, height = (max(4, round(side * scale)) for side in straight[2:])
    area = _cut(images[1], region)
    shrunk = cv2.resize(
        area,
        (max(width, round(area.shape[1] * scale)), max(height, round(area.shape[0] * scale))),
        interpolation=cv2.INTER_AREA,
    )
    total = np.zeros((shrunk.shape[0] - height + 1, shrunk.shape[1] - width + 1), np.float32)
    for image, box, weight in ((images[0], ends[0], 1 - share), (images[2], ends[1], share)):
        inside = clip_box(box, (image.shape[1], image.shape[0]))
        if inside is None:
            return None
        looks = cv2.resize(_cut(image, inside), (width, height), interpolation=cv2.INTER_AREA)
        alike = cv2.matchTemplate(shrunk, looks, cv2.TM_CCOEFF_NORMED)
        total += weight * np.nan_to_num(alike, nan=0.0, posinf=0.0, neginf=0.0)
    # Of two places that look alike, the one nearer to the straight way.
    x, y = ((straight[at] - region[at]) * scale for at in (0, 1))
    down, across = np.indices(total.shape, np.float32)
    far = np.hypot(across - x, down - y) / math.hypot(*shrunk.shape)
    at_y, at_x = np.unravel_index(int(np.argmax(total - FAR * far)), total.shape)
    if total[at_y, at_x] < LEAST_CORRELATION:
        return None
    return (
        region[0] + round(int(at_x) / scale), region[1] + round(int(at_y) / scale), *straight[2:]
    )  # fmt: skip


def _cut(image: ImageArray, box: Box) -> ImageArray:
    x, y, width, height = box
    return image[y : y + height, x : x + width]


def _region(start: Box, end: Box, image_wh: tuple[int, int]) -> Box:
    """Return what is searched: both boxes and what is between them, with their size around."""
    wide, high = (max(start[at], end[at]) for at in (2, 3))
    left, top = (min(start[at], end[at]) for at in (0, 1))
    right, bottom = (max(start[at] + start[at + 2], end[at] + end[at + 2]) for at in (0, 1))
    region = (left - wide, top - high, right - left + 2 * wide, bottom - top + 2 * high)
    return clip_box(region, image_wh) or (0, 0, *image_wh)


def _between(start: Box, end: Box, share: float) -> Box:
    x, y, width, height = (
        round(one + share * (other - one)) for one, other in zip(start, end, strict=True)
    )
    return x, y, width, height


def _distance(one: Box, other: Box) -> float:
    across, down = (one[at] + one[at + 2] / 2 - other[at] - other[at + 2] / 2 for at in (0, 1))
    return math.hypot(across, down)


def _growth(one: Box, other: Box) -> float:
    ratios = (one[at] / other[at] for at in (2, 3))
    return max(max(ratio, 1 / ratio) for ratio in ratios)
