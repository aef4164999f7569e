"""Faces as CSV and JSON Lines."""

import csv
import io
import json
import os

import numpy as np
import pytest

from fercli.recognition.results import (
    Face,
)
from fercli.recognition.sinks.csv_jsonl import CsvWriter, JsonLinesWriter

CLASSES = ("angry", "happy", "neutral")


def face(box=(10, 20, 30, 30), probabilities=(0.1, 0.7, 0.2), person=1, label="happy", seen=True):
    return Face(box, np.float32(probabilities), label, person, seen)


def test_csv_rows():
    stream = io.StringIO()
    rows = CsvWriter(stream, CLASSES, empty=True)
    rows.write("a, b.mp4", 3, 0.15, [face(), face(person=2, label="unclear")])
    rows.write("c.jpg", 0, None, [])
    one, two, three = csv.DictReader(io.StringIO(stream.getvalue()))
    assert one == {
        "source": "a, b.mp4", "frame": "3", "seconds": "0.150", "person": "1", "x": "10",
        "y": "20", "width": "30", "height": "30", "expression": "happy", "angry": "0.100000",
        "happy": "0.700000", "neutral": "0.200000",
    }  # fmt: skip
    assert two["expression"] == "unclear"
    assert set(three.values()) == {"c.jpg", "0", ""}


def test_json_lines():
    stream = io.StringIO()
    rows = JsonLinesWriter(stream, CLASSES)
    rows.write("ü.mp4", 3, 0.15, [face()])
    rows.write("b.jpg", 0, None, [])  # no row unless asked for
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line) == {
        "source": "ü.mp4", "frame": 3, "seconds": 0.15,
        "faces": [{
            "person": 1, "box": [10, 20, 30, 30], "expression": "happy",
            "probabilities": {"angry": 0.1, "happy": 0.7, "neutral": 0.2},
        }],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "written"), [(CsvWriter, b"\xe4.jpg"), (JsonLinesWriter, b"\\udce4.jpg")]
)
def test_names_that_are_not_utf_8(tmp_path, kind, written):
    with (tmp_path / "rows").open("w", encoding="utf-8", errors=kind.errors) as stream:
        kind(stream, CLASSES).write(os.fsdecode(b"\xe4.jpg"), 0, None, [face()])
    content = (tmp_path / "rows").read_bytes()
    assert written in content
    if kind is JsonLinesWriter:
        assert os.fsencode(json.loads(content)["source"]) == b"\xe4.jpg"
