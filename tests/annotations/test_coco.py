import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations import coco
from fercli.annotations.base import AnnotatedImage, Reason
from fercli.annotations.reading import read_annotations
from fercli.common.errors import AnnotationError

CONTENT = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}],
    "annotations": [
        {"image_id": 9, "bbox": [1.4, 2.5, 3.0, 4], "category_id": 1, "iscrowd": 0},
        {"image_id": 9, "bbox": [0, 0, 5, 5], "category_id": 2, "iscrowd": 1},
        {"image_id": 9, "bbox": [10, 0, 5, 5], "category_id": 2},
    ],
    "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "dog"}],
}


def write(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_by_hand(tmp_path):
    path = write(tmp_path, CONTENT)
    assert read_annotations(path) == [
        AnnotatedImage(tmp_path / "a.png", ()),
        AnnotatedImage(tmp_path / "b.png", ((1, 3, 3, 4), (10, 0, 5, 5)), ((0, 0, 5, 5),)),
    ]
    assert read_annotations(path, labels=["dog"])[1].boxes_xywh == ((10, 0, 5, 5),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply|is not JSON"),
        ("[]", "it has no list 'images'"),
        ("null", "it has no list 'images'"),
        ({"images": []}, "it has no list 'annotations'"),
        ({"images": [7], "annotations": []}, r"images\[0\]: Expected a number or text as id"),
        ({"images": [{"id": 1}], "annotations": []}, r"images\[0\]: Expected the file_name"),
        ({"images": [CONTENT["images"][0]] * 2, "annotations": []}, "got 7 twice"),
        ({**CONTENT, "annotations": [None]}, r"annotations\[0\]: .* as image_id"),
        ({**CONTENT, "annotations": [{"image_id": 1}]}, "no image with the id 1"),
        ({**CONTENT, "annotations": [{"image_id": 7}]}, "Expected bbox .* got None"),
        ({**CONTENT, "annotations": [{"image_id": 7, "bbox": [1, 2, 3]}]}, "got .1, 2, 3."),
        ({**CONTENT, "annotations": [{"image_id": 7, "bbox": [1, 2, 3, True]}]}, "Expected bbox"),
        ({**CONTENT, "annotations": [{"image_id": 7, "bbox": [1, 2, 3, 1e999]}]}, "in pixels"),
    ],
)
def test_malformed_entries_are_named(tmp_path, content, message):
    with pytest.raises(AnnotationError, match=message):
        read_annotations(write(tmp_path, content))


def test_one_who_may_go_on_loses_the_malformed_entries_alone(tmp_path, complaints):
    content = {**CONTENT, "annotations": [*CONTENT["annotations"], {"image_id": 9}]}
    assert len(coco.read(write(tmp_path, content), None, complaints)[1].boxes) == 3
    assert len(complaints) == 1


def test_numbers_of_thousands_of_digits(tmp_path):
    with pytest.raises(AnnotationError, match="JSON that can be read"):
        read_annotations(write(tmp_path, '{"images": [' + "9" * 5000 + "]}"))


def test_written_sizes_are_those_of_the_images(tmp_path):
    coco.write(tmp_path / "a.json", [AnnotatedImage(tmp_path / "a.png", (), size_wh=(6, 4))])
    image = json.loads((tmp_path / "a.json").read_text())["images"][0]
    assert image == {"id": 1, "file_name": "a.png", "width": 6, "height": 4}


boxes = st.tuples(*[st.integers(-1000, 10_000)] * 4)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"))


@given(
    st.dictionaries(
        names.map("f{}.png".format),
        st.tuples(st.lists(boxes, max_size=3).map(tuple), st.lists(boxes, max_size=2).map(tuple)),
        max_size=5,
    )
)
def test_round_trip(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("coco")
    written = [AnnotatedImage(folder / name, *both) for name, both in content.items()]
    coco.write(folder / "a.json", written)
    assert read_annotations(folder / "a.json") == written


def test_ids_that_are_texts_and_categories_that_are_empty(tmp_path, notes):
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps(
            {
                "images": [{"id": "x7", "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
                "annotations": [
                    {"id": 1, "image_id": "x7", "category_id": "1", "bbox": ["1", 2, 3, 4]},
                    {"id": 2, "image_id": "8", "category_id": None, "bbox": [5, 6, 7, 8]},
                    {"id": 3, "image_id": 8.0, "category_id": "", "bbox": [5, 6, 7, 9]},
                ],
                "categories": [{"id": 1, "name": "sign"}, {}],
            }
        )
    )
    first, second = coco.read(path)
    assert [(b.label, b.rounded()) for b in first.boxes] == [("sign", (1, 2, 3, 4))]
    assert [b.label for b in second.boxes] == ["", ""]
    assert [b.rounded() for b in second.boxes] == [(5, 6, 7, 8), (5, 6, 7, 9)]
    assert notes() == [f"{path}: boxes without a category: 2"]


def test_fractions_of_azure(tmp_path, make_image, notes):
    make_image("a.png", 64, 48)
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
                "annotations": [{"image_id": 1, "bbox": [0.25, 0.5, 0.25, 0.25]}],
                "categories": [],
            }
        )
    )
    assert read_annotations(path)[0].boxes_xywh == ((16, 24, 16, 12),)
    assert notes() == [f"{path}: boxes given as fractions of their images: 1"]


def test_segmentations_without_a_box(tmp_path, notes):
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png"}],
                "annotations": [
                    {"image_id": 1, "segmentation": [[1, 2, 4, 2, 4, 6], [3, 3, 5, 3]]}
                ],
            }
        )
    )
    assert read_annotations(path)[0].boxes_xywh == ((1, 2, 4, 4),)
    assert "polygons without a bbox, their bounding boxes used: 1" in notes()[0]


@pytest.mark.parametrize(
    ("boxes", "told"),
    [
        ([[60, 50, 90, 75], [10, 20, 40, 60]], 1),  # 60 + 90 > 100; to x 90, y 75 it fits
        ([[60, 50, 30, 25], [10, 20, 30, 40]], 0),  # the same as corner and size
        ([[60, 50, 90, 75], [60, 50, 30, 25]], 0),  # the second cannot be corners
        ([[60, 50, 120, 75]], 0),  # fits neither way
    ],
)
def test_boxes_that_seem_to_be_corners_are_told(tmp_path, notes, boxes, told):
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}],
        "annotations": [{"image_id": 1, "bbox": box} for box in boxes],
    }
    (image,) = read_annotations(write(tmp_path, content))
    assert image.boxes_xywh == tuple(map(tuple, boxes))
    assert [note for note in notes() if f"two corners all fit: {told}" in note] == (
        [f"{tmp_path / 'a.json'}: boxes that leave their images, taken as x, y, width, height; "
         "as two corners all fit: 1"] if told else []
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rotation", "box", "told"),
    [
        (90.0, (15, 15, 10, 30), True),
        ("0.0", (5, 25, 30, 10), False),
        ("left", (5, 25, 30, 10), False),
    ],
)
def test_boxes_that_were_turned_in_cvat(tmp_path, notes, rotation, box, told):
    """Its COCO has the box as it was drawn first, and the angle beside it."""
    turned = {"image_id": 1, "bbox": [5, 25, 30, 10], "attributes": {"rotation": rotation}}
    content = {"images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}],
               "annotations": [turned]}  # fmt: skip
    (image,) = read_annotations(write(tmp_path, content))
    assert image.boxes_xywh == (box,)
    assert ["rotated boxes, the boxes around them used: 1" in note for note in notes()] == (
        [True] if told else []
    )


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ({}, 0),
        ({"iscrowd": 1}, Reason.IGNORED),
        ({"iscrowd": "0", "ignore": "0", "difficult": "0"}, 0),
        ({"ignore": 1}, Reason.IGNORED),
        ({"ignore": 1, "difficult": 1}, Reason.DIFFICULT),
        ({"iscrowd": 1, "ignore": 1, "difficult": 1}, Reason.IGNORED | Reason.DIFFICULT),
    ],
)
def test_why_boxes_are_not_counted(tmp_path, marks, reason):
    box = {"image_id": 1, "bbox": [1, 2, 3, 4], **marks}
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [box]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (record,) = coco.read(tmp_path / "a.json")
    assert record.boxes[0].ignored == reason
