import signal

import pytest

from fercli.cascade.result_folder import ResultFolder
from fercli.cascade.training.workplace import told_what_is_kept
from fercli.progress import SILENT
from fercli.signals import signals_as_interrupts


@pytest.fixture(params=["alone", "of a training"])
def interrupts(request, tmp_path):
    if request.param == "alone":
        return signals_as_interrupts
    return lambda: told_what_is_kept(ResultFolder(tmp_path), SILENT)


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
