"""How the memory of a training is shared out, before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from fercli.cascade.features.haar import any_tilted
from fercli.cascade.integral import integral_rows
from fercli.cascade.search import haar as haar_search
from fercli.cascade.training.options import TrainingOptions
from fercli.errors import OptionError
from fercli.memory import available_memory

#: Background pictures get at least so much, to be read once and not for every stage.
LEAST_FOR_BACKGROUNDS = 32 << 20
#: The integral images of the search take no more than this, whatever is free: on how many samples
#: a search looks at once depends what it finds.
INTEGRAL_BYTES = 128 << 20
#: But so many there are in any case.
FEWEST_INTEGRALS = 4096


@dataclass(frozen=True)
class Memory:
    """What parts of a training may take, in bytes.

    Parameters
    ----------
    samples : int
        Positives and negatives, as they are and as columns.
    features : int
        The list of all features.
    integrals : int
        Integral images of the search.
    backgrounds : int
        Pictures that are kept.
    """

    samples: int
    features: int
    integrals: int
    backgrounds: int


def share_memory(
    options: TrainingOptions, *, positives: int, negatives: int, others: int, features: int
) -> Memory:
    """Return who gets how much.

    Parameters
    ----------
    options : TrainingOptions
    positives, negatives, others : int
        Samples: all positives, the negatives of a stage, and what is held out.
    features : int
        How many features the window has.

    Raises
    ------
    OptionError
        It is too little.
    """
    used = min(positives, options.positives or positives)
    area = options.size_wh[0] * options.size_wh[1]
    # A stage has its samples as they come and once more as columns.
    samples = area * (positives + others + 2 * (used + negatives))
    # Large lists are looked up by keys of eight bytes.
    listed = features * (13 if features > haar_search.MOST_SCREENED else 5)
    integrals = _integrals(options, used + negatives)
    given = options.memory
    memory = available_memory() // 2 if given is None else given * 10**6
    rest = memory - samples - listed - integrals
    if rest < LEAST_FOR_BACKGROUNDS:
        needed = memory - rest + LEAST_FOR_BACKGROUNDS
        found = "half of what is free is" if given is None else "--memory is"
        raise OptionError(
            f"wanted {_megabytes(needed)} for {used} positives and {negatives} negatives of "
            f"{options.size_wh[0]}x{options.size_wh[1]}, {found} {_megabytes(memory)}",
            hint=_hint(options),
        )
    return Memory(samples, listed, integrals, rest)


def most_integrals(options: TrainingOptions) -> int:
    """Return how many integral images the search may have at once; more samples are drawn from."""
    return max(INTEGRAL_BYTES // (4 * _rows(options)), FEWEST_INTEGRALS)


def _integrals(options: TrainingOptions, samples: int) -> int:
    most = samples if options.search == "exhaustive" else min(samples, most_integrals(options))
    return 4 * _rows(options) * most


def _rows(options: TrainingOptions) -> int:
    tilted = options.feature_type == "HAAR" and any_tilted(options.haar_mode)
    return integral_rows(options.size_wh, tilted=tilted)


def _hint(options: TrainingOptions) -> str:
    if options.search == "exhaustive":
        return "--search fast, or fewer --positives and --negatives"
    return "more --memory, or fewer --positives and --negatives"


def _megabytes(size: int) -> str:
    return f"{-(-size // 10**6)} MB"
