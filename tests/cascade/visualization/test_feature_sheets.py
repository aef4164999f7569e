import numpy as np
import pytest
from PIL import Image

from fercli.cascade.visualization.feature_sheets import (
    FIRST,
    LARGE,
    MINUS,
    PLUS,
    Artist,
    mean_of,
    write_sheet,
)

KINDS = {
    "haar": {},
    "tilted": {"tilted": True},
    "trees": {"nodes": 3},
    "lbp": {"feature_type": "LBP"},
    "wide": {"size_wh": (60, 20)},
    "large": {"size_wh": (200, 150)},
}


def colored(image, color):
    """Return how many pixels are nearer to a color than to gray."""
    pixels = np.asarray(image).astype(int)
    tint = np.array(color) - np.mean(color)
    return int((((pixels - pixels.mean(axis=2, keepdims=True)) @ tint) > 2000).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_every_feature_is_drawn(kind, random_cascade):
    cascade = random_cascade(**KINDS[kind])
    sheet = Artist(cascade, "cascade.xml").stage_sheet(0)
    nodes = sum(len(weak.nodes) for weak in cascade.stages[0].weak_classifiers)
    zoom = max(round(LARGE / max(cascade.size_wh)), 1)
    assert sheet.width * sheet.height > nodes * np.prod(cascade.size_wh) * zoom**2
    assert colored(sheet, PLUS) > 0
    assert colored(sheet, MINUS) > 0


def test_the_backdrop_shows_and_votes_differ(random_cascade, rng):
    cascade = random_cascade()
    plain = np.asarray(Artist(cascade, "a").stage_sheet(1))
    face = rng.integers(0, 256, (24, 24), np.uint8)
    on_face = np.asarray(Artist(cascade, "a", face).stage_sheet(1))
    assert plain.shape == on_face.shape
    assert (plain != on_face).mean() > 0.2
    assert (plain != np.asarray(Artist(cascade, "a").stage_sheet(2))[: len(plain)]).any()


def test_the_contact_sheet_has_a_row_a_stage(random_cascade):
    cascade = random_cascade(nodes=3)
    sheet = Artist(cascade, "cascade.xml").contact_sheet()
    taller = Artist(random_cascade(nodes=2), "cascade.xml").contact_sheet()
    # Fifteen nodes a stage, of which the first are shown; ten of the other.
    assert FIRST == 14
    assert sheet.width > taller.width
    assert sheet.height == taller.height


def test_means_are_stretched():
    samples = np.array([[[10, 20]], [[30, 60]]], np.uint8)
    assert mean_of(samples).tolist() == [[0, 255]]
    assert mean_of(np.full((3, 2, 2), 7, np.uint8)).tolist() == [[0, 0], [0, 0]]


def test_sheets_are_written_nearly_as_drawn(random_cascade, tmp_path, rng):
    face = rng.integers(0, 256, (24, 24), np.uint8)
    sheet = Artist(random_cascade(), "cascade.xml", face).stage_sheet(0)
    write_sheet(tmp_path / "sheet.png", sheet)
    with Image.open(tmp_path / "sheet.png") as image:
        written = np.asarray(image.convert("RGB")).astype(int)
    assert abs(written - np.asarray(sheet)).max() <= 12
