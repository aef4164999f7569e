"""The face cascade that comes with fer."""

from __future__ import annotations

from pathlib import Path

from fercli.common.errors import DependencyError

FRONTAL_FACE = Path(__file__).parent / "data" / "frontalface.xml"


def bundled_cascade() -> Path:
    """Return the file of the face cascade that comes with fer.

    Raises
    ------
    DependencyError
        This copy of fer does not have it.
    """
    if not FRONTAL_FACE.is_file():
        raise DependencyError(
            "This copy of fer comes without its face cascade",
            hint="give another as `cascade`",
            path=FRONTAL_FACE,
        )
    return FRONTAL_FACE
