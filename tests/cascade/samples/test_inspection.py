import json

import numpy as np
import pytest

from fercli.cascade.samples import inspection
from fercli.cascade.samples.inspection import (
    assumed_size,
    examine_vec,
    find_duplicates,
    usable_positives,
)
from fercli.cascade.samples.vec import write_vec
from fercli.common.errors import VecError


def test_statistics_are_those_of_all_pixels(make_vec, monkeypatch):
    path, samples = make_vec(count=10, width=6, height=6)
    monkeypatch.setattr(inspection, "CHUNK", 3)
    found = examine_vec(path)
    assert found.size_wh == (6, 6)
    assert found.mean == pytest.approx(samples.mean())
    assert found.deviation == pytest.approx(samples.std())
    assert (found.constant, found.flat, found.duplicates) == ([], [], [])


def test_useless_samples_are_counted_from_one(tmp_path, rng):
    samples = rng.integers(0, 256, (7, 8, 8), np.uint8)
    samples[1] = 50
    samples[3] = samples[6] = samples[0]
    # A bright border does not matter: the detector does not look at it either.
    samples[4, 1:-1, 1:-1] = rng.integers(100, 110, (6, 6))
    write_vec(tmp_path / "a.vec", samples)
    found = examine_vec(tmp_path / "a.vec")
    assert found.constant == [2]
    assert found.flat == [5]
    assert found.duplicates == [(4, 1), (7, 1)]
    assert "2 (sample 4, 7)" in found.to_text()


def test_of_many_numbers_a_few_are_listed(tmp_path):
    write_vec(tmp_path / "a.vec", np.zeros((50, 3, 3), np.uint8))
    summary = examine_vec(tmp_path / "a.vec").to_text()
    assert "constant     50 (sample 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …)" in summary
    assert "duplicates   49 (sample 2," in summary


def test_json_can_be_written_and_holds_the_problems(make_vec):
    path, _ = make_vec()
    path.write_bytes(path.read_bytes()[:-1])
    found = json.loads(json.dumps(examine_vec(path, (6, 5)).to_dict()))
    assert found["count"] == found["whole_samples"] == 9
    assert found["header_count"] == 10
    assert len(found["problems"]) == 2
    assert [5, 6] in found["possible_sizes"]


@pytest.mark.parametrize(("size", "expected"), [(None, (6, 5)), ((10, 3), (10, 3))])
def test_without_a_size_the_squarest_is_taken(make_vec, size, expected):
    path, _ = make_vec()
    assert assumed_size(path, size) == examine_vec(path, size).size_wh == expected


def test_a_size_that_does_not_fit_is_named(make_vec):
    with pytest.raises(VecError, match="7x7 = 49 pixels, the file holds samples of 30"):
        examine_vec(make_vec()[0], (7, 7))


def test_duplicates_name_the_first_of_their_kind():
    samples = np.array([1, 2, 1, 3, 2, 1], np.uint8).reshape(-1, 1, 1)
    assert find_duplicates(samples) == [(3, 1), (5, 2), (6, 1)]


@pytest.mark.parametrize(
    ("samples", "options", "wanted"),
    [
        (7000, {}, 6392),
        (7000, {"hit_rate": 0.999}, 6869),
        (7000, {"stages": 1}, 7000),
        (0, {}, 0),
    ],
)
def test_by_hand(samples, options, wanted):
    assert usable_positives(samples, **options) == wanted


@pytest.mark.parametrize("stages", [1, 5, 20, 40])
def test_every_stage_can_be_filled_with_so_many_and_not_with_one_in_a_hundred_more(stages):
    def left_over(positives, samples=5000, hit_rate=0.99):
        """Refuse the whole quota in each stage, as a training may."""
        return samples - positives - (stages - 1) * (1 - hit_rate) * positives

    usable = usable_positives(5000, stages=stages, hit_rate=0.99)
    assert left_over(usable) >= 0
    assert left_over(usable * 1.01) < 0
