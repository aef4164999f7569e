"""Boosting: from weighted samples, weak classifier by weak classifier, to a stage."""

from fercli.cascade.training.boosting.methods import METHODS, Boosting
from fercli.cascade.training.boosting.stages import TrainedStage, grow_tree, train_stage

__all__ = [
    "METHODS",
    "Boosting",
    "TrainedStage",
    "grow_tree",
    "train_stage",
]
