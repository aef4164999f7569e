"""``fer doctor``: what is installed, what is missing, how to get it."""

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
    from fercli.environment import examine

    findings = examine()
    width, lines = max(len(finding.name) for finding in findings), []
    for finding in findings:
        lines.append(f"{SIGNS[finding.status]}  {finding.name:<{width}}  {finding.detail}")
        if finding.status != "ok" and finding.hint:
            lines.append(f"{'':<{len(SIGNS['ok']) + 2 + width}}  → {finding.hint}")
    options.echo(findings, as_json, "\n".join(lines))
    return int(any(finding.status == "problem" for finding in findings))
