"""Names of images that lead nowhere, or to another image than they should."""

import pytest

from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.opencv_lists import read_background_list
from fercli.annotations.reading import read_annotations
from fercli.common.errors import AnnotationError


def voc(name, boxes=((1, 2, 3, 6),), size=None):
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    objects = "".join(
        f"<object><name>s</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d in boxes
    )
    return f"<annotation><filename>{name}</filename>{stated}{objects}</annotation>"


@pytest.mark.parametrize(
    "name",
    [
        "photos/a.png",
        "/home/someone/data/photos/a.png",
        "C:\\Users\\someone\\photos\\a.png",
        "D:/data/a.png",
        "rawdata/a.png",
        "rawdata\\a.png",
        "\\\\server\\share\\a.png",
        "gs://bucket/photos/a.png",
        "a",
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_names_of_other_places(tmp_path, make_image, name, given, notes):
    image = make_image("photos/a.png")
    make_image("photos/b.png")
    locator = ImageLocator(tmp_path / "boxes.csv", tmp_path / "photos" if given else None)
    assert locator.find(name) == image
    if name != "photos/a.png" or given:
        (note,) = notes()
        kind = "image names that lead nowhere, found by their last part in another folder"
        assert note == f"{tmp_path / 'boxes.csv'}: {kind}: 1: {name} is {image}"


def test_a_base_name_that_two_images_have_is_not_used(tmp_path, make_image, notes):
    make_image("x/a.png")
    make_image("y/a.png")
    assert ImageLocator(tmp_path / "boxes.csv").find("gone/a.png") == tmp_path / "gone/a.png"
    assert "image names that several files have, not used: 1" in notes()[0]


def test_a_folder_that_the_user_names_wins_over_absolute_names(tmp_path, make_image):
    make_image("old/a.png")
    image = make_image("new/a.png")
    path = tmp_path / "boxes.csv"
    path.write_text(f"path,x,y,w,h\n{tmp_path / 'old' / 'a.png'},1,2,3,4\n")
    assert read_annotations(path, images=tmp_path / "new")[0].path == image


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("info.dat", "rawdata/a1.bmp 1 1 2 3 4\n"),
        ("info.dat", "rawdata\\a1.bmp 1 1 2 3 4\r\n"),
        ("info.dat", '"raw_positives/a1.bmp" 1 1 2 3 4\n'),
        ("bg.txt", "C:\\images\\rawdata\\a1.bmp\r\n"),
        ("bg.txt", '"raw_positives/a1.bmp"\n'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lists_of_windows(tmp_path, make_image, name, line, encoding):
    image = make_image("raw_positives/a1.bmp")
    (tmp_path / name).write_bytes(line.encode(encoding))
    if name == "bg.txt":
        assert read_background_list(tmp_path / name) == [image]
    else:
        (found,) = read_annotations(tmp_path / name)
        assert (found.path, found.boxes_xywh) == (image, ((1, 2, 3, 4),))


def test_a_quoted_name_with_a_space(tmp_path, make_image):
    image = make_image("my photo.png")
    (tmp_path / "info.dat").write_text('"my photo.png" 1 1 2 3 4\n')
    assert read_annotations(tmp_path / "info.dat", format="info")[0].path == image


def test_files_renumbered_with_their_images(tmp_path, make_image, notes):
    """0001 and 0002 were 0002 and 0003 once: what the files say inside is stale."""
    for number in (1, 2):
        make_image(f"000{number}.png")
        (tmp_path / f"000{number}.xml").write_text(voc(f"000{number + 1}.png"))
    images = read_annotations(tmp_path)
    assert [image.path.name for image in images] == ["0001.png", "0002.png"]
    (note,) = notes()
    assert note.startswith(
        "%s: files that name another image than the one called like them, which is used: 1: "
        % (tmp_path / "0001.xml")
    )


def test_a_size_that_fits_the_named_image_alone_decides(tmp_path, make_image, notes):
    make_image("a.png", 64, 48)
    make_image("b.png", 32, 20)
    (tmp_path / "a.xml").write_text(voc("b.png", size=(32, 20)))
    (image,) = read_annotations(tmp_path / "a.xml")
    assert image.path.name == "b.png"
    assert "used for its size" in notes()[0]


def test_two_files_of_one_image(tmp_path, make_image, complaints, notes):
    make_image("a.png")
    (tmp_path / "x.xml").write_text(voc("a.png"))
    (tmp_path / "y.xml").write_text(voc("a.png", boxes=((5, 6, 7, 8),)))
    with pytest.raises(AnnotationError, match=r"Both this file and .*x\.xml describe .*a\.png"):
        read_annotations(tmp_path)
    (tmp_path / "y.xml").write_text(voc("a.png"))
    assert len(read_annotations(tmp_path)) == 1
    assert notes() == [
        f"{tmp_path / 'y.xml'}: files that repeat what another says of the same image: 1"
    ]
