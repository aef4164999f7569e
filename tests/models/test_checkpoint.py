import io
import json

import numpy as np
import pytest

from fercli.common.errors import InputError
from fercli.models.checkpoint import FIGURES, read_checkpoint

ROW = dict.fromkeys(FIGURES, 1.0)
ABOUT = {"architecture": "cnn4", "epoch": 1, "history": [ROW]}


def archive(about):
    stream = io.BytesIO()
    np.savez(stream, about=np.array(json.dumps(about)))
    return stream.getvalue()


def huge():
    """An array of 2**60 numbers, as its header says."""
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 60,)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        archive(ABOUT)[:-30],
        archive(ABOUT).replace(b"\x93NUMPY", b"\x93NUMPX"),
        archive({**ABOUT, "history": 5}),
        archive({**ABOUT, "history": [{**ROW, "val_accuracy": "high"}]}),
        archive({**ABOUT, "history": [{"epoch": 1.0, "val_accuracy": 0.5}]}),
        archive({**ABOUT, "epoch": 2}),
        archive({**ABOUT, "epoch": None}),
        archive({**ABOUT, "architecture": 5}),
        archive({**ABOUT, "images": 5}),
        archive([]),
        huge(),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="The file is not a checkpoint of a training"):
        read_checkpoint(path, None)
