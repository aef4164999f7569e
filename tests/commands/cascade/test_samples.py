import json

import numpy as np
import pytest

from fercli.cascade.samples.vec import describe_vec, read_vec, write_vec
from fercli.common.images import read_gray


@pytest.fixture
def vec(tmp_path, rng):
    samples = rng.integers(0, 256, (50, 20, 20), np.uint8)
    samples[9] = samples[4]
    write_vec(tmp_path / "faces.vec", samples)
    return tmp_path / "faces.vec"


def test_show(fer, vec, tmp_path):
    result = fer("cascade", "samples", "show", vec)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{tmp_path}/faces.png: samples 1 to 50 of 50\n"
    assert read_gray(tmp_path / "faces.png").shape[0] > 100
    result = fer("cascade", "samples", "show", vec, "--per-page", 20, "--page", 2, "--columns", 5)
    assert result.out == f"{tmp_path}/faces-2.png: samples 21 to 40 of 50\n"
    result = fer("cascade", "samples", "show", vec, "--page", 9, "--out", tmp_path / "x.png")
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert "There is no page 9: the file has 1 page of 400 samples" in result.err


def test_info(fer, vec):
    out = fer("cascade", "samples", "info", vec).out
    assert "samples      50\n" in out
    assert "20x20 (or 25x16, 16x25" in out
    assert "duplicates   1 (sample 10)\n" in out
    found = json.loads(fer("cascade", "samples", "info", vec, "--json", "--size", "25x16").out)
    assert found["size"] == [25, 16]
    assert found["duplicates"] == [[10, 5]]


def test_info_tells_a_lying_header(fer, vec):
    content = vec.read_bytes()
    vec.write_bytes(b"\xe8\x03\x00\x00" + content[4:-1])
    result = fer("cascade", "samples", "info", vec)
    assert result.status == 0
    assert (
        "warning: the header declares 1000 samples, the file holds 49 complete ones" in result.out
    )
    assert "warning: the file ends with 800 of the 801 bytes of a sample" in result.out


def test_merge(fer, vec, tmp_path):
    result = fer("cascade", "samples", "merge", vec, vec, "--out", tmp_path / "m.vec")
    assert result.out == f"{tmp_path}/m.vec: 100 samples\n"
    arguments = (vec, vec, "--out", tmp_path / "u.vec", "--drop-duplicates", "--shuffle")
    assert fer("cascade", "samples", "merge", *arguments).out.endswith("u.vec: 49 samples\n")


def test_split(fer, vec, tmp_path):
    assert fer("cascade", "samples", "split", vec).out.splitlines() == [
        f"{tmp_path}/faces-train.vec: 40 samples",
        f"{tmp_path}/faces-test.vec: 10 samples",
    ]
    arguments = ("--share", "a=1", "--share", "b=1", "--share", "c=2", "--out", tmp_path / "d")
    assert fer("cascade", "samples", "split", vec, *arguments).status == 0
    counts = [describe_vec(tmp_path / "d" / f"faces-{name}.vec").count for name in "abc"]
    assert sum(counts) == 50
    assert counts[2] > counts[0]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (["a"], "expected NAME=SHARE such as train=0.8, got 'a'"),
        (["=1"], "expected NAME=SHARE such as train=0.8, got '=1'"),
        (["a=x"], "expected NAME=SHARE such as train=0.8, got 'a=x'"),
        (["a=1", "a=2"], "a name may have only one share"),
    ],
)
def test_shares_that_are_none(fer, vec, shares, message):
    arguments = [word for share in shares for word in ("--share", share)]
    result = fer("cascade", "samples", "split", vec, *arguments)
    assert result.status == 2
    assert message in result.err


def test_export(fer, vec, tmp_path):
    result = fer("cascade", "samples", "export", vec, "--out", tmp_path / "out", "--num", 12)
    assert result.out == f"{tmp_path}/out: 12 images\n"
    samples = read_vec(vec, (20, 20))
    np.testing.assert_array_equal(read_gray(tmp_path / "out" / "12.png"), samples[11])
    result = fer("cascade", "samples", "export", vec, "--out", tmp_path / "one", "--num", 1)
    assert result.out == f"{tmp_path}/one: 1 image\n"


@pytest.mark.parametrize("command", ["show", "info", "merge", "split", "export"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "found nothing of that name"),
        (b"", "it is empty"),
        (b"short", "it has only 5 bytes"),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(40),
            "header declares 1196314761 of 169478669 pixels|holds samples of",
        ),
        (b"\0\0\0\0\4\0\0\0" + bytes(4), "The file holds no sample"),
        ("folder", "found a folder"),
    ],
)
def test_bad_files_are_named_on_one_line(fer, tmp_path, command, content, words):
    import re

    path = tmp_path / "bad file.vec"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    options = () if command in ("show", "info", "split") else ("--out", tmp_path / "out")
    result = fer("cascade", "samples", command, path, *options)
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert re.search(words, result.err), result.err
    assert "bad file.vec" in result.err
    assert sorted(each.name for each in tmp_path.iterdir()) in ([], [path.name])


@pytest.mark.parametrize("command", ["show", "info", "split", "merge", "export"])
def test_a_size_that_does_not_fit(fer, vec, tmp_path, command):
    options = () if command in ("show", "info", "split") else ("--out", tmp_path / "out")
    result = fer("cascade", "samples", command, vec, "--size", "24x24", *options)
    assert result.status == 1
    assert (
        "Expected samples of 24x24 = 576 pixels, the file holds samples of 400; try: set --size"
        in result.err
    )
