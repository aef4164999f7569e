"""A finished tree that is to be replaced stands aside until the new one is whole.

It stands in a hidden folder of its root. ``dataset.json`` is the first file to move there and the
last to come back, so that what a killed process left tells how far it was.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from fercli.common.files import make_folder
from fercli.datasets.manifest import MANIFEST

ASIDE = ".replaced"


def set_aside(root: Path) -> None:
    """Move all that is in the root of a finished tree aside."""
    aside = make_folder(root / ASIDE)
    try:
        for path in _manifest_first(root):
            path.rename(aside / path.name)
    except OSError:  # a folder in it may not be moved
        put_back(root)
        raise


def put_back(root: Path) -> None:
    """Move a tree that stands aside, if there is one, back into its root, which is free."""
    aside = root / ASIDE
    if aside.is_dir():
        for path in reversed(_manifest_first(aside)):
            path.rename(root / path.name)
        aside.rmdir()


def forget(root: Path) -> None:
    """Remove a tree that stands aside, if there is one: the new one is whole."""
    if (root / ASIDE).is_dir():
        shutil.rmtree(root / ASIDE)


def settle(root: Path) -> None:
    """End what a killed process began: the removal of an old tree, or its moving to and fro."""
    if (root / MANIFEST).exists():
        forget(root)
    else:
        put_back(root)


def _manifest_first(root: Path) -> list[Path]:
    paths = [path for path in root.iterdir() if path.name != ASIDE]
    return sorted(paths, key=lambda path: path.name != MANIFEST)
