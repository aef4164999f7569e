import numpy as np
import pytest

from fercli.cascade.samples.merge_split import split
from fercli.cascade.samples.vec import read_vec, write_vec
from fercli.common.errors import OptionError, OutputExistsError

SIZE = (6, 5)
SHARES = {"train": 0.8, "test": 0.2}


def rows(path, size=SIZE):
    return [sample.tobytes() for sample in np.ascontiguousarray(read_vec(path, size))]


def test_each_sample_goes_to_one_part_in_the_order_of_the_file(make_vec, tmp_path):
    path, samples = make_vec(count=100)
    train, test = split(path, SHARES, tmp_path / "parts")
    assert train.path == tmp_path / "parts" / "a-train.vec"
    assert (train.count, test.count) == (80, 20)
    parts = [rows(part.path) for part in (train, test)]
    everything = [sample.tobytes() for sample in samples]
    for part in parts:
        assert part == [name for name in everything if name in set(part)]
    assert sorted(parts[0] + parts[1]) == sorted(everything)


def test_the_seed_decides(make_vec, tmp_path):
    path, _ = make_vec(count=60)
    parts = [
        rows(split(path, SHARES, tmp_path / str(at), seed=seed)[1].path)
        for at, seed in enumerate((5, 5, 6))
    ]
    assert parts[0] == parts[1] != parts[2]


def test_equal_samples_stay_together(tmp_path, rng):
    values = rng.integers(0, 30, 300).astype(np.uint8)
    write_vec(tmp_path / "a.vec", values.reshape(-1, 1, 1))
    parts = split(tmp_path / "a.vec", {"a": 1, "b": 1, "c": 2}, tmp_path)
    seen = [set(read_vec(part.path, (1, 1)).ravel().tolist()) for part in parts]
    assert set().union(*seen) == set(values.tolist())
    assert sum(map(len, seen)) == len(set(values.tolist()))
    assert sum(part.count for part in parts) == 300
    assert 100 < parts[2].count < 200


def test_runs_stay_together_and_so_do_those_with_equal_samples(tmp_path, rng):
    values = np.arange(120, dtype=np.uint8)
    values[57] = values[3]  # links the runs that begin at 55 and at 0
    values[83] = values[59]  # and that at 80 to both
    write_vec(tmp_path / "a.vec", values.reshape(-1, 1, 1))
    for seed in range(10):
        parts = split(tmp_path / "a.vec", SHARES, tmp_path, together=5, seed=seed, overwrite=True)
        test = set(read_vec(parts[1].path, (1, 1)).ravel().tolist())
        rows = values.reshape(-1, 5).tolist()
        assert all(set(row) <= test or not set(row) & test for row in rows)
        linked = [set(rows[at]) <= test for at in (0, 11, 16)]
        assert len(set(linked)) == 1
        assert parts[0].count + parts[1].count == 120


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"a": 1.0}, "at least two parts"),
        ({"a": 1.0, "b": 0.0}, "positive share for b, found 0"),
        ({"a": 1.0, "b": float("nan")}, "positive share"),
        ({"a": 1.0, "b": float("inf")}, "positive share"),
        ({"a": 1.0, "../b": 1.0}, "part of a file's name"),
        ({"a": 1.0, "b": 1e-9}, "no sample left for it among 10"),
    ],
)
def test_shares_that_are_none_are_named_and_nothing_is_written(make_vec, tmp_path, shares, words):
    path, _ = make_vec()
    with pytest.raises(OptionError, match=words):
        split(path, shares, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_nothing_is_overwritten(make_vec, tmp_path):
    path, _ = make_vec()
    (tmp_path / "a-test.vec").write_text("mine")
    with pytest.raises(OutputExistsError):
        split(path, SHARES, tmp_path)
    assert not (tmp_path / "a-train.vec").exists()
    split(path, SHARES, tmp_path, overwrite=True)
