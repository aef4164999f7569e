"""How many positives a training may use of those that a ``.vec`` holds."""

from __future__ import annotations

#: The defaults of ``opencv_traincascade``.
STAGES = 20
HIT_RATE = 0.995


def usable_positives(
    samples: int, *, stages: int = STAGES, hit_rate: float = HIT_RATE, spare: float = 0.0
) -> int:
    """Return the largest number of positives with which a training can fill every stage.

    Each stage may refuse ``1 - hit_rate`` of its positives, and the next takes as many new ones:
    ``samples >= positives + (stages - 1) * (1 - hit_rate) * positives``. Samples so unlike the
    rest that earlier stages refuse them beyond that quota come on top.

    Parameters
    ----------
    samples : int
        How many there are.
    stages : int
        How many stages are to be trained. Defaults to 20.
    hit_rate : float
        The least hit rate of a stage. Defaults to 0.995.
    spare : float
        Share of the samples kept back for odd ones. Defaults to 0.
    """
    return int(samples * (1 - spare) / (1 + (stages - 1) * (1 - hit_rate)))
