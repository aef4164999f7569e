"""``fer cascade tools status``: where OpenCV's programs were found."""

import json
from pathlib import Path

import click

from fercli.commands import options


@options.command()
@options.tools
@options.as_json
@options.no_progress
def status(tools: Path | None, as_json: bool) -> int:
    """Show where each of OpenCV's programs was found.

    The exit status is 1 if one is missing or does not run.

    \b
    Examples:
      fer cascade tools status
      fer cascade tools status --tools ~/opencv-3.4/bin
      fer cascade tools status --json
    """
    from fercli.cascade.opencv3.programs import examine_programs

    found = examine_programs(tools)
    if as_json:
        click.echo(json.dumps([program.to_dict() for program in found], indent=2))
    else:
        for program in found:
            click.echo(program)
    return int(any(program.problem for program in found))
