"""What both engines notice of changed samples; that they do is tested with them."""

import cv2
import numpy as np
import pytest

from fercli.cascade.samples.vec import write_vec
from fercli.cascade.training.backgrounds import BackgroundFiles
from fercli.cascade.training.sample_digests import (
    digest_samples,
    note_of_changes,
    read_digests,
    write_digests,
)
from fercli.common.errors import TrainingError


@pytest.fixture
def vec(tmp_path, rng):
    write_vec(tmp_path / "faces.vec", rng.integers(0, 256, (3, 8, 8), np.uint8))
    return tmp_path / "faces.vec"


@pytest.fixture
def images(tmp_path):
    paths = tuple(tmp_path / f"{gray}.png" for gray in (10, 20))
    for path in paths:
        cv2.imwrite(str(path), np.full((9, 9), int(path.stem), np.uint8))
    return paths


def digests(paths, objects=None, **positives):
    return digest_samples(BackgroundFiles(paths, objects or {}), **positives)


def test_names_do_not_matter_content_order_and_boxes_do(vec, images, tmp_path):
    before = digests(images, vec=vec)
    copy = tmp_path / "copy.png"
    copy.write_bytes(images[0].read_bytes())
    assert digests((copy, images[1]), vec=vec) == before
    for now in (
        digests(images[::-1], vec=vec),
        digests(images[:1], vec=vec),
        digests((images[0], tmp_path / "none.png"), vec=vec),
        digests(images, {images[0]: ((1, 2, 3, 4),)}, vec=vec),
    ):
        assert [name for name in now if now[name] != before[name]] == ["backgrounds"]


def test_images_of_an_info_file(images, tmp_path):
    info = tmp_path / "info.dat"
    info.write_text("10.png 1 0 0 5 5\n")
    before = digests((), info=info)
    cv2.imwrite(str(images[0]), np.full((9, 9), 11, np.uint8))
    assert digests((), info=info)["positives"] != before["positives"]


def test_what_is_said_of_changes(tmp_path):
    one, other = {"positives": "1", "backgrounds": "2"}, {"positives": "3", "backgrounds": "4"}
    assert note_of_changes(one, one, 2, tmp_path, resume=False) == ()
    assert note_of_changes(one, other, 0, tmp_path, resume=False) == ()
    with pytest.raises(TrainingError, match="the positives and the backgrounds changed since its"):
        note_of_changes(one, other, 1, tmp_path, resume=False)
    (note,) = note_of_changes(one, {**one, "positives": "3"}, 1, tmp_path, resume=True)
    assert note == "the positives changed after 1 stage: further stages use the present ones"


@pytest.mark.parametrize("content", ["", "{", "3", "[1]", "\0"])
def test_digests_that_cannot_be_read_are_none(tmp_path, content):
    write_digests(tmp_path, {"positives": "1"})
    assert read_digests(tmp_path) == {"positives": "1"}
    (tmp_path / "samples.json").write_text(content)
    assert read_digests(tmp_path) is None
    (tmp_path / "samples.json").unlink()
    assert read_digests(tmp_path) is None
