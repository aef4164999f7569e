"""Paths of copies and plots."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from fercli.common.errors import OptionError, OutputError
from fercli.recognition.results import FrameFaces, Summary
from fercli.recognition.sinks.outputs import (
    CsvWriter,
    JsonLinesWriter,
    OutputPaths,
    require_separate,
)
from fercli.recognition.sinks.timeline import Timeline
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.inputs import Input, find_inputs


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["in/a.jpg"], "in/a.jpg: The output would replace an input; try: use another"),
        (["link/a.jpg"], "would replace an input"),
        (["in/../in/a.jpg"], "would replace an input"),
        (["b.csv", "in/../b.csv"], "Two outputs would write to the same file"),
        (["b.csv", "c.csv", "in/b.csv", "missing.jpg"], None),
    ],
)
def test_outputs_are_files_of_their_own(tmp_path, monkeypatch, outputs, message):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.jpg").write_text("an image")
    Path("link").symlink_to("in")
    inputs = [Input("in/a.jpg", "image"), Input("missing.jpg", "image"), Input("0", "camera")]
    if message is None:
        require_separate(inputs, map(Path, outputs))
    else:
        with pytest.raises(OutputError, match=message):
            require_separate(inputs, map(Path, outputs))


def test_places(tmp_path):
    photo, other = Input("a/x.jpg", "image"), Input("b/x.jpg", "image")
    film, stream = Input("x.avi", "video"), Input("http://host:80/cam", "stream")
    several = OutputPaths([photo, other, film, stream], tmp_path, tmp_path / "plots")
    assert several.saved(photo) == tmp_path / "x.jpg"
    assert several.saved(other) == tmp_path / "x-2.jpg"
    assert several.saved(film) == tmp_path / "x.mp4"
    assert several.saved(stream) == tmp_path / "host-80-cam.mp4"
    plots = tmp_path / "plots"
    both = [plots / "x-timeline.png", plots / "x-timeline.html"]
    assert several.timelines(film) == both
    assert several.timelines(photo) == []
    assert set(both) < set(several.all())
    assert OutputPaths([film], None, Path("t.html")).timelines(film) == [Path("t.html")]
    assert OutputPaths([photo], tmp_path / "one.png", None).saved(photo) == tmp_path / "one.png"
    with pytest.raises(OptionError, match="Expected a folder for 2 inputs"):
        OutputPaths([photo, other], tmp_path / "one.png", None)
    with pytest.raises(OptionError, match="a name for a video"):
        OutputPaths([film], tmp_path / "one.png", None)
    with pytest.raises(OptionError, match=r"suffixes \.bmp, \.gif, \.jpeg, \.jpg, \.png, \.pnm"):
        OutputPaths([photo], tmp_path / "one.pbm", None)


def test_places_of_streams_hold_no_password_and_fit_a_disk(tmp_path):
    secret = Input("rtsp://admin:secret@cam:554/s/1?token=secret", "stream")
    other = Input("rtsp://admin:secret@cam:554/s/1?token=other", "stream")
    odd, long = Input("rtsp://ad:m#n@cam", "stream"), Input(f"http://cam/{'ü' * 200}", "stream")
    places = OutputPaths([secret, other, odd, long], tmp_path, tmp_path)
    assert places.saved(secret) == tmp_path / "cam-554-s-1.mp4"
    assert places.saved(other) == tmp_path / "cam-554-s-1-2.mp4"
    assert places.saved(odd) == tmp_path / "stream.mp4"
    for path in places.all():
        path.touch()


def test_a_long_name_leaves_room_for_what_is_added(tmp_path):
    films = [Input(f"{'a' * 248}{at}.mp4", "video") for at in range(2)]
    for path in OutputPaths(films, tmp_path, tmp_path).all():
        path.touch()
    assert len(list(tmp_path.iterdir())) == 6  # a copy, a timeline as image and as page of each


def test_many_inputs_of_one_name(tmp_path, monkeypatch):
    tried = []
    with_name = Path.with_name
    monkeypatch.setattr(Path, "with_name", lambda *args: tried.append(1) or with_name(*args))
    inputs = [Input(f"{at}/x.jpg", "image") for at in range(50)]
    places = OutputPaths(inputs, tmp_path, None)
    names = [places.saved(one).name for one in inputs]
    assert names == ["x.jpg", *(f"x-{at}.jpg" for at in range(2, 51))]
    assert len(tried) < 100


def test_copies_of_a_folder_keep_its_shape(tmp_path):
    touch(tmp_path, "in/rest.jpg", "in/a/rest.jpg", "in/a/b/rest.jpg", "in/a/rest.heic")
    inputs = find_inputs([f"{tmp_path}/in"])
    paths = OutputPaths(inputs, tmp_path / "out", None)
    copies = [paths.saved(one).relative_to(tmp_path / "out").as_posix() for one in inputs]
    assert copies == ["a/b/rest.jpg", "a/rest.png", "a/rest.jpg", "rest.jpg"]
    assert paths.notes == []
    pattern = find_inputs([f"{tmp_path}/in/**/*.jpg"])
    below = OutputPaths(pattern, tmp_path / "out", None)
    assert below.saved(pattern[0]) == tmp_path / "out" / "a/b/rest.jpg"


def test_copies_that_are_numbered_are_named(tmp_path):
    touch(tmp_path, "a/rest.jpg", "b/rest.jpg")
    inputs = find_inputs([f"{tmp_path}/a/rest.jpg", f"{tmp_path}/b/rest.jpg"])
    paths = OutputPaths(inputs, Path("out"), None)
    assert paths.saved(inputs[0]) == Path("out/rest.jpg")
    moved = f"{tmp_path}/b/rest.jpg → out/rest-2.jpg"
    assert paths.notes == [f"1 output of the same name is numbered: {moved}"]


CLASSES = ("angry", "happy", "neutral")


def test_csv_rows(make_face):
    stream = io.StringIO()
    rows = CsvWriter(stream, CLASSES, empty=True)
    rows.write("a, b.mp4", 3, 0.15, [make_face(), make_face(person=2, label="unclear")])
    rows.write("c.jpg", 0, None, [])
    one, two, three = csv.DictReader(io.StringIO(stream.getvalue()))
    assert one == {
        "source": "a, b.mp4", "frame": "3", "seconds": "0.150", "person": "1", "x": "10",
        "y": "20", "width": "30", "height": "30", "expression": "happy", "angry": "0.100000",
        "happy": "0.700000", "neutral": "0.200000",
    }  # fmt: skip
    assert two["expression"] == "unclear"
    assert set(three.values()) == {"c.jpg", "0", ""}


def test_json_lines(make_face):
    stream = io.StringIO()
    rows = JsonLinesWriter(stream, CLASSES)
    rows.write("ü.mp4", 3, 0.15, [make_face()])
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
def test_names_that_are_not_utf_8(tmp_path, kind, written, make_face):
    with (tmp_path / "rows").open("w", encoding="utf-8", errors=kind.errors) as stream:
        kind(stream, CLASSES).write(os.fsdecode(b"\xe4.jpg"), 0, None, [make_face()])
    content = (tmp_path / "rows").read_bytes()
    assert written in content
    if kind is JsonLinesWriter:
        assert os.fsencode(json.loads(content)["source"]) == b"\xe4.jpg"


def test_csv_cells_are_no_formulas(make_face):
    stream = io.StringIO()
    writer = CsvWriter(stream, ["=cmd()", "b"])
    face = make_face(label="=cmd()")
    for source in ("=1+1.jpg", "@a.jpg", "-a.jpg", "+a.jpg", "a=b.jpg"):
        writer.write(source, 0, None, [face])
    header, *rows = csv.reader(io.StringIO(stream.getvalue()))
    assert header[-2:] == ["'=cmd()", "b"]
    assert [row[0] for row in rows] == ["./=1+1.jpg", "./@a.jpg", "./-a.jpg", "./+a.jpg", "a=b.jpg"]
    assert {row[8] for row in rows} == {"'=cmd()"}


def test_memory_does_not_grow_with_frames_and_people(tmp_path, make_face):
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    classes = ("angry", "happy", "neutral")
    summary, timeline = Summary(thumbnails=True), Timeline(classes)
    sizes = []
    with (tmp_path / "a.csv").open("w") as table, (tmp_path / "a.jsonl").open("w") as lines:
        tables = CsvWriter(table, classes), JsonLinesWriter(lines, classes)
        for at in range(6_000):
            faces = make_face(), make_face(person=2 + at // 5)
            one = FrameFaces(Frame(at, at / 25, image), faces)
            for writer in tables:
                writer.write("a.mp4", at, one.frame.seconds, faces)
            summary.add(one)
            timeline.add(one)
            if at % 1000 == 999:
                sizes.append(psutil.Process().memory_info().rss)
    assert len(summary.people) == 1201
    assert sizes[-1] - sizes[2] < 2e6  # 4 MB if all were remembered
