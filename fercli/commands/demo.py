"""``fer demo``: a detector trained on real faces in a minute, and images to try fer with."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from fercli.commands import options
from fercli.common.errors import OutputExistsError, ProgramError
from fercli.common.files import make_folder
from fercli.common.tables import counted

#: What `fer demo` runs, one after the other, in the folder of results.
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


@options.group(invoke_without_command=True)
@click.option(
    "-o",
    "--out",
    type=options.path_type(),
    metavar="DIR",
    help="The folder of results, which must be empty or new.  [default: demo]",
)
@click.pass_context
def demo(ctx: click.Context, out: Path | None) -> None:
    """Train a face cascade on real faces, measure it, and draw what it finds in a photograph.

    Runs the commands of fer one after the other and shows each of them; takes about a minute. The
    images come from the package scikit-image: pip install "fercli[demo]". The commands below only
    write the images.

    \b
    Examples:
      fer demo
      fer demo --out /tmp/demo
      fer demo signs signs/
    """
    if ctx.invoked_subcommand is None:
        run_demo(out or Path("demo"))
    elif out is not None:
        raise click.UsageError("--out belongs to `fer demo` alone; give the folder as an argument")


@demo.command()
@click.argument("folder", type=options.path_type())
@options.overwrite
@options.as_json
@options.no_progress
def faces(folder: Path, overwrite: bool, as_json: bool) -> None:
    """Write faces, photographs without faces, and a test with known boxes into FOLDER.

    FOLDER gets faces/, scenes/, test/ with info.dat, and astronaut.png. All of it comes from the
    package scikit-image.

    \b
    Examples:
      fer demo faces images/
    """
    from fercli.demo import write_faces

    _echo(folder, write_faces(folder, overwrite=overwrite), as_json)


@demo.command()
@click.argument("folder", type=options.path_type())
@options.overwrite
@options.as_json
@options.no_progress
def signs(folder: Path, overwrite: bool, as_json: bool) -> None:
    """Write photographs with drawn stop signs and the table of their boxes into FOLDER.

    FOLDER gets photos/ and test/, each with boxes.csv, scenes/, and sign.png. The photographs come
    from the package scikit-image.

    \b
    Examples:
      fer demo signs signs/
    """
    from fercli.demo import write_signs

    _echo(folder, write_signs(folder, overwrite=overwrite), as_json)


def _echo(folder: Path, counts: Mapping[str, int], as_json: bool) -> None:
    about = {"folder": folder, "images": counts}
    options.echo(about, as_json, f"{folder}: {counted(sum(counts.values()), 'image')}")


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
