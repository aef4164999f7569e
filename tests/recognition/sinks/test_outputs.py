"""What is written and drawn."""

import csv
import io
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.common.errors import InputError, OptionError, OutputError
from fercli.recognition.classify import ClassifyRun
from fercli.recognition.options import RecognitionOptions, VideoOptions
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import (
    Face,
    FrameFaces,
    InputResult,
    Summary,
    complaints,
    to_dict,
    to_text,
)
from fercli.recognition.sinks.csv_jsonl import CsvWriter, JsonLinesWriter
from fercli.recognition.sinks.draw import draw_faces
from fercli.recognition.sinks.outputs import OutputPaths, Outputs, require_separate
from fercli.recognition.sinks.timeline import Timeline
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.inputs import Input, find_inputs

CLASSES = ("angry", "happy", "neutral")
BLACK = np.zeros((4, 4, 3), np.uint8)


def face(box=(10, 20, 30, 30), probabilities=(0.1, 0.7, 0.2), person=1, label="happy", seen=True):
    return Face(box, np.float32(probabilities), label, person, seen)


def frame_faces(at, *faces, rate=10):
    image = np.zeros((4, 4, 3), np.uint8)
    return FrameFaces(Frame(at, at / rate, image), faces)


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


def test_summary():
    summary = Summary()
    for at in range(10):
        label = "happy" if at < 7 else "neutral"
        summary.add(frame_faces(at, face(label=label), face(person=2, seen=at == 0)))
    summary.add(frame_faces(10))
    plain = summary.to_dict()
    assert plain["people"][0]["expressions"] == {"happy": 0.7, "neutral": 0.3}
    assert (plain["frames"], plain["frames_with_faces"], plain["faces"]) == (11, 10, 11)
    text = summary.to_text(CLASSES)
    assert "70%" in text
    assert "and 1 seen for less than 0.5 s" in text
    assert text.endswith("11 frames, 11 analyzed: 10 with faces, 1 without")


def test_shares_are_of_time_where_the_rate_varies():
    summary = Summary()
    for seconds, label in ((0, "happy"), (0.1, "happy"), (0.2, "happy"), (0.3, "neutral")):
        summary.add(FrameFaces(Frame(0, seconds, BLACK), (face(label=label),)))
    summary.add(FrameFaces(Frame(0, 0.7, BLACK), ()))
    summary.add(FrameFaces(Frame(0, 0.9, BLACK, duration=0.3), (face(label="angry"),)))
    summary.finish()
    (person,) = summary.to_dict()["people"]
    # happy 3 × 0.1 s, neutral 0.4 s, nobody 0.2 s, angry as long as its frame says: 1.0 s
    assert person["expressions"] == {"neutral": 0.4, "happy": 0.3, "angry": 0.3}
    assert person["seconds"] == 1.0


def test_a_frame_that_is_skipped_belongs_to_the_one_before():
    summary = Summary()
    for at, label in enumerate(("happy", None, None, "neutral")):  # every third
        shown = (face(label=label or "happy", seen=label is not None),)
        summary.add(FrameFaces(Frame(at, at / 10, BLACK), shown, analyzed=label is not None))
    summary.finish()  # the last lasts as long as the one before: 0.3 s
    assert summary.to_dict()["people"][0]["expressions"] == {"happy": 0.5, "neutral": 0.5}


def test_one_frame_has_all_of_the_time():
    summary = Summary()
    summary.add(frame_faces(0, face()))
    summary.finish()
    assert summary.to_dict()["people"][0]["expressions"] == {"happy": 1.0}


def test_timeline_joins_frames_and_has_gaps(tmp_path):
    timeline = Timeline(CLASSES)
    for at in [*range(10), *range(30, 40)]:
        timeline.add(frame_faces(at, face(probabilities=(0, at % 2, 1 - at % 2)), rate=20))
    seconds, probabilities = timeline.curve(1)
    assert np.isnan(probabilities).any(axis=1).sum() == 1
    assert np.nanmax(np.abs(probabilities[:, 1] - 0.5)) == 0  # two frames a bin: their mean
    assert np.diff(seconds).max() == pytest.approx(1.1)
    timeline.save(tmp_path / "plot.png", "a title")
    assert cv2.imread(str(tmp_path / "plot.png")).shape[1] > 1000
    Timeline(CLASSES).save(tmp_path / "empty.png", "nobody in " + os.fsdecode(b"\xe4.mp4"))


def test_who_is_looked_for_now_and_then_is_seen_on_the_timeline(tmp_path):
    timeline = Timeline(CLASSES)
    for at in range(3):  # farther apart than a gap: no line joins them
        timeline.add(frame_faces(at, face(), rate=0.5))
    timeline.save(tmp_path / "plot.png", "a title")
    plot = cv2.imread(str(tmp_path / "plot.png"))[:, :1100].astype(int)  # less the legend
    happy = np.abs(plot - (0x00, 0x5E, 0xD5)).max(axis=2) < 40  # vermilion, the second color
    assert len(np.unique(np.flatnonzero(happy.any(axis=0)) // 100)) == 2


def test_a_long_timeline_stays_small():
    timeline = Timeline(CLASSES)
    for second in range(7200):
        timeline.add(frame_faces(second, face(), rate=1))
    assert len(timeline.curve(1)[0]) <= 601


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 60), (580, 0, 60, 60), (5, 420, 90, 90), (-9, -9, 660, 500)]
)
@pytest.mark.parametrize("bars", [False, True])
def test_labels_and_bars_stay_inside(box, bars):
    image = np.full((480, 640, 3), 128, np.uint8)
    drawn = draw_faces(image, [face(box=box)], CLASSES, bars=bars)
    assert drawn.shape == image.shape
    assert (image == 128).all()
    assert (drawn != image).any()
    # White letters: a whole label is somewhere.
    assert (drawn > 200).all(axis=2).sum() > 50


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (120, 160), (9, 2000)])
def test_images_of_any_size_are_drawn_on(shape):
    drawn = draw_faces(np.zeros((*shape, 3), np.uint8), [face()], CLASSES, bars=True)
    factor = drawn.shape[0] // shape[0]
    assert drawn.shape == (factor * shape[0], factor * shape[1], 3)
    assert factor == {(120, 160): 3, (9, 2000): 1}.get(shape, 4)


def test_what_names_stand_for(tmp_path, make_image, video):
    make_image("photos/b.png")
    make_image("photos/a [1].jpg")
    (tmp_path / "photos/clip.MP4").write_bytes(video.read_bytes())
    (tmp_path / "photos/readme.txt").write_text("hello")
    (tmp_path / "portrait").write_bytes((tmp_path / "photos/b.png").read_bytes())
    (tmp_path / "film").write_bytes(video.read_bytes())

    def kinds(*names, lines=()):
        found = find_inputs([str(name) for name in names], lines)
        return [(one.path.name if not one.live else one.name, one.kind) for one in found]

    folder = [("a [1].jpg", "image"), ("b.png", "image"), ("clip.MP4", "video")]
    assert kinds(tmp_path / "photos") == folder
    assert kinds(tmp_path / "photos" / "*.png") == folder[1:2]
    assert kinds(tmp_path / "photos" / "a [1].jpg") == folder[:1]  # a name before a pattern
    assert kinds(tmp_path / "portrait", tmp_path / "film") == [
        ("portrait", "image"), ("film", "video")
    ]  # fmt: skip
    assert kinds("0", "rtsp://host/a", "/dev/video1") == [
        ("0", "camera"), ("rtsp://host/a", "stream"), ("/dev/video1", "camera")
    ]  # fmt: skip
    assert kinds("-", lines=[f"{tmp_path}/photos/b.png\n", "\n"]) == folder[1:2]
    assert kinds(tmp_path / "missing.jpg") == [("missing.jpg", "image")]
    twice = tmp_path / "photos"
    assert kinds(twice, twice) == folder


def test_names_that_stand_for_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    for names, message in [
        ([f"{tmp_path}/*.jpg"], "No file matches"),
        ([f"{tmp_path}/empty"], "has no images and no videos"),
        (["-"], "got none"),
    ]:
        with pytest.raises(InputError, match=message):
            find_inputs(names)


def test_animated_images_are_videos(tmp_path, portrait):

    still = Image.fromarray(portrait[:, :, ::-1])
    still.save(tmp_path / "still.gif")
    still.save(tmp_path / "moving.gif", save_all=True, append_images=[still.rotate(5)], duration=99)
    kinds = [one.kind for one in find_inputs([str(tmp_path)])]
    assert kinds == ["video", "image"]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            RecognitionOptions,
            {"min_neighbors": 2**31},
            "`min_neighbors`: expected 0 to 2147483647, got",
        ),
        (RecognitionOptions, {"min_face": 2**31}, "`min_face`: expected 1 to 2147483647, got"),
        (RecognitionOptions, {"resolution": 9}, r"`resolution`: expected 32 to .*, got 9"),
        (VideoOptions, {"start": 3, "end": 2.5}, r"`end` 2.5 s must come after `start` 3 s"),
        (VideoOptions, {"smooth": float("nan")}, "`smooth`: expected 0 or more, got nan"),
    ],
)
def test_options_out_of_range_are_named(kind, options, message):
    with pytest.raises(OptionError, match=message):
        kind(**options)


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.gif")
    assert [one.kind for one in find_inputs([str(tmp_path)])] == ["image"]


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
    assert several.timeline(film) == tmp_path / "plots" / "x-timeline.png"
    assert several.timeline(photo) is None
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


def test_results_of_streams_hold_no_password():
    source = Input("rtsp://admin:secret@cam:554/s/1?token=secret", "stream")
    result = InputResult(source, summary=Summary(), notes=["broken off"])
    result.summary.add(frame_faces(0, face()))
    text = "\n".join([to_text([result], CLASSES), *complaints([result])])
    assert "rtsp://cam:554/s/1\n" in text
    assert "fer: rtsp://cam:554/s/1: broken off" in text
    (plain,) = to_dict([result], CLASSES)
    assert plain["source"] == "rtsp://cam:554/s/1"
    assert "secret" not in text + json.dumps(plain)


def test_a_long_name_leaves_room_for_what_is_added(tmp_path):
    films = [Input(f"{'a' * 248}{at}.mp4", "video") for at in range(2)]
    for path in OutputPaths(films, tmp_path, tmp_path).all():
        path.touch()
    assert len(list(tmp_path.iterdir())) == 4


def test_many_inputs_of_one_name(tmp_path, monkeypatch):
    tried = []
    with_name = Path.with_name
    monkeypatch.setattr(Path, "with_name", lambda *args: tried.append(1) or with_name(*args))
    inputs = [Input(f"{at}/x.jpg", "image") for at in range(50)]
    places = OutputPaths(inputs, tmp_path, None)
    names = [places.saved(one).name for one in inputs]
    assert names == ["x.jpg", *(f"x-{at}.jpg" for at in range(2, 51))]
    assert len(tried) < 100


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\xff\xd8\xff")


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
    assert paths.notes == [f"1 outputs of the same name are numbered: {moved}"]


def test_files_of_a_folder_that_are_not_read_are_listed(tmp_path):
    touch(tmp_path, "a.jpg", "b.avif", "c.MPO", "d.jp2", "e.heic", "f.webp", "sub/g.txt", "h.psd")
    folders = []
    found = find_inputs([str(tmp_path)], skipped=folders)
    assert [one.path.name for one in found] == [
        "a.jpg", "b.avif", "c.MPO", "d.jp2", "e.heic", "f.webp",
    ]  # fmt: skip
    (listed,) = to_dict([], CLASSES, folders)
    names = [f"{tmp_path}/h.psd", f"{tmp_path}/sub/g.txt"]
    assert listed == {"source": str(tmp_path), "kind": "folder", "skipped": names}


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animated_images_of_all_formats_are_videos(tmp_path, portrait, format_name):
    still = Image.fromarray(portrait[:, :, ::-1])
    path = tmp_path / f"a.{format_name.lower()}"
    still.save(path, format_name)
    assert find_inputs([str(path)])[0].kind == "image"
    frames = [still.rotate(5), still.rotate(9)]
    still.save(path, format_name, save_all=True, append_images=frames, duration=[100, 400, 200])
    (source,) = find_inputs([str(path)])
    assert source.kind == "video"
    with ClassifyRun(None, None, None)._open(source) as video:
        read = list(video.frames())
    assert [frame.number for frame in read] == [0, 1, 2]
    assert [frame.seconds for frame in read] == pytest.approx([0, 0.1, 0.5], abs=1e-3)
    assert read[2].duration == pytest.approx(0.2, abs=1e-3)
    assert abs(read[0].color.astype(int) - portrait).mean() < 12  # GIF has few colors


def test_files_are_what_their_content_is(tmp_path, portrait, make_video):
    (tmp_path / "a.jpg").write_bytes(make_video(tmp_path / "a.mp4").read_bytes())
    (tmp_path / "b.mp4").write_bytes(cv2.imencode(".png", portrait)[1].tobytes())
    (tmp_path / "c.png").write_bytes(cv2.imencode(".jpg", portrait)[1].tobytes())
    (tmp_path / "d.jpg").write_text("<html>")
    inputs = find_inputs([f"{tmp_path}/{name}" for name in ("a.jpg", "b.mp4", "c.png", "d.jpg")])
    assert [one.kind for one in inputs] == ["video", "image", "image", "image"]
    results = {
        one.source.path.name: one
        for one in ClassifyRun(Recognizer(), VideoOptions(), Outputs()).run(inputs)
    }
    said = "Read as a video by its content, although its name ends in .jpg"
    assert results["a.jpg"].notes == [said]
    assert results["a.jpg"].summary.frames == 24
    assert len(results["b.mp4"].faces) == len(results["c.png"].faces) == 1
    said = "is PNG, although its name ends in .mp4: read by its content"
    assert results["b.mp4"].notes == [said]
    said = "is JPEG, although its name ends in .png: read by its content"
    assert results["c.png"].notes == [said]
    assert "The file is not an image: its content is HTML" in results["d.jpg"].error


def test_that_smaller_faces_may_be_missed_is_said(tmp_path, portrait, make_video):
    height, width = portrait.shape[:2]  # its face has some 90 pixels: near a twentieth of 1600
    near = np.full((1600, 1600, 3), 90, np.uint8)
    near[200 : 200 + height, 300 : 300 + width] = portrait
    none = np.full((1600, 1600, 3), 90, np.uint8)
    for name, image in (("near", near), ("none", none), ("large", portrait)):
        cv2.imwrite(f"{tmp_path}/{name}.png", image)
    names = [f"{tmp_path}/{name}.png" for name in ("near", "none", "large")]
    run = ClassifyRun(Recognizer(), VideoOptions(), Outputs())
    results = list(run.run(find_inputs(names)))
    assert [len(one.faces) for one in results] == [1, 0, 1]
    assert "near the least of 80 that is detected" in results[0].notes[0]
    assert "for faces of at least 80 pixels" in results[1].notes[0]
    assert results[2].notes == []
    (said,) = run.notes
    assert said.startswith("2 images: smaller faces may be missed; a smaller `min_face`")
