"""The journal of a tree that is being made, so that a killed run goes on where it stopped.

It is a file in the tree: a first line that says what is being made of what, then the lines of
``files.csv`` for the images that are there. It is removed when the tree is whole.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fercli.common.errors import InputError, OutputExistsError
from fercli.common.files import UNFINISHED, folder_lock, make_folder, output_error, shown_name
from fercli.datasets.manifest import (
    FILES,
    MANIFEST,
    FileRecord,
    from_fields,
    read_files,
    to_line,
)

JOURNAL = ".unfinished.csv"

#: How it is read and written: names of files need not be UTF-8.
_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}

#: Files of ours that stand in a tree beside the images.
OWN_FILES = (MANIFEST, FILES, JOURNAL, "skipped.csv")


class Journal:
    """The images that are in an unfinished tree.

    Parameters
    ----------
    root : Path
        The tree. It must be missing, empty, or unfinished with the same plan.
    plan : mapping
        What is being made of what, as JSON; a journal with another plan is not gone on with.
    overwrite : bool
        Whether a tree that fer wrote before, and nobody else wrote to, may be replaced. A finished
        one stands aside until the new one is whole, and comes back after an error. Defaults to
        False.

    Raises
    ------
    OutputExistsError
        The folder holds something else, or a finished tree, or one with another plan.
    InputError
        The journal is damaged.
    OutputError
        Another process is at work in it, or it cannot be written.
    """

    def __init__(self, root: Path, plan: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.root = root
        self.path = root / JOURNAL
        self._replacing = False
        self._plan = json.dumps(plan, sort_keys=True, default=str)
        make_folder(root)
        with contextlib.ExitStack() as held:
            held.enter_context(folder_lock(root, "A data set"))
            self._open(overwrite)
            self._held = held.pop_all()

    def _open(self, overwrite: bool) -> None:
        try:
            if not self.path.exists():
                recover(self.root)
            if overwrite:
                self._make_room()
            self.resumed = self._matches()
            if not self.resumed:
                _require_free(self.root)
            self.done = self._noted() if self.resumed else set()
            self._begin()
        except OSError as error:
            raise output_error(error, self.path) from error

    def _make_room(self) -> None:
        require_only_ours(self.root)
        self._give_up()
        if (self.root / MANIFEST).exists():
            self._replacing = True
            move_old_tree_aside(self.root)
        else:
            remove_tree(self.root)

    def _give_up(self) -> None:
        """Remove the unfinished tree, and restore the one that it was to replace."""
        if self.path.exists():
            remove_tree(self.root)
        restore_old_tree(self.root)

    def _begin(self) -> None:
        try:
            self._stream = self.path.open("a" if self.resumed else "w", **_TEXT)
            if not self.resumed:
                self._stream.write(f"# {self._plan}\n")
                self._stream.flush()
        except OSError:
            if not self.resumed:
                self._give_up()
            raise

    def _noted(self) -> set[str]:
        """Return the files that a killed run has written."""
        try:
            return {record.file for record in self.records()}
        except (ValueError, csv.Error) as error:
            raise InputError(
                f"The journal of an unfinished data set is damaged: {error}",
                hint="use --overwrite to start anew",
                path=self.path,
            ) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What could not be flushed to a full disk is told by the error that is on its way.
        with self._held, contextlib.suppress(OSError):
            self._stream.close()
            failed = self._replacing and kind is not None and issubclass(kind, Exception)
            # Nothing came of it: leave no trace that the next command would have to go on with.
            if self.path.exists() and (failed or not (self.resumed or self.lines())):
                self._give_up()
                if not self._replacing:
                    self.root.rmdir()

    def add(self, records: Iterable[FileRecord]) -> None:
        """Note images that are now in the tree."""
        try:
            self._stream.writelines(map(to_line, records))
            self._stream.flush()
        except OSError as error:
            raise output_error(error, self.path) from error

    def lines(self) -> list[str]:
        """Return the whole lines so far, sorted, without their doubles."""
        with self.path.open(newline="", **_TEXT) as stream:
            next(stream, None)
            return sorted({line for line in stream if line.endswith("\n")})

    def records(self) -> Iterator[FileRecord]:
        """Yield the images so far, in the order of their paths."""
        return map(from_fields, csv.reader(self.lines()))

    def remove(self) -> None:
        """Remove the journal and the replaced tree, after the new tree is complete."""
        self._stream.close()
        self.path.unlink()
        remove_old_tree(self.root)

    def _matches(self) -> bool:
        """Whether there is a journal with the same plan; cuts a half-written last line off."""
        if not self.path.is_file():
            return False
        with self.path.open("rb+") as stream:
            if stream.readline() != f"# {self._plan}\n".encode():
                raise OutputExistsError(
                    "The folder holds an unfinished data set of other sources or options",
                    hint="run the same command as before, or use --overwrite",
                    path=self.root,
                )
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)
        return True


def summarize(images: Iterable[tuple[Path, str]]) -> dict[str, Any]:
    """Return the number of images, each with a line of text, and the checksum of both.

    To compare the images of two plans: neither names nor sizes say whether a file was edited.
    """
    count, digest = 0, hashlib.sha256()
    for path, line in images:
        count += 1
        with contextlib.suppress(OSError):  # it is reported where it is used
            digest.update(path.read_bytes())
        digest.update(line.encode("utf-8", "surrogateescape"))
    return {"count": count, "sha256": digest.hexdigest()}


def remove_tree(root: Path) -> None:
    """Remove what fer wrote below `root`, and nothing else.

    Raises `InputError` if ``files.csv`` is damaged; nothing is removed then.
    """
    for path in _written(root):
        path.unlink(missing_ok=True)
    for folder in sorted(root.glob("*/*/")) + sorted(root.glob("*/")):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def require_only_ours(root: Path) -> None:
    """Raise `OutputExistsError` if `remove_tree` would leave something below `root`."""
    written = set(_written(root))
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        of_tree = len(inside.parts) < 3 and path.is_dir() and not path.is_symlink()
        waits = inside.parts[0] == REPLACED
        if not (of_tree or waits or path in written):
            raise OutputExistsError(
                f"{shown_name(str(inside))} in it was not written by fer",
                hint="move that elsewhere, or use another name",
                path=root,
            )


def _written(root: Path) -> list[Path]:
    """Return the files that fer wrote below `root`, or may have written.

    A tree that is unfinished was begun in an empty folder, and some of its images may not have
    been noted: all that is where images belong is among them. So is what a killed process was
    writing.
    """
    if (root / JOURNAL).is_file():
        images = [path for path in root.glob("*/*/*") if path.is_symlink() or path.is_file()]
    else:
        images = [root / record.file for record in read_files(root)]
    unfinished = [path for path in root.rglob(f"{UNFINISHED}*") if path.is_file()]
    return [*images, *unfinished, *(root / name for name in OWN_FILES)]


def _require_free(root: Path) -> None:
    if (root / MANIFEST).exists():
        raise OutputExistsError(
            "The folder holds a data set already",
            hint="use --overwrite, or another name",
            path=root,
        )
    if not root.is_dir() or any(path.name != REPLACED for path in root.iterdir()):
        raise OutputExistsError("The folder is not empty", hint="use another name", path=root)


# A finished tree that is to be replaced stands aside until the new one is whole.
#
# It stands in a hidden folder of its root. ``dataset.json`` is the first file to move there and the
# last to come back, so that what a killed process left tells how far it was.


REPLACED = ".replaced"


def move_old_tree_aside(root: Path) -> None:
    """Move the content of a finished tree into its hidden folder `REPLACED`."""
    aside = make_folder(root / REPLACED)
    try:
        for path in _manifest_first(root):
            path.rename(aside / path.name)
    except OSError:  # a folder in it may not be moved
        restore_old_tree(root)
        raise


def restore_old_tree(root: Path) -> None:
    """Move an old tree back into its root, which must be empty, if there is one."""
    aside = root / REPLACED
    if aside.is_dir():
        for path in reversed(_manifest_first(aside)):
            path.rename(root / path.name)
        aside.rmdir()


def remove_old_tree(root: Path) -> None:
    """Remove the old tree, if there is one, after the new one is complete."""
    if (root / REPLACED).is_dir():
        shutil.rmtree(root / REPLACED)


def recover(root: Path) -> None:
    """Finish what a killed process began: removing or moving an old tree."""
    if (root / MANIFEST).exists():
        remove_old_tree(root)
    else:
        restore_old_tree(root)


def _manifest_first(root: Path) -> list[Path]:
    paths = [path for path in root.iterdir() if path.name != REPLACED]
    return sorted(paths, key=lambda path: path.name != MANIFEST)
