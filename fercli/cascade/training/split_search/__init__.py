"""The search for the split of a weak classifier: which feature, and where.

Two ways: ``exhaustive`` looks at every split of every feature over sorted values, as
``opencv_traincascade`` does. ``fast`` finds nearly the same split in a small part of the time
(see `fercli.cascade.training.split_search.haar`).
"""

from fercli.cascade.training.split_search.haar import HaarSearch
from fercli.cascade.training.split_search.lbp import LbpSearch
from fercli.cascade.training.split_search.samples import (
    Criterion,
    Split,
    WeightedSamples,
)

__all__ = [
    "Criterion",
    "HaarSearch",
    "LbpSearch",
    "Split",
    "WeightedSamples",
]
