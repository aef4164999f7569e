"""What cv2.CascadeClassifier loads, fer reads, and nothing else: a table of files."""

import cv2
import pytest

from fercli.cascade.model import cascade_text, read_cascade
from fercli.cascade.model.describe import describe_cascade
from fercli.cascade.model.write import convert_cascade
from fercli.common.errors import CascadeFileError

DECLARATION = b'<?xml version="1.0"?>\n'
LATIN1 = "<!-- Müller -->".encode("latin-1")


def _with(comment):
    return lambda data: data.replace(b"<cascade>", comment + b"<cascade>")


#: How the bytes of a cascade are changed, and whether cv2 loads the result.
FILES = {
    "as written": (lambda data: data, True),
    "byte order mark": (lambda data: b"\xef\xbb\xbf" + data, False),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), False),
    "UTF-16, no mark": (lambda data: data.decode().encode("utf-16-le"), False),
    "UTF-16, big end": (lambda data: data.decode().encode("utf-16-be"), False),
    "no declaration": (lambda data: data.removeprefix(DECLARATION), False),
    "line before": (lambda data: b"\n" + data, False),
    "blank before": (lambda data: b" " + data, False),
    "comment before": (lambda data: b"<!-- a -->\n" + data, False),
    "CR": (lambda data: data.replace(b"\n", b"\r"), False),
    "CRLF": (lambda data: data.replace(b"\n", b"\r\n"), True),
    "one line": (lambda data: data.replace(b"\n", b" "), True),
    "Latin-1 comment": (_with(LATIN1), True),
    "UTF-8 comment": (_with("<!-- ü -->".encode()), True),
    "Chinese comment": (_with("<!-- 人 -->".encode("gbk")), True),
    "two hyphens in a comment": (_with(b"<!-- a -- b -->"), True),
    "control character in a comment": (_with(b"<!-- \1 -->"), False),
    "comment of two lines": (_with(b"<!-- a\nb -->"), True),
    "unknown encoding": (lambda data: data.replace(b"?>", b' encoding="klingon"?>', 1), True),
    "Latin-1 declared": (lambda data: data.replace(b"?>", b' encoding="ISO-8859-1"?>', 1), True),
    "UTF-16 declared": (lambda data: data.replace(b"?>", b' encoding="UTF-16"?>', 1), True),
    "Latin-1 in an element": (lambda data: data.replace(b"BOOST", b"BOOST\xfc", 1), False),
    "Latin-1 in a name": (lambda data: data.replace(b"cascade>", b"casc\xe4de>"), False),
    "UTF-8 in a name": (lambda data: data.replace(b"cascade>", "cascäde>".encode()), False),
    "document type": (lambda data: data.replace(b"?>", b"?><!DOCTYPE opencv_storage>", 1), False),
    "processing instruction": (_with(b"<?x y?>"), False),
    "CDATA": (lambda data: data.replace(b">BOOST<", b"><![CDATA[BOOST]]><"), False),
    "character reference": (lambda data: data.replace(b">BOOST<", b">BOO&#83;T<"), True),
    "zeros behind": (lambda data: data + b"\0\0", True),
    "text behind": (lambda data: data + b"more", False),
    "truncated": (lambda data: data[: len(data) // 2], False),
}  # fmt: skip


@pytest.fixture(params=FILES)
def case(request, haar, tmp_path):
    change, loads = FILES[request.param]
    path = tmp_path / "cascade.xml"
    path.write_bytes(change(cascade_text(haar).encode()))
    return path, loads


def test_what_cv2_loads_is_read(case):
    path, loads = case
    try:
        theirs = not cv2.CascadeClassifier(str(path)).empty()
    except (cv2.error, SystemError):  # the constructor raises where an older one is empty
        theirs = False
    assert theirs == loads
    if loads:
        assert read_cascade(path) == describe_cascade(path).cascade
    else:
        with pytest.raises(CascadeFileError):
            describe_cascade(path)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("byte order mark", "begins with a byte order mark"),
        ("UTF-16", "is in UTF-16"),
        ("UTF-16, no mark", "is in UTF-16"),
        ("UTF-16, big end", "is in UTF-16"),
        ("no declaration", "does not begin with <\\?xml"),
        ("line before", "does not begin with <\\?xml"),
        ("CR", "has line ends of old Macintoshes"),
    ],
)
def test_an_encoding_that_cv2_refuses_is_named_and_mended(haar, tmp_path, name, problem):
    path, mended = tmp_path / "cascade.xml", tmp_path / "new.xml"
    path.write_bytes(FILES[name][0](cascade_text(haar).encode()))
    with pytest.raises(CascadeFileError, match=f"{problem}.*; try: .*fer cascade convert"):
        read_cascade(path)
    convert_cascade(path, mended)
    assert mended.read_text() == cascade_text(haar)
    assert not cv2.CascadeClassifier(str(mended)).empty()
