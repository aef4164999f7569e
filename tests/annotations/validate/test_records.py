import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations import opencv_lists
from fercli.annotations.validate.records import (
    ListRecord,
    background_entries,
    info_entries,
    is_info,
    read_lines,
)
from fercli.common.errors import AnnotationError, InputError


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
