import numpy as np

from fercli.cascade.detection.grid import layer_at
from fercli.cascade.training.negative_mining.worker import TileResult


def test_what_is_kept_of_a_tile_holds_no_more_memory_than_it_needs(rng):
    windows = rng.integers(0, 256, (10, 12, 12), np.uint8)
    positions = rng.integers(0, 50, (10, 2)).astype(np.int32)
    tile = TileResult(0, 0, layer_at(1.0, (64, 64), (12, 12)), windows, positions, 99, 20, used=7)
    tile.drop_used()
    assert tile.used == 0
    assert tile.windows.base is None
    assert tile.windows.tolist() == windows[7:].tolist()
    assert tile.positions_xy.tolist() == positions[7:].tolist()
