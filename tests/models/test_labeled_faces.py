"""Images of a split, and what is said when they do not fit what is asked of them."""

import pytest

from fercli.common.errors import InputError, OptionError
from fercli.datasets.manifest import FileRecord, Manifest
from fercli.datasets.tree import Tree, read_tree
from fercli.models.labeled_faces import read_split

from .conftest import CLASSES

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
