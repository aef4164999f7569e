"""``fer models train``: train a model on a tree of labeled faces."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress
from fercli.models.training_options import ModelTrainingOptions


@options.command()
@options.recipe("models", "--preset")
@options.data
@options.out("DIR", "Write the results to this folder.")
@options.from_fields(ModelTrainingOptions)
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def train(
    recipe: Path | None,
    data: Path,
    out: Path,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **chosen: Any,
) -> None:
    """Train a model on the split "train" of a tree and keep the epoch best on "validation".

    A tree with one split is divided: a fifth of each class is held out to compare epochs, and
    images that look alike stay together.

    A model is a neural network that gives each face the probabilities of the expressions. The
    output folder gets best.keras, checkpoint.npz, history.csv, curves.png, recipe.toml and
    result.json. After an interruption the same command continues from the last complete epoch.

    To train on several hosts, run the same command with --distribute on each of them, with a copy
    of the tree and an output folder of its own. The variables KERAS_DISTRIBUTION_JOB_ADDRESSES
    (host:port of the first), KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID
    (from 0) say which hosts take part.

    \b
    Examples:
      fer models train --recipe fernet-ferplus --data ferplus/ --out run/
      fer models train --data fer2013/ --architecture mini-xception --epochs 100 --out run/
      fer models train --preset finetune --data mine/ --out mine_run/
      fer models train --data mine/ --init run/best.keras --freeze -1 --epochs 10 --out head/
    """
    from fercli.models.training import describe_result, train

    wanted = options.build(ModelTrainingOptions, chosen)
    result = train(data, out, wanted, overwrite=overwrite, workers=workers, progress=progress)
    click.echo(json.dumps(result.to_dict(), indent=2) if as_json else describe_result(result))
