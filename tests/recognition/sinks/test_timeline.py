"""The timeline."""

import base64
import json
import os
import re

import cv2
import numpy as np
import pytest

from fercli.common.errors import OutputError
from fercli.recognition import thumbnails as thumbnails_module
from fercli.recognition.results import FrameFaces, Summary
from fercli.recognition.sinks import timeline as timeline_module
from fercli.recognition.sinks.timeline import Timeline
from fercli.recognition.sources.frames import Frame

CLASSES = ("angry", "happy", "neutral")


def frame_faces(at, *faces, rate=10):
    image = np.zeros((4, 4, 3), np.uint8)
    return FrameFaces(Frame(at, at / rate, image), faces)


def test_timeline_joins_frames_and_has_gaps(tmp_path, make_face):
    timeline = Timeline(CLASSES)
    for at in [*range(10), *range(30, 40)]:
        timeline.add(frame_faces(at, make_face(probabilities=(0, at % 2, 1 - at % 2)), rate=20))
    seconds, probabilities = timeline.curve(1)
    assert np.isnan(probabilities).any(axis=1).sum() == 1
    assert np.nanmax(np.abs(probabilities[:, 1] - 0.5)) == 0  # two frames a bin: their mean
    assert np.diff(seconds).max() == pytest.approx(1.1)
    timeline.save(tmp_path / "plot.png", "a title")
    assert cv2.imread(str(tmp_path / "plot.png")).shape[1] > 1000
    Timeline(CLASSES).save(tmp_path / "empty.png", "nobody in " + os.fsdecode(b"\xe4.mp4"))


def test_who_is_looked_for_now_and_then_is_seen_on_the_timeline(tmp_path, make_face):
    timeline = Timeline(CLASSES)
    for at in range(3):  # farther apart than a gap: no line joins them
        timeline.add(frame_faces(at, make_face(), rate=0.5))
    timeline.save(tmp_path / "plot.png", "a title")
    plot = cv2.imread(str(tmp_path / "plot.png"))[:, :1100].astype(int)  # less the legend
    happy = np.abs(plot - (0x00, 0x5E, 0xD5)).max(axis=2) < 40  # vermilion, the second color
    assert len(np.unique(np.flatnonzero(happy.any(axis=0)) // 100)) == 2


def test_a_long_timeline_stays_small(make_face):
    timeline = Timeline(CLASSES)
    for second in range(7200):
        timeline.add(frame_faces(second, make_face(), rate=1))
    assert len(timeline.curve(1)[0]) <= 601


def test_outputs_stay_small_however_many_people_come(make_face, monkeypatch):
    monkeypatch.setattr(timeline_module, "REMEMBERED", 5)
    monkeypatch.setattr(thumbnails_module, "PEOPLE", 5)
    timeline = Timeline(CLASSES)
    frames = (frame_faces(at, make_face(person=1 + at // 3), make_face(person=1 + 4 * (at // 12)))
              for at in range(300))  # fmt: skip
    summary = add_all(timeline, frames)
    kept = [person for person in summary.people if summary.thumbnails.of(person)]
    assert len(summary.people) == 100
    assert len(kept) <= 10
    assert all(person % 4 == 1 for person in kept[:5])  # those who are there longest
    assert len(timeline._people) <= 10


def add_all(timeline, frames):
    """Return the summary of frames that are added to a timeline."""
    summary = Summary(thumbnails=True)
    for one in frames:
        timeline.add(one)
        summary.add(one)
    summary.finish()
    return summary


def data_of(page):
    """Return what a page shows, the probabilities of each person as an array."""
    text = page.read_text(encoding="utf-8")
    data = json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])
    for person in data["people"]:
        values = np.frombuffer(base64.b64decode(person["values"]), np.uint8)
        person["values"] = values.reshape(-1, len(CLASSES))
    return text, data


def test_bins_are_joined_where_a_video_is_long(make_face, monkeypatch):
    monkeypatch.setattr(timeline_module, "BINS", 128)
    timeline = Timeline(CLASSES)
    for at in range(300):  # 30 s: bins of 0.4 s
        timeline.add(frame_faces(at, make_face(probabilities=(0, at % 2, 1 - at % 2))))
    seconds, probabilities = timeline.curve(1)
    assert np.allclose(np.diff(seconds), 0.4)
    assert len(seconds) == 75
    assert np.allclose(probabilities, (0, 0.5, 0.5))


def test_the_page_has_everything_in_itself(tmp_path, make_face):
    timeline = Timeline(CLASSES)
    name = "</script><b>.mp4"
    frames = [frame_faces(at, make_face()) for at in range(10, 20)]
    frames += [frame_faces(at, make_face(), make_face(person=2)) for at in range(40, 45)]
    summary = add_all(timeline, frames)
    page = tmp_path / "sub" / "t.html"
    copy = tmp_path / "a copy#1.mp4"
    timeline.save_page(page, name, summary, video=copy, start=1.0)
    text, data = data_of(page)
    assert (data["title"], data["start"], data["step"]) == (name, 1.0, 0.1)
    assert data["video"] == "../a%20copy%231.mp4"
    assert data["extent"] == pytest.approx([1.0, 4.5])
    first, second = data["people"]
    assert (first["begin"], len(first["values"]), second["begin"]) == (10, 35, 40)
    assert first["values"][0].tolist() == [25, 175, 50]  # of 250
    assert (first["values"][10:30] == 255).all()  # not seen
    assert first["thumbnails"]["happy"].startswith("data:image/jpeg;base64,")
    # Nothing is loaded: no address but those of the data.
    assert not re.search(r"(src|href)\s*=\s*[\"']|https?://|@import|url\(", text)
    with pytest.raises(OutputError, match="exists"):
        timeline.save_page(page, name, summary)


def test_a_page_without_faces_or_video(tmp_path):
    timeline = Timeline(CLASSES)
    summary = add_all(timeline, [frame_faces(0)])
    timeline.save_page(tmp_path / "t.html", "nobody", summary)
    _, data = data_of(tmp_path / "t.html")
    assert (data["people"], data["video"]) == ([], None)


def test_who_is_looked_for_now_and_then_is_there_in_between(tmp_path, make_face):
    timeline = Timeline(CLASSES)
    frames = [frame_faces(at, *[make_face()] * (at != 5), rate=0.5) for at in range(10)]
    summary = add_all(timeline, frames)  # every two seconds, less one
    timeline.save_page(tmp_path / "t.html", "a title", summary)
    _, data = data_of(tmp_path / "t.html")
    absent = np.flatnonzero(data["people"][0]["values"][:, 0] == 255) * data["step"]
    assert (absent.min(), absent.max()) == pytest.approx((8.1, 11.9))


def test_many_people_have_lanes(tmp_path, make_face):
    timeline = Timeline(CLASSES)
    faces = [make_face(person=at, probabilities=(0, 1, 0)) for at in range(1, 8)]
    add_all(timeline, [frame_faces(at, *faces) for at in range(20)])
    timeline.save(tmp_path / "plot.png", "a title")
    plot = cv2.imread(str(tmp_path / "plot.png"))
    happy = np.abs(plot[:, 500].astype(int) - (0x00, 0x5E, 0xD5)).max(axis=1) < 10
    assert (np.diff(happy.astype(int)) == 1).sum() == 7  # one lane below the other
    assert happy.sum() > 7 * 30


@pytest.mark.parametrize(("seconds", "shown"), [(59.6, "1:00"), (3725, "1:02:05")])
def test_clock(seconds, shown):
    assert timeline_module._clock(seconds) == shown
