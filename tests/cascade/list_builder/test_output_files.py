import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.annotations.opencv_lists import fits_background_list, fits_info
from fercli.cascade.list_builder.image_audit import AuditedImage
from fercli.cascade.list_builder.output_files import make_links, plan_names, safe_name
from fercli.common.errors import OutputError, OutputExistsError


def audited(path, plain=True):
    return AuditedImage(path, (8, 8), b"", plain=plain)


def mapping(links):
    with (links / "names.csv").open(newline="", errors="surrogateescape") as file:
        return {row["name"]: row["image"] for row in csv.DictReader(file)}


def test_only_what_a_list_cannot_hold_gets_another_name(tmp_path, make_image):
    plain = make_image("faces/a.png", 8, 8)
    spaced = make_image("my faces/b c.png", 8, 8)
    links = tmp_path / "work" / "links"
    planned = plan_names([audited(plain), audited(spaced)], links, "relative", fits_info)
    assert planned[plain] == plain
    assert planned[spaced].parent == links
    assert make_links(planned, links) == 1
    assert planned[spaced].samefile(spaced)
    assert mapping(links) == {planned[spaced].name: str(spaced)}
    fine = plan_names([audited(spaced)], links, "absolute", fits_background_list)
    assert fine == {spaced: spaced}


def test_folders_above_the_list_may_have_any_name(tmp_path, make_image):
    image = make_image("my work/faces/a.png", 8, 8)
    links = tmp_path / "my work" / "out" / "links"
    assert plan_names([audited(image)], links, "relative", fits_info) == {image: image}


@pytest.mark.parametrize("name", ["a\nb.png", os.fsdecode(b"\xff\xfe.png"), "日本.png", "…"])
def test_names_of_all_kinds(tmp_path, name):
    image = tmp_path / name
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8))
    (tmp_path / "a.png").rename(image)
    links = tmp_path / "links"
    make_links({image: links / safe_name(image)}, links)
    assert (links / safe_name(image)).read_bytes() == image.read_bytes()
    assert mapping(links) == {safe_name(image): str(image)}


def test_safe_names_are_safe_short_and_different():
    names = [safe_name(Path(text)) for text in ("a/b c.PNG", "b/b c.PNG", "x" * 200, "é é.tar.gz")]
    assert len(set(names)) == 4
    assert all(fits_info(name) and name.isascii() and len(name) < 90 for name in names)
    assert names[0].startswith("b_c-")
    assert names[0].endswith(".png")


def test_formats_that_the_programs_may_not_read_are_converted(tmp_path):
    image = tmp_path / "a.gif"
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(image)
    links = tmp_path / "links"
    planned = plan_names([audited(image, plain=False)], links, "relative", fits_info)
    make_links(planned, links)
    assert not planned[image].is_symlink()
    assert (cv2.imread(str(planned[image]), cv2.IMREAD_UNCHANGED) == 77).all()


def test_where_there_are_no_links_there_are_copies(tmp_path, make_image, monkeypatch):
    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    image = make_image("a b.png")
    links = tmp_path / "links"
    monkeypatch.setattr(Path, "symlink_to", refuse)
    make_links({image: links / "x.png"}, links)
    assert (links / "x.png").read_bytes() == image.read_bytes()
    assert not (links / "x.png").is_symlink()


def test_an_old_folder_is_replaced_whole_and_only_if_that_is_wished(tmp_path, make_image):
    first, second = make_image("a b.png"), make_image("c d.png")
    links = tmp_path / "links"
    make_links({first: links / "x.png"}, links)
    with pytest.raises(OutputExistsError):
        make_links({second: links / "y.png"}, links)
    assert (links / "x.png").exists()
    make_links({second: links / "y.png"}, links, overwrite=True)
    assert sorted(path.name for path in links.iterdir()) == ["names.csv", "y.png"]
    make_links({second: second}, links, overwrite=True)
    assert not links.exists()


def test_nothing_half_made_is_left_behind(tmp_path):
    gone = tmp_path / "gone.gif"
    links = tmp_path / "links"
    with pytest.raises(Exception, match=r"gone\.gif"):
        make_links({gone: links / "gone.gray.png"}, links)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path, make_image):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        make_links({make_image("a b.png"): tmp_path / "file" / "l" / "x"}, tmp_path / "file" / "l")


@pytest.mark.parametrize("spelling", [Path.absolute, os.path.relpath])
def test_what_lies_among_the_links_stays_what_it_is(tmp_path, make_image, monkeypatch, spelling):
    monkeypatch.chdir(tmp_path)
    spaced, gif = make_image("a b.png"), tmp_path / "c.gif"
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(gif)
    links = Path("links")
    first = plan_names([audited(spaced), audited(gif, plain=False)], links, "relative", fits_info)
    make_links(first, links)
    said = {first[spaced].name: str(spaced), first[gif].name: str(gif)}
    listed = [audited(Path(spelling(name))) for name in first.values()]
    for images in (listed, [*listed, audited(spaced)]):
        planned = plan_names(images, links, "relative", fits_info)
        assert make_links(planned, links, overwrite=True) == 2
        assert first[spaced].samefile(spaced)
        assert (cv2.imread(str(first[gif]), cv2.IMREAD_UNCHANGED) == 77).all()
        assert mapping(links) == said
    (links / "names.csv").unlink()
    assert make_links({name: name for name in first.values()}, links, overwrite=True) == 2
    assert first[spaced].samefile(spaced)
