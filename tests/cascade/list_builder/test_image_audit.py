import cv2
import numpy as np
import pytest

from fercli.annotations.base import LabeledBox, Record
from fercli.cascade.list_builder.image_audit import (
    AuditedImage,
    LeftOut,
    Sample,
    audit_negatives,
    audit_positives,
    digest_of,
    without_duplicates,
    without_equals,
)
from fercli.cascade.list_builder.options import BoxRules


@pytest.fixture
def image(make_image):
    return make_image("a.png", 64, 48)


def record(path, *boxes, **options):
    return Record(path, tuple(LabeledBox(*box) for box in boxes), path, **options)


def positives(*records, rules=None, **options):
    return list(audit_positives(records, rules or BoxRules(), **options))


def test_boxes_are_fitted_and_their_pixels_digested(image):
    (found,) = positives(record(image, (1, 2, 10, 20), (60, 0, 8, 8)))
    pixels = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    assert found.size_wh == (64, 48)
    assert found.digest == digest_of(pixels)
    assert found.samples == (
        Sample((1, 2, 10, 20), digest_of(pixels[2:22, 1:11])),
        Sample((60, 0, 4, 8), digest_of(pixels[:8, 60:]), clipped=True),
    )


def test_rules(image):
    rules = BoxRules((24, 24), 0.5, (20, 20))
    (found,) = positives(record(image, (20, 20, 10, 5), (0, 0, 4, 4), (0, 9, 60, 8)), rules=rules)
    assert [(s.box_xywh, s.stretched) for s in found.samples] == [
        ((15, 13, 20, 20), False),
        ((0, 0, 64, 48), True),
    ]
    assert found.left_out == (LeftOut(image, "too small", "8x8", (0, 0, 4, 4)),)


def test_boxes_that_cannot_be_used_say_why(image):
    boxes = [(0, 0, 0, 5), (100, 0, 5, 5), (5, 5, -1, 3)]
    (found,) = positives(record(image, *boxes))
    assert not found.samples
    assert [(each.reason, each.box_xywh, each.detail) for each in found.left_out] == [
        ("empty box", boxes[0], "the image is 64x48"),
        ("box outside the image", boxes[1], "the image is 64x48"),
        ("empty box", boxes[2], "the image is 64x48"),
    ]


def test_boxes_to_be_ignored_are_listed(image):
    boxes = (LabeledBox(0, 0, 9, 9, ignored=True), LabeledBox(20, 20, 9, 9))
    (found,) = positives(Record(image, boxes, image))
    assert [sample.box_xywh for sample in found.samples] == [(20, 20, 9, 9)]
    assert found.left_out == (
        LeftOut(image, "to be ignored", "as the annotations say", (0, 0, 9, 9)),
    )


def test_a_broken_image_or_record_never_ends_the_survey(tmp_path, image):
    broken, empty = tmp_path / "b.png", tmp_path / "c.png"
    broken.write_bytes(image.read_bytes()[:200])
    empty.touch()
    paths = [image, broken, empty, tmp_path, tmp_path / "none.png", image]
    records = [record(path, (0, 0, 1, 1), normalized=True) for path in paths]
    found = positives(*records)
    assert [getattr(each, "reason", "fine") for each in found] == [
        "fine", "unreadable", "unreadable", "unreadable", "unreadable", "fine",
    ]  # fmt: skip
    assert found[4] == LeftOut(
        tmp_path / "none.png", "unreadable", "Expected an image, found nothing of that name"
    )


@pytest.mark.parametrize("wrong", [(0, 0, float("nan"), 1), (1e99, 0, 5, 5)])
def test_a_malformed_box_costs_no_other(image, wrong):
    (found,) = positives(record(image, (1, 2, 3, 4), wrong, (5, 6, 7, 8)))
    assert [sample.box_xywh for sample in found.samples] == [(1, 2, 3, 4), (5, 6, 7, 8)]
    detail = f"Expected a box in pixels, got {' '.join(map(str, wrong))}"
    assert found.left_out == (LeftOut(image, "malformed annotation", detail),)


def test_boxes_of_one_gray_level_teach_nothing(tmp_path):
    pixels = np.full((20, 20), 99, np.uint8)
    pixels[0, 0] = 98
    path = tmp_path / "flat.png"
    cv2.imwrite(str(path), pixels)
    (found,) = positives(record(path, (0, 0, 20, 20), (1, 0, 9, 9)))
    assert [sample.box_xywh for sample in found.samples] == [(0, 0, 20, 20)]
    assert found.left_out == (LeftOut(path, "one gray level", "9x9", (1, 0, 9, 9)),)


def test_boxes_that_are_found_replace_those_that_are_annotated(image):
    (found,) = positives(record(image, (0, 0, 5, 5)), find_boxes=lambda pixels: [(1, 1, 9, 9)])
    assert [sample.box_xywh for sample in found.samples] == [(1, 1, 9, 9)]


def test_the_order_is_that_of_the_records_whatever_the_number_of_workers(make_image):
    paths = [make_image(f"{number}.png", 10 + number, 10) for number in range(40)]
    records = [record(path, (0, 0, 1, 1), normalized=True) for path in paths]
    one, two = (positives(*records, workers=workers) for workers in (1, 2))
    assert one == two
    assert [each.path for each in one] == paths


def test_duplicates_are_boxes_of_the_same_pixels(tmp_path, image, make_image):
    copy = tmp_path / "copy.bmp"
    cv2.imwrite(str(copy), cv2.imread(str(image), cv2.IMREAD_GRAYSCALE))
    box, other = (0, 0, 20, 20), (0, 0, 21, 20)
    found = positives(
        record(image, box, box), record(copy, box, other), record(make_image("c.png"), box)
    )
    kept = list(without_duplicates(found))
    assert [[sample.box_xywh for sample in each.samples] for each in kept] == [
        [box],
        [other],
        [box],
    ]
    duplicate = LeftOut(image, "duplicate", f"the same pixels as in {image}", box)
    assert kept[0].left_out == (duplicate,)
    assert kept[1].left_out[0].path == copy


def test_digests_tell_shapes_apart():
    pixels = np.zeros((4, 6), np.uint8)
    assert digest_of(pixels) != digest_of(pixels.reshape(6, 4))
    assert digest_of(pixels[:, ::2]) == digest_of(pixels[:, ::2].copy())


def test_negatives(image, make_image, tmp_path):
    small = make_image("small.png", 20, 40)
    paths = [image, small, tmp_path / "none.png"]
    found = list(audit_negatives(paths, window_wh=(24, 24)))
    assert isinstance(found[0], AuditedImage)
    assert found[1] == LeftOut(small, "smaller than the window", "20x40")
    assert found[2].reason == "unreadable"
    (found,) = audit_negatives([image], find_boxes=lambda pixels: [(1, 2, 3, 4), (5, 6, 7, 8)])
    assert found == LeftOut(image, "seems to hold the object", "2 found, one at 1 2 3 4")


def test_negatives_that_are_positives_or_came_before(image, make_image):
    other = make_image("other.png")
    (object_,) = positives(record(image, (0, 0, 5, 5)))
    found = list(audit_negatives([image, other, other]))
    assert [getattr(each, "reason", "fine") for each in without_equals(found, [object_])] == [
        "also a positive",
        "fine",
        "duplicate",
    ]
