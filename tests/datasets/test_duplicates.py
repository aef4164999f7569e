import itertools

import cv2
import numpy as np
import pytest
import skimage.data

from fercli.common.groups import groups
from fercli.datasets import duplicates as module
from fercli.datasets.duplicates import fingerprint, fingerprint_of, near_pairs


@pytest.fixture(scope="module")
def faces():
    faces = np.load(f"{skimage.data.__path__[0]}/lfw_subset.npy")[:100]
    small = np.round(faces * 255).astype(np.uint8)
    return np.array([cv2.resize(face, (48, 48), interpolation=cv2.INTER_CUBIC) for face in small])


def changed(face, rng):
    _, data = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 70])
    yield cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    yield cv2.resize(face, (96, 96), interpolation=cv2.INTER_CUBIC)
    yield np.clip(face * 1.1 + 10, 0, 255).astype(np.uint8)
    yield np.clip(face + rng.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
    yield cv2.cvtColor(face, cv2.COLOR_GRAY2BGR)


def test_changed_faces_are_near_and_other_faces_are_not(faces, rng):
    images = list(faces) + [copy for face in faces for copy in changed(face, rng)]
    owner = list(range(100)) + [number for number in range(100) for _ in range(5)]
    pairs = near_pairs([fingerprint_of(image) for image in images])
    assert all(owner[a] == owner[b] for a, b in pairs.tolist())
    group = groups(600, pairs.tolist())
    assert (group[100:] == owner[100:]).mean() >= 0.98


def naive_pairs(prints):
    def bits(a, b):
        return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()

    return [
        [a, b]
        for a, b in itertools.combinations(range(len(prints)), 2)
        if prints[a].short_hash
        and prints[b].short_hash
        and bits(prints[a].short_hash, prints[b].short_hash) <= module.SHORT_RADIUS
        and bits(prints[a].long_hash, prints[b].long_hash) <= module.LONG_RADIUS
    ]


@pytest.mark.parametrize("by_table", [False, True])
def test_the_search_finds_what_a_plain_search_finds(rng, monkeypatch, by_table):
    if by_table:
        monkeypatch.setattr(module, "_count_bits", module._count_bits_by_table)
    base = rng.integers(0, 256, (20, 40), np.uint8)
    copies = np.repeat(base, 8, axis=0)
    flips = rng.random((160, 320)) < rng.choice([0, 0.05, 0.1, 0.15], (160, 1))
    copies ^= np.packbits(flips, axis=1)
    prints = [
        module.Fingerprint(short_hash=row[:8].tobytes(), long_hash=row[8:].tobytes())
        for row in copies
    ]
    prints[7] = module.Fingerprint()
    wanted = naive_pairs(prints)
    found = near_pairs(prints).tolist()
    assert (groups(160, found) == groups(160, wanted)).all()
    # Of images with equal hashes, only the pairs with the first of them are given.
    assert all(pair in wanted for pair in found)
    assert 50 < len(found) < len(wanted) < 160 * 8


def test_many_copies_are_few_pairs():
    prints = [fingerprint_of(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))] * 3000
    assert near_pairs(prints).tolist() == [[0, at] for at in range(1, 3000)]


def test_few_or_no_images():
    assert near_pairs([]).shape == (0, 2)
    assert near_pairs([fingerprint_of(np.zeros((48, 48), np.uint8))] * 3).shape == (0, 2)


def test_what_is_known_of_a_image(put, tmp_path):
    half = np.zeros((10, 20), np.uint8)
    half[:, 10:] = 255
    gray = fingerprint_of(half)
    assert (gray.size_wh, gray.color, gray.constant) == ((20, 10), False, False)
    assert (gray.mean, gray.deviation) == (127.5, 127.5)
    histogram = np.frombuffer(gray.histogram, np.uint32)
    assert (histogram[[0, 31]] == 100).all()
    assert histogram.sum() == 200
    # The same pixels in another file format are the same image; turned by 90° they are not.
    assert (
        fingerprint(put("a.png", image=half)).pixels == fingerprint(put("a.bmp", image=half)).pixels
    )
    assert fingerprint_of(half.reshape(20, 10)).pixels != gray.pixels
    assert fingerprint_of(np.full((9, 9), 7, np.uint8)).constant
    (tmp_path / "b.png").write_text("text")
    assert "not an image" in fingerprint(tmp_path / "b.png").error
