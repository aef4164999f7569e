import pytest

from fercli.datasets.journal import JOURNAL, Journal
from fercli.datasets.manifest import FileRecord
from fercli.errors import InputError

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
