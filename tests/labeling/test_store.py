"""The store of annotations: kept in every format, never lost, never overwritten unseen."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.annotations.base import Reason
from fercli.annotations.opencv_lists import read_background_list
from fercli.annotations.reading import read_annotations
from fercli.common.errors import (
    AnnotationError,
    InputError,
    OptionError,
    OutputError,
    OutputExistsError,
)
from fercli.common.images import read_gray
from fercli.labeling import BoxOutput, ConflictError, ImageAnnotation, ReviewOutput, open_store
from fercli.labeling.review import crop_box

#: Where boxes go, and the name of the format where the name does not say it.
OUTPUTS = [
    ("info.dat", None), ("boxes.csv", None), ("boxes.json", None), ("boxes.xml", None),
    ("cvat.xml", "cvat"), ("via.json", "via"), ("ml.json", "createml"), ("labelme", "labelme"),
    ("voc", "voc"), ("yolo", "yolo"), ("photos", "yolo"),
]  # fmt: skip

SIZE = (64, 48)


@pytest.fixture
def photos(make_image, tmp_path):
    for name in ("a.png", "b.png", "sub/c.png", "sub/d.png"):
        make_image(f"photos/{name}", *SIZE)
    return tmp_path / "photos"


def store_of(photos, out="info.dat", format=None):
    place = photos.parent / out
    return open_store(BoxOutput(place, photos, format), photos.parent / "bg.txt")


def save(store, number, *boxes, **said):
    name = store.names[number]
    revision = store.annotation(number, SIZE).revision(name)
    return store.save(number, ImageAnnotation(tuple(boxes), **said), revision, SIZE)


@pytest.mark.parametrize(("out", "format"), OUTPUTS)
def test_each_format_keeps_all(photos, out, format):
    store = store_of(photos, out, format)
    save(store, 0, (3, 5, 20, 21), (0, 0, 64, 48))
    save(store, 1, negative=True)
    save(store, 2, (1, 2, 3, 4), done=False)
    again = store_of(photos, out, format)
    works = [again.annotation(number, SIZE) for number in range(4)]
    assert [each.boxes_xywh for each in works] == [
        ((3, 5, 20, 21), (0, 0, 64, 48)), (), ((1, 2, 3, 4),), (),
    ]  # fmt: skip
    assert [state for state, _ in again.states()] == ["done", "negative", "begun", "unseen"]
    assert again.counts()["boxes"] == 3


@pytest.mark.parametrize(("out", "format"), OUTPUTS)
def test_what_is_written_is_read_by_others(photos, out, format):
    store = store_of(photos, out, format)
    save(store, 2, (1, 2, 3, 4), (10, 11, 12, 13))
    save(store, 0, (5, 5, 6, 6))
    place = photos.parent / out
    images = photos if store.output.format.write_each else None
    found = read_annotations(place, format=store.output.format.name, images=images)
    boxes = {each.path.name: each.boxes_xywh for each in found if each.boxes_xywh}
    assert boxes == {"a.png": ((5, 5, 6, 6),), "c.png": ((1, 2, 3, 4), (10, 11, 12, 13))}


@pytest.mark.parametrize(("out", "format"), OUTPUTS)
def test_what_is_taken_back_is_gone(photos, out, format):
    store = store_of(photos, out, format)
    save(store, 0, (3, 5, 20, 21))
    save(store, 1, negative=True)
    save(store, 0)
    save(store, 1, (1, 1, 9, 9))
    states = store_of(photos, out, format).states()
    assert states == [("unseen", 0), ("done", 1), ("unseen", 0), ("unseen", 0)]
    assert not (photos.parent / "bg.txt").exists()
    save(store, 1)
    assert store_of(photos, out, format).counts()["unseen"] == 4


@pytest.mark.parametrize(("format", "other"), [("yolo", ".xml"), ("voc", ".txt")])
def test_what_is_taken_back_leaves_the_label_of_another_format(photos, format, other):
    store = store_of(photos, "labels", format)
    save(store, 0, (3, 5, 20, 21))
    label = photos.parent / "labels" / f"a{other}"
    label.write_text("of another format")
    save(store, 0)
    assert [path.name for path in label.parent.glob("a.*")] == [label.name]


def test_fractions_of_large_images_are_exact(make_image, tmp_path):
    make_image("photos/wide.png", 4001, 37)
    output = BoxOutput(tmp_path / "labels", tmp_path / "photos", "yolo")
    boxes = ((3999, 36, 1, 1), (0, 0, 4001, 37), (1234, 5, 777, 3))
    name = "wide.png"
    store = open_store(output)
    store.save(0, ImageAnnotation(boxes), ImageAnnotation().revision(name), (4001, 37))
    assert open_store(output).annotation(0, (4001, 37)).boxes_xywh == boxes


def test_negatives_are_absolute_and_others_stay(photos, make_image):
    other = make_image("elsewhere/e.png")
    background = photos.parent / "bg.txt"
    background.write_text(f"# mine\n{other}\nphotos/b.png\n")
    store = store_of(photos)
    assert store.states()[1][0] == "negative"
    save(store, 0, negative=True)
    assert read_background_list(background) == [other, photos / "a.png", photos / "b.png"]
    assert (photos.parent / "bg.txt.before").read_text().startswith("# mine")


def test_records_of_other_images_stay(photos, make_image):
    make_image("elsewhere/e.png")
    info = photos.parent / "info.dat"
    info.write_text("elsewhere/e.png 1 1 2 3 4\nphotos/a.png 1 5 6 7 8\n")
    store = store_of(photos)
    save(store, 1, (2, 2, 8, 8))
    assert info.read_text() == (
        "elsewhere/e.png 1 1 2 3 4\nphotos/a.png 1 5 6 7 8\nphotos/b.png 1 2 2 8 8\n"
    )
    assert "b.png" not in (photos.parent / "info.dat.before").read_text()


@pytest.mark.parametrize(("out", "format"), OUTPUTS)
def test_ignored_boxes_stay_where_there_is_a_place_for_them(photos, out, format):
    """Difficult and ignored, which were one mark before, stay apart."""
    store = store_of(photos, out, format)
    given = [each for each in map(Reason, (1, 2, 3)) if each in store.output.reasons]
    wanted = {"coco": 3, "csv": 3, "dlib": 3, "voc": 1}
    assert len(given) == wanted.get(store.output.format.name, 0)
    boxes = tuple((at, 1, 4, 4) for at in range(len(given)))
    save(store, 0, (3, 5, 20, 21), ignored_xywh=boxes, reasons=tuple(given))
    if given:
        save(store, 1, ignored_xywh=((2, 2, 4, 4),), reasons=tuple(given[-1:]))
        again = store_of(photos, out, format)
        assert again.annotation(0, SIZE).ignored_xywh == boxes
        assert again.annotation(0, SIZE).reasons == tuple(given)
        assert again.annotation(1, SIZE).ignored_xywh == ((2, 2, 4, 4),)
        # An image whose only objects are not counted is finished, and no negative.
        assert again.states()[:2] == [("done", 1), ("done", 0)]
        assert not (photos.parent / "bg.txt").exists()


def test_an_older_version_is_refused(photos):
    store = store_of(photos)
    old = store.annotation(0, SIZE).revision("a.png")
    save(store, 0, (3, 5, 20, 21))
    with pytest.raises(ConflictError, match=r"a\.png was changed elsewhere"):
        store.save(0, ImageAnnotation(((1, 1, 2, 2),)), old, SIZE)
    # The same twice is no conflict.
    store.save(0, ImageAnnotation(((3, 5, 20, 21),)), old, SIZE)
    assert store_of(photos).annotation(0, SIZE).boxes_xywh == ((3, 5, 20, 21),)


def test_a_version_holds_over_a_new_start_and_a_change_by_hand(photos):
    store = store_of(photos)
    save(store, 0, (3, 5, 20, 21))
    revision = store.annotation(0, SIZE).revision("a.png")
    assert store_of(photos).annotation(0, SIZE).revision("a.png") == revision
    (photos.parent / "info.dat").write_text("photos/a.png 1 3 5 20 22\n")
    assert store_of(photos).annotation(0, SIZE).revision("a.png") != revision
    assert ImageAnnotation().revision("a.png") != ImageAnnotation().revision("b.png")


def test_boxes_win_over_the_list_of_negatives(photos):
    """As after a kill between the two files."""
    store = store_of(photos)
    save(store, 0, (3, 5, 20, 21))
    (photos.parent / "bg.txt").write_text(f"{photos / 'a.png'}\n{photos / 'b.png'}\n")
    assert store_of(photos).states()[:2] == [("done", 1), ("negative", 0)]
    assert read_background_list(photos.parent / "bg.txt") == [photos / "b.png"]


def test_a_image_that_is_gone_loses_no_other(photos):
    for out, format in OUTPUTS:
        save(store_of(photos, out, format), 1, (1, 1, 9, 9))
    (photos / "b.png").unlink()
    for out, format in OUTPUTS:
        store = store_of(photos, out, format)
        save(store, 0, (3, 5, 20, 21))
        assert store_of(photos, out, format).states()[0] == ("done", 1)


@pytest.mark.parametrize(
    ("names", "out", "format", "error", "message"),
    [
        ([], "info.dat", None, InputError, "There are no images"),
        (["a b.png"], "info.dat", None, OptionError, "cannot hold 1 of 1 names, 'photos/a b.png'"),
        (["a.png", "a.jpg"], "yolo", "yolo", OptionError, "would share one file"),
        (["a\x01.png"], "voc", "voc", OptionError, "XML cannot hold the name '.*try: use --out"),
        (
            ["a\x01.png"],
            "boxes.xml",
            None,
            OptionError,
            "XML cannot hold the name '.*try: use --out",
        ),
        (["a.png"], "photos", None, OptionError, "holds no annotations"),
        (["a.png"], "boxes", None, OptionError, "has no suffix"),
        (["a.png"], "photos", "info", OptionError, "cannot be written to a"),
        (["a.png"], "info.dat", "images", OptionError, "must be one that can be written"),
    ],
)
def test_what_cannot_be_kept_is_refused_at_the_start(
    tmp_path, make_image, names, out, format, error, message
):
    (tmp_path / "photos").mkdir()
    for name in names:
        make_image(f"photos/{name}")
    with pytest.raises(error, match=message):
        store_of(tmp_path / "photos", out, format)


@pytest.mark.parametrize(
    ("out", "text", "message"),
    [
        ("info.dat", "photos/a.png 2 1 2 3 4\n", "Expected 4 numbers"),
        ("boxes.csv", "path,x,y,w,h,label\na,1,2,3,4,cat\na,1,2,3,4,dog\n", "labels .'cat', 'dog'"),
        ("boxes.json", "{", "not JSON"),
    ],
)
def test_what_is_malformed_is_named_and_stays(photos, out, text, message):
    (photos.parent / out).write_text(text)
    with pytest.raises(AnnotationError, match=message):
        store_of(photos, out)
    assert (photos.parent / out).read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"begun": 3}', '{"begun": [], "sizes": {"a": 1}}',
        '{"begun": [], "sizes": {"a": [Infinity, 1]}}',
    ],
)  # fmt: skip
def test_a_garbled_progress_is_named(photos, text):
    (photos.parent / "info.dat.progress.json").write_text(text)
    with pytest.raises(InputError, match="not the progress of an annotation"):
        store_of(photos)


def test_what_cannot_be_written_changes_nothing(photos):
    store = store_of(photos)
    save(store, 0, (3, 5, 20, 21))
    (photos.parent / "info.dat").unlink()
    (photos.parent / "info.dat").mkdir()
    with pytest.raises(OutputError):
        save(store, 1, (1, 1, 2, 2))
    assert store.annotation(1, SIZE) == ImageAnnotation()
    with pytest.raises(OutputError):
        save(store, 0)  # which would remove the file
    (photos.parent / "info.dat").rmdir()
    save(store, 1, (1, 1, 2, 2))
    assert store_of(photos).counts()["boxes"] == 2


KILLED = """
import sys
from pathlib import Path
from fercli.labeling import BoxOutput, ImageAnnotation, open_store
photos, out, format = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] or None
store = open_store(BoxOutput(out, photos, format), out.parent / "bg.txt")
for turn in range(100_000):
    work = store.annotation(turn % 4, (64, 48))
    boxes = tuple((n, n, 5, 5) for n in range(turn % 17 + 1)) if turn % 5 else ()
    revision = work.revision(store.names[turn % 4])
    store.save(turn % 4, ImageAnnotation(boxes, negative=not boxes), revision, (64, 48))
    print(turn, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("out", "format"), [("info.dat", None), ("y", "yolo")])
def test_a_kill_while_saving_loses_nothing(photos, out, format, rng):
    for run in range(2):
        place = photos.parent / f"run{run}" / out
        command = [sys.executable, "-c", KILLED, photos, place, format or ""]
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.2)))
        os.kill(process.pid, signal.SIGKILL)
        told = process.communicate()[0].split()
        last = int(told[-1]) if told else 0
        store = open_store(BoxOutput(place, photos, format), place.parent / "bg.txt")
        for number in range(4):
            # What was answered is there; the save that was under way may be.
            turns = [turn for turn in range(last - 3, last + 2) if turn % 4 == number]
            wanted = [turn % 17 + 1 if turn >= 0 and turn % 5 else 0 for turn in turns]
            assert len(store.annotation(number, SIZE).boxes_xywh) in wanted


def review_of(photos):
    return open_store(ReviewOutput(photos.parent / "work" / "extra.txt", photos))


def test_a_review_cuts_false_alarms_out(photos):
    store = review_of(photos)
    save(store, 0, (20, 10, 10, 12), ignored_xywh=((50, 30, 10, 10),))
    save(store, 1, negative=True)
    (crop,) = read_background_list(photos.parent / "work" / "extra.txt")
    whole = read_gray(photos / "a.png")
    assert np.array_equal(read_gray(crop), whole[4:28, 15:35])
    again = review_of(photos)
    assert [state for state, _ in again.states()] == ["done", "negative", "unseen", "unseen"]
    assert again.annotation(0, SIZE).ignored_xywh == ((50, 30, 10, 10),)


def test_a_review_that_changes_its_mind(photos):
    store = review_of(photos)
    save(store, 0, (20, 10, 10, 12), (1, 1, 8, 8))
    save(store, 0, (1, 1, 8, 8), ignored_xywh=((20, 10, 10, 12),))
    crops = sorted((photos.parent / "work" / "extra_crops").iterdir())
    assert read_background_list(photos.parent / "work" / "extra.txt") == crops
    assert len(crops) == 1
    crops[0].unlink()
    review_of(photos)
    assert crops[0].exists()  # a new start cuts what is missing
    save(store, 0)
    assert not (photos.parent / "work" / "extra.txt").exists()


def test_a_review_goes_on_without_a_image_that_is_gone(photos):
    store = review_of(photos)
    save(store, 0, (20, 10, 10, 12))
    save(store, 1, (20, 10, 10, 12))
    (photos / "a.png").unlink()
    crops = read_background_list(photos.parent / "work" / "extra.txt")
    crops[1].unlink()
    store = review_of(photos)
    save(store, 1, (1, 1, 8, 8))
    assert read_background_list(photos.parent / "work" / "extra.txt")[:2] == crops
    with pytest.raises(OptionError, match=r"such as extra\.txt"):
        ReviewOutput(photos.parent / "extra.json", photos)


def test_a_list_of_others_is_not_overwritten(photos):
    (photos.parent / "work").mkdir()
    (photos.parent / "work" / "extra.txt").write_text("mine\n")
    with pytest.raises(OutputExistsError):
        review_of(photos)


def test_crops_among_the_images_are_not_reviewed(photos):
    output = ReviewOutput(photos / "extra.txt", photos)
    save(open_store(output), 0, (20, 10, 10, 12))
    assert len(open_store(output).images) == 4


@pytest.mark.parametrize(
    ("box", "objects", "wanted"),
    [
        ((20, 10, 10, 12), (), (15, 4, 20, 24)),
        ((0, 0, 10, 10), (), (0, 0, 20, 20)),
        ((20, 10, 10, 12), ((31, 10, 5, 5),), (20, 10, 10, 12)),
        ((20, 10, 10, 12), ((35, 28, 5, 5),), (15, 4, 20, 24)),
        ((-8, 0, 10, 10), (), None),
    ],
)
def test_what_is_cut_out(box, objects, wanted):
    assert crop_box(box, SIZE, objects) == wanted


def test_thousands_of_images_open_at_once(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    data = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    for number in range(2000):
        (folder / f"{number:05}.png").write_bytes(data if number else b"no image")
    info = "".join(f"photos/{n:05}.png 1 1 1 4 4\n" for n in range(1, 2000))
    (tmp_path / "info.dat").write_text(info)
    begin = time.process_time()
    store = store_of(folder)
    assert store.counts()["done"] == 1999
    save(store, 1, (1, 1, 5, 5))
    assert time.process_time() - begin < 1
    assert json.loads((tmp_path / "info.dat.progress.json").read_text())["begun"] == []


@pytest.mark.parametrize(
    ("out", "format", "file"), [("info.dat", None, ""), ("labels", "yolo", "a.txt")]
)
def test_an_original_is_kept_whole_or_not_at_all(photos, monkeypatch, out, format, file):
    text = "photos/a.png 1 1 2 3 4\n" if format is None else "0 0.5 0.5 0.25 0.5\n"
    (photos.parent / out / file).parent.mkdir(exist_ok=True)
    (photos.parent / out / file).write_text(text)
    names = sorted(path.name for path in photos.parent.iterdir())

    def fill_the_disk(source, target, **_):
        target_path = Path(target)
        target_path.write_bytes(Path(source).read_bytes()[:5])
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    with monkeypatch.context() as changed:
        changed.setattr(shutil, "copyfile", fill_the_disk)
        with pytest.raises(OutputError):
            save(store_of(photos, out, format), 1, (1, 1, 9, 9))
    assert sorted(path.name for path in photos.parent.iterdir()) == names
    save(store_of(photos, out, format), 1, (1, 1, 9, 9))
    assert (photos.parent / f"{out}.before" / file).read_text() == text


def test_the_polygons_of_labelme_are_kept_as_they_were(photos):
    shape = {"label": "face", "points": [[1, 2], [4, 2], [4, 6]], "shape_type": "polygon"}
    text = json.dumps({"version": "5.2.1", "shapes": [shape], "imagePath": "a.png"})
    (photos.parent / "labels").mkdir()
    (photos.parent / "labels" / "a.json").write_text(text)
    save(store_of(photos, "labels", "labelme"), 1, (1, 1, 9, 9))
    assert (photos.parent / "labels.before" / "a.json").read_text() == text


@pytest.mark.parametrize(
    ("classes", "where", "label"),
    [("face\n", "labels", "face"), ("face\n", "", "face"), ("face\ncat\n", "labels", "object")],
)
def test_the_only_class_of_a_folder_is_that_of_its_first_boxes(photos, classes, where, label):
    (photos.parent / where).mkdir(exist_ok=True)
    file = photos.parent / where / "classes.txt"
    file.write_text(classes)
    save(store_of(photos, "labels", "yolo"), 0, (3, 5, 20, 21))
    records = BoxOutput(photos.parent / "labels", photos, "yolo").read()
    assert {box.label for record in records for box in record.boxes} == {label}
    assert (file.read_text() == classes) == (label == "face")


@pytest.mark.parametrize(
    ("out", "format", "keeps_ignored"),
    [("boxes.json", "coco", True), ("boxes.csv", "csv", True), ("voc", "voc", True),
     ("yolo", "yolo", False)],
)  # fmt: skip
def test_boxes_of_several_classes_come_back(photos, out, format, keeps_ignored):
    output = BoxOutput(photos.parent / out, photos, format, ["hand", "face"])
    store = open_store(output, photos.parent / "bg.txt")
    said = ImageAnnotation(
        ((1, 2, 3, 4), (2, 2, 4, 4)), ((0, 0, 2, 2),), labels=("face", "hand"),
        ignored_labels=("face",),
    )  # fmt: skip
    height, width = cv2.imread(str(store.images[0])).shape[:2]
    size = width, height
    store.save(0, said, store.annotation(0, size).revision(store.names[0]), size)
    again = open_store(BoxOutput(photos.parent / out, photos, format, ["hand", "face"]))
    found = again.annotation(0, size)
    assert found.boxes_xywh == said.boxes_xywh
    assert found.labels == ("face", "hand")
    assert found.ignored_labels == (("face",) if keeps_ignored else ())
    if format == "yolo":
        assert (photos.parent / out / "classes.txt").read_text() == "hand\nface\n"
        assert (photos.parent / out / "a.txt").read_text().startswith("1 ")
    with pytest.raises(AnnotationError, match=r"several labels .*'face', 'hand'"):
        open_store(BoxOutput(photos.parent / out, photos, format))
    with pytest.raises(AnnotationError, match="`classes` lacks the label 'face'"):
        open_store(BoxOutput(photos.parent / out, photos, format, ["hand", "cat"]))


def test_another_class_is_another_version(photos):
    output = BoxOutput(photos.parent / "boxes.json", photos, None, ["hand", "face"])
    store = open_store(output)
    box = (1, 2, 3, 4)
    first = ImageAnnotation((box,), labels=("face",))
    store.save(0, first, store.annotation(0, (40, 30)).revision(store.names[0]), (40, 30))
    with pytest.raises(ConflictError):
        store.save(0, ImageAnnotation((box,), labels=("hand",)), "of before", (40, 30))


def test_formats_of_one_class_refuse_several(photos):
    with pytest.raises(OptionError, match="`classes` needs a format that holds several"):
        BoxOutput(photos.parent / "info.dat", photos, None, ["hand", "face"])
