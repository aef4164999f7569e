from pathlib import Path

import pytest

from fercli.common.errors import InputError, OutputError, OutputExistsError
from fercli.datasets.journal import JOURNAL, Journal, remove_tree
from fercli.datasets.manifest import FileRecord, Manifest, write_manifest
from fercli.datasets.tree import finish_tree

PLAN = {"import": "a"}


@pytest.mark.parametrize("line", ["a,b", "train/happy/a.png,,,,,x", "a.png,,,,,", '"', "\0"])
def test_damaged_notes_are_named_and_can_be_begun_anew(tmp_path, line):
    with Journal(tmp_path / "tree", PLAN) as journal:
        journal.add([FileRecord("train/happy/a.png")])
    with (tmp_path / "tree" / JOURNAL).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(InputError, match="data set is damaged"):
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
    with pytest.raises(OutputExistsError, match="train/sad in it was not"):
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
    with pytest.raises(InputError, match=r"files\.csv:2: .*is not below the tree"):
        remove_tree(root)
    assert (tmp_path / "safe/precious.txt").exists()
    assert (root / "dataset.json").exists()


def make(root, content, *, overwrite=False):
    """Make a tree of two images."""
    with Journal(root, {"content": content}, overwrite=overwrite) as journal:
        for name in ("train/happy/a.png", "validation/sad/b.png"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
            journal.add([FileRecord(name)])
        finish_tree(journal, ("happy", "sad"))


def contents(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def replace_partly(root, plan, error):
    """Begin a tree in place of another, and end by an error after its first image."""
    with Journal(root, plan, overwrite=True) as journal:
        journal.add([FileRecord("train/happy/a.png")])
        raise error


def test_a_tree_that_is_being_replaced_comes_back_after_an_error(tmp_path):
    root = tmp_path / "tree"
    make(root, "old")
    before = contents(root)
    with pytest.raises(InputError):
        replace_partly(root, PLAN, InputError("a malformed row"))
    assert contents(root) == before


def test_a_replacement_that_is_interrupted_goes_on(tmp_path):
    root = tmp_path / "tree"
    make(root, "old")
    with pytest.raises(KeyboardInterrupt):
        replace_partly(root, {"content": "new"}, KeyboardInterrupt())
    with Journal(root, {"content": "new"}) as journal:
        assert journal.done == {"train/happy/a.png"}
    make(root, "new")
    make(tmp_path / "other", "new")
    assert contents(root) == contents(tmp_path / "other")


def test_a_replacement_that_is_interrupted_can_be_replaced(tmp_path):
    root = tmp_path / "tree"
    make(root, "old")
    before = contents(root)
    with pytest.raises(KeyboardInterrupt):
        replace_partly(root, {"content": "new"}, KeyboardInterrupt())
    with pytest.raises(InputError):
        replace_partly(root, PLAN, InputError("a malformed row"))
    assert contents(root) == before


@pytest.mark.parametrize("moved", range(9))
def test_nothing_is_lost_wherever_a_replacement_is_killed(tmp_path, monkeypatch, moved):
    """Killed at each of the moves there and back: the next command finds one whole tree."""
    root = tmp_path / "tree"
    make(root, "old")
    before = contents(root)
    left = moved

    def rename(path, target, original=Path.rename):
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return original(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        with pytest.raises((KeyboardInterrupt, InputError)):
            replace_partly(root, PLAN, InputError("a malformed row"))
    with pytest.raises(OutputExistsError, match="holds a data set already"):
        make(root, "new")
    assert contents(root) == before


@pytest.mark.parametrize("moved", range(4))
def test_a_tree_that_cannot_be_moved_aside_stays_where_it_is(tmp_path, monkeypatch, moved):
    """As one with a folder that its user may not write to."""
    root = tmp_path / "tree"
    make(root, "old")
    before = contents(root)
    moves = iter(range(100))

    def rename(path, target, original=Path.rename):
        if next(moves) == moved:
            raise PermissionError(13, "Permission denied")
        return original(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        make(root, "new", overwrite=True)
    assert contents(root) == before
