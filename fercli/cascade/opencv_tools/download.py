"""Downloads by pip: the source package of opencv-python 3.4, and programs that a build needs."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fercli.common.errors import DependencyError
from fercli.common.progress import SILENT, Bar, Progress
from fercli.common.subprocesses import running

PACKAGE = "opencv-python"
PACKAGE_VERSION = "3.4.18.65"
SHA256 = "0c2d5ebd08420079d6ebdec7a247f0284d403edd87647e9fbcc474c5adcb310b"
#: The size of its archive, in 10^6 bytes.
MEGABYTES = 88

#: How often a download is looked at.
TICK_SECONDS = 0.3

#: pip asks a source package's build backend for its metadata, which for this one means building
#: old versions of its requirements. This stands in for that backend: it reads the name and the
#: version from PKG-INFO, and pip keeps the archive.
_BACKEND = """
import pathlib
import sys


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    lines = pathlib.Path("PKG-INFO").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line.startswith(("Name: ", "Version: "))]
    name, version = (line.split(": ", 1)[1] for line in wanted)
    made = pathlib.Path(folder, f"{name.replace('-', '_')}-{version}.dist-info")
    made.mkdir()
    text = "\\n".join(["Metadata-Version: 2.1", *wanted, ""])
    (made / "METADATA").write_text(text, encoding="utf-8")
    return made.name


def build_wheel(*args, **kwargs):
    raise RuntimeError("only the archive is wanted")


get_requires_for_build_sdist = get_requires_for_build_wheel
build_sdist = build_wheel
__legacy__ = sys.modules[__name__]
"""


def download_source(folder: Path, progress: Progress = SILENT) -> Path:
    """Download the source package by pip into `folder`, and return the archive.

    pip takes it from the index that it is configured for; its hash is checked against `SHA256`.

    Parameters
    ----------
    folder : Path
        Where to; pip works there, too.
    progress : Progress
        Shows a bar over the megabytes.

    Raises
    ------
    DependencyError
        This Python has no pip, or pip cannot get the package.
    """
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(_BACKEND, encoding="utf-8")
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={PACKAGE_VERSION} --hash=sha256:{SHA256}\n")
    with progress.bar("downloading OpenCV's source", total=MEGABYTES, unit="MB") as bar:
        run_pip(
            ["download", "--no-deps", "--no-binary", PACKAGE, "--no-build-isolation",
             "--require-hashes", "--dest", str(folder), "--requirement", str(wanted)],
            folder, f"{PACKAGE} {PACKAGE_VERSION}'s source",
            environment={"PYTHONPATH": str(backend.parent)}, watch=_Arrivals(folder, bar),
        )  # fmt: skip
    return next(folder.glob(f"{PACKAGE.replace('-', '[-_]')}-{PACKAGE_VERSION}*"))


class _Arrivals:
    """What has arrived in a folder, shown on a bar; pip tells nothing on its way."""

    def __init__(self, folder: Path, bar: Bar) -> None:
        self._folder = folder
        self._bar = bar
        self._shown = 0

    def __call__(self) -> None:
        # Files come and go meanwhile; and in the end pip unpacks the archive beside it.
        with suppress(OSError):
            sizes = (path.lstat().st_size for path in self._folder.rglob("*"))
            now = min(sum(sizes) // 10**6, MEGABYTES)
            self._bar.advance(max(now - self._shown, 0))
            self._shown = max(now, self._shown)


def run_pip(
    arguments: Sequence[str],
    folder: Path,
    wanted: str,
    *,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
) -> None:
    """Run pip with its temporary files in `folder`.

    Parameters
    ----------
    arguments : sequence of str
        Its command and options.
    folder : Path
        Where it works.
    wanted : str
        What it is to get, for messages.
    environment : mapping, optional
        Variables to set for it.
    watch : callable, optional
        Called several times a second while pip says nothing.

    Raises
    ------
    DependencyError
        This Python has no pip, or pip fails: with its last words.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # setuptools may have to say something of distutils
        there = importlib.util.find_spec("pip") is not None
    if not there:
        raise DependencyError(
            f"wanted pip, found none in {sys.executable}",
            hint=f"{sys.executable} -m ensurepip",
        )
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    # Settings of the user's that contradict a download into a folder of ours.
    ours = {"TMPDIR": str(folder), "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    lines = []
    with running([*command, *arguments], environment={**ours, **(environment or {})}) as pip:
        for line in pip.lines(None if watch is None else TICK_SECONDS):
            if line:
                lines.append(line)
            elif watch is not None:
                watch()
    if pip.wait():
        errors = [line for line in lines if line.startswith("ERROR: ")] or lines[-1:]
        raise DependencyError(
            f"wanted {wanted} from the package index; pip says "
            f"{' '.join(errors).removeprefix('ERROR: ')!r}",
            hint="look at the network and pip's settings, or download the source package "
            f"{PACKAGE}-{PACKAGE_VERSION}.tar.gz elsewhere and name it with --source",
        )
