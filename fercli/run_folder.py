"""The folder that a command writes to: its own while it works, cleared up, and that of a training.

All trainings share `RunFolder`, those of cascades by both engines and those of models:
``recipe.toml`` (all settings, resolved) tells whether the folder holds the same training, and
the lock that nobody else is at work there. The files beside it are those of the subclass.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Self

from fercli import __version__
from fercli.common.errors import OutputError, OutputExistsError, TrainingError
from fercli.common.files import (
    UNFINISHED,
    folder_lock,
    make_folder,
    output_error,
    require_absent,
    write_text,
)
from fercli.common.recipes import read_recipe, write_recipe

RECIPE = "recipe.toml"
VERSIONS = "versions.json"


@dataclass(frozen=True)
class RunFolder:
    """A folder of results, by the names in it.

    Attributes
    ----------
    names : tuple of str
        The files of a training, its result among them.
    ignored : frozenset of str
        Settings that change how long a training takes, not what comes of it.
    fixed : frozenset of str or None
        Settings that a training cannot change on its way, even with `resume`; None: all that are
        not ignored, and there is no `resume`.
    """

    path: Path

    names: ClassVar[tuple[str, ...]] = (RECIPE, VERSIONS)
    ignored: ClassVar[frozenset[str]] = frozenset()
    fixed: ClassVar[frozenset[str] | None] = None

    @property
    def recipe(self) -> Path:
        """All settings, in a form that ``--recipe`` reads."""
        return self.path / RECIPE

    @property
    def versions(self) -> Path:
        """What the training ran on."""
        return self.path / VERSIONS

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of a training, but for those that only the engine reads."""
        return tuple(self.path / name for name in self.names)

    @property
    def begun(self) -> bool:
        """Whether there is more of a training than its settings."""
        settings = (self.recipe, self.versions)
        return any(os.path.lexists(file) for file in self.files if file not in settings)

    @property
    def ended(self) -> bool:
        """Whether a training has ended here, so that the same settings do not continue it."""
        return False

    def read_recipe(self) -> dict[str, Any] | None:
        """Return the settings of the training that is there, by option; None without one.

        Raises
        ------
        RecipeError
            There is a recipe, but a broken one.
        """
        if not os.path.lexists(self.recipe):
            return None
        return read_recipe(self.recipe)

    def write_recipe(self, options: Mapping[str, Any]) -> None:
        """Write the settings, in place of older ones."""
        write_recipe(self.recipe, options, overwrite=True)

    def write_versions(self, libraries: Mapping[str, object]) -> None:
        """Write what the training runs on, `libraries` among it."""
        text = json.dumps(versions(libraries), indent=2)
        write_text(self.versions, text + "\n", overwrite=True)

    def clean_up(self) -> None:
        """Remove what a killed training was writing."""
        remove_unfinished(self.path, self.names)

    @classmethod
    @contextmanager
    def locked(cls, out: Path) -> Iterator[tuple[Self, int]]:
        """Give a folder of results that is ours alone, and the descriptor that holds it.

        What a killed training was writing there is removed.

        Parameters
        ----------
        out : Path
            Made where it is missing, removed where it is empty at the end.

        Raises
        ------
        OutputError
            Another training is under way there, or the folder cannot be written.
        OutputExistsError
            The folder holds files of something else.
        """
        try:
            with output_folder(out, "a training", clear=True) as lock:
                assert lock is not None
                folder = cls(out.absolute())
                folder.clean_up()
                yield folder, lock
        except OSError as error:
            raise output_error(error, out) from error

    def may_continue(
        self, options: Mapping[str, Any], *, resume: bool = False, overwrite: bool = False
    ) -> bool:
        """Return whether there is a training to continue; raise if it is another or has ended.

        Parameters
        ----------
        options : mapping
            The settings that are asked for, resolved, by option.
        resume : bool
            Whether to continue a training that has ended, or one with other settings, as far as
            they are not `fixed`. Defaults to False.
        overwrite : bool
            Whether to start anew, whatever is there. Defaults to False.

        Raises
        ------
        TrainingError
            It is a training with other settings; or there is none to `resume`.
        OutputExistsError
            It has ended, or there are files of a training without its recipe.
        """
        if overwrite:
            return False
        before = self.read_recipe()
        if before is None:
            if resume:
                raise TrainingError("There is no training to continue", path=self.path)
            for file in self.files:
                require_absent(file, overwrite=False)
            return False
        changed = changes(before, options, self.ignored)
        if changed and not (self.begun or resume):
            return False
        fixed = [text for name, text in changed.items() if self.fixed is None or name in self.fixed]
        if fixed or (changed and not resume):
            raise other_training(self.path, fixed or [*changed.values()], resumable=not fixed)
        if self.ended and not resume:
            hint = "another `out`, or `overwrite` to start anew"
            if self.fixed is not None:
                hint = f"`resume` with more `stages` to continue it, {hint}"
            raise OutputExistsError(
                "The folder holds a training that has ended", hint=f"use {hint}", path=self.path
            )
        return True


def versions(libraries: Mapping[str, object]) -> dict[str, object]:
    """Return what a training runs on: fer, Python, the platform, NumPy and `libraries`."""
    return {
        "fer": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": metadata.version("numpy"),
        **libraries,
    }


def other_training(path: Path, different: Collection[str], *, resumable: bool) -> TrainingError:
    """Return the error that a folder holds a training that differs in this."""
    hint = "use the same settings to continue it, another `out`, or `overwrite` to start anew"
    if resumable:
        hint = f"use `resume` to continue with the new ones, or {hint.removeprefix('use ')}"
    return TrainingError(
        f"The folder holds a training with other settings: {'; '.join(different)}",
        hint=hint,
        path=path,
    )


def changes(
    before: Mapping[str, Any], now: Mapping[str, Any], ignored: Collection[str] = ()
) -> dict[str, str]:
    """Return the settings that differ, each with a few words on how."""
    names = sorted((set(before) | set(now)) - set(ignored))
    return {
        name: f"`{name}` {before.get(name)} there, {_plain(now.get(name))} here"
        for name in names
        if before.get(name) != _plain(now.get(name))
    }


def _plain(value: Any) -> Any:
    """Return a value as a recipe gives it back."""
    return str(value) if isinstance(value, Path) else value


@contextmanager
def output_folder(folder: Path | None, doing: str, *, clear: bool = False) -> Iterator[int | None]:
    """Keep other processes of fer out of a folder while the body runs.

    A folder that was made here and is still empty at the end is removed.

    Parameters
    ----------
    folder : Path, optional
        Made where it is missing. None: nothing is written, and nothing done here.
    doing : str
        What is done there, for the message of the process that comes second: "an evaluation".
    clear : bool
        Whether an empty folder that was there before is removed as well. Defaults to False.

    Yields
    ------
    int or None
        The descriptor that holds the lock, as `folder_lock`; None without a folder.

    Raises
    ------
    OutputError
        Another process is at work there, or the folder cannot be made.
    """
    if folder is None:
        yield None
        return
    removable = clear or not folder.exists()
    with folder_lock(make_folder(folder), doing) as lock:
        try:
            yield lock
        finally:  # here, where it is certain that nobody else is at work in it
            if removable:
                with suppress(OSError):
                    folder.rmdir()


def remove_unfinished(folder: Path, names: Sequence[str]) -> None:
    """Remove what a killed process left of files that `fercli.common.files.atomic_write` was
    writing.

    Parameters
    ----------
    folder : Path
        Held by `output_folder` or `folder_lock`.
    names : sequence of str
        Of the files. What is left of others, of a single file that another process may be writing
        to the same folder, stays.
    """
    suffixes = {Path(name).suffix for name in names}
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.suffix in suffixes:
            path.unlink(missing_ok=True)


def remove_all_unfinished(root: Path) -> None:
    """Remove what a killed process was writing in a folder and in all below it.

    For trees of images, which nobody else writes to: Keras takes hidden files for images too.
    """
    for path in root.rglob(f"{UNFINISHED}*"):
        path.unlink()


@contextmanager
def work_folder(target: Path, doing: str, *, megabytes: int, hint: str) -> Iterator[Path]:
    """Give an empty folder in the target, ours alone, that is gone afterwards.

    Parameters
    ----------
    target : Path
        The folder of results; made where missing, and removed again if it stays empty.
    doing : str
        What is done there, for messages: "an installation".
    megabytes : int
        The free disk that is needed, in 2^20 bytes.
    hint : str
        What to try where there is less.

    Raises
    ------
    OutputError
        The folder cannot be written, has too little room, or another process works there.
    """
    make_folder(target)
    place = target / ".build"
    try:
        with folder_lock(target, doing):
            _require_room(target, doing, megabytes, hint)
            # A process that was killed may have left its folder.
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise output_error(error, target) from error
    finally:
        with suppress(OSError):  # it is not empty when something was made
            target.rmdir()


def _require_room(target: Path, doing: str, megabytes: int, hint: str) -> None:
    free = shutil.disk_usage(target).free >> 20
    if free < megabytes:
        raise OutputError(
            f"Expected {megabytes} MB of free disk for {doing}, found {free} MB",
            hint=hint,
            path=target,
        )
