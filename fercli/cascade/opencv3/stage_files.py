"""The folder of ``opencv_traincascade``'s stages: ``params.xml`` and ``stageN.xml``.

The program continues from the files there, and aborts on a damaged one, such as one that it was
writing when it was killed.

See: ``CvCascadeClassifier::load``, apps/traincascade/cascadeclassifier.cpp.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from fercli.cascade.model.xml_storage import read_storage
from fercli.common.errors import CascadeFileError, TrainingError
from fercli.common.files import make_folder
from fercli.common.progress import SILENT, Progress

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
