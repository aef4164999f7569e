"""OpenMV's file: against a second parser, written here from the description of the format."""

import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    check_cascade,
    find_cascade,
    read_cascade,
    write_cascade,
)
from fercli.cascade.model.export.openmv import openmv_bytes, read_openmv, with_camera_norm
from fercli.cascade.model.write import convert_cascade
from fercli.common.errors import CascadeFileError

SMALL = find_cascade(Path("frontalface-small"))


def parse(data):
    """Return what a file holds, by the table of the format alone."""
    at = 0

    def take(kind, count):
        nonlocal at
        values = struct.unpack_from(f"<{count}{kind}", data, at)
        at += struct.calcsize(f"<{count}{kind}")
        return list(values)

    width, height = take("i", 2)
    (stages,) = take("i", 1)
    found = {"window": (width, height), "counts": take("B", stages)}
    weak = sum(found["counts"])
    found["stage_thresholds"] = take("h", stages)
    found["thresholds"] = take("h", weak)
    found["left"], found["right"] = take("h", weak), take("h", weak)
    found["sizes"] = take("B", weak)
    rectangles = sum(found["sizes"])
    found["weights"] = take("b", rectangles)
    found["rectangles"] = [tuple(take("B", 4)) for _ in range(rectangles)]
    assert at == len(data)
    return found


def stump(feature, threshold, left, right):
    return WeakClassifier((Node(0, -1, feature, threshold=threshold),), (left, right))


@pytest.fixture
def small():
    """Two stages of three stumps, of features of two and three rectangles."""
    two = HaarFeature((WeightedRectangle(0, 0, 6, 4, -1.0), WeightedRectangle(3, 0, 3, 4, 2.0)))
    three = HaarFeature(
        (
            WeightedRectangle(0, 0, 12, 9, -1.0),
            WeightedRectangle(0, 0, 6, 4, 2.0),
            WeightedRectangle(6, 4, 6, 5, 2.0),
        )
    )
    stages = (
        Stage(-0.25, (stump(0, 0.125, 0.5, -1.0), stump(1, -0.0001, -1.5, 0.75))),
        Stage(0.501, (stump(1, 1.0, -0.002, 3.0),)),
    )
    return Cascade("HAAR", (12, 9), stages, (two, three))


def test_the_bytes_are_those_of_the_table(small):
    assert openmv_bytes(small) == b"".join(
        [
            b"\x0c\0\0\0\x09\0\0\0",  # window
            b"\x02\0\0\0",  # stages
            b"\x02\x01",
            struct.pack("<2h", -64, 128),  # 0.501 · 256 = 128.256
            struct.pack("<3h", 512, 0, 4096),  # -0.0001 · 4096 = -0.41
            struct.pack("<3h", 128, -384, -1),  # -0.002 · 256 = -0.51: rounded, not cut off
            struct.pack("<3h", -256, 192, 768),
            b"\x02\x03\x03",
            struct.pack("<8b", -1, 2, -1, 2, 2, -1, 2, 2),
            bytes([0, 0, 6, 4, 3, 0, 3, 4]),
            bytes([0, 0, 12, 9, 0, 0, 6, 4, 6, 4, 6, 5]) * 2,
        ]
    )


def test_the_small_face_cascade_is_one_for_the_camera():
    data = openmv_bytes(read_cascade(SMALL))
    assert len(data) < 40_000
    assert max(parse(data)["counts"]) <= 255
    gray = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    found = cv2.CascadeClassifier(str(SMALL)).detectMultiScale(gray, 1.1, 5)
    assert len(found) == 1


def test_a_second_parser_finds_the_cascade(random_stumps):
    cascade = random_stumps()
    found = parse(openmv_bytes(cascade))
    weak = [weak for stage in cascade.stages for weak in stage.weak_classifiers]
    features = [cascade.features[each.nodes[0].feature] for each in weak]
    parts = [part for feature in features for part in feature.rectangles]
    assert found["window"] == cascade.size_wh
    assert found["counts"] == [len(stage.weak_classifiers) for stage in cascade.stages]
    assert found["rectangles"] == [(p.x, p.y, p.width, p.height) for p in parts]
    assert found["weights"] == [part.weight for part in parts]
    assert found["sizes"] == [len(feature.rectangles) for feature in features]
    for name, unit, values in (
        ("stage_thresholds", 256, [stage.threshold for stage in cascade.stages]),
        ("thresholds", 4096, [each.nodes[0].threshold for each in weak]),
        ("left", 256, [each.leaves[0] for each in weak]),
        ("right", 256, [each.leaves[1] for each in weak]),
    ):
        assert np.abs(np.array(found[name]) - np.array(values) * unit).max() <= 0.5


@pytest.fixture
def random_stumps(rng):
    """Make a cascade of upright features with whole weights, as a training makes them."""

    def make(size_wh=(24, 20), counts=(3, 5, 8)):
        def feature():
            width, height = (int(rng.integers(2, side // 2 + 1)) * 2 for side in size_wh)
            x, y = (
                int(rng.integers(0, s - n + 1))
                for s, n in zip(size_wh, (width, height), strict=True)
            )
            half = WeightedRectangle(x, y, width // 2, height, 2.0)
            parts = (WeightedRectangle(x, y, width, height, -1.0), half)
            if rng.random() < 0.5:
                quarter = (width // 2, height // 2)
                parts = (
                    parts[0],
                    WeightedRectangle(x, y, *quarter, 2.0),
                    WeightedRectangle(x + quarter[0], y + quarter[1], *quarter, 2.0),
                )
            return HaarFeature(parts)

        total = sum(counts)
        weak = [
            stump(at, *map(float, np.float32(rng.normal(0, (0.03, 1, 1))))) for at in range(total)
        ]
        stages, first = [], 0
        for count in counts:
            stages.append(Stage(float(np.float32(-0.4)), tuple(weak[first : first + count])))
            first += count
        features = tuple(feature() for _ in range(total))
        cascade = Cascade("HAAR", size_wh, tuple(stages), features)
        check_cascade(cascade)
        return cascade

    return make


def test_there_and_back(random_stumps, tmp_path):
    """`convert` brings the file back; its values are exact then, and give the same file."""
    path, again = tmp_path / "a.cascade", tmp_path / "a.xml"
    path.write_bytes(openmv_bytes(random_stumps()))
    convert_cascade(path, again)
    assert openmv_bytes(read_cascade(again)) == path.read_bytes()


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5])
def test_a_file_for_firmware_that_skips_to_a_multiple_of_four(random_stumps, stages, tmp_path):
    cascade = random_stumps(counts=(2,) * stages)
    plain, aligned = openmv_bytes(cascade), openmv_bytes(cascade, align=True)
    end = 12 + stages
    assert aligned == plain[:end] + bytes({0: 0, 1: 3, 2: 2, 3: 1}[stages % 4]) + plain[end:]
    for data in (plain, aligned):
        (tmp_path / "a.cascade").write_bytes(data)
        assert openmv_bytes(read_openmv(tmp_path / "a.cascade")) == plain


int16 = st.integers(-(1 << 15), (1 << 15) - 1)


@given(st.lists(st.tuples(int16, int16, int16), min_size=1, max_size=4), int16, st.data())
def test_all_values_come_back(stumps, threshold, data):
    weights = data.draw(st.lists(st.integers(-128, 127), min_size=2, max_size=3))
    parts = tuple(WeightedRectangle(at, 0, 3, 9, float(w)) for at, w in enumerate(weights))
    weak = tuple(stump(0, node / 4096, left / 256, right / 256) for node, left, right in stumps)
    cascade = Cascade("HAAR", (12, 9), (Stage(threshold / 256, weak),), (HaarFeature(parts),))
    found = parse(openmv_bytes(cascade))
    assert found["stage_thresholds"] == [threshold]
    assert (
        list(zip(*(found[name] for name in ("thresholds", "left", "right")), strict=True)) == stumps
    )
    assert found["weights"] == weights * len(stumps)


def test_what_cannot_be_expressed_is_named_with_the_options_that_avoid_it(small, haar, lbp):
    with pytest.raises(CascadeFileError, match="stage 0, weak classifier 0: a tree") as error:
        openmv_bytes(haar)
    assert "--mode CORE --max-depth 1" in error.value.hint
    with pytest.raises(CascadeFileError, match="an LBP feature") as error:
        openmv_bytes(lbp)
    assert "--feature-type HAAR" in error.value.hint
    parts = (WeightedRectangle(4, 0, 4, 4, -1.0), WeightedRectangle(4, 0, 2, 4, 2.0))
    tilted = HaarFeature(parts, tilted=True)
    with pytest.raises(CascadeFileError, match="a tilted feature") as error:
        openmv_bytes(with_first(small, tilted))
    assert "--mode CORE" in error.value.hint


def with_first(cascade, feature):
    return replace(cascade, features=(feature, *cascade.features[1:]))


def with_parts(cascade, *parts):
    return with_first(cascade, HaarFeature(parts))


def test_values_that_do_not_fit(small):
    first, second = small.features[0].rectangles
    for parts, named in (
        ((first,), "a single rectangle"),
        ((first, replace(second, weight=2.5)), "the weight 2.5"),
        ((first, replace(second, weight=128.0)), "the weight 128"),
    ):
        with pytest.raises(CascadeFileError, match=named):
            openmv_bytes(with_parts(small, *parts))
    large = stump(0, 8.0, 0.0, 1.0)  # 8 · 4096 = 2^15, one more than there is
    with pytest.raises(CascadeFileError, match="thresholds of weak classifiers: 8 is beyond"):
        openmv_bytes(replace(small, stages=(Stage(0.0, (large,)),)))
    many = Stage(0.0, small.stages[1].weak_classifiers * 256)
    with pytest.raises(CascadeFileError, match="256 weak classifiers") as error:
        openmv_bytes(replace(small, stages=(many,)))
    assert "--max-weak-count 255" in error.value.hint
    with pytest.raises(CascadeFileError, match="window of 256x9") as error:
        openmv_bytes(replace(small, size_wh=(256, 9)))
    assert "--size" in error.value.hint


def test_garbled_files_are_named(small, tmp_path):
    whole, path = openmv_bytes(small), tmp_path / "a.cascade"
    for data, named in (
        (whole[:-1], "truncated"),
        (whole + b"\0", "Expected"),
        (b"\0" * 20, "does not begin"),
        (b"", "does not begin"),
    ):
        path.write_bytes(data)
        with pytest.raises(CascadeFileError, match=named):
            read_openmv(path)
    outside = bytearray(whole)
    outside[-1] = 200
    path.write_bytes(outside)
    with pytest.raises(CascadeFileError, match="inside the window"):
        read_openmv(path)
    with pytest.raises(CascadeFileError, match=r"missing\.cascade"):
        read_openmv(tmp_path / "missing.cascade")


def test_the_norm_of_the_camera(small):
    """Of 12×9 pixels 10×7 are inside: thresholds are multiplied by 70/108."""
    fitted = with_camera_norm(small).stages[0].weak_classifiers[0].nodes[0].threshold
    assert fitted == pytest.approx(0.125 * 70 / 108)


def test_a_reader_of_xml_is_told_how_to_convert(small, tmp_path):
    path = tmp_path / "a.cascade"
    path.write_bytes(openmv_bytes(small))
    with pytest.raises(CascadeFileError, match="a cascade of OpenMV") as error:
        read_cascade(path)
    assert "fer cascade convert" in error.value.hint


def test_old_and_new_formats_give_the_same_file(small, tmp_path):
    from fercli.cascade.model.export.opencv1 import opencv1_text

    write_cascade(tmp_path / "new.xml", small)
    (tmp_path / "old.xml").write_text(opencv1_text(small))
    new, old = (read_cascade(tmp_path / name) for name in ("new.xml", "old.xml"))
    assert openmv_bytes(new) == openmv_bytes(old) == openmv_bytes(small)
