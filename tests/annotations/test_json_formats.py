"""LabelMe, Create ML, VIA, Supervisely, Label Studio: literal files in, boxes out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations.base import AnnotatedImage
from fercli.annotations.formats import FORMATS
from fercli.annotations.reading import detect_format, read_annotations
from fercli.annotations.text_files import number_of
from fercli.common.errors import AnnotationError, FerError

LABELME = {
    "version": "5.2.1",
    "shapes": [
        {"label": "s", "points": [[40, 28], [10, 20]], "shape_type": "rectangle"},
        {"label": "t", "points": [[1, 2], [4, 2], [4, 6]], "shape_type": "polygon"},
        {"label": "t", "points": [[9, 9], [12, 13]], "shape_type": "circle"},
        {"label": "t", "points": [[9, 9]], "shape_type": "point"},
    ],
    "imagePath": "..\\photos\\a.png",
    "imageData": None,
    "imageHeight": 48,
    "imageWidth": 64,
}
CREATEML = [
    {
        "image": "photos/a.png",
        "annotations": [
            {"label": "s", "coordinates": {"x": 25, "y": 24, "width": 30, "height": 8}},
            {"label": "t", "coordinates": {"x": 2.5, "y": 4, "width": 3, "height": 4}},
            {"label": "t", "coordinates": {"x": 9, "y": 9, "width": 10, "height": 10}},
        ],
    }
]


def region(attributes, **shape):
    return {"shape_attributes": shape, "region_attributes": attributes}


REGIONS = [
    region({"kind": "s"}, name="rect", x=10, y=20, width=30, height=8),
    region(
        {"kind": {"t": True, "u": False}}, name="polygon",
        all_points_x=[1, 4, 4], all_points_y=[2, 2, 6],
    ),
    region({"kind": "t"}, name="circle", cx=9, cy=9, r=5),
    region({"kind": "t"}, name="point", cx=9, cy=9),
]  # fmt: skip
VIA = {"a.png99": {"filename": "photos/a.png", "size": 99, "regions": REGIONS}}
SUPERVISELY = {
    "size": {"height": 48, "width": 64},
    "objects": [
        {
            "classTitle": "s",
            "geometryType": "rectangle",
            "points": {"exterior": [[10, 20], [39, 27]], "interior": []},
        },
        {
            "classTitle": "t",
            "geometryType": "polygon",
            "points": {"exterior": [[1, 2], [3, 2], [3, 5]], "interior": []},
        },
        {
            "classTitle": "t",
            "geometryType": "polygon",
            "points": {"exterior": [[4, 4], [13, 13]], "interior": []},
        },
        {"classTitle": "t", "geometryType": "bitmap", "bitmap": {"data": "", "origin": [0, 0]}},
    ],
}


def studio(label, **value):
    size = {"original_width": 64, "original_height": 48}
    return {**size, "type": "x", "value": {**value, "rectanglelabels": [label]}}


STUDIO = [
    {
        "id": 1,
        "data": {"image": "/data/upload/1/0a1b2c3d-a.png"},
        "annotations": [
            {"was_cancelled": True, "result": []},
            {
                "result": [
                    studio("s", x=15.625, y=125 / 3, width=46.875, height=50 / 3, rotation=0),
                    studio("t", points=[[1.5625, 25 / 6], [6.25, 25 / 6], [6.25, 12.5]]),
                    studio("t", x=14.0625, y=18.75, radiusX=7.8125, radiusY=125 / 12),
                    {"type": "choices", "value": {"choices": ["good"]}},
                ]
            },
        ],
    }
]
#: Name of the file, its content: all mean the same boxes.
FILES = {
    "labelme": ("ann/a.json", LABELME),
    "createml": ("data.json", CREATEML),
    "via": ("via.json", VIA),
    "supervisely": ("ann/a.png.json", SUPERVISELY),
    "label-studio": ("tasks.json", STUDIO),
}
SAME = ((10, 20, 30, 8), (1, 2, 3, 4), (4, 4, 10, 10))


@pytest.mark.parametrize("format", FILES)
def test_literal_files(tmp_path, make_image, format, notes):
    image = make_image("photos/a.png", 64, 48)
    name, content = FILES[format]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    assert detect_format(path).name == format
    given = None if format in ("labelme", "createml", "via") else tmp_path / "photos"
    (record,) = FORMATS[format].read(path, given)
    assert record.path.resolve() == image
    assert record.in_pixels().boxes_xywh == SAME
    assert [box.label for box in record.boxes] == ["s", "t", "t"]
    left_out = [note for note in notes() if "left out: 1" in note]
    assert len(left_out) == (format != "createml")


def test_projects_and_tables_of_via(tmp_path):
    project = {"_via_settings": {}, "_via_img_metadata": VIA, "_via_attributes": {}}
    (tmp_path / "project.json").write_text(json.dumps(project))
    by_number = {"a": {**VIA["a.png99"], "regions": dict(enumerate(REGIONS))}}
    (tmp_path / "old.json").write_text(json.dumps(by_number))
    lines = ["filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
             "region_attributes"]  # fmt: skip
    for at, each in enumerate(REGIONS):
        fields = [json.dumps(each[key]).replace('"', '""') for key in each]
        lines.append(f'photos/a.png,99,"{{}}",4,{at},"{fields[0]}","{fields[1]}"')
    lines.append('photos/b.png,99,"{}",0,0,"{}","{}"')
    (tmp_path / "via.csv").write_text("\n".join(lines))
    for name in ("project.json", "old.json", "via.csv"):
        assert detect_format(tmp_path / name).name == "via"
        first, *others = read_annotations(tmp_path / name)
        assert first.boxes_xywh == SAME
        assert [other.boxes_xywh for other in others] == [()] * (name == "via.csv")


def test_json_min_of_label_studio(tmp_path):
    value = {"x": 25, "y": 50, "width": 25, "height": 25, "rotation": 0, "rectanglelabels": ["s"]}
    label = {**value, "original_width": 64, "original_height": 48}
    (tmp_path / "min.json").write_text(json.dumps([{"image": "a.png", "label": [label], "id": 1}]))
    assert read_annotations(tmp_path / "min.json")[0].boxes_xywh == ((16, 24, 16, 12),)


def test_a_box_that_label_studio_turned_by_90_degrees(tmp_path, notes):
    """20 wide and 10 high at (30, 10), turned clockwise around that corner: x 20 to 30."""
    value = studio("s", x=46.875, y=125 / 6, width=31.25, height=125 / 6, rotation=90)
    task = {"data": {"image": "a.png"}, "annotations": [{"result": [value]}, {"result": []}]}
    (tmp_path / "a.json").write_text(json.dumps([task]))
    assert read_annotations(tmp_path / "a.json")[0].boxes_xywh == ((20, 10, 10, 20),)
    assert sum("first used: 1" in note or "around them used: 1" in note for note in notes()) == 2


BROKEN = [
    (
        "labelme",
        {"shapes": [{"label": "s", "points": [[1]]}], "imagePath": "a.png"},
        r"shapes\[0\]",
    ),
    ("labelme", {"shapes": 7, "imagePath": "a.png"}, "no list 'shapes'"),
    ("createml", [{"image": "a.png", "annotations": [{"label": "s"}]}], ":1: Expected image and"),
    ("via", {"a": {"filename": 7, "regions": []}}, ":1: Expected filename and regions"),
    ("via", {"a": {"filename": "a.png", "regions": [{}]}}, ":1: Expected a shape"),
    ("supervisely", {"size": {}, "objects": [{"geometryType": "line"}]}, r"objects\[0\]"),
    ("label-studio", [{"data": {}}], ":1: Expected a task"),
]


@pytest.mark.parametrize(("format", "content", "message"), BROKEN)
def test_malformed_entries_are_named(tmp_path, format, content, message):
    path = tmp_path / "a.png.json"
    path.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=message):
        read_annotations(path, format=format)


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("text", ["", "[", "7", '"x"', "[7]", "{}", "[[]]", '{"shapes": [7]}'])
def test_garbled_files_give_named_errors(tmp_path, format, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    message = ""
    try:
        read_annotations(path, format=format)
    except FerError as error:
        message = str(error)
    assert not message or "a.json" in message


SIDES = st.tuples(*[st.integers(0, 500)] * 2, *[st.integers(1, 500)] * 2)
BOXES = st.lists(SIDES, max_size=4, unique=True).map(tuple)


@given(st.lists(BOXES, min_size=1, max_size=3))
@pytest.mark.parametrize("format", ["createml", "via", "cvat", "csv", "coco", "dlib"])
def test_what_is_written_is_read(tmp_path_factory, format, boxes):
    folder = tmp_path_factory.mktemp("written")
    images = [AnnotatedImage(folder / f"{at}.png", each) for at, each in enumerate(boxes)]
    path = folder / f"boxes{'.xml' if format in ('cvat', 'dlib') else '.json'}"
    FORMATS[format].write(path, images)
    assert read_annotations(path, format=format) == images
    if any(boxes) and format not in ("csv",):
        assert detect_format(path).name == format


@given(BOXES)
@pytest.mark.parametrize("format", ["labelme", "voc"])
def test_what_is_written_for_each_image_is_read(tmp_path_factory, format, boxes):
    folder = tmp_path_factory.mktemp("written")
    (folder / "a.png").write_bytes(b"")
    image = AnnotatedImage(folder / "a.png", boxes)
    FORMATS[format].write_each(folder, image.path.relative_to(folder), image, "s")
    assert read_annotations(folder, format=format) == [image]


def test_a_number_too_long_for_a_float_is_refused_by_name():
    with pytest.raises(ValueError, match="hundreds of digits"):
        number_of(10**400)
