import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fercli.common.errors import InputError
from fercli.datasets.manifest import (
    FileRecord,
    Manifest,
    read_files,
    read_manifest,
    to_line,
    write_files,
    write_manifest,
)

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)
names = st.text("abc é,\"'.-_", min_size=1, max_size=12).filter(lambda name: name.strip(". "))
records = st.builds(
    FileRecord,
    file=st.builds(lambda a, b: f"train/{a}/{b}.png", names, names),
    source=words,
    origin=words,
    subject=words,
    sha256=st.text("0123456789abcdef", max_size=64),
    votes=st.lists(st.integers(0, 10), max_size=8).map(tuple),
)


@settings(deadline=None)
@given(st.lists(records, max_size=5))
def test_files_come_back_as_they_were(tmp_path_factory, wanted):
    root = tmp_path_factory.mktemp("tree")
    write_files(root, map(to_line, wanted))
    assert list(read_files(root)) == wanted


def test_a_line_break_in_a_name_of_a_source_does_not_break_the_line():
    assert to_line(FileRecord("a/b/c.png", origin="x\ny\rz")) == "a/b/c.png,,x y z,,,\n"


def test_manifest_comes_back_as_it_was(tmp_path):
    manifest = Manifest(["happy", "sad"], {"train": {"happy": 2, "sad": 0}}, [{"name": "é"}], [])
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert read_manifest(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"classes": []}', 20_000 * "["])
def test_what_is_no_manifest(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=r"dataset\.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,b", "expected 6 fields, got 2"),
        ("no-folders.png,,,,,", "expected <split>/<class>/<image>, got 'no-folders.png'"),
        ("a/b.png,,,,,", "expected <split>/<class>/<image>, got 'a/b.png'"),
        ("../b/c.png,,,,,", "'../b/c.png' is not below the tree"),
        ("/b/c.png,,,,,", "'/b/c.png' is not below the tree"),
        ("a/b/c\0.png,,,,,", r"'a/b/c\\x00.png' is not below the tree"),
        ("a/b/c.png,,,,,1 x", "invalid literal"),
    ],
)
def test_a_line_that_is_none(tmp_path, line, message):
    (tmp_path / "files.csv").write_text(f"file,source,origin,subject,sha256,votes\n{line}\n")
    with pytest.raises(InputError, match=rf"files\.csv:2: The line .* files\.csv: {message}"):
        list(read_files(tmp_path))


def test_a_head_without_end(tmp_path):
    (tmp_path / "files.csv").write_text(200_000 * "a")
    with pytest.raises(InputError, match=r"The line is not one of files\.csv: field larger than"):
        list(read_files(tmp_path))


@pytest.mark.parametrize(
    "changed",
    [
        {"classes": 5},
        {"classes": [1, 2]},
        {"classes": []},
        {"classes": ["happy", "sad", "happy"]},
        {"classes": "happy"},
        {"counts": ["train"]},
        {"counts": {"train": {"happy": "many"}}},
        {"sources": [1]},
        {"made_by": None},
        {"made_by": {"command": "import"}},
    ],
)
def test_a_manifest_of_other_things(tmp_path, changed):
    write_manifest(tmp_path, Manifest(["happy"], {"train": {"happy": 2}}))
    content = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(content | changed))
    with pytest.raises(InputError, match=r"The file is not the dataset\.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../../../x/esc", "/x", "a/b", "a\\b", "..", ".a", "a\0"])
def test_a_class_that_is_no_folder(tmp_path, name):
    write_manifest(tmp_path, Manifest(["happy", name], {}))
    with pytest.raises(InputError, match=r"dataset\.json: The class .* has a / or") as caught:
        read_manifest(tmp_path)
    assert repr(name) in str(caught.value)
