"""The architectures that fer can train, one module each."""

from __future__ import annotations

import difflib

from fercli.common.errors import OptionError
from fercli.models.architectures import (
    cnn4,
    fernet,
    fernet_large,
    five_class,
    mini_xception,
    older_projects,
    vgg_like,
)
from fercli.models.architectures.base import Architecture

#: All architectures by name: fer's own first, then those of older projects.
ARCHITECTURES: dict[str, Architecture] = {
    module.ARCHITECTURE.name: module.ARCHITECTURE
    for module in (
        fernet,
        fernet_large,
        five_class,
        cnn4,
        vgg_like,
        older_projects,
        mini_xception,
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
            f"wanted an architecture, found {name!r}",
            hint=close[0] if close else "one of " + ", ".join(ARCHITECTURES),
        ) from None
