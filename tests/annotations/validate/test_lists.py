import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.annotations.validate import check_list
from fercli.annotations.validate.problems import CONSEQUENCES


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
