"""Videos written."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from fercli.common.errors import OutputError
from fercli.recognition.sinks.video_writer import COPIED_CODECS, VideoWriter
from fercli.recognition.sources.frames import Colors
from fercli.recognition.sources.video_file import VideoFile

GRAY = [np.full((48, 64, 3), 90, np.uint8)] * 3


def copy(source, out, start=0.0):
    with (
        VideoFile(source) as video,
        VideoWriter(out, video.rate, sound=source, start=start, begin=video.begin) as writer,
    ):
        for frame in video.frames(start):
            writer.write(frame.color, frame.seconds)
    return out, writer.problems


def test_written_video_is_h264_with_the_times_and_the_sound(video, tmp_path, read_video):
    out = tmp_path / "out.mp4"
    with VideoFile(video) as source, VideoWriter(out, source.rate, sound=video) as writer:
        for frame in source.frames():
            writer.write(frame.color[:179, :239], frame.seconds)  # odd sides
    with av.open(str(out)) as container:
        image, sound = container.streams.video[0], container.streams.audio[0]
        assert (image.codec_context.name, image.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (image.width, image.height, image.frames) == (238, 178, 24)
        assert sound.codec_context.name == "aac"
        assert float(sound.duration * sound.time_base) == pytest.approx(1.2, abs=0.15)
    times = [frame.seconds for frame in read_video(out)[0]]
    assert np.allclose(times, np.arange(24) / 20, atol=1e-3)


def test_a_part_is_written_from_zero_with_its_sound(video, tmp_path, read_video):
    out = tmp_path / "out.mp4"
    with (
        VideoFile(video) as source,
        VideoWriter(out, source.rate, sound=video, start=0.5) as writer,
    ):
        for frame in source.frames(0.5, 1.0):
            writer.write(frame.color, frame.seconds)
    frames, _ = read_video(out)
    assert (frames[0].seconds, len(frames)) == (0.0, 10)
    with av.open(str(out)) as container:
        sound = container.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("size", [(480, 360), (120, 90), (240, 90), (120, 360)])
def test_frames_of_another_size_are_brought_to_that_of_the_first(
    portrait, tmp_path, size, read_video
):
    out = tmp_path / "out.mp4"
    with VideoWriter(out, 20) as writer:
        for at in range(4):
            writer.write(portrait if at < 2 else cv2.resize(portrait, size), at / 20)
    frames, _ = read_video(out)
    assert frames[3].color.shape == portrait.shape
    assert np.abs(frames[3].color.astype(int) - frames[1].color).mean() < 8


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_shape_of_pixels_is_kept(tmp_path, suffix, make_video):
    source = make_video(tmp_path / "wide.mp4", GRAY, pixel_aspect=Fraction(16, 11))
    out = tmp_path / f"out{suffix}"
    with (
        VideoFile(source) as video,
        VideoWriter(out, 20, sample_aspect_ratio=video.sample_aspect_ratio) as writer,
    ):
        for frame in video.frames():
            writer.write(frame.color, frame.seconds)
    with av.open(str(out)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize("codec", ["libopus", "pcm_s16le"])  # copied; encoded anew
def test_sound_stays_with_images_whose_clock_begins_late(tmp_path, codec, start, make_sounding):
    source = make_sounding(tmp_path / "late.mkv", codec, 48_000, begin=3)
    out, _ = copy(source, tmp_path / "out.mkv", start)
    with av.open(str(out)) as container:
        packets = [one for one in container.demux(audio=0) if one.pts is not None]
    first, last = (float(packets[at].pts * packets[at].time_base) for at in (0, -1))
    assert first == pytest.approx(0, abs=0.1)
    assert last == pytest.approx(1 - start, abs=0.15)


@pytest.mark.parametrize(
    ("source", "codec", "rate", "out", "kept"),
    [
        ("a.avi", "pcm_s16le", 8000, "out.mp4", "aac"),
        ("a.mkv", "pcm_s16le", 192_000, "out.mp4", "aac"),
        ("a.mkv", "pcm_s16le", 5512, "out.mp4", "aac"),
        ("a.mkv", "libopus", 48_000, "out.mov", "aac"),
        ("a.mkv", "libopus", 48_000, "out.m4v", "aac"),
        ("a.mkv", "libopus", 48_000, "out.MP4", "opus"),
    ],
)
def test_sound_that_a_file_does_not_take_is_encoded_anew(
    tmp_path, source, codec, rate, out, kept, make_sounding
):
    out, problems = copy(make_sounding(tmp_path / source, codec, rate), tmp_path / out)
    assert problems == []
    with av.open(str(out)) as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.name == kept
        assert float(sound.duration * sound.time_base) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("suffix", [".m4v", ".mov"])  # refused when added; with the header
def test_sound_that_cannot_be_written_is_left_out(tmp_path, monkeypatch, suffix, make_sounding):
    monkeypatch.setitem(COPIED_CODECS, suffix, ("opus",))
    source = make_sounding(tmp_path / "a.mkv", "libopus", 48_000)
    out, (problem,) = copy(source, tmp_path / f"out{suffix}")
    assert problem.startswith("The copy has no sound from here on: ")
    with av.open(str(out)) as container:
        assert (len(container.streams.audio), container.streams.video[0].frames) == (0, 10)


def test_nothing_is_left_of_a_video_whose_writing_fails(portrait, tmp_path):
    def fail():
        with VideoWriter(tmp_path / "out.mp4", 20) as writer:
            writer.write(portrait, 0.0)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="no frames"), VideoWriter(tmp_path / "out.mp4", 20):
        pass
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_and_existing_files(tmp_path):
    with pytest.raises(OutputError, match="suffix of a video"):
        VideoWriter(tmp_path / "out.xyz", 20)
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(OutputError, match="already exists"), VideoWriter(tmp_path / "out.mp4", 20):
        pass
    assert (tmp_path / "out.mp4").read_text() == "mine"


@pytest.mark.parametrize(
    ("size_wh", "tags", "full"),
    [
        ((1280, 720), (1, 1, 1), False),
        ((320, 240), (6, 6, 6), False),
        ((320, 240), (1, 1, 13), True),
        ((1280, 720), (2, 2, 2), False),
        ((1280, 720), (9, 9, 14), False),
    ],
)
def test_copies_have_the_colors_of_the_source(tmp_path, size_wh, tags, full):
    image = np.full((*size_wh[::-1], 3), (2, 220, 12), np.uint8)  # a green, in cv2's order
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    matrix = {1: 1, 9: 9}.get(tags[0], 5) if tags[0] != 2 else 1
    with VideoWriter(source, 20, colors=Colors(matrix, *tags, full)) as writer:
        writer.write(image, 0.0)
    with VideoFile(source) as video:
        (frame,) = video.frames()
        assert frame.colors == Colors(matrix, *tags, full)
        assert abs(frame.color[9, 9].astype(int) - (2, 220, 12)).max() <= 4
        with VideoWriter(out, 20, colors=frame.colors) as writer:
            writer.write(frame.color, 0.0)
    with VideoFile(out) as video:
        (frame,) = video.frames()
        assert frame.colors == Colors(matrix, *tags, full)
        assert abs(frame.color[9, 9].astype(int) - (2, 220, 12)).max() <= 6


def test_a_long_gap_between_frames_is_shortened_in_the_copy(tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    out = tmp_path / "out.mp4"
    with VideoWriter(out, 20) as writer:
        for seconds in (0.0, 0.05, 30_000.0, 30_000.05):
            writer.write(image, seconds)
    assert writer.problems == ["A gap of 30000 s between frames has 10000 s in the copy"]
    with VideoFile(out) as video:
        times = [frame.seconds for frame in video.frames()]
    assert times == pytest.approx([0, 0.05, 10_000.05, 10_000.1], abs=2e-3)
