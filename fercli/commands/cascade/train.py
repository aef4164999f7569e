"""``fer cascade train``: positives and backgrounds to a cascade.xml."""

from pathlib import Path
from typing import Any

import click

from fercli.cascade.opencv3 import ProgramSettings
from fercli.cascade.training.options import CascadeTrainingOptions
from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress

#: The names of `fercli.cascade.training.engines.ENGINES`, which a command does not import for its
#: help.
ENGINES = ("native", "opencv")

#: Settings of OpenCV's program that the native engine does not have.
OF_OPENCV = ("old_format", "value_buffer", "index_buffer", "tools")

#: What --finish looks at. Others are refused, unless a recipe gives them: it says all there is.
OF_FINISH = {"finish", "out", "engine", "stages", "tools", "recipe", "as_json", "progress"}


class FeatureTypeName(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """``HAAR`` or ``LBP``; for ``HOG`` the reason why not."""

    def __init__(self) -> None:
        super().__init__(["HAAR", "LBP"], case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name in capitals."""
        if str(value).upper() == "HOG":
            self.fail("OpenCV cannot load cascades of HOG features since 3.0", param, ctx)
        return super().convert(value, param, ctx)


@options.command()
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    help="Train with this engine: fer's own, or OpenCV 3.4's opencv_traincascade."
    "  [default: native]",
)
@options.out("DIR", "Write the results to this folder.")
@options.from_fields(
    CascadeTrainingOptions,
    but=["workers"],
    checked=False,  # the bounds of the engines differ
    types={"feature_type": FeatureTypeName()},
)
@options.from_fields(ProgramSettings, only=OF_OPENCV, checked=False)
@options.recipe("cascade")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the training in DIR, with its own settings except those given here.",
)
@click.option("--finish", is_flag=True, help="Write the cascade of the stages in DIR, and end.")
@options.cores_or_cluster
@options.overwrite
@options.as_json
@options.quiet
def train(
    engine: str | None,
    out: Path,
    recipe: Path | None,
    resume: bool,
    finish: bool,
    workers: Workers,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **settings: Any,
) -> None:
    """Train a cascade from positives and backgrounds.

    While the training runs, DIR gets stages.csv with one line a stage. At the end it holds
    cascade.xml, result.json, rates.png, versions.json and recipe.toml, which has all settings and
    can be given to --recipe. The engine opencv also writes training.log, the output of the
    program.

    After an interruption (Ctrl-C, kill, power cut) the same command continues after the last
    complete stage; the engine native then ends with the same cascade as without the interruption.
    --finish writes the cascade of the stages so far; with the engine opencv it also works in a
    folder in which opencv_traincascade was run by hand. When positives or backgrounds run out,
    the training continues with fewer or ends early, and the summary says so.

    With --parallel dask the workers of a cluster read the images and mine the negatives; the
    features are chosen on this machine. The cascade is the same.

    \b
    Examples:
      fer cascade train --vec faces.vec --bg bg.txt --out faces/
      fer cascade train --info info.dat --bg scenes/ --out faces/ --mirror --variants 2
      fer cascade train --vec faces.vec --bg bg.txt --out lbp/ --feature-type LBP --size 20x20
      fer cascade train --engine opencv --vec faces.vec --bg bg.txt --out real/
      fer cascade train --resume --out faces/ --stages 25      five more stages
      fer cascade train --finish --out faces/ --stages 12      only the first twelve
      fer cascade train --recipe faces/recipe.toml --out again/
      fer cascade train --resume --out faces/ --parallel dask --scheduler tcp://node1:8786
    """
    from fercli.cascade.training.engines import finish_cascade, train_cascade

    settings["workers"] = workers.count
    given = {name: value for name, value in settings.items() if value is not None}
    if finish:
        _refuse_more(click.get_current_context())
        stages, tools = given.get("stages"), given.get("tools")
        result = finish_cascade(engine, out, stages=stages, tools=tools, progress=progress)
    else:
        result = train_cascade(
            engine,
            given,
            out,
            resume=resume,
            overwrite=overwrite,
            scheduler=workers.scheduler,
            progress=progress,
        )
    options.echo(result, as_json)


def _refuse_more(ctx: click.Context) -> None:
    """Stop on options that --finish does not look at, rather than ignore them."""
    command_line = click.core.ParameterSource.COMMANDLINE
    more = [
        next(option for option in param.opts if option.startswith("--"))
        for param in ctx.command.params
        if param.name not in OF_FINISH and ctx.get_parameter_source(str(param.name)) == command_line
    ]
    if more:
        raise click.UsageError(f"--finish cannot be used with {', '.join(more)}")
