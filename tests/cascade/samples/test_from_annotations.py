from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.annotations.base import NOTES, LabeledBox, Record
from fercli.cascade.samples.from_annotations import (
    create_from_annotations,
    crop,
    crop_record,
    is_enlarged,
    is_stretched,
)
from fercli.cascade.samples.options import CropRules
from fercli.cascade.samples.vec import describe_vec, read_vec
from fercli.common.errors import AnnotationError, ImageError, OptionError, OutputExistsError
from fercli.common.images import read_gray

SIZE = (12, 10)


@pytest.fixture
def marked(tmp_path, make_image):
    """An info file of 40 images with 0 to 3 boxes each, and what should come of them."""
    lines, expected = [], []
    for number in range(40):
        path = make_image(f"p{number}.png", 30 + number, 40)
        boxes = [(number % 5, at, 8 + 7 * at, 9 + 6 * at) for at in range(number % 4)]
        numbers = " ".join(str(value) for box in boxes for value in box)
        lines.append(f"{path.name} {len(boxes)} {numbers}")
        expected += [crop(read_gray(path), box, SIZE) for box in boxes]
    info = tmp_path / "info.dat"
    info.write_text("\n".join(lines))
    return info, np.array(expected)


def create(info, tmp_path, name="out.vec", size=SIZE, workers=None, **rules):
    out = tmp_path / name
    created = create_from_annotations(info, out, CropRules(size, **rules), workers=workers)
    return created, np.array(read_vec(out, size))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_box_becomes_a_sample_in_order(marked, tmp_path, workers, monkeypatch):
    monkeypatch.setattr("fercli.cascade.samples.from_annotations.BATCH", 2)
    monkeypatch.setattr("fercli.cascade.samples.from_annotations.ONE_CORE_SECONDS", 0)
    info, expected = marked
    created, samples = create(info, tmp_path, workers=workers)
    np.testing.assert_array_equal(samples, expected)
    assert created.count == len(expected) == 60
    assert created.left_out == []
    assert describe_vec(created.path).problems == []
    assert "out.vec: 60 samples of 12x10 in " in created.to_text()


def test_what_became_of_the_boxes_is_told(marked, tmp_path):
    created, _ = create(marked[0], tmp_path)
    assert created.notes[0] == "enlarged, being smaller than the sample: 30 boxes"
    assert created.notes[1].startswith(
        "stretched, having another aspect ratio than the sample by more than 10%: 60 b"
    )


@pytest.mark.parametrize("num", [1, 2, 59, 60])
def test_num_limits_the_samples(marked, tmp_path, num):
    created, samples = create(marked[0], tmp_path, num=num)
    np.testing.assert_array_equal(samples, marked[1][:num])
    assert created.count == num
    assert not any("were asked for" in note for note in created.notes)


def test_more_than_there_are_is_told_and_the_header_is_true(marked, tmp_path):
    created, samples = create(marked[0], tmp_path, num=1000)
    assert len(samples) == created.count == describe_vec(created.path).header_count == 60
    assert "1000 samples were asked for, the annotations give 60" in created.notes


@pytest.mark.parametrize("num", [None, 7, 500])
def test_mirror_images_follow_their_samples(marked, tmp_path, num):
    created, samples = create(marked[0], tmp_path, mirror=True, num=num)
    expected = np.repeat(marked[1], 2, axis=0)
    expected[1::2] = expected[1::2, :, ::-1]
    np.testing.assert_array_equal(samples, expected[:num])
    assert created.count == len(samples)


def break_some(info):
    """Spoil records 2 (image missing), 7 (box outside) and 11 (box empty) of the info file."""
    lines = info.read_text().splitlines()
    lines[1] = "gone.png 1 0 0 5 5"
    lines[6] = "p6.png 2 0 0 9 9 30 0 10 10"
    lines[10] = "p10.png 1 0 0 0 9"
    info.write_text("\n".join(lines))


def test_the_first_that_is_bad_is_named_and_nothing_is_written(marked, tmp_path):
    info, _ = marked
    break_some(info)
    for workers in (1, 3):
        with pytest.raises(ImageError, match=r"info\.dat:2: .*gone\.png: Expected an image"):
            create(info, tmp_path, workers=workers)
    assert not (tmp_path / "out.vec").exists()


def test_bad_ones_can_be_left_out_and_are_listed(marked, tmp_path):
    info, _ = marked
    break_some(info)
    created, samples = create(info, tmp_path, skip_bad=True)
    assert [error.line for error in created.left_out] == [2, 7, 11]
    # Records 2, 7 and 11 had 1, 2 and 2 boxes; one good box is left of the second.
    assert len(samples) == created.count == 60 - 5 + 1
    summary = created.to_text()
    assert summary.startswith("left out: 3\n")
    assert "info.dat:7: box 2 of " in summary
    assert "--skip-bad" not in summary


def test_bad_ones_beyond_the_number_wanted_do_not_matter(marked, tmp_path):
    info, expected = marked
    lines = info.read_text().splitlines()
    lines[30] = "gone.png 1 0 0 5 5"
    info.write_text("\n".join(lines))
    _, samples = create(info, tmp_path, num=10)
    np.testing.assert_array_equal(samples, expected[:10])


def test_of_many_left_out_some_are_listed(tmp_path, make_image):
    make_image("a.png")
    (tmp_path / "info.dat").write_text("a.png 1 0 0 9 9\n" + "b.png 1 0 0 9 9\n" * 50)
    created, _ = create(tmp_path / "info.dat", tmp_path, skip_bad=True)
    assert "and 30 more" in created.to_text()
    assert len(created.to_dict()["left_out"]) == 50


@pytest.mark.parametrize("content", ["", "a.png 0\n", "\n \n", "a.png 0 b.png 0"])
def test_without_any_box_there_is_an_error_not_an_endless_loop(tmp_path, make_image, content):
    make_image("a.png")
    (tmp_path / "info.dat").write_text(content)
    with pytest.raises(AnnotationError, match="The annotations have no boxes"):
        create_from_annotations(tmp_path / "info.dat", tmp_path / "out.vec", format="info")


def test_a_folder_of_crops_needs_no_annotations(tmp_path, make_image):
    paths = [make_image(f"crops/{name}.png", 20, 15) for name in "bac"]
    _, samples = create(tmp_path / "crops", tmp_path, size=(20, 15))
    np.testing.assert_array_equal(samples, np.array([read_gray(path) for path in sorted(paths)]))


def test_names_with_spaces_and_signs_in_other_formats(tmp_path, make_image):
    path = make_image("ein schönes Bild.png", 40, 30)
    (tmp_path / "boxes.csv").write_text("path,x,y,w,h\nein schönes Bild.png,3,4,20,15\n")
    _, samples = create(tmp_path / "boxes.csv", tmp_path, size=(20, 15))
    np.testing.assert_array_equal(samples[0], read_gray(path)[4:19, 3:23])


def test_an_existing_file_stays_unless_it_may_go(marked, tmp_path):
    (tmp_path / "out.vec").write_text("mine")
    with pytest.raises(OutputExistsError):
        create(marked[0], tmp_path)
    assert (tmp_path / "out.vec").read_text() == "mine"
    create_from_annotations(marked[0], tmp_path / "out.vec", overwrite=True)
    assert describe_vec(tmp_path / "out.vec").count == 60


def test_all_kinds_of_images_are_read(tmp_path, rng):
    color = rng.integers(0, 256, (30, 40, 3), np.uint8)
    for name in ("a.bmp", "b.jpg", "c.webp", "d.tif"):
        cv2.imwrite(str(tmp_path / name), color)
    cv2.imwrite(str(tmp_path / "e.pgm"), color[:, :, 0])
    cv2.imwrite(str(tmp_path / "f.png"), np.dstack([color, color[:, :, 0]]))
    cv2.imwrite(str(tmp_path / "g.png"), color[:, :, 0].astype(np.uint16) * 257)
    names = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / "info.dat").write_text("".join(f"{name} 1 1 2 30 20\n" for name in names))
    assert len(create(tmp_path / "info.dat", tmp_path)[1]) == 7


def test_the_program_cannot_mirror(marked, tmp_path):
    with pytest.raises(OptionError, match="what `mirror` asks for; try: set `engine` to native"):
        create_from_annotations(
            marked[0], tmp_path / "a.vec", CropRules(mirror=True), engine="opencv"
        )


def with_both(info, tmp_path, tools, size):
    for engine in ("native", "opencv"):
        create_from_annotations(
            info, tmp_path / f"{engine}.vec", CropRules(size), engine=engine, tools=tools
        )
    ours, theirs = (read_vec(tmp_path / f"{name}.vec", size) for name in ("native", "opencv"))
    assert ours.shape == theirs.shape
    return np.abs(ours.astype(int) - theirs.astype(int))


@pytest.mark.opencv3
@pytest.mark.parametrize("size", [(24, 24), (20, 20), (13, 31), (64, 5), (1, 1)])
def test_opencv_agrees_within_a_gray_level(tmp_path, rng, opencv_tools, size):
    """Of color images its decoder makes gray levels that differ by 1 themselves."""
    lines = []
    for number in range(30):
        width, height = rng.integers(60, 200, 2)
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        image = cv2.GaussianBlur(image, (0, 0), 0.7) if number % 2 else image[:, :, 0]
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
        boxes = []
        for _ in range(20):
            x, y = rng.integers(0, [width - 1, height - 1])
            boxes += [x, y, rng.integers(1, width - x + 1), rng.integers(1, height - y + 1)]
        lines.append(f"{number}.png 20 {' '.join(map(str, boxes))}")
    (tmp_path / "info.dat").write_text("\n".join(lines))
    differences = with_both(tmp_path / "info.dat", tmp_path, opencv_tools, size)
    assert len(differences) == 600
    color = np.arange(600) // 20 % 2 == 1
    assert differences[~color].max() <= 1
    assert differences[~color].mean() < 0.02
    assert differences[color].max() <= 2


@pytest.mark.opencv3
def test_opencv_agrees_on_images_of_every_kind(tmp_path, rng, opencv_tools):
    """JPEG decoders may differ by a few gray levels of colors, averaged down to less."""
    color = cv2.GaussianBlur(rng.integers(0, 256, (90, 80, 3), np.uint8), (0, 0), 3)
    alpha = np.dstack([color, 255 - color[:, :, 0]])
    deep = color[:, :, 0].astype(np.uint16) * 257
    images = {
        "a.bmp": color, "b.jpg": color, "c d.jpg": color[:, :, 0], "ü.webp": color,
        "e.tif": color, "f.png": alpha, "g.png": deep,
    }  # fmt: skip
    for name, image in images.items():
        data = cv2.imencode("." + name.rpartition(".")[2], image)[1]
        (tmp_path / name).write_bytes(data.tobytes())
    table = "path,x,y,w,h\n" + "".join(f"{name},4,5,70,60\n" for name in images)
    (tmp_path / "boxes.csv").write_text(table)
    differences = with_both(tmp_path / "boxes.csv", tmp_path, opencv_tools, (24, 24))
    assert differences.max() <= 2


@pytest.mark.opencv3
def test_opencv_gets_only_what_it_can_digest(marked, tmp_path, opencv_tools):
    info, _ = marked
    break_some(info)
    out = tmp_path / "opencv.vec"
    options = {"engine": "opencv", "tools": opencv_tools}
    with pytest.raises(ImageError, match="gone"):
        create_from_annotations(info, out, CropRules(SIZE), **options)
    assert not out.exists()
    created = create_from_annotations(info, out, CropRules(SIZE, 40, skip_bad=True), **options)
    _, ours = create(info, tmp_path, num=40, skip_bad=True)
    assert created.count == 40
    np.testing.assert_array_equal(read_vec(out, SIZE), ours)


def a_record(path, *boxes, line=3):
    return Record(path, tuple(LabeledBox(*box) for box in boxes), Path("info.dat"), line)


def test_shrinking_averages_areas():
    image = np.array([[0, 10, 90, 90], [20, 30, 90, 90], [0, 0, 50, 60]], np.uint8)
    assert crop(image, (0, 0, 4, 2), (2, 1)).tolist() == [[15, 90]]


def test_a_box_of_the_samples_size_is_copied(rng):
    image = rng.integers(0, 256, (9, 8), np.uint8)
    np.testing.assert_array_equal(crop(image, (2, 1, 5, 6), (5, 6)), image[1:7, 2:7])


@pytest.mark.parametrize(
    ("size_wh", "interpolation"),
    [
        ((8, 6), cv2.INTER_AREA),
        ((24, 20), cv2.INTER_AREA),
        ((25, 20), cv2.INTER_LINEAR_EXACT),
        ((8, 21), cv2.INTER_LINEAR_EXACT),
        ((40, 40), cv2.INTER_LINEAR_EXACT),
    ],
)
def test_areas_only_where_both_sides_are_at_least_the_samples(rng, size_wh, interpolation):
    image = rng.integers(0, 256, (30, 40), np.uint8)
    expected = cv2.resize(image[3:23, 2:26], size_wh, interpolation=interpolation)
    np.testing.assert_array_equal(crop(image, (2, 3, 24, 20), size_wh), expected)


def test_what_lies_outside_the_box_does_not_matter(rng):
    image = rng.integers(0, 256, (30, 40), np.uint8)
    changed = 255 - image
    changed[4:20, 5:30] = image[4:20, 5:30]
    for size_wh in ((10, 10), (50, 50)):
        ours, theirs = (crop(each, (5, 4, 25, 16), size_wh) for each in (image, changed))
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((-1, 0, 5, 5), "The box -1 0 5 5 .* is not inside the image of 40x30"),
        ((0, -1, 5, 5), "is not inside"),
        ((36, 0, 5, 5), "is not inside"),
        ((0, 26, 5, 5), "is not inside"),
        ((0, 0, 41, 1), "is not inside"),
        ((5, 5, 0, 4), "The box is empty: 5 5 0 4"),
        ((5, 5, 4, -2), "The box is empty"),
    ],
)
def test_boxes_that_cannot_be_cropped_are_named(box, words):
    with pytest.raises(AnnotationError, match=words):
        crop(np.zeros((30, 40), np.uint8), box, (24, 24))


def test_a_record_gives_its_good_boxes_and_an_error_for_each_other(make_image):
    path = make_image("a.png", 40, 30)
    crops = crop_record(a_record(path, (0, 0, 10, 10), (35, 0, 10, 10), (1, 2, 3, 4)), (4, 4))
    assert crops.boxes_xywh == [(0, 0, 10, 10), (1, 2, 3, 4)]
    assert [sample.shape for sample in crops.samples] == [(4, 4), (4, 4)]
    (error,) = crops.errors
    assert str(error).startswith(f"info.dat:3: box 2 of {path}: The box ")
    assert "`skip_bad`" in str(error)


def test_a_image_that_cannot_be_read_is_told_with_its_record(tmp_path):
    crops = crop_record(a_record(tmp_path / "none.png", (0, 0, 1, 1)), (4, 4))
    (error,) = crops.errors
    assert isinstance(error, ImageError)
    assert str(error).startswith(
        f"info.dat:3: {tmp_path}/none.png: Expected an image, found nothing"
    )


def test_a_image_without_boxes_is_not_opened(tmp_path):
    ignored = LabeledBox(0, 0, 5, 5, ignored=True)
    for boxes in ((), (ignored,)):
        crops = crop_record(Record(tmp_path / "none.png", boxes, Path("x.xml")), (4, 4))
        assert (crops.samples, crops.errors) == ([], [])


def test_fractions_of_a_image_are_fractions_of_this_image(make_image):
    path = make_image("a.png", 40, 30)
    record = Record(path, (LabeledBox(0.5, 0, 0.5, 1),), path, normalized=True)
    assert crop_record(record, (4, 4)).boxes_xywh == [(20, 0, 20, 30)]


@pytest.mark.parametrize(
    ("box", "enlarged", "stretched"),
    [
        ((0, 0, 24, 24), False, False),
        ((0, 0, 23, 24), True, False),
        ((0, 0, 26, 24), False, False),
        ((0, 0, 27, 24), False, True),
        ((0, 0, 24, 27), False, True),
    ],
)
def test_what_becomes_of_shapes(box, enlarged, stretched):
    assert is_enlarged(box, (24, 24)) is enlarged
    assert is_stretched(box, (24, 24)) is stretched
    assert is_stretched((0, 0, box[2] * 2, box[3]), (48, 24)) is stretched


def test_several_labels_are_counted_in_a_note(make_image, tmp_path):
    NOTES.forget()
    make_image("a.png", 60, 50)
    rows = ["a.png,1,2,20,20,cat", "a.png,3,4,20,20,dog", "a.png,5,6,20,20,cat", "a.png,7,8,9,9,"]
    (tmp_path / "boxes.csv").write_text("path,x,y,w,h,label\n" + "\n".join(rows) + "\n")
    created = create_from_annotations(tmp_path / "boxes.csv", tmp_path / "a.vec", CropRules(SIZE))
    assert created.count == 4
    (note,) = [note for note in created.to_dict()["notes"] if "labels" in note]
    assert "boxes of several labels, all taken (cat 2, dog 1, no label 1)" in note
    NOTES.forget()
    created = create_from_annotations(
        tmp_path / "boxes.csv", tmp_path / "b.vec", CropRules(SIZE), labels=["cat"]
    )
    told = [note for note in created.to_dict()["notes"] if "labels" in note]
    assert (created.count, told) == (2, [])
