"""Divide the memory of a training among its parts, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fercli.cascade.features.haar import HaarFeatures, any_tilted, haar_features
from fercli.cascade.features.lbp import LbpFeatures, lbp_features
from fercli.cascade.features.sample_matrix import integral_rows
from fercli.cascade.training.options import FEWEST, CascadeTrainingOptions
from fercli.cascade.training.split_search import MOST_SCREENED
from fercli.common.errors import OptionError
from fercli.common.processes import available_memory

#: Background images get at least so much, to be read once and not for every stage.
LEAST_FOR_BACKGROUNDS = 32 << 20
#: The integral images of the search take no more than this, whatever is free: the result of a
#: search depends on the number of samples that it has at once.
INTEGRAL_BYTES = 128 << 20
#: Codes of local binary patterns are kept if they take no more than this share of what the
#: backgrounds would get.
CODES_SHARE = 0.5
#: Integral images that there are in any case.
FEWEST_INTEGRALS = 4096
#: Negatives are as many as positives unless told otherwise, but no more than this.
MOST_NEGATIVES = 10_000


@dataclass(frozen=True)
class Memory:
    """The memory of each part of a training, in bytes.

    Parameters
    ----------
    samples : int
        Positives and negatives, as images and as columns.
    features : int
        The list of all features.
    integrals : int
        Integral images of the search.
    backgrounds : int
        Images that are kept.
    codes : int
        Codes of local binary patterns that are kept; 0 if they are computed again each time.
    """

    samples: int
    features: int
    integrals: int
    backgrounds: int
    codes: int = 0


def memory_of(options: CascadeTrainingOptions, positives: int, held_out: int) -> Memory:
    """Return the memory of a training with so many positives, and so many held out.

    Raises
    ------
    OptionError
        There is too little memory.
    """
    negatives = negatives_wanted(options, positives)
    return share_memory(
        options,
        positives=positives,
        negatives=negatives,
        others=held_out + negatives_to_hold_out(options, negatives),
        features=len(features_of(options)),
    )


def negatives_wanted(options: CascadeTrainingOptions, positives: int) -> int:
    """Return how many negatives each stage is trained on, of so many positives in all."""
    if options.negatives is not None:
        return options.negatives
    return min(max(min(positives, options.positives or positives), FEWEST), MOST_NEGATIVES)


def negatives_to_hold_out(options: CascadeTrainingOptions, negatives: int) -> int:
    """Return how many negatives of each stage are held out, besides those to train on."""
    return round(negatives * options.validation / (1 - options.validation))


@lru_cache(maxsize=1)  # large windows have millions, and the memory is asked for twice
def features_of(options: CascadeTrainingOptions) -> HaarFeatures | LbpFeatures:
    """Return the features that a training chooses from."""
    if options.feature_type == "LBP":
        return lbp_features(options.size_wh)
    return haar_features(options.size_wh, options.haar_mode)


def share_memory(
    options: CascadeTrainingOptions, *, positives: int, negatives: int, others: int, features: int
) -> Memory:
    """Return the memory of each part.

    Parameters
    ----------
    options : CascadeTrainingOptions
    positives, negatives, others : int
        Samples: all positives, the negatives of a stage, and what is held out.
    features : int
        How many features the window has.

    Raises
    ------
    OptionError
        There is too little memory.
    """
    used = min(positives, options.positives or positives)
    area = options.size_wh[0] * options.size_wh[1]
    # A stage has its samples as they come and once more as columns.
    samples = area * (positives + others + 2 * (used + negatives))
    # Large lists are looked up by keys of eight bytes.
    listed = features * (13 if features > MOST_SCREENED else 5)
    integrals = _integrals(options, used + negatives)
    given = options.memory
    memory = available_memory() // 2 if given is None else given * 10**6
    rest = memory - samples - listed - integrals
    if rest < LEAST_FOR_BACKGROUNDS:
        needed = memory - rest + LEAST_FOR_BACKGROUNDS
        found = "half of the free memory" if given is None else "`memory`"
        raise OptionError(
            f"The training needs {_megabytes(needed)} for {used} positives and {negatives} "
            f"negatives of {options.size_wh[0]}x{options.size_wh[1]}; {found} is "
            f"{_megabytes(memory)}",
            hint=_hint(options),
        )
    codes = features * (used + negatives) if options.feature_type == "LBP" else 0
    if codes > CODES_SHARE * rest:
        codes = 0
    return Memory(samples, listed, integrals, rest - codes, codes)


def most_integrals(options: CascadeTrainingOptions) -> int:
    """Return how many integral images the search may have at once; of more samples, it draws."""
    return max(INTEGRAL_BYTES // (4 * _rows(options)), FEWEST_INTEGRALS)


def _integrals(options: CascadeTrainingOptions, samples: int) -> int:
    most = samples if options.search == "exhaustive" else min(samples, most_integrals(options))
    return 4 * _rows(options) * most


def _rows(options: CascadeTrainingOptions) -> int:
    tilted = options.feature_type == "HAAR" and any_tilted(options.haar_mode)
    return integral_rows(options.size_wh, tilted=tilted)


def _hint(options: CascadeTrainingOptions) -> str:
    if options.search == "exhaustive":
        return "use `search` fast, or fewer `positives` and `negatives`"
    return "allow more `memory`, or use fewer `positives` and `negatives`"


def _megabytes(size: int) -> str:
    return f"{-(-size // 10**6)} MB"
