import signal
import threading

import pytest

from fercli.cascade.training.folder import CascadeFolder
from fercli.cascade.training.native import told_what_is_kept
from fercli.common.progress import SILENT
from fercli.common.signals import signals_as_interrupts, stopped_by_signals


@pytest.fixture(params=["alone", "of a training"])
def interrupts(request, tmp_path):
    if request.param == "alone":
        return signals_as_interrupts
    return lambda: told_what_is_kept(CascadeFolder(tmp_path), SILENT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_a_process_are_interrupts(interrupts, number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interrupts():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_nohup_ignores_stays_ignored(interrupts):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_that_stop_in_good_order(number):
    before = signal.getsignal(number)
    with stopped_by_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        if number != signal.SIGINT:
            signal.raise_signal(number)  # those that end a process may come twice
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_is_ignored_does_not_stop(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stopped_by_signals() as stop:
            signal.raise_signal(number)
            assert not stop.is_set()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_thread_stops_nothing():
    def body():
        with stopped_by_signals() as stop:
            stopped.append(stop.is_set())

    stopped = []
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert stopped == [False]
