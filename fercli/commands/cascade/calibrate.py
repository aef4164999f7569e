"""``fer cascade calibrate``: the thresholds of all stages of a cascade, set together."""

from pathlib import Path
from typing import Any

import click

from fercli.cascade.training.options import CalibrationOptions, CascadeTrainingOptions
from fercli.commands import options
from fercli.common.progress import Progress

#: Options of a training that say what samples there are.
SAMPLES = (
    *("vec", "info", "label", "bg", "variants", "mirror"),
    *(name for name in CascadeTrainingOptions.__dataclass_fields__ if name.startswith("jitter_")),
    *("seed", "workers"),
)


@options.command()
@click.argument("cascade", type=options.CascadeFile())
@options.out("FILE.xml", "Write the cascade to this file.")
@options.from_fields(CalibrationOptions)
@options.from_fields(CascadeTrainingOptions, only=SAMPLES, engine=False)
@options.overwrite
@options.as_json
@options.quiet
def calibrate(
    cascade: Path,
    out: Path,
    target_false_alarms: float | None,
    max_cost: float | None,
    negatives: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **samples: Any,
) -> None:
    """Set the thresholds of all stages of CASCADE together.

    A training sets the threshold of each stage on its own. Here the objects that may be missed
    are distributed over the stages for the best hit rate at a false alarm rate, that of CASCADE
    unless --target-false-alarms says another, and stages that are not worth their time are left
    out. The positives should be objects that CASCADE was not trained on, thousands of them; the
    backgrounds may be those of its training.

    The summary has the rates before and after, and those to expect of other objects: thresholds
    set on one half of the samples, measured on the other. Look at these first, and at what `fer
    cascade evaluate` says of images.

    \b
    Examples:
      fer cascade calibrate cascade.xml --vec more.vec --bg scenes/ --out better.xml
      fer cascade calibrate cascade.xml --info more.dat --bg bg.txt --variants 3 --out better.xml
      fer cascade calibrate cascade.xml --vec more.vec --bg scenes/ --target-false-alarms 1e-6 \\
        --max-cost 0.75 --out faster.xml
    """
    from fercli.cascade.training.calibration import calibrate_cascade

    chosen = {
        "target_false_alarms": target_false_alarms, "max_cost": max_cost, "negatives": negatives,
    }  # fmt: skip
    result = calibrate_cascade(
        cascade,
        samples,
        out,
        options=options.build(CalibrationOptions, chosen),
        overwrite=overwrite,
        progress=progress,
    )
    options.echo(result, as_json)
