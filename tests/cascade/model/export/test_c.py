"""The C header, compiled with all warnings as errors, against cv2: equal windows, equal boxes."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade.model import bundled_cascade, read_cascade, write_cascade
from fercli.cascade.model.export import identifier
from fercli.cascade.model.export.c import c_header, table_bytes

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")

MAIN = """
#include "face.h"
int run(const uint8_t *gray, int width, int height, int stride, float factor, int neighbors,
        face_box *boxes, int most, void *work, size_t bytes);
size_t needed(int width, int height);
int run(const uint8_t *gray, int width, int height, int stride, float factor, int neighbors,
        face_box *boxes, int most, void *work, size_t bytes)
{
    return face_detect(gray, width, height, stride, factor, neighbors, boxes, most, work, bytes);
}
size_t needed(int width, int height) { return face_work_bytes(width, height); }
"""
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
FLAGS = ["-std=c99", "-O1", "-ffp-contract=off", *WARNINGS, "-fPIC", "-shared"]
KINDS = {
    "haar": {},
    "tilted trees, wide": {"nodes": 3, "tilted": True, "size_wh": (36, 18)},
    "lbp trees": {"feature_type": "LBP", "nodes": 3, "size_wh": (31, 17)},
}


@pytest.fixture
def compile_header(tmp_path):
    def compiled(cascade):
        (tmp_path / "face.h").write_text(c_header(cascade, name="face"))
        (tmp_path / "main.c").write_text(MAIN)
        library = tmp_path / "face.so"
        command = ["gcc", *FLAGS, tmp_path / "main.c", "-o", library]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        loaded = ctypes.CDLL(str(library))
        loaded.needed.restype = ctypes.c_size_t
        return loaded

    return compiled


def detect(library, gray, neighbors, *, most=30000, less=0, factor=1.1):
    """Return the status, and boxes in order; the image lies in rows of a larger stride."""
    height, width = gray.shape
    wide = np.full((height, width + 5), 77, np.uint8)
    wide[:, :width] = gray
    boxes = np.zeros((most, 5), np.int32)
    needed = library.needed(width, height) - less
    work = np.full(needed // 4 + 1, -1, np.int32)
    status = library.run(
        ctypes.c_void_p(wide.ctypes.data), width, height, width + 5, ctypes.c_float(factor),
        neighbors, ctypes.c_void_p(boxes.ctypes.data), most, ctypes.c_void_p(work.ctypes.data),
        ctypes.c_size_t(needed),
    )  # fmt: skip
    return status, sorted(map(tuple, boxes[: max(status, 0), :4].tolist()))


@pytest.mark.parametrize("kind", KINDS)
def test_windows_and_boxes_are_those_of_cv2(
    kind, random_cascade, compile_header, astronaut, tmp_path
):
    cascade = random_cascade(**KINDS[kind])
    library = compile_header(cascade)
    write_cascade(tmp_path / "cascade.xml", cascade)
    cv2_detector = cv2.CascadeClassifier(str(tmp_path / "cascade.xml"))
    for gray in (np.ascontiguousarray(astronaut[:150, 100:301]), astronaut[200:283, :97].copy()):
        for neighbors in (0, 3):
            found = cv2_detector.detectMultiScale(
                gray, scaleFactor=float(np.float32(1.1)), minNeighbors=neighbors
            )
            expected = sorted(map(tuple, np.reshape(found, (-1, 4)).tolist()))
            status, boxes = detect(library, gray, neighbors)
            assert status == len(expected) > 0
            assert boxes == expected


def test_boxes_are_cut_at_the_border_after_they_are_grouped(compile_header, astronaut):
    """A window of the face is rounded to end at 176 of 175 rows: its group's mean counts 122."""
    library = compile_header(read_cascade(bundled_cascade()))
    gray = astronaut[:175, 100:347].copy()
    cv2_detector = cv2.CascadeClassifier(str(bundled_cascade()))
    found = cv2_detector.detectMultiScale(gray, scaleFactor=1.5, minNeighbors=2)
    assert (found[:, 1] + found[:, 3] == 175).any()
    assert detect(library, gray, 2, factor=1.5)[1] == sorted(map(tuple, found.tolist()))


def test_the_program_of_the_documentation_prints_what_cv2_finds(
    random_cascade, astronaut, tmp_path
):
    page = (Path(__file__).parents[4] / "docs" / "c-header.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    cascade = random_cascade()
    write_cascade(tmp_path / "cascade.xml", cascade)
    (tmp_path / "signs.h").write_text(c_header(cascade, name="signs"))
    (tmp_path / "main.c").write_text(program)
    gray = astronaut[:100, 150:290].copy()
    cv2.imwrite(str(tmp_path / "a.pgm"), gray)
    flags = ["-std=c99", "-O1", "-ffp-contract=off", *WARNINGS]
    command = ["gcc", *flags, tmp_path / "main.c", "-o", tmp_path / "signs"]
    subprocess.run(command, check=True, capture_output=True)
    command = [tmp_path / "signs", tmp_path / "a.pgm"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = cv2.CascadeClassifier(str(tmp_path / "cascade.xml")).detectMultiScale(
        gray, scaleFactor=float(np.float32(1.1))
    )
    boxes = sorted(tuple(map(int, line.split())) for line in printed.splitlines())
    assert boxes == sorted(map(tuple, found.tolist()))
    assert boxes


def test_what_is_wrong_has_a_number_of_its_own(haar, compile_header, rng):
    library = compile_header(haar)
    gray = rng.integers(0, 256, (60, 80), np.uint8)
    assert detect(library, gray, 3, factor=1.0)[0] == -1
    assert detect(library, gray, 3, less=8)[0] == -2
    assert detect(library, gray, 0)[0] > 1
    assert detect(library, gray, 0, most=1)[0] == -3
    assert detect(library, gray[:8, :11], 3) == (0, [])  # smaller than the window


def test_names_and_sizes(haar, lbp):
    assert identifier("my face") == "my_face"
    assert identifier("24x24") == "cascade_24x24"
    # Four nodes of 81 bytes, two stages of 12, and a last number of 4.
    assert table_bytes(haar) == 4 * 81 + 2 * 12 + 4
    assert table_bytes(lbp) == len(lbp.stages) * 12 + 4 + 56 * len(lbp.features)
