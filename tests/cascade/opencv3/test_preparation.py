from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade.opencv3 import ProgramSettings
from fercli.cascade.opencv3.preparation import (
    Buffers,
    check_backgrounds,
    check_positives,
    count_features,
    count_windows,
    most_positives,
    note_plan,
    plan_buffers,
    prepare_backgrounds,
    resolve_counts,
)
from fercli.cascade.samples.vec import write_vec
from fercli.common.errors import AnnotationError, InputError, OptionError, VecError
from fercli.common.progress import Progress
from fercli.common.recipes import read_recipe, write_recipe


class Notes(Progress):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def settings(tmp_path):
    vec = tmp_path / "a.vec"
    write_vec(vec, np.zeros((100, 8, 10), np.uint8))
    return ProgramSettings(vec=vec, bg=tmp_path / "bg.txt", size_wh=(10, 8))


def test_positives_are_as_many_as_all_stages_can_fill(settings):
    counted = resolve_counts(settings, check_positives(settings))
    assert counted.positives == int(100 / (1 + 1.25 * 19 * 0.005)) == 89
    assert counted.negatives == 44


def test_one_stage_takes_all(settings):
    settings = replace(settings, stages=1)
    assert resolve_counts(settings, check_positives(settings)).positives == 100


def test_counts_that_are_given_stay(settings):
    settings = replace(settings, positives=100, negatives=7)
    counted = resolve_counts(settings, check_positives(settings))
    assert (counted.positives, counted.negatives) == (100, 7)


def test_more_positives_than_there_are_is_said_with_what_would_do(settings):
    settings = replace(settings, positives=101)
    with pytest.raises(OptionError, match="has only 100 samples") as caught:
        resolve_counts(settings, check_positives(settings))
    assert "89 for each of 20 stages" in caught.value.hint


def test_too_few_samples_are_refused(settings):
    settings = replace(settings, positives=6, negatives=4)
    with pytest.raises(OptionError, match="more than 10 samples"):
        resolve_counts(settings, check_positives(settings))


@pytest.mark.parametrize("hit_rate", [0.999, 0.995, 0.9, 0.1])
def test_fewer_positives_follow_from_more_stages(settings, hit_rate):
    settings = replace(settings, min_hit_rate=hit_rate)
    counts = [most_positives(1000, replace(settings, stages=n)) for n in (1, 5, 20)]
    assert counts[0] == 1000
    assert counts == sorted(counts, reverse=True)


def test_a_window_of_another_size_is_refused_with_the_sizes_that_fit(settings):
    with pytest.raises(VecError, match=r"24x24 = 576 pixels, .* samples of 80") as caught:
        check_positives(replace(settings, size_wh=(24, 24)))
    assert "10x8" in caught.value.hint


def test_an_empty_vec_is_refused(settings, tmp_path):
    (tmp_path / "none.vec").write_bytes(settings.vec.read_bytes()[:12])
    with pytest.raises(VecError, match="The file holds no sample"):
        check_positives(replace(settings, vec=tmp_path / "none.vec"))


def test_a_vec_whose_header_lies_is_used_as_far_as_it_goes(settings):
    content = settings.vec.read_bytes()
    settings.vec.write_bytes(content[: 12 + 60 * 161 + 5])
    notes = Notes()
    assert check_positives(settings, notes).count == 60
    assert "declares 100" in notes.notes[0]


def test_backgrounds_that_cannot_be_used_are_left_out(make_image, tmp_path):
    make_image("large.png", 40, 30)
    make_image("small.png", 9, 30)
    (tmp_path / "text.png").write_text("no image")
    bg = tmp_path / "bg.txt"
    bg.write_text("# a comment\nlarge.png\r\n\nsmall.png\ntext.png\nmissing.png\nlarge.png\n")
    found = check_backgrounds(bg, (10, 8))
    assert [path.name for path in found.usable] == ["large.png", "large.png"]
    assert [(path.name, why.split(",")[0]) for path, why in found.left_out] == [
        ("small.png", "9x30 pixels"),
        ("text.png", "The file is not an image: neither OpenCV nor Pillow can decode it"),
        ("missing.png", "Expected an image"),
    ]
    assert found.windows == 2 * count_windows((40, 30), (10, 8))


def test_a_folder_of_backgrounds_will_do(make_image, tmp_path):
    make_image("scenes/b.png", 40, 30)
    make_image("scenes/deep/a.png", 40, 30)
    found = check_backgrounds(tmp_path / "scenes", (10, 8))
    assert [path.name for path in found.usable] == ["b.png", "a.png"]


def test_without_usable_backgrounds_the_reasons_are_told(make_image, tmp_path):
    make_image("small.png", 9, 30)
    bg = tmp_path / "bg.txt"
    bg.write_text("small.png\n")
    with pytest.raises(AnnotationError, match=r"None of 1 back.*\(.*small.png: 9x30 pixels"):
        check_backgrounds(bg, (10, 8))
    bg.write_text("\n")
    with pytest.raises(AnnotationError, match=r"None of 0 backgrounds"):
        check_backgrounds(bg, (10, 8))
    with pytest.raises(InputError):
        check_backgrounds(tmp_path / "missing.txt", (10, 8))


def test_the_programs_list_is_absolute_and_holds_what_it_can_read(make_image, tmp_path):
    names = ["plain.png", "with a space.png", "ends in blank.png ", "#5.png"]
    paths = [make_image(f"{number}.png", 40, 30).rename(tmp_path / name)
             for number, name in enumerate(names)]  # fmt: skip
    cv2.imwrite(str(tmp_path / "odd.webp"), np.full((30, 40), 99, np.uint8))
    bg = tmp_path / "bg.txt"
    bg.write_text("plain.png\nwith a space.png\nodd.webp\n")
    found = check_backgrounds(bg, (10, 8))
    found = replace(found, usable=(*found.usable, *paths[2:]))
    listed = prepare_backgrounds(found, tmp_path / "place").read_text().splitlines()
    assert listed[:2] == [str(tmp_path / "plain.png"), str(tmp_path / "with a space.png")]
    assert listed[2].endswith("0000002.png")
    assert cv2.imread(listed[2], 0).mean() == 99
    for name, path in zip(listed[3:], paths[2:], strict=True):
        assert name.strip() == name
        assert np.array_equal(cv2.imread(name, 0), cv2.imread(str(path), 0))


def test_those_left_out_are_listed(make_image, tmp_path):
    make_image("large.png", 40, 30)
    (tmp_path / "bg.txt").write_text("large.png\nmissing.png\n")
    found = check_backgrounds(tmp_path / "bg.txt", (10, 8))
    prepare_backgrounds(found, tmp_path / "place")
    assert "missing.png\tExpected an image" in (tmp_path / "place" / "left_out.txt").read_text()


@pytest.mark.parametrize(
    ("image", "window", "windows"),
    [
        ((20, 20), (20, 20), 1),  # the whole image
        ((40, 20), (20, 20), 2),  # x = 0, 10; not 20: int(10 + 30) < 40 does not hold
        ((41, 20), (20, 20), 3),
        ((29, 29), (20, 20), 1 + 1),  # scales 20/29 and 20/29·√2
        ((19, 30), (20, 20), 0),
    ],
)
def test_windows_of_a_image(image, window, windows):
    assert count_windows(image, window) == windows


def test_what_may_surprise_is_told(settings, make_image, tmp_path):
    make_image("large.png", 40, 30)
    (tmp_path / "bg.txt").write_text("large.png\nmissing.png\n")
    backgrounds = check_backgrounds(tmp_path / "bg.txt", (10, 8))
    notes = Notes()
    counted = replace(settings, positives=2000, negatives=1000)
    note_plan(counted, backgrounds, Buffers(1, 2, whole=False), notes)
    text = "\n".join(notes.notes)
    assert "2000 positives, 1000 negatives from 1 background" in text
    assert "left out: 1 background" in text
    assert f"about {backgrounds.windows} windows" in text
    assert "do not hold all features" in text


@pytest.mark.parametrize(
    ("feature_type", "mode", "size_wh", "count"),
    [("HAAR", "BASIC", (20, 20), 78_460), ("HAAR", "CORE", (20, 20), 101_329),
     ("HAAR", "ALL", (24, 24), 261_600), ("LBP", None, (24, 24), 8_464)],
)  # fmt: skip
def test_features_are_counted_as_the_program_counts_them(
    settings, feature_type, mode, size_wh, count
):
    asked = replace(settings, feature_type=feature_type, mode=mode, size_wh=size_wh)
    assert count_features(asked) == count


GIGABYTE = 1 << 30


@pytest.fixture
def counted(settings):
    return replace(settings, size_wh=(20, 20), positives=6300, negatives=3150)


def test_buffers_hold_everything_if_it_fits(counted):
    # 2 × 1,415 MB and 2,829 MB of features beside 33 MB of integral images
    assert plan_buffers(counted, 78_460, 6 * GIGABYTE) == Buffers(1415, 2829, whole=True)


def test_indices_come_first(counted):
    images = 9450 * 2 * 4 * 21 * 21
    found = plan_buffers(counted, 78_460, images + (3000 << 20))
    assert found == Buffers(1415, 3000 - 2 * 1415, whole=False)
    found = plan_buffers(counted, 78_460, images + (1001 << 20))
    assert found == Buffers(500, 1, whole=False)


def test_indices_of_many_samples_are_larger(counted):
    many = replace(counted, positives=60_000, negatives=10_000)
    assert plan_buffers(many, 1000, 8 * GIGABYTE).index_mb == 268


def test_lbp_has_no_indices(counted):
    lbp = replace(counted, feature_type="LBP")
    assert plan_buffers(lbp, 3969, GIGABYTE) == Buffers(0, 144, whole=True)


def test_buffers_that_are_given_stay_but_for_what_is_too_much(counted):
    given = replace(counted, index_buffer=10, value_buffer=10**9)
    assert plan_buffers(given, 78_460, 6 * GIGABYTE) == Buffers(10, 2829, whole=False)


def test_too_little_memory_is_refused(counted):
    with pytest.raises(OptionError, match="MB of memory for 9450 samples"):
        plan_buffers(counted, 78_460, 1 << 20)
    with pytest.raises(OptionError, match="Expected 2829 MB"):
        plan_buffers(replace(counted, value_buffer=2829, index_buffer=0), 78_460, GIGABYTE)


GIVEN = {"vec": Path("a.vec"), "bg": Path("bg.txt")}


def program_settings(**options):
    return ProgramSettings.from_options({**GIVEN, **options})


def test_paths_become_absolute():
    made = program_settings(tools=Path("bin"))
    assert (made.vec, made.bg, made.tools) == (
        Path.cwd() / "a.vec",
        Path.cwd() / "bg.txt",
        Path.cwd() / "bin",
    )


def test_what_is_none_keeps_its_default():
    assert program_settings(stages=None).stages == 20
    assert program_settings().mode == "BASIC"


def test_a_recipe_gives_the_settings_back(tmp_path):
    made = program_settings(size=(20, 16), min_hit_rate=0.999, mode="ALL", index_buffer=7)
    write_recipe(tmp_path / "recipe.toml", made.to_options())
    assert ProgramSettings.from_options(read_recipe(tmp_path / "recipe.toml")) == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vec": None}, "`vec` is missing"),
        ({"seed": 3}, "`seed` cannot be used with `engine` opencv"),
        ({"min_hit_rate": 1.0}, "`min_hit_rate`: expected more than 0 and less than 1, got 1;"),
        ({"min_hit_rate": float("nan")}, "`min_hit_rate`"),
        ({"max_false_alarm_rate": 0.0}, "`max_false_alarm_rate`"),
        ({"weight_trim_rate": 1.01}, "`weight_trim_rate`: expected more than 0 and at most 1"),
        ({"acceptance_ratio_break": 1.5}, "`acceptance_ratio_break`"),
        ({"stages": 0}, "`stages`: expected 1 or more, got 0"),
        ({"max_weak_count": -1}, "`max_weak_count`"),
        ({"workers": 0}, "`workers`: expected 1 or more, got 0"),
        ({"value_buffer": -1}, "`value_buffer`: expected 0 or more, got -1"),
        ({"size": (24, 2)}, "`size_wh`: expected 3 or more pixels a side, got 24x2"),
        ({"mode": "RINGS"}, "`mode`: expected BASIC, CORE or ALL, got RINGS"),
        ({"feature_type": "LBP", "mode": "ALL"}, "`mode` ALL chooses Haar features"),
        ({"feature_type": "LBP", "old_format": True}, "`old_format`"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        program_settings(**options)


def test_no_trimming_is_allowed():
    assert program_settings(weight_trim_rate=1.0).weight_trim_rate == 1.0
