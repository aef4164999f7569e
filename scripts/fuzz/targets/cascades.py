"""Readers of samples, of cascades, and of what a training of a cascade leaves to go on with."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

from fercli.common.errors import FerError
from scripts.fuzz.reader import Reader
from scripts.fuzz.targets.corpus import CASCADE_HAAR, CASCADE_LBP, CASCADE_OLD, texture

STAGE = b"""<?xml version="1.0"?>
<opencv_storage>
<stage0>
  <maxWeakCount>1</maxWeakCount>
  <stageThreshold>5.0e-01</stageThreshold>
  <weakClassifiers>
    <_>
      <internalNodes>0 -1 1 0.</internalNodes>
      <leafValues>-1. 1.</leafValues></_></weakClassifiers></stage0>
</opencv_storage>
"""
PARAMETERS = b"""<?xml version="1.0"?>
<opencv_storage>
<params>
  <stageType>BOOST</stageType>
  <featureType>HAAR</featureType>
  <height>24</height>
  <width>24</width>
  <stageParams>
    <boostType>GAB</boostType>
    <minHitRate>9.9500000476837158e-01</minHitRate>
    <maxFalseAlarm>5.0000000000000000e-01</maxFalseAlarm>
    <weightTrimRate>9.4999998807907104e-01</weightTrimRate>
    <maxDepth>1</maxDepth>
    <maxWeakCount>100</maxWeakCount></stageParams>
  <featureParams>
    <maxCatCount>0</maxCatCount>
    <featSize>1</featSize>
    <mode>BASIC</mode></featureParams></params>
</opencv_storage>
"""
LOG = (
    b"""===== TRAINING 0-stage =====
<BEGIN
POS count : consumed   70 : 70
NEG count : acceptanceRatio    100 : 1
Precalculation time: 1
+----+---------+---------+
|  N |    HR   |    FA   |
+----+---------+---------+
|   1|        1|        1|
+----+---------+---------+
|   2| 0.995|     0.42|
+----+---------+---------+
END>
Training until now has taken 0 days 0 hours 0 minutes 1 seconds.
OpenCV Error: Bad argument (Can not get new positive sample) in get, file a.cpp, line 157
""",
)
STATE = (
    b"""{"stages": [{"index": 0, "weak_classifiers": 2, "hit_rate": 0.99, "false_alarm_rate": 0.4,
 "positives": 70, "positives_consumed": 70, "negatives": 100, "acceptance_ratio": 1.0,
 "seconds": 0.5}, {"index": 1, "weak_classifiers": 1}],
 "seconds": 1.25, "origin": {"positives": "00ff", "backgrounds": "ff00"}}
""",
)
TABLE = (
    b"index,weak_classifiers,hit_rate,false_alarm_rate,positives,positives_consumed,negatives,"
    b"acceptance_ratio,seconds\n0,2,0.99,0.4,70,70,100,1.0,0.5\n1,1,,,,,,,\n",
)
RECIPE = (
    b'engine = "native"\nsize = "24x24"\nstages = 3\nmin-hit-rate = 0.99\nmirror = true\n'
    b"negatives = 300\nvalidation = 0\nseed = 1\nmode = 'ALL'\n",
    b'engine = "opencv"\nsize = "24x24"\nstages = 3\npositives = 10\nvalue-buffer = 100\n',
)


def _vec_files() -> list[bytes]:
    def vec(count: int, side: int) -> bytes:
        pixels = texture(3, side, side).astype("<i2").tobytes()
        return struct.pack("<iihh", count, side * side, 0, 0) + (b"\0" + pixels) * count

    return [vec(3, 24), vec(5, 8)]


def _read_vec(folder: Path) -> object:
    from fercli.cascade.samples.vec import describe_vec, read_vec

    info = describe_vec(folder / "faces.vec")
    assert all(info.problems)
    size = info.sizes_wh[0]
    return int(read_vec(folder / "faces.vec", size)[:100].sum())


def _read_cascade(folder: Path) -> object:
    """Read a cascade; let cv2 and fer's own scanner look through it, which must not crash."""
    from fercli.cascade.detection.detector import Detector
    from fercli.cascade.model.describe import describe_cascade

    path = folder / "cascade.xml"
    description = describe_cascade(path)
    detector = Detector(path)
    if max(detector.cascade.size_wh) < 100:
        detector.detect(texture(4, 60, 50))
    return description


def _convert_cascade(folder: Path) -> object:
    from fercli.cascade.model import read_cascade
    from fercli.cascade.model.write import convert_cascade

    out = folder / "new.xml"
    convert_cascade(folder / "cascade.xml", out, overwrite=True)
    return read_cascade(out)


def _read_engine(folder: Path) -> object:
    from fercli.cascade.training.folder import keep_whole_stages

    (folder / "stage0.xml").write_bytes(STAGE)
    return keep_whole_stages(folder)


def _read_stage(folder: Path) -> object:
    from fercli.cascade.training.folder import keep_whole_stages

    (folder / "params.xml").write_bytes(PARAMETERS)
    return keep_whole_stages(folder)


def _read_log(folder: Path) -> object:
    from fercli.cascade.opencv3.traincascade import TrainingLog

    log = TrainingLog()
    for line in (folder / "training.log").read_text("utf-8", "replace").splitlines():
        log.read(line)
    return log


def _lay_stages(folder: Path) -> None:
    (folder / "stages.xml").write_bytes(CASCADE_HAAR)


def _read_state(folder: Path) -> object:
    from fercli.cascade.training.checkpoint import read_checkpoint

    return read_checkpoint(folder)


def _lay_state(folder: Path) -> None:
    (folder / "training.json").write_bytes(STATE[0])


def _read_table(folder: Path) -> object:
    from fercli.cascade.training.report import read_stages

    return read_stages(folder / "stages.csv")


def _read_recipe(folder: Path) -> object:
    """Read the recipe of a training that is to be gone on with, and compare it with another."""
    from fercli.cascade.training.folder import CascadeFolder
    from fercli.run_folder import changes

    there = CascadeFolder(folder)
    wanted = {"engine": "native", "size": "24x24", "stages": 3, "min_hit_rate": 0.99}
    for resume in (False, True):
        with suppress(FerError):
            there.may_continue(wanted, resume=resume)
    return changes(there.read_recipe() or {}, wanted)


READERS = (
    Reader(".vec", "faces.vec", _vec_files, _read_vec, share=2),
    Reader("cascade.xml", "cascade.xml", lambda: (CASCADE_HAAR, CASCADE_LBP), _read_cascade,
           share=3),
    Reader("cascade.xml, old", "cascade.xml", lambda: (CASCADE_OLD,), _read_cascade, share=2),
    Reader("cascade.xml, converted", "cascade.xml",
           lambda: (CASCADE_HAAR, CASCADE_LBP, CASCADE_OLD), _convert_cascade),
    Reader("params.xml", "params.xml", lambda: (PARAMETERS,), _read_engine),
    Reader("stage0.xml", "stage0.xml", lambda: (STAGE,), _read_stage),
    Reader("training.log", "training.log", lambda: LOG, _read_log),
    Reader("training.json", "training.json", lambda: STATE, _read_state, _lay_stages),
    Reader("stages.xml", "stages.xml", lambda: (CASCADE_HAAR,), _read_state, _lay_state),
    Reader("stages.csv", "stages.csv", lambda: TABLE, _read_table),
    Reader("recipe.toml of a cascade", "recipe.toml", lambda: RECIPE, _read_recipe),
)  # fmt: skip
