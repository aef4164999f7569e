"""Finding: the names of what is drawn; the command that uses it is tested with the commands."""

import time

from fercli.cascade.detection.batch import numbered


def test_names_that_come_twice_are_numbered():
    assert numbered(["a", "b", "a", "a-2", "a", "a-2"]) == [
        "a",
        "b",
        "a-2",
        "a-2-2",
        "a-3",
        "a-2-3",
    ]
    assert numbered([]) == []
    assert len(set(numbered(["x" * 300] * 3))) == 3


def test_thousands_of_equal_names_are_numbered_at_once():
    begin = time.process_time()
    assert numbered(["image"] * 5000)[-1] == "image-5000"
    assert time.process_time() - begin < 1
