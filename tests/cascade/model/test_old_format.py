import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from fercli.cascade.model import cascade_text, read_cascade
from fercli.cascade.opencv3.programs import find_program
from fercli.cascade.samples.vec import write_vec
from fercli.common.errors import CascadeFileError


def old_format(cascade):
    """The cascade in the format of the programs of OpenCV 1: features inside the nodes."""

    def rectangle(part):
        return f"<_>{part.x} {part.y} {part.width} {part.height} {part.weight}</_>"

    def child(weak, side, number):
        if number > 0:
            return f"<{side}_node>{number}</{side}_node>"
        return f"<{side}_val>{weak.leaves[-number]!r}</{side}_val>"

    def node(weak, one):
        feature = cascade.features[one.feature]
        rects = "".join(map(rectangle, feature.rectangles))
        return (
            f"<_><feature><rects>{rects}</rects><tilted>{int(feature.tilted)}</tilted></feature>"
            f"<threshold>{one.threshold!r}</threshold>"
            f"{child(weak, 'left', one.left)}{child(weak, 'right', one.right)}</_>"
        )

    def tree(weak):
        return f"<_>{''.join(node(weak, one) for one in weak.nodes)}</_>"

    stages = "".join(
        f"<_><trees>{''.join(map(tree, stage.weak_classifiers))}</trees>"
        f"<stage_threshold>{stage.threshold!r}</stage_threshold>"
        f"<parent>{at - 1}</parent><next>-1</next></_>"
        for at, stage in enumerate(cascade.stages)
    )
    return (
        '<?xml version="1.0"?><opencv_storage><haar type_id="opencv-haar-classifier">'
        f"<size>{cascade.size_wh[0]} {cascade.size_wh[1]}</size><stages>{stages}</stages>"
        "</haar></opencv_storage>"
    )


def write(tmp_path, text, name="old.xml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_every_node_brings_its_feature(haar, tmp_path):
    read = read_cascade(write(tmp_path, old_format(haar)))
    assert (read.feature_type, read.size_wh) == ("HAAR", haar.size_wh)
    # Nodes in order: tree (features 0 and 2), stump (1), and the stump of stage 1.
    assert read.features == tuple(haar.features[at] for at in (0, 2, 1, 1))
    tree, stump = read.stages[0].weak_classifiers
    assert [node.feature for node in tree.nodes] == [0, 1]
    assert tree.leaves == haar.stages[0].weak_classifiers[0].leaves
    assert (stump.nodes[0].left, stump.nodes[0].right) == (0, -1)
    assert [stage.threshold for stage in read.stages] == [-0.25, 0.5]


def test_opencv_reads_the_same(haar, tmp_path, rng):
    # Passes about half of the windows of noise.
    haar = replace(haar, stages=haar.stages[:1])
    old = write(tmp_path, old_format(haar))
    new = write(tmp_path, cascade_text(read_cascade(old)), "new.xml")
    noise = rng.integers(0, 256, (60, 80), np.uint8)
    found = [
        sorted(map(tuple, cv2.CascadeClassifier(str(path)).detectMultiScale(noise, 1.1, 0)))
        for path in (old, new)
    ]
    assert found[0] == found[1]
    assert 100 < len(found[0]) < 10_000


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ("<parent>-1</parent><next>1</next>", "Stage 0: <next> is 1 and not -1: the stages form"),
        ("<parent>3</parent><next>-1</next>", "Stage 0: <parent> is 3 and not -1: the stages form"),
    ],
)
def test_stages_that_branch_are_refused(haar, tmp_path, links, message):
    """OpenCV loads a tree of stages as a row, without a word: it is another cascade."""
    text = old_format(haar).replace("<stage_threshold>", f"{links}<stage_threshold>", 1)
    path = write(tmp_path, text)
    assert not cv2.CascadeClassifier(str(path)).empty()
    with pytest.raises(CascadeFileError, match=message):
        read_cascade(path)


def test_stages_in_a_row_that_say_so_are_read(haar, tmp_path):
    """As ``convert_cascade`` of OpenCV 1 and 2 wrote them: each stage follows the one before."""
    numbers = iter(range(len(haar.stages)))
    text = re.sub(
        "<stage_threshold>",
        lambda tag: f"<parent>{next(numbers) - 1}</parent><next>-1</next>{tag[0]}",
        old_format(haar),
    )
    assert read_cascade(write(tmp_path, text)) == read_cascade(
        write(tmp_path, old_format(haar), "b")
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<size>12 9<", "<size>12<", "Size: expected 2 numbers, got 1"),
        ("<left_node>1<", "<left_node>0<", "expected a node above 0 as a child, got 0"),
        ("<left_node>1<", "<left_node>5<", "expected children from -2 to 1, got 5"),
        ("<feature>", "<f/><feature_>", "The file is not XML"),
        ("stage_threshold>", "limit>", "Stage 0: expected <stage_threshold>, got none"),
        ("right_val>", "value>", "Stage 0, weak classifier 0: expected <right_node>, got none"),
        ("trees>", "woods>", "Stage 0: expected a list <trees>, got none"),
        (
            "<_>5 1 2 3 -1.0</_>",
            "<_>5 1 2 9 -1.0</_>",
            "Feature 2, rectangle 0: expected a rectangle",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(haar, tmp_path, old, new, message):
    text = old_format(haar)
    assert old in text
    with pytest.raises(CascadeFileError, match=message):
        read_cascade(write(tmp_path, text.replace(old, new)))


@pytest.fixture(scope="session")
def trained(opencv_tools, tmp_path_factory):
    """The same cascade in both formats, as ``opencv_traincascade`` writes it."""
    import subprocess

    folder = tmp_path_factory.mktemp("trained")
    samples = np.load(Path(skimage.data.__file__).parent / "lfw_subset.npy")
    faces = [cv2.resize(np.uint8(255 * face), (14, 14)) for face in samples[:100]]
    write_vec(folder / "faces.vec", np.stack(faces))
    for name in ("coffee", "rocket", "brick", "gravel", "coins"):
        image = getattr(skimage.data, name)()
        cv2.imwrite(str(folder / f"{name}.png"), image)
    (folder / "bg.txt").write_text("".join(f"{p}\n" for p in sorted(folder.glob("*.png"))))
    (folder / "data").mkdir()
    command = [
        str(find_program("opencv_traincascade")), "-data", "data", "-vec", "faces.vec",
        "-bg", "bg.txt", "-numPos", "80", "-numNeg", "150", "-w", "14", "-h", "14",
        "-maxDepth", "2", "-maxFalseAlarmRate", "0.1", "-mode", "ALL", "-numStages",
    ]  # fmt: skip
    subprocess.run([*command, "2"], cwd=folder, capture_output=True, check=True)
    (folder / "data" / "cascade.xml").rename(folder / "new.xml")
    # The stages are there: it writes them again, in the other format.
    subprocess.run([*command, "1", "-baseFormatSave"], cwd=folder, capture_output=True, check=True)
    (folder / "data" / "cascade.xml").rename(folder / "old.xml")
    return folder


@pytest.mark.opencv3
def test_the_text_of_a_trained_cascade_is_written_byte_for_byte(trained):
    cascade = read_cascade(trained / "new.xml")
    assert cascade_text(cascade) == (trained / "new.xml").read_text()


@pytest.mark.opencv3
def test_a_trained_cascade_is_the_same_in_both_formats(trained):
    old, new = read_cascade(trained / "old.xml"), read_cascade(trained / "new.xml")
    of_old, of_new = old.stages[0], new.stages[0]
    assert of_old.threshold == of_new.threshold
    for left, right in zip(of_old.weak_classifiers, of_new.weak_classifiers, strict=True):
        assert left.leaves == right.leaves
        for node, other in zip(left.nodes, right.nodes, strict=True):
            assert replace(node, feature=0) == replace(other, feature=0)
            assert old.features[node.feature] == new.features[other.feature]


@pytest.mark.opencv3
@pytest.mark.parametrize("name", ["params.xml", "stage0.xml"])
def test_the_other_files_of_a_training_are_told_apart(trained, name):
    with pytest.raises(CascadeFileError, match="of a training"):
        read_cascade(trained / "data" / name)
