import pytest

from fercli.cascade.training.backgrounds import read_backgrounds
from fercli.common.errors import AnnotationError, FerError, InputError


@pytest.fixture
def images(make_image):
    return [make_image("a b.png"), make_image("sub/c.png")]


def test_folder(images, tmp_path):
    assert read_backgrounds(tmp_path).paths == tuple(images)


def test_list(images, tmp_path):
    (tmp_path / "bg.txt").write_text("a b.png\nsub/c.png\nmissing.png\n")
    found = read_backgrounds(tmp_path / "bg.txt")
    assert found.paths == (*images, tmp_path / "missing.png")
    assert found.objects == {}


def test_one_image(images):
    assert read_backgrounds(images[0]).paths == (images[0],)


def test_info_file_gives_the_objects_to_spare(make_image, tmp_path):
    first, second = make_image("a.png"), make_image("b.png")
    (tmp_path / "info.dat").write_text("a.png 2 1 2 10 11 20 21 12 13\nb.png 0\n")
    found = read_backgrounds(tmp_path / "info.dat")
    assert found.paths == (first, second)
    assert found.objects == {first: ((1, 2, 10, 11), (20, 21, 12, 13))}


def test_folder_with_labels_gives_the_objects_to_spare(make_image, tmp_path):
    first, second = make_image("images/a.png", 100, 50), make_image("images/b.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    found = read_backgrounds(tmp_path)
    assert found.paths == (first, second)
    assert found.objects == {first: ((40, 15, 20, 20),)}
    assert found.notes == (
        "1 annotated box (0 1) in 1 of 2 backgrounds: windows that touch one are not taken as "
        "negatives",
    )


def test_images_that_the_labels_of_their_folder_lack_are_counted(make_image, tmp_path):
    """Nobody looked for objects in an image without an annotation file."""
    first = make_image("a.png")
    make_image("b.png"), make_image("c.png")
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a.png</filename><object><name>dog</name><bndbox><xmin>3</xmin>"
        "<ymin>4</ymin><xmax>12</xmax><ymax>14</ymax></bndbox></object></annotation>"
    )
    found = read_backgrounds(tmp_path)
    assert (found.paths, found.objects) == ((first,), {first: ((2, 3, 10, 11),)})
    assert found.notes[0].startswith("1 annotated box (dog 1) in 1 of 1 background:")
    assert found.notes[1].startswith("not used: 2 images of ")


def test_positives_in_images_that_are_backgrounds_too_are_spared(make_image, tmp_path):
    """The folder of the positives given as backgrounds: the objects would become negatives."""
    first, second = make_image("scenes/a.png"), make_image("scenes/b.png")
    info = tmp_path / "info.dat"
    info.write_text("scenes/a.png 2 1 2 10 11 20 21 12 13\nother.png 1 5 5 9 9\n")
    found = read_backgrounds(tmp_path / "scenes", info)
    assert found.paths == (first, second)
    assert found.objects == {first: ((1, 2, 10, 11), (20, 21, 12, 13))}
    assert found.notes == (
        "images of positives among the 2 backgrounds: 1; windows that touch one of their 2 boxes "
        "are not taken as negatives",
    )
    # Boxes that the backgrounds' own annotations have are not told of twice.
    assert read_backgrounds(info, info) == read_backgrounds(info)


def test_folder_with_other_texts_is_one_of_images(images, tmp_path):
    (tmp_path / "a b.txt").write_text("a caption\n")
    found = read_backgrounds(tmp_path)
    assert (found.paths, found.objects) == (tuple(images), {})
    assert "a b.txt is not read as annotations" in found.notes[0]


def test_table_in_which_a_name_stands_alone(make_image, tmp_path):
    first, second = make_image("a.png"), make_image("b.png")
    (tmp_path / "boxes.csv").write_text("a.png\nb.png,1,2,10,11\n")
    found = read_backgrounds(tmp_path / "boxes.csv")
    assert found.paths == (first, second)
    assert found.objects == {second: ((1, 2, 10, 11),)}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("info.dat", "a.png 1 1 2 10 11\nb.png 2 1 2 10 11\n", "info.dat:2: "),
        ("boxes.csv", "path,x,y,w,h\na.png,1,2,x,11\n", "boxes.csv:2: "),
        ("coco.json", '{"images": []}', "'annotations'"),
    ],
)
def test_malformed_annotations_say_what_is_wrong(make_image, tmp_path, name, content, words):
    make_image("a.png")
    (tmp_path / name).write_text(content)
    with pytest.raises(AnnotationError, match=words):
        read_backgrounds(tmp_path / name)


def test_info_file_with_lines_longer_than_any_name(make_image, tmp_path):
    image = make_image("a.png")
    boxes = tuple((x, 2, 10, 11) for x in range(1000, 1500))
    numbers = " ".join(f"{x} 2 10 11" for x, *_ in boxes)
    (tmp_path / "info.dat").write_text(f"a.png {len(boxes)} {numbers}\n")
    assert read_backgrounds(tmp_path / "info.dat").objects == {image: boxes}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no background images"),
        (b"missing.png\nalso missing.png\n", "None of the background images exists, the first is"),
        (b"\0\1\2", "fer"),
    ],
    ids=["empty", "missing", "binary"],
)
def test_what_is_no_background_is_named(tmp_path, content, words):
    path = tmp_path / "bg.txt"
    path.write_bytes(content)
    with pytest.raises(FerError) as raised:
        read_backgrounds(path)
    assert "bg.txt" in str(raised.value)


def test_missing_list(tmp_path):
    with pytest.raises(InputError, match="nothing of that name"):
        read_backgrounds(tmp_path / "none.txt")


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="There are no background images"):
        read_backgrounds(tmp_path)
