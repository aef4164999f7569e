"""Save the stages of a training in its folder, so that it can be resumed.

``stages.xml`` holds the stages, ready for a detector; ``training.json`` holds their records and
digests of the samples. Both are replaced atomically after every stage, the stages first: if the
second is lost, there is one stage too many, which is trained again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    read_cascade,
    write_cascade,
)
from fercli.cascade.training.report import StageRecord
from fercli.common.errors import FerError, TrainingError
from fercli.common.files import parse_json, read_text, write_text

STAGES, STATE = "stages.xml", "training.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after a stage.

    Parameters
    ----------
    cascade : Cascade
        Without a stage if none is trained yet.
    records : tuple of StageRecord
        A record for each stage that was trained: none for those of a cascade to begin with.
    seconds : float
        Time of the training so far.
    origin : mapping
        Digests of what the stages were trained on, by name.
    """

    cascade: Cascade
    records: tuple[StageRecord, ...] = ()
    seconds: float = 0.0
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> int:
        """The number of stages that were given to begin with."""
        return len(self.cascade.stages) - len(self.records)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in a folder; None if there is none.

    Raises
    ------
    TrainingError
        Its files are damaged.
    """
    if not (folder / STATE).exists():
        return None
    try:
        state = parse_json(read_text(folder / STATE))
        records = tuple(StageRecord(**record) for record in state["stages"])
        cascade = read_cascade(folder / STAGES)
        count = records[-1].index + 1 if records else 0
        if not len(records) <= count <= len(cascade.stages):
            raise ValueError(f"{STATE} lists {count} stages, {STAGES} has {len(cascade.stages)}")
        seconds, origin = float(state["seconds"]), dict(state["origin"])
    except (FerError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = error.message if isinstance(error, FerError) else error
        raise TrainingError(
            f"The stages of the training are damaged: {reason}",
            hint="start again with `overwrite`",
            path=folder,
        ) from error
    return Checkpoint(first_stages(cascade, count), records, seconds, origin)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the last.

    Raises
    ------
    OutputError
        The disk is full, …; the last checkpoint is still there.
    """
    write_cascade(folder / STAGES, checkpoint.cascade, overwrite=True)
    state = {
        "stages": [asdict(record) for record in checkpoint.records],
        "seconds": round(checkpoint.seconds, 3),
        "origin": dict(checkpoint.origin),
    }
    write_text(folder / STATE, json.dumps(state, indent=2) + "\n", overwrite=True)


def first_stages(cascade: Cascade, count: int) -> Cascade:
    """Return a cascade of the first stages, without features that only later ones use.

    Features stand in the order of their first use, as `with_stage` adds them; a cascade of any
    origin may have others, and stays as it is where no stage is left out.
    """
    if count >= len(cascade.stages):
        return cascade
    stages = cascade.stages[:count]
    used = [
        node.feature for stage in stages for weak in stage.weak_classifiers for node in weak.nodes
    ]
    return replace(cascade, stages=stages, features=cascade.features[: max(used, default=-1) + 1])


def with_stage(
    cascade: Cascade, stage: Stage, feature: Callable[[int], HaarFeature | LbpFeature]
) -> Cascade:
    """Return a cascade with one more stage.

    Parameters
    ----------
    cascade : Cascade
    stage : Stage
        Its features are numbers in another list.
    feature : callable
        Gives the feature of such a number.
    """
    features = list(cascade.features)
    indices: dict[HaarFeature | LbpFeature, int] = {}
    for number, known in enumerate(features):
        indices.setdefault(known, number)

    def renumbered(node: Node) -> Node:
        wanted = feature(node.feature)
        if wanted not in indices:
            indices[wanted] = len(features)
            features.append(wanted)
        return replace(node, feature=indices[wanted])

    weak_classifiers = tuple(
        replace(weak, nodes=tuple(renumbered(node) for node in weak.nodes))
        for weak in stage.weak_classifiers
    )
    added = replace(stage, weak_classifiers=weak_classifiers)
    return replace(cascade, stages=(*cascade.stages, added), features=tuple(features))
