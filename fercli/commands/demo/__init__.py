"""``fer demo``: a detector trained on real faces in a minute, and images to try fer with."""

from pathlib import Path

import click

from fercli.cli import LazyGroup
from fercli.commands import options


@click.group(
    cls=LazyGroup,
    package="fercli.commands.demo",
    names=["faces", "signs"],
    invoke_without_command=True,
)
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
        from fercli.commands.demo.run import run_demo

        run_demo(out or Path("demo"))
    elif out is not None:
        raise click.UsageError("--out belongs to `fer demo` alone; give the folder as an argument")
