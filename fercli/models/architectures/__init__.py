"""The architectures that fer can train, one module each."""

from __future__ import annotations

import difflib

from fercli.common.errors import OptionError
from fercli.models.architectures.base import Architecture
from fercli.models.architectures.fernet import FERNET, FERNET_LARGE, FERNET_SE
from fercli.models.architectures.older_projects import (
    AVERAGE_POOLING,
    CNN4,
    FIVE_CLASS,
    MINI_XCEPTION,
    VGG_LIKE,
)

#: All architectures by name: fer's own first, then those of older projects.
ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        FERNET,
        FERNET_LARGE,
        FERNET_SE,
        FIVE_CLASS,
        CNN4,
        VGG_LIKE,
        AVERAGE_POOLING,
        MINI_XCEPTION,
    )
}


def find_architecture(name: str) -> Architecture:
    """Return the architecture of that name.

    Raises
    ------
    OptionError
        There is none.
    """
    try:
        return ARCHITECTURES[name]
    except KeyError:
        close = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        raise OptionError(
            f"There is no architecture {name!r}",
            hint=f"use {close[0]}" if close else "use one of " + ", ".join(ARCHITECTURES),
        ) from None
