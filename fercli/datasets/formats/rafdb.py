"""RAF-DB: 15,339 faces from the web with one of seven basic expressions.

See: Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", CVPR 2017; card ``datasets/rafdb.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import read_text
from fercli.datasets.entries import Dropped, Entry, Format, ReadOptions

#: As it is published, misspelling included.
LIST = Path("EmoLabel", "list_patition_label.txt")

#: The expressions, in the order of the list's numbers, which start from 1.
LABELS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
PUBLISHED = {
    "train": dict(zip(LABELS, (1290, 281, 717, 4772, 1982, 705, 2524), strict=True)),
    "test": dict(zip(LABELS, (329, 74, 160, 1185, 478, 162, 680), strict=True)),
}


def _read(path: Path, options: ReadOptions) -> Iterator[Entry | Dropped]:
    root = _root(path)
    listed = root / LIST
    aligned = root / "Image" / "aligned"
    images = aligned if aligned.is_dir() else root / "Image" / "original"
    for line, text in enumerate(read_text(listed).splitlines(), start=1):
        if text.strip():
            yield _entry(text, line, listed, images)


def _root(path: Path) -> Path:
    root = next((root for root in (path, path / "basic") if (root / LIST).is_file()), None)
    if root is None:
        raise InputError(
            f"{LIST.as_posix()} is missing", hint="name the folder basic of RAF-DB", path=path
        )
    return root


def _entry(text: str, line: int, listed: Path, images: Path) -> Entry:
    words = text.split()
    split = words[0].partition("_")[0]
    numbers = [str(number) for number in range(1, len(LABELS) + 1)]
    if len(words) != 2 or split not in ("train", "test") or words[1] not in numbers:
        raise InputError(
            f"Expected a line such as 'train_00001.jpg 5' with a label from 1 to {len(LABELS)}, "
            f"got {text[:60]!r}",
            path=listed,
            line=line,
        )
    stem, suffix = Path(words[0]).stem, Path(words[0]).suffix
    file = images / (f"{stem}_aligned{suffix}" if images.name == "aligned" else words[0])
    origin = file.relative_to(images.parent.parent).as_posix()
    return Entry(
        stem, file, origin, LABELS[int(words[1]) - 1], split, source_file=listed, line=line
    )


FORMAT = Format(
    name="rafdb",
    title=f"RAF-DB: the folder basic with {LIST.as_posix()} and Image/aligned",
    read=_read,
    recognizes=lambda path: any((root / LIST).is_file() for root in (path, path / "basic")),
    published=PUBLISHED,
)
