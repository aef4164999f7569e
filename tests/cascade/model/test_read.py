import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.detection.detector import Detector
from fercli.cascade.model import LbpFeature, cascade_text, read, read_cascade
from fercli.common.errors import CascadeFileError, DependencyError, FerError
from fercli.common.images import read_color

# Flat images would be passed over: a Haar cascade looks at no window without contrast.
NOISE = np.random.default_rng(0).integers(0, 256, (24, 24), np.uint8)


def write(tmp_path, content, name="cascade.xml"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path):
    with pytest.raises(CascadeFileError) as caught:
        read_cascade(path)
    assert caught.value.path == path
    return str(caught.value)


def test_a_real_cascade(face_cascade):
    cascade = read_cascade(face_cascade)
    assert (cascade.feature_type, cascade.size_wh, len(cascade.stages)) == ("LBP", (24, 24), 20)
    assert sum(len(stage.weak_classifiers) for stage in cascade.stages) == 139
    assert cascade.features[0] == LbpFeature(0, 0, 3, 5)
    first = cascade.stages[0].weak_classifiers[0]
    assert first.nodes[0].feature == 46
    assert first.nodes[0].subset[:2] == (-67130709, -21569)
    assert first.leaves[0] == np.float32(-0.6543210148811340)
    assert cascade.parameters["minHitRate"] == pytest.approx(0.995)


def test_the_same_cascade_as_opencv_reads_it(face_cascade, astronaut, tmp_path):
    theirs = cv2.CascadeClassifier(str(face_cascade))
    ours = cv2.CascadeClassifier(
        str(write(tmp_path, cascade_text(read_cascade(face_cascade)), "written.xml"))
    )
    found = [
        sorted(map(tuple, classifier.detectMultiScale(astronaut, 1.1, 0)))
        for classifier in (theirs, ours)
    ]
    assert found[0] == found[1] != []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a cascade but an empty file"),
        (b" \n\t ", "not a cascade but a file of blanks"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "but a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "but a JPEG image"),
        (b"PK\x03\x04" + bytes(50), "but a zip archive; try: use the cascade.xml inside it"),
        (b"\x1f\x8b\x08" + bytes(50), "but a gzip file; try: unpack it with gunzip"),
        (b"%YAML:1.0\n---\ncascade:", "but a YAML storage; try: save the cascade as XML"),
        (b'{"cascade": {}}', "but JSON"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS; try: fetch it with git lfs pull",
        ),
        (b"hello", "(an XML file): it begins with b'hello'"),
        (b"<!DOCTYPE html><html></html>", "but an HTML page; try: download the file itself"),
        (b"\n<!doctype HTML><html></html>", "but an HTML page"),
        (
            b"<html><body/></html>",
            "not <opencv_storage>; try: download the file itself",
        ),
        (b'<?xml version="1.0"?><svg/>', "its root element is <svg>"),
        (b"<opencv_storage></opencv_storage>", "but an empty storage"),
        (
            b"<?xml?><opencv_storage><calibration/></opencv_storage>",
            "but a storage of <calibration>",
        ),
        (b"<opencv_storage><cascade></opencv_storage>", "The file is not XML: mismatched tag"),
        (b"<opencv_storage><cascade>", ":1: The cascade is truncated"),
        (b"<a>" * 40, "Elements are nested more than 32 deep"),
        (b"<opencv_storage>\x00</opencv_storage>", "The file is not XML"),
    ],
    ids=lambda value: value[:24].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_files_that_are_no_cascades_are_named(tmp_path, content, message):
    assert message in refusal(write(tmp_path, content))


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    assert refusal(tmp_path).endswith("a folder")
    inside = write(tmp_path, b"")
    assert refusal(tmp_path).endswith(f"a folder; try: use {inside}")
    assert refusal(tmp_path / "no.xml").endswith("nothing of that name")


def test_entities_are_refused_before_they_grow(tmp_path):
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    content = f'<!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]><opencv_storage>&l9;</opencv_storage>'
    assert "a document type, which is not accepted" in refusal(write(tmp_path, content))


def test_huge_files_are_not_read(tmp_path):
    path = tmp_path / "huge.xml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than the 64 MiB that a cascade may have" in refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<stageType>BOOST<", "<stageType>TREE<", "Expected the stage type BOOST, got 'TREE'"),
        (
            ">HAAR<",
            ">HOG<",
            "The cascade has HOG features, which OpenCV trains but has not loaded since 3.0",
        ),
        (">HAAR<", ">EDGE<", "Expected the feature type HAAR or LBP, got 'EDGE'"),
        (">HAAR<", ">LBP<", "Expected maxCatCount 256 for LBP features, got 0"),
        ("<width>12</width>", "", "Expected <width>, got none"),
        (">12</width>", ">wide</width>", "Width: expected a finite number, got 'wide'"),
        (">12</width>", ">12.5</width>", "Width: expected a whole number, got '12.5'"),
        ("featureParams", "featuhreParams", "got <featuhreParams>: OpenCV loads nothing without"),
        ("features>", "featurez>", "Expected a list <features>, got none"),
        ("stageThreshold>", "limit>", "Stage 0: expected <stageThreshold>, got none"),
        ("weakClassifiers>", "weak>", "Stage 0: expected a list <weakClassifiers>, got none"),
        ("internalNodes>", "n>", "Stage 0, weak classifier 0: expected <internalNodes>, got none"),
        ("leafValues>", "l>", "Stage 0, weak classifier 0: expected <leafValues>, got none"),
        ("0 -1 1 0.<", "0 -1 1<", "weak classifier 1: expected 4 numbers a node, got 3 in all"),
        ("0 -1 1 0.<", "0 -1 1 .Nan<", "weak classifier 1: expected a finite number, got '.Nan'"),
        ("0 -1 1 0.<", "0 -1 1 nan<", "expected a finite number, got 'nan'"),
        ("0 -1 1 0.<", "0 -1 1 1e39<", "expected a finite number, got '1e39'"),
        ("0 -1 1 0.<", "0 -1 1 1_0<", "expected a finite number, got '1_0'"),
        ("0 -1 1 0.<", "0 -1 7 0.<", "expected the index of one of the 3 features, got 7"),
        ("5 1 1 3 2.<", "5 1 1 3<", "Feature 1, rectangle 1: expected 5 numbers, got 4"),
        ("0 0 6 4 -1.<", "9 0 6 4 -1.<", "Feature 0, rectangle 0: expected a rectangle inside"),
        ("rects>", "rectangles>", "Feature 0: expected a list <rects>, got none"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(haar, tmp_path, old, new, message):
    text = cascade_text(haar)
    assert old in text
    assert message in refusal(write(tmp_path, text.replace(old, new)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "<?xml?><opencv_storage><params><stageParams/><featureParams/></params></opencv_storage>",
            "not a cascade but the parameters of a training; try: use the cascade.xml",
        ),
        (
            "<?xml?><opencv_storage><stage3><stageThreshold>1.</stageThreshold>"
            "<weakClassifiers/></stage3></opencv_storage>",
            "not a cascade but a single stage of a training; try: use the cascade.xml",
        ),
    ],
)
def test_other_files_of_a_training_are_told_apart(tmp_path, content, message):
    assert message in refusal(write(tmp_path, content))


def test_what_a_detector_does_not_need_may_be_missing_or_odd(haar, tmp_path):
    text = cascade_text(replace(haar, parameters={"maxWeakCount": 5}))
    bare = re.sub(r"  <stageParams>.*?</stageParams>\n|  <stageNum>.*?\n", "", text, flags=re.S)
    bare = bare.replace("<featSize>1</featSize>", "").replace("cascade>", "my_detector>")
    odd = text.replace("<maxWeakCount>5<", "<maxWeakCount>1e999<")
    for changed in (bare, odd):
        read = read_cascade(write(tmp_path, changed))
        assert read == replace(haar, parameters={})


@pytest.mark.parametrize("name", ["ü 漢.xml", "two words.xml", "what?.xml", "plain"])
def test_names_may_be_odd(haar, tmp_path, name):
    assert read_cascade(write(tmp_path, cascade_text(haar), name)) == replace(
        haar, parameters={"maxWeakCount": 2}
    )


def test_line_ends_of_windows_do_not_matter(haar, tmp_path):
    text = cascade_text(haar).replace("\n", "\r\n")
    assert read_cascade(write(tmp_path, text)).stages == haar.stages


def test_a_file_cut_anywhere_is_refused(haar, tmp_path):
    content = cascade_text(haar).encode().rstrip()
    for length in range(len(content)):
        refusal(write(tmp_path, content[:length]))


@given(drawn=st.data())
def test_garbled_files_are_read_or_refused_and_opencv_survives_what_is_read(
    drawn, any_cascade, tmp_path_factory
):
    content = bytearray(cascade_text(drawn.draw(any_cascade)).encode())
    for _ in range(drawn.draw(st.integers(1, 4))):
        at = drawn.draw(st.integers(0, len(content) - 1))
        kind = drawn.draw(st.sampled_from(["change", "delete", "number"]))
        if kind == "change":
            content[at] = drawn.draw(st.integers(0, 255))
        elif kind == "delete":
            del content[at : at + drawn.draw(st.integers(1, 30))]
        else:
            digits = [i for i, byte in enumerate(content) if chr(byte).isdigit()]
            content[drawn.draw(st.sampled_from(digits))] = ord(drawn.draw(st.sampled_from("09-.e")))
    path = write(tmp_path_factory.getbasetemp(), bytes(content), "garbled.xml")
    try:
        cascade = read_cascade(path)
    except FerError:
        return
    storage = cv2.FileStorage(
        cascade_text(cascade), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY
    )
    classifier = cv2.CascadeClassifier()
    assert classifier.read(storage.getFirstTopLevelNode())
    classifier.detectMultiScale(NOISE, 1.5, 0)


def test_a_copy_without_it_says_what_to_give(monkeypatch, tmp_path):
    monkeypatch.setattr(read, "FRONTAL_FACE", tmp_path / "missing.xml")
    with pytest.raises(DependencyError, match=r"without its face cascade; try: give another"):
        read.bundled_cascade()


def test_it_finds_the_one_face_of_a_photograph():
    photograph = read_color(Path(skimage.data.__file__).parent / "astronaut.png")
    ((x, y, width, height),) = (
        Detector(read.bundled_cascade()).detect(photograph).boxes_xywh.tolist()
    )
    assert x < 202 < 246 < x + width  # her eyes
    assert y < 106 < y + height


def test_it_is_small():
    assert read.bundled_cascade().stat().st_size < 600_000
