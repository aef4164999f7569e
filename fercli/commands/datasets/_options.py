"""Options that several commands of ``fer datasets`` share."""

import functools
from collections.abc import Callable
from typing import Any

import click

from fercli.commands.options import workers
from fercli.common.parallel import Workers


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--workers``, ``--parallel`` and ``--scheduler``; the command takes `workers`."""

    @functools.wraps(command)
    def with_workers(
        *args: Any, workers: int | None, parallel: str, scheduler: str | None, **options: Any
    ) -> Any:
        if (parallel == "dask") != (scheduler is not None):
            raise click.UsageError("--parallel dask and --scheduler ADDRESS go together")
        prefer: Any = "threads" if parallel == "threads" else "processes"
        return command(*args, workers=Workers(workers, prefer, scheduler), **options)

    for option in (_scheduler, _parallel, workers):
        with_workers = option(with_workers)
    return with_workers


_parallel = click.option(
    "--parallel",
    type=click.Choice(["processes", "threads", "dask"]),
    default="processes",
    show_default=True,
    help="What the workers are; dask: a cluster, which must see the same files.",
)

_scheduler = click.option(
    "--scheduler", metavar="ADDRESS", help="The Dask scheduler, such as tcp://node1:8786."
)

placing = click.option(
    "--files",
    "placing",
    type=click.Choice(["link", "copy", "symlink"]),
    default="link",
    show_default=True,
    help="How files come into the new tree; link: hard links, which take no space.",
)
