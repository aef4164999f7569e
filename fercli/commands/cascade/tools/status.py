"""``fer cascade tools status``: where OpenCV's programs were found."""

from pathlib import Path

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
    options.echo(found, as_json, "\n".join(map(str, found)))
    return int(any(program.problem for program in found))
