"""The folder of a training of a cascade, by either engine.

Beside the recipe and the versions: ``training.log``, ``stages.csv`` (a line a stage, as they
come), and at the end ``cascade.xml``, ``result.json`` and ``rates.png``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fercli.cascade.opencv3.stage_files import PARAMETERS
from fercli.cascade.training.checkpoint import STAGES, STATE
from fercli.cascade.training.report import (
    StageRecord,
    TrainingResult,
    draw_rates,
    read_stages,
    write_result,
    write_stages,
)
from fercli.common.errors import FerError, OutputExistsError
from fercli.common.files import make_folder, output_error
from fercli.common.work_folder import remove_unfinished
from fercli.run_folder import RECIPE, VERSIONS, RunFolder


class CascadeFolder(RunFolder):
    """The folder of a training of a cascade, by either engine."""

    names = ("cascade.xml", RECIPE, VERSIONS, "training.log", "stages.csv", "result.json",
             "rates.png")  # fmt: skip
    ignored = frozenset({"workers", "tools", "value_buffer", "index_buffer", "memory"})
    fixed = frozenset(
        {"engine", "size", "feature_type", "mode", "boost_type", "min_hit_rate",
         "max_false_alarm_rate", "weight_trim_rate", "max_depth", "max_weak_count"}
    )  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether a training has ended here."""
        return self.cascade.exists()

    def clean_up(self) -> None:
        """Remove what a killed training was writing.

        Raises `OutputExistsError` if the engine's folder holds files of something else.
        """
        self.require_own_engine()
        super().clean_up()
        remove_unfinished(self.engine, [STAGES, STATE])

    @property
    def cascade(self) -> Path:
        """The cascade; there only when the training has ended."""
        return self.path / "cascade.xml"

    @property
    def log(self) -> Path:
        """What the engine said."""
        return self.path / "training.log"

    @property
    def stages(self) -> Path:
        """The stages that are done."""
        return self.path / "stages.csv"

    @property
    def result(self) -> Path:
        """The result, for programs."""
        return self.path / "result.json"

    @property
    def rates(self) -> Path:
        """The plot of false alarms over stages."""
        return self.path / "rates.png"

    @property
    def engine(self) -> Path:
        """The folder of what only the engine reads."""
        return self.path / "engine"

    def read_stages(self, count: int) -> list[StageRecord]:
        """Return what is known of the first `count` stages, as far as it is in the table."""
        try:
            known = {stage.index: stage for stage in read_stages(self.stages)}
        except FerError:
            return []
        return [known[index] for index in range(count) if index in known]

    def write_stages(self, stages: list[StageRecord]) -> None:
        """Write the table of stages anew."""
        write_stages(self.stages, stages)

    def write_result(self, result: TrainingResult) -> None:
        """Write what belongs to a training that has ended."""
        write_result(self.result, result)
        draw_rates(self.rates, result.stages)

    def what_is_kept(self, stages: int) -> str:
        """Return what to tell whoever interrupts a training that has so many whole stages."""
        kept = f"{stages} whole stage{' is' if stages == 1 else 's are'} kept in {self.path}"
        return f"interrupted; {kept}: the same command continues, --finish writes their cascade"

    def require_own_engine(self) -> None:
        """Raise `OutputExistsError` if the engine's folder holds files of something else."""
        if not self.engine.is_dir() or not any(self.engine.iterdir()):
            return
        marks = (self.recipe, *(self.engine / name for name in (STAGES, STATE, PARAMETERS)))
        if not any(map(os.path.lexists, marks)):
            raise OutputExistsError(
                "The folder holds files that no training has written",
                hint="use another --out, or another name for this folder",
                path=self.engine,
            )

    def reopen(self) -> None:
        """Remove what tells that the training has ended: it goes on."""
        for file in (self.cascade, self.result, self.rates):
            file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove a training, and nothing else that is in the folder."""
        try:
            # First, while the recipe still tells whose it is.
            if self.engine.is_dir():
                shutil.rmtree(self.engine)
            for file in self.files:
                file.unlink(missing_ok=True)
            make_folder(self.path)
        except OSError as error:
            raise output_error(error, self.path) from error
