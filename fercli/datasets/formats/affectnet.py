"""AffectNet: faces from the web, eight expressions, labeled by hand. Two published forms.

The full set: ``training.csv`` and ``validation.csv`` beside or above the folder
``Manually_Annotated_Images``. The smaller one, often called AffectNet-8: ``train_set`` and
``val_set``, each with ``images/<number>.jpg`` and ``annotations/<number>_exp.npy``.

See: Mollahosseini, Hasani and Mahoor, "AffectNet: A database for facial expression, valence, and
arousal computing in the wild", IEEE Trans. Affective Computing 2019; card
``datasets/affectnet.md``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fercli.common.errors import InputError
from fercli.common.files import is_there, list_folder
from fercli.datasets.entries import DatasetFormat, Dropped, Entry, ReadOptions, numbered_label
from fercli.datasets.formats.tables import Row, read_rows

#: The expressions, in the order of the set's numbers; then why an image has none.
LABELS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
NO_LABEL = ("none", "uncertain", "no face")
PUBLISHED = {
    "train": dict(zip(LABELS, (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750), strict=True)),
    "validation": dict.fromkeys(LABELS, 500),
}
TABLES = {"training.csv": "train", "validation.csv": "validation"}
SETS = {"train_set": "train", "val_set": "validation"}
COLUMNS = (
    "subdirectory_filepath", "face_x", "face_y", "face_width", "face_height", "expression",
)  # fmt: skip
IMAGES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", ".")


def _read(path: Path, options: ReadOptions) -> Iterator[Entry | Dropped]:
    tables = _tables(path)
    if tables:
        for table, split in tables.items():
            yield from _read_table(table, split, options)
        return
    sets = {path / name: split for name, split in SETS.items() if (path / name).is_dir()}
    if not sets:
        raise InputError(
            "Expected training.csv and validation.csv, or train_set/ and val_set/, got neither",
            hint="name the folder that has them, as AffectNet is published",
            path=path,
        )
    for folder, split in sets.items():
        yield from _read_annotations(folder, split, options)


def _tables(path: Path) -> dict[Path, str]:
    if path.is_file():
        return {path: TABLES.get(path.name, "all")}
    folders = (path, path / "Manually_Annotated_file_lists")
    found = ((folder / name, split) for folder in folders for name, split in TABLES.items())
    return {table: split for table, split in found if table.is_file()}


def _read_table(table: Path, split: str, options: ReadOptions) -> Iterator[Entry | Dropped]:
    rows = read_rows(table, COLUMNS)
    images: Path | None = None
    for row in rows:
        images = images or _images_folder(table, row[1]["subdirectory_filepath"])
        yield _table_entry(row, table, images, split, options)


def _images_folder(table: Path, first: str) -> Path:
    """Return the folder that the table's paths start from: beside the table, or one above."""
    candidates = [base / name for base in (table.parent, table.parent.parent) for name in IMAGES]
    return next((folder for folder in candidates if is_there(folder / first)), candidates[0])


def _table_entry(
    row: Row, table: Path, images: Path, split: str, options: ReadOptions
) -> Entry | Dropped:
    line, cells = row
    origin = cells["subdirectory_filepath"]
    label, mapped = _label(cells["expression"], options, table, line)
    if not mapped and label not in LABELS:
        return Dropped(origin, f"labeled {label}")
    return Entry(
        name=os.path.splitext(origin)[0].replace("/", "-"),  # noqa: PTH122  # any text
        image=images / origin,
        origin=origin,
        label=label,
        split=split,
        box_xywh=_box(cells),
        source_file=table,
        line=line,
        mapped=mapped,
        word=cells["expression"].strip() if mapped else "",
    )


def _box(cells: dict[str, str]) -> tuple[int, int, int, int] | None:
    """Return the face's box, or None where the table has none (``NULL``)."""
    try:
        x, y, width, height = (int(float(cells[name])) for name in COLUMNS[1:5])
    except (ValueError, OverflowError):
        return None
    return (x, y, width, height) if width > 0 and height > 0 else None


def _label(
    text: str, options: ReadOptions, path: Path, line: int | None = None
) -> tuple[str, bool]:
    found = numbered_label(text, (*LABELS, *NO_LABEL), options)
    if found is None:
        most = len(LABELS) + len(NO_LABEL) - 1
        raise InputError(
            f"Expected an expression from 0 to {most}, got {text[:40]!r}", path=path, line=line
        )
    return found


def _read_annotations(folder: Path, split: str, options: ReadOptions) -> Iterator[Entry | Dropped]:
    files = list_folder(folder / "images")
    images = {file.stem: file for file in files.found}
    for file in files.skipped:
        yield Dropped(file.relative_to(folder.parent).as_posix(), "not an image by its suffix")
    for stem in sorted(images, key=lambda stem: (len(stem), stem)):
        annotation = folder / "annotations" / f"{stem}_exp.npy"
        origin = f"{folder.name}/images/{images[stem].name}"
        if not annotation.exists():
            yield Dropped(origin, "without an annotation")
            continue
        label, mapped = _label(_load(annotation), options, annotation)
        if mapped or label in LABELS:
            yield Entry(f"{split}-{stem}", images[stem], origin, label, split, mapped=mapped)
        else:
            yield Dropped(origin, f"labeled {label}")


def _load(path: Path) -> str:
    """Return the number in an ``_exp.npy``, which is published as text or as an integer."""
    try:
        return str(np.load(path, allow_pickle=False).item())
    except Exception as error:  # NumPy's reader raises what its parts do, of Python's tokenizer on
        raise InputError(
            f"Expected an array with the number of one expression: {error}",
            hint="use the annotations folder as it is published",
            path=path,
        ) from error


def _recognizes(path: Path) -> bool:
    if path.is_file():
        return path.name in TABLES
    return bool(_tables(path)) or any((path / name / "annotations").is_dir() for name in SETS)


FORMAT = DatasetFormat(
    name="affectnet",
    title="AffectNet: training.csv and validation.csv, or train_set/ and val_set/ with *_exp.npy",
    read=_read,
    recognizes=_recognizes,
    published=PUBLISHED,
)
