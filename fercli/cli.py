"""The command ``fer``: groups of commands, imported only when asked for.

Command modules import click and nothing heavy: ``fer --help`` answers at once. What a command
needs is imported in its body.
"""

from __future__ import annotations

import importlib
import keyword
import os
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

import click

from fercli import __version__
from fercli.common.errors import FerError
from fercli.common.options import key_of

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


class Group(click.Group):
    """A group that lists its commands in their order, each with its whole first sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were added, not the alphabet's."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, not as much of a sentence as fits a line."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(limit=200)) for n, c in commands if c])


class Command(click.Command):
    """A command that shows errors of the library in its own words: `size_wh` is ``--size``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FerError as error:
            raise error.reworded(self.in_its_words) from error

    def in_its_words(self, text: str) -> str:
        """Return a text with fields in backticks replaced by the options that they stand for."""
        names = {}
        for param in self.params:
            shown = (
                _long_option(param)
                if isinstance(param, click.Option)
                else param.human_readable_name
            )
            name = key_of(str(param.name))
            names.update({str(param.name): shown, name: shown, f"{name}_wh": shown})
        return re.sub(r"`(\w+)`", lambda found: names.get(found[1], found[0]), text)


def _long_option(option: click.Parameter) -> str:
    return next((name for name in option.opts if name.startswith("--")), option.opts[0])


class CommandGroup(Group):
    """A group whose commands are in the same file."""

    command_class = Command


class LazyGroup(Group):
    """A group that imports a command when it is asked for.

    Parameters
    ----------
    package : str
        The package that holds the commands: ``build-info`` is the function ``build_info`` of the
        module ``build_info`` in it.
    names : sequence of str
        The commands, in the order in which help lists them.
    """

    def __init__(self, *args: Any, package: str, names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.package = package
        self.names = tuple(names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the given order."""
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in self.names:
            return None
        name = cmd_name.replace("-", "_")
        if keyword.iskeyword(name):
            name += "_"
        command: click.Command = getattr(importlib.import_module(f"{self.package}.{name}"), name)
        return command


@click.group(
    cls=LazyGroup,
    package="fercli.commands",
    names=["classify", "serve", "cascade", "datasets", "models", "demo", "doctor"],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="fer")
def fer() -> None:
    """Train and run Haar-cascade detectors and facial-expression models.

    \b
    Examples:
      fer doctor                                   what is installed, what is missing
      fer cascade build-info faces/ --negatives scenes/ --out work/
      fer cascade train --help
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run ``fer`` and return its exit status.

    0: done; 1: a named error, one line on stderr; 2: wrong usage; 130: interrupted.
    """
    _replace_closed_streams()
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_encoding_errors(stream.encoding))
    try:
        status = fer.main(args=args, prog_name="fer", standalone_mode=False)
        # Help and --version end with a status; a command returns None, or a status of its own.
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("fer: interrupted", err=True)
        return EXIT_INTERRUPTED
    except FerError as error:
        return _report(str(error))
    except BrokenPipeError:
        # The reader (`| head`) went away: nobody is left to tell.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return EXIT_ERROR
    except OSError as error:
        return _report(f"{error.filename or 'the system'}: {error.strerror or error}")
    except MemoryError:
        return _report("not enough memory; try: fewer or smaller images, or fewer --workers")
    finally:
        _tell_image_notes()


def _encoding_errors(encoding: str) -> str:
    """Return what becomes of characters that a stream cannot hold.

    Names of files need not be UTF-8: their bytes stay as they are. Consoles of other encodings,
    as on Windows, show a question mark.
    """
    return "surrogateescape" if encoding.lower().replace("-", "") == "utf8" else "replace"


def _replace_closed_streams() -> None:
    """Give standard streams that are closed (``2>&-``) to nobody.

    Python has None in their place; and the first files to be opened would get their numbers, to
    which libraries write messages.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115


def _tell_image_notes() -> None:
    """Say what was assumed about images and annotations, if any were read."""
    images = sys.modules.get("fercli.common.images")
    for line in images.IMAGE_NOTES.take() if images else ():
        click.echo(f"fer: {line}", err=True)
    notes = sys.modules.get("fercli.annotations.base")
    if notes:
        for line in notes.NOTES.take():
            click.echo(f"note: {line}", err=True)
        notes.NOTES.forget()


def _report(text: str) -> int:
    one_line = " ".join(text.split("\n"))
    click.echo(f"fer: error: {one_line}", err=True)
    return EXIT_ERROR
