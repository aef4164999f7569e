"""Folders that are given: annotations in and beside them are found, or named."""

import json

import pytest

from fercli.annotations.reading import (
    detect_format,
    find_annotations,
    read_annotations,
    read_objects,
)
from fercli.common.errors import AnnotationError

WANTED = ((10, 20, 30, 8),)


def coco(names=("a.png",)):
    return json.dumps(
        {
            "images": [{"id": name, "file_name": name} for name in names],
            "annotations": [{"image_id": name, "bbox": [10, 20, 30, 8]} for name in names],
        }
    )


TABLE = "path,x,y,w,h\na.png,10,20,30,8\n"
DLIB = (
    "<dataset><images><image file='a.png'><box left='10' top='20' width='30' height='8'/>"
    "</image></images></dataset>"
)
CVAT = (
    "<annotations><image name='a.png'><box label='s' xtl='10' ytl='20' xbr='40' ybr='28'/>"
    "</image></annotations>"
)
CREATEML = json.dumps(
    [
        {
            "image": "a.png",
            "annotations": [
                {"label": "s", "coordinates": {"x": 25, "y": 24, "width": 30, "height": 8}}
            ],
        }
    ]
)
VIA = json.dumps(
    {
        "a.png1": {
            "filename": "a.png",
            "size": 1,
            "regions": [
                {
                    "shape_attributes": {
                        "name": "rect", "x": 10, "y": 20, "width": 30, "height": 8
                    },
                    "region_attributes": {},
                }
            ],
        }
    }
)  # fmt: skip
YOLO = "0 0.390625 0.5 0.46875 0.16666667\n"
LABELME = json.dumps(
    {
        "shapes": [{"label": "s", "points": [[40, 28], [10, 20]], "shape_type": "rectangle"}],
        "imagePath": "a.png",
    }
)
VOC = (
    "<annotation><filename>a.png</filename><object><name>s</name><bndbox><xmin>11</xmin>"
    "<ymin>21</ymin><xmax>40</xmax><ymax>28</ymax></bndbox></object></annotation>"
)


@pytest.mark.parametrize(
    ("image", "file", "content", "format"),
    [
        ("a.png", "_annotations.coco.json", coco(), "coco"),
        ("a.png", "boxes.csv", TABLE, "csv"),
        ("a.png", "training.xml", DLIB, "dlib"),
        ("a.png", "annotations.xml", CVAT, "cvat"),
        ("a.png", "data.json", CREATEML, "createml"),
        ("a.png", "via.json", VIA, "via"),
        ("a.png", "info.dat", "a.png 1 10 20 30 8\n", "info"),
        ("a.png", "positives.txt", "a.png 1 10 20 30 8\n", "info"),
        ("a.png", "a.json", LABELME, "labelme"),
        ("a.png", "a.xml", VOC, "voc"),
        ("a.png", "a.txt", YOLO, "yolo"),
        ("a.png", "a.txt", "1 10 20 30 8\n", "info-folder"),
        ("a.png", "sub/boxes.csv", TABLE.replace("a.png", "../a.png"), "csv"),
        ("a.png", "../labels/a.txt", YOLO, "yolo"),
        ("a.png", "../annotations/a.xml", VOC, "voc"),
        ("a.png", "../Annotations/a.json", LABELME, "labelme"),
        ("a.png", "../annotations/a.txt", "1 10 20 30 8\n", "info-folder"),
        ("a.png", "../annotations/boxes.json", coco(("images/a.png",)), "coco"),
    ],
)
def test_annotations_of_a_folder_of_images(tmp_path, make_image, image, file, content, format):
    folder = tmp_path / "images"
    make_image(f"images/{image}")
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert find_annotations(folder).format.name == format
    (found,) = read_annotations(folder)
    assert (found.path.resolve(), found.boxes_xywh) == ((folder / image).resolve(), WANTED)


def test_yolo_splits_beside_each_other(tmp_path, make_image):
    make_image("images/train/a.png")
    make_image("images/val/b.png")
    for split, name in (("train", "a"), ("val", "b")):
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / f"{name}.txt").write_text(YOLO)
    (found,) = read_annotations(tmp_path / "images" / "train")
    assert found.boxes_xywh == WANTED


@pytest.mark.parametrize("above", ["", "images/"])
def test_the_layout_of_coco(tmp_path, make_image, above):
    """The whole of their images was used, since the list is not beside them."""
    images = [make_image(f"{above}{split}2017/a.png", 64, 48) for split in ("train", "val")]
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        (tmp_path / f"annotations/instances_{split}2017.json").write_text(coco())
    found = read_annotations(tmp_path)
    assert [(one.path, one.boxes_xywh) for one in found] == [(path, WANTED) for path in images]


def test_images_in_any_folder_beside_that_of_the_annotations(tmp_path, make_image):
    image = make_image("photos/a.png", 64, 48)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/all.json").write_text(coco())
    for given in (tmp_path, tmp_path / "annotations/all.json"):
        assert [one.path for one in read_annotations(given)] == [image]


def test_what_is_used_and_what_is_not_is_said(tmp_path, make_image, notes):
    for name in ("in/a.png", "in/b.png", "in/c.png", "other/d.png"):
        make_image(name)
    path = tmp_path / "in" / "boxes.json"
    path.write_text(coco(("a.png", "../other/d.png")))
    assert len(read_annotations(tmp_path / "in")) == 1
    folder = tmp_path / "in"
    assert notes() == [
        f"{folder}: the annotations in {path} (COCO JSON) are used",
        f"{folder}: records of images outside this folder, not used: 1",
        f"{folder}: images that the annotations do not name, not used: 2; the first: "
        f"{folder / 'b.png'}",
    ]


def test_several_files_of_one_format_are_used_together(tmp_path, make_image):
    for split in ("train", "valid"):
        make_image(f"{split}/{split}.png")
        (tmp_path / split / "_annotations.coco.json").write_text(coco((f"{split}.png",)))
    assert len(read_annotations(tmp_path)) == 2


def test_files_of_several_formats_are_named(tmp_path, make_image):
    make_image("a.png")
    (tmp_path / "boxes.csv").write_text(TABLE)
    (tmp_path / "boxes.json").write_text(coco())
    with pytest.raises(AnnotationError, match=r"several formats: .*boxes\.csv.*boxes\.json"):
        read_annotations(tmp_path)
    assert len(read_annotations(tmp_path, format="coco")) == 1


def test_files_of_one_image_each_win_over_one_of_many(tmp_path, make_image, notes):
    make_image("a.png")
    (tmp_path / "a.xml").write_text(VOC)
    (tmp_path / "boxes.csv").write_text(TABLE)
    assert detect_format(tmp_path).name == "voc"
    assert notes() == [f"{tmp_path}: read as Pascal VOC XML; not used: {tmp_path / 'boxes.csv'}"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("notes.json", '{"made by": "me"}'),
        ("meta.csv", "image,camera\na.png,7\n"),
        ("info_left_out.csv", "path,x,y,w,h,reason,detail\na.png,1,2,3,4,duplicate,\n"),
        ("boxes.csv", "path,x,y,w,h\nelsewhere.png,1,2,3,4\n"),
        ("list.txt", "a.png\n"),
        ("../labels/other.txt", YOLO),
    ],
)
def test_what_does_not_annotate_the_images_is_not_taken_for_annotations(
    tmp_path, make_image, file, content
):
    make_image("images/a.png")
    path = tmp_path / "images" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    assert detect_format(tmp_path / "images").name == "images"


def test_results_of_an_earlier_run_are_ignored(tmp_path, make_image):
    make_image("a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "info.dat").write_text("../a.png 1 1 2 3 4\n")
    assert detect_format(tmp_path).name == "info"
    assert detect_format(tmp_path, ignored=tmp_path / "out").name == "images"
    assert detect_format(tmp_path / "out", ignored=tmp_path / "out").name == "images"


def test_objects_in_backgrounds(tmp_path, make_image):
    make_image("a.png")
    assert read_objects(tmp_path) is None
    assert read_objects(tmp_path / "a.png") is None
    (tmp_path / "boxes.json").write_text(coco())
    assert [record.path.name for record in read_objects(tmp_path)] == ["a.png"]
    assert len(read_objects(tmp_path / "boxes.json")) == 1


def test_several_labels_are_counted(tmp_path, make_image, notes):
    make_image("a.png")
    path = tmp_path / "boxes.csv"
    path.write_text("path,x,y,w,h,label\na.png,1,2,3,4,car\na.png,2,2,3,4,bus\na.png,3,2,3,4,bus\n")
    read_annotations(path)
    assert notes() == [
        f"{path}: boxes of several labels, all taken (bus 2, car 1); --label takes some"
    ]
    read_annotations(path, labels=["car"])
    assert notes() == []


def test_a_list_beside_the_folder_of_images_is_named(tmp_path, make_image, notes):
    make_image("pos/a.png")
    (tmp_path / "bg.txt").write_text("neg/b.png\n")
    assert detect_format(tmp_path / "pos").name == "images"
    assert notes() == []
    (tmp_path / "info.dat").write_text("pos/a.png 1 1 2 3 4\n")
    assert detect_format(tmp_path / "pos").name == "images"
    (note,) = notes()
    assert note == (
        f"{tmp_path / 'pos'}: whole images are used, not the boxes of {tmp_path / 'info.dat'}, "
        "which names images of this folder"
    )
