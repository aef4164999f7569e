"""Signals that end a process, taken as Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt while the body runs.

    Signals that are ignored (``nohup``) stay so. Only the main thread can set handlers; in another
    nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    ours = {number: old for number, old in before.items() if old is signal.SIG_DFL}
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, old in ours.items():
            signal.signal(number, old)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
