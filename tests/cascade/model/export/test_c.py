"""The C header, compiled with all warnings as errors, against cv2: equal windows, equal boxes."""

import ctypes
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import HaarFeature, bundled_cascade, read_cascade, write_cascade
from fercli.cascade.model.export import identifier
from fercli.cascade.model.export.c import (
    c_header,
    has_whole_numbers,
    least_spread,
    most_nodes,
    table_bytes,
    work_bytes,
)

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
pytestmark = pytest.mark.skipif("gcc" not in COMPILERS, reason="there is no gcc")

MAIN = """
#include "face.h"
int run(const uint8_t *gray, int width, int height, int stride, float factor, int neighbors,
        int least, face_box *boxes, int most, void *work, size_t bytes);
size_t needed(int width);
int run(const uint8_t *gray, int width, int height, int stride, float factor, int neighbors,
        int least, face_box *boxes, int most, void *work, size_t bytes)
{
    return face_detect(gray, width, height, stride, factor, neighbors, least, boxes, most, work,
                       bytes);
}
size_t needed(int width) { return FACE_WORK_BYTES(width); }
"""
#: Reads a gray image and prints all windows.
CHECKED = """
#include <stdio.h>
#include <stdlib.h>
#include "face.h"
int main(void)
{
    enum { width = 131, height = 93 };
    /* Of exactly the size that is needed, so that a byte beyond is noticed. */
    unsigned char *gray = malloc(width * height);
    void *work = malloc(FACE_WORK_BYTES(width));
    face_box *boxes = malloc(sizeof *boxes * 9000);
    int i, found;
    if (fread(gray, 1, width * height, stdin) != width * height)
        return 1;
    found = face_detect(gray, width, height, width, 1.1f, 0, 0, boxes, 9000, work,
                        FACE_WORK_BYTES(width));
    for (i = 0; i < found; i++)
        printf("%d %d %d %d\\n", boxes[i].x, boxes[i].y, boxes[i].width, boxes[i].height);
    found = face_detect(gray, width, height, width, 1.5f, 3, 0, boxes, 9000, work,
                        FACE_WORK_BYTES(width));
    free(gray);
    free(work);
    free(boxes);
    return found < 0;
}
"""
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-std=c99", "-ffp-contract=off"]
KINDS = {
    "haar": {},
    "tilted trees, wide": {"nodes": 3, "tilted": True, "size_wh": (36, 18)},
    "lbp trees": {"feature_type": "LBP", "nodes": 3, "size_wh": (31, 17)},
}
INTEGER = "-DFACE_INTEGER"


@pytest.fixture
def compile_header(tmp_path):
    def compiled(cascade, *defined):
        folder = tmp_path / "".join(["c", *defined])
        folder.mkdir()
        (folder / "face.h").write_text(c_header(cascade, name="face"))
        (folder / "main.c").write_text(MAIN)
        library = folder / "face.so"
        command = ["gcc", *WARNINGS, *defined, "-O1", "-fPIC", "-shared", folder / "main.c"]
        done = subprocess.run([*command, "-o", library], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        loaded = ctypes.CDLL(str(library))
        loaded.needed.restype = ctypes.c_size_t
        return loaded

    return compiled


@pytest.fixture
def whole(random_cascade, rng):
    """Make a random cascade whose weights are whole numbers: halves of a rectangle, −1 and 2."""

    def halved(feature):
        first = feature.rectangles[0]
        width = max(first.width // 2 * 2, 2)
        fitted = replace(first, x=min(first.x, 24 - width), width=width, weight=-1.0)
        half = replace(fitted, width=width // 2, weight=2.0)
        return HaarFeature((fitted, half))

    def make(**options):
        cascade = random_cascade(**options)
        features = tuple(halved(each) for each in cascade.features)
        return replace(cascade, features=features)

    return make


def detect(library, gray, neighbors, *, most=30000, less=0, factor=1.1, least=0):
    """Return the status, and boxes in order; the image lies in rows of a larger stride."""
    height, width = gray.shape
    wide = np.full((height, width + 5), 77, np.uint8)
    wide[:, :width] = gray
    boxes = np.zeros((most, 5), np.int32)
    needed = library.needed(width) - less
    work = np.full(needed // 4 + 1, -1, np.int32)
    status = library.run(
        ctypes.c_void_p(wide.ctypes.data), width, height, width + 5, ctypes.c_float(factor),
        neighbors, least, ctypes.c_void_p(boxes.ctypes.data), most,
        ctypes.c_void_p(work.ctypes.data), ctypes.c_size_t(needed),
    )  # fmt: skip
    return status, sorted(map(tuple, boxes[: max(status, 0), :4].tolist()))


def detected_by_cv2(cascade, gray, neighbors, path, least=0):
    """Return the boxes of cv2, in order."""
    write_cascade(path, cascade, overwrite=True)
    found = cv2.CascadeClassifier(str(path)).detectMultiScale(
        gray, scaleFactor=float(np.float32(1.1)), minNeighbors=neighbors, minSize=(least, 0)
    )
    return sorted(map(tuple, np.reshape(found, (-1, 4)).tolist()))


@pytest.mark.parametrize("kind", KINDS)
def test_windows_and_boxes_are_those_of_cv2(
    kind, random_cascade, compile_header, astronaut, tmp_path
):
    cascade = random_cascade(**KINDS[kind])
    library = compile_header(cascade)
    for gray in (np.ascontiguousarray(astronaut[:150, 100:301]), astronaut[200:283, :97].copy()):
        for neighbors, least in ((0, 0), (3, 0), (0, 45)):
            expected = detected_by_cv2(cascade, gray, neighbors, tmp_path / "cascade.xml", least)
            assert detect(library, gray, neighbors, least=least) == (len(expected), expected)
            assert expected


@pytest.mark.parametrize("kind", ["stumps", "trees", "lbp trees", "frontalface"])
def test_whole_numbers_decide_as_cv2_does(
    kind, whole, random_cascade, compile_header, astronaut, tmp_path
):
    """Stages of the shipped cascade that let much pass, and random ones, on a photograph."""
    cascade = {
        "stumps": whole,
        "trees": lambda: whole(nodes=3),
        "lbp trees": lambda: random_cascade(**KINDS["lbp trees"]),
        "frontalface": lambda: read_cascade(bundled_cascade()),
    }[kind]()
    if kind == "frontalface":
        cascade = replace(cascade, stages=cascade.stages[:4])
    assert has_whole_numbers(cascade)
    library = compile_header(cascade, INTEGER)
    gray = np.ascontiguousarray(astronaut[:160, 120:321])
    expected = detected_by_cv2(cascade, gray, 0, tmp_path / "cascade.xml")
    assert detect(library, gray, 0) == (len(expected), expected)
    assert len(expected) > 100


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("integer", [(), (INTEGER,)], ids=["float", "integer"])
@pytest.mark.parametrize("kind", ["tilted", "stumps", "lbp"])
def test_nothing_is_read_or_written_beyond_and_nothing_is_undefined(
    compiler, integer, kind, whole, random_cascade, astronaut, tmp_path
):
    if kind == "tilted" and integer:
        pytest.skip("its weights are no whole numbers")
    make = {
        "stumps": whole,
        "tilted": lambda: random_cascade(tilted=True, nodes=2),
        "lbp": lambda: random_cascade("LBP"),
    }
    cascade = make[kind]()
    (tmp_path / "face.h").write_text(c_header(cascade, name="face"))
    (tmp_path / "main.c").write_text(CHECKED)
    checks = ["-fsanitize=undefined,address", "-fno-sanitize-recover=all"]
    command = [compiler, *WARNINGS, *checks, *integer, tmp_path / "main.c", "-o", tmp_path / "a"]
    done = subprocess.run(command, capture_output=True, text=True)
    if "asan" in done.stderr and "cannot find" in done.stderr:
        pytest.skip(f"{compiler} has no sanitizers")
    assert done.returncode == 0, done.stderr
    gray = astronaut[20:113, 150:281].copy()
    done = subprocess.run([tmp_path / "a"], input=gray.tobytes(), capture_output=True, check=True)
    boxes = sorted(tuple(map(int, line.split())) for line in done.stdout.splitlines())
    assert boxes == detected_by_cv2(cascade, gray, 0, tmp_path / "cascade.xml")
    assert boxes


def test_flat_windows_are_told_in_whole_numbers_as_the_scanner_tells_them(rng, haar):
    """At 10 times 10 inner pixels: 100 of them with a variance of 100 are just too flat."""
    area = 100
    least = least_spread(area)
    for spread, flat in ((least - 1, True), (least, False)):
        norm = np.float32(1.0 / np.sqrt(float(spread)))
        assert (not area * float(norm) < 0.1) == flat
    assert abs(least - 100 * area**2) <= 1
    # Half of the inner pixels 20 above the others: a standard deviation of 10, which is refused.
    window = np.full((9, 12), 100, np.uint8)
    window[1:-1, 1:6] += 20
    spread = 70 * int((window[1:-1, 1:-1].astype(int) ** 2).sum())
    spread -= int(window[1:-1, 1:-1].sum()) ** 2
    refused = Scanner(haar).stages_passed(window[np.newaxis])[0] == -1
    assert refused == (spread < least_spread(70))


def test_weights_that_are_no_whole_numbers_are_refused_in_whole_numbers(random_cascade, tmp_path):
    cascade = random_cascade()
    assert not has_whole_numbers(cascade)
    (tmp_path / "face.h").write_text(c_header(cascade, name="face"))
    (tmp_path / "main.c").write_text(MAIN)
    command = ["gcc", *WARNINGS, INTEGER, "-fsyntax-only", tmp_path / "main.c"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode
    assert "#error this cascade cannot be evaluated in whole numbers" in done.stderr


@pytest.mark.parametrize("rows", [151, 154, 166])
def test_boxes_are_cut_at_the_border_after_they_are_grouped(compile_header, astronaut, rows):
    """Windows of the face are rounded to end beyond the last row, and count as they are."""
    library = compile_header(read_cascade(bundled_cascade()))
    gray = astronaut[:rows, 100:300].copy()
    cv2_detector = cv2.CascadeClassifier(str(bundled_cascade()))
    found = cv2_detector.detectMultiScale(gray, scaleFactor=1.5, minNeighbors=2)
    assert (found[:, 1] + found[:, 3] == rows).any()
    assert detect(library, gray, 2, factor=1.5)[1] == sorted(map(tuple, found.tolist()))


def test_the_program_of_the_documentation_prints_what_cv2_finds(
    random_cascade, astronaut, tmp_path
):
    page = (Path(__file__).parents[4] / "docs" / "c-header.md").read_text(encoding="utf-8")
    program, on_device = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    cascade = random_cascade()
    write_cascade(tmp_path / "cascade.xml", cascade)
    (tmp_path / "signs.h").write_text(c_header(cascade, name="signs"))
    (tmp_path / "main.c").write_text(program)
    (tmp_path / "device.c").write_text(on_device.replace("#define SIGNS_INTEGER\n", ""))
    subprocess.run(["gcc", *WARNINGS, "-fsyntax-only", tmp_path / "device.c"], check=True)
    gray = astronaut[:100, 150:290].copy()
    cv2.imwrite(str(tmp_path / "a.pgm"), gray)
    command = ["gcc", "-O1", *WARNINGS, tmp_path / "main.c", "-o", tmp_path / "signs"]
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
    assert detect(library, gray, 0, less=4, least=24)[0] >= 0  # smaller layers need less
    assert detect(library, gray[:8, :11], 3) == (0, [])  # smaller than the window


def test_names_and_sizes(haar, lbp):
    assert identifier("my face") == "my_face"
    assert identifier("24x24") == "cascade_24x24"
    # Four nodes: 12 coordinates, 3 weights, a threshold and two leaves of 4 bytes, two children of
    # 2, and whether it is tilted. Two stages of a threshold and the number of their last node.
    assert table_bytes(haar) == 4 * (12 + 3 + 4 + 8 + 4 + 1) + 2 * (4 + 2)
    # A node of LBP: 4 coordinates, 32 bytes of a subset, two leaves.
    assert table_bytes(lbp) == 44 + 6
    # Sums of 10 rows of 101 numbers, twice; squares twice, and where pixels come from.
    assert work_bytes(haar, 100) == 4 * 101 * (10 + 10 + 3)
    assert work_bytes(lbp, 100) == 4 * 101 * (10 + 1)


def test_how_many_nodes_are_left_of_a_budget(haar, lbp):
    """A node of 32 bytes (trees, tilted) or 44 (LBP), and the stage's 6."""
    left = 1000 - table_bytes(haar)
    assert most_nodes(haar, 1000, trees=True, tilted=True) == (left - 6) // 32
    assert most_nodes(lbp, 50 + 6 + 3 * 44 - 1, trees=False, tilted=False) == 2
    assert most_nodes(lbp, 50 + 6 + 3 * 44, trees=False, tilted=False) == 3
    assert most_nodes(lbp, 10, trees=False, tilted=False) == 0
