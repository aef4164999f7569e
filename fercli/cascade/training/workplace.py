"""The folder of a training at work: ours alone, and in order when the training breaks off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fercli.cascade.training.checkpoint import STATE, read_checkpoint
from fercli.common.errors import FerError
from fercli.common.progress import Progress
from fercli.common.signals import signals_as_interrupts
from fercli.run_folder import ResultFolder


@contextmanager
def cleared_without_a_stage(folder: ResultFolder) -> Iterator[None]:
    """Empty the folder if the body fails before the first stage: there is nothing to go on with."""
    try:
        yield
    except FerError:
        if not (folder.engine / STATE).exists():
            folder.clear()
        raise


@contextmanager
def told_what_is_kept(folder: ResultFolder, progress: Progress) -> Iterator[None]:
    """Take SIGTERM and SIGHUP for Ctrl-C, and tell whoever interrupts what is kept."""
    try:
        with signals_as_interrupts():
            yield
    except KeyboardInterrupt:
        checkpoint = read_checkpoint(folder.engine)
        kept = len(checkpoint.cascade.stages) if checkpoint else 0
        progress.note(folder.what_is_kept(kept))
        raise
