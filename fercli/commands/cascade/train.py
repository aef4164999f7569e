"""``fer cascade train``: positives and backgrounds to a cascade.xml."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress

#: The names of `fercli.cascade.training.engines.ENGINES`, which a command does not import for its
#: help.
ENGINES = ("native", "opencv")

#: What --finish looks at. Others are refused, unless a recipe gives them: it says all there is.
OF_FINISH = {"finish", "out", "engine", "stages", "tools", "recipe", "as_json", "progress"}


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


def native(name: str, *, help: str, **attributes: Any) -> Callable[[Any], Any]:
    """Return an option that only fer's own engine has."""
    return click.option(name, help=f"Engine native: {help[0].lower()}{help[1:]}", **attributes)


@click.command()
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    help="What trains: fer itself, or OpenCV 3.4's own opencv_traincascade.  [default: native]",
)
@click.option("--vec", type=options.path_type(), metavar="FILE", help="The positives, as a .vec.")
@native(
    "--info",
    type=options.path_type(),
    metavar="FILE",
    help="The positives, as annotated images, in place of --vec.",
)
@click.option(
    "--bg",
    type=options.path_type(),
    metavar="FILE",
    help="List or folder of backgrounds, whose windows are the negatives. Native also: annotated "
    "images, of which windows that touch a box are not taken.",
)
@options.out("DIR", "Results.")
@click.option("--size", type=options.Size(), help="The window, as in the .vec.  [default: 24x24]")
@click.option(
    "--stages", "--num-stages", type=int, metavar="N", help="Stages to train.  [default: 20]"
)
@click.option(
    "--positives",
    "--num-pos",
    type=int,
    metavar="N",
    help="Positives of each stage.  [default: native: all; opencv: as the .vec allows]",
)
@click.option(
    "--negatives",
    "--num-neg",
    type=int,
    metavar="N",
    help="Negatives of each stage.  [default: native: as many as positives, 10000 at most; "
    "opencv: half of the positives]",
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
@native(
    "--search",
    type=click.Choice(["fast", "exhaustive"]),
    help="How features are chosen; exhaustive: as opencv_traincascade, slow.  [default: fast]",
)
@native(
    "--validation",
    type=float,
    metavar="X",
    help="Share of the samples to measure each stage with, not to train.  [default: 0.1]",
)
@native(
    "--variants",
    type=int,
    metavar="N",
    help="Train on N variants of each positive as well, changed by the --jitter options.  "
    "[default: 0]",
)
@native("--mirror", is_flag=True, default=None, help="Train on mirror images as well.")
@native(
    "--jitter-shift",
    type=float,
    metavar="X",
    help="Variants: shifted up to this share of the window.  [default: 0.04]",
)
@native(
    "--jitter-scale",
    type=float,
    metavar="X",
    help="Variants: larger or smaller up to this share.  [default: 0.06]",
)
@native(
    "--jitter-angle",
    type=float,
    metavar="DEGREES",
    help="Variants: turned up to this angle.  [default: 4]",
)
@native(
    "--jitter-brightness",
    type=float,
    metavar="X",
    help="Variants: gamma changed up to this share.  [default: 0.2]",
)
@native(
    "--continue-from",
    type=options.path_type(),
    metavar="FILE",
    help="A cascade.xml, of any origin, whose stages are to be the first.",
)
@native(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Start of the random numbers: the same seed gives the same cascade.  [default: 0]",
)
@native(
    "--memory",
    type=click.IntRange(min=1),
    metavar="MB",
    help="What samples, features and images may take.  [default: half of what is free]",
)
@click.option(
    "--old-format",
    is_flag=True,
    default=None,
    help="Engine opencv: write the format of OpenCV 1 (HAAR only).",
)
@click.option(
    "--value-buffer",
    type=click.IntRange(min=0),
    metavar="MB",
    help="Engine opencv: cache of the features' values.  [default: all, if memory allows]",
)
@click.option(
    "--index-buffer",
    type=click.IntRange(min=0),
    metavar="MB",
    help="Engine opencv: cache of their order, of which two are kept.  [default: all, if memory "
    "allows]",
)
@options.recipe("cascade")
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
    engine: str | None,
    out: Path,
    recipe: Path | None,
    resume: bool,
    finish: bool,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **settings: Any,
) -> None:
    """Train a cascade from positives and backgrounds.

    DIR gets cascade.xml once the training has ended; stages.csv, a line a stage as they come;
    recipe.toml, all settings, for --recipe; result.json, rates.png and versions.json; from the
    engine opencv also training.log, what the program said.

    Interrupted (Ctrl-C, kill, power), the same command goes on after the last whole stage; the
    engine native ends with the same cascade as if nothing had been. --finish writes the cascade
    of the stages so far, with the engine opencv also in a folder in which opencv_traincascade was
    run by hand. When positives or backgrounds run out, the training goes on with fewer, or ends
    early, and the summary says so.

    \b
    Examples:
      fer cascade train --vec faces.vec --bg bg.txt --out faces/
      fer cascade train --info info.dat --bg scenes/ --out faces/ --mirror --variants 2
      fer cascade train --vec faces.vec --bg bg.txt --out lbp/ --feature-type LBP --size 20x20
      fer cascade train --engine opencv --vec faces.vec --bg bg.txt --out real/
      fer cascade train --resume --out faces/ --stages 25      five stages more
      fer cascade train --finish --out faces/ --stages 12      only the first twelve
      fer cascade train --recipe faces/recipe.toml --out again/
    """
    from fercli.cascade.training.engines import finish_cascade, train_cascade

    given = {name: value for name, value in settings.items() if value is not None}
    if finish:
        _refuse_more(click.get_current_context())
        stages, tools = given.get("stages"), given.get("tools")
        result = finish_cascade(engine, out, stages=stages, tools=tools, progress=progress)
    else:
        result = train_cascade(
            engine, given, out, resume=resume, overwrite=overwrite, progress=progress
        )
    click.echo(json.dumps(result.to_dict(), indent=2) if as_json else result.to_text())


def _refuse_more(ctx: click.Context) -> None:
    """Stop on options that --finish does not look at, rather than ignore them."""
    command_line = click.core.ParameterSource.COMMANDLINE
    more = [
        next(option for option in param.opts if option.startswith("--"))
        for param in ctx.command.params
        if param.name not in OF_FINISH and ctx.get_parameter_source(str(param.name)) == command_line
    ]
    if more:
        raise click.UsageError(f"--finish goes without {', '.join(more)}")
