"""Images of a split, and what is said when they do not fit what is asked of them."""

import shutil

import pytest

from fercli.common.errors import InputError, OptionError
from fercli.common.progress import Progress
from fercli.datasets.manifest import FileRecord, Manifest
from fercli.datasets.tree import Tree, read_tree
from fercli.models.labeled_faces import (
    choose_split,
    identify,
    read_measured,
    read_split,
    read_splits,
)
from fercli.models.model_card import ModelCard
from fercli.models.training_options import ModelTrainingOptions

from .conftest import CLASSES, make_tree

SHAPE = {"size_wh": (48, 48), "channels": 1}


def test_votes_that_are_missing_are_named(tree):
    with pytest.raises(InputError, match="`soft_labels` needs the votes of annotators, which"):
        read_split(read_tree(tree), "train", soft_labels=True, **SHAPE)


@pytest.mark.parametrize(
    "votes", [(1, 2), (1, 2, 3, 4), (-1, 3, 0), (-1, 1, 0), (0, 0, 10**40), (0, 0, 10**400)]
)
def test_votes_that_are_not_a_count_a_class_are_named(tmp_path, votes):
    file = "train/left/000.png"
    manifest = Manifest(CLASSES, {"train": dict.fromkeys(CLASSES, 1)})
    tree = Tree(tmp_path, CLASSES, (FileRecord(file, votes=votes),), manifest)
    with pytest.raises(InputError, match=rf"files\.csv: Expected votes as 3 numbers .* for {file}"):
        read_split(tree, "train", soft_labels=True, **SHAPE)


def test_votes_belong_to_the_classes_of_the_tree(tree):
    with pytest.raises(OptionError, match="`soft_labels` needs the classes of the tree"):
        read_split(read_tree(tree), "train", classes=CLASSES[::-1], soft_labels=True, **SHAPE)


def test_a_class_that_is_not_asked_for_is_named(tree):
    with pytest.raises(
        InputError, match=f"Expected images of the classes .*, got {CLASSES[-1]} too"
    ):
        read_split(read_tree(tree), "train", classes=CLASSES[:-1], **SHAPE)


@pytest.mark.parametrize(
    ("splits", "asked", "chosen", "told"),
    [
        (("all",), None, "all", ["The tree has no split validation: its only one, all, is used"]),
        (("train", "val"), None, "validation", []),  # by another name
        (("val",), None, "validation", []),
        (("train", "test"), None, "validation", []),  # which is then missing
        (("all",), "test", "test", []),
    ],
)
def test_the_split_that_is_measured_on(tmp_path, splits, asked, chosen, told):
    tree = read_tree(make_tree(tmp_path / "tree", [(split, 1) for split in splits]))
    notes = []
    progress = Progress()
    progress.note = notes.append
    assert choose_split(tree, asked, progress) == chosen
    assert notes == told


def test_an_unsplit_tree_is_divided_by_class_and_without_leaks(tmp_path):
    root = make_tree(tmp_path / "tree", (("all", 20),))
    for number in range(4):  # copies of one image
        shutil.copy(root / "all/left/000.png", root / f"all/left/copy{number}.png")
    told = []
    progress = Progress()
    progress.note = told.append
    options = ModelTrainingOptions(architecture="mini-xception")
    training, validation = read_splits(read_tree(root), options, None, progress)
    assert training.counts().sum() + validation.counts().sum() == 64
    assert (validation.counts() >= 3).all()
    assert 10 <= len(validation) <= 15
    names = [{path.name for path in one.paths if path.parent.name == "left"}
             for one in (training, validation)]  # fmt: skip
    copies = {"000.png", *(f"copy{number}.png" for number in range(4))}
    assert copies <= names[0] or copies <= names[1]
    assert f"{root} is not split: {len(training)} images to learn from" in told[0]
    again = read_splits(read_tree(root), options, None, Progress())
    assert identify(*again) == identify(training, validation)
    assert [path.name for path in again[1].paths] == [path.name for path in validation.paths]
    # A model that was trained on it is measured on what was held out, another one on all.
    known = {"seed": 0, "held_out": identify(training, validation)["labels to validate on"]}
    for trained, expected in ((known, validation.paths), ({**known, "held_out": 5}, None)):
        card = ModelCard(CLASSES, (48, 48), training=trained)
        told.clear()
        measured = read_measured(read_tree(root), None, card, progress=progress)
        assert measured.paths == expected or len(measured) == 64
        assert any("that the training held out" in line for line in told) is (expected is not None)


def test_a_split_that_was_asked_for_by_name_must_be_there(tmp_path):
    root = make_tree(tmp_path / "tree", (("train", 2),))
    options = ModelTrainingOptions(architecture="mini-xception", validation="test")
    with pytest.raises(OptionError, match="There is no split 'test'"):
        read_splits(read_tree(root), options, None, Progress())
