"""The folder of a training by ``opencv_traincascade``: compared, made ready."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fercli.cascade.opencv3.settings import ProgramSettings
from fercli.cascade.opencv3.stage_files import PARAMETERS, adopt, read_parameters
from fercli.cascade.opencv_tools.status import opencv_version
from fercli.common.errors import TrainingError
from fercli.common.files import make_folder
from fercli.run_folder import ResultFolder, changes, refuse_other_training

ENGINE = "opencv"


def refuse_other(folder: ResultFolder, settings: ProgramSettings, *, resume: bool) -> bool:
    """Return whether to go on with what is there; `TrainingError` if it is of other settings."""
    options = {"engine": ENGINE, **settings.to_options()}
    there = read_parameters(folder.engine)
    by_hand = folder.read_recipe() is None and (there or read_parameters(folder.path)) is not None
    going_on = refuse_other_training(folder, options, resume=resume)
    there = there or (read_parameters(folder.path) if by_hand else None)
    if there is not None:
        different = changes(there, {name: options[name] for name in there}).values()
        if different:
            raise TrainingError(
                f"holds stages trained with other settings: {'; '.join(different)}",
                hint="another --out, or --overwrite to start anew",
                path=folder.path,
            )
    if by_hand and not resume:
        raise TrainingError(
            "holds stages that opencv_traincascade was run for by hand",
            hint="--resume to go on with them, another --out, or --overwrite to start anew",
            path=folder.path,
        )
    if resume and not (going_on or by_hand):
        raise TrainingError("wanted a training to go on with, found none", path=folder.path)
    return going_on or by_hand


def adopt_by_hand(folder: ResultFolder) -> None:
    """Take over the stages of a training that the program was run for by hand in this folder."""
    by_hand = folder.read_recipe() is None and (folder.path / PARAMETERS).exists()
    if by_hand and not (folder.engine / PARAMETERS).exists():
        adopt(folder.path, folder.engine)


def lay_out(
    folder: ResultFolder, settings: ProgramSettings, program: Path, *, going_on: bool
) -> None:
    """Write down what is about to be done, in a folder without another training."""
    if not going_on:
        folder.clear()
    elif folder.recipe.exists():
        folder.reopen()
    else:
        adopt_by_hand(folder)
    make_folder(folder.engine)
    folder.write_recipe({"engine": ENGINE, **settings.to_options()})
    folder.write_versions(
        {
            "opencv_traincascade": opencv_version(program),
            "opencv_traincascade_sha256": hashlib.sha256(program.read_bytes()).hexdigest(),
        }
    )
