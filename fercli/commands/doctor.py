"""``fer doctor``: what is installed, what is missing, how to get it."""

import json

import click

from fercli.commands import options

SIGNS = {"ok": "ok     ", "absent": "-      ", "problem": "PROBLEM"}


@options.command()
@options.as_json
@options.no_progress
def doctor(as_json: bool) -> int:
    """Show what is installed, what is missing and how to get it.

    The exit status is 1 if something that fer needs does not work.

    \b
    Examples:
      fer doctor
      fer doctor --json
    """
    from dataclasses import asdict

    from fercli.environment import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{SIGNS[finding.status]}  {finding.name:<{width}}  {finding.detail}")
            if finding.status != "ok" and finding.hint:
                click.echo(f"{'':<{len(SIGNS['ok']) + 2 + width}}  → {finding.hint}")
    return int(any(finding.status == "problem" for finding in findings))
