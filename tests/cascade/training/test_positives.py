import numpy as np
import pytest

from fercli.cascade.samples.vec import write_vec
from fercli.cascade.training import positives as positives_of_a_training
from fercli.cascade.training.options import CascadeTrainingOptions
from fercli.cascade.training.positives import load_positives
from fercli.common.errors import InputError, OptionError, VecError


def load(**given):
    return load_positives(
        CascadeTrainingOptions.from_options({"bg": "bg.txt", "size": (12, 12)} | given)
    )


@pytest.fixture
def vec_of(tmp_path):
    def make(samples):
        write_vec(tmp_path / "made.vec", samples, overwrite=True)
        return tmp_path / "made.vec"

    return make


def as_set(samples):
    return {sample.tobytes() for sample in samples}


def test_held_out_positives_are_not_trained_on(vec, lfw):
    positives = load(vec=vec, validation=0.2)
    assert len(positives.validation) == 20
    assert not as_set(positives.validation) & as_set(positives.training)
    assert as_set(positives.validation) | as_set(positives.training) <= as_set(lfw(12)[0])


def test_neighbors_are_held_out_together(vec_of, rng):
    samples = rng.integers(0, 256, (1000, 12, 12), np.uint8)
    samples[:, 0, 0], samples[:, 0, 1] = np.divmod(np.arange(1000), 250)
    validation = load(vec=vec_of(samples)).validation
    numbers = 250 * validation[:, 0, 0].astype(int) + validation[:, 0, 1]
    assert len(numbers) == 100
    # Two hundred runs of five, of which some happen to be neighbors.
    assert set(numbers.tolist()) == {5 * (n // 5) + k for n in numbers.tolist() for k in range(5)}
    assert (np.diff(numbers) > 5).any()


def test_without_validation_all_are_trained_on_in_order(vec, lfw):
    positives = load(vec=vec, validation=0.0)
    assert (positives.training == lfw(12)[0]).all()
    assert len(positives.validation) == 0


def test_the_seed_decides_who_is_held_out(vec):
    sets = [as_set(load(vec=vec, seed=seed).validation) for seed in (1, 1, 2)]
    assert sets[0] == sets[1] != sets[2]


def test_originals_come_first_then_mirror_images_then_variants(vec):
    plain = load(vec=vec).training
    varied = load(vec=vec, mirror=True, variants=2).training
    count = len(plain)
    assert len(varied) == 6 * count
    assert (varied[:count] == plain).all()
    assert (varied[count : 2 * count] == plain[:, :, ::-1]).all()
    variants = varied[2 * count : 4 * count]
    assert (varied[4 * count :] == variants[:, :, ::-1]).all()
    assert (variants[:count] != variants[count:]).any(axis=(1, 2)).all()
    assert np.abs(variants[:count].astype(int) - plain).mean() < 25


def test_variants_that_do_not_fit_into_memory_are_not_made(vec, monkeypatch):
    def fail(*args):
        raise AssertionError("variants were made")

    monkeypatch.setattr(positives_of_a_training, "_with_variants", fail)
    with pytest.raises(OptionError, match=r"90090 positives .* `memory` is 60 MB"):
        load(vec=vec, variants=1000, memory=60)


def test_no_variant_of_a_held_out_positive(vec):
    still = {
        "jitter_shift": 0.0,
        "jitter_scale": 0.0,
        "jitter_angle": 0.0,
        "jitter_brightness": 0.0,
    }
    positives = load(vec=vec, variants=1, **still)
    assert not as_set(positives.validation) & as_set(positives.training)


def test_marked_images_give_what_a_vec_of_them_gives(marked, vec_of):
    from_images = load(info=marked, validation=0.0)
    assert from_images.training.shape == (100, 12, 12)
    again = load(vec=vec_of(from_images.training), validation=0.0)
    assert (again.training == from_images.training).all()


def test_variants_of_marked_images_show_their_surroundings(marked):
    given = {"jitter_shift": 0.0, "jitter_angle": 0.0, "jitter_brightness": 0.0}
    varied = load(info=marked, validation=0.0, variants=1, jitter_scale=1.0, **given).training
    # Of a box seen twice as large, the border is the gray of the sheet.
    assert (np.abs(varied[100:, 0, 0].astype(int) - 90) < 5).any()


def test_positives_without_contrast_are_left_out_and_told(vec_of, lfw):
    faces = lfw(12)[0].copy()
    faces[[3, 50]] = 128
    positives = load(vec=vec_of(faces), validation=0.0)
    assert len(positives.training) == 98
    assert any("not used: 2 positives of 100" in note for note in positives.notes)
    # Local binary patterns do not mind.
    assert len(load(vec=vec_of(faces), validation=0.0, feature_type="LBP").training) == 100


def test_variants_without_contrast_are_their_originals_and_told(vec_of, lfw):
    given = {"validation": 0.0, "variants": 2, "jitter_contrast": 3.0}
    faces = lfw(12)[0]
    faint = np.rint(100 + (faces - 100.0) * 14 / faces.std(axis=(1, 2), keepdims=True))
    path = vec_of(np.clip(faint, 0, 255).astype(np.uint8))
    positives = load(vec=path, **given)
    assert any("variants have so little contrast" in note for note in positives.notes)
    inner = positives.training[:, 1:-1, 1:-1].reshape(len(positives.training), -1)
    assert inner.std(axis=1).min() > 10
    assert not any("contrast" in note for note in load(vec=path, feature_type="LBP", **given).notes)


def test_more_positives_than_there_are_is_told(vec):
    assert load(vec=vec, validation=0.0, positives=100).notes == ()
    notes = load(vec=vec, validation=0.0, positives=101).notes
    assert notes == ("101 positives a stage were asked for, there are 100",)


def test_repeated_positives_are_told(vec_of, lfw):
    faces = lfw(12)[0].copy()
    faces[40:50] = faces[30:40]
    notes = load(vec=vec_of(faces), validation=0.0).notes
    assert any("exact copies of others: 10 positives of 100" in note for note in notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda faces: faces[:10], "at least 11 positives in all, got 10"),
        (lambda faces: np.full_like(faces, 99), "(standard deviation above 10), got 0"),
        (lambda faces: np.repeat(faces[:1], 100, axis=0), "differ from each other, got 1"),
        (lambda faces: faces[:12], "left for the training, got 6"),
    ],
    ids=["few", "constant", "duplicates", "held out"],
)
def test_too_few_positives_are_named(vec_of, lfw, change, words):
    with pytest.raises(InputError) as raised:
        load(vec=vec_of(change(lfw(12)[0])), validation=0.5)
    assert words in str(raised.value)


def test_vec_of_another_size(vec):
    with pytest.raises(VecError, match="24x24"):
        load(vec=vec, size=(24, 24))
