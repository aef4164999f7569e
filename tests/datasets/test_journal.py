import pytest

from fercli.datasets.journal import JOURNAL, Journal, remove_tree
from fercli.datasets.manifest import FileRecord, Manifest, write_manifest
from fercli.errors import InputError, OutputExistsError

PLAN = {"import": "a"}


@pytest.mark.parametrize("line", ["a,b", "train/happy/a.png,,,,,x", "a.png,,,,,", '"', "\0"])
def test_damaged_notes_are_named_and_can_be_begun_anew(tmp_path, line):
    with Journal(tmp_path / "tree", PLAN) as journal:
        journal.add([FileRecord("train/happy/a.png")])
    with (tmp_path / "tree" / JOURNAL).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(InputError, match="found damaged ones"):
        Journal(tmp_path / "tree", PLAN)
    with Journal(tmp_path / "tree", PLAN, overwrite=True) as journal:
        assert journal.done == set()


def test_nothing_is_removed_through_a_link_to_a_folder(tmp_path):
    (tmp_path / "safe").mkdir()
    (tmp_path / "safe/precious.png").touch()
    with Journal(tmp_path / "tree", PLAN) as journal:
        journal.add([FileRecord("train/happy/a.png")])
    (tmp_path / "tree/train").mkdir()
    (tmp_path / "tree/train/sad").symlink_to(tmp_path / "safe")
    with pytest.raises(OutputExistsError, match="found train/sad in it"):
        Journal(tmp_path / "tree", PLAN, overwrite=True)
    assert (tmp_path / "safe/precious.png").exists()
    assert (tmp_path / "tree" / JOURNAL).exists()


@pytest.mark.parametrize("file", ["../safe/precious.txt", "a/../../safe/precious.txt", "{}/a.txt"])
def test_only_what_is_below_a_tree_is_removed(tmp_path, file):
    for precious in (tmp_path / "safe/precious.txt", tmp_path / "a.txt"):
        precious.parent.mkdir(exist_ok=True)
        precious.touch()
    root = tmp_path / "tree"
    write_manifest(root, Manifest(["happy"], {}))
    (root / "files.csv").write_text(f"file\n{file.format(tmp_path)},,,,,\n")
    with pytest.raises(InputError, match=r"files\.csv:2: .*wanted a file below the tree"):
        remove_tree(root)
    assert (tmp_path / "safe/precious.txt").exists()
    assert (root / "dataset.json").exists()
