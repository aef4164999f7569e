"""The report of a cascade training: a record of each stage, and the result.

Both engines fill the same records, so that their trainings can be compared.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fercli.common.errors import InputError
from fercli.common.files import read_text, write_text
from fercli.common.tables import counted, format_table


@dataclass(frozen=True)
class StageRecord:
    """The figures of one stage; None where a figure is not known.

    Parameters
    ----------
    index : int
        The stage, from 0.
    weak_classifiers : int
        How many it has.
    hit_rate : float or None
        Share of the stage's positives that it lets pass.
    false_alarm_rate : float or None
        Share of the stage's negatives that it lets pass.
    acceptance_ratio : float or None
        Share of the windows of the backgrounds that the stages before it let pass: the false
        alarm rate of the cascade so far.
    positives : int or None
        Positives that the stage was trained with.
    positives_consumed : int or None
        Positives that were read to find those: the others were refused by the stages before.
    negatives : int or None
        Negatives that the stage was trained with.
    seconds : float or None
        Time for its samples, its training and its file.
    validation_hit_rate, validation_false_alarm_rate : float or None
        The stage's rates on positives and negatives that it was not trained with.
    """

    index: int
    weak_classifiers: int
    hit_rate: float | None = None
    false_alarm_rate: float | None = None
    acceptance_ratio: float | None = None
    positives: int | None = None
    positives_consumed: int | None = None
    negatives: int | None = None
    seconds: float | None = None
    validation_hit_rate: float | None = None
    validation_false_alarm_rate: float | None = None

    def __str__(self) -> str:
        several = "" if self.weak_classifiers == 1 else "s"
        parts = [f"stage {self.index}: {self.weak_classifiers} weak classifier{several}"]
        if self.hit_rate is not None and self.false_alarm_rate is not None:
            parts.append(f"hit rate {self.hit_rate:.4f}")
            parts.append(f"false alarm rate {self.false_alarm_rate:.4f}")
        if self.validation_hit_rate is not None and self.validation_false_alarm_rate is not None:
            parts.append(
                f"held out {self.validation_hit_rate:.4f} and "
                f"{self.validation_false_alarm_rate:.4f}"
            )
        if self.acceptance_ratio is not None:
            parts.append(f"acceptance ratio {self.acceptance_ratio:.2g}")
        if self.seconds is not None:
            parts.append(format_duration(self.seconds))
        return ", ".join(parts)


@dataclass(frozen=True)
class CascadeTrainingResult:
    """The result of a training.

    Parameters
    ----------
    cascade : Path
        The file that a detector loads.
    engine : str
        What trained it: "native" or "opencv".
    feature_type : str
        "HAAR" or "LBP".
    size_wh : (int, int)
        The window.
    stages : tuple of StageRecord
        A record a stage.
    stages_wanted : int
        How many were asked for.
    seconds : float
        Time of the training, that of earlier runs that it went on from included.
    stopped_because : str
        Why it ended: "all stages are trained", or what the rule that stopped it says.
    advice : str
        What to do for more stages; empty where there is nothing to say.
    acceptance_ratio : float or None
        Share of the windows of the backgrounds that pass all stages, where it was counted: by the
        search for negatives that ended the training.
    notes : tuple of str
        What was assumed of the samples, and which of them were not used.
    """

    cascade: Path
    engine: str
    feature_type: str
    size_wh: tuple[int, int]
    stages: tuple[StageRecord, ...]
    stages_wanted: int
    seconds: float
    stopped_because: str
    advice: str = ""
    acceptance_ratio: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def weak_classifiers(self) -> int:
        """The number of weak classifiers of all stages."""
        return sum(stage.weak_classifiers for stage in self.stages)

    @property
    def hit_rate(self) -> float | None:
        """The product of the stages' hit rates, if all are known."""
        return _product([stage.hit_rate for stage in self.stages])

    @property
    def validation_hit_rate(self) -> float | None:
        """The share of the held-out positives that pass all stages, if there are any."""
        return _product([stage.validation_hit_rate for stage in self.stages])

    @property
    def false_alarm_rate(self) -> float | None:
        """The product of the stages' false alarm rates, if all are known."""
        return _product([stage.false_alarm_rate for stage in self.stages])

    @property
    def passing(self) -> float | None:
        """The share of the backgrounds' windows that passes all stages, if it is known.

        It is the one counted, `acceptance_ratio`. Where all stages were trained, only the windows
        that pass all stages but the last were counted; the last passes as many of those as of its
        held-out negatives, or, where none were held out, of the negatives that it was trained on.
        """
        if self.acceptance_ratio is not None or not self.stages:
            return self.acceptance_ratio
        last = self.stages[-1]
        rate = last.validation_false_alarm_rate
        return _product([last.acceptance_ratio, last.false_alarm_rate if rate is None else rate])

    def to_text(self) -> str:
        """Return the table of stages and a summary."""
        width, height = self.size_wh
        lines = [
            stages_table(self.stages),
            "",
            f"{len(self.stages)} of {counted(self.stages_wanted, 'stage')} in "
            f"{format_duration(self.seconds)}: {self.stopped_because}",
            *([self.advice] if self.advice else []),
            f"{self.feature_type}, window {width}x{height}, "
            f"{counted(self.weak_classifiers, 'weak classifier')}, "
            f"engine {self.engine}",
        ]
        if self.hit_rate is not None and self.passing is not None:
            held_out = self.validation_hit_rate
            lines.append(
                f"of its own positives {self.hit_rate:.1%} pass all stages"
                + ("" if held_out is None else f", of those held out {held_out:.1%}")
                + ", of the windows of the backgrounds "
                + ("about " if self.acceptance_ratio is None else "")
                + f"{self.passing:.2g}"
            )
        size = self.cascade.stat().st_size
        return "\n".join([*lines, f"{self.cascade}: {size / 1000:.1f} kB"])

    def _repr_png_(self) -> bytes:
        """Draw the false alarms, stage by stage, for Jupyter."""
        from fercli.common.drawing import png_of

        return png_of(lambda path: draw_rates(path, self.stages))

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        return {
            **asdict(self),
            "cascade": str(self.cascade),
            "weak_classifiers": self.weak_classifiers,
            "hit_rate": self.hit_rate,
            "validation_hit_rate": self.validation_hit_rate,
            "false_alarm_rate": self.false_alarm_rate,
            "passing": self.passing,
        }


def stages_table(stages: Sequence[StageRecord]) -> str:
    """Return the stages as a table, a line each; what was not held out has no column."""
    columns = {
        "stage": [str(stage.index) for stage in stages],
        "weak": [str(stage.weak_classifiers) for stage in stages],
        "hit rate": [_shown(stage.hit_rate, ".4f") for stage in stages],
        "held out": [_shown(stage.validation_hit_rate, ".4f") for stage in stages],
        "false alarms": [_shown(stage.false_alarm_rate, ".4f") for stage in stages],
        "held out ": [_shown(stage.validation_false_alarm_rate, ".4f") for stage in stages],
        "acceptance": [_shown(stage.acceptance_ratio, ".3g") for stage in stages],
        "positives": [_shown(stage.positives, "d") for stage in stages],
        "of": [_shown(stage.positives_consumed, "d") for stage in stages],
        "negatives": [_shown(stage.negatives, "d") for stage in stages],
        "seconds": [_shown(stage.seconds, ".1f") for stage in stages],
    }
    shown = {
        name: cells
        for name, cells in columns.items()
        if not name.startswith("held out") or set(cells) != {"-"}
    }
    return format_table(list(shown), list(zip(*shown.values(), strict=True)))


def format_duration(seconds: float) -> str:
    """Return a duration in words: ``4.2 s``, ``3 min 12 s``, ``2 h 05 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def write_result(path: Path, result: CascadeTrainingResult) -> None:
    """Write a result as JSON, in place of an older one."""
    text = json.dumps({**result.to_dict(), "cascade": result.cascade.name}, indent=2)
    write_text(path, text + "\n", overwrite=True)


def write_stages(path: Path, stages: Sequence[StageRecord]) -> None:
    """Write a table (CSV) of the stages so far, in place of an older one."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(StageRecord)])
    writer.writeheader()
    writer.writerows(asdict(stage) for stage in stages)
    write_text(path, text.getvalue(), overwrite=True)


def read_stages(path: Path) -> list[StageRecord]:
    """Return the stages of a table that `write_stages` wrote.

    Raises
    ------
    InputError
        It is no such table.
    """
    rows = csv.DictReader(io.StringIO(read_text(path)))
    try:
        return [_record(row) for row in rows]
    except (TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"The file is not a table of the stages of a training: {error}",
            path=path,
            line=rows.line_num,
        ) from error


_WHOLE = {"index", "weak_classifiers", "positives", "positives_consumed", "negatives"}


def _record(row: dict[str, str]) -> StageRecord:
    values: dict[str, Any] = {
        name: (int if name in _WHOLE else float)(text) for name, text in row.items() if text
    }
    return StageRecord(**values)


def draw_rates(path: Path, stages: Sequence[StageRecord]) -> None:
    """Draw the false alarm rates of the stages, and the acceptance ratio before each, as PNG."""
    from matplotlib.ticker import MaxNLocator

    from fercli.common.drawing import new_plot, save_plot

    figure, axes = new_plot("False alarms, stage by stage", "stage", "share of windows")
    numbers = [stage.index for stage in stages]
    series = (
        ("the stage alone, on its negatives", [stage.false_alarm_rate for stage in stages]),
        ("all stages before it, on the backgrounds", [s.acceptance_ratio for s in stages]),
    )
    for label, values in series:
        # A logarithmic axis has no place for 0, and a stage may not be known.
        axes.plot(numbers, [value or math.nan for value in values], marker="o", label=label)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    save_plot(figure, path, overwrite=True)


def _product(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return math.prod(known) if known and len(known) == len(rates) else None


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
