"""What a training of a cascade is asked to do, checked before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from fercli.cascade import HIT_RATE, STAGES, FeatureType, HaarMode, MethodName, SearchName
from fercli.common.errors import OptionError
from fercli.common.options import SEED, WORKERS, check, from_options, key_of, option, option_fields
from fercli.common.options import to_options as as_options

SMALLEST_SIDE, LARGEST_SIDE = 12, 64
#: A stage of fewer samples of a kind is not trained: a node of a tree needs more than ten.
FEWEST = 11
#: Deeper trees than this are memory, not learning.
LARGEST_DEPTH = 10


@dataclass(frozen=True)
class StageOptions:
    """How a stage is trained.

    Parameters
    ----------
    method : {"GAB", "RAB", "DAB", "LB"}
    hit_rate : float
        The share of the positives that a stage must let pass.
    false_alarm_rate : float
        The share of the negatives that it may let pass.
    weight_trim_rate : float
        The share of the weight that each weak classifier is trained on; 1 for all.
    max_depth : int
        Of the weak classifiers: 1 for stumps.
    max_weak_count : int
        Where a stage ends in any case.
    """

    method: MethodName = "GAB"
    hit_rate: float = HIT_RATE
    false_alarm_rate: float = 0.5
    weight_trim_rate: float = 0.95
    max_depth: int = 1
    max_weak_count: int = 100


@dataclass(frozen=True)
class Jitter:
    """How variants differ from their original; all amounts are drawn evenly up to ±.

    Parameters
    ----------
    variants : int
        How many of each positive, besides itself.
    mirror : bool
        Whether mirror images are added, of the original and of every variant.
    shift : float
        Share of the window's width and height.
    scale : float
        Share of the size: 0.1 for sizes from 1/1.1 to 1.1.
    angle : float
        Degrees.
    brightness : float
        Share of the exponent of the gray levels (gamma): 0.2 for 1/1.2 to 1.2. A factor or an
        offset would make no difference to features that are normalized.
    blur : float
        0.5 for a variant reduced to 1/1.5 of the window's pixels a side and enlarged again, or for
        a Gaussian of 0.3 to 0.8 pixels of the window.
    noise : float
        Share of the variant's own standard deviation.
    contrast : float
        Share of the contrast about the mean: 0.5 for 1/1.5 to 1.5. What is then beyond black or
        white is lost.
    jpeg : float
        Compression: 60 for qualities from 100 down to 40.
    occlusion : float
        Share of the width and of the height of a corner that one gray level covers.
    """

    variants: int = 0
    mirror: bool = False
    shift: float = 0.04
    scale: float = 0.06
    angle: float = 4.0
    brightness: float = 0.2
    blur: float = 0.0
    noise: float = 0.0
    contrast: float = 0.0
    jpeg: float = 0.0
    occlusion: float = 0.0

    @property
    def copies(self) -> int:
        """How many samples are made of a positive, itself included."""
        return (1 + self.variants) * (2 if self.mirror else 1)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What every engine that trains cascades is told; `engine` is its name."""

    engine: ClassVar[str]

    vec: Path | None = option(
        None, help="Take the positives from this .vec file.", metavar="FILE.vec"
    )
    bg: Path = option(
        None,
        help="Take the negatives from these backgrounds: a list or a folder of images. The engine "
        "native also takes annotated images and leaves windows that touch a box alone.",
        metavar="PATH",
    )
    size_wh: tuple[int, int] = option(
        (24, 24), help="Train on a window of this size, that of the samples in the .vec.", minimum=3
    )
    stages: int = option(
        STAGES,
        help="Train this many stages at most.",
        names=("--stages", "--num-stages"),
        metavar="N",
        minimum=1,
    )
    positives: int | None = option(
        None,
        help="Train each stage on at most this many positives.",
        names=("--positives", "--num-pos"),
        metavar="N",
        minimum=1,
        default_text="native: all; opencv: as many as the .vec allows",
    )
    negatives: int | None = option(
        None,
        help="Train each stage on at most this many negatives.",
        names=("--negatives", "--num-neg"),
        metavar="N",
        minimum=1,
        default_text="native: as many as positives, at most 10000; opencv: half the positives",
    )
    min_hit_rate: float = option(
        HIT_RATE,
        help="Let at least this share of its positives pass each stage.",
        metavar="X",
        above=0,
        below=1,
        hint="use 0.995 or 0.999; at 1, a single odd positive would make a stage pass everything",
    )
    max_false_alarm_rate: float = option(
        0.5,
        help="Let at most this share of its negatives pass each stage.",
        metavar="X",
        above=0,
        below=1,
    )
    feature_type: FeatureType = option("HAAR", help="Use features of this type.")
    mode: HaarMode | None = option(
        None,
        help="Use these Haar features: BASIC the usual upright ones, CORE all upright ones, ALL "
        "tilted ones as well.",
        default_text="BASIC",
    )
    boost_type: MethodName = option(
        "GAB",
        help="Boost by gentle (GAB), discrete (DAB) or real AdaBoost (RAB), or LogitBoost (LB).",
    )
    weight_trim_rate: float = option(
        0.95,
        help="Train each weak classifier on this share of the weight; 1: all of it.",
        metavar="X",
        above=0,
        maximum=1,
    )
    max_depth: int = option(
        1, help="Grow the tree of a weak classifier to this depth.", metavar="N", minimum=1
    )
    max_weak_count: int = option(
        100, help="End a stage at this many weak classifiers.", metavar="N", minimum=1
    )
    acceptance_ratio_break: float | None = option(
        None,
        help="Stop when at most this share of background windows passes the cascade.",
        metavar="X",
        above=0,
        below=1,
        default_text="never",
    )
    workers: int | None = option(None, WORKERS)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return options of values by the command's names; those that are None keep the default.

        Paths become absolute, so that the recipe of a folder holds wherever it is read.

        Raises
        ------
        OptionError
            `bg` is missing, an option is not one of this engine's, or as `check`.
        """
        given = {name: value for name, value in options.items() if value is not None}
        known = {key_of(name) for name in option_fields(cls)} | set(option_fields(cls))
        unknown = sorted(set(given) - known)
        if unknown:
            names = ", ".join(f"`{name}`" for name in unknown)
            raise OptionError(f"{names} cannot be used with `engine` {cls.engine}")
        made = from_options(cls, given)
        if made.bg is None:
            raise OptionError("`bg` is missing")
        paths: dict[str, Any] = {
            name: Path(value).absolute()
            for name in option_fields(cls)
            if isinstance(value := getattr(made, name), Path)
        }
        made = replace(made, **paths)
        made.check()
        return made

    def to_options(self) -> dict[str, Any]:
        """Return the options by the names of the command, as a recipe holds them."""
        return as_options(self)

    def check(self) -> None:
        """Raise `OptionError` for values out of range and for ones that contradict each other."""
        check(self)
        if self.min_hit_rate <= self.max_false_alarm_rate:
            raise OptionError(
                f"`min_hit_rate` {self.min_hit_rate:g} must exceed `max_false_alarm_rate` "
                f"{self.max_false_alarm_rate:g}",
                hint="use 0.995 and 0.5",
            )
        if self.mode is not None and self.feature_type != "HAAR":
            raise OptionError(
                f"`mode` {self.mode} chooses Haar features, but `feature_type` is "
                f"{self.feature_type}",
                hint="leave out `mode`, or use `feature_type` HAAR",
            )


@dataclass(frozen=True, kw_only=True)
class CascadeTrainingOptions(EngineOptions):
    """All that a training by fer's own engine is asked for.

    The fields say what they are; the positives are either `vec` or `info`.
    """

    engine = "native"

    info: Path | None = option(
        None,
        help="Take the positives from annotated images, in place of --vec.",
        metavar="PATH",
        engine="native",
    )
    label: tuple[str, ...] = option(
        (),
        help="With --info, use only boxes of this label; may be repeated.",
        metavar="NAME",
        default_text="all",
        engine="native",
    )
    search: SearchName = option(
        "fast",
        help="Choose features this way; exhaustive is as slow and as thorough as "
        "opencv_traincascade.",
        engine="native",
    )
    validation: float = option(
        0.1,
        help="Keep this share of the samples out of the training, to measure each stage with.",
        metavar="SHARE",
        minimum=0,
        maximum=0.9,
        engine="native",
    )
    variants: int = option(
        0,
        help="Make this many variants of each positive as well; see the --jitter options.",
        metavar="N",
        minimum=0,
        maximum=1000,
        engine="native",
    )
    mirror: bool = option(False, help="Add mirror images of the positives.", engine="native")
    jitter_shift: float = option(
        Jitter.shift,
        help="Shift variants by up to this share of the window.",
        metavar="X",
        minimum=0,
        maximum=0.5,
        engine="native",
    )
    jitter_scale: float = option(
        Jitter.scale,
        help="Scale variants up or down by up to this share.",
        metavar="X",
        minimum=0,
        maximum=1,
        engine="native",
    )
    jitter_angle: float = option(
        Jitter.angle,
        help="Turn variants by up to this angle.",
        metavar="DEGREES",
        minimum=0,
        maximum=180,
        engine="native",
    )
    jitter_brightness: float = option(
        Jitter.brightness,
        help="Change the gamma of variants by up to this share.",
        metavar="X",
        minimum=0,
        maximum=3,
        engine="native",
    )
    jitter_blur: float = option(
        Jitter.blur,
        help="Blur 3 of 10 variants: reduced and enlarged again by a factor of up to 1 + X, or by "
        "a Gaussian of up to 0.3 + X pixels of the window.",
        metavar="X",
        minimum=0,
        maximum=3,
        engine="native",
    )
    jitter_noise: float = option(
        Jitter.noise,
        help="Add noise to every second variant, of up to this share of its standard deviation.",
        metavar="X",
        minimum=0,
        maximum=1,
        engine="native",
    )
    jitter_contrast: float = option(
        Jitter.contrast,
        help="Change the contrast of variants by up to this share; what exceeds white and black "
        "is lost.",
        metavar="X",
        minimum=0,
        maximum=3,
        engine="native",
    )
    jitter_jpeg: float = option(
        Jitter.jpeg,
        help="Compress every second variant as JPEG, of a quality of down to 100 − X.",
        metavar="X",
        minimum=0,
        maximum=99,
        engine="native",
    )
    jitter_occlusion: float = option(
        Jitter.occlusion,
        help="Cover a corner of 3 of 10 variants, of up to this share of width and height.",
        metavar="X",
        minimum=0,
        maximum=0.5,
        engine="native",
    )
    turn_backgrounds: bool = option(
        False,
        help="Where the backgrounds have too few windows that pass, look at them turned by a half "
        "and by quarters too; not for objects that a background may show turned, like arrows.",
        engine="native",
    )
    nested_from: int | None = option(
        None,
        help="Begin each stage from this one on, counted from 0, with all weak classifiers so far, "
        "whose votes are fitted anew; its threshold is set on samples kept out, if these are "
        "enough. Such cascades miss fewer objects and give fewer false alarms, in larger files.",
        metavar="N",
        minimum=1,
        default_text="never",
        engine="native",
    )
    budget_kb: float | None = option(
        None,
        help="Stop before the tables that `fer cascade export --to c` writes take more than this "
        "many kB, of 1,000 bytes; the last stage is as large as what is left.",
        metavar="KB",
        above=0,
        default_text="any size",
        engine="native",
    )
    continue_from: Path | None = option(
        None,
        help="Begin with the stages of this cascade, of any origin.",
        metavar="FILE.xml",
        engine="native",
    )
    continue_stages: int | None = option(
        None,
        help="Begin with so many stages of --continue-from alone; nested stages still begin with "
        "the weak classifiers of all of them.",
        metavar="N",
        minimum=1,
        default_text="all",
        engine="native",
    )
    seed: int = option(0, SEED, engine="native")
    memory: int | None = option(
        None,
        help="Use at most this much memory for samples, features and images.",
        metavar="MB",
        minimum=1,
        default_text="half of what is free",
        engine="native",
    )

    def to_options(self) -> dict[str, Any]:
        """Return the options by the names of the command, as a recipe holds them."""
        mode = self.haar_mode if self.feature_type == "HAAR" else None
        return {**super().to_options(), "mode": mode}

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
            self.jitter_blur,
            self.jitter_noise,
            self.jitter_contrast,
            self.jitter_jpeg,
            self.jitter_occlusion,
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
            raise OptionError(f"Expected positives by `vec` or by `info`, got {found}")
        if self.label and self.info is None:
            raise OptionError("`label` chooses boxes of `info`; samples of a .vec have none")
        super().check()
        for side in self.size_wh:
            if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                width, height = self.size_wh
                raise OptionError(
                    f"`size_wh`: expected {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side, got "
                    f"{width}x{height}"
                )
        for name in ("positives", "negatives"):
            value = getattr(self, name)
            if value is not None and value < FEWEST:
                raise OptionError(f"`{name}`: expected {FEWEST} or more, got {value}")
        if self.max_depth > LARGEST_DEPTH:
            raise OptionError(f"`max_depth`: expected 1 to {LARGEST_DEPTH}, got {self.max_depth}")
        if self.budget_kb is not None and self.nested_from is not None:
            raise OptionError(
                "`budget_kb` and `nested_from` cannot be used together: nested stages repeat the "
                "weak classifiers so far, so that tables grow with the square of their number"
            )
        self._check_jitter()

    def _check_jitter(self) -> None:
        """Raise for amounts that nothing would come of."""
        for name, one in option_fields(type(self)).items():
            value = getattr(self, name)
            if name.startswith("jitter_") and not self.variants and value != one.default:
                raise OptionError(
                    f"`{name}` {value:g} has no effect without `variants`",
                    hint="use `variants` 1 or more",
                )


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """What a calibration is asked for, besides its samples."""

    target_false_alarms: float | None = option(
        None,
        help="Let about this share of the background windows pass all stages.",
        metavar="X",
        above=0,
        below=1,
        default_text="as many as pass now",
    )
    max_cost: float = option(
        1.0,
        help="Evaluate at most this many times as many weak classifiers a window as now.",
        metavar="X",
        above=0,
        maximum=100,
    )
    negatives: int = option(
        50_000,
        help="Measure false alarms on this many windows that pass lower thresholds.",
        metavar="N",
        minimum=1000,
    )
