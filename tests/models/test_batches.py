import numpy as np
import pytest

from fercli.datasets.augment import find_policy
from fercli.models.batches import (
    CHANGING,
    BatchMaker,
    BatchOptions,
    balanced_weights,
    cut_mix,
    mix,
    normalize,
    random_crops,
    smooth,
)
from fercli.models.labeled_faces import Faces


@pytest.fixture
def faces(rng):
    labels = np.array([0] * 30 + [1] * 10)
    pixels = rng.integers(0, 256, (40, 48, 48, 1), np.uint8)
    targets = np.eye(2, dtype=np.float32)[labels]
    return Faces(("",) * 40, labels, targets, ("a", "b"), (48, 48), 1, pixels)


def test_normalized_to_one_either_way():
    levels = np.array([0, 255], np.uint8)
    assert normalize(levels).tolist() == [-1, 1]


def test_an_epoch_shows_every_image_once(faces):
    maker = BatchMaker(faces, BatchOptions(8, seed=3))
    seen = np.concatenate([maker.make(5, number)[0] for number in range(maker.count)])
    expected = normalize(faces.pixels)
    assert sorted(seen.sum(axis=(1, 2, 3))) == pytest.approx(
        sorted(expected.sum(axis=(1, 2, 3))), abs=1e-2
    )


def test_batches_depend_on_seed_epoch_and_number_alone(faces):
    options = BatchOptions(8, 3, find_policy("strong").apply_batch, crop=40, mixup=0.2)
    one, other = BatchMaker(faces, options), BatchMaker(faces, options)
    other.make(0, 0)
    for mine, its in zip(one.make(2, 1), other.make(2, 1), strict=True):
        assert (mine == its).all()
    assert (one.make(2, 1)[0] != one.make(3, 1)[0]).any()


def test_crops_are_parts_of_their_images(rng):
    pixels = rng.integers(0, 256, (5, 10, 12, 1), np.uint8)
    for image, crop in zip(pixels, random_crops(pixels, 8, rng), strict=True):
        parts = [
            (image[top : top + 8, left : left + 8] == crop).all()
            for top in range(3)
            for left in range(5)
        ]
        assert any(parts)


def test_smoothed_targets_sum_to_one():
    assert smooth(np.eye(4, dtype=np.float32), 0.2)[0] == pytest.approx([0.85, 0.05, 0.05, 0.05])


def test_mixed_images_and_targets_are_mixed_alike(rng):
    targets = np.eye(6, dtype=np.float32)
    images = targets.reshape(6, 6, 1, 1)
    mixed, labels = mix(images, targets, 0.4, rng)
    assert mixed.reshape(6, 6) == pytest.approx(labels)
    assert labels.sum(axis=1) == pytest.approx(1)


def test_balanced_weights_make_classes_count_alike(faces):
    weights = balanced_weights(faces)
    assert weights * faces.counts() == pytest.approx([20, 20])
    batch = BatchMaker(faces, BatchOptions(40, balanced=True)).make(0, 0)
    assert batch[2].mean() == pytest.approx(1)


def test_classes_count_alike_in_mixtures_too(faces):
    maker = BatchMaker(faces, BatchOptions(40, mixup=1.0, balanced=True))
    total = 0
    for epoch in range(50):
        _, targets, weights = maker.make(epoch, 0)
        assert targets.sum(axis=1) == pytest.approx(1)
        total += (targets * weights[:, None]).sum(axis=0)
    assert total / total.sum() == pytest.approx(0.5, abs=0.02)


def test_the_order_of_an_epoch_and_its_batches_are_independent(faces):
    """NumPy takes (seed, epoch) for (seed, epoch, 0): the first batch had the order's numbers."""
    maker = BatchMaker(faces, BatchOptions(8, seed=3))
    streams = [
        np.random.default_rng(seed).permutation(40).tolist()
        for seed in ((3, 5), (3, 5, 0), (3, 5, 0, CHANGING), (3, 5, 1, CHANGING))
    ]
    assert streams[0] == streams[1]
    assert maker.order(5).tolist() not in streams
    assert streams[2] != streams[3]


def test_a_rectangle_of_another_image_counts_by_its_area(rng):
    """An image of class k is k everywhere, so that each pixel tells where it is from."""
    targets = np.eye(6, dtype=np.float32)
    images = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None, None, None], (6, 20, 10, 1))
    mixed, labels = cut_mix(images, targets, 1.0, rng)
    for image, label in zip(mixed, labels, strict=True):
        shares = np.bincount(image.astype(int).ravel(), minlength=6) / image.size
        assert label == pytest.approx(shares, abs=1e-6)
    assert (labels > 0).sum() > 6  # some are mixed
    assert (images == np.arange(6).reshape(6, 1, 1, 1)).all()  # and the batch is left as it was


def test_mixup_and_cutmix_take_turns(faces):
    maker = BatchMaker(faces, BatchOptions(8, mixup=1.0, cutmix=1.0))
    own = set(np.unique(normalize(faces.pixels)).tolist())
    kinds = {
        set(np.unique(maker.make(epoch, 0)[0]).tolist()) <= own for epoch in range(12)
    }  # CutMix makes no new gray levels
    assert kinds == {True, False}
