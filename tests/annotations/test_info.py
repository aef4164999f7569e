from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations import opencv_lists
from fercli.annotations.base import AnnotatedImage
from fercli.annotations.opencv_lists import write_info
from fercli.annotations.reading import read_annotations
from fercli.common.errors import AnnotationError, InputError

HERE = Path("dir")


def read(tmp_path, content):
    path = tmp_path / "info.dat"
    path.write_bytes(content)
    return [(str(r.path.relative_to(tmp_path)), r.boxes) for r in opencv_lists.read(path)]


def boxes_of(path):
    return [(p.path.name, p.boxes_xywh) for p in read_annotations(path, format="info")]


@pytest.mark.parametrize(
    "content",
    [
        b"a.png 2 1 2 3 4 5 6 7 8\nb.png 0\n",
        b"a.png\t2\t1 2 3 4\t5 6 7 8\nb.png\t0",
        b"a.png 2 1 2 3 4 5 6 7 8\r\n\r\nb.png 0\r\n",
        b"a.png 2\n1 2 3 4\n5 6 7 8\n\n\nb.png 0\n",
        b"  a.png 2 1 2 3 4 5 6 7 8 b.png 0",
        b"\xef\xbb\xbfa.png 2 1 2 3 4 5 6 7 8 b.png 0",
    ],
)
def test_white_space_of_any_kind_parts_the_words(tmp_path, content):
    path = tmp_path / "info.dat"
    path.write_bytes(content)
    assert boxes_of(path) == [("a.png", ((1, 2, 3, 4), (5, 6, 7, 8))), ("b.png", ())]


def test_names_are_relative_to_the_file_or_to_the_images(tmp_path):
    path = tmp_path / "info.dat"
    path.write_text("../x/a.png 1 0 0 1 1\n/y/b.png 1 0 0 1 1\n")
    names = [image.path for image in read_annotations(path)]
    assert names == [tmp_path / "../x/a.png", Path("/y/b.png")]
    names = [image.path for image in read_annotations(path, images=HERE)]
    assert names == [HERE / "../x/a.png", Path("/y/b.png")]


def test_white_space_is_that_of_c_alone(tmp_path):
    name = "a\u00a0b\u3000c\u0085d\x1ce.png"
    assert read(tmp_path, f"{name} 0".encode()) == [(name, ())]


@pytest.mark.parametrize(
    ("content", "record", "message"),
    [
        (b"a.png", 1, "Expected the number of boxes of a.png, got the end of the file"),
        (b"a.png 0 b.png x", 2, "the number of boxes of b.png as integers, got 'x'"),
        (b"a.png 1 1 2 3", 1, "each of 1 box of a.png, got the end of the file"),
        (b"a.png 1 1 2 3 4.5", 1, "got '4.5'"),
        (b"a.png 1 1 2 3 4 5 6 7 8\nb.png 0", 2, "Expected the name of an image, got '5'"),
        (b"a.png -1", 1, "Expected the number of boxes of a.png, got -1"),
        (b"my face.png 1 0 0 1 1", 1, "got 'face.png'"),
        (b"a.png 99999999999999999999 1", 1, "got '99999999999999999999'"),
        (b"a.png 1 1 2 3 1_0", 1, "got '1_0'"),
        (b"\0\0\0\1 1 2", 1, r"Expected the name of an image, got '\\x00"),
    ],
)
def test_malformed_records_are_named(tmp_path, content, record, message):
    path = tmp_path / "info.dat"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message) as raised:
        opencv_lists.read(path)
    assert raised.value.line == record
    assert "check-info" in str(raised.value)


def test_one_who_may_go_on_gets_the_records_before(tmp_path, complaints):
    path = tmp_path / "info.dat"
    path.write_bytes(b"a.png 0 b.png x")
    assert [r.path.name for r in opencv_lists.read(path, None, complaints)] == ["a.png"]
    assert len(complaints) == 1


def test_missing_and_folder(tmp_path):
    with pytest.raises(InputError, match="nothing of that name"):
        read_annotations(tmp_path / "info.dat")
    with pytest.raises(InputError, match="found a folder"):
        read_annotations(tmp_path, format="info")


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" /"), min_size=1)
numbers = st.integers(-10_000, 10_000)
boxes = st.lists(st.tuples(numbers, numbers, numbers, numbers).map(tuple), min_size=1, max_size=3)


@given(
    st.lists(st.tuples(names.map("f{}".format), boxes), min_size=1, max_size=5),
    st.sampled_from([" ", "\t"]),
)
def test_round_trip(tmp_path_factory, images, separator):
    folder = tmp_path_factory.mktemp("info")
    written = [AnnotatedImage(folder / name, tuple(boxes)) for name, boxes in images]
    write_info(folder / "info.dat", written, separator=separator)
    assert read_annotations(folder / "info.dat", format="info") == written
