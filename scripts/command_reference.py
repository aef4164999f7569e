"""Write the command reference from ``--help``: ``command_reference.py docs/commands.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from fercli.cli import fer

INTRODUCTION = """# Command reference

Generated from `fer … --help` by `make docs`; a test checks that it is current.

Results go to standard output, progress and notes to standard error. Exit status: 0 done; 1 a named
error, on one line that says what was wanted, what was found and what to try; 2 wrong usage;
130 interrupted.
"""


def reference() -> str:
    """Return the whole reference as Markdown."""
    root = click.Context(fer, info_name="fer", **fer.context_settings)
    return INTRODUCTION + "".join(sections(fer, root))


def sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a section for a command and, if it is a group, for each below it."""
    yield f"\n## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from sections(
                child, click.Context(child, parent=context, info_name=name, max_content_width=100)
            )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
