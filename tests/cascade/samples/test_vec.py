import resource
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fercli.cascade.samples.vec import (
    describe_vec,
    guess_sizes,
    read_vec,
    vec_writer,
    write_vec,
)
from fercli.common.errors import InputError, OutputError, OutputExistsError, VecError
from fercli.common.progress import Progress

#: Two samples of 2×1, the second with its unused first byte set, as some writers leave it.
LITERAL = bytes.fromhex("02000000 02000000 0000 ff00  00 0100 ff00  01 0000 8000")

sizes = st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9))


class Notes(Progress):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def a_vec(path, count=3, width=4, height=2, header_count=None):
    samples = np.arange(count * width * height, dtype=np.uint8).reshape(count, height, width)
    write_vec(path, samples)
    if header_count is not None:
        content = bytearray(path.read_bytes())
        content[:4] = struct.pack("<i", header_count)
        path.write_bytes(content)
    return samples


def write_and_be_interrupted(path):
    with vec_writer(path, (4, 2), overwrite=True) as write:
        write(np.zeros((1, 2, 4), np.uint8))
        raise KeyboardInterrupt


@pytest.fixture
def file_size_limit():
    """Bound the size of files, which fails a write as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_literal_bytes(tmp_path):
    path = tmp_path / "a.vec"
    path.write_bytes(LITERAL)
    assert read_vec(path, (2, 1)).tolist() == [[[1, 255]], [[0, 128]]]
    assert read_vec(path, (1, 2)).tolist() == [[[1], [255]], [[0], [128]]]
    info = describe_vec(path)
    assert (info.count, info.header_count, info.vec_size, info.file_size) == (2, 2, 2, 22)
    assert info.problems == []


@given(hnp.arrays(np.uint8, sizes))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(tmp_path, samples):
    path = tmp_path / "a.vec"
    write_vec(path, samples, overwrite=True)
    count, height, width = samples.shape
    assert path.stat().st_size == 12 + count * (1 + 2 * width * height)
    np.testing.assert_array_equal(read_vec(path, (width, height)), samples)
    write_vec(path, read_vec(path, (width, height)), overwrite=True)
    np.testing.assert_array_equal(read_vec(path, (width, height)), samples)


@given(content=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_by_name(tmp_path, content):
    path = tmp_path / "a.vec"
    path.write_bytes(content)
    try:
        samples = read_vec(path, (2, 2))
    except VecError:
        return
    assert samples.shape[1:] == (2, 2)


def test_a_chunk_boundary_loses_nothing(tmp_path, rng):
    samples = rng.integers(0, 256, (4097, 3, 2), np.uint8)
    write_vec(tmp_path / "a.vec", samples)
    np.testing.assert_array_equal(read_vec(tmp_path / "a.vec", (2, 3)), samples)


def test_the_samples_cannot_be_changed_by_accident(tmp_path):
    a_vec(tmp_path / "a.vec")
    samples = read_vec(tmp_path / "a.vec", (4, 2))
    with pytest.raises(ValueError, match="read-only"):
        samples[0] = 0


@pytest.mark.parametrize(
    ("header_count", "cut", "count", "words"),
    [
        (1000, 0, 3, "declares 1000 samples, the file holds 3"),
        (2, 0, 2, "declares 2 samples, the file holds 3"),
        (3, 1, 2, "truncated"),
        (3, 20, 1, "declares 3 samples, the file holds 1"),
    ],
)
def test_a_header_that_lies_is_told_and_the_rest_used(tmp_path, header_count, cut, count, words):
    path = tmp_path / "a.vec"
    samples = a_vec(path, header_count=header_count)
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) - cut])
    notes = Notes()
    np.testing.assert_array_equal(read_vec(path, (4, 2), progress=notes), samples[:count])
    assert any(words in text and str(path) in text for text in notes.texts)
    assert len(notes.texts) == len(describe_vec(path).problems)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"abc", "only 3 bytes"),
        (b"\xff\xff\xff\xff" + bytes(8), "-1 samples"),
        (struct.pack("<iihh", 3, 0, 0, 0), "of 0 pixels"),
        (struct.pack("<iihh", 3, -4, 0, 0), "of -4 pixels"),
        (struct.pack("<iihh", 3, 8, 0, 0), "declares 3 of 8 pixels in a file of 12 bytes"),
        (struct.pack("<iihh", 0, 8, 0, 0), "holds no sample$"),
        (struct.pack("<iihh", 0, 8, 0, 0) + bytes(17), "declares none, before 1 complete"),
        (
            struct.pack("<iihh", 3, 9, 0, 0) + bytes(57),
            "4x2 = 8 pixels, .* samples of 9",
        ),
        (struct.pack("<iihh", 2, 8, 0, 0) + bytes(33) + b"\1", "Sample 2 has values above 255"),
        (b"<?xml version='1.0'?><opencv_storage/>", "pixels"),
    ],
)
def test_bad_files_are_named(tmp_path, content, words):
    path = tmp_path / "bad.vec"
    path.write_bytes(content)
    with pytest.raises(VecError, match=words) as raised:
        read_vec(path, (4, 2))
    assert raised.value.path == path


def test_a_wrong_size_names_those_that_fit(tmp_path):
    a_vec(tmp_path / "a.vec", width=25, height=16)
    with pytest.raises(VecError, match="20x20, 25x16, 16x25"):
        read_vec(tmp_path / "a.vec", (24, 24))


def test_a_text_file_is_not_taken_for_samples_of_a_line(tmp_path):
    (tmp_path / "bg.txt").write_text("scenes/first.jpg\nscenes/second.jpg\n")
    with pytest.raises(VecError, match=r"try: check that it is a \.vec file"):
        read_vec(tmp_path / "bg.txt", (24, 24))


@pytest.mark.parametrize(("name", "words"), [("none.vec", "nothing of that name"), (".", "folder")])
def test_what_is_no_file_is_named(tmp_path, name, words):
    with pytest.raises(InputError, match=words):
        describe_vec(tmp_path / name)


def test_nothing_is_overwritten_or_left_half_written(tmp_path):
    path = tmp_path / "a.vec"
    a_vec(path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        a_vec(path)
    with pytest.raises(KeyboardInterrupt):
        write_and_be_interrupted(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "samples",
    [np.zeros((0, 2, 4), np.uint8), np.zeros((1, 4, 2), np.uint8), np.zeros((1, 2, 4), np.int16)],
)
def test_samples_that_do_not_fit_are_refused(tmp_path, samples):
    with pytest.raises(VecError), vec_writer(tmp_path / "a.vec", (4, 2)) as write:
        write(samples)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path, file_size_limit):
    file_size_limit(1 << 20)
    with pytest.raises(OutputError, match="cannot be written: File too large"):
        write_vec(tmp_path / "a.vec", np.zeros((4000, 20, 20), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("vec_size", "sizes"),
    [
        (1, [(1, 1)]),
        (6, [(3, 2), (2, 3)]),
        (7, [(7, 1), (1, 7)]),
        (400, [(20, 20), (25, 16), (16, 25), (40, 10), (10, 40)]),
        (2**31 - 1, [(2**31 - 1, 1), (1, 2**31 - 1)]),
    ],
)
def test_guess_sizes(vec_size, sizes):
    assert guess_sizes(vec_size) == sizes


@pytest.mark.data
def test_the_faces_that_come_with_opencv(data):
    path = data / "opencv_faces" / "trainingfaces_24-24.vec"
    faces = read_vec(path, (24, 24))
    assert faces.shape == (16520, 24, 24)
    assert describe_vec(path).problems == []
    assert 100 < faces.mean() < 150
