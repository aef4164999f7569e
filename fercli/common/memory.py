"""Measure the memory available to this process, also in containers, and give some back."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_memory(groups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Return the bytes of memory that can be allocated without swapping or being killed.

    The minimum of the system's available memory and of what remains in the control groups of this
    process, up to the root. Cached pages of files count as free.

    Parameters
    ----------
    groups, membership : Path
        Linux's folder of control groups, and the file with those of this process.
    """
    import psutil

    limits = [_remaining(folder) for folder in _folders(groups, membership)]
    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *(r for r in limits if r is not None)]))


def release_memory() -> None:
    """Give memory that was freed back to the system, where the C library can (glibc)."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    with suppress(AttributeError, OSError, TypeError):
        return ctypes.CDLL(None).malloc_trim
    return None


def _folders(groups: Path, membership: Path) -> list[Path]:
    """Return the folders of this process's groups and their parents, of versions 1 and 2."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers in ("", "memory"):
            group = PurePosixPath(name.lstrip("/"))
            found += [groups / controllers / part for part in (group, *group.parents)]
    return found


def _remaining(folder: Path) -> int | None:
    """Return the memory that remains in one group; None if it has no limit."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = int((folder / limit).read_text())  # "max" stands for no limit
            used = int((folder / usage).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
        except (OSError, ValueError):
            continue
        statistics = dict(line.split(maxsplit=1) for line in lines)
        return most - used + int(statistics.get(cached, 0))
    return None
