from __future__ import annotations

import pytest

from fercli.annotations.base import NOTES
from fercli.common.errors import FerError


@pytest.fixture(autouse=True)
def notes():
    """Return the notes since the beginning of the test: ``notes()``."""
    NOTES.forget()
    yield NOTES.take
    NOTES.forget()


@pytest.fixture
def complaints():
    """What a reader complains of when it may go on: a list that can be called."""

    class Complaints(list[FerError]):
        def __call__(self, error: FerError) -> None:
            self.append(error)

    return Complaints()
