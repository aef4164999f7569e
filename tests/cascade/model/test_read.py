import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.model import LbpFeature, cascade_text, read_cascade
from fercli.common.errors import CascadeFileError, FerError

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
        (b"", "wanted a cascade, found an empty file"),
        (b" \n\t ", "found a file of blanks"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "found a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "found a JPEG image"),
        (b"PK\x03\x04" + bytes(50), "found a zip archive; try: the cascade.xml inside it"),
        (b"\x1f\x8b\x08" + bytes(50), "found a gzip file; try: gunzip"),
        (b"%YAML:1.0\n---\ncascade:", "found a YAML storage; try: save the cascade as XML"),
        (b'{"cascade": {}}', "found JSON"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS; try: git lfs pull",
        ),
        (b"hello", "(an XML file), found a file that begins with b'hello'"),
        (b"<!DOCTYPE html><html></html>", "found an HTML page; try: download the file itself"),
        (b"\n<!doctype HTML><html></html>", "found an HTML page"),
        (b"<html><body/></html>", "found an HTML page; try: download"),
        (b'<?xml version="1.0"?><svg/>', "found <svg>"),
        (b"<opencv_storage></opencv_storage>", "found an empty storage"),
        (b"<opencv_storage><calibration/></opencv_storage>", "found a storage of <calibration>"),
        (b"<opencv_storage><cascade></opencv_storage>", "found broken XML: mismatched tag"),
        (b"<opencv_storage><cascade>", ":1: wanted a whole cascade, found a truncated one"),
        (b'<?xml version="1.0" encoding="klingon"?><opencv_storage/>', "found broken XML"),
        (b"<a>" * 40, "found elements nested more than 32 deep"),
        (b"<opencv_storage>\x00</opencv_storage>", "found broken XML"),
    ],
    ids=lambda value: value[:24].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_files_that_are_no_cascades_are_named(tmp_path, content, message):
    assert message in refusal(write(tmp_path, content))


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    assert refusal(tmp_path).endswith("wanted a cascade file, found a folder")
    inside = write(tmp_path, b"")
    assert refusal(tmp_path).endswith(f"found a folder; try: {inside}")
    assert refusal(tmp_path / "no.xml").endswith(
        "wanted a cascade file, found nothing of that name"
    )


def test_entities_are_refused_before_they_grow(tmp_path):
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    content = f'<!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]><opencv_storage>&l9;</opencv_storage>'
    assert "found a document type, which no cascade has" in refusal(write(tmp_path, content))


def test_huge_files_are_not_read(tmp_path):
    path = tmp_path / "huge.xml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "wanted a cascade of at most 64 MiB, found a larger file" in refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<stageType>BOOST<", "<stageType>TREE<", "wanted the stage type BOOST, found 'TREE'"),
        (
            ">HAAR<",
            ">HOG<",
            "found a HOG cascade, which OpenCV trains but has not loaded since 3.0",
        ),
        (">HAAR<", ">EDGE<", "wanted the feature type HAAR or LBP, found 'EDGE'"),
        (">HAAR<", ">LBP<", "wanted maxCatCount 256 for LBP features, found 0"),
        ("<width>12</width>", "", "wanted <width>, found none"),
        (">12</width>", ">wide</width>", "width: wanted a finite number, found 'wide'"),
        (">12</width>", ">12.5</width>", "width: wanted a whole number, found '12.5'"),
        ("featureParams", "featuhreParams", "found <featuhreParams>: OpenCV loads nothing without"),
        ("features>", "featurez>", "wanted a list <features>, found none"),
        ("stageThreshold>", "limit>", "stage 0: wanted <stageThreshold>, found none"),
        ("weakClassifiers>", "weak>", "stage 0: wanted a list <weakClassifiers>, found none"),
        ("internalNodes>", "n>", "stage 0, weak classifier 0: wanted <internalNodes>, found none"),
        ("leafValues>", "l>", "stage 0, weak classifier 0: wanted <leafValues>, found none"),
        ("0 -1 1 0.<", "0 -1 1<", "weak classifier 1: wanted 4 numbers a node, found 3 in all"),
        ("0 -1 1 0.<", "0 -1 1 .Nan<", "weak classifier 1: wanted a finite number, found '.Nan'"),
        ("0 -1 1 0.<", "0 -1 1 nan<", "wanted a finite number, found 'nan'"),
        ("0 -1 1 0.<", "0 -1 1 1e39<", "wanted a finite number, found '1e39'"),
        ("0 -1 1 0.<", "0 -1 1 1_0<", "wanted a finite number, found '1_0'"),
        ("0 -1 1 0.<", "0 -1 7 0.<", "wanted the index of one of the 3 features, found 7"),
        ("5 1 1 3 2.<", "5 1 1 3<", "feature 1, rectangle 1: wanted 5 numbers, found 4"),
        ("0 0 6 4 -1.<", "9 0 6 4 -1.<", "feature 0, rectangle 0: wanted a rectangle inside"),
        ("rects>", "rectangles>", "feature 0: wanted a list <rects>, found none"),
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
            "<opencv_storage><params><stageParams/><featureParams/></params></opencv_storage>",
            "wanted a cascade, found the parameters of a training; try: the cascade.xml beside it",
        ),
        (
            "<opencv_storage><stage3><stageThreshold>1.</stageThreshold>"
            "<weakClassifiers/></stage3></opencv_storage>",
            "wanted a cascade, found a single stage of a training; try: the cascade.xml beside it",
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


def test_line_ends_and_a_byte_order_mark_do_not_matter(haar, tmp_path):
    text = "\ufeff" + cascade_text(haar).replace("\n", "\r\n")
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
