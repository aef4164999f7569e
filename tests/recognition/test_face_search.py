"""Faces of images: search, tracking around a box, joining windows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.detector import Detector
from fercli.cascade.detection.grid import layer_at
from fercli.cascade.detection.scanner_kernels import sample_tiles
from fercli.cascade.model import bundled_cascade, read_cascade, write_cascade
from fercli.recognition import face_search
from fercli.recognition.face_search import (
    SAME_FACE,
    FaceSearch,
    merge_windows,
    overlap,
    unlike,
    without_duplicates,
)

#: Arguments that all searches here have in common.
USUAL = {"scale_factor": 1.1, "min_neighbors": 3}


@pytest.fixture(scope="module")
def search():
    """A search whose own scanner is ready."""
    search = FaceSearch(Detector(bundled_cascade()))
    search.load()
    return search


@pytest.fixture(scope="module")
def group(portrait):
    """Her face in four sizes, one of them turned to the other side."""
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    image = np.full((480, 640), 110, np.uint8)
    for x, y, scale in ((0, 0, 1.0), (260, 20, 0.6), (440, 10, 1.0), (20, 280, 0.4)):
        face = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        face = face[:, ::-1] if x == 440 else face
        part = image[y : y + face.shape[0], x : x + face.shape[1]]
        part[:] = face[: part.shape[0], : part.shape[1]]
    return image


def boxes(*values):
    return np.array(values, np.int32).reshape(-1, 4)


def test_shares_of_boxes_by_hand():
    others = boxes((5, 0, 10, 10), (20, 0, 10, 10), (0, 0, 40, 40))
    assert overlap(np.int32([0, 0, 10, 10]), others).tolist() == [0.5, 0, 1]
    assert len(without_duplicates(boxes((0, 0, 40, 40), (1, 1, 10, 10), (30, 0, 40, 40)))) == 2
    assert without_duplicates(boxes()).shape == (0, 4)


def test_windows_that_share_a_face_are_joined():
    windows = boxes((90, 90, 20, 20), (0, 0, 40, 40), (4, 0, 44, 40), (8, 0, 48, 40))
    assert merge_windows(windows).tolist() == [[4, 0, 44, 40], [90, 90, 20, 20]]
    assert merge_windows(boxes()).shape == (0, 4)


def merged_slowly(windows):
    means, left = [], windows
    while len(left):
        same = np.array([overlap(box, left) > SAME_FACE for box in left])
        largest = same[int(same.sum(axis=1).argmax())]
        means.append(left[largest].mean(axis=0))
        left = left[~largest]
    return np.rint(np.array(means).reshape(-1, 4)).astype(np.int32)


@pytest.mark.parametrize("size", [20, 60])
def test_windows_are_joined_as_by_comparing_again_for_each_group(rng, monkeypatch, size):
    corners, sides = rng.integers(0, 300, (200, 2)), rng.integers(size // 2, 2 * size, (200, 1))
    windows = np.hstack([corners, sides, sides]).astype(np.int32)
    expected = merged_slowly(windows)
    compared = []
    monkeypatch.setattr(face_search, "overlap", lambda *args: compared.append(1) or overlap(*args))
    assert merge_windows(windows).tolist() == expected.tolist()
    assert len(expected) > 5
    assert len(compared) == len(windows)


def test_boxes_that_are_of_other_faces():
    some = boxes((0, 0, 40, 40), (100, 0, 40, 40))
    assert unlike(some, boxes((4, 4, 40, 40))).tolist() == [[100, 0, 40, 40]]
    assert unlike(some, boxes()).tolist() == some.tolist()
    assert unlike(boxes(), some).shape == (0, 4)


@pytest.mark.parametrize("side", [640, 400])
def test_the_exact_search_finds_what_detect_multi_scale_finds(search, group, side):
    fresh = FaceSearch(search._detector)  # has no scanner yet, so OpenCV searches
    options = {**USUAL, "side": side, "min_face": 30}
    expected = fresh.exact(group, **options)
    assert len(expected) >= 4
    assert search.exact(group, **options).tolist() == expected.tolist()


def test_the_quick_search_finds_the_faces_of_the_exact_one(search, group):
    options = {**USUAL, "side": 640, "min_face": 30}
    exact, quick = search.exact(group, **options), search.quick(group, **options)
    assert not len(unlike(exact, quick))
    assert not len(unlike(quick, exact))
    assert quick.tolist() == search.quick(group.copy(), **options).tolist()
    half = search.quick(group, **USUAL, side=320, min_face=80)
    assert len(half) == 2  # the two large ones
    assert not len(unlike(half, exact))


@pytest.mark.parametrize("min_face", [80, 86, 92, 98])
def test_faces_near_the_smallest_size_are_as_large_as_in_the_exact_search(search, group, min_face):
    options = {**USUAL, "side": 640, "min_face": min_face}
    exact, quick = search.exact(group, **options), search.quick(group, **options)
    assert len(exact)
    assert not len(unlike(exact, quick))
    assert quick[:, 2].min() >= min_face


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (23, 23), (24, 24), (30, 900)])
def test_nothing_is_found_where_there_is_no_room_or_no_contrast(search, shape):
    gray = np.full(shape, 90, np.uint8)
    options = {**USUAL, "side": 640, "min_face": 24}
    assert search.quick(gray, **options).shape == search.exact(gray, **options).shape == (0, 4)
    assert search.track(gray, [(0, 0, 24, 24), (-900, 5, 30, 30)], **USUAL).shape == (0, 4)


def test_faces_are_tracked_from_where_they_were(search, group):
    found = search.quick(group, **USUAL, side=640, min_face=30)
    shift = np.int32([6, -4, 3, 3])
    near = search.track(group, found + shift * found[:, 2:3] // 60, **USUAL)
    assert not len(unlike(found, near))
    assert len(near) == len(found)
    elsewhere = found + np.int32([0, 200, 0, 0])
    assert search.track(group, elsewhere, **USUAL).shape == (0, 4)
    assert search.track(group, boxes(), **USUAL).shape == (0, 4)


def test_threads_share_a_search(search, group):
    options = {**USUAL, "side": 640, "min_face": 30}
    expected = search.quick(group, **options).tolist()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: search.quick(group, **options).tolist(), range(8)))
    assert found == [expected] * 8


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_windows_that_are_not_square_are_looked_for_in_their_own_shape(
    face_cascade, tmp_path, portrait, shape
):
    cascade = read_cascade(face_cascade)
    width, height = cascade.size_wh
    tall = shape == "tall"
    # The face is in the upper or left half; what is in the other does not matter.
    size = (width, 2 * height) if tall else (2 * width, height)
    write_cascade(tmp_path / "half.xml", replace(cascade, size_wh=size))
    search = FaceSearch(Detector(tmp_path / "half.xml"))
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    gray = cv2.copyMakeBorder(gray, 0, 180, 0, 240, cv2.BORDER_REPLICATE)
    x, y, side = 68, 60, 90
    box = (x, y, side, 2 * side) if tall else (x, y, 2 * side, side)
    min_face = 60 if tall else 120
    for found in (
        search.track(gray, [box], **USUAL),
        search.quick(gray, **USUAL, side=640, min_face=min_face),
        search.exact(gray, **USUAL, side=640, min_face=min_face),
    ):
        assert len(found)
        assert overlap(np.int32(box), found).max() > 0.7
    assert len(search.track(0 * gray + 90, [box], scale_factor=1.1, min_neighbors=0)) == 0


@pytest.fixture(scope="module")
def search_of_two(face_cascade):
    """A search by fer's own cascade of 24 pixels and by an LBP cascade."""
    search = FaceSearch(Detector([bundled_cascade(), face_cascade]))
    search.load()
    return search


def test_several_cascades_find_the_faces_of_each_once(search, search_of_two, group):
    area = {"side": 640, "min_face": 40}
    face = search.exact(group, **USUAL, **area)[:1]
    for one, two in (
        (search.exact(group, **USUAL, **area), search_of_two.exact(group, **USUAL, **area)),
        (search.quick(group, **USUAL, **area), search_of_two.quick(group, **USUAL, **area)),
        (search.track(group, face, **USUAL), search_of_two.track(group, face, **USUAL)),
    ):  # fmt: skip
        assert len(one)
        assert len(unlike(one, two)) == 0
        assert without_duplicates(two).tolist() == two.tolist()


def test_the_exact_search_of_several_is_that_of_the_detector(search_of_two, group):
    for min_neighbors in (0, 3):
        found = search_of_two.exact(
            group, side=640, min_face=40, scale_factor=1.1, min_neighbors=min_neighbors
        )
        grouped = search_of_two._detector.detect(
            group, min_size_wh=(40, 40), min_neighbors=max(min_neighbors, 1)
        )
        assert len(unlike(grouped.boxes_xywh, found)) == 0
        if min_neighbors:
            assert {*map(tuple, found.tolist())} <= {*map(tuple, grouped.boxes_xywh.tolist())}


def test_tiles_are_scanned_as_the_layers_of_an_image(search, group):
    """At whole positions of the image itself, sampling changes nothing."""
    scanner = search._ready()[0]._whole
    small = cv2.resize(group, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    whole = scanner.scan_layer(small, 2, columns=60, rows=40).positions_xy // 2
    corners = np.array([(x, y) for y in range(0, 40, 10) for x in range(0, 60, 10)])
    found = scanner.scan_tiles(small, corners * 2, np.ones((len(corners), 2)), positions=10)
    positions = corners[found[:, 0]] + found[:, 1:]
    assert sorted(positions.tolist()) == sorted(whole.tolist())
    assert len(whole) > 2


def test_tiles_are_sampled_by_bilinear_interpolation():
    image = np.array([[0, 100, 200], [40, 140, 240], [80, 180, 255]], np.uint8)
    tiles, outside = np.zeros((2, 2, 2), np.uint8), np.zeros(2, np.bool_)
    sample_tiles(image, np.array([(0, 0), (2, 0)]), np.full((2, 2), 1.5), tiles, outside)
    # 0.25 and 1.75 of a pixel from the first; beyond the image
    assert tiles[0].tolist() == [[35, 185], [95, 231]]
    assert outside.tolist() == [False, True]


@pytest.mark.parametrize("scale", [1.0, 1.1, 1.5, 2.14358881, 3.7])
def test_tiles_are_sampled_as_the_detector_resizes_the_image(rng, scale):
    image = cv2.GaussianBlur(rng.integers(0, 256, (361, 637), np.uint8), (3, 3), 0)
    layer = layer_at(scale, (637, 361), (24, 24))
    width, height = layer.size_wh
    corners = np.column_stack([rng.integers(0, width - 29, 8), rng.integers(0, height - 29, 8)])
    tiles, outside = np.zeros((8, 30, 30), np.uint8), np.zeros(8, np.bool_)
    ratios = np.tile([637 / width, 361 / height], (8, 1))
    sample_tiles(image, corners, ratios, tiles, outside)
    resized = layer.resize(image)
    for tile, (x, y) in zip(tiles, corners, strict=True):
        assert (tile == resized[y : y + 30, x : x + 30]).all()


def test_what_is_found_near_a_face_are_windows_of_the_exact_search(search, group):
    one = search._ready()[0]
    face = search.exact(group, **USUAL, side=640, min_face=30)[:1]
    every = {tuple(box) for box in one.all(group, 1.1, 24, 1).tolist()}
    near = one.near(group, face, 1.22, 1.1, 1, 24)
    assert len(near) > 20
    # The exact search leaves out windows after those that the first stage rejects.
    assert len({tuple(box) for box in near.tolist()} - every) < len(near) / 10
