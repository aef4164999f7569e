"""COCO's JSON of object instances.

``images`` with ``id`` and ``file_name``, ``annotations`` with ``image_id``, ``category_id`` and
``bbox`` (``[x, y, width, height]``, fractions of pixels, counted from 0), ``categories`` with
``id`` and ``name``. Crowds (``iscrowd``) and what is marked ``ignore`` are to be ignored. COCO has
no difficult objects: ``difficult`` beside ``ignore`` is fer's, which other programs pass over.

See: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fercli.annotations.base import (
    COUNTED,
    NOTES,
    AnnotatedImage,
    LabeledBox,
    OnError,
    Reason,
    Record,
    are_fractions,
    is_set,
    raise_it,
)
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.opencv_lists import named_images
from fercli.annotations.text_files import (
    box_around_rotated,
    json_of,
    number_of,
    size_of,
    write_json,
)
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image, in the order of ``images``.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    content = _content(path)
    images_by_id = _images(content, path, on_error)
    boxes = _boxes(content, images_by_id, path, on_error)
    normalized = are_fractions(box for of_image in boxes.values() for box in of_image)
    if not normalized:
        _note_corners(images_by_id, boxes, path)
    locator = ImageLocator(path, images)
    return [
        Record(
            locator.find(_name(image)),
            tuple(boxes[key]),
            path,
            normalized=normalized,
            stated_wh=size_of(image.get("width"), image.get("height")),
        )
        for key, image in images_by_id.items()
    ]


#: The category of boxes without a class.
LABEL = "object"


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a file that `read`, and COCO's tools, read.

    Boxes without a class are of the category ``object``. The file is ASCII: what names hold beyond
    it, be it UTF-8 or not, is escaped.
    """
    labels = {one for image in images for one in (*image.labels, *image.ignored_labels)}
    categories = {label: number for number, label in enumerate(sorted(labels) or [LABEL], 1)}
    entries: list[object] = []
    annotations: list[object] = []
    for number, (name, image) in enumerate(named_images(path, images), 1):
        entries.append(_image(number, name, image))
        boxes = [(*each, COUNTED) for each in image.labeled(LABEL)]
        for box, label, reason in (*boxes, *image.ignored_labeled(LABEL)):
            category = categories.setdefault(label, len(categories) + 1)
            annotations.append(_annotation(len(annotations) + 1, number, box, reason, category))
    content = {
        "images": entries,
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
    }
    write_json(path, content, overwrite=overwrite)


def _content(path: Path) -> dict[str, Any]:
    content = json_of(path)
    lists: dict[str, Any] = content if isinstance(content, dict) else {}
    for key in ("images", "annotations"):
        if not isinstance(lists.get(key), list):
            raise AnnotationError(
                f"The file is not COCO's JSON: it has no list {key!r}",
                hint="export it as COCO, or name what it is with --format",
                path=path,
            )
    return lists


def _labels(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each category that is well-formed by its id; the others have no name."""
    categories = content.get("categories")
    return {
        str(category["id"]): str(category.get("name", category["id"]))
        for category in (categories if isinstance(categories, list) else [])
        if isinstance(category, dict) and category.get("id") is not None
    }


def _images(
    content: Mapping[str, Any], path: Path, on_error: OnError
) -> dict[str, Mapping[str, Any]]:
    """Return the entry of each image by its id."""
    found: dict[str, Mapping[str, Any]] = {}
    for at, image in enumerate(content["images"]):
        try:
            key = _id(image, "id")
            if key in found:
                raise AnnotationError(f"Expected another id for each image, got {key} twice")
            _name(image)
            found[key] = image
        except AnnotationError as error:
            on_error(AnnotationError(f"images[{at}]: {error.message}", path=path))
    return found


def _name(image: Mapping[str, Any]) -> str:
    name = image.get("file_name") or image.get("coco_url")
    if not isinstance(name, str) or not name or "\0" in name:
        raise AnnotationError(f"Expected the file_name of an image, got {name!r}")
    return name


def _boxes(
    content: Mapping[str, Any], images: Collection[str], path: Path, on_error: OnError
) -> dict[str, list[LabeledBox]]:
    """Return the boxes of each image by its id."""
    labels = _labels(content)
    boxes: dict[str, list[LabeledBox]] = {image: [] for image in images}
    for at, annotation in enumerate(content["annotations"]):
        try:
            image = _id(annotation, "image_id")
            if image not in boxes:
                raise AnnotationError(f"There is no image with the id {image}")
            box = _box(annotation, labels)
        except AnnotationError as error:
            on_error(AnnotationError(f"annotations[{at}]: {error.message}", path=path))
            continue
        if not annotation.get("bbox"):
            NOTES.add(path, "polygons without a bbox, their bounding boxes used", at)
        if _rotation(annotation):
            NOTES.add(path, "rotated boxes, the boxes around them used", at)
        if labels and not box.label:
            NOTES.add(path, "boxes without a category", at)
        boxes[image].append(box)
    return boxes


def _note_corners(
    images: Mapping[str, Mapping[str, Any]],
    boxes: Mapping[str, Sequence[LabeledBox]],
    path: Path,
) -> None:
    """Note boxes that seem to be two corners: some leave the images, as corners all would fit."""
    outside = 0
    for key, image in images.items():
        size = size_of(image.get("width"), image.get("height"))
        for box in boxes[key]:
            if box.width <= box.x or box.height <= box.y:
                return
            if size is None:
                continue
            if box.width > size[0] + 1 or box.height > size[1] + 1:
                return
            outside += box.x + box.width > size[0] + 1 or box.y + box.height > size[1] + 1
    if outside:
        kind = "boxes that leave their images, taken as x, y, width, height; as two corners all fit"
        NOTES.add(path, kind, count=outside)


def _box(annotation: Mapping[str, Any], labels: Mapping[str, str]) -> LabeledBox:
    bbox = annotation.get("bbox")
    outline = annotation.get("segmentation")
    if not bbox and isinstance(outline, list) and outline:
        x, y, width, height = _bounds(outline)
    else:
        x, y, width, height = _bbox(bbox)
    category = annotation.get("category_id")
    label = "" if category in (None, "") else labels.get(str(category), str(category))
    box = LabeledBox(x, y, width, height, label)
    if turn := _rotation(annotation):
        box = box_around_rotated((x + width / 2, y + height / 2), (width, height), turn, label)
    return replace(box, ignored=_reason(annotation))


def _rotation(annotation: Mapping[str, Any]) -> float:
    """Return by how much CVAT's user has turned a box, in radians; its ``bbox`` is not turned."""
    attributes = annotation.get("attributes")
    degrees = attributes.get("rotation") if isinstance(attributes, dict) else None
    try:
        radians = math.radians(number_of(degrees)) if annotation.get("bbox") else 0.0
    except ValueError:  # none, or an attribute of that name with another meaning
        return 0.0
    return radians if math.isfinite(radians) else 0.0


def _reason(annotation: Mapping[str, Any]) -> Reason:
    difficult = Reason.DIFFICULT if is_set(annotation.get("difficult")) else COUNTED
    # A difficult object is to be ignored by programs that know no difficult ones.
    crowd, ignore = (is_set(annotation.get(name)) for name in ("iscrowd", "ignore"))
    ignored = crowd or (ignore and not difficult)
    return difficult | (Reason.IGNORED if ignored else COUNTED)


def _bbox(value: Any) -> Sequence[float]:
    try:
        numbers = [number_of(each) for each in value] if isinstance(value, list) else []
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise AnnotationError(f"Expected bbox [x, y, width, height], got {str(value)[:60]}")
    return numbers


def _bounds(outline: Sequence[Any]) -> Sequence[float]:
    """Return the box around the polygons of a segmentation, lists x, y, x, y, and so on."""
    try:
        across = [number_of(value) for part in outline for value in part[0::2]]
        down = [number_of(value) for part in outline for value in part[1::2]]
        return min(across), min(down), max(across) - min(across), max(down) - min(down)
    except (TypeError, ValueError) as error:
        raise AnnotationError(
            f"Expected a segmentation of polygons, got {str(outline)[:60]}"
        ) from error


def _id(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise AnnotationError(f"Expected a number or text as {key}, got {str(value)[:60]}")
    return str(value)


def _image(number: int, name: str, image: AnnotatedImage) -> dict[str, object]:
    entry: dict[str, object] = {"id": number, "file_name": name}
    if image.size_wh is not None:
        entry["width"], entry["height"] = image.size_wh
    return entry


def _annotation(
    number: int, image: int, box: Box, reason: Reason, category: int
) -> dict[str, object]:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": box[2] * box[3],
        "iscrowd": int(bool(reason & Reason.IGNORED)),
        **({"ignore": 1, "difficult": 1} if reason & Reason.DIFFICULT else {}),
    }
