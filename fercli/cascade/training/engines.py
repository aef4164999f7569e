"""The engines that train a cascade, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from fercli.cascade.training.folder import PARAMETERS, CascadeFolder
from fercli.cascade.training.report import CascadeTrainingResult
from fercli.common.errors import OptionError, TrainingError
from fercli.common.progress import Progress

#: The modules of the engines; each has the functions of `Engine`.
ENGINES = {
    "native": "fercli.cascade.training.native",
    "opencv": "fercli.cascade.opencv3.training",
}
DEFAULT = "native"

#: Options that name the positives, of which one is given.
POSITIVES = ("vec", "info")


class Engine(Protocol):
    """What an engine can do; options are those of the command line, by name."""

    def train(
        self,
        options: Mapping[str, Any],
        out: Path,
        *,
        resume: bool = False,
        overwrite: bool = False,
        scheduler: str | None = None,
        progress: Progress = ...,
    ) -> CascadeTrainingResult:
        """Train a cascade, or continue an interrupted training of the same options.

        Parameters
        ----------
        options : mapping
            The options of the engine, by the command's names.
        out : Path
            The folder of results; see `CascadeFolder`.
        resume : bool
            Whether to continue a training that has ended, or with other options than it began
            with, as far as they may change. Defaults to False.
        overwrite : bool
            Whether to remove a training that is there. Defaults to False.
        scheduler : str, optional
            The Dask scheduler whose workers read the images and mine the negatives; not for an
            engine that is a program of OpenCV. Defaults to None: this machine does.
        progress : Progress
            Shows a bar over the stages with the figures of the current one, and a note a stage.

        Returns
        -------
        CascadeTrainingResult
            Of a training that ended with a cascade, be it of fewer stages than asked for.

        Raises
        ------
        OptionError
            Options are out of range, contradict each other, or need more memory than there is; or
            the cascade to continue from is one that the training would remove.
        InputError
            The positives or the backgrounds cannot be used.
        DependencyError
            The program is missing, or does not run; or the cluster cannot be used.
        OutputError
            The folder cannot be written, the disk is full, or another training is under way.
        TrainingError
            The folder holds another training, not even one stage could be trained, or the program
            fails.
        KeyboardInterrupt
            Interrupted (SIGTERM and SIGHUP included); whole stages stay.
        """

    def finish(
        self,
        out: Path,
        *,
        stages: int | None = None,
        tools: Path | None = None,
        progress: Progress = ...,
    ) -> CascadeTrainingResult:
        """Write the cascade of the stages that a training has come to.

        Parameters
        ----------
        out : Path
            The folder of the training; for OpenCV's engine, one that the program was run in by hand
            will do.
        stages : int, optional
            Write the first so many, those of a cascade to begin with included. Defaults to all.
        tools : Path, optional
            The folder of OpenCV's programs, for the engine that needs them; see `find_program`.

        Raises
        ------
        TrainingError
            There is no whole stage; or the program fails.
        DependencyError, OutputError
            As `train`.
        """

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
        raise OptionError(f"`engine`: expected {' or '.join(ENGINES)}, got {name!r}")
    return cast(Engine, import_module(ENGINES[name]))


def engine_there(out: Path) -> str:
    """Return the engine of the training that a folder holds; the default where there is none."""
    recipe = CascadeFolder(out).read_recipe()
    if recipe is not None:
        return str(recipe.get("engine", DEFAULT))
    return "opencv" if (out / PARAMETERS).exists() else DEFAULT


def finish_cascade(
    engine: str | None,
    out: Path,
    *,
    stages: int | None = None,
    tools: Path | None = None,
    progress: Progress,
) -> CascadeTrainingResult:
    """Write the cascade of the stages that a training has come to.

    Parameters
    ----------
    engine : str or None
        One of `ENGINES`. Defaults to the one that began the training.
    out : Path
        The folder of results.
    stages : int, optional
        Write the first so many, 1 or more. Defaults to all.
    tools : Path, optional
        The folder of OpenCV's programs.
    progress : Progress

    Raises
    ------
    OptionError
        `stages` is out of range, or there is no such engine.
    FerError
        As the engine's `finish`.
    """
    if stages is not None and stages < 1:
        raise OptionError(f"`stages`: expected 1 or more, got {stages}")
    chosen = find_engine(engine or engine_there(out))
    return chosen.finish(out, stages=stages, tools=tools, progress=progress)


def train_cascade(
    engine: str | None,
    options: Mapping[str, Any],
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    scheduler: str | None = None,
    progress: Progress,
) -> CascadeTrainingResult:
    """Train a cascade by an engine.

    Parameters
    ----------
    engine : str or None
        One of `ENGINES`. Without any, the one that began the training to be continued, or
        the default.
    options : mapping
        Options of the engine by name. To resume, only those that are to change.
    out : Path
        The folder of results.
    resume : bool
        Whether to continue the training that is there, whose options hold where none are given.
        Defaults to False: the same options continue it as well.
    overwrite : bool
        Whether to remove a training that is there. Defaults to False.
    scheduler : str, optional
        A Dask scheduler, whose workers mine the negatives; for the engine native.
    progress : Progress

    Raises
    ------
    OptionError
        Both `resume` and `overwrite`, no such engine, or one that cannot use a cluster.
    TrainingError
        There is no training to continue.
    FerError
        As the engine's `train`.
    """
    if resume and overwrite:
        raise OptionError("`resume` and `overwrite` cannot be used together")
    chosen = find_engine(engine or (engine_there(out) if resume else DEFAULT))
    if resume:
        before = chosen.options_there(out)
        if not before:
            raise TrainingError(
                "There is no training to continue",
                hint="leave out `resume` to begin one",
                path=out,
            )
        options = {**_that_still_hold(before, options), **options}
    return chosen.train(
        options, out, resume=resume, overwrite=overwrite, scheduler=scheduler, progress=progress
    )


def _that_still_hold(before: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a training, without those that given ones make pointless.

    Those are the positives where others are given, the label of boxes where samples are, how
    variants differ where there are to be none, and the set of features of another type.
    """
    dropped: set[str] = set()
    if any(options.get(name) is not None for name in POSITIVES):
        dropped.update(POSITIVES)
    if options.get("vec") is not None:
        dropped.add("label")
    if options.get("feature_type") not in (None, before.get("feature_type")):
        dropped.add("mode")
    if options.get("variants") == 0:
        dropped.update(name for name in before if name.startswith("jitter_"))
    return {name: value for name, value in before.items() if name not in dropped}
