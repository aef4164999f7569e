"""Readers of boxes and of lists of images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fercli.common.errors import FerError
from scripts.fuzz.reader import Reader
from scripts.fuzz.targets.corpus import put_image

INFO = (b"a.png 1 2 3 20 20\nb.png 2 0 0 8 8  10 10 30 30\n", b"a.png 0\nb.png  1\t4 5 6 7\r\n")
LIST = (b"a.png\nb.png\n# a comment\n\nmissing.png\n", b"a.png\r\nb.png\t \n")
TABLE = (
    b"path,x,y,w,h,label\na.png,1,2,20,20,face\nb.png,3.5,4,5,6,cat\nb.png,,,,,\n",
    b"a.png;1;2;3;4\nb.png;1e1;2;3;4\n",
    b'filename\tleft\ttop\twidth\theight\tclass\n"a.png"\t1\t2\t3\t4\tface\n',
)
VOC = (
    b"""<annotation><folder>x</folder><filename>a.png</filename>
<size><width>48</width><height>48</height><depth>3</depth></size>
<object><name>face</name><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>
<object><name>cat</name><difficult>1</difficult>
<bndbox><xmin>3.5</xmin><ymin>2</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>
</annotation>
""",
)
YOLO = (b"0 0.5 0.5 0.25 0.25\n1 0.1 0.2 0.1 0.1\n", b"0 .5 .5 1 1 0.9\n")
YOLO_NAMES = (b"face\ncat\n", b"names:\n  0: face\n  1: cat\n")
COCO = (
    b"""{"images": [{"id": 1, "file_name": "a.png", "width": 48, "height": 48},
 {"id": 2, "file_name": "b.png"}],
 "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 20.5, 20], "iscrowd": 0},
 {"id": 2, "image_id": 2, "category_id": 2, "bbox": [1, 2, 3, 4], "iscrowd": 1}],
 "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "cat"}]}
""",
)
DLIB = (
    b"""<?xml version='1.0' encoding='ISO-8859-1'?>
<dataset><name>faces</name><images>
<image file='a.png'><box top='1' left='2' width='20' height='20'><label>face</label></box></image>
<image file='b.png'><box top='1' left='2' width='5' height='6' ignore='1'/></image>
</images></dataset>
""",
)
CVAT = (
    b"""<annotations><version>1.1</version><image id="0" name="a.png" width="48" height="48">
<box label="face" xtl="1.5" ytl="2" xbr="20" ybr="30" rotation="10.0"/>
<polygon label="cat" points="1,2;4,2.5;4,6"/><ellipse label="cat" cx="9" cy="9" rx="3" ry="2"/>
</image><image id="1" name="b.png" width="96" height="96"><box xtl="1" ytl="2" xbr="3" ybr="4"/>
</image></annotations>
""",
)
LABELME = (
    b"""{"version": "5.2.1", "shapes": [
 {"label": "face", "points": [[20, 28], [10, 20]], "shape_type": "rectangle"},
 {"label": "cat", "points": [[1, 2], [4, 2], [4, 6]], "shape_type": "polygon"},
 {"label": "cat", "points": [[9, 9], [12, 13]], "shape_type": "circle"}],
 "imagePath": "a.png", "imageData": null, "imageHeight": 48, "imageWidth": 48}
""",
)
CREATEML = (
    b"""[{"image": "a.png", "annotations": [{"label": "face",
 "coordinates": {"x": 25, "y": 24, "width": 30, "height": 8}}]},
 {"imagefilename": "b.png", "annotations": []}]
""",
)
VIA = (
    b"""{"a.png9": {"filename": "a.png", "size": 9, "regions": [
 {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 20, "height": 8},
  "region_attributes": {"kind": "face"}},
 {"shape_attributes": {"name": "polygon", "all_points_x": [1, 4, 4], "all_points_y": [2, 2, 6]},
  "region_attributes": {"kind": {"cat": true}}},
 {"shape_attributes": {"name": "circle", "cx": 9, "cy": 9, "r": 5}, "region_attributes": {}}]}}
""",
)
SUPERVISELY = (
    b"""{"size": {"height": 48, "width": 48}, "objects": [
 {"classTitle": "face", "geometryType": "rectangle",
  "points": {"exterior": [[10, 20], [39, 27]], "interior": []}},
 {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"origin": [0, 0]}}]}
""",
)
LABEL_STUDIO = (
    b"""[{"data": {"image": "/data/upload/1/0a1b2c3d-a.png"}, "annotations": [{"result": [
 {"original_width": 48, "original_height": 48, "value": {"x": 10, "y": 20, "width": 30,
  "height": 25, "rotation": 5, "rectanglelabels": ["face"]}},
 {"original_width": 48, "original_height": 48, "value": {"points": [[1, 2], [30, 40]],
  "polygonlabels": ["cat"]}}]}]}]
""",
)
INFO_FOLDER = (b"1 2 3 20 20\n", b"2\n1 2 3 4\n5 6 7 8\n")


def two_images(folder: Path) -> None:
    """Lay the images that all of these name."""
    put_image(folder / "a.png", 1)
    put_image(folder / "b.png", 2)


def _read_as(form: str, name: str) -> Callable[[Path], object]:
    """Return what reads annotations strictly, forgivingly and without being told their format."""

    def read(folder: Path) -> object:
        from fercli.annotations.reading import read_annotations, read_records

        def unnamed(path: Path) -> object:
            return read_annotations(path)

        notes: list[FerError] = []
        for record in read_records(folder / name, format=form, on_error=notes.append):
            try:
                record.in_pixels()
            except FerError as error:
                notes.append(error)
        assert all(str(note) for note in notes)
        _survives(unnamed, folder / name)
        return read_annotations(folder / name, format=form)

    return read


def _survives(function: Callable[[Path], object], path: Path) -> None:
    with suppress(FerError):
        function(path)


def _check(kind: str, name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from fercli.annotations.opencv_lists import read_background_list
        from fercli.annotations.validate import check_list

        report = check_list(folder / name, kind=kind, workers=1)  # type: ignore[arg-type]
        assert all(str(problem) for problem in report.problems)
        return read_background_list(folder / name) if kind == "bg" else report

    return read


def _yolo_beside(folder: Path) -> None:
    put_image(folder / "set" / "a.png", 1)
    (folder / "set" / "a.txt").write_bytes(YOLO[0])
    (folder / "set" / "classes.txt").write_bytes(YOLO_NAMES[0])


READERS = (
    Reader("info", "info.dat", lambda: INFO, _read_as("info", "info.dat"), two_images, 2),
    Reader("info, checked", "info.dat", lambda: INFO, _check("info", "info.dat"), two_images),
    Reader("bg.txt", "bg.txt", lambda: LIST, _check("bg", "bg.txt"), two_images, 2),
    Reader("CSV of boxes", "boxes.csv", lambda: TABLE, _read_as("csv", "boxes.csv"), two_images,
           2),
    Reader("CVAT", "cvat.xml", lambda: CVAT, _read_as("cvat", "cvat.xml"), two_images),
    Reader("LabelMe", "a.json", lambda: LABELME, _read_as("labelme", "a.json"), two_images),
    Reader("Create ML", "ml.json", lambda: CREATEML, _read_as("createml", "ml.json"), two_images),
    Reader("VIA", "via.json", lambda: VIA, _read_as("via", "via.json"), two_images),
    Reader("Supervisely", "a.png.json", lambda: SUPERVISELY, _read_as("supervisely", "a.png.json"),
           two_images),
    Reader("Label Studio", "tasks.json", lambda: LABEL_STUDIO,
           _read_as("label-studio", "tasks.json"), two_images),
    Reader("counted boxes", "set/a.txt", lambda: INFO_FOLDER, _read_as("info-folder", "set"),
           _yolo_beside),
    Reader("Pascal VOC", "voc/a.xml", lambda: VOC, _read_as("voc", "voc"), two_images, 1.5),
    Reader("YOLO", "set/a.txt", lambda: YOLO, _read_as("yolo", "set"), _yolo_beside),
    Reader("YOLO, classes", "set/classes.txt", lambda: YOLO_NAMES, _read_as("yolo", "set"),
           _yolo_beside),
    Reader("COCO", "boxes.json", lambda: COCO, _read_as("coco", "boxes.json"), two_images, 2),
    Reader("dlib", "boxes.xml", lambda: DLIB, _read_as("dlib", "boxes.xml"), two_images, 1.5),
)  # fmt: skip
