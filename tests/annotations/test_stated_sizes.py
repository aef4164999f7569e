"""Sizes that files state, against the images: turned, scaled and other ones."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.annotations.base import LabeledBox
from fercli.annotations.image_paths import exif_orientation, image_size
from fercli.annotations.opencv_lists import write_info
from fercli.annotations.reading import read_annotations
from fercli.common.errors import AnnotationError, FerError
from fercli.common.images import read_gray

#: A box of 4x2 in a stored image of 20x10, where only it is white.
STORED, BOX = (20, 10), (3, 1, 4, 2)


def photo(path, orientation=1, size=STORED, suffix="JPEG"):
    """Write an image, white in BOX, with an EXIF orientation."""
    pixels = np.zeros((size[1], size[0]), np.uint8)
    x, y, width, height = BOX
    pixels[y : y + height, x : x + width] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.kron(pixels, np.ones((8, 8), np.uint8))).save(
        path, suffix, quality=100, exif=exif.tobytes()
    )
    return path


def coco(tmp_path, width, height, bbox, name="a.jpg"):
    content = {
        "images": [{"id": 1, "file_name": name, "width": width, "height": height}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": bbox}],
        "categories": [{"id": 1, "name": "sign"}],
    }
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [  # by hand: EXIF 2.3, table of orientations
        (1, (3, 1, 4, 2)),
        (2, (13, 1, 4, 2)),
        (3, (13, 7, 4, 2)),
        (4, (3, 7, 4, 2)),
        (5, (1, 3, 2, 4)),
        (6, (7, 3, 2, 4)),
        (7, (7, 13, 2, 4)),
        (8, (1, 13, 2, 4)),
    ],
)
def test_a_box_of_the_stored_image_is_turned_as_the_image_is(tmp_path, orientation, wanted):
    assert LabeledBox(*BOX).turned(orientation, STORED).rounded() == wanted
    gray = read_gray(photo(tmp_path / "a.jpg", orientation))
    white = cv2.boundingRect((gray > 128).astype(np.uint8))
    assert tuple(side // 8 for side in white) == wanted  # as the decoder turns it
    assert exif_orientation(tmp_path / "a.jpg") == orientation
    assert image_size(tmp_path / "a.jpg") == (gray.shape[1], gray.shape[0])


def test_images_turned_after_they_were_annotated(tmp_path, notes):
    photo(tmp_path / "a.jpg", 6)  # 160x80 stored, 80x160 upright
    path = coco(tmp_path, 160, 80, [24, 8, 32, 16])
    (image,) = read_annotations(path)
    assert image.boxes_xywh == ((56, 24, 16, 32),)
    (note,) = notes()
    assert note == (
        f"{path}: images turned by EXIF after they were annotated, boxes turned with them: 1: "
        f"{tmp_path / 'a.jpg'}, 160x80 stated, 80x160 found"
    )


@pytest.mark.parametrize(
    ("orientation", "size", "said"), [(1, STORED, 0), (3, STORED, 1), (6, (20, 20), 1)]
)
def test_images_turned_without_another_size(tmp_path, orientation, size, said, notes):
    """Whether boxes are of the stored or the upright image cannot be told: it is said."""
    photo(tmp_path / "a.jpg", orientation, size)
    path = coco(tmp_path, 8 * size[0], 8 * size[1], [24, 8, 32, 16])
    assert read_annotations(path)[0].boxes_xywh == ((24, 8, 32, 16),)
    kind = "images turned by EXIF without another size, boxes taken as drawn upright: 1"
    assert sum(kind in note for note in notes()) == said


def test_scaled_copies(tmp_path, make_image, notes):
    make_image("a.png", 32, 24)
    (image,) = read_annotations(coco(tmp_path, 64, 48, [10, 20, 30, 8], "a.png"))
    assert image.boxes_xywh == ((5, 10, 15, 4),)
    assert "images of another size than stated, boxes scaled: 1" in notes()[0]


def test_a_turned_copy_that_was_scaled(tmp_path):
    photo(tmp_path / "a.jpg", 6)
    (image,) = read_annotations(coco(tmp_path, 320, 160, [48, 16, 64, 32]))
    assert image.boxes_xywh == ((56, 24, 16, 32),)


@pytest.mark.parametrize(
    ("size", "found"), [((48, 64), "swapped without EXIF"), ((64, 40), "another shape")]
)
def test_sizes_that_do_not_agree_are_refused(tmp_path, make_image, size, found):
    make_image("a.png", 64, 48)
    path = coco(tmp_path, *size, [1, 2, 3, 4], "a.png")
    with pytest.raises(AnnotationError, match=f"states a size of {size[0]}x{size[1]} for .*64x48"):
        read_annotations(path)


@pytest.mark.parametrize("size", [(64, 48), (0, 0), (None, None), ("64", "48"), (64.0, 48)])
def test_sizes_that_agree_or_are_not_stated(tmp_path, make_image, size, notes):
    make_image("a.png", 64, 48)
    (image,) = read_annotations(coco(tmp_path, *size, [1, 2, 3, 4], "a.png"))
    assert image.boxes_xywh == ((1, 2, 3, 4),)
    assert notes() == []


def test_an_image_that_is_missing_is_left_to_those_who_open_it(tmp_path):
    (image,) = read_annotations(coco(tmp_path, 640, 480, [1, 2, 3, 4], "gone.png"))
    assert image.boxes_xywh == ((1, 2, 3, 4),)


STATED = {
    "boxes.csv": "filename,width,height,xmin,ymin,xmax,ymax,class\na.png,64,48,10,20,40,28,sign\n",
    "a.xml": "<annotation><filename>a.png</filename><size><width>64</width><height>48</height>"
    "</size><object><name>sign</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax>"
    "<ymax>28</ymax></bndbox></object></annotation>",
    "d.xml": "<dataset><images><image file='a.png' width='64' height='48'>"
    "<box left='10' top='20' width='30' height='8'/></image></images></dataset>",
    "c.xml": "<annotations><image name='a.png' width='64' height='48'>"
    "<box label='sign' xtl='10' ytl='20' xbr='40' ybr='28'/></image></annotations>",
    "a.json": json.dumps(
        {
            "shapes": [
                {"label": "sign", "points": [[10, 20], [40, 28]], "shape_type": "rectangle"}
            ],
            "imagePath": "a.png",
            "imageWidth": 64,
            "imageHeight": 48,
        }
    ),
    "a.png.json": json.dumps(
        {
            "size": {"width": 64, "height": 48},
            "objects": [
                {
                    "classTitle": "sign",
                    "geometryType": "rectangle",
                    "points": {"exterior": [[10, 20], [39, 27]], "interior": []},
                }
            ],
        }
    ),
    "tasks.json": json.dumps(
        [
            {
                "data": {"image": "a.png"},
                "annotations": [
                    {
                        "result": [
                            {
                                "original_width": 64,
                                "original_height": 48,
                                "value": {
                                    "x": 15.625,
                                    "y": 125 / 3,
                                    "width": 46.875,
                                    "height": 50 / 3,
                                    "rectanglelabels": ["sign"],
                                },
                            }
                        ]
                    }
                ],
            }
        ]
    ),
}


@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize(
    ("size", "wanted"), [((64, 48), (10, 20, 30, 8)), ((32, 24), (5, 10, 15, 4)), ((48, 64), None)]
)
def test_all_formats_that_state_a_size(tmp_path, make_image, name, size, wanted):
    make_image("a.png", *size)
    (tmp_path / name).write_text(STATED[name])
    if wanted is None:
        with pytest.raises(FerError, match="states a size of 64x48"):
            read_annotations(tmp_path / name)
    else:
        (image,) = read_annotations(tmp_path / name)
        assert image.boxes_xywh == (wanted,)


def test_info_files_state_none(tmp_path, make_image):
    make_image("a.png")
    (tmp_path / "info.dat").write_text("a.png 1 1 2 3 4\n")
    images = read_annotations(tmp_path / "info.dat")
    write_info(tmp_path / "again.dat", images)
    assert (tmp_path / "again.dat").read_text() == "a.png 1 1 2 3 4\n"
