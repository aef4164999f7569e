import dataclasses

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fercli.cascade.detection.grid import layer_at
from fercli.cascade.detection.scanner import detector_layers
from fercli.cascade.model import (
    Cascade,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
    write_cascade,
)


def accepts_all(size_wh):
    """LBP, whose detector refuses no flat window: it returns all windows that it looks at."""
    stump = WeakClassifier((Node(0, -1, 0, subset=(0,) * 8),), (1.0, 1.0))
    return Cascade("LBP", size_wh, (Stage(0.0, (stump,)),), (LbpFeature(0, 0, 1, 1),))


def windows_of(layers, image_wh):
    boxes = []
    for layer in layers:
        x, y = np.meshgrid(
            layer.step * np.arange(layer.columns), layer.step * np.arange(layer.rows)
        )
        positions = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.int32)
        boxes.append(layer.boxes(positions))
    boxes = np.concatenate(boxes) if boxes else np.empty((0, 4), int)
    # Rounding may move the far side across the border, and cv2 cuts there.
    far = np.minimum(boxes[:, :2] + boxes[:, 2:], image_wh)
    return np.hstack([boxes[:, :2], far - boxes[:, :2]])


sizes = st.tuples(st.integers(3, 40), st.integers(3, 40))


@settings(deadline=None, max_examples=60)
@given(
    image_wh=st.tuples(st.integers(3, 150), st.integers(3, 150)),
    window_wh=sizes,
    scale_factor=st.floats(1.05, 3),
    limits=st.one_of(st.none(), st.tuples(sizes, sizes)),
)
def test_windows_are_those_of_cv2(tmp_path_factory, image_wh, window_wh, scale_factor, limits):
    path = tmp_path_factory.getbasetemp() / "accepts_all.xml"
    write_cascade(path, accepts_all(window_wh), overwrite=True)
    options = {"minSize": limits[0], "maxSize": limits[1]} if limits else {}
    image = np.zeros(image_wh[::-1], np.uint8)
    boxes = cv2.CascadeClassifier(str(path)).detectMultiScale(
        image, scaleFactor=scale_factor, minNeighbors=0, **options
    )
    low, high = limits or (None, None)
    layers = detector_layers(
        image_wh, window_wh, scale_factor=scale_factor, min_size=low, max_size=high
    )
    ours = windows_of(layers, image_wh)
    assert sorted(map(tuple, ours)) == sorted(map(tuple, np.reshape(boxes, (-1, 4))))


def test_the_last_row_that_cv2_leaves_out():
    """49 rows of windows, in 2 stripes of 24 steps of 2 pixels: row 48 is never looked at."""
    (layer,) = detector_layers((81, 68), (20, 20), scale_factor=10)
    assert (layer.columns, layer.rows) == (31, 24)
    assert layer_at(1.0, (81, 68), (20, 20)) == dataclasses.replace(layer, rows=25)


def test_steps_are_two_pixels_below_scale_two():
    layers = detector_layers((480, 360), (24, 24), scale_factor=2)
    assert [(layer.scale, layer.size_wh, layer.step) for layer in layers] == [
        (1.0, (480, 360), 2),
        (2.0, (240, 180), 1),
        (4.0, (120, 90), 1),
        (8.0, (60, 45), 1),
    ]


def test_no_layer_for_images_smaller_than_the_window():
    assert detector_layers((23, 100), (24, 24)) == []


def test_a_factor_without_bounds_gives_one_layer():
    assert len(detector_layers((100, 100), (24, 24), scale_factor=1e308)) == 1
