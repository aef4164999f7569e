import numpy as np
import pytest

from fercli.common.kernels import compiled, note_compilation
from fercli.common.progress import Progress


class Notes(Progress):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.mark.compiled
def test_the_first_compilation_is_announced_and_no_other(tmp_path, monkeypatch):
    """As on a machine that never ran it: the kernel's module and numba's cache are new."""
    path = tmp_path / "fresh_kernels.py"
    path.write_text(
        "from fercli.common.kernels import compiled\n\n\n"
        "@compiled\ndef double(values):\n    return values * 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import fresh_kernels

    notes = Notes()
    note_compilation(notes, fresh_kernels.double)
    assert ["compiling for this machine" in text for text in notes.texts] == [True]
    assert fresh_kernels.double(np.ones(1))[0] == 2
    # Another process finds the compiled kernel in the cache.
    again = compiled(fresh_kernels.double.py_func)
    assert not again.signatures
    note_compilation(notes, again, len)
    assert len(notes.texts) == 1
