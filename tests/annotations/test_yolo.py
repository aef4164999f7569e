from pathlib import Path

import pytest

from fercli.annotations import yolo
from fercli.annotations.base import AnnotatedImage
from fercli.annotations.reading import detect_format, read_annotations
from fercli.common.errors import AnnotationError, ImageError

LINE = "1 0.5 0.5 0.25 0.5\n"


@pytest.fixture
def tree(tmp_path, make_image):
    """Write images of 64x48 and labels: ``tree({"a.png": None, "a.txt": LINE})``."""

    def make(content):
        for name, text in content.items():
            if text is None:
                make_image(name, 64, 48)
            else:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text)
        return tmp_path

    return make


def found(path, **options):
    return [(p.path.name, p.boxes_xywh) for p in read_annotations(path, **options)]


@pytest.mark.parametrize(
    ("images", "labels", "given"),
    [
        ("", "", ""),
        ("images/", "labels/", ""),
        ("images/", "labels/", "labels"),
        ("images/train/", "labels/train/", ""),
        ("train/images/", "train/labels/", ""),
        ("images/", "labels/", "labels/a.txt"),
    ],
)
def test_all_layouts(tree, images, labels, given):
    folder = tree({f"{images}a.png": None, f"{labels}a.txt": LINE, f"{images}b.png": None})
    wanted = [("a.png", ((24, 12, 16, 24),)), ("b.png", ())]
    assert detect_format(folder / given).name == "yolo"
    assert found(folder / given) == wanted[: 1 if given.endswith(".txt") else 2]


def test_images_elsewhere(tree):
    folder = tree({"p/a.png": None, "l/a.txt": LINE})
    assert found(folder / "l", images=folder / "p") == [("a.png", ((24, 12, 16, 24),))]


def test_classes_have_numbers_or_names(tree):
    folder = tree({"a.png": None, "a.txt": f"0 0.5 0.5 1 1\n{LINE}"})
    assert found(folder, labels=["1"]) == [("a.png", ((24, 12, 16, 24),))]
    tree({"classes.txt": "dog\nface\n"})
    assert found(folder, labels=["face"]) == [("a.png", ((24, 12, 16, 24),))]


def test_one_number_more_is_the_confidence_and_empty_labels_are_fine(tree):
    folder = tree({"a.png": None, "a.txt": "0 0.5 0.5 1 1 0.9\n\n", "b.png": None, "b.txt": ""})
    assert found(folder, format="yolo") == [("a.png", ((0, 0, 64, 48),)), ("b.png", ())]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 1\n", "Expected a class and 4 numbers, got '0 0.5 0.5 1'"),
        ("face 0.5 0.5 1 1\n", "Expected a class and 4 numbers"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2 0.1\n", "or a polygon, got 7"),
        ("0 32 24 16 16\n", "Expected fractions from 0 to 1"),
        ("0 nan 0.5 1 1\n", "Expected fractions from 0 to 1"),
        ("0 -0.5 0.5 1 1\n", "Expected fractions from 0 to 1"),
    ],
)
def test_malformed_lines_are_named_and_do_not_end_the_reading(tree, text, message, complaints):
    folder = tree({"a.png": None, "a.txt": LINE + text, "b.png": None, "b.txt": LINE})
    with pytest.raises(AnnotationError, match=message) as raised:
        read_annotations(folder, format="yolo")
    assert (raised.value.path, raised.value.line) == (folder / "a.txt", 2)
    assert [r.path.name for r in yolo.read(folder, None, complaints)] == ["b.png"]
    assert len(complaints) == 1


def test_labels_without_a_image(tree):
    folder = tree({"a.png": None, "a.txt": LINE, "b.txt": LINE})
    with pytest.raises(AnnotationError, match=r"b\.txt: There is no image of the same name"):
        read_annotations(folder, format="yolo")


def test_broken_image(tree):
    folder = tree({"a.txt": LINE, "a.png": "not an image"})
    with pytest.raises(ImageError, match=r"a\.png"):
        read_annotations(folder)


@pytest.mark.parametrize(
    ("before", "label"),
    [
        ({"README.roboflow.txt": "Exported by roboflow\n"}, LINE),
        ({"train.txt": "images/a.png\n", "0.txt": "\n"}, LINE),
        ({}, f"\n  \n{LINE}"),
        ({}, f"\ufeff{LINE}"),
    ],
)
def test_other_text_files_and_blank_lines_before_the_labels(tree, before, label):
    folder = tree({**before, "images/a.png": None, "labels/a.txt": label})
    assert detect_format(folder).name == "yolo"
    assert found(folder) == [("a.png", ((24, 12, 16, 24),))]


def test_a_malformed_first_label_does_not_hide_the_others(tree, complaints):
    folder = tree({"a.png": None, "a.txt": "0 32 24 16 16\n", "b.png": None, "b.txt": LINE})
    assert detect_format(folder).name == "yolo"
    assert len(yolo.read(folder, None, complaints)) == len(complaints) == 1


@pytest.mark.parametrize(
    ("image", "label", "text"),
    [
        ("a.png", "a.txt", "0 32 24 16 16\n"),
        ("images/a.png", "labels/a.txt", "0 0.1 0.1 0.2 0.1 0.2 0.2 0.1\n"),
        ("JPEGImages/a.png", "Annotations/a.xml", "<data/>"),
    ],
)
def test_labels_of_which_none_is_made_out_are_no_whole_images(tree, image, label, text):
    folder = tree({image: None, label: text})
    with pytest.raises(
        AnnotationError,
        match=rf"{label}: The file has the name of an image.*try: use --format voc or",
    ):
        read_annotations(folder)
    assert found(folder, format="images") == [("a.png", ((0, 0, 64, 48),))]


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((-9, -9, 10, 10), (0, 0, 1, 1)),
        ((20, -5, 90, 90), (20, 0, 5, 25)),
        ((3, 4, 5, 6), (3, 4, 5, 6)),
    ],
)
def test_what_is_written_of_a_box_is_in_the_image(tmp_path, make_image, box, inside):
    path = make_image("a.png", 25, 25)
    written = AnnotatedImage(path, (box,), size_wh=(25, 25))
    yolo.write_each(tmp_path, Path("a.png"), written, "0")
    assert found(tmp_path) == [("a.png", (inside,))]


def test_other_text_files_among_images_do_not_make_them_yolo(tree):
    folder = tree({"a.png": None, "README.txt": "Faces of 3 people\n"})
    assert detect_format(folder).name == "images"
    tree({"a.txt": ""})
    assert detect_format(folder).name == "images"


def test_images_of_one_name_share_a_label(tree):
    folder = tree({"a.jpg": None, "a.png": None, "a.txt": LINE, "b.png": None, "b.bmp": None})
    box = ((24, 12, 16, 24),)
    assert found(folder) == [("a.jpg", box), ("a.png", box), ("b.bmp", ()), ("b.png", ())]
    assert found(folder / "a.txt") == [("a.jpg", box), ("a.png", box)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "car\nstop sign\n"),
        ("obj.names", "car\r\nstop sign\r\n"),
        ("data.yaml", "train: ../train/images\nnc: 2\nnames: ['car', 'stop sign']\n"),
        ("data.yaml", 'names: ["car", "stop sign"]  # two\nnc: 2\n'),
        ("data.yaml", "names:\n- car\n- stop sign\nnc: 2\n"),
        ("data.yaml", "nc: 2\nnames:\n  0: car\n  1: stop sign\n\nroboflow:\n  version: 1\n"),
        ("data.yaml", "names: {0: car, 1: 'stop sign'}\n"),
        ("data.yml", "names: [\n  'car',\n  'stop sign'\n]\n"),
    ],
)
@pytest.mark.parametrize("given", [".", "train", "train/labels"])
def test_names_of_classes(tree, file, text, given):
    folder = tree({"train/images/a.png": None, "train/labels/a.txt": f"1.0{LINE[1:]}", file: text})
    (record,) = [r for r in yolo.read(folder / given) if r.boxes]
    assert record.boxes[0].label == "stop sign"


def test_polygons_among_boxes_become_their_bounding_boxes(tree, notes):
    polygon = LINE[0] + " 0.25 0.5 0.5 0.5 0.5 0.75 0.3 0.75\n"
    folder = tree({"a.png": None, "a.txt": LINE + polygon})
    assert found(folder) == [("a.png", ((24, 12, 16, 24), (16, 24, 16, 12)))]
    assert notes() == [f"{folder / 'a.txt'}: polygons, their bounding boxes used: 1"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("0 0.4 0.2 0.7 0.9\n0 0.2 0.3 0.3 0.5\n", 1),  # 0.2 - 0.9 / 2 < 0
        ("0 0.4 0.5 0.7 0.9\n0 0.2 0.3 0.3 0.5\n", 0),  # the same as centers and sides
        ("0 0.4 0.2 0.7 0.9\n0 0.5 0.5 0.3 0.5\n", 0),  # the second cannot be corners
    ],
)
def test_boxes_that_seem_to_be_corners_are_told(tree, notes, lines, told):
    folder = tree({"a.png": None, "a.txt": lines})
    read_annotations(folder)
    kind = "boxes that leave their images, taken as center and sides; as two corners all fit: 1"
    assert notes() == ([f"{folder}: {kind}"] if told else [])


def test_the_box_of_a_pose_is_used(tree, notes):
    folder = tree({"a.png": None, "a.txt": f"{LINE.strip()} 0.4 0.4 2 0.6 0.6 1\n"})
    assert found(folder) == [("a.png", ((24, 12, 16, 24),))]
    assert "boxes with keypoints, which are not considered: 1" in notes()[0]


def test_labels_in_utf_16(tree):
    folder = tree({"a.png": None, "a.txt": LINE})
    (folder / "a.txt").write_text(LINE, encoding="utf-16")
    assert found(folder, format="yolo") == [("a.png", ((24, 12, 16, 24),))]


def test_the_names_of_the_classes_alone(tree):
    folder = tree({"images/a.png": None, "labels/a.txt": LINE, "data.yaml": "names: [face]\n"})
    for format in (None, "yolo"):
        with pytest.raises(AnnotationError, match=f"no boxes; try: use the folder .*{folder}"):
            read_annotations(folder / "data.yaml", format=format)
