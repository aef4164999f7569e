"""The machine and the versions that a benchmark ran with."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil

from fercli import __version__
from fercli.common.parallel import available_workers

PACKAGES = ("opencv-contrib-python", "numpy", "numba", "onnxruntime", "av", "keras", "tensorflow",
            "scikit-learn", "joblib", "flask")  # fmt: skip


def describe_machine() -> dict[str, str]:
    """Return what is written at the top of BENCHMARKS.md, by name."""
    return {
        "fer": __version__,
        "processor": f"{processor()}, {available_workers()} cores used of {os.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "packages": ", ".join(filter(None, map(version, PACKAGES))),
    }


def processor() -> str:
    """Return the processor's name as Linux gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit(root: Path) -> str:
    """Return the short name of the commit that is checked out."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def version(package: str) -> str:
    """Return a package and its version; "" if it is not installed."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return ""
