from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.annotations.base import LabeledBox, Record
from fercli.cascade.samples.from_annotations import (
    crop,
    crop_record,
    is_enlarged,
    is_stretched,
)
from fercli.common.errors import AnnotationError, ImageError


def a_record(path, *boxes, line=3):
    return Record(path, tuple(LabeledBox(*box) for box in boxes), Path("info.dat"), line)


def test_shrinking_averages_areas():
    image = np.array([[0, 10, 90, 90], [20, 30, 90, 90], [0, 0, 50, 60]], np.uint8)
    assert crop(image, (0, 0, 4, 2), (2, 1)).tolist() == [[15, 90]]


def test_a_box_of_the_samples_size_is_copied(rng):
    image = rng.integers(0, 256, (9, 8), np.uint8)
    np.testing.assert_array_equal(crop(image, (2, 1, 5, 6), (5, 6)), image[1:7, 2:7])


@pytest.mark.parametrize(
    ("size_wh", "interpolation"),
    [
        ((8, 6), cv2.INTER_AREA),
        ((24, 20), cv2.INTER_AREA),
        ((25, 20), cv2.INTER_LINEAR_EXACT),
        ((8, 21), cv2.INTER_LINEAR_EXACT),
        ((40, 40), cv2.INTER_LINEAR_EXACT),
    ],
)
def test_areas_only_where_both_sides_are_at_least_the_samples(rng, size_wh, interpolation):
    image = rng.integers(0, 256, (30, 40), np.uint8)
    expected = cv2.resize(image[3:23, 2:26], size_wh, interpolation=interpolation)
    np.testing.assert_array_equal(crop(image, (2, 3, 24, 20), size_wh), expected)


def test_what_lies_outside_the_box_does_not_matter(rng):
    image = rng.integers(0, 256, (30, 40), np.uint8)
    changed = 255 - image
    changed[4:20, 5:30] = image[4:20, 5:30]
    for size_wh in ((10, 10), (50, 50)):
        ours, theirs = (crop(each, (5, 4, 25, 16), size_wh) for each in (image, changed))
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((-1, 0, 5, 5), "within the image of 40x30, found -1 0 5 5"),
        ((0, -1, 5, 5), "within"),
        ((36, 0, 5, 5), "within"),
        ((0, 26, 5, 5), "within"),
        ((0, 0, 41, 1), "within"),
        ((5, 5, 0, 4), "some width and height, found 5 5 0 4"),
        ((5, 5, 4, -2), "some width and height"),
    ],
)
def test_boxes_that_cannot_be_cropped_are_named(box, words):
    with pytest.raises(AnnotationError, match=words):
        crop(np.zeros((30, 40), np.uint8), box, (24, 24))


def test_a_record_gives_its_good_boxes_and_an_error_for_each_other(make_image):
    path = make_image("a.png", 40, 30)
    crops = crop_record(a_record(path, (0, 0, 10, 10), (35, 0, 10, 10), (1, 2, 3, 4)), (4, 4))
    assert crops.boxes_xywh == [(0, 0, 10, 10), (1, 2, 3, 4)]
    assert [sample.shape for sample in crops.samples] == [(4, 4), (4, 4)]
    (error,) = crops.errors
    assert str(error).startswith(f"info.dat:3: box 2 of {path}: wanted a box within the image")
    assert "--skip-bad" in str(error)


def test_a_image_that_cannot_be_read_is_told_with_its_record(tmp_path):
    crops = crop_record(a_record(tmp_path / "none.png", (0, 0, 1, 1)), (4, 4))
    (error,) = crops.errors
    assert isinstance(error, ImageError)
    assert str(error).startswith(f"info.dat:3: {tmp_path}/none.png: wanted an image, found nothing")


def test_a_image_without_boxes_is_not_opened(tmp_path):
    ignored = LabeledBox(0, 0, 5, 5, ignored=True)
    for boxes in ((), (ignored,)):
        crops = crop_record(Record(tmp_path / "none.png", boxes, Path("x.xml")), (4, 4))
        assert (crops.samples, crops.errors) == ([], [])


def test_fractions_of_a_image_are_fractions_of_this_image(make_image):
    path = make_image("a.png", 40, 30)
    record = Record(path, (LabeledBox(0.5, 0, 0.5, 1),), path, normalized=True)
    assert crop_record(record, (4, 4)).boxes_xywh == [(20, 0, 20, 30)]


@pytest.mark.parametrize(
    ("box", "enlarged", "stretched"),
    [
        ((0, 0, 24, 24), False, False),
        ((0, 0, 23, 24), True, False),
        ((0, 0, 26, 24), False, False),
        ((0, 0, 27, 24), False, True),
        ((0, 0, 24, 27), False, True),
    ],
)
def test_what_becomes_of_shapes(box, enlarged, stretched):
    assert is_enlarged(box, (24, 24)) is enlarged
    assert is_stretched(box, (24, 24)) is stretched
    assert is_stretched((0, 0, box[2] * 2, box[3]), (48, 24)) is stretched
