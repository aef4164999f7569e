"""What ``opencv_traincascade`` is told, checked before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from fercli.cascade.samples.statistics import HIT_RATE, STAGES
from fercli.common.errors import OptionError
from fercli.common.memory import available_memory

BoostType = Literal["GAB", "DAB", "RAB", "LB"]
Mode = Literal["BASIC", "CORE", "ALL"]

#: Options whose field has another name.
OTHER_FIELDS = {"size": "size_wh"}

#: The least that numbers may be.
_LEAST = {
    "stages": 1, "positives": 1, "negatives": 1, "max_depth": 1, "max_weak_count": 1,
    "value_buffer": 0, "index_buffer": 0, "workers": 1,
}  # fmt: skip

#: The smallest window: below it the normalization by the window's inside has no pixel left.
SMALLEST_SIDE = 3


@dataclass(frozen=True, kw_only=True)
class ProgramSettings:
    """The settings of a training by the program; defaults are its own unless said otherwise.

    Parameters
    ----------
    vec : Path
        The positives.
    bg : Path
        The list of backgrounds, whose windows are the negatives.
    size_wh : (int, int)
        The window: the size of the positives.
    stages : int
        Stages to train.
    positives : int, optional
        Positives of each stage. Defaults to as many as the positives allow.
    negatives : int, optional
        Negatives of each stage. Defaults to half of `positives`.
    min_hit_rate : float
        Share of its positives that a stage lets pass at least, between 0 and 1.
    max_false_alarm_rate : float
        Share of its negatives that a stage lets pass at most, between 0 and 1.
    feature_type : {"HAAR", "LBP"}
    mode : {"BASIC", "CORE", "ALL"}, optional
        Which Haar features: the usual upright ones, all upright ones, tilted ones as well.
        Defaults to BASIC.
    boost_type : {"GAB", "DAB", "RAB", "LB"}
        Gentle, discrete or real AdaBoost, or LogitBoost.
    weight_trim_rate : float
        Share of the weight that a weak classifier is trained on; 1 turns trimming off.
    max_depth : int
        Depth of a weak classifier's tree; 1 is a stump.
    max_weak_count : int
        Weak classifiers of a stage at most, whatever rates they reach.
    acceptance_ratio_break : float, optional
        Stop when the cascade so far lets at most this share of the backgrounds' windows pass.
    old_format : bool
        Whether the cascade is written in the format of OpenCV 1 (Haar features only).
    value_buffer, index_buffer : int, optional
        Its two caches in MB. Default to what holds all features, as far as memory allows.
    workers : int, optional
        Threads. Defaults to all cores; only a part of the work is spread over them.
    tools : Path, optional
        The folder of the program; see `find_program`.
    """

    vec: Path
    bg: Path
    size_wh: tuple[int, int] = (24, 24)
    stages: int = STAGES
    positives: int | None = None
    negatives: int | None = None
    min_hit_rate: float = HIT_RATE
    max_false_alarm_rate: float = 0.5
    feature_type: Literal["HAAR", "LBP"] = "HAAR"
    mode: Mode | None = None
    boost_type: BoostType = "GAB"
    weight_trim_rate: float = 0.95
    max_depth: int = 1
    max_weak_count: int = 100
    acceptance_ratio_break: float | None = None
    old_format: bool = False
    value_buffer: int | None = None
    index_buffer: int | None = None
    workers: int | None = None
    tools: Path | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return settings from options by their names; those that are None keep their default.

        Raises
        ------
        OptionError
            `vec` or `bg` is missing, an option is not one of this engine's, or a value is out
            of range.
        """
        given = {OTHER_FIELDS.get(k, k): value for k, value in options.items() if value is not None}
        for name in ("vec", "bg"):
            if name not in given:
                raise OptionError(f"wanted --{name}, found none")
        for name in {"vec", "bg", "tools"} & set(given):
            given[name] = Path(given[name]).absolute()
        if isinstance(given.get("size_wh"), str):  # from the recipe of a folder
            given["size_wh"] = tuple(map(int, given["size_wh"].split("x")))
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(unknown))
            raise OptionError(f"{names} cannot be used with this --engine")
        settings = cls(**given)
        settings.check()
        if settings.feature_type == "HAAR" and settings.mode is None:
            settings = replace(settings, mode="BASIC")
        return settings

    def to_options(self) -> dict[str, Any]:
        """Return the settings by the names of the options, as a recipe holds them."""
        width, height = self.size_wh
        names = {field: option for option, field in OTHER_FIELDS.items()}
        values = {names.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        return {**values, "size": f"{width}x{height}"}

    def check(self) -> None:
        """Raise `OptionError` for values out of range and for ones that contradict each other."""
        _check_between("--min-hit-rate", self.min_hit_rate, 0, 1)
        _check_between("--max-false-alarm-rate", self.max_false_alarm_rate, 0, 1)
        if not 0 < self.weight_trim_rate <= 1:
            raise _out_of_range("--weight-trim-rate", "more than 0 and at most 1 (1: no trimming)",
                                self.weight_trim_rate)  # fmt: skip
        if self.acceptance_ratio_break is not None:
            _check_between("--acceptance-ratio-break", self.acceptance_ratio_break, 0, 1)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise _out_of_range(f"--{name.replace('_', '-')}", f"{least} or more", value)
        if self.mode is not None and self.feature_type != "HAAR":
            raise OptionError(
                f"--mode {self.mode}: a choice of Haar features, found {self.feature_type}",
                hint="no --mode, or --feature-type HAAR",
            )
        if self.mode not in (None, *get_args(Mode)):
            wanted = f"one of the program's ({', '.join(get_args(Mode))})"
            raise _out_of_range("--mode", wanted, self.mode)
        if self.old_format and self.feature_type != "HAAR":
            raise OptionError(
                f"--old-format: wanted --feature-type HAAR, found {self.feature_type}",
                hint="the present format, which every OpenCV since 2.0 reads",
            )
        width, height = self.size_wh
        if min(width, height) < SMALLEST_SIDE:
            wanted = f"a window of at least {SMALLEST_SIDE}x{SMALLEST_SIDE}"
            raise _out_of_range("--size", wanted, f"{width}x{height}")


def _check_between(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise _out_of_range(name, f"more than {low} and less than {high}", value)


def _out_of_range(name: str, wanted: str, value: object) -> OptionError:
    return OptionError(f"{name}: wanted {wanted}, found {value}")


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
            f"wanted {2 * index + value + max(-memory, 0)} MB of memory for {samples} samples of "
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
