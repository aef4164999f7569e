import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import detector_layers
from fercli.cascade.training.negative_mining import worker
from fercli.cascade.training.negative_mining.worker import (
    BackgroundCache,
    Sweep,
    TileResult,
    tiles_of,
    windows_touching,
)
from fercli.common.errors import ImageError
from fercli.common.parallel import with_notes


def places(tile):
    return [
        (
            tile.layer.scale,
            tile.start_xy[0] + tile.step * column,
            tile.start_xy[1] + tile.step * row,
        )
        for row in range(tile.rows)
        for column in range(tile.columns)
    ]


@pytest.mark.parametrize("most", [50, 1 << 15])
def test_sweeps_hold_every_window_once(most, monkeypatch):
    monkeypatch.setattr(worker, "TILE_WINDOWS", most)
    tiles_of.cache_clear()
    seen = [
        place for sweep in Sweep for tile in tiles_of(sweep, (83, 64), (20, 24), 1.2)
        for place in places(tile)
    ]  # fmt: skip
    scales = {scale: None for scale, _, _ in seen}
    wanted = []
    for tile in (tile for sweep in Sweep for tile in tiles_of(sweep, (83, 64), (20, 24), 1.2)):
        if tile.layer.scale in scales:
            del scales[tile.layer.scale]
            width, height = tile.layer.size_wh
            wanted += [
                (tile.layer.scale, x, y) for x in range(width - 19) for y in range(height - 23)
            ]
    assert sorted(seen) == sorted(wanted)
    tiles_of.cache_clear()


def test_the_first_sweep_is_the_detectors_grid():
    layers = detector_layers((83, 64), (20, 24))
    swept = tiles_of(Sweep.GRID, (83, 64), (20, 24), 1.1)
    assert [tile.layer.scale for tile in swept] == [layer.scale for layer in layers]
    for tile, layer in zip(swept, layers, strict=True):
        assert (tile.step, tile.columns) == (layer.step, layer.columns)
        # cv2 may leave out the last row.
        assert tile.rows - layer.rows in (0, 1)


def test_large_layers_are_cut_into_bands():
    swept = tiles_of(Sweep.GRID, (2000, 1500), (24, 24), 1.1)
    first = [tile for tile in swept if tile.layer.scale == 1]
    assert len(first) > 5
    assert sum(tile.rows for tile in first) == (1500 - 24) // 2 + 1
    assert all(tile.columns * tile.rows < 120_000 for tile in swept)


def test_no_parts_of_images_smaller_than_the_window():
    for sweep in Sweep:
        assert tiles_of(sweep, (23, 400), (24, 24), 1.1) == ()


def test_windows_on_boxes_are_those_that_share_a_pixel():
    (tile,) = (p for p in tiles_of(Sweep.GRID, (60, 50), (24, 24), 4.0) if p.layer.scale == 1)
    box = (30, 26, 4, 3)
    on = windows_touching(tile, (60, 50), (box,))
    slow = np.zeros_like(on)
    canvas = np.zeros((50, 60), bool)
    canvas[26:29, 30:34] = True
    for row in range(tile.rows):
        for column in range(tile.columns):
            slow[row, column] = canvas[2 * row : 2 * row + 24, 2 * column : 2 * column + 24].any()
    assert (on == slow).all()
    assert 0 < on.sum() < on.size


def test_what_is_kept_of_a_tile_holds_no_more_memory_than_it_needs(rng):
    windows = rng.integers(0, 256, (10, 12, 12), np.uint8)
    boxes = rng.integers(0, 50, (10, 4)).astype(np.int32)
    tile = TileResult(0, 0, 0, windows, boxes, 99, 20, used=7)
    tile.drop_used()
    assert tile.used == 0
    assert tile.windows.base is None
    assert tile.windows.tolist() == windows[7:].tolist()
    assert tile.boxes_xywh.tolist() == boxes[7:].tolist()


def test_keeps_as_much_as_the_bound_allows(make_image):
    paths = [make_image(f"{at}.png", 40, 30) for at in range(4)]
    backgrounds = BackgroundCache(memory_bytes=2 * 1200 + 100)
    first = [backgrounds.read(path) for path in paths]
    again = [backgrounds.read(path) for path in paths]
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True, False, False]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_what_was_assumed_about_an_image_is_told_at_each_reading(tmp_path):
    """The task that read it first may be given up: which one it is must not matter."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.arange(600, dtype=np.uint16).reshape(20, 30))
    backgrounds = BackgroundCache(memory_bytes=10_000)
    _, first = with_notes(backgrounds.read, path)
    _, again = with_notes(backgrounds.read, path)
    assert first == again
    assert "scaled to 8 bits" in first["fercli.common.images"]


def test_names_what_cannot_be_read(tmp_path):
    backgrounds = BackgroundCache(memory_bytes=0)
    with pytest.raises(ImageError, match=r"missing\.png"):
        backgrounds.read(tmp_path / "missing.png")
