import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fercli
from fercli.common import kernels
from fercli.common.kernels import compiled, compiled_beside, note_compilation
from fercli.common.progress import Progress


class Notes(Progress):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.fixture
def fresh_kernels(tmp_path, monkeypatch):
    """A module on a machine that never ran it: numba's cache is new as well."""
    path = tmp_path / "fresh_kernels.py"
    path.write_text(
        "import time\nimport numpy as np\nfrom fercli.common.kernels import compiled\n\n\n"
        "@compiled\ndef double(values):\n    return values * 2\n\n\n"
        "def call():\n    double(np.ones(1))\n\n\n"
        "def sleep():\n    time.sleep(600)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.delitem(sys.modules, "fresh_kernels", raising=False)
    import fresh_kernels

    return fresh_kernels


@pytest.mark.compiled
def test_the_first_compilation_is_announced_and_no_other(fresh_kernels):
    notes = Notes()
    note_compilation(notes, fresh_kernels.double)
    assert ["compiling for this machine" in text for text in notes.texts] == [True]
    assert fresh_kernels.double(np.ones(1))[0] == 2
    # Another process finds the compiled kernel in the cache.
    again = compiled(fresh_kernels.double.py_func)
    assert not again.signatures
    note_compilation(notes, again, len)
    assert len(notes.texts) == 1


@pytest.mark.compiled
def test_another_process_compiles_while_the_body_runs(fresh_kernels, monkeypatch):
    monkeypatch.setattr(kernels, "available_workers", lambda: 2)
    with compiled_beside("fresh_kernels", "call", fresh_kernels.double) as wait:
        assert wait() == 0
    double = compiled(fresh_kernels.double.py_func)
    double(np.ones(1))
    assert sum(double.stats.cache_hits.values()) == 1


def test_a_process_that_is_not_waited_for_ends_with_the_body(fresh_kernels, monkeypatch):
    monkeypatch.setattr(kernels, "available_workers", lambda: 2)
    monkeypatch.setattr(kernels, "_is_compiled", lambda kernel: False)
    with compiled_beside("fresh_kernels", "sleep", fresh_kernels.double) as wait:
        pass
    assert wait() != 0


def test_nothing_is_started_on_one_core_or_without_need(monkeypatch):
    monkeypatch.setattr(kernels.subprocess, "Popen", lambda *args, **given: pytest.fail("started"))
    with compiled_beside("no.such.module", "call", len) as wait:  # not a kernel: nothing to do
        wait()
    monkeypatch.setattr(kernels, "_is_compiled", lambda kernel: False)
    monkeypatch.setattr(kernels, "available_workers", lambda: 1)
    with compiled_beside("no.such.module", "call", len) as wait:
        wait()


def test_numba_is_imported_by_one_module_alone():
    """Two threads that began at different modules of numba saw halves of them, and ended."""
    root = Path(fercli.__file__).parent
    found = [
        path
        for path in root.rglob("*.py")
        if re.search(r"^\s*(from|import) numba", path.read_text(), re.M)
    ]
    assert found == [Path(kernels.__file__)]
    code = (
        "import sys, threading; sys.setswitchinterval(1e-6); found = []\n"
        "threads = [threading.Thread(target=lambda one=one: found.append(__import__(one)))\n"
        "           for one in ('fercli.cascade.detection.scanner_kernels',\n"
        "                       'fercli.cascade.detection.grouping')]\n"
        "[one.start() for one in threads]; [one.join() for one in threads]\n"
        "assert len(found) == 2"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
