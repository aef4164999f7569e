"""What a training is asked to do, checked before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from fercli.cascade.features.haar import HAAR_MODES, HaarMode
from fercli.cascade.model import FeatureType
from fercli.cascade.samples.statistics import HIT_RATE, STAGES
from fercli.cascade.training.augmentation import Jitter
from fercli.cascade.training.boosting import METHODS, MethodName, StageOptions
from fercli.cascade.training.split_search import SEARCHES, SearchName
from fercli.common.errors import OptionError

SMALLEST_SIDE, LARGEST_SIDE = 12, 64
#: Deeper trees than this are memory, not learning.
LARGEST_DEPTH = 10
#: A stage of fewer samples of a kind is not trained: a node of a tree needs more than ten.
FEWEST = 11

#: The least that numbers may be.
_LEAST = {
    "stages": 1, "positives": FEWEST, "negatives": FEWEST, "seed": 0, "workers": 1, "memory": 1,
}  # fmt: skip

#: Options that have another name in the command than here.
OTHER_FIELDS = {"size": "size_wh"}
_PATHS = ("vec", "info", "bg", "continue_from")


@dataclass(frozen=True)
class TrainingOptions:
    """All that a training of a cascade is asked for.

    Parameters
    ----------
    bg : Path
        The backgrounds: a list of images, a folder of them, or annotated images, of which
        windows that touch a box are left alone.
    vec, info : Path, optional
        The positives, one of the two: a ``.vec`` file, or annotated images in any format that
        `fercli.annotations` knows.
    size_wh : tuple of 2 int
        The window. Sides from 12 to 64.
    stages : int
        The most stages.
    positives, negatives : int, optional
        The most samples of each kind that a stage is trained on. Default to all positives, and to
        as many negatives as positives, but no more than 10,000.
    min_hit_rate, max_false_alarm_rate, weight_trim_rate, max_depth, max_weak_count, boost_type
        How each stage is trained: `StageOptions`.
    feature_type : {"HAAR", "LBP"}
    mode : {"BASIC", "CORE", "ALL"}, optional
        Which Haar features. Defaults to BASIC.
    acceptance_ratio_break : float, optional
        End when the share of background windows that the cascade accepts is no larger.
    search : {"fast", "exhaustive"}
    validation : float
        The share of the positives, and of the negatives of each stage, that is kept out of the
        training and only measured.
    variants, mirror, jitter_shift, jitter_scale, jitter_angle, jitter_brightness
        Variants of the positives to train on as well: `Jitter`.
    continue_from : Path, optional
        A cascade whose stages are to be the first.
    seed : int
        Start of the random numbers.
    workers : int, optional
        How many threads. Defaults to all cores.
    memory : int, optional
        The most that samples, features and images may take, in MB. Defaults to half of what is
        free.
    """

    bg: Path
    vec: Path | None = None
    info: Path | None = None
    size_wh: tuple[int, int] = (24, 24)
    stages: int = STAGES
    positives: int | None = None
    negatives: int | None = None
    min_hit_rate: float = HIT_RATE
    max_false_alarm_rate: float = 0.5
    feature_type: FeatureType = "HAAR"
    mode: HaarMode | None = None
    boost_type: MethodName = "GAB"
    weight_trim_rate: float = 0.95
    max_depth: int = 1
    max_weak_count: int = 100
    acceptance_ratio_break: float | None = None
    search: SearchName = "fast"
    validation: float = 0.1
    variants: int = 0
    mirror: bool = False
    jitter_shift: float = Jitter.shift
    jitter_scale: float = Jitter.scale
    jitter_angle: float = Jitter.angle
    jitter_brightness: float = Jitter.brightness
    continue_from: Path | None = None
    seed: int = 0
    workers: int | None = None
    memory: int | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return options from those of the command; those that are None keep their default.

        Raises
        ------
        OptionError
            `bg` is missing, an option is not one of this engine's, or as `check`.
        """
        given = {OTHER_FIELDS.get(k, k): value for k, value in options.items() if value is not None}
        if "bg" not in given:
            raise OptionError("wanted --bg, found none")
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(unknown))
            raise OptionError(f"{names} cannot be used with --engine native")
        for name in set(_PATHS) & set(given):
            given[name] = Path(given[name]).absolute()
        if isinstance(given.get("size_wh"), str):  # from the recipe of a folder
            given["size_wh"] = tuple(map(int, given["size_wh"].split("x")))
        wanted = cls(**given)
        wanted.check()
        return wanted

    def to_options(self) -> dict[str, Any]:
        """Return the options by the names of the command, as a recipe holds them."""
        names = {field: option for option, field in OTHER_FIELDS.items()}
        values = {names.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        width, height = self.size_wh
        mode = self.haar_mode if self.feature_type == "HAAR" else None
        return {**values, "size": f"{width}x{height}", "mode": mode}

    @property
    def haar_mode(self) -> HaarMode:
        """The set of Haar features."""
        return self.mode or "BASIC"

    @property
    def stage(self) -> StageOptions:
        """How a stage is trained."""
        return StageOptions(
            self.boost_type,
            self.min_hit_rate,
            self.max_false_alarm_rate,
            self.weight_trim_rate,
            self.max_depth,
            self.max_weak_count,
        )

    @property
    def jitter(self) -> Jitter:
        """How the positives are varied."""
        return Jitter(
            self.variants,
            self.mirror,
            self.jitter_shift,
            self.jitter_scale,
            self.jitter_angle,
            self.jitter_brightness,
        )

    @property
    def wanted_ratio(self) -> float:
        """The acceptance ratio that all stages together would reach.

        As in ``opencv_traincascade``, with the allowance that it makes for trees.
        """
        ratio: float = self.max_false_alarm_rate**self.stages
        return ratio / self.max_depth

    @property
    def lowest_ratio(self) -> float:
        """The acceptance ratio at which the cascade is as good as was asked for."""
        return max(self.wanted_ratio, self.acceptance_ratio_break or 0.0)

    def check(self) -> None:
        """Raise `OptionError` for values out of range and for ones that contradict each other."""
        if (self.vec is None) == (self.info is None):
            found = "neither" if self.vec is None else "both"
            raise OptionError(f"wanted positives by --vec or by --info, found {found}")
        self._check_kind()
        self._check_stage()
        for side in self.size_wh:
            if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                width, height = self.size_wh
                wanted = f"{SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side"
                raise _wrong("size", wanted, f"{width}x{height}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise _wrong(name, f"{least} or more", value)
        if not 0 <= self.validation <= 0.9:
            raise _wrong("validation", "a share from 0 to 0.9", self.validation)
        ratio = self.acceptance_ratio_break
        if ratio is not None and not 0 < ratio < 1:
            raise _wrong("acceptance_ratio_break", "more than 0 and less than 1", ratio)
        self.jitter.check()

    def _check_kind(self) -> None:
        for name, known in (
            ("feature_type", ("HAAR", "LBP")),
            ("mode", (None, *HAAR_MODES)),
            ("boost_type", tuple(METHODS)),
            ("search", SEARCHES),
        ):
            value = getattr(self, name)
            if value not in known:
                raise _wrong(name, " or ".join(filter(None, known)), value)
        if self.mode is not None and self.feature_type != "HAAR":
            raise OptionError(
                f"--mode {self.mode}: a choice of Haar features, found {self.feature_type}",
                hint="no --mode, or --feature-type HAAR",
            )

    def _check_stage(self) -> None:
        between = "more than 0 and less than 1"
        if not 0 < self.min_hit_rate < 1:
            hint = "0.999; at 1, a single odd positive would make a stage let everything pass"
            raise _wrong("min_hit_rate", between, self.min_hit_rate, hint)
        if not 0 < self.max_false_alarm_rate < 1:
            raise _wrong("max_false_alarm_rate", between, self.max_false_alarm_rate)
        if self.min_hit_rate <= self.max_false_alarm_rate:
            raise OptionError(
                f"wanted a hit rate above the false alarm rate, found --min-hit-rate "
                f"{self.min_hit_rate:g} and --max-false-alarm-rate {self.max_false_alarm_rate:g}",
                hint="0.995 and 0.5",
            )
        if not 0 < self.weight_trim_rate <= 1:
            wanted = "more than 0 and at most 1 (1: no trimming)"
            raise _wrong("weight_trim_rate", wanted, self.weight_trim_rate)
        if not 1 <= self.max_depth <= LARGEST_DEPTH:
            raise _wrong("max_depth", f"1 to {LARGEST_DEPTH}", self.max_depth)
        if self.max_weak_count < 1:
            raise _wrong("max_weak_count", "1 or more", self.max_weak_count)


def _wrong(name: str, wanted: str, found: object, hint: str | None = None) -> OptionError:
    return OptionError(f"--{name.replace('_', '-')}: wanted {wanted}, found {found}", hint=hint)
