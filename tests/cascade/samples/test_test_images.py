import cv2
import numpy as np
import pytest

from fercli.annotations.reading import read_annotations
from fercli.cascade.samples.from_images import read_scene
from fercli.cascade.samples.options import Distortion, WarpRules
from fercli.cascade.samples.test_images import create_test_images, paste
from fercli.common.errors import ImageError, OptionError, OutputExistsError
from fercli.common.images import read_gray

STILL = Distortion(0, 0, 0, 0)


@pytest.fixture
def scene(smooth_image, make_backgrounds):
    rules = WarpRules((24, 30), STILL, make_backgrounds(20, 200, 160), seed=3)
    return read_scene([smooth_image], rules)


def test_the_object_is_in_the_box_and_the_rest_untouched(scene):
    background = read_gray(scene.backgrounds[0])
    for number in range(20):
        image, (x, y, width, height) = paste(scene, number, background)
        differs = np.argwhere(image != background)
        assert differs.min(axis=0).tolist() == [y, x]
        assert (differs.max(axis=0) + 1).tolist() == [y + height, x + width]
        expected = cv2.resize(scene.foregrounds[0].gray, (width, height))
        part = image[y + 2 : y + height - 2, x + 2 : x + width - 2].astype(int)
        assert np.abs(part - expected[2:-2, 2:-2]).mean() < 4


def test_boxes_have_the_windows_shape_and_opencvs_places(scene):
    background = np.zeros((400, 300), np.uint8)
    boxes = np.array([paste(scene, number, background)[1] for number in range(300)])
    x, y, width, height = boxes.T
    assert np.abs(width / height - 24 / 30).max() < 0.04
    assert (width.min(), width.max()) == (pytest.approx(24, abs=3), pytest.approx(210, abs=4))
    left, top = x / (300 - width), y / (400 - height)
    for share in (left, top):
        assert share.min() == pytest.approx(0.1, abs=0.02)
        assert share.max() == pytest.approx(0.8, abs=0.02)


def test_a_scale_never_exceeds_the_background(scene):
    background = np.zeros((60, 60), np.uint8)
    for number in range(50):
        x, y, width, height = paste(scene, number, background, max_scale=50)[1]
        assert x + width <= 60
        assert y + height <= 60
    assert paste(scene, 0, background, max_scale=1)[1][2:] == (24, 30)


def create(smooth_image, backgrounds, folder, num=None, **options):
    engine = {name: options.pop(name) for name in ("engine", "tools") if name in options}
    overwrite = options.pop("overwrite", False)
    max_scale = options.pop("max_scale", None)
    workers = options.pop("workers", None)
    rules = WarpRules((24, 30), options.pop("distortion", STILL), backgrounds, **options)
    return create_test_images(
        [smooth_image], folder, num, rules, max_scale=max_scale, workers=workers,
        overwrite=overwrite, **engine,
    )  # fmt: skip


@pytest.mark.parametrize("num", [None, 5, 30])
def test_the_folder_can_be_read_as_annotations(smooth_image, make_backgrounds, tmp_path, num):
    created = create(smooth_image, make_backgrounds(), tmp_path / "test", num)
    assert created.count == (num or 12)
    annotated = read_annotations(tmp_path / "test" / "info.dat")
    assert len(annotated) == created.count
    for number, image in enumerate(annotated, 1):
        (box,) = image.boxes_xywh
        name = "_".join(f"{value:04d}" for value in (number, *box))
        assert image.path == tmp_path / "test" / f"{name}.jpg"
        assert read_gray(image.path).shape == (70, 90)
    assert f"info.dat: {created.count} test images in " in created.to_text()


def test_workers_do_not_change_the_images(smooth_image, make_backgrounds, tmp_path):
    backgrounds = make_backgrounds(20)
    contents = []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        create(smooth_image, backgrounds, folder, workers=workers, distortion=Distortion())
        contents.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert contents[0] == contents[1]


def test_nothing_is_left_of_what_failed(smooth_image, make_backgrounds, tmp_path):
    backgrounds = make_backgrounds()
    (tmp_path / "scenes" / "4.png").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ImageError, match=r"4\.png: .* try: use `skip_bad`"):
        create(smooth_image, backgrounds, tmp_path / "test")
    assert sorted(tmp_path.iterdir()) == before
    created = create(smooth_image, backgrounds, tmp_path / "test", skip_bad=True)
    assert (created.count, len(created.left_out)) == (11, 1)


def test_a_folder_in_use_is_left_alone(smooth_image, make_backgrounds, tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="not empty"):
        create(smooth_image, make_backgrounds(), tmp_path / "test")
    create(smooth_image, make_backgrounds(), tmp_path / "test", overwrite=True)
    assert (tmp_path / "test" / "mine.txt").read_text() == "mine"


def test_backgrounds_are_needed(smooth_image, tmp_path):
    with pytest.raises(OptionError, match="Test images need backgrounds"):
        create(smooth_image, None, tmp_path / "test")


@pytest.mark.opencv3
def test_opencv_makes_test_images_too(smooth_image, make_backgrounds, tmp_path, opencv_tools):
    """Backgrounds of many sizes: its own largest scale, that of the first, would make it abort."""
    lines = make_backgrounds(15, 400, 300).read_text() + make_backgrounds(15, 60, 50).read_text()
    (tmp_path / "all.txt").write_text(lines)
    created = create(
        smooth_image, tmp_path / "all.txt", tmp_path / "test", engine="opencv", tools=opencv_tools
    )
    annotated = read_annotations(tmp_path / "test" / "info.dat")
    assert created.count == len(annotated) == 30
    for image in annotated:
        ((x, y, width, height),) = image.boxes_xywh
        found = read_gray(image.path)
        assert x + width <= found.shape[1]
        assert y + height <= found.shape[0]


@pytest.mark.opencv3
def test_objects_larger_than_a_background_are_named_not_an_abort(
    smooth_image, make_backgrounds, tmp_path, opencv_tools
):
    with pytest.raises(ImageError, match="is 90x70; expected at least 96x120"):
        create(
            smooth_image, make_backgrounds(), tmp_path / "test", max_scale=4.0,
            engine="opencv", tools=opencv_tools,
        )  # fmt: skip
