"""What `fer doctor` looks at: the libraries, programs and hardware that fer finds."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from fercli import __version__
from fercli.common.errors import DependencyError
from fercli.common.processes import available_memory

#: What pip calls fer. The distribution ``fer`` is another project, which may be installed as well.
DISTRIBUTION = "fercli"

#: All of these install the same module, ``cv2``, and overwrite each other.
OPENCV_PACKAGES = (
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python",
    "opencv-python-headless",
)

#: ``problem``: something that fer needs does not work; ``absent``: something optional is not there.
Status = Literal["ok", "absent", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Parameters
    ----------
    name : str
        What was looked at.
    status : {"ok", "absent", "problem"}
        Whether it is there and works.
    detail : str
        What was found: a version, a path, a size.
    hint : str
        What to do when the status is not "ok".
    """

    name: str
    status: Status
    detail: str
    hint: str = ""


def examine() -> list[Finding]:
    """Return all findings, in the order in which they are shown."""
    return [
        Finding("fer", "ok", __version__),
        Finding("Python", "ok", f"{platform.python_version()} ({sys.executable})"),
        *_libraries(),
        *_opencv(),
        *_programs(),
        _cores(),
        _memory(),
        _gpu(),
    ]


def _libraries() -> Iterator[Finding]:
    """Yield what this installation of fer requires, by its own metadata."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        detail = "the code is used without being installed; its requirements are not checked"
        yield Finding("requirements", "absent", detail, "pip install -e . in the source folder")
        return
    for text in required:
        if "extra ==" in text:
            continue
        name = re.split(r"[^\w.-]", text)[0]
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "problem", "not installed", f"pip install {name}")


def _opencv() -> Iterator[Finding]:
    installed = [name for name in OPENCV_PACKAGES if _is_installed(name)]
    if len(installed) > 1:
        yield Finding(
            "cv2",
            "problem",
            f"{' and '.join(installed)} overwrite each other's files",
            f"pip uninstall -y {' '.join(installed)} && pip install opencv-contrib-python",
        )
    try:
        import cv2
    except ImportError as error:
        yield Finding("cv2", "problem", f"cannot be imported: {error}", _import_hint(str(error)))
        return
    yield _cascade_classifier(hasattr(cv2, "CascadeClassifier"), cv2.__version__)
    yield _windows(cv2.getBuildInformation())


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _import_hint(message: str) -> str:
    packages = {"libGL": "libgl1", "libgthread": "libglib2.0-0", "libglib": "libglib2.0-0"}
    for library, package in packages.items():
        if library in message:
            return f"apt-get install {package}"
    return "pip install --force-reinstall opencv-contrib-python"


def _cascade_classifier(there: bool, version: str) -> Finding:
    if there:
        return Finding("cv2.CascadeClassifier", "ok", f"OpenCV {version}")
    return Finding(
        "cv2.CascadeClassifier",
        "problem",
        f"OpenCV {version} as installed has none: since 5.0 only the contrib packages have it",
        "pip uninstall -y opencv-python opencv-python-headless && "
        "pip install --force-reinstall opencv-contrib-python",
    )


def has_screen() -> bool:
    """Whether windows have a screen to be shown on; on Linux, X or Wayland must be named."""
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform != "linux" or bool(named)


def _windows(build_information: str) -> Finding:
    found = re.search(r"^\s*GUI:\s*(\S+)", build_information, re.MULTILINE)
    backend = found.group(1) if found else "NONE"
    if backend == "NONE":
        hint = "pip install opencv-contrib-python in place of the headless package"
        return Finding("windows on the screen", "absent", "headless OpenCV", hint)
    if not has_screen():
        detail = f"{backend}, but no screen: DISPLAY is not set"
        return Finding("windows on the screen", "absent", detail, "--save FILE in place of --show")
    return Finding("windows on the screen", "ok", backend)


def _programs() -> Iterator[Finding]:
    from fercli.cascade.opencv3.programs import PROGRAMS, find_program

    for program in PROGRAMS:
        try:
            yield Finding(program, "ok", str(find_program(program)))
        except DependencyError:
            detail = "not found; only `--engine opencv` needs it"
            yield Finding(program, "absent", detail, "fer cascade tools install")


def _cores() -> Finding:
    from fercli.common.parallel import available_workers

    return Finding("processor cores", "ok", f"{available_workers()} usable")


def _memory() -> Finding:
    import psutil

    total = psutil.virtual_memory().total
    sizes = f"{available_memory() / 2**30:.1f} of {total / 2**30:.1f} GiB available"
    return Finding("memory", "ok", sizes)


def _gpu() -> Finding:
    program = shutil.which("nvidia-smi")
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader"]
    if program is not None:
        try:
            found = subprocess.run(
                [program, *query], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            return Finding("GPU", "absent", f"nvidia-smi fails: {error}", "check the driver")
        return Finding("GPU", "ok", "; ".join(found.stdout.strip().splitlines()))
    return Finding("GPU", "absent", "none found; nothing in fer needs one", "")
