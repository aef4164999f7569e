"""``fer models train``: a tree of labeled faces to a network."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress
from fercli.common.recipes import bundled_recipes
from fercli.models.architectures import ARCHITECTURES
from fercli.models.training_options import (
    MONITORS,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    TrainingOptions,
)

Command = Callable[..., Any]

DEFAULTS = {field.name: field.default for field in fields(TrainingOptions)}


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """Return a click option whose default is that of `TrainingOptions`."""
    name = names[-1].lstrip("-").replace("-", "_")
    default = DEFAULTS[name]
    shown = default is not None and not isinstance(default, bool)
    return click.option(*names, default=default, show_default=shown, **settings)


def choice(values: Any) -> click.Choice[str]:
    """Return the type of an option that takes one of a few words."""
    return click.Choice(list(values))


@click.command()
@options.recipe("models")
@click.option(
    "--data",
    type=options.path_type(),
    required=True,
    metavar="DIR",
    help="A tree of `fer datasets`.",
)
@options.out("DIR", "The folder of results.")
@option("--architecture", type=choice(ARCHITECTURES), help="See `fer models list`.")
@option("--size", type=options.Size(), help="Size of the input.  [default: the architecture's]")
@option("--crop", type=int, metavar="SIDE", help="Learn from square parts, run on the middle one.")
@option("--epochs", type=int, metavar="N", help="How often all images are seen.")
@option("--batch-size", type=int, metavar="N", help="Images a step.")
@option("--optimizer", type=choice(OPTIMIZERS), help="sgd has Nesterov's momentum.")
@option("--learning-rate", type=float, metavar="X", help="The highest rate.")
@option("--momentum", type=float, metavar="X", help="Momentum of sgd.")
@option("--weight-decay", type=float, metavar="X", help="Decay of weights.")
@option(
    "--clip-norm",
    type=float,
    metavar="X",
    help="Longer gradients are shortened to this; 0: none.",
)
@option(
    "--dropout",
    type=float,
    metavar="RATE",
    help="Of all dropout layers.  [default: the architecture's]",
)
@option("--schedule", type=choice(SCHEDULES), help="How the rate goes after warming up.")
@option("--warmup-epochs", type=float, metavar="X", help="Over these the rate rises.")
@option(
    "--average",
    type=float,
    metavar="X",
    help="Momentum of the average of weights that is kept; 0: none.",
)
@option("--precision", type=choice(PRECISIONS), help="mixed_bfloat16 is faster where it is known.")
@option(
    "--augment",
    metavar="POLICY",
    help="How images are changed: none, a policy of fer "
    f"({', '.join(bundled_recipes('augmentation'))}), or a TOML file.",
)
@option(
    "--label-smoothing",
    type=float,
    metavar="SHARE",
    help="Share of a label spread over all classes.",
)
@option("--mixup", type=float, metavar="X", help="Parameter of the mixing of images; 0: none.")
@option("--soft-labels", is_flag=True, help="Learn the distribution of people's votes.")
@option(
    "--class-weights", type=choice(["none", "balanced"]), help="balanced: rare ones weigh more."
)
@option(
    "--patience",
    type=int,
    metavar="N",
    help="Stop after so many epochs without a better one; 0: never.",
)
@option("--monitor", type=choice(MONITORS), help="What the kept epoch is the best in.")
@option("--validation", metavar="SPLIT", help="The split that epochs are compared on.")
@option("--init", metavar="NETWORK", help="Start from the weights of this one where they fit.")
@option(
    "--freeze", type=int, metavar="N", help="Do not train the first N layers; negative: all but N."
)
@option("--stream", is_flag=True, help="Read images again each epoch, to save memory.")
@option("--tensorboard", is_flag=True, help="Write a log for TensorBoard.")
@option(
    "--distribute",
    is_flag=True,
    help="Use all devices that Keras finds, of other hosts too; needs JAX.",
)
@options.seed
@options.workers
@options.overwrite
@options.quiet
def train(
    recipe: Path | None,
    data: Path,
    out: Path,
    workers: int | None,
    overwrite: bool,
    progress: Progress,
    **chosen: Any,
) -> None:
    """Train a network on a tree's split "train"; the best epoch on "validation" is kept.

    OUT gets best.keras, checkpoint.npz, history.csv, curves.png, recipe.toml and result.json.
    A training that was stopped or killed goes on from its last whole epoch when the same command
    is given again.

    --distribute on several hosts: give the command on each of them, with a copy of the tree and an
    OUT of its own, which all get the same; KERAS_DISTRIBUTION_JOB_ADDRESSES (host:port of the
    first), KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID (from 0) say who
    takes part.

    \b
    Examples:
      fer models train --recipe fernet-ferplus --data ferplus/ --out run/
      fer models train --data fer2013/ --architecture mini-xception --epochs 100 --out run/
      fer models train --data mine/ --architecture fernet --crop 40 --init ferplus --out mine_run/
      fer models train --data mine/ --init run/best.keras --freeze -1 --epochs 10 --out head/
    """
    from fercli.models.training import describe_result, train

    wanted = TrainingOptions(**chosen)
    result = train(data, out, wanted, overwrite=overwrite, workers=workers, progress=progress)
    click.echo(describe_result(result))
