"""What ``opencv_traincascade`` is told, checked before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fercli.cascade.training.options import EngineOptions
from fercli.common.errors import OptionError
from fercli.common.memory import available_memory
from fercli.common.options import Option, option

TOOLS = Option(
    help="Take OpenCV's programs from this folder.",
    metavar="DIR",
    default_text="FER_OPENCV_TOOLS, PATH, fer's cache",
)


@dataclass(frozen=True, kw_only=True)
class ProgramSettings(EngineOptions):
    """The settings of a training by the program; defaults are its own unless said otherwise.

    The two buffers are its caches; they default to what holds all features, as far as memory
    allows. See `fercli.cascade.opencv3.programs.find_program` for `tools`.
    """

    engine = "opencv"

    old_format: bool = option(
        False, help="Write the cascade in the format of OpenCV 1 (HAAR only).", engine="opencv"
    )
    value_buffer: int | None = option(
        None,
        help="Cache the values of features in this much memory.",
        metavar="MB",
        minimum=0,
        default_text="all values, if memory allows",
        engine="opencv",
    )
    index_buffer: int | None = option(
        None,
        help="Cache the order of features' values in this much memory, of which the program takes "
        "twice as much.",
        metavar="MB",
        minimum=0,
        default_text="all of it, if memory allows",
        engine="opencv",
    )
    tools: Path | None = option(None, TOOLS)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return settings from options by their names; those that are None keep their default.

        Raises
        ------
        OptionError
            `vec` or `bg` is missing, an option is not one of this engine's, or a value is out
            of range.
        """
        settings = super().from_options(options)
        if settings.feature_type == "HAAR" and settings.mode is None:
            settings = replace(settings, mode="BASIC")
        return settings

    def check(self) -> None:
        """Raise `OptionError` for values out of range and for ones that contradict each other."""
        if self.vec is None:
            raise OptionError("`vec` is missing")
        super().check()
        if self.old_format and self.feature_type != "HAAR":
            raise OptionError(
                f"`old_format` needs `feature_type` HAAR, got {self.feature_type}",
                hint="leave out `old_format`: every OpenCV since 2.0 reads the present format",
            )


# The two caches of ``opencv_traincascade``: of the features' values and of their sorted order.
#
# For n samples and F features all values take 4·n·F bytes, all orders 2·n·F (4·n·F from 65,536
# samples on), of which the program keeps two copies.
#
# See: ``CvCascadeBoostTrainData::setData``, apps/traincascade/boost.cpp.


#: Share of the free memory that the buffers may take: the system and other programs need some.
USABLE_MEMORY = 0.8

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Buffers:
    """The two caches of the program.

    Parameters
    ----------
    index_mb, value_mb : int
        What its options say, in units of 2^20 bytes. It takes twice the former.
    whole : bool
        Whether all features fit into both.
    """

    index_mb: int
    value_mb: int
    whole: bool = True


def count_features(settings: ProgramSettings) -> int:
    """Return how many features the window has."""
    from fercli.cascade.features.haar import haar_features
    from fercli.cascade.features.lbp import lbp_features

    if settings.feature_type == "LBP":
        return len(lbp_features(settings.size_wh))
    return len(haar_features(settings.size_wh, settings.mode or "BASIC"))


def plan_buffers(
    settings: ProgramSettings,
    features: int,
    memory: int | None = None,
) -> Buffers:
    """Return buffers that hold all features if memory allows, those of indices first.

    A feature whose values are cached but not its sorted order is sorted again for every weak
    classifier, which costs more than computing its values again.

    Parameters
    ----------
    settings : ProgramSettings
        With `positives` and `negatives`; `index_buffer` and `value_buffer` are kept to.
    features : int
        How many the window has.
    memory : int, optional
        Bytes that may be taken. Defaults to `USABLE_MEMORY` of what is free.

    Raises
    ------
    OptionError
        The samples alone do not fit into memory, or the buffers asked for do not.
    """
    assert settings.positives is not None
    assert settings.negatives is not None
    samples = settings.positives + settings.negatives
    if memory is None:
        memory = int(available_memory() * USABLE_MEMORY)
    memory = (memory - _samples_bytes(settings, samples)) // MEGABYTE
    # LBP has no order to cache: its values are categories.
    index_bytes = 0 if settings.feature_type == "LBP" else (2 if samples < 1 << 16 else 4)
    all_index = math.ceil(index_bytes * samples * features / MEGABYTE)
    all_value = math.ceil(4 * samples * features / MEGABYTE)
    index = min(all_index, _asked(settings.index_buffer, memory // 2))
    value = min(all_value, _asked(settings.value_buffer, memory - 2 * index))
    if memory < 2 * index + value or memory < 0:
        raise OptionError(
            f"Expected {2 * index + value + max(-memory, 0)} MB of memory for {samples} samples of "
            f"{features} features, found {max(memory, 0)} MB free",
            hint="smaller --value-buffer and --index-buffer, or fewer samples (--positives, "
            "--negatives)",
        )
    return Buffers(index, value, whole=(index, value) == (all_index, all_value))


def _asked(asked: int | None, room: int) -> int:
    return max(room, 0) if asked is None else asked


def _samples_bytes(settings: ProgramSettings, samples: int) -> int:
    """Return what the samples' integral images take; for Haar features tilted ones, too."""
    width, height = settings.size_wh
    images = 1 if settings.feature_type == "LBP" else 2
    return samples * images * 4 * (width + 1) * (height + 1)
