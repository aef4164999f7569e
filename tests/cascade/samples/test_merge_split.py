import numpy as np
import pytest

from fercli.cascade.samples import merge_split
from fercli.cascade.samples.merge_split import merge, split
from fercli.cascade.samples.vec import describe_vec, read_vec, write_vec
from fercli.common.errors import OptionError, OutputExistsError, VecError

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
        ({"a": 1.0, "b": 0.0}, "share of b must be a positive number, got 0"),
        ({"a": 1.0, "b": float("nan")}, "positive number"),
        ({"a": 1.0, "b": float("inf")}, "positive number"),
        ({"a": 1.0, "../b": 1.0}, "usable in a file name"),
        ({"a": 1.0, "b": 1e-9}, "b would get none of the 10 samples"),
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


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(merge_split, "CHUNK", 4)


def test_files_follow_one_another(make_vec, tmp_path):
    (a, first), (b, second), (c, third) = (
        make_vec(name, 7) for name in ("a.vec", "b.vec", "c.vec")
    )
    written = merge([a, b, c], tmp_path / "all.vec")
    assert (written.path, written.count) == (tmp_path / "all.vec", 21)
    np.testing.assert_array_equal(
        read_vec(tmp_path / "all.vec", SIZE), np.concatenate([first, second, third])
    )


def test_shuffling_keeps_all_and_depends_on_the_seed(make_vec, tmp_path):
    (a, first), (b, second) = make_vec("a.vec", 20), make_vec("b.vec", 9)
    results = []
    for number, seed in enumerate((1, 1, 2)):
        merge([a, b], tmp_path / f"{number}.vec", shuffle=True, seed=seed)
        results.append(read_vec(tmp_path / f"{number}.vec", SIZE).reshape(29, -1).tolist())
    assert results[0] == results[1] != results[2]
    everything = np.concatenate([first, second]).reshape(29, -1).tolist()
    assert results[0] != everything
    assert sorted(results[0]) == sorted(everything)


def test_duplicates_are_dropped_within_and_between_files(tmp_path):
    a, b = (np.array(each, np.uint8).reshape(-1, 1, 1) for each in ([9, 1, 9, 2], [3, 1, 0, 3]))
    write_vec(tmp_path / "a.vec", a)
    write_vec(tmp_path / "b.vec", b)
    merge([tmp_path / "a.vec", tmp_path / "b.vec"], tmp_path / "c.vec", drop_duplicates=True)
    assert read_vec(tmp_path / "c.vec", (1, 1)).ravel().tolist() == [9, 1, 2, 3, 0]


def test_one_file_is_repaired_even_in_place(make_vec):
    path, samples = make_vec()
    content = path.read_bytes()
    path.write_bytes(b"\xe8\x03\x00\x00" + content[4:-3])
    assert describe_vec(path).problems
    merge([path], path, overwrite=True)
    assert describe_vec(path).problems == []
    np.testing.assert_array_equal(read_vec(path, SIZE), samples[:-1])


def test_other_sizes_are_named(make_vec, tmp_path):
    a, b = make_vec("a.vec")[0], make_vec("b.vec", width=4)[0]
    with pytest.raises(
        VecError, match=r"b\.vec: The samples have 20 pixels each, .*a\.vec have 30"
    ):
        merge([a, b], tmp_path / "c.vec")
    assert not (tmp_path / "c.vec").exists()


def test_merging_overwrites_nothing(make_vec):
    a, b = make_vec("a.vec")[0], make_vec("b.vec")[0]
    with pytest.raises(OutputExistsError):
        merge([a], b)
