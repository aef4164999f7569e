import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fercli.common.errors import InputError, OptionError, OutputExistsError
from fercli.datasets.journal import Journal
from fercli.datasets.options import SplitOptions
from fercli.datasets.splitting import (
    assign,
    parse_ratios,
    split_tree,
)
from fercli.datasets.tree import read_tree


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=80),
    st.integers(0, 3),
)
def test_groups_stay_together_and_nothing_is_lost(rows, seed):
    labels, together = (np.array(column) for column in zip(*rows, strict=True))
    part = assign(labels, together, [0.5, 0.3, 0.2], np.random.default_rng(seed))
    assert set(part.tolist()) <= {0, 1, 2}
    for group in set(together.tolist()):
        assert len(set(part[together == group].tolist())) == 1


def test_single_images_get_their_shares_exactly():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    part = assign(labels, np.arange(160), [0.8, 0.1, 0.1], np.random.default_rng(0))
    counts = [np.bincount(part[labels == label], minlength=3).tolist() for label in range(3)]
    assert counts == [[80, 10, 10], [40, 5, 5], [8, 1, 1]]


def test_groups_of_many_sizes_get_their_shares_nearly(rng):
    together = np.repeat(np.arange(120), rng.integers(1, 12, 120))
    labels = rng.integers(0, 5, len(together))
    part = assign(labels, together, [0.8, 0.1, 0.1], np.random.default_rng(0))
    for label in range(5):
        shares = np.bincount(part[labels == label], minlength=3) / (labels == label).sum()
        assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


@pytest.mark.parametrize(
    ("labels", "together", "shares", "wanted"),
    [
        (np.repeat([0, 1, 2], 10), np.repeat([0, 1, 2], 10), [1 / 3] * 3, [10] * 3),
        (np.arange(420) // 60, np.arange(420) // 10, [0.1] * 10, [40] * 8 + [50] * 2),
        (np.repeat(np.arange(7), 3), np.arange(21), [0.1] * 10, [2] * 9 + [3]),
        (np.repeat(np.arange(7), 4), np.arange(28), [0.8, 0.1, 0.1], [3, 4, 21]),
        (np.repeat(np.arange(7), 8), np.arange(56), [0.8, 0.1, 0.1], [7, 7, 42]),
    ],
    ids=["a class a person", "clips", "few images", "few for a small split", "enough"],
)
@pytest.mark.parametrize("seed", range(3))
def test_every_part_gets_its_share_of_the_whole(labels, together, shares, wanted, seed):
    part = assign(labels, together, shares, np.random.default_rng(seed))
    assert sorted(np.bincount(part, minlength=len(shares)).tolist()) == wanted


def test_another_seed_gives_another_split():
    labels, together = np.zeros(50, int), np.arange(50)
    parts = [assign(labels, together, [0.5, 0.5], np.random.default_rng(s)) for s in (0, 0, 1)]
    assert (parts[0] == parts[1]).all()
    assert (parts[0] != parts[2]).any()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("80,10,10", {"train": 0.8, "validation": 0.1, "test": 0.1}),
        ("3,1", {"train": 0.75, "validation": 0.25}),
    ],
)
def test_ratios(text, wanted):
    assert parse_ratios(text) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "text", ["", "80", "80,-10", "80,0,20", "1,2,3,4", "a,b", "nan,1", "inf,1"]
)
def test_ratios_that_make_no_sense(text):
    with pytest.raises(OptionError, match="`ratios`: expected two or three positive numbers"):
        parse_ratios(text)


def names(tree):
    return {(record.split, record.label, tree.path(record).read_bytes()) for record in tree.records}


def test_a_tree_is_split_anew_and_files_are_kept(small_tree, tmp_path):
    before = read_tree(small_tree)
    result = split_tree(before, tmp_path / "out", SplitOptions(parse_ratios("50,25,25")))
    after = read_tree(tmp_path / "out")
    assert {row[1:] for row in names(before)} == {row[1:] for row in names(after)}
    assert [sum(row.values()) for row in result.trees[tmp_path / "out"].counts.values()] == [
        12,
        6,
        6,
    ]
    assert result.alike == 0
    # "0.png" was in two splits: one of them has another name now, and both are links.
    assert all(after.path(record).stat().st_nlink == 2 for record in after.records)
    assert all(record.sha256 for record in after.records)


def test_duplicates_stay_in_one_split_unless_asked(small_tree, put, tmp_path):
    for number in range(6):
        put(f"tree/train/sad/copy{number}.png", seed=1)
        put(f"tree/validation/happy/copy{number}.png", seed=1)
    tree = read_tree(small_tree)
    result = split_tree(tree, tmp_path / "out", SplitOptions())
    assert (result.alike, result.alike_images) == (1, 12)
    copies = [r for r in read_tree(tmp_path / "out").records if "copy" in r.file]
    assert len({record.split for record in copies}) == 1
    split_tree(tree, tmp_path / "apart", SplitOptions(duplicates="apart"))
    copies = [r for r in read_tree(tmp_path / "apart").records if "copy" in r.file]
    assert len({record.split for record in copies}) > 1


def people(put, root):
    for person in range(10):
        for label in ("happy", "sad"):
            for number in range(3):
                put(f"people/all/{label}/S{person:03d}_{number}.png")
    return read_tree(root / "people")


def test_persons_stay_in_one_split(put, tmp_path):
    tree = people(put, tmp_path)
    options = SplitOptions(parse_ratios("70,30"), subject_pattern=r"(S\d+)_")
    result = split_tree(tree, tmp_path / "out", options)
    assert result.subjects == 10
    counts = result.trees[tmp_path / "out"].counts
    assert counts == {"train": {"happy": 21, "sad": 21}, "validation": {"happy": 9, "sad": 9}}
    splits = {}
    for record in read_tree(tmp_path / "out").records:
        splits.setdefault(record.file.split("/")[2][:4], set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())


def test_each_image_is_held_out_in_one_fold(put, tmp_path):
    tree = people(put, tmp_path)
    options = SplitOptions(folds=5, subject_pattern=r"S\d+")
    result = split_tree(tree, tmp_path / "out", options)
    held_out = []
    for root in result.trees:
        records = read_tree(root).records
        assert len(records) == 60
        held_out += [record.file for record in records if record.split == "validation"]
    assert len(set(held_out)) == len(held_out) == 60
    # A fold that is there is not made again.
    again = split_tree(tree, tmp_path / "out", options)
    assert again.trees == result.trees
    with pytest.raises(OutputExistsError):
        split_tree(tree, tmp_path / "out", replace(options, seed=1))


@pytest.mark.parametrize("change", ["more images", "other names", "edited"])
@pytest.mark.parametrize("killed", [False, True])
def test_folds_of_other_images_are_not_gone_on_with(small_tree, put, tmp_path, change, killed):
    options = SplitOptions(folds=2, duplicates="apart")
    split_tree(read_tree(small_tree), tmp_path / "out", options)
    if killed:
        shutil.rmtree(tmp_path / "out/fold2")
    if change == "more images":
        put("tree/train/sad/more.png")
    elif change == "other names":
        (small_tree / "train/sad/0.png").rename(small_tree / "train/sad/zero.png")
    else:
        shutil.copy(small_tree / "train/sad/1.png", small_tree / "train/sad/0.png")
    with pytest.raises(OutputExistsError, match=r"fold1: .* holds .* already; .*--overwrite"):
        split_tree(read_tree(small_tree), tmp_path / "out", options)
    assert (tmp_path / "out/fold2").exists() != killed
    again = split_tree(read_tree(small_tree), tmp_path / "out", options, overwrite=True)
    assert again.trees == split_tree(read_tree(small_tree), tmp_path / "out", options).trees


def test_a_fold_that_was_stopped_at_its_very_end_is_gone_on_with(small_tree, tmp_path, monkeypatch):
    def interrupt(journal):
        raise KeyboardInterrupt

    tree, options = read_tree(small_tree), SplitOptions(folds=2, duplicates="apart")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "remove", interrupt)
        with pytest.raises(KeyboardInterrupt):
            split_tree(tree, tmp_path / "out", options)
    with pytest.raises(InputError, match="The data set is unfinished"):
        read_tree(tmp_path / "out/fold1")
    split_tree(tree, tmp_path / "out", options)
    assert len(read_tree(tmp_path / "out/fold1").records) == 24


def test_no_fold_is_removed_if_one_holds_files_of_others(small_tree, tmp_path):
    tree, out = read_tree(small_tree), tmp_path / "out"
    split_tree(tree, out, SplitOptions(folds=2, duplicates="apart"))
    (out / "fold2/notes.txt").write_text("work of others")
    before = {path: path.stat().st_ino for path in out.rglob("*")}
    with pytest.raises(OutputExistsError, match=r"fold2: .*notes\.txt in it was not"):
        split_tree(tree, out, SplitOptions(folds=2, duplicates="apart", seed=1), overwrite=True)
    assert {path: path.stat().st_ino for path in out.rglob("*")} == before


@pytest.mark.parametrize("placing", ["copy", "symlink"])
def test_ways_to_place_files(small_tree, tmp_path, placing):
    split_tree(read_tree(small_tree), tmp_path / "out", SplitOptions(placing=placing))
    path = next((tmp_path / "out").rglob("*.png"))
    assert path.is_symlink() == (placing == "symlink")
    assert path.stat().st_nlink == 1
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SplitOptions(by_subject=True), "The person is unknown in 24 images"),
        (SplitOptions(subject_pattern="("), "`subject_pattern`"),
        (SplitOptions(subject_pattern="png"), "Expected at least 3 persons"),
    ],
)
def test_splits_that_cannot_be(small_tree, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        split_tree(read_tree(small_tree), tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ("80,10,10", "No image is left for test;"),
        ("98,1,1", "No image is left for validation, test;"),
    ],
)
def test_a_part_without_images_is_named(put, tmp_path, ratios, message):
    for number in range(5):
        put(f"few/all/happy/{number}.png")
    options = SplitOptions(parse_ratios(ratios), duplicates="apart")
    with pytest.raises(OptionError, match=message):
        split_tree(read_tree(tmp_path / "few"), tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_persons_with_a_class_each_fill_all_folds(put, tmp_path):
    for person, label in enumerate(("happy", "neutral", "sad")):
        for number in range(3):
            put(f"mine/all/{label}/p{person}_{number}.png")
    options = SplitOptions(folds=3, subject_pattern=r"^(p\d)_")
    result = split_tree(read_tree(tmp_path / "mine"), tmp_path / "out", options)
    held_out = [sum(manifest.counts["validation"].values()) for manifest in result.trees.values()]
    assert held_out == [3, 3, 3]


@pytest.mark.parametrize("out", ["tree", "tree/train/new", "."])
def test_a_tree_is_not_split_into_itself(small_tree, tmp_path, out):
    with pytest.raises(OptionError, match="overlaps the source"):
        split_tree(read_tree(small_tree), tmp_path / out, SplitOptions(), overwrite=True)
    assert len(read_tree(small_tree).records) == 24


def test_classes_that_differ_in_case_alone_are_refused(put, tmp_path):
    put("tree/train/Happy/a.png")
    put("tree/test/happy/b.png")
    with pytest.raises(InputError, match=r"Two classes differ in case .* alone: Happy, happy"):
        read_tree(tmp_path / "tree")
