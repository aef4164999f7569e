"""The cascade that fer brings along: frontal faces."""

from __future__ import annotations

from pathlib import Path

from fercli.common.errors import DependencyError

FRONTAL_FACE = Path(__file__).parent / "data" / "frontalface.xml"


def bundled_cascade() -> Path:
    """Return the file of the face cascade that fer brings along.

    Raises
    ------
    DependencyError
        This copy of fer does not have it.
    """
    if not FRONTAL_FACE.is_file():
        raise DependencyError(
            "this copy of fer has no face cascade of its own",
            hint="--cascade FILE.xml",
            path=FRONTAL_FACE,
        )
    return FRONTAL_FACE
