"""Signals that end a process, taken as Ctrl-C or as a wish to stop."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

#: What ends a process beside Ctrl-C: a request, and the end of its terminal.
END_SIGNALS: tuple[signal.Signals, ...]
if sys.platform == "win32":
    END_SIGNALS = (signal.SIGTERM, signal.SIGBREAK)
else:
    END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP (Windows: SIGBREAK) into KeyboardInterrupt while the body runs.

    Signals that are ignored (``nohup``) stay so. Only the main thread can set handlers; in another
    nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in END_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    with handled(ours, _interrupt):
        yield


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """Give an event that Ctrl-C, SIGTERM and SIGHUP set; a second Ctrl-C ends at once.

    The other two may come twice: ``timeout`` tells a process and then its group, and when a
    terminal is closed its shell tells the process, and then the system does.

    Signals that are ignored (``nohup``) stay so. Only the main thread can set handlers; in another
    nothing sets the event.
    """
    stop = Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, *END_SIGNALS)
    before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number in numbers if before[number] is not signal.SIG_IGN]

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before[signal.SIGINT])
        stop.set()

    with handled(ours, first):
        yield stop


@contextmanager
def handled(numbers: Iterable[signal.Signals], handler: Handler) -> Iterator[None]:
    """Handle signals while the body runs; then their handlers are again those of before."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
