import numpy as np
import pytest

from fercli.cascade.samples import merge_split
from fercli.cascade.samples.merge_split import merge
from fercli.cascade.samples.vec import describe_vec, read_vec, write_vec
from fercli.common.errors import OutputExistsError, VecError

SIZE = (6, 5)


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
    with pytest.raises(VecError, match=r"b\.vec: wanted samples of 30 pixels as in .*a\.vec"):
        merge([a, b], tmp_path / "c.vec")
    assert not (tmp_path / "c.vec").exists()


def test_nothing_is_overwritten(make_vec):
    a, b = make_vec("a.vec")[0], make_vec("b.vec")[0]
    with pytest.raises(OutputExistsError):
        merge([a], b)
