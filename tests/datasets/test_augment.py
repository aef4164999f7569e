import json
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import skimage.data

from fercli.common.errors import OptionError, OutputExistsError, RecipeError
from fercli.common.options import option_fields
from fercli.common.recipes import bundled_recipes
from fercli.datasets.augment import (
    AugmentOptions,
    Policy,
    augment_tree,
    find_policy,
    generator_for,
)
from fercli.datasets.expressions import ImportOptions, parse_classes
from fercli.datasets.importing import import_sources
from fercli.datasets.manifest import read_files
from fercli.datasets.options import PolicyOptions
from fercli.datasets.sources import find_sources
from fercli.datasets.tree import read_tree

NOTHING = Policy(**{field.name: 0 for field in fields(Policy)})


@pytest.fixture(scope="module")
def face():
    photo = cv2.imread(f"{skimage.data.__path__[0]}/astronaut.png")
    return cv2.resize(photo[40:200, 150:310], (64, 64), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 1), (64, 64, 3), (40, 64, 3)])
def test_size_and_type_stay(face, shape):
    image = np.resize(face, shape)
    for policy in map(find_policy, bundled_recipes("augmentation")):
        changed = policy.apply(image, np.random.default_rng(0))
        assert (changed.shape, changed.dtype) == (shape, np.uint8)
    batch = Policy().apply_batch(np.stack([image] * 3), np.random.default_rng(0))
    assert batch.shape == (3, *shape)
    assert (batch[0] != batch[1]).any()


def test_no_policy_changes_nothing_and_not_its_input(face):
    before = face.copy()
    assert (NOTHING.apply(face, np.random.default_rng(0)) == face).all()
    find_policy("strong").apply(face, np.random.default_rng(0))
    assert (face == before).all()


def test_mirror(face):
    mirrored = replace(NOTHING, flip=1)
    assert (mirrored.apply(face, np.random.default_rng(0)) == face[:, ::-1]).all()
    # Together with a move of no size it is the same, but for the resampling.
    moved = replace(mirrored, zoom=1e-9).apply(face, np.random.default_rng(0))
    assert np.abs(moved.astype(int) - face[:, ::-1]).max() <= 1


def test_a_change_that_is_turned_off_leaves_the_others_alone(face):
    some = replace(NOTHING, rotation=20, brightness=0.2)
    more = replace(some, flip=0, noise=0, erasing=0)
    assert (
        some.apply(face, np.random.default_rng(4)) == more.apply(face, np.random.default_rng(4))
    ).all()


def test_the_angle_is_what_is_asked_for(rng):
    disc = np.zeros((65, 65), np.uint8)
    cv2.line(disc, (32, 32), (60, 32), 255, 3)
    angles = []
    for _ in range(200):
        turned = replace(NOTHING, rotation=30).apply(disc, rng)
        y, x = np.nonzero(turned > 128)
        angles.append(np.degrees(np.arctan2(y.mean() - 32, x.mean() - 32)))
    assert -31 < min(angles) < -25
    assert 25 < max(angles) < 31


def test_shift_and_zoom_stay_within_their_bounds(rng):
    dot = np.zeros((101, 101), np.uint8)
    dot[48:53, 48:53] = 255
    places, areas = [], []
    for _ in range(200):
        y, x = np.nonzero(replace(NOTHING, shift=0.1).apply(dot, rng) > 100)
        places.append((x.mean() - 50, y.mean() - 50))
        big = np.zeros((101, 101), np.uint8)
        big[30:71, 30:71] = 255
        areas.append((replace(NOTHING, zoom=0.2).apply(big, rng) > 127).sum() / 41**2)
    assert 8.5 < np.abs(places).max() < 10.6
    assert 1 / 1.2**2 - 0.05 < min(areas) < 0.8
    assert 1.3 < max(areas) < 1.2**2 + 0.05


def test_light_and_noise_stay_within_their_bounds(rng):
    flat = np.full((64, 64), 100, np.uint8)
    means = [replace(NOTHING, brightness=0.2).apply(flat, rng).mean() - 100 for _ in range(100)]
    assert 40 < np.abs(means).max() <= 51
    deviations = [replace(NOTHING, noise=8).apply(flat, rng).std() for _ in range(100)]
    assert 6.5 < max(deviations) < 8.6
    steps = np.tile(np.uint8([80, 120]), (64, 32))
    gains = [np.ptp(replace(NOTHING, contrast=0.5).apply(steps, rng)) / 40 for _ in range(100)]
    assert 0.5 <= min(gains) < 0.6
    assert 1.4 < max(gains) <= 1.5


def test_erasing(face, rng):
    shares = []
    for _ in range(100):
        erased = replace(NOTHING, erasing=1).apply(face, rng)
        shares.append((erased != face).any(axis=2).mean())
    assert 0.01 < min(shares) < max(shares) < 0.23
    assert (replace(NOTHING, erasing=0).apply(face, rng) == face).all()


@pytest.mark.parametrize("name", option_fields(PolicyOptions))
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), 1e3])
def test_numbers_out_of_range(name, value):
    with pytest.raises(OptionError, match=f"`{name}`: expected 0 to"):
        Policy(**{name: value})


def test_policies_by_name_and_file(tmp_path):
    assert find_policy("standard") == Policy()
    assert find_policy("strong", {"noise": 0, "flip": None}).noise == 0
    (tmp_path / "p.toml").write_text("rotation = 7\nflip = 0.25\n")
    assert find_policy(f"{tmp_path}/p.toml") == replace(NOTHING, rotation=7, flip=0.25)
    (tmp_path / "p.toml").write_text("rotate = 7\n")
    with pytest.raises(RecipeError, match="try: rotation"):
        find_policy(f"{tmp_path}/p.toml")
    (tmp_path / "p.toml").write_text('rotation = "wide"\n')
    with pytest.raises(OptionError, match="`rotation`: expected"):
        find_policy(f"{tmp_path}/p.toml")
    with pytest.raises(RecipeError, match="light, mirror, standard, strong"):
        find_policy("wild")


def uneven(put, root):
    for label, count in (("happy", 7), ("sad", 2)):
        for split in ("train", "test"):
            for number in range(count):
                put(f"uneven/{split}/{label}/{number}.png")
    return read_tree(root / "uneven")


@pytest.mark.parametrize(
    ("options", "train"),
    [
        ({"balance": True}, {"happy": 7, "sad": 7}),
        ({"target": 5}, {"happy": 7, "sad": 5}),
        ({"copies": 2}, {"happy": 21, "sad": 6}),
    ],
)
def test_counts_after_augmentation(put, tmp_path, options, train):
    tree = uneven(put, tmp_path)
    result = augment_tree(tree, tmp_path / "out", AugmentOptions(Policy(), **options))
    assert result.manifest.counts == {"train": train, "test": {"happy": 7, "sad": 2}}


def test_copies_are_named_and_drawn_after_their_original(put, tmp_path):
    tree = uneven(put, tmp_path)
    trees = []
    for name, options in (
        ("a", AugmentOptions(Policy(), copies=1)),
        ("b", AugmentOptions(Policy(), copies=2)),
        ("c", AugmentOptions(Policy(), copies=1, seed=1)),
    ):
        augment_tree(tree, tmp_path / name, options, workers=2 if name == "b" else 1)
        found = (tmp_path / name).rglob("*.png")
        trees.append({p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in found})
    a, b, c = trees
    assert {name for name in a if "-aug" in name} == {
        f"train/{label}/{number}-aug1.png" for label, count in (("happy", 7), ("sad", 2))
        for number in range(count)
    }  # fmt: skip
    assert a.items() <= b.items()
    assert all(a[name] != c[name] for name in a if "-aug" in name)
    assert all(a[name] == c[name] for name in a if "-aug" not in name)
    # What training does on the fly with the same numbers is what is in the file.
    original = cv2.imread(str(tmp_path / "uneven/train/sad/1.png"), cv2.IMREAD_GRAYSCALE)
    on_the_fly = Policy().apply(original, generator_for(0, "1-aug1.png", 1))
    file = cv2.imread(str(tmp_path / "a/train/sad/1-aug1.png"), cv2.IMREAD_GRAYSCALE)
    assert (on_the_fly == file).all()


@pytest.mark.parametrize(
    ("names", "copies"),
    [
        (
            ["a.png", "a-aug1.png"],
            {"a-aug2.png", "a-aug1-aug1.png", "a-aug3.png", "a-aug1-aug2.png"},
        ),
        (
            ["a.png", "A-AUG2.png"],
            {"a-aug1.png", "A-AUG2-aug1.png", "a-aug3.png", "A-AUG2-aug2.png"},
        ),
        (["a.png", "a.jpg"], {f"a-aug{number}.png" for number in range(1, 5)}),
    ],
)
def test_no_copy_has_the_name_of_another_image(put, tmp_path, names, copies):
    before = {name: put(f"tree/train/happy/{name}").read_bytes() for name in names}
    tree = read_tree(tmp_path / "tree")
    for out in ("out", "again"):
        result = augment_tree(tree, tmp_path / out, AugmentOptions(Policy(), copies=2))
        assert result.manifest.counts == {"train": {"happy": 6}}
        after = {p.name: p.read_bytes() for p in (tmp_path / out / "train/happy").iterdir()}
        assert set(after) == set(names) | copies
        assert before.items() <= after.items()
        assert len({record.file for record in read_files(tmp_path / out)}) == 6
    assert after == {p.name: p.read_bytes() for p in (tmp_path / "out/train/happy").iterdir()}


def test_one_run_or_two_give_the_same_copies(put, tmp_path):
    tree = uneven(put, tmp_path)
    once = AugmentOptions(Policy(), copies=1, placing="copy")
    augment_tree(tree, tmp_path / "one", once)
    augment_tree(read_tree(tmp_path / "one"), tmp_path / "two", once)
    augment_tree(tree, tmp_path / "twice", AugmentOptions(Policy(), copies=2))
    for name in ("0.png", "0-aug1.png", "0-aug2.png"):
        two, twice = (tmp_path / root / "train/sad" / name for root in ("two", "twice"))
        assert two.read_bytes() == twice.read_bytes()


def test_other_images_of_the_same_names_are_not_gone_on_with(put, tmp_path, monkeypatch):
    """The tree was made anew, at another size, after the augmentation was interrupted."""

    def make_tree(size, *, overwrite):
        for name in ("happy/a.png", "sad/b.png"):
            put(f"in/{name}", width=size, height=size)
        source = find_sources([str(tmp_path / "in")])
        options = ImportOptions(parse_classes(None))
        import_sources(source, tmp_path / "tree", options, overwrite=overwrite)
        return read_tree(tmp_path / "tree")

    options = AugmentOptions(Policy(), copies=1, splits=("all",))
    tree = make_tree(48, overwrite=False)
    with monkeypatch.context() as patched:
        patched.setattr("fercli.datasets.augment.finish_tree", interrupt)
        with pytest.raises(KeyboardInterrupt):
            augment_tree(tree, tmp_path / "out", options)
    other = make_tree(64, overwrite=True)
    with pytest.raises(OutputExistsError, match="unfinished data set of other sources or options"):
        augment_tree(other, tmp_path / "out", options)


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Expected one of `copies`"),
        ({"copies": 1, "balance": True}, "Expected one of `copies`"),
        ({"copies": 1, "splits": ("train", "test")}, "got 'test'; try: leave the test split"),
        ({"copies": 1, "splits": ("validation",)}, "No split validation: the tree has train, test"),
    ],
)
def test_augmentations_that_cannot_be(put, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        augment_tree(uneven(put, tmp_path), tmp_path / "out", AugmentOptions(Policy(), **options))
    assert not (tmp_path / "out").exists()


def test_images_that_cannot_be_read_are_listed_and_left_out(put, tmp_path):
    tree = uneven(put, tmp_path)
    (tmp_path / "uneven/train/sad/0.png").write_bytes(b"not an image")
    result = augment_tree(tree, tmp_path / "out", AugmentOptions(Policy(), copies=1))
    assert result.manifest.counts["train"] == {"happy": 14, "sad": 2}
    assert result.skipped == 1
    assert "17 images and 8 changed copies" in result.to_text()
    listed = (tmp_path / "out/skipped.csv").read_text().splitlines()
    assert listed[0] == "source,origin,reason"
    assert all("sad/0.png" in line for line in listed[1:])


def test_only_train_is_augmented_unless_others_are_named(fer, put, tmp_path):
    """Models are chosen and measured by validation, which stays as it is."""
    for split in ("train", "validation"):
        for number in range(3):
            put(f"tree/{split}/happy/{number}.png")
        put(f"tree/{split}/sad/0.png")
    command = ["datasets", "augment", tmp_path / "tree", "--balance", "--json", "--out"]
    after = json.loads(fer(*command, tmp_path / "a").out)["after"]
    assert after == {"train": {"happy": 3, "sad": 3}, "validation": {"happy": 3, "sad": 1}}
    both = fer(*command, tmp_path / "b", "--splits", "train,validation")
    assert json.loads(both.out)["after"]["validation"] == {"happy": 3, "sad": 3}
