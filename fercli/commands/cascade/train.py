"""``fer cascade train``: positives and backgrounds to a cascade.xml."""

import json
from pathlib import Path
from typing import Any

import click

from fercli import options
from fercli.progress import Progress

#: The names of `fercli.cascade.engines.ENGINES`, which a command does not import for its help.
ENGINES = ("opencv",)


class FeatureType(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """``HAAR`` or ``LBP``; for ``HOG`` the reason why not."""

    def __init__(self) -> None:
        super().__init__(["HAAR", "LBP"], case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name in capitals."""
        if str(value).upper() == "HOG":
            self.fail("HOG: OpenCV cannot load cascades of HOG features since 3.0", param, ctx)
        return super().convert(value, param, ctx)


def choice(*values: str) -> click.Choice:  # type: ignore[type-arg]
    """Return a choice in which upper and lower case are the same."""
    return click.Choice(values, case_sensitive=False)


@click.command()
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="opencv",
    show_default=True,
    help="What trains: OpenCV 3.4's own opencv_traincascade.",
)
@click.option("--vec", type=options.path_type(), metavar="FILE", help="The positives.")
@click.option(
    "--bg",
    type=options.path_type(),
    metavar="FILE",
    help="List of backgrounds, whose windows are the negatives.",
)
@click.option(
    "-o", "--out", type=options.path_type(), required=True, metavar="DIR", help="Results."
)
@click.option("--size", type=options.Size(), help="The window, as in the .vec.  [default: 24x24]")
@click.option(
    "--stages", "--num-stages", type=int, metavar="N", help="Stages to train.  [default: 20]"
)
@click.option(
    "--positives",
    "--num-pos",
    type=int,
    metavar="N",
    help="Positives of each stage.  [default: as many as the .vec allows]",
)
@click.option(
    "--negatives",
    "--num-neg",
    type=int,
    metavar="N",
    help="Negatives of each stage.  [default: half of the positives]",
)
@click.option(
    "--min-hit-rate",
    type=float,
    metavar="X",
    help="Share of its positives that a stage must let pass.  [default: 0.995]",
)
@click.option(
    "--max-false-alarm-rate",
    type=float,
    metavar="X",
    help="Share of its negatives that a stage may let pass.  [default: 0.5]",
)
@click.option("--feature-type", type=FeatureType(), help="Features.  [default: HAAR]")
@click.option(
    "--mode",
    type=choice("BASIC", "CORE", "ALL"),
    help="Which Haar features: the usual, all upright ones, tilted as well.  [default: BASIC]",
)
@click.option(
    "--boost-type",
    type=choice("GAB", "DAB", "RAB", "LB"),
    help="Gentle, discrete or real AdaBoost, LogitBoost.  [default: GAB]",
)
@click.option(
    "--weight-trim-rate",
    type=float,
    metavar="X",
    help="Share of the weight that a weak classifier is trained on; 1: all.  [default: 0.95]",
)
@click.option(
    "--max-depth", type=int, metavar="N", help="Depth of a weak classifier's tree.  [default: 1]"
)
@click.option(
    "--max-weak-count",
    type=int,
    metavar="N",
    help="Weak classifiers of a stage at most.  [default: 100]",
)
@click.option(
    "--acceptance-ratio-break",
    type=float,
    metavar="X",
    help="Stop when at most this share of background windows passes.  [default: never]",
)
@click.option(
    "--old-format", is_flag=True, default=None, help="Write the format of OpenCV 1 (HAAR only)."
)
@click.option(
    "--value-buffer",
    type=click.IntRange(min=0),
    metavar="MB",
    help="Cache of the features' values.  [default: all, if memory allows]",
)
@click.option(
    "--index-buffer",
    type=click.IntRange(min=0),
    metavar="MB",
    help="Cache of their order, of which two are kept.  [default: all, if memory allows]",
)
@options.recipe
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the training in DIR, with its own settings but for those given here.",
)
@click.option(
    "--finish", is_flag=True, help="Write the cascade of the stages that DIR holds, and end."
)
@options.tools
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def train(
    engine: str,
    out: Path,
    recipe: Path | None,
    resume: bool,
    finish: bool,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **settings: Any,
) -> None:
    """Train a cascade from positives (.vec) and a list of backgrounds.

    DIR gets cascade.xml once the training has ended; stages.csv, a line a stage as they come;
    training.log, what the program said; recipe.toml, all settings, for --recipe; result.json,
    rates.png and versions.json.

    Interrupted (Ctrl-C, kill, power), the same command goes on after the last whole stage.
    --finish writes the cascade of the stages so far, also in a folder in which
    opencv_traincascade was run by hand. When positives run out, which is where
    opencv_traincascade aborts, the training goes on with fewer. It may end before --stages when
    windows of the first backgrounds are refused: the summary then says so.

    \b
    Examples:
      fer cascade train --vec faces.vec --bg bg.txt --out faces/
      fer cascade train --vec faces.vec --bg bg.txt --out lbp/ --feature-type LBP --size 20x20
      fer cascade train --resume --out faces/ --stages 25      five stages more
      fer cascade train --finish --out faces/ --stages 12      only the first twelve
      fer cascade train --recipe faces/recipe.toml --out again/
    """
    from fercli.cascade.engines import find_engine, train_cascade

    given = {name: value for name, value in settings.items() if value is not None}
    if finish:
        wanted, tools = given.get("stages"), given.get("tools")
        result = find_engine(engine).finish(out, stages=wanted, tools=tools, progress=progress)
    else:
        result = train_cascade(
            engine, given, out, resume=resume, overwrite=overwrite, progress=progress
        )
    click.echo(json.dumps(result.as_json(), indent=2) if as_json else result.summary())
