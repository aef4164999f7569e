"""COCO's JSON of object instances.

``images`` with ``id`` and ``file_name``, ``annotations`` with ``image_id``, ``category_id`` and
``bbox`` (``[x, y, width, height]``, fractions of pixels, counted from 0), ``categories`` with
``id`` and ``name``. Crowds (``iscrowd``) are to be ignored.

See: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fercli.annotations.base import (
    AnnotatedImage,
    Box,
    LabeledBox,
    OnError,
    Record,
    raise_it,
)
from fercli.annotations.image_paths import locate
from fercli.annotations.opencv_lists import names_from
from fercli.common.errors import AnnotationError
from fercli.common.files import parse_json, read_text, write_text


def looks_like(path: Path) -> bool:
    """Whether a file is named as JSON is."""
    return path.suffix.lower() == ".json" and path.is_file()


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image, in the order of ``images``.

    Parameters
    ----------
    path : Path
        The JSON file.
    images : Path, optional
        The folder that the names are relative to. Defaults to the file's, or one of the usual.
    on_error : callable
        Told of each malformed entry, which is left out. Defaults to raising it.

    Raises
    ------
    AnnotationError
        The file is not JSON or not COCO's, or an entry is malformed.
    InputError
        The file cannot be read.
    """
    content = _content(path)
    names = _names(content, path, on_error)
    boxes = _boxes(content, names, path, on_error)
    return [
        Record(locate(name, path.parent, images), tuple(boxes[image]), path)
        for image, name in names.items()
    ]


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a file that `read`, and COCO's tools, read.

    All boxes are of one category, ``object``; ignored ones are crowds. The file is ASCII: what
    names hold beyond it, be it UTF-8 or not, is escaped.
    """
    entries: list[object] = []
    annotations: list[object] = []
    names = names_from(path.parent, [image.path for image in images])
    for number, (name, image) in enumerate(zip(names, images, strict=True), 1):
        entries.append(_image(number, name, image))
        kinds = [(box, 0) for box in image.boxes_xywh] + [(b, 1) for b in image.ignored_xywh]
        for box, crowd in kinds:
            annotations.append(_annotation(len(annotations) + 1, number, box, crowd))
    content = {
        "images": entries,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "object"}],
    }
    write_text(path, json.dumps(content, indent=1) + "\n", overwrite=overwrite)


def _content(path: Path) -> dict[str, Any]:
    try:
        content: Any = parse_json(read_text(path))
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"The file is not JSON: {error.msg}", path=path, line=error.lineno
        ) from error
    except ValueError as error:  # nested too deeply, or a whole number of thousands of digits
        raise AnnotationError(f"The file is not COCO's JSON: {error}", path=path) from error
    lists: dict[str, Any] = content if isinstance(content, dict) else {}
    for key in ("images", "annotations"):
        if not isinstance(lists.get(key), list):
            raise AnnotationError(f"The file is not COCO's JSON: it has no list {key!r}", path=path)
    return lists


def _labels(content: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the number and name of each category that is well-formed; the others have no name."""
    categories = content.get("categories")
    for category in categories if isinstance(categories, list) else []:
        if isinstance(category, dict) and isinstance(category.get("id"), int):
            yield category["id"], str(category.get("name", category["id"]))


def _names(content: Mapping[str, Any], path: Path, on_error: OnError) -> dict[int, str]:
    """Return the name of each image by its id."""
    names: dict[int, str] = {}
    for at, image in enumerate(content["images"]):
        try:
            number = _integer(image, "id")
            if number in names:
                raise AnnotationError(f"Expected another id for each image, got {number} twice")
            names[number] = _name(image)
        except AnnotationError as error:
            on_error(AnnotationError(f"images[{at}]: {error.message}", path=path))
    return names


def _name(image: Mapping[str, Any]) -> str:
    name = image.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise AnnotationError(f"Expected the file_name of an image, got {name!r}")
    return name


def _boxes(
    content: Mapping[str, Any], names: Collection[int], path: Path, on_error: OnError
) -> dict[int, list[LabeledBox]]:
    """Return the boxes of each image by its id."""
    labels = dict(_labels(content))
    boxes: dict[int, list[LabeledBox]] = {image: [] for image in names}
    for at, annotation in enumerate(content["annotations"]):
        try:
            image = _integer(annotation, "image_id")
            if image not in boxes:
                raise AnnotationError(f"There is no image with the id {image}")
            boxes[image].append(_box(annotation, labels))
        except AnnotationError as error:
            on_error(AnnotationError(f"annotations[{at}]: {error.message}", path=path))
    return boxes


def _box(annotation: Mapping[str, Any], labels: Mapping[int, str]) -> LabeledBox:
    x, y, width, height = _bbox(annotation.get("bbox"))
    category = annotation.get("category_id")
    label = labels.get(category, str(category)) if isinstance(category, int) else ""
    ignored = bool(annotation.get("iscrowd")) or bool(annotation.get("ignore"))
    return LabeledBox(x, y, width, height, label, ignored)


def _bbox(value: Any) -> Sequence[float]:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 4 or not all(type(number) in (int, float) for number in numbers):
        raise AnnotationError(f"Expected bbox [x, y, width, height], got {str(value)[:60]}")
    return numbers


def _integer(entry: Any, key: str) -> int:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, int):
        raise AnnotationError(f"Expected an integer {key}, got {str(value)[:60]}")
    return value


def _image(number: int, name: str, image: AnnotatedImage) -> dict[str, object]:
    entry: dict[str, object] = {"id": number, "file_name": name}
    if image.size_wh is not None:
        entry["width"], entry["height"] = image.size_wh
    return entry


def _annotation(number: int, image: int, box: Box, crowd: int) -> dict[str, object]:
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": list(box),
        "area": box[2] * box[3],
        "iscrowd": crowd,
    }
