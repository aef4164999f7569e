"""The commands of ``fer demo``, run one after the other."""

import shlex
import subprocess
import sys
from pathlib import Path

import click

from fercli.common.errors import OutputExistsError, ProgramError
from fercli.common.files import make_folder

#: Each runs in the folder of results.
COMMANDS = """
fer demo faces images
fer cascade build-info images/faces --negatives images/scenes --size 24x24 --out lists
fer cascade create-samples --info lists/info.dat --size 24x24 --out faces.vec
fer cascade samples show faces.vec --size 24x24
fer cascade train --recipe demo --vec faces.vec --bg lists/bg.txt --out trained
fer cascade evaluate trained/cascade.xml --truth images/test/info.dat --out report
fer cascade visualize trained/cascade.xml --vec faces.vec --out features
fer cascade detect trained/cascade.xml images/astronaut.png --min-size 60x60 --out found
fer classify images/astronaut.png --bars --save expressions/astronaut.png
""".strip().splitlines()

RESULTS = {
    "The faces it was trained on": "faces.png",
    "The cascade": "trained/cascade.xml",
    "The features it uses": "features",
    "How well it detects": "report/recall.png",
    "What it finds in a photograph": "found/astronaut.png",
    "The expression of that face": "expressions/astronaut.png",
}


def run_demo(out: Path) -> None:
    """Run the demo in a folder that is empty or new.

    Raises
    ------
    OutputExistsError
        There is something in the folder.
    ProgramError
        A command failed; its own message was printed before.
    """
    if any(make_folder(out).iterdir()):
        raise OutputExistsError(
            "The folder is not empty", hint="remove it, or use --out with another name", path=out
        )
    for command in COMMANDS:
        click.secho(f"\n$ {command}", bold=True)
        words = [sys.executable, "-m", "fercli", *shlex.split(command)[1:]]
        if status := subprocess.run(words, cwd=out, check=False).returncode:
            raise ProgramError(f"{command}: ended with status {status}")
    click.echo()
    width = max(map(len, RESULTS)) + 1
    for title, name in RESULTS.items():
        click.echo(f"{title + ':':<{width}}  {out / name}")
    click.echo("(70 faces make a detector with some false alarms; thousands make a good one.)")
