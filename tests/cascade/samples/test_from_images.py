from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.cascade.samples.from_images import (
    CHUNK,
    create_from_images,
    cut_window,
    read_background,
)
from fercli.cascade.samples.options import Distortion, WarpRules
from fercli.cascade.samples.vec import read_vec
from fercli.common.errors import AnnotationError, ImageError, OptionError, OutputExistsError

SIZE = (24, 30)
STILL = Distortion(0, 0, 0, 0)


@pytest.fixture
def create(tmp_path):
    def create(*images, num=20, name="out.vec", engine="native", tools=None, workers=None, **rules):
        rules = WarpRules(**{"size_wh": SIZE, **rules})
        created = create_from_images(
            images, tmp_path / name, num, rules, engine=engine, tools=tools, workers=workers,
            overwrite=True,
        )  # fmt: skip
        return created, np.array(read_vec(tmp_path / name, rules.size_wh))

    return create


def test_any_number_of_workers_gives_the_same_and_less_is_a_beginning_of_more(
    create, smooth_image, make_backgrounds, monkeypatch
):
    monkeypatch.setattr("fercli.cascade.samples.from_images.CHUNK", 16)
    rules = {"backgrounds": make_backgrounds(), "seed": 7}
    created, samples = create(smooth_image, num=300, workers=1, **rules)
    assert (created.count, samples.shape) == (300, (300, 30, 24))
    np.testing.assert_array_equal(create(smooth_image, num=300, workers=3, **rules)[1], samples)
    np.testing.assert_array_equal(create(smooth_image, num=21, **rules)[1], samples[:21])


def test_processes_give_what_threads_do(create, smooth_image, make_backgrounds, monkeypatch):
    rules = {"backgrounds": make_backgrounds(), "num": 20 * CHUNK + 7, "workers": 2}
    _, samples = create(smooth_image, **rules)
    monkeypatch.setattr("fercli.cascade.samples.from_images.PROCESSES_FROM", 100)
    monkeypatch.setattr("fercli.cascade.samples.from_images.TASK", CHUNK)
    np.testing.assert_array_equal(create(smooth_image, **rules)[1], samples)


def test_seeds_give_other_samples_and_no_two_are_alike(create, smooth_image):
    samples = [create(smooth_image, num=CHUNK + 9, seed=seed)[1] for seed in (0, 1)]
    both = np.concatenate(samples).reshape(2 * (CHUNK + 9), -1)
    assert len(np.unique(both, axis=0)) == len(both)


def test_images_take_turns(create, tmp_path):
    for gray in (50, 150, 250):
        cv2.imwrite(str(tmp_path / f"{gray}.png"), np.full((30, 24), gray, np.uint8))
    images = [tmp_path / f"{gray}.png" for gray in (50, 150, 250)]
    _, samples = create(*images, num=CHUNK + 5, distortion=STILL)
    assert samples[:, 15, 12].tolist() == ([50, 150, 250] * CHUNK)[: CHUNK + 5]


def test_what_stands_behind_the_object(create, tmp_path, make_backgrounds):
    cv2.imwrite(str(tmp_path / "bar.png"), np.full((30, 6), 200, np.uint8))
    bar = tmp_path / "bar.png"
    _, extended = create(bar, distortion=STILL)
    assert (extended == 200).all()
    _, flat = create(bar, distortion=STILL, bg_color=13, bg_threshold=5)
    assert (flat[:, :, :7] == 13).all()
    assert (flat[:, :, 11:13] == 200).all()
    _, textured = create(bar, distortion=STILL, backgrounds=make_backgrounds(3))
    assert len(np.unique(textured[:, :, :7].reshape(20, -1), axis=0)) == 20


def test_every_background_is_used(create, tmp_path):
    """Thirty backgrounds of one gray level each: all are seen in two thousand samples."""
    lines = []
    for gray in range(100, 130):
        cv2.imwrite(str(tmp_path / f"{gray}.png"), np.full((40, 40), gray, np.uint8))
        lines.append(f"{gray}.png\n")
    (tmp_path / "bg.txt").write_text("".join(lines))
    cv2.imwrite(str(tmp_path / "bar.png"), np.full((30, 6), 200, np.uint8))
    _, samples = create(
        tmp_path / "bar.png", num=2000, distortion=STILL, backgrounds=tmp_path / "bg.txt"
    )
    grays, counts = np.unique(samples[:, 0, 0], return_counts=True)
    assert grays.tolist() == list(range(100, 130))
    assert counts.min() > 20


def test_much_transparency_is_told(create, tmp_path, rng):
    image = np.zeros((30, 30), np.uint8)
    image[10:20, 10:20] = 200
    cv2.imwrite(str(tmp_path / "a.png"), image)
    created, _ = create(tmp_path / "a.png", bg_color=0)
    assert created.notes[0].startswith(f"89% of {tmp_path}/a.png is transparent")


def test_what_cannot_be_used_is_named(create, tmp_path, smooth_image, make_backgrounds):
    with pytest.raises(ImageError, match=r"none\.png: Expected an image, found nothing"):
        create(tmp_path / "none.png")
    with pytest.raises(OptionError, match="Expected at least one image of the object"):
        create()
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(AnnotationError, match=r"empty\.txt: The list .* names no image"):
        create(smooth_image, backgrounds=tmp_path / "empty.txt")
    with pytest.raises(OptionError, match=r"object\.png: All .* is transparent.* `bg_threshold`"):
        create(smooth_image, bg_color=128, bg_threshold=128)
    assert not (tmp_path / "out.vec").exists()


def spoil(backgrounds, *numbers):
    for number in numbers:
        (backgrounds.parent / "scenes" / f"{number}.png").write_bytes(b"")


def test_bad_backgrounds_are_errors_or_left_out(create, tmp_path, smooth_image, make_backgrounds):
    backgrounds = make_backgrounds()
    spoil(backgrounds, 3, 5)
    with pytest.raises(ImageError, match="an empty file; try: use `skip_bad`"):
        create(smooth_image, backgrounds=backgrounds)
    created, samples = create(
        smooth_image, num=CHUNK * 3, backgrounds=backgrounds, skip_bad=True, workers=2
    )
    assert len(samples) == CHUNK * 3
    assert sorted(Path(error.path).name for error in created.left_out) == ["3.png", "5.png"]


def test_backgrounds_that_are_all_bad_end_in_an_error_not_a_loop(
    create, smooth_image, make_backgrounds
):
    backgrounds = make_backgrounds(3)
    spoil(backgrounds, 0, 1, 2)
    with pytest.raises(ImageError, match="an empty file"):
        create(smooth_image, backgrounds=backgrounds, skip_bad=True)
    with pytest.raises(ImageError, match="is 20x40; expected at least 24x30"):
        create(smooth_image, backgrounds=make_backgrounds(2, 20, 40), skip_bad=True)


def test_an_existing_file_stays(smooth_image, tmp_path):
    (tmp_path / "out.vec").write_text("mine")
    with pytest.raises(OutputExistsError):
        create_from_images([smooth_image], tmp_path / "out.vec")


def test_what_the_program_cannot_do_is_named(create, smooth_image, make_backgrounds):
    with pytest.raises(OptionError, match="needs a background"):
        create(smooth_image, engine="opencv")


def with_both(create, opencv_tools, *images, **rules):
    _, ours = create(*images, **rules)
    created, theirs = create(*images, engine="opencv", tools=opencv_tools, **rules)
    assert ours.shape == theirs.shape
    return ours.astype(float), theirs.astype(float), created


@pytest.mark.opencv3
def test_a_still_image_is_where_opencv_has_it(create, smooth_image, opencv_tools):
    """Within what averaging changes, and a pixel along the edges of the object."""
    ours, theirs, _ = with_both(
        create, opencv_tools, smooth_image, num=2, distortion=STILL, bg_color=0, bg_threshold=0
    )
    inside = np.s_[0, 2:-2, 2:-2]
    assert np.abs(ours[inside] - theirs[inside]).max() <= 6
    assert np.abs(ours[inside] - theirs[inside]).mean() <= 2


@pytest.mark.opencv3
@pytest.mark.parametrize(
    "distortion",
    [
        Distortion(1.1, 0, 0, 0),
        Distortion(0, 1.1, 0, 0),
        Distortion(0, 0, 0.5, 0),
        Distortion(0.6, 0.9, 0.3, 40),
        Distortion(0.3, 0.3, 0.1, 20, "random"),
        Distortion(0.1, 0.1, 0.1, 5, "always"),
    ],
)
def test_samples_are_distributed_as_opencvs(
    create, tmp_path, smooth_image, opencv_tools, distortion
):
    """Means and deviations of 1,200 samples, pixel by pixel, at the image's own resolution.

    Tolerances: chance (a standard error of the mean of about 2 gray levels), OpenCV's rounding
    down (about 1), and the edges of the object, which lie half a pixel apart.
    """
    # Of a middling gray, so that the edges matter less than what is within.
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((100, 100), 140, np.uint8))
    (tmp_path / "bg.txt").write_text("wall.png\n")
    ours, theirs, _ = with_both(
        create, opencv_tools, smooth_image, num=1200, size_wh=(48, 60), distortion=distortion,
        backgrounds=tmp_path / "bg.txt",
    )  # fmt: skip
    near = (cv2.blur(each.mean(axis=0), (5, 5)) for each in (ours, theirs))
    assert np.abs(np.subtract(*near)).max() <= 10
    assert abs(ours.mean() - theirs.mean()) <= 3
    near = (cv2.blur(each.std(axis=0), (5, 5)) for each in (ours, theirs))
    assert np.abs(np.subtract(*near)).mean() <= 3


@pytest.mark.opencv3
def test_opencv_gets_backgrounds_that_it_can_digest(
    create, tmp_path, smooth_image, make_backgrounds, opencv_tools
):
    backgrounds = make_backgrounds()
    spoil(backgrounds, 3)
    rules = {"backgrounds": backgrounds, "engine": "opencv", "tools": opencv_tools}
    with pytest.raises(ImageError, match="an empty file; try: use `skip_bad`"):
        create(smooth_image, **rules)
    created, samples = create(smooth_image, num=30, skip_bad=True, **rules)
    assert (len(samples), len(created.left_out)) == (30, 1)
    with pytest.raises(OptionError, match="warp only one image, got 2"):
        create(smooth_image, smooth_image, skip_bad=True, **rules)


def write_logo(path, alpha=255):
    """A bright disc on transparent black, as a paint program saves it."""
    logo = np.zeros((80, 80, 4), np.uint8)
    cv2.circle(logo, (40, 40), 36, (200, 200, 200, alpha), -1)
    cv2.imwrite(str(path), logo)
    return path


def test_an_alpha_channel_is_the_mask(make_image, tmp_path):
    """Corners lie outside the disc and show the background of 90, not the invisible black."""
    cv2.imwrite(str(tmp_path / "bg.png"), np.full((60, 60), 90, np.uint8))
    (tmp_path / "bg.txt").write_text("bg.png\n")
    rules = WarpRules((20, 20), STILL, backgrounds=tmp_path / "bg.txt")
    logo = write_logo(tmp_path / "logo.png")
    created = create_from_images([logo], tmp_path / "a.vec", 3, rules)
    sample = read_vec(tmp_path / "a.vec", (20, 20))[0]
    assert sample[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [90] * 4
    assert sample[10, 10] == 200
    assert sample.min() >= 89  # nothing of the black beside the disc
    assert created.notes == [
        f"1 image with an alpha channel ({logo}): invisible parts show the backgrounds"
    ]


def test_half_transparent_pixels_are_mixed_with_the_background(tmp_path):
    """Half of 200 and half of 100 is 150."""
    cv2.imwrite(str(tmp_path / "bg.png"), np.full((60, 60), 100, np.uint8))
    (tmp_path / "bg.txt").write_text("bg.png\n")
    rules = WarpRules((20, 20), STILL, backgrounds=tmp_path / "bg.txt")
    logo = write_logo(tmp_path / "logo.png", alpha=128)
    create_from_images([logo], tmp_path / "a.vec", 1, rules)
    assert abs(int(read_vec(tmp_path / "a.vec", (20, 20))[0, 10, 10]) - 150) <= 1


def test_without_backgrounds_invisible_parts_show_the_gray_that_is_said(tmp_path):
    logo = write_logo(tmp_path / "logo.png")
    created = create_from_images([logo], tmp_path / "a.vec", 1, WarpRules((20, 20), STILL))
    sample = read_vec(tmp_path / "a.vec", (20, 20))[0]
    assert (sample[0, 0], sample[10, 10]) == (0, 200)
    assert created.notes[0].endswith("invisible parts show gray 0")


def test_an_image_that_is_transparent_everywhere_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "none.png"), np.zeros((20, 20, 4), np.uint8))
    with pytest.raises(ImageError, match=r"none\.png: All of the image is transparent"):
        create_from_images([tmp_path / "none.png"], tmp_path / "a.vec", 1, WarpRules((20, 20)))


def test_other_formats_with_transparency_are_masked_too(tmp_path):
    for name in ("logo.webp", "logo.gif", "logo.tif"):
        png = Image.open(write_logo(tmp_path / "logo.png"))
        png.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
        out = tmp_path / f"{name}.vec"
        create_from_images([tmp_path / name], out, 1, WarpRules((20, 20), STILL, bg_color=77))
        sample = read_vec(out, (20, 20))[0]
        assert (sample[0, 0], sample[10, 10]) == (77, 200), name


def test_windows_come_from_everywhere_at_all_scales(rng):
    y, x = np.mgrid[0:100, 0:200]
    columns, rows = x.astype(np.uint8), y.astype(np.uint8)
    lefts, widths = [], []
    for seed in range(400):
        across = cut_window(columns, (20, 20), np.random.default_rng(seed)).astype(int)
        down = cut_window(rows, (20, 20), np.random.default_rng(seed)).astype(int)
        assert np.abs(across - across[0]).max() <= 1
        assert np.abs(down - down[:, :1]).max() <= 1
        lefts.append(across[0, 0])
        widths.append((across[0, -1] - across[0, 0]) / 19 * 20)
    assert min(lefts) <= 2
    assert max(lefts) >= 165
    assert min(widths) == pytest.approx(20, abs=1)
    assert max(widths) == pytest.approx(100, abs=2)
    # Logarithmically uniform: half of them below the geometric mean.
    assert np.mean(np.array(widths) < (20 * 100) ** 0.5) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("size_wh", [(20, 20), (30, 7), (7, 30), (1, 1), (64, 48)])
def test_windows_have_the_size_whatever_its_shape(make_image, size_wh, rng):
    image = read_background(make_image("a.png", 64, 48), (1, 1))
    for _ in range(50):
        assert cut_window(image, size_wh, rng).shape == size_wh[::-1]


def test_a_image_of_the_windows_size_is_the_window(rng):
    image = rng.integers(0, 256, (10, 12), np.uint8)
    np.testing.assert_array_equal(cut_window(image, (12, 10), rng), image)


@pytest.mark.parametrize("least", [(65, 10), (10, 49)])
def test_small_backgrounds_are_named(make_image, least):
    with pytest.raises(ImageError, match=r"is 64x48; expected at least"):
        read_background(make_image("a.png", 64, 48), least)
