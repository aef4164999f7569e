import dataclasses
import math

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import Cascade, LbpFeature, Node, Stage, WeakClassifier
from fercli.cascade.training.negative_mining import NegativeMiner, miner
from fercli.common.errors import InputError, OptionError
from fercli.common.progress import Progress

SIZE = (24, 24)


@pytest.fixture
def images(make_image):
    return [make_image(f"scene {at}.png", 90 + 7 * at, 70 + 3 * at) for at in range(12)]


def lbp_cascade(seed, stages=1):
    """Random subsets that let through about a quarter of the windows a stage."""
    rng = np.random.default_rng(seed)
    features = tuple(LbpFeature(at, at % 9, 3, 5) for at in range(4 * stages))
    subsets = rng.integers(-(2**31), 2**31, (4 * stages, 8)).tolist()
    weak = [
        WeakClassifier((Node(0, -1, at, subset=tuple(subset)),), (1.0, -1.0))
        for at, subset in enumerate(subsets)
    ]
    stages = tuple(Stage(1.5, tuple(weak[at : at + 4])) for at in range(0, len(weak), 4))
    return Cascade("LBP", SIZE, stages, features)


def all_windows(image):
    """Every window of the three sweeps, found the slow and obvious way."""
    height, width = image.shape
    for phase in (0.0, 0.5):
        power = 0
        # A scale half-way is there if the detector's scale below it is.
        while round(24 * 1.1**power) <= min(width, height):
            scale = float(np.float32(np.float32(1.1**power) * math.sqrt(1.1) ** (2 * phase)))
            power += 1
            size = [int(np.rint(np.float32(side) / np.float32(scale))) for side in (width, height)]
            layer = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR_EXACT)
            for y in range(size[1] - 23):
                for x in range(size[0] - 23):
                    yield layer[y : y + 24, x : x + 24]


def as_set(windows):
    return {window.tobytes() for window in windows}


class Watched(Progress):
    """Progress that remembers what it was told."""

    def __init__(self):
        self.notes, self.advanced, self.shown = [], 0, []

    def note(self, text):
        self.notes.append(text)

    def bar(self, description, *, total=None, unit="it"):
        self.description, self.total = description, total
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def advance(self, count=1):
        self.advanced += count

    def figures(self, text):
        self.shown.append(text)


@pytest.mark.compiled
def test_finds_different_windows_that_the_cascade_accepts(images):
    cascade = lbp_cascade(1, stages=2)
    result = NegativeMiner(images, SIZE).mine(cascade, 200, stage_index=2)
    assert result.windows.shape == (200, 24, 24)
    assert Scanner(cascade).accepts(result.windows).all()
    assert len(as_set(result.windows)) == 200
    assert not result.exhausted
    assert not result.rare
    assert 0 < result.acceptance_ratio < 0.3


@pytest.mark.compiled
def test_windows_are_where_they_are_said_to_be(images):
    result = NegativeMiner(images, SIZE).mine(lbp_cascade(1), 100, stage_index=1)
    read = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in images]
    for window, number, (x, y, w, h) in zip(
        result.windows, result.images, result.boxes_xywh, strict=True
    ):
        crop = cv2.resize(read[number][y : y + h, x : x + w], SIZE)
        # The layer is resized as a whole, and the box is rounded: alike, not equal.
        assert np.corrcoef(crop.ravel(), window.ravel())[0, 1] > 0.7
        if (w, h) == SIZE:
            assert (read[number][y : y + h, x : x + w] == window).all()


@pytest.mark.compiled
def test_turned_images_are_looked_at_once_all_are_seen_as_they_are(make_image):
    path = make_image("a.png", 60, 40)
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    # Known objects are kept away from: the left edge of the image, which turns with it.
    miner = NegativeMiner([path], SIZE, turned=True, objects={path: ((0, 0, 9, 40),)})
    upright = NegativeMiner([path], SIZE, objects=miner.objects).mine(None, 10**6, stage_index=0)
    assert upright.exhausted
    count = len(upright.windows)
    few = miner.mine(None, count, stage_index=0)
    assert as_set(few.windows) == as_set(upright.windows)
    every = miner.mine(None, 10**6, stage_index=0)
    assert every.windows_seen > 3 * upright.windows_seen
    assert as_set(every.windows[:count]) == as_set(upright.windows)
    turns = [0, 0, 0, 0]
    for window, (x, y, w, h) in zip(every.windows, every.boxes_xywh, strict=True):
        if (w, h) == SIZE:
            crop = image[y : y + h, x : x + w]
            turns[[(np.rot90(crop, turn) == window).all() for turn in range(4)].index(True)] += 1
            assert x >= 9
    # Of 28 columns and 17 rows; a window that is too even is left out.
    assert turns == [turns[0]] * 4
    assert 0 < turns[0] <= 28 * 17


@pytest.mark.compiled
def test_without_a_cascade_takes_windows_of_all_images_and_scales(images):
    result = NegativeMiner(images, SIZE).mine(None, 1000, stage_index=0)
    assert result.windows.shape == (1000, 24, 24)
    assert (result.windows[:, 1:-1, 1:-1].std(axis=(1, 2)) > 10).all()
    counts = np.bincount(result.images, minlength=len(images))
    assert counts.min() > 40
    sides = result.boxes_xywh[:, 2]
    assert sides.min() == 24
    assert sides.max() >= 64


def test_flat_windows_are_negatives_of_lbp(tmp_path):
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((60, 60), 7, np.uint8))
    haar = NegativeMiner([tmp_path / "flat.png"], SIZE).mine(None, 5, stage_index=0)
    assert haar.exhausted
    assert len(haar.windows) == 0
    assert haar.windows_seen > 1000
    miner = NegativeMiner([tmp_path / "flat.png"], SIZE, refuse_flat=False)
    lbp = miner.mine(None, 5, stage_index=0)
    # All of them are the same.
    assert len(lbp.windows) == 1
    assert lbp.acceptance_ratio == 1


@pytest.mark.compiled
@pytest.mark.parametrize("wanted", [40, 400])
def test_the_same_at_any_number_of_threads_and_with_any_memory(images, wanted):
    cascade = lbp_cascade(1)

    def mine(**options):
        return NegativeMiner(images, SIZE, **options).mine(cascade, wanted, stage_index=3)

    first = mine(workers=1)
    assert len(first.windows) == wanted
    for options in ({"workers": 2}, {"workers": 7}, {"memory_bytes": 0}):
        other = mine(**options)
        assert (other.windows == first.windows).all()
        assert (other.windows_seen, other.windows_accepted) == (
            first.windows_seen, first.windows_accepted,
        )  # fmt: skip


@pytest.mark.compiled
def test_depends_on_seed_and_stage_but_not_on_earlier_stages(images):
    def mine(miner, stage_index):
        return miner.mine(lbp_cascade(1), 50, stage_index=stage_index).windows

    fresh = mine(NegativeMiner(images, SIZE), 2)
    used = NegativeMiner(images, SIZE)
    mine(used, 0)
    assert (mine(used, 2) == fresh).all()
    assert (mine(used, 1) != fresh).any()
    assert (mine(NegativeMiner(images, SIZE, seed=1), 2) != fresh).any()


@pytest.mark.parametrize("stages", [1, 2])
def test_when_backgrounds_run_dry_every_window_has_been_seen(make_image, stages):
    paths = [make_image("a.png", 61, 53), make_image("b.png", 40, 70)]
    cascade = lbp_cascade(5, stages)
    result = NegativeMiner(paths, SIZE).mine(cascade, 10**6, stage_index=1)
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    windows = np.array([window for image in images for window in all_windows(image)])
    accepted = Scanner(cascade).accepts(windows)
    assert result.exhausted
    assert as_set(result.windows) == as_set(windows[accepted])
    assert len(as_set(result.windows)) == len(result.windows) > 10
    assert (result.windows_seen, result.windows_accepted) == (len(windows), accepted.sum())
    assert result.acceptance_ratio == accepted.mean()


def test_tiles_with_more_windows_than_were_kept_are_scanned_again(make_image, monkeypatch):
    """One tile alone has all the windows, and more of them than it may give at once."""
    monkeypatch.setattr(miner, "KEPT_FOR_LATER", 0)
    path = make_image("a.png", 60, 60)
    cascade = lbp_cascade(5)
    everything = NegativeMiner([path], SIZE).mine(cascade, 10**6, stage_index=1)
    count = len(everything.windows)
    for wanted in (count - 1, count, count + 1):
        result = NegativeMiner([path], SIZE).mine(cascade, wanted, stage_index=1)
        assert len(result.windows) == min(wanted, count)
        assert result.exhausted == (wanted > count)


@pytest.mark.compiled
def test_what_is_missing_in_the_end_is_taken_evenly(make_image):
    result = NegativeMiner([make_image("a.png", 160, 120)], SIZE).mine(
        lbp_cascade(1), 3000, stage_index=1
    )
    assert len(result.windows) == 3000
    # Of 58 parts, four or fewer are of one size: 3000 / 58 · 4 = 207, and some have too little.
    assert np.bincount(result.boxes_xywh[:, 2]).max() < 250


@pytest.mark.compiled
def test_few_come_from_one_image_while_others_have_some(make_image):
    paths = [make_image(f"{at}.png", 64, 48) for at in range(1200)]
    result = NegativeMiner(paths, SIZE).mine(lbp_cascade(1), 600, stage_index=1)
    assert np.bincount(result.images).max() == 1


@pytest.mark.compiled
def test_nothing_accepted_ends(images):
    nothing = dataclasses.replace(
        lbp_cascade(1), stages=(dataclasses.replace(lbp_cascade(1).stages[0], threshold=5.0),)
    )
    result = NegativeMiner(images, SIZE).mine(nothing, 10, stage_index=1)
    assert result.exhausted
    assert result.windows.shape == (0, 24, 24)
    assert result.acceptance_ratio == 0


@pytest.mark.compiled
def test_gives_up_below_the_lowest_ratio(images, monkeypatch):
    monkeypatch.setattr(miner, "LEAST_FIRST_TILES", 12)  # a first round that is not all there is
    cascade = lbp_cascade(1, stages=4)
    result = NegativeMiner(images, SIZE).mine(cascade, 10**6, stage_index=4, lowest_ratio=0.05)
    assert result.rare
    assert not result.exhausted
    everything = NegativeMiner(images, SIZE).mine(cascade, 10**6, stage_index=4)
    assert everything.exhausted
    assert result.windows_seen < everything.windows_seen
    again = NegativeMiner(images, SIZE).mine(cascade, 20, stage_index=4, lowest_ratio=1e-9)
    assert not again.rare


@pytest.mark.compiled
def test_does_not_give_up_before_all_images_were_looked_at(make_image, tmp_path):
    # Every code but that of a flat patch passes: one image of forty-one has what is sought.
    subset = (-1,) * 7 + (2**31 - 1,)
    weak = WeakClassifier((Node(0, -1, 0, subset=subset),), (1.0, -1.0))
    cascade = Cascade("LBP", SIZE, (Stage(0.5, (weak,)),), (LbpFeature(0, 0, 8, 8),))
    flat = tmp_path / "flat.png"
    cv2.imwrite(str(flat), np.full((120, 160), 90, np.uint8))
    backgrounds = [flat] * 40 + [make_image("scene.png", 160, 120)]
    for seed in range(3):
        miner = NegativeMiner(backgrounds, SIZE, refuse_flat=False, seed=seed)
        result = miner.mine(cascade, 50, stage_index=1, lowest_ratio=0.001)
        assert not result.rare
        assert len(result.windows) == 50


@pytest.mark.compiled
def test_keeps_away_from_known_objects(images):
    boxes = dict.fromkeys(images[::2], ((30, 20, 25, 30), (0, 60, 10, 5)))
    miner = NegativeMiner(images, SIZE, objects=boxes)
    result = miner.mine(None, 10**4, stage_index=0)
    near = 0
    for number, (x, y, w, h) in zip(result.images, result.boxes_xywh, strict=True):
        for a, b, c, d in boxes.get(images[number], ()):
            across, down = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
            # Boxes of windows are rounded to whole pixels.
            assert across <= 1 or down <= 1
            near += across in (0, 1) or down in (0, 1)
    # Up to their border, windows are taken.
    assert near > 100


@pytest.mark.compiled
def test_objects_that_fill_their_image_leave_nothing(images):
    boxes = dict.fromkeys(images, ((0, 0, 1000, 1000),))
    result = NegativeMiner(images, SIZE, objects=boxes).mine(None, 10, stage_index=0)
    assert result.exhausted
    assert (len(result.windows), result.windows_seen) == (0, 0)


def test_copies_of_a_image_give_no_copies_of_windows(make_image):
    path = make_image("a.png", 50, 50)
    result = NegativeMiner([path] * 5, SIZE).mine(lbp_cascade(5), 10**6, stage_index=1)
    alone = NegativeMiner([path], SIZE).mine(lbp_cascade(5), 10**6, stage_index=1)
    assert as_set(result.windows) == as_set(alone.windows)
    assert len(result.windows) == len(alone.windows)


@pytest.mark.compiled
def test_images_that_cannot_be_used_are_named_once(images, tmp_path, make_image):
    missing, text = tmp_path / "missing.png", tmp_path / "text.png"
    text.write_text("no image")
    small = make_image("small.png", 60, 20)
    miner = NegativeMiner([missing, *images, text, small], SIZE)
    watched = Watched()
    cascade = lbp_cascade(1, stages=3)
    assert len(miner.mine(cascade, 10**6, stage_index=1, progress=watched).windows)
    assert len(watched.notes) == 3
    for path, note in zip((missing, text, small), watched.notes, strict=True):
        assert note.startswith(f"left out: {path}: ")
    assert watched.notes[2].endswith("60x20 pixels is smaller than the window of 24x24")
    miner.mine(cascade, 10**6, stage_index=2, progress=watched)
    assert len(watched.notes) == 3


def test_many_unusable_images_are_counted(images, tmp_path):
    watched = Watched()
    missing = [tmp_path / f"missing {at}.png" for at in range(50)]
    NegativeMiner([*missing, images[0]], SIZE).mine(None, 500, stage_index=0, progress=watched)
    assert len(watched.notes) == 11
    assert watched.notes[-1] == "left out: 40 more background images"


def test_no_usable_image_is_an_error(tmp_path, make_image):
    paths = [tmp_path / "missing.png", make_image("small.png", 23, 100)]
    with pytest.raises(InputError) as caught:
        NegativeMiner(paths, SIZE).mine(None, 10, stage_index=0)
    assert "24x24" in str(caught.value)
    assert "None of the 2 background images" in str(caught.value)
    assert "missing.png" in str(caught.value)
    with pytest.raises(InputError, match="no background images"):
        NegativeMiner([], SIZE)
    with pytest.raises(OptionError, match="expected more than 1"):
        NegativeMiner(paths, SIZE, scale_factor=1)


def test_tells_the_ratio_and_the_rate(images):
    watched = Watched()
    result = NegativeMiner(images, SIZE).mine(lbp_cascade(1), 300, stage_index=7, progress=watched)
    assert "7" in watched.description
    assert (watched.total, watched.advanced) == (300, len(result.windows))
    assert watched.shown[-1].startswith(f"acceptance {result.acceptance_ratio:.3g}, ")
    assert "windows/s" in watched.shown[-1]


def test_a_hundred_thousand_backgrounds(make_image):
    paths = [make_image("a.png", 100, 80), make_image("b.png", 80, 100)] * 50_000
    result = NegativeMiner(paths, SIZE, memory_bytes=10**6).mine(None, 500, stage_index=0)
    assert len(result.windows) == 500
    assert len(set(result.images.tolist())) == 500


def test_an_interruption_ends_at_once(images):
    class Interrupted(Watched):
        def advance(self, count=1):
            raise KeyboardInterrupt

    miner = NegativeMiner(images, SIZE, workers=2)
    with pytest.raises(KeyboardInterrupt):
        miner.mine(None, 500, stage_index=0, progress=Interrupted())
    assert len(miner.mine(None, 50, stage_index=0).windows) == 50
