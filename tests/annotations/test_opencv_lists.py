import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations.base import AnnotatedImage
from fercli.annotations.opencv_lists import (
    fits_background_list,
    fits_info,
    name_from,
    programs_read,
    read_background_list,
    write_background_list,
    write_info,
)
from fercli.common.errors import AnnotationError, InputError, OutputExistsError

BOX = (1, 2, 3, 4)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_background_list_by_hand(tmp_path, mark):
    (tmp_path / "a b.png").touch()
    path = tmp_path / "bg.txt"
    path.write_bytes(mark + b"a b.png \t\r\n\r\n# c.png\n/x/d.png\n\ncaf\xe9.png\n  e.png")
    assert read_background_list(path) == [
        tmp_path / "a b.png",
        Path("/x/d.png"),
        tmp_path / os.fsdecode(b"caf\xe9.png"),
        tmp_path / "  e.png",
    ]


def test_names_are_looked_for_beside_the_list_then_here(tmp_path, monkeypatch):
    for name in ("lists/both.png", "here/both.png", "here/only.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    path = tmp_path / "lists" / "bg.txt"
    path.write_text(f"both.png\nonly.png\nnone.png\n{'long' * 999}\n")
    monkeypatch.chdir(tmp_path / "here")
    names = read_background_list(path)
    assert names[:3] == [
        path.parent / "both.png",
        Path("only.png"),
        path.parent / "none.png",
    ]


@pytest.mark.parametrize("content", [b"", b"\n\r\n \n", b"# a.png\n"])
def test_empty_background_list(tmp_path, content):
    (tmp_path / "bg.txt").write_bytes(content)
    assert read_background_list(tmp_path / "bg.txt") == []


def test_what_is_no_background_list(tmp_path):
    (tmp_path / "bg.txt").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(AnnotationError, match="got a binary file"):
        read_background_list(tmp_path / "bg.txt")
    with pytest.raises(InputError, match="Expected a list of images, found a folder"):
        read_background_list(tmp_path)


def test_info_file_by_hand(tmp_path):
    path = tmp_path / "work" / "info.dat"
    images = [
        AnnotatedImage(tmp_path / "faces" / "a.png", (BOX, BOX)),
        AnnotatedImage(tmp_path / "faces" / "none.png", ()),
        AnnotatedImage(tmp_path / "work" / "b.png", (BOX,), ((9, 9, 9, 9),)),
    ]
    write_info(path, images)
    assert path.read_text() == "../faces/a.png 2 1 2 3 4 1 2 3 4\nb.png 1 1 2 3 4\n"
    with pytest.raises(OutputExistsError):
        write_info(path, images)
    write_info(path, images[:1], separator="\t", names="absolute", overwrite=True)
    assert path.read_text() == f"{tmp_path}/faces/a.png\t2\t1\t2\t3\t4\t1\t2\t3\t4\n"


def test_info_file_without_a_box_is_not_written(tmp_path):
    with pytest.raises(AnnotationError, match="needs at least one box"):
        write_info(tmp_path / "info.dat", [AnnotatedImage(tmp_path / "a.png", ())])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a b.png", "a\tb.png", "a\nb.png", os.fsdecode(b"\xff"), "77"])
def test_names_that_an_info_file_cannot_hold(tmp_path, name):
    with pytest.raises(AnnotationError, match=r"The file cannot hold the name .*build-info"):
        write_info(tmp_path / "info.dat", [AnnotatedImage(tmp_path / name, (BOX,))])
    assert not list(tmp_path.iterdir())


def test_background_list_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "work" / "bg.txt"
    write_background_list(path, [Path("a b.png"), tmp_path / "c.png"])
    assert path.read_text() == f"{tmp_path}/a b.png\n{tmp_path}/c.png\n"
    write_background_list(path, [Path("a b.png")], names="relative", overwrite=True)
    assert path.read_text() == "../a b.png\n"
    with pytest.raises(AnnotationError, match="The file cannot hold the name"):
        write_background_list(path, [Path("a\n.png")], overwrite=True)


def test_relative_names_lead_through_the_real_parent_of_a_linked_folder(tmp_path, make_image):
    make_image("images/a.png")
    (tmp_path / "deep" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "real")
    name = name_from(tmp_path / "link", tmp_path / "images" / "a.png", "relative")
    assert (tmp_path / "link" / name).is_file()


names = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20)


@given(st.lists(names, min_size=1, max_size=5, unique=True))
def test_names_that_fit_come_back(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("bg")
    images = [folder / name for name in names if name not in (".", "..")]
    fitting = [path for path in images if fits_background_list(str(path))]
    write_background_list(folder / "bg.txt", fitting)
    assert read_background_list(folder / "bg.txt") == fitting


@pytest.mark.parametrize("name", ["", "a\0", "#a.png", "a.png ", "a.png\r", "a\nb.png"])
def test_names_that_a_background_list_cannot_hold(name):
    assert not fits_background_list(name)


@pytest.mark.parametrize("name", ["a.png", "ä\u00a0b\u3000.png", "#a.png", "7.png"])
def test_names_that_an_info_file_holds(name):
    assert fits_info(name)


@pytest.mark.parametrize(
    ("suffix", "wanted"),
    [(".png", True), (".jpg", True), (".bmp", True), (".pgm", True), (".webp", False)],
)
def test_formats_that_the_programs_read(make_image, suffix, wanted):
    assert programs_read(make_image(f"a{suffix}")) is wanted
