import pytest

from fercli.common.errors import InputError
from fercli.common.files import write_text
from fercli.datasets.augment import AugmentOptions, Policy, augment_tree
from fercli.datasets.expressions import ImportOptions, parse_classes
from fercli.datasets.face_cropping import crop_folder
from fercli.datasets.importing import import_sources
from fercli.datasets.options import FaceOptions, SplitOptions
from fercli.datasets.sources import find_sources
from fercli.datasets.splitting import split_tree
from fercli.datasets.tree import read_tree


def split(tree, out, placing):
    split_tree(read_tree(tree), out, SplitOptions(placing=placing, duplicates="apart"))


def augment(tree, out, placing):
    augment_tree(read_tree(tree), out, AugmentOptions(Policy(), target=6, placing=placing))


@pytest.mark.parametrize("command", [split, augment])
def test_a_class_that_was_added_by_hand_is_one_of_the_new_tree(small_tree, put, tmp_path, command):
    command(small_tree, tmp_path / "first", "copy")
    listed = read_tree(tmp_path / "first").classes
    put("first/train/bored/0.png")
    command(tmp_path / "first", tmp_path / "out", "copy")
    tree = read_tree(tmp_path / "out")
    assert tree.classes == (*listed, "bored")  # behind: the others keep their numbers
    assert sum(row["bored"] for row in tree.manifest.counts.values()) >= 1


def crop(tree, out, placing):
    crop_folder(tree, out, FaceOptions((tree / "none.xml",)))


def import_again(tree, out, placing):
    import_sources(find_sources([f"folder={tree}"]), out, ImportOptions(parse_classes(None)))


@pytest.mark.parametrize("left", [".unfinished.csv", ".cropping", ".replaced/dataset.json"])
@pytest.mark.parametrize("command", [split, augment, crop, import_again])
def test_an_unfinished_tree_is_not_taken_for_a_whole_one(small_tree, tmp_path, command, left):
    """What a process left that was killed in it, or while it moved an old one aside."""
    write_text(small_tree / left, "{}\n")
    message = "tree: The data set is unfinished; try: run the command"
    with pytest.raises(InputError, match=message):
        command(small_tree, tmp_path / "out", "copy")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("placing", ["link", "copy", "symlink"])
@pytest.mark.parametrize("command", [split, augment])
def test_what_links_lead_to_is_placed(small_tree, tmp_path, command, placing):
    split(small_tree, tmp_path / "deep/er/links", "symlink")
    command(tmp_path / "deep/er/links", tmp_path / "out", placing)
    files = list((tmp_path / "out").rglob("*.png"))
    before = {path.read_bytes() for path in small_tree.rglob("*.png")}
    assert {path.read_bytes() for path in files} >= before
    assert all(
        path.is_symlink() == (placing == "symlink") for path in files if "-aug" not in path.name
    )


@pytest.mark.parametrize("placing", ["link", "copy", "symlink"])
def test_a_link_to_nothing_is_named(small_tree, tmp_path, placing):
    (small_tree / "train/sad/gone.png").symlink_to("nowhere.png")
    message = r"tree/train/sad/gone\.png: The link leads to nothing; try: restore"
    with pytest.raises(InputError, match=message):
        split(small_tree, tmp_path / "out", placing)
