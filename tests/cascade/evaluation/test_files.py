import json

import pytest

from fercli.annotations.base import NOTES
from fercli.cascade.evaluation import evaluate_files
from fercli.common.errors import AnnotationError, OptionError, OutputExistsError
from fercli.common.progress import Progress

ELSEWHERE = (5, 300, 60, 60)


class Notes(Progress):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def write_info(tmp_path, *lines):
    path = tmp_path / "info.dat"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def numbers(*boxes):
    return " ".join(str(value) for box in boxes for value in box)


def test_annotations_and_backgrounds_go_together(
    face_cascade, make_annotated, blank, face, tmp_path
):
    make_annotated("a.png", face)
    (tmp_path / "bg.txt").write_text("blank.png\n")
    truth = write_info(tmp_path, f"a.png 1 {numbers(face)}")
    evaluation = evaluate_files([face_cascade], truth, tmp_path / "bg.txt")
    (result,) = evaluation.cascades
    assert (evaluation.images, result.counts.truths, result.counts.hits) == (2, 1, 1)


def test_backgrounds_alone(face_cascade, make_annotated, tmp_path):
    make_annotated("a.png")
    (tmp_path / "bg.txt").write_text("a.png\n")
    (result,) = evaluate_files([face_cascade], None, tmp_path / "bg.txt").cascades
    assert (result.counts.truths, result.counts.false_alarms) == (0, 1)


def test_neither_is_an_error(face_cascade):
    with pytest.raises(
        OptionError,
        match="with `ground_truth`, backgrounds with `bg`, or both",
    ):
        evaluate_files([face_cascade])


def test_labels_and_images_are_those_of_annotations(face_cascade, make_annotated, face, tmp_path):
    make_annotated("a.png")
    table = tmp_path / "elsewhere" / "boxes.csv"
    table.parent.mkdir()
    rows = [f"a.png,{','.join(map(str, box))},{label}" for box, label in
            [(face, "face"), (ELSEWHERE, "flag")]]  # fmt: skip
    table.write_text("path,x,y,w,h,label\n" + "\n".join(rows) + "\n")
    evaluation = evaluate_files([face_cascade], table, labels=["face"], images=tmp_path)
    assert (evaluation.cascades[0].counts.truths, evaluation.cascades[0].counts.hits) == (1, 1)


def test_boxes_without_extent_are_refused(face_cascade, make_annotated, tmp_path):
    make_annotated("a.png")
    truth = write_info(tmp_path, "a.png 1 5 5 0 9")
    with pytest.raises(
        AnnotationError, match=r"A box of .* is empty: .*try: run fer cascade check"
    ):
        evaluate_files([face_cascade], truth)


def test_boxes_outside_of_their_images_are_told(face_cascade, make_annotated, face, tmp_path):
    """They count as misses, as of images that were scaled after they had been annotated."""
    make_annotated("a.png")
    truth = write_info(tmp_path, f"a.png 2 {numbers(face)} 5000 90 80 80")
    evaluation = evaluate_files([face_cascade], truth)
    assert (evaluation.cascades[0].counts.truths, evaluation.cascades[0].counts.hits) == (2, 1)
    told = "a.png: boxes outside of their images, which no detection can hit: 1: 5000 90"
    assert any(told in note for note in evaluation.notes)


def test_what_is_left_out_and_another_size_of_boxes_are_told(
    face_cascade, make_annotated, face, tmp_path
):
    x, y, width, height = face
    large = (x - width // 3, y - height // 3, width * 5 // 3, height * 5 // 3)
    for at in range(5):
        make_annotated(f"{at}.png")
    lines = [f"{at}.png 1 {numbers(large)}" for at in range(5)]
    truth = write_info(tmp_path, *lines, "missing.png 1 1 1 9 9")
    progress = Notes()
    evaluate_files([face_cascade], truth, progress=progress)
    left_out, size = progress.notes
    assert left_out.startswith("left out: ")
    assert "missing.png: Expected an image, found nothing of that name" in left_out
    assert size.startswith("faces: its boxes have 0.60 times the sides of the annotated")
    progress = Notes()
    evaluate_files([face_cascade], truth, box_scale="auto", progress=progress)
    assert len(progress.notes) == 1


def test_a_folder_that_is_taken_is_refused_before_the_work(face_cascade, make_annotated, tmp_path):
    make_annotated("a.png")
    truth = write_info(tmp_path, "a.png 1 5 5 9 9")
    with pytest.raises(OutputExistsError, match="The folder is not empty"):
        evaluate_files([face_cascade], truth, out=tmp_path)
    evaluate_files([face_cascade], truth, out=tmp_path / "report")
    assert json.loads((tmp_path / "report" / "summary.json").read_text())["objects"] == 1


@pytest.mark.parametrize(
    "labels", [{}, {"a.txt": "0 0.5 0.5 0.2 0.2\n", "broken.txt": "0 0.5 0.5 0.2 0.2\n"}]
)
def test_a_broken_image_is_left_out_where_boxes_are_fractions(
    face_cascade, make_annotated, tmp_path, labels
):
    make_annotated("a.png")
    (tmp_path / "broken.png").write_text("no image")
    for name, text in labels.items():
        (tmp_path / name).write_text(text)
    evaluation = evaluate_files([face_cascade], tmp_path)
    assert evaluation.images == evaluation.cascades[0].counts.truths == 1
    assert "broken.png: The file is not an image" in str(evaluation.left_out[0])


def test_records_of_one_image_are_one_image(face_cascade, make_annotated, face, tmp_path):
    make_annotated("a.png")
    line = f"a.png 1 {numbers(face)}"
    truth = write_info(tmp_path, f"a.png 1 {numbers(ELSEWHERE)}", line, line)
    evaluation = evaluate_files([face_cascade], truth)
    counts = evaluation.cascades[0].counts
    assert (evaluation.images, counts.truths, counts.hits, counts.false_alarms) == (1, 2, 1, 0)


def test_a_box_that_a_table_has_twice_is_one_object(face_cascade, make_annotated, face, tmp_path):
    make_annotated("a.png")
    truth = tmp_path / "boxes.csv"
    truth.write_text(2 * f"a.png,{','.join(map(str, face))}\n")
    counts = evaluate_files([face_cascade], truth).cascades[0].counts
    assert (counts.truths, counts.hits, counts.false_alarms) == (1, 1, 0)


def test_a_folder_of_backgrounds_will_do(face_cascade, make_annotated, blank, tmp_path):
    """The face in the folder's image is a false alarm."""
    (tmp_path / "scenes" / "deep").mkdir(parents=True)
    make_annotated("scenes/deep/a.png")
    (result,) = evaluate_files([face_cascade], None, tmp_path / "scenes").cascades
    assert (len(result.images), result.counts.truths, result.counts.false_alarms) == (1, 0, 1)


def test_annotated_objects_in_backgrounds_are_ignored_and_counted(
    face_cascade, make_annotated, face, tmp_path
):
    make_annotated("a.png")
    info = write_info(tmp_path, f"a.png 1 {numbers(face)}")
    progress = Notes()
    (result,) = evaluate_files([face_cascade], None, info, progress=progress).cascades
    assert (result.counts.truths, result.counts.false_alarms) == (0, 0)
    assert progress.notes == [
        f"{info}: 1 annotated object in 1 background; detections of them are ignored"
    ]


def test_labels_that_are_mixed_are_counted_in_a_note(face_cascade, make_annotated, face, tmp_path):
    make_annotated("a.png")
    rows = [(face, "face"), (ELSEWHERE, "flag"), ((1, 2, 30, 30), "flag")]
    lines = [f"a.png,{','.join(map(str, box))},{label}" for box, label in rows]
    (tmp_path / "boxes.csv").write_text("path,x,y,w,h,label\n" + "\n".join(lines) + "\n")
    NOTES.forget()
    evaluation = evaluate_files([face_cascade], tmp_path / "boxes.csv")
    (note,) = [note for note in evaluation.to_dict()["notes"] if "labels" in note]
    assert "boxes of several labels, all taken (flag 2, face 1)" in note
    NOTES.forget()
    evaluation = evaluate_files([face_cascade], tmp_path / "boxes.csv", labels=["face"])
    assert not [note for note in evaluation.notes if "labels" in note]
