"""The folder of a training: the cascade, and all that is needed to repeat or go on with it.

``recipe.toml`` (all settings, resolved), ``versions.json``, ``training.log``, ``stages.csv`` (a
line a stage, as they come), and at the end ``cascade.xml``, ``result.json`` and ``rates.png``.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from fercli import __version__
from fercli.cascade.opencv3.stage_files import PARAMETERS
from fercli.cascade.training.checkpoint import STAGES, STATE
from fercli.cascade.training.report import (
    StageRecord,
    TrainingResult,
    draw_rates,
    read_stages,
    write_result,
    write_stages,
)
from fercli.common.errors import FerError, OutputExistsError, TrainingError
from fercli.common.files import make_folder, output_error, require_absent, write_text
from fercli.common.recipes import read_recipe, write_recipe
from fercli.common.work_folder import alone_in, remove_unfinished

#: Settings that change how long a training takes, not what comes of it.
UNIMPORTANT = frozenset({"workers", "tools", "value_buffer", "index_buffer", "memory"})

#: Settings that a training cannot change on its way.
FIXED = frozenset(
    {"engine", "size", "feature_type", "mode", "boost_type", "min_hit_rate",
     "max_false_alarm_rate", "weight_trim_rate", "max_depth", "max_weak_count"}
)  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """A folder of results, by the names in it."""

    path: Path

    @property
    def cascade(self) -> Path:
        """The cascade; there only when the training has ended."""
        return self.path / "cascade.xml"

    @property
    def recipe(self) -> Path:
        """All settings, in a form that ``--recipe`` reads."""
        return self.path / "recipe.toml"

    @property
    def versions(self) -> Path:
        """What the training ran on."""
        return self.path / "versions.json"

    @property
    def log(self) -> Path:
        """What the engine said."""
        return self.path / "training.log"

    @property
    def stages(self) -> Path:
        """The stages that are done."""
        return self.path / "stages.csv"

    @property
    def result(self) -> Path:
        """The result, for programs."""
        return self.path / "result.json"

    @property
    def rates(self) -> Path:
        """The plot of false alarms over stages."""
        return self.path / "rates.png"

    @property
    def engine(self) -> Path:
        """The folder of what only the engine reads."""
        return self.path / "engine"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of a training, but for the engine's."""
        return (self.cascade, self.recipe, self.versions, self.log, self.stages, self.result,
                self.rates)  # fmt: skip

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

    def write_versions(self, engine: Mapping[str, object]) -> None:
        """Write what the training runs on; `engine` is added."""
        about = {
            "fer": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "numpy": metadata.version("numpy"),
            **engine,
        }
        write_text(self.versions, json.dumps(about, indent=2) + "\n", overwrite=True)

    def read_stages(self, count: int) -> list[StageRecord]:
        """Return what is known of the first `count` stages, as far as it is in the table."""
        try:
            known = {stage.index: stage for stage in read_stages(self.stages)}
        except FerError:
            return []
        return [known[index] for index in range(count) if index in known]

    def write_stages(self, stages: list[StageRecord]) -> None:
        """Write the table of stages anew."""
        write_stages(self.stages, stages)

    def write_result(self, result: TrainingResult) -> None:
        """Write what belongs to a training that has ended."""
        write_result(self.result, result)
        draw_rates(self.rates, result.stages)

    def what_is_kept(self, stages: int) -> str:
        """Return what to tell whoever interrupts a training that has so many whole stages."""
        kept = f"{stages} whole stage{' is' if stages == 1 else 's are'} kept in {self.path}"
        return f"interrupted; {kept}: the same command goes on, --finish writes their cascade"

    def require_own_engine(self) -> None:
        """Raise `OutputExistsError` if the engine's folder holds files of something else."""
        if not self.engine.is_dir() or not any(self.engine.iterdir()):
            return
        marks = (self.recipe, *(self.engine / name for name in (STAGES, STATE, PARAMETERS)))
        if not any(map(os.path.lexists, marks)):
            raise OutputExistsError(
                "holds files of no training",
                hint="another --out, or another name for this folder",
                path=self.engine,
            )

    def reopen(self) -> None:
        """Remove what tells that the training has ended: it goes on."""
        for file in (self.cascade, self.result, self.rates):
            file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove a training, and nothing else that is in the folder."""
        try:
            # First, while the recipe still tells whose it is.
            if self.engine.is_dir():
                shutil.rmtree(self.engine)
            for file in self.files:
                file.unlink(missing_ok=True)
            make_folder(self.path)
        except OSError as error:
            raise output_error(error, self.path) from error


@contextmanager
def locked(out: Path) -> Iterator[tuple[RunFolder, int]]:
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
        The folder of the engine holds files of something else.
    """
    try:
        with alone_in(out, "a training", clear=True) as lock:
            assert lock is not None
            folder = RunFolder(out.absolute())
            folder.require_own_engine()
            remove_unfinished(folder.path, [file.name for file in folder.files])
            remove_unfinished(folder.engine, [STAGES, STATE])
            yield folder, lock
    except OSError as error:
        raise output_error(error, out) from error


def refuse_other_training(folder: RunFolder, options: Mapping[str, Any], *, resume: bool) -> bool:
    """Return whether there is a training to go on with; raise if it is another or has ended.

    Parameters
    ----------
    folder : RunFolder
        The folder of results.
    options : mapping
        The settings that are wanted, resolved, by option.
    resume : bool
        Whether to go on with a training that has ended, or with settings other than the `FIXED`
        ones changed.

    Raises
    ------
    TrainingError
        It is a training with other settings.
    OutputExistsError
        It has ended, or there are files of a training without its recipe.
    """
    before = folder.read_recipe()
    if before is None:
        for file in folder.files:
            require_absent(file, overwrite=resume)
        return False
    changed = changes(before, options)
    fixed = [change for name, change in changed.items() if name in FIXED]
    if fixed or (changed and not resume):
        hint = "the same settings to go on with it, another --out, or --overwrite to start anew"
        raise TrainingError(
            f"holds a training with other settings: {'; '.join(fixed or changed.values())}",
            hint=hint if fixed else f"--resume to go on with the new ones, {hint}",
            path=folder.path,
        )
    if folder.cascade.exists() and not resume:
        raise OutputExistsError(
            "holds a training that has ended",
            hint="--resume with more --stages to go on, another --out, or --overwrite to "
            "start anew",
            path=folder.path,
        )
    return True


def changes(
    before: Mapping[str, Any], now: Mapping[str, Any], ignored: Collection[str] = UNIMPORTANT
) -> dict[str, str]:
    """Return the settings that differ, each with a few words on how."""
    names = sorted((set(before) | set(now)) - set(ignored))
    return {
        name: f"--{name.replace('_', '-')} {before.get(name)} there, {_plain(now.get(name))} here"
        for name in names
        if before.get(name) != _plain(now.get(name))
    }


def _plain(value: Any) -> Any:
    """Return a value as a recipe gives it back."""
    return str(value) if isinstance(value, Path) else value
