"""OpenCV 3.4's own training programs: found or built, run and watched; here their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fercli.cascade.training.options import EngineOptions
from fercli.common.errors import OptionError
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
