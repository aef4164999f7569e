"""Boosting: from weighted samples, weak classifier by weak classifier, to a stage."""

from fercli.cascade.training.boosting.methods import METHODS, Boosting, MethodName
from fercli.cascade.training.boosting.stages import StageOptions, TrainedStage, train_stage
from fercli.cascade.training.boosting.trees import grow_tree

__all__ = [
    "METHODS",
    "Boosting",
    "MethodName",
    "StageOptions",
    "TrainedStage",
    "grow_tree",
    "train_stage",
]
