from __future__ import annotations

import pytest

from fercli.common.errors import FerError


@pytest.fixture
def complaints():
    """What a reader complains of when it may go on: a list that can be called."""

    class Complaints(list[FerError]):
        def __call__(self, error: FerError) -> None:
            self.append(error)

    return Complaints()
