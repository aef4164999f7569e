"""Search for the best split of a weak classifier: a feature, and a threshold or subset.

``exhaustive`` evaluates every split of every feature over sorted values, as
``opencv_traincascade`` does. ``fast`` finds nearly the same split in a fraction of the time
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
