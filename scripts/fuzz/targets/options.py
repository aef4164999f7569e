"""Recipes of commands: TOML that stands for options on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fercli.common.errors import FerError
from scripts.fuzz.reader import Reader

CASCADE = (
    b'size = "24x24"\nstages = 15\nmin-hit-rate = 0.99\nvariants = 20\nmirror = true\n'
    b'negatives = 3000\nvalidation = 0\nmode = "ALL"\nfeature-type = "HAAR"\nseed = 3\n'
    b'memory = 100\nworkers = 1\nboost-type = "GAB"\nmax-depth = 2\nengine = "native"\n',
)
NETWORK = (
    b'architecture = "cnn4"\nepochs = 3\nbatch-size = 64\nlearning-rate = 0.05\nsize = "48x48"\n'
    b'augment = "standard"\nschedule = "cosine"\nclass-weights = true\nseed = 1\n',
)


def _train(*command: str) -> Callable[[Path], object]:
    """Return what runs a command with a recipe, as far as inputs that are not there."""

    def run(folder: Path) -> object:
        from fercli.cli import fer

        nowhere = str(folder / "nowhere")
        arguments = [
            *command[:2], "--recipe", str(folder / "recipe.toml"), "--out", str(folder / "out"),
            "--quiet", *(word.replace("NOWHERE", nowhere) for word in command[2:]),
        ]  # fmt: skip
        return fer.main(arguments, prog_name="fer", standalone_mode=False)

    return run


def _refusals() -> tuple[type[Exception], ...]:
    import click

    return FerError, click.ClickException, click.Abort


READERS = (
    Reader("recipe, cascade train", "recipe.toml", lambda: CASCADE,
           _train("cascade", "train", "--vec", "NOWHERE", "--bg", "NOWHERE"),
           refusals=_refusals()),
    Reader("recipe, models train", "recipe.toml", lambda: NETWORK,
           _train("models", "train", "--data", "NOWHERE"), share=0.5, refusals=_refusals()),
)  # fmt: skip
