"""The engines that train a cascade, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from fercli.cascade.training_report import TrainingResult
from fercli.errors import OptionError
from fercli.progress import Progress

#: The modules of the engines; each has the functions of `Engine`.
ENGINES = {"opencv": "fercli.cascade.opencv_tools.training"}


class Engine(Protocol):
    """What an engine can do; options are those of the command line, by name."""

    def train(
        self,
        options: Mapping[str, Any],
        out: Path,
        *,
        resume: bool = False,
        overwrite: bool = False,
        progress: Progress = ...,
    ) -> TrainingResult:
        """Train a cascade into a folder, or go on with a training that is there."""

    def finish(
        self,
        out: Path,
        *,
        stages: int | None = None,
        tools: Path | None = None,
        progress: Progress = ...,
    ) -> TrainingResult:
        """Write the cascade of the stages that are there."""

    def options_there(self, out: Path) -> dict[str, Any]:
        """Return the options of the training that a folder holds; none if there is none."""


def find_engine(name: str) -> Engine:
    """Return an engine.

    Raises
    ------
    OptionError
        There is none of that name.
    """
    if name not in ENGINES:
        raise OptionError(f"wanted an engine out of {', '.join(ENGINES)}, found {name!r}")
    return cast(Engine, import_module(ENGINES[name]))


def train_cascade(
    engine: str,
    options: Mapping[str, Any],
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress,
) -> TrainingResult:
    """Train a cascade by an engine.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    options : mapping
        Options of the engine by name. To resume, only those that are to change.
    out : Path
        The folder of results.
    resume : bool
        Whether to go on with the training that is there, whose options hold where none are
        given. Defaults to False: the same options go on with it as well.
    overwrite : bool
        Whether to remove a training that is there. Defaults to False.
    progress : Progress

    Raises
    ------
    FerError
        As the engine's `train`.
    """
    if resume and overwrite:
        raise OptionError("wanted --resume or --overwrite, found both")
    chosen = find_engine(engine)
    before = chosen.options_there(out) if resume else {}
    return chosen.train(
        {**before, **options}, out, resume=resume, overwrite=overwrite, progress=progress
    )
