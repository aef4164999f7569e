"""The folder of a training of a cascade, by either engine.

Beside the recipe and the versions: ``training.log``, ``stages.csv`` (a line a stage, as they
come), and at the end ``cascade.xml``, ``result.json`` and ``rates.png``. In ``engine/`` is what
only the engine reads; ``opencv_traincascade`` keeps ``params.xml`` and ``stageN.xml`` there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fercli.cascade.model.xml_storage import read_storage
from fercli.cascade.training.checkpoint import STAGES, STATE
from fercli.cascade.training.report import (
    CascadeTrainingResult,
    StageRecord,
    draw_rates,
    read_stages,
    write_result,
    write_stages,
)
from fercli.common.errors import CascadeFileError, FerError, OutputExistsError, TrainingError
from fercli.common.files import make_folder, output_error
from fercli.common.progress import SILENT, Progress
from fercli.run_folder import RECIPE, VERSIONS, RunFolder, remove_unfinished

PARAMETERS = "params.xml"

#: The element of each option in params.xml.
_ELEMENTS = {
    "feature_type": "featureType",
    "boost_type": "stageParams/boostType",
    "min_hit_rate": "stageParams/minHitRate",
    "max_false_alarm_rate": "stageParams/maxFalseAlarm",
    "weight_trim_rate": "stageParams/weightTrimRate",
    "max_depth": "stageParams/maxDepth",
    "max_weak_count": "stageParams/maxWeakCount",
    "mode": "featureParams/mode",
}


class CascadeFolder(RunFolder):
    """The folder of a training of a cascade, by either engine."""

    names = ("cascade.xml", RECIPE, VERSIONS, "training.log", "stages.csv", "result.json",
             "rates.png")  # fmt: skip
    ignored = frozenset({"workers", "tools", "value_buffer", "index_buffer", "memory"})
    fixed = frozenset(
        {"engine", "size", "feature_type", "mode", "boost_type", "min_hit_rate",
         "max_false_alarm_rate", "weight_trim_rate", "max_depth", "max_weak_count"}
    )  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether a training has ended here."""
        return self.cascade.exists()

    def clean_up(self) -> None:
        """Remove what a killed training was writing.

        Raises `OutputExistsError` if the engine's folder holds files of something else.
        """
        self.require_own_engine()
        super().clean_up()
        remove_unfinished(self.engine, [STAGES, STATE])

    @property
    def cascade(self) -> Path:
        """The cascade; there only when the training has ended."""
        return self.path / "cascade.xml"

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

    def write_result(self, result: CascadeTrainingResult) -> None:
        """Write what belongs to a training that has ended."""
        write_result(self.result, result)
        draw_rates(self.rates, result.stages)

    def what_is_kept(self, stages: int) -> str:
        """Return what to tell whoever interrupts a training that has so many whole stages."""
        kept = f"{stages} whole stage{' is' if stages == 1 else 's are'} kept in {self.path}"
        return (
            f"interrupted; {kept}: the same command continues, `fer cascade train --finish` writes "
            "their cascade"
        )

    def require_own_engine(self) -> None:
        """Raise `OutputExistsError` if the engine's folder holds files of something else."""
        if not self.engine.is_dir() or not any(self.engine.iterdir()):
            return
        marks = (self.recipe, *(self.engine / name for name in (STAGES, STATE, PARAMETERS)))
        if not any(map(os.path.lexists, marks)):
            raise OutputExistsError(
                "The folder holds files that no training has written",
                hint="use another `out`, or another name for this folder",
                path=self.engine,
            )

    @property
    def begun(self) -> bool:
        """Whether there is more of a training than its settings."""
        return super().begun or (self.engine.is_dir() and any(self.engine.iterdir()))

    def begin(
        self, options: Mapping[str, Any], libraries: Mapping[str, object], *, continues: bool
    ) -> None:
        """Make the folder ready for a training, and write down what is about to be done.

        Parameters
        ----------
        options : mapping
            The settings, resolved, by option.
        libraries : mapping
            The versions of what the engine runs on, by name.
        continues : bool
            Whether the stages that are there are kept; what tells that they have ended is not.
        """
        if not continues:
            self.clear()
        elif self.recipe.exists():  # else the program was run by hand, and its files are not ours
            for file in (self.cascade, self.result, self.rates):
                file.unlink(missing_ok=True)
        make_folder(self.engine)
        self.write_recipe(options)
        self.write_versions(libraries)

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


# The stages of ``opencv_traincascade``. It continues from the files there, and aborts on a damaged
# one, such as one that it was writing when it was killed.
#
# See: ``CvCascadeClassifier::load``, apps/traincascade/cascadeclassifier.cpp.


def stage_files(folder: Path) -> list[Path]:
    """Return the files of stages 0, 1, … up to the first that is missing."""
    found: list[Path] = []
    while (path := folder / f"stage{len(found)}.xml").exists():
        found.append(path)
    return found


def keep_whole_stages(folder: Path, progress: Progress = SILENT) -> int:
    """Remove the first damaged or missing stage and all later ones; return how many are left.

    Raises
    ------
    TrainingError
        params.xml is missing or damaged, although there are stages.
    """
    whole = 0
    for path in stage_files(folder):
        if weak_classifiers(path) is None:
            progress.note(f"{path.name} is incomplete: the stage is trained again")
            break
        whole += 1
    for path in folder.glob("stage*.xml"):
        number = re.fullmatch(r"stage(\d+)\.xml", path.name)
        if number and int(number[1]) >= whole:
            path.unlink()
    if whole == 0:
        (folder / PARAMETERS).unlink(missing_ok=True)
    elif read_parameters(folder) is None:
        raise TrainingError(
            f"There are {whole} stages, but {PARAMETERS} is missing or damaged",
            hint="use `overwrite` to start again",
            path=folder,
        )
    return whole


def weak_classifiers(stage: Path) -> int | None:
    """Return the number of weak classifiers of a stage; None if its file is incomplete."""
    try:
        listed = read_storage(stage).find("weakClassifiers")
    except CascadeFileError:
        return None
    return None if listed is None else len(listed) or None


def read_parameters(folder: Path) -> dict[str, Any] | None:
    """Return the settings that params.xml holds, by option; None if it is missing or damaged."""
    try:
        root = read_storage(folder / PARAMETERS)
    except CascadeFileError:
        return None
    found = {name: root.findtext(place) for name, place in _ELEMENTS.items()}
    options: dict[str, Any] = {name: text.strip() for name, text in found.items() if text}
    try:
        for name in set(options) - {"feature_type", "boost_type", "mode"}:
            whole = name.startswith("max_") and name != "max_false_alarm_rate"
            # Rates are float32 there; six decimals restore the value given.
            value = float(options[name])
            options[name] = int(value) if whole else round(value, 6)
        sides = [int(root.findtext(side, "")) for side in ("width", "height")]
    except (ValueError, OverflowError):
        return None
    return {**options, "size": "x".join(map(str, sides))}


def copy_stages(folder: Path, target: Path) -> None:
    """Copy the stages of a training for which the program was run by hand."""
    make_folder(target)
    for path in [folder / PARAMETERS, *stage_files(folder)]:
        shutil.copyfile(path, target / path.name)
