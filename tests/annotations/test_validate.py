import os
import re
import shutil
import subprocess
import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fercli.annotations import opencv_lists
from fercli.annotations.list_records import (
    ListRecord,
    background_entries,
    info_entries,
    is_info,
    read_lines,
)
from fercli.annotations.validate import CONSEQUENCES, check_list
from fercli.common.errors import AnnotationError, InputError


@pytest.fixture
def check(tmp_path, make_image):
    """Check a list beside a.png (64x48) and b.png: ``check("a.png 0")``."""
    for name in ("a.png", "b.png"):
        make_image(name, 64, 48)

    def run(text, name="list", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        report = check_list(path, **options)
        assert all(problem.kind in CONSEQUENCES for problem in report.problems)
        return report

    return run


def found(report):
    return [(p.record, p.line, p.kind, p.detail) for p in report.problems]


def test_nothing_wrong(check):
    report = check("a.png 2 0 0 64 48 63 47 1 1\nb.png 1 0 0 1 1\n")
    assert (report.kind, report.records, report.boxes, report.problems) == ("info", 2, 3, ())
    assert report.to_text().endswith("info file; records: 2, boxes: 3, problems: none")


@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        ("a.png 1 60 0 5 5", "box outside", "60 0 5 5 in an image of 64x48"),
        ("a.png 1 0 44 5 5", "box outside", "0 44 5 5 in an image of 64x48"),
        ("a.png 1 -1 0 5 5", "box outside", "-1 0 5 5 in an image of 64x48"),
        ("a.png 1 0 0 0 5", "empty box", "0 0 0 5"),
        ("a.png 1 0 0 5 -5", "empty box", "0 0 5 -5"),
        ("none.png 1 0 0 5 5", "missing", "none.png"),
        ("none.png 1 -1 0 5 5", "box outside", "-1 0 5 5"),
        ("text.png 1 0 0 5 5", "unreadable", "text.png: The file is not an image: neither"),
        ("gif.png 1 0 0 5 5", "format", "gif.png"),
        ("a.png 2 0 0 5 5 0 0 5 5", "duplicate", "box 0 0 5 5 twice"),
        ("b.png 1 1 1 2 2", "duplicate", "b.png: also record 1"),
        ("./b.png 1 1 1 2 2", "duplicate", "./b.png: also record 1"),
        ("copy.png 1 1 1 2 2", "duplicate", "copy.png: same pixels as record 1"),
        (f"{'x' * 300} 0", "missing", "…" + "x" * 59),
        ("folder 0", "unreadable", "folder: Expected an image, found a folder"),
    ],
)
def test_images_and_boxes(check, tmp_path, line, kind, detail):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "folder").mkdir()
    shutil.copyfile(tmp_path / "b.png", tmp_path / "copy.png")
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(tmp_path / "gif.png", "GIF")
    report = check(f"b.png 1 0 0 9 9\n{line}\n")
    assert (2, 2, kind) in [each[:3] for each in found(report)]
    assert any(problem.detail.startswith(detail) for problem in report.problems)
    assert len(report.problems) == (2 if line.startswith("none.png 1 -1") else 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a.png 0\nb.png 0\n", (None, None, "no boxes", "records without a box: 2")),
        (b"a.png 1 0 0 1 1\r\n", (None, 1, "CRLF", "at the end of lines: 1")),
        ("a.png 1 0 0 1 1\n\nb.png 0\n", (None, 2, "blank line", "nothing on it")),
        ("\ufeffa.png 1 0 0 1 1\n", (None, 1, "byte-order mark", "the file begins with one")),
    ],
)
def test_the_whole_file(check, text, problem):
    assert found(check(text)) == [problem]


def test_absolute_names_are_said_once(check, tmp_path):
    text = f"{tmp_path}/a.png 1 0 0 1 1\n{tmp_path}/b.png 1 0 0 1 1\n"
    ((record, line, kind, detail),) = found(check(text))
    assert (record, line, kind) == (None, 1, "absolute name")
    assert detail.startswith("records: 2, the first: ")


def test_empty_files(check):
    assert found(check("", kind="info")) == [(None, None, "no boxes", "records without a box: 0")]
    assert found(check("")) == [(None, None, "no names", "no image is listed")]
    assert check("").kind == "bg"


def test_backgrounds_are_looked_for_in_the_working_directory(check, tmp_path, monkeypatch):
    text = f"a.png\n{tmp_path}/b.png\nnone.png\n"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    report = check(text)
    assert report.kind == "bg"
    assert found(report) == [(1, 1, "not here", "a.png"), (3, 3, "missing", "none.png")]
    monkeypatch.chdir(tmp_path)
    assert found(check(text)) == [(3, 3, "missing", "none.png")]


def test_backgrounds_may_have_spaces_and_must_hold_the_window(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").rename(tmp_path / "a b 1.png")
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((23, 30), np.uint8))
    text = "a b 1.png\nsmall.png\n"
    assert found(check(text, window_wh=(24, 24))) == [(2, 2, "too small", "small.png: 30x23")]
    assert found(check(text)) == []


def test_a_blank_line_ends_a_background_list(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    problem = (None, 2, "blank line", "names after it that are not read: 1")
    assert found(check("a.png\n\nb.png\n")) == [problem]


def test_text_says_what_follows(check):
    lines = check("a.png 1 60 0 5 5\n").to_text().splitlines()
    assert lines[0].split() == ["record", "line", "problem", "found"]
    assert re.fullmatch(r" *1 +1 +box outside +60 0 5 5 in an image of 64x48", lines[1])
    assert "box outside: opencv_createsamples aborts" in lines
    assert lines[-1].endswith("info file; records: 1, boxes: 1, problems: 1")


def samples_made(folder, tools):
    """Return how many samples opencv_createsamples makes of a list, None if it fails."""
    words = ["-info", "list", "-vec", "out.vec", "-num", "2", "-w", "20", "-h", "20"]
    done = subprocess.run(
        [tools / "opencv_createsamples", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    made = re.search(r"Created (\d+) samples", done.stdout)
    return int(made.group(1)) if made and done.returncode == 0 else None


@pytest.mark.opencv3
@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("a.png 1 0 0 9 9", None),
        ("a.png\t1\n0 0\n9 9", None),
        ("a.png 1 60 0 9 9", "box outside"),
        ("a.png 1 0 0 9 0", "empty box"),
        ("none.png 1 0 0 9 9", "missing"),
        ("text.png 1 0 0 9 9", "unreadable"),
        ("tiff.png 1 0 0 9 9", "format"),
        ("my none.png 1 0 0 9 9", "white space in name"),
        ("a.png 2 0 0 9 9", "wrong count"),
        ("a.png 1 0 0 9", "wrong count"),
        ("a.png 1 0 0.5 9 9", "decimals"),
        ("a.png one 0 0 9 9", "no count"),
        ("a.png 1 0 x 9 9", "not a number"),
        ("1 1 0 0 9 9", "no name"),
        ("a.png 1 0 0 9 99999999999999999999", "out of range"),
        ("\ufeffa.png 1 0 0 9 9", "byte-order mark"),
    ],
)
def test_opencv_createsamples_fails_where_a_problem_is_found(
    check, tmp_path, opencv_tools, line, kind
):
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.eye(20, dtype=np.uint8) * 99).save(tmp_path / "tiff.png", "TIFF")
    report = check(f"{line}\nb.png 1 0 0 9 9\n")
    assert kind in ({problem.kind for problem in report.problems} or {None})
    assert (samples_made(tmp_path, opencv_tools) == 2) == (kind is None)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('"a.png" 1 0 0 5 5\n', ["quotes"]),
        ("sub\\c.png 1 0 0 5 5\n", ["backslashes"]),
        ("a.png 1 0 0 5 5\n".encode("utf-16"), ["UTF-16"]),
        ("gone\\a.png 1 0 0 5 5\n", ["missing"]),
    ],
)
def test_lists_of_windows(check, make_image, text, kinds):
    make_image("sub/c.png", 64, 48)
    assert [problem.kind for problem in check(text, kind="info").problems] == kinds


VOC = (
    "<annotation><filename>a.png</filename><size><width>{}</width><height>48</height></size>"
    "<object><name>s</name><bndbox><xmin>0</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
    "</bndbox></object></annotation>"
)


def test_annotations_of_other_formats(tmp_path, make_image):
    for name in ("a.png", "b.png"):
        make_image(name, 64, 48)
    path = tmp_path / "boxes.csv"
    path.write_text(
        "path,x,y,w,h\na.png,1,2,3,4\na.png,60,2,30,4\na.png,1,2,0,4\nb.png,1,2,x,4\n"
        "none.png,1,2,3,4\na.png,1,2,3,4\n"
    )
    report = check_list(path)
    assert (report.kind, report.title, report.records) == ("csv", "CSV table", 2)
    assert found(report) == [
        (None, 5, "malformed", "Expected x,y,w,h as numbers, got '1,2,x,4'"),
        (1, 2, "box outside", "60 2 30 4 in an image of 64x48"),
        (1, 2, "empty box", "1 2 0 4"),
        (2, 6, "missing", str(tmp_path / "none.png")),
        (1, 2, "duplicate", "box 1 2 3 4 twice"),
    ]
    assert "CSV table; records: 2, boxes: 5, problems: 5" in report.to_text()
    assert report.to_dict()["problems"][1]["consequence"].startswith("build-info clips it")


def test_folders_of_annotations(tmp_path, make_image):
    make_image("a.png", 64, 48)
    (tmp_path / "a.xml").write_text(VOC.format(64))
    report = check_list(tmp_path)
    assert found(report) == [(1, None, "box outside", "-1 0 10 9 in an image of 64x48")]
    (tmp_path / "a.xml").write_text(VOC.format(99))
    ((_, _, kind, detail),) = found(check_list(tmp_path))[1:]
    assert (kind, "states a size of 99x48" in detail) == ("malformed", True)


def test_annotations_of_which_nothing_is_wrong(tmp_path, make_image):
    make_image("a.png", 32, 24)
    (tmp_path / "a.xml").write_text(VOC.format(64).replace("<xmin>0", "<xmin>1"))
    report = check_list(tmp_path / "a.xml")
    assert report.problems == ()
    assert "of another size than stated, boxes scaled: 1" in report.notes[0]
    assert report.to_dict()["notes"] == list(report.notes)


def entries(text):
    return [each for each in info_entries(text.split(b"\n")) if isinstance(each, ListRecord)]


def problems(text, parse=info_entries):
    found = parse(text.split(b"\n"))
    return [(p.kind, p.detail, p.record, p.line) for p in found if not isinstance(p, ListRecord)]


@pytest.mark.parametrize(
    "text",
    [
        b"a.png 2 1 2 3 4 5 6 7 8",
        b"a.png\t2\t1 2 3 4   5 6 7 8",
        b"a.png 2\n1 2 3 4\n5 6 7 8",
        b"a.png\n2\n1 2 3 4 5\n6 7 8",
    ],
)
def test_right_records(text):
    wanted = ((1, 2, 3, 4), (5, 6, 7, 8))
    assert entries(text) == [ListRecord(1, 1, "a.png", wanted)]
    assert problems(text) == []


@pytest.mark.parametrize(
    ("line", "name", "problem"),
    [
        (b"my face.png 1 0 0 5 5", "my face.png", ("white space in name", "my face.png")),
        (b"my  face 2.png 1 0 0 5 5", "my  face 2.png", ("white space in name", "my face 2.png")),
        (b"a.png 2 0 0 5 5", "a.png", ("wrong count", "count 2, then 4 numbers instead of 8")),
        (b"a.png 1 0 0 5", "a.png", ("wrong count", "count 1, then 3 numbers instead of 4")),
        (b"a.png 0 0 0 5 5", "a.png", ("wrong count", "count 0, then 4 numbers instead of 0")),
        (b"a.png -1", "a.png", ("wrong count", "count -1, then 0 numbers instead of 0")),
        (b"a.png 1 0 0.5 5 5", "a.png", ("decimals", "0.5")),
        (b"a.png 1 0 nan 5 5", "a.png", ("decimals", "nan")),
        (b"a.png 1 0 1e3 5 5", "a.png", ("decimals", "1e3")),
        (b"a.png one 0 0 5 5", "a.png", ("no count", "one 0 0 5 5")),
        (b"a.png", "a.png", ("no count", "a name alone")),
        (b"a.png 1 0 x 5 5", "a.png", ("not a number", "x")),
        (b"a.png 1 0 0 5 9999999999", "a.png", ("out of range", "a number beyond 2147483647")),
    ],
)
def test_wrong_records_do_not_hide_the_next(line, name, problem):
    text = b"first.png 1 1 1 2 2\n" + line + b"\nlast.png 0"
    assert [entry.name for entry in entries(text)] == ["first.png", name, "last.png"]
    assert problems(text) == [(*problem, 2, 2)]


def test_lines_of_numbers_have_no_name():
    text = b"a.png 1 1 1 2 2 3\n1 2 3 4\nb.png 0"
    assert [entry.name for entry in entries(text)] == ["a.png", "b.png"]
    assert problems(text) == [
        ("wrong count", "count 1, then 5 numbers instead of 4", 1, 1),
        ("no name", "1 2 3 4", 2, 2),
    ]


def test_lines_that_are_no_records():
    text = b"# made by hand\na.png 0\n \nb.png 0"
    assert problems(text) == [
        ("comment", "# made by hand", None, 1),
        ("blank line", "nothing on it", None, 3),
    ]
    assert [(e.record, e.line) for e in entries(text)] == [(1, 2), (2, 4)]


def test_backgrounds():
    text = b"a b.png\n# x\n\nc.png \n d.png"
    found = [e for e in background_entries(text.split(b"\n")) if isinstance(e, ListRecord)]
    assert [(e.record, e.line, e.name) for e in found] == [
        (1, 1, "a b.png"),
        (2, 4, "c.png"),
        (3, 5, " d.png"),
    ]
    assert problems(text, background_entries) == [
        ("blank line", "names after it that are not read: 2", None, 3),
        ("blanks around name", "'c.png '", 2, 4),
        ("blanks around name", "' d.png'", 3, 5),
    ]


def test_files(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfa.png 0\r\nb.png 0\r\n")
    read = read_lines(path)
    assert read.lines == (b"a.png 0", b"b.png 0")
    assert [(p.kind, p.detail) for p in read.problems] == [
        ("byte-order mark", "the file begins with one"),
        ("CRLF", "at the end of lines: 2"),
    ]
    path.write_bytes(b"a\0")
    with pytest.raises(AnnotationError, match="a binary file"):
        read_lines(path)
    with pytest.raises(InputError, match="a folder"):
        read_lines(tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"a.png 1 0 0 5 5", True),
        (b"# x\nmy a.png 1 0 0 5 5.5\na.png 0", True),
        (b"a.png\nb 1.png\n/c/d.png", False),
        (b"", False),
    ],
)
def test_info_files_and_background_lists_are_told_apart(text, wanted):
    assert is_info(text.split(b"\n")) is wanted


words = st.sampled_from([b"a.png", b"0", b"1", b"2", b"7", b"-3", b"1.5", b"\n", b"#", b"x y"])


@given(st.lists(words, max_size=30).map(b" ".join))
def test_what_has_no_problem_is_read_alike_by_the_reader_of_words(tmp_path_factory, text):
    found = list(info_entries(text.split(b"\n")))
    if any(not isinstance(each, ListRecord) for each in found):
        return
    path = tmp_path_factory.mktemp("info") / "info.dat"
    path.write_bytes(text)
    assert [(each.name, each.boxes_xywh) for each in found] == [
        (os.path.relpath(record.path, path.parent), record.in_pixels().boxes_xywh)
        for record in opencv_lists.read(path)
    ]


@pytest.mark.parametrize("number", [b"9" * 5000, b"-" + b"9" * 5000])
def test_numbers_that_nobody_reads_are_out_of_range(number):
    for text in (b"a.png 1 %b 2 3 4", b"a.png %b 2 3 4", b"a.png 1 2 3 %b 4\nb.png 0"):
        assert {kind for kind, *_ in problems(text % number)} & {"out of range", "wrong count"}


@pytest.mark.parametrize(
    ("lines", "parse"),
    [
        ([b"1 100000000 3 4"] * 400, info_entries),
        ([b"a.png 100000000", *[b"1 2 3 4"] * 400] * 20, info_entries),
        ([b"x " * 40_000], info_entries),
        ([b""] * 10_000, background_entries),
    ],
)
def test_what_is_no_list_is_gone_through_at_once(lines, parse):
    begin = time.process_time()
    found = list(parse(lines))
    assert time.process_time() - begin < 1
    assert len(found) >= 2
