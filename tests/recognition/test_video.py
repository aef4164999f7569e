"""Videos: read, looked at, written."""

import http.server
import os
import struct
import threading
import time
from contextlib import closing
from fractions import Fraction
from unittest import mock

import av
import cv2
import numpy as np
import psutil
import pytest

from fercli.common.errors import OutputError, VideoError
from fercli.recognition.options import VideoOptions
from fercli.recognition.pipeline import recognize_frames
from fercli.recognition.sinks.video_writer import KEPT, VideoWriter
from fercli.recognition.sources import network_stream
from fercli.recognition.sources.frames import Colors, Frame
from fercli.recognition.sources.network_stream import Stream
from fercli.recognition.sources.video_file import VideoFile


def read(path, **part):
    with VideoFile(path) as video:
        return list(video.frames(**part)), video.problems


def look(recognizer, path, live=False, **options):
    with VideoFile(path) as video:
        return list(
            recognize_frames(recognizer, video.frames(), VideoOptions(**options), live=live)
        )


def test_frames_have_numbers_times_and_images(video):
    frames, problems = read(video)
    assert [frame.number for frame in frames] == list(range(24))
    assert np.allclose([frame.seconds for frame in frames], np.arange(24) / 20)
    assert problems == []
    assert frames[0].color.shape == (180, 240, 3)
    gray = cv2.cvtColor(frames[0].color, cv2.COLOR_BGR2GRAY)
    assert np.abs(gray.astype(int) - frames[0].gray).mean() < 1.5  # full range, not video's 16…235


def test_a_part_of_a_video(video):
    frames, _ = read(video, start=0.5, end=0.8)
    assert [frame.number for frame in frames] == [10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("start", [0.2, 9])
def test_a_part_of_a_transport_stream_begins_between_key_frames(make_video, tmp_path, start):
    gray = np.full((48, 64, 3), 90, np.uint8)
    path = make_video(tmp_path / "long.ts", [gray] * 300)  # key frames at 0 and 12.5 s
    frames, problems = read(path, start=start)
    assert [frame.number for frame in frames] == list(range(round(start * 20), 300))
    assert problems == []


def test_a_part_of_a_whole_video_of_variable_rate_is_not_called_truncated(tmp_path):
    path = tmp_path / "varying.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for at in range(140):  # first 30 frames a second, then 10
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="bgr24")
            frame.pts, frame.time_base = max(at, 3 * at - 200), Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames, problems = read(path, start=3)
    assert len(frames) == 50
    assert problems == []


def test_a_video_cut_without_encoding_it_anew_is_not_called_truncated(tmp_path):
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        gray = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="bgr24")
        for packet in [*(p for _ in range(30) for p in stream.encode(gray)), *stream.encode(None)]:
            packet.pts -= 10  # what is before 0 is in the file, but not shown
            packet.dts -= 10
            container.mux(packet)
    frames, problems = read(path)
    assert len(frames) == 20
    assert problems == []


def test_one_person_keeps_a_number_and_is_found_in_each_frame(recognizer, video):
    seen = look(recognizer, video)
    assert [one.frame.number for one in seen] == list(range(24))
    assert [face.person for one in seen for face in one.found] == [1] * 24
    left = [one.found[0].box_xywh[0] for one in seen]
    assert left[-1] - left[0] == pytest.approx(46, abs=8)
    assert all(one.found[0].label == "happy" for one in seen)


def test_as_many_faces_as_a_full_search_of_each_frame(recognizer, video):
    full = look(recognizer, video, search_interval=0, smooth=0)
    quick = look(recognizer, video, smooth=0)
    for one, other in zip(full, quick, strict=True):
        assert len(one.found) == len(other.found) == 1
        assert np.abs(np.subtract(one.found[0].box_xywh, other.found[0].box_xywh)).max() < 20


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_the_batch_changes_nothing(recognizer, video, batch):
    one, other = look(recognizer, video), look(recognizer, video, batch=batch)
    assert [f.faces[0].box_xywh for f in one] == [f.faces[0].box_xywh for f in other]


def test_frames_passed_over_carry_the_last_faces(recognizer, video):
    seen = look(recognizer, video, every=5)
    assert [one.frame.number for one in seen if one.analyzed] == [0, 5, 10, 15, 20]
    assert all(len(one.faces) == 1 for one in seen)
    assert all(not one.found for one in seen if not one.analyzed)


def test_a_face_that_appears_between_two_searches_is_found_back(recognizer, portrait):
    blank = np.full_like(portrait, 90)
    blank[::7] = 100  # some structure, so that it is no new scene
    blank = np.where(portrait > 0, portrait, 0).astype(np.uint8)
    blank[40:170, 50:180] = 90
    images = [blank] * 3 + [portrait] * 5
    frames = [Frame(at, at / 20, image) for at, image in enumerate(images)]
    seen = list(recognize_frames(recognizer, frames, VideoOptions(search_interval=0.2)))
    assert [len(one.found) for one in seen] == [0, 0, 0, 1, 1, 1, 1, 1]


def test_a_cut_makes_new_people_and_no_ghosts(recognizer, portrait):
    images = [portrait] * 4 + [255 - portrait[::-1]] * 4 + [portrait] * 4
    frames = [Frame(at, at / 20, image) for at, image in enumerate(images)]
    seen = list(recognize_frames(recognizer, frames))
    assert [[face.person for face in one.faces] for one in seen[:4]] == [[1]] * 4
    assert all(face.person != 1 for one in seen[4:] for face in one.faces)


def test_live_frames_are_answered_and_may_be_dropped(recognizer, video):
    seen = look(recognizer, video, live=True)
    numbers = [one.frame.number for one in seen]
    assert numbers == sorted(set(numbers))
    assert all(len(one.faces) == 1 for one in seen)


@pytest.mark.slow
def test_memory_stays_the_same_however_long_a_video_is(recognizer, portrait):
    # A large frame, so that a few kept ones would show.
    large = cv2.resize(portrait, (1280, 720))
    frames = (Frame(at, at / 25, large.copy()) for at in range(400))
    process, sizes = psutil.Process(), []
    for one in recognize_frames(recognizer, frames, VideoOptions(every=10)):
        if one.frame.number % 50 == 49:
            sizes.append(process.memory_info().rss)
    assert max(sizes[2:]) - sizes[1] < 80e6  # 30 frames


def test_few_frames_are_underway_where_they_are_large(recognizer):
    taken, large = [], np.zeros((2160, 3840, 3), np.uint8)

    def endless():
        while True:
            taken.append(Frame(len(taken), len(taken) / 25, large))
            yield taken[-1]

    with closing(recognize_frames(recognizer, endless(), VideoOptions(search_interval=60))) as seen:
        next(seen)
        before = 0
        while len(taken) > before:  # until all that may run ahead has
            before = len(taken)
            time.sleep(0.5)
    assert before < 64  # 112 of smaller ones


def test_closing_ends_the_threads_and_the_source(recognizer, portrait):
    closed = []

    def endless():
        try:
            at = 0
            while True:
                yield Frame(at, at / 20, portrait)
                at += 1
        finally:
            closed.append(True)

    seen = recognize_frames(recognizer, endless())
    next(seen)
    seen.close()
    assert closed == [True]


def test_an_error_in_the_middle_closes_the_source(recognizer, portrait):
    closed = []

    def source():
        try:
            for at in range(100):
                yield Frame(at, at / 20, portrait if at < 30 else portrait.astype(np.float64))
        finally:
            closed.append(True)

    with pytest.raises(cv2.error):
        list(recognize_frames(recognizer, source()))
    assert closed == [True]


def test_errors_of_the_source_come_after_its_frames(recognizer, portrait):
    def broken():
        yield Frame(0, 0.0, portrait)
        raise VideoError("unplugged")

    seen = recognize_frames(recognizer, broken())
    assert next(seen).frame.number == 0
    with pytest.raises(VideoError, match="unplugged"):
        next(seen)


def test_written_video_is_h264_with_the_times_and_the_sound(video, tmp_path):
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
    times = [frame.seconds for frame in read(out)[0]]
    assert np.allclose(times, np.arange(24) / 20, atol=1e-3)


def test_a_part_is_written_from_zero_with_its_sound(video, tmp_path):
    out = tmp_path / "out.mp4"
    with (
        VideoFile(video) as source,
        VideoWriter(out, source.rate, sound=video, start=0.5) as writer,
    ):
        for frame in source.frames(0.5, 1.0):
            writer.write(frame.color, frame.seconds)
    frames, _ = read(out)
    assert (frames[0].seconds, len(frames)) == (0.0, 10)
    with av.open(str(out)) as container:
        sound = container.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("size", [(480, 360), (120, 90), (240, 90), (120, 360)])
def test_frames_of_another_size_are_brought_to_that_of_the_first(portrait, tmp_path, size):
    out = tmp_path / "out.mp4"
    with VideoWriter(out, 20) as writer:
        for at in range(4):
            writer.write(portrait if at < 2 else cv2.resize(portrait, size), at / 20)
    frames, _ = read(out)
    assert frames[3].color.shape == portrait.shape
    assert np.abs(frames[3].color.astype(int) - frames[1].color).mean() < 8


def with_wide_pixels(path, images=None, aspect=Fraction(16, 11)):
    """Write a video of 64 by 48 pixels whose own shape is 16:11, as those of PAL are."""
    images = images or [np.full((48, 64, 3), 90, np.uint8)] * 3
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_shape_of_pixels_is_kept(tmp_path, suffix):
    source = with_wide_pixels(tmp_path / "wide.mp4")
    out = tmp_path / f"out{suffix}"
    with (
        VideoFile(source) as video,
        VideoWriter(out, 20, sample_aspect_ratio=video.sample_aspect_ratio) as writer,
    ):
        for frame in video.frames():
            writer.write(frame.color, frame.seconds)
    with av.open(str(out)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_pixels_are_turned_with_their_image(tmp_path):
    source = with_wide_pixels(tmp_path / "wide.mp4")
    (tmp_path / "turned.mp4").write_bytes(turned(source.read_bytes()))
    with VideoFile(tmp_path / "turned.mp4") as video:
        next(video.frames())
        assert video.sample_aspect_ratio == Fraction(11, 16)


def test_pixels_are_square_where_a_video_says_nothing(video):
    with VideoFile(video) as one:
        assert one.sample_aspect_ratio == 1


def copy(source, out, start=0.0):
    with (
        VideoFile(source) as video,
        VideoWriter(out, video.rate, sound=source, start=start, begin=video.begin) as writer,
    ):
        for frame in video.frames(start):
            writer.write(frame.color, frame.seconds)
    return out, writer.problems


def sounding(path, codec, rate, *, begin=0, lasts=1):
    """Write a second of images with a tone, on a clock that begins at a time."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = container.add_stream(codec, rate=rate, layout="mono")
        gray = np.full((48, 64, 3), 90, np.uint8)
        for at in range(10):
            frame = av.VideoFrame.from_ndarray(gray, format="bgr24")
            frame.pts, frame.time_base = 10 * begin + at, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        tone = (8000 * np.sin(np.arange(lasts * rate) / 5)).astype(np.int16)
        for at in range(0, len(tone), 1024):
            heard = av.AudioFrame.from_ndarray(tone[None, at : at + 1024], "s16", "mono")
            heard.sample_rate, heard.time_base = rate, Fraction(1, rate)
            heard.pts = begin * rate + at
            container.mux(voice.encode(heard))
        container.mux(voice.encode(None))
    return path


@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize("codec", ["libopus", "pcm_s16le"])  # copied; encoded anew
def test_sound_stays_with_images_whose_clock_begins_late(tmp_path, codec, start):
    source = sounding(tmp_path / "late.mkv", codec, 48_000, begin=3)
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
def test_sound_that_a_file_does_not_take_is_encoded_anew(tmp_path, source, codec, rate, out, kept):
    out, problems = copy(sounding(tmp_path / source, codec, rate), tmp_path / out)
    assert problems == []
    with av.open(str(out)) as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.name == kept
        assert float(sound.duration * sound.time_base) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("suffix", [".m4v", ".mov"])  # refused when added; with the header
def test_sound_that_cannot_be_written_is_left_out(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(KEPT, suffix, ("opus",))
    source = sounding(tmp_path / "a.mkv", "libopus", 48_000)
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


def turned(content):
    """Return a video's file with 90 degrees in the matrix of its first track's header."""
    content = bytearray(content)
    at = content.index(b"tkhd") + 4 + 4 + 36  # ISO/IEC 14496-12, 8.3.2
    one, none = (0x10000).to_bytes(4, "big"), bytes(4)
    minus = (-0x10000).to_bytes(4, "big", signed=True)
    last = (0x40000000).to_bytes(4, "big")
    content[at : at + 36] = none + one + none + minus + none + none + none + none + last
    return content


def with_matrix(content, a, b, c, d):
    """Return a video's file with another matrix, without its shift, in its first track's header."""
    content = bytearray(content)
    at = content.index(b"tkhd") + 4 + 4 + 36  # ISO/IEC 14496-12, 8.3.2
    values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    content[at : at + 36] = struct.pack(">9i", *values)
    return bytes(content)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((0, -1, 1, 0), np.rot90),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
    ],
)
def test_the_display_matrix_turns_and_mirrors(video, tmp_path, matrix, shown):
    path = tmp_path / "shown.mp4"
    path.write_bytes(with_matrix(video.read_bytes(), *matrix))
    stored, frame = read(video)[0][0], read(path)[0][0]
    assert np.array_equal(frame.color, shown(stored.color))
    assert np.array_equal(frame.gray, shown(stored.gray))


def test_faces_of_mirrored_video_and_of_pixels_that_are_not_square(
    recognizer, portrait, make_video, tmp_path
):
    plain = make_video(tmp_path / "plain.mp4", [portrait] * 3)
    (face,) = look(recognizer, plain)[0].faces
    x, y, width, height = face.box_xywh
    mirrored = tmp_path / "mirrored.mp4"
    mirrored.write_bytes(with_matrix(plain.read_bytes(), -1, 0, 0, 1))
    (found,) = look(recognizer, mirrored)[0].faces
    assert found.box_xywh == pytest.approx((portrait.shape[1] - x - width, y, width, height), abs=6)
    # Half of the columns, twice as wide each: boxes are in the pixels of the file.
    narrow = cv2.resize(portrait, (portrait.shape[1] // 2, portrait.shape[0]))
    wide = with_wide_pixels(tmp_path / "wide.mp4", [narrow] * 3, Fraction(2))
    (found,) = look(recognizer, wide)[0].faces
    assert found.box_xywh == pytest.approx((x / 2, y, width / 2, height), abs=5)
    assert found.label == face.label
    low = cv2.resize(portrait, (portrait.shape[1], portrait.shape[0] // 2))
    high = with_wide_pixels(tmp_path / "high.mp4", [low] * 3, Fraction(1, 2))
    (found,) = look(recognizer, high)[0].faces
    assert found.box_xywh == pytest.approx((x, y / 2, width, height / 2), abs=5)


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


def test_a_telephone_held_upright(video, tmp_path):
    (tmp_path / "turned.mp4").write_bytes(turned(video.read_bytes()))
    upright, lying = read(tmp_path / "turned.mp4")[0][0], read(video)[0][0]
    assert upright.color.shape == (240, 180, 3)
    # The matrix turns clockwise.
    assert np.array_equal(upright.color, np.rot90(lying.color, -1))
    assert np.array_equal(upright.gray, np.rot90(lying.gray, -1))


def test_truncated_and_damaged(make_video, tmp_path, video):
    whole = video.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])  # the index at the end is gone
    with pytest.raises(VideoError, match=r"cannot be read as a video \(.+\).*truncated"):
        VideoFile(cut)
    short = tmp_path / "short.mkv"
    content = make_video(tmp_path / "whole.mkv").read_bytes()
    short.write_bytes(content[: len(content) * 9 // 10])
    frames, _ = read(short)
    assert 0 < len(frames) < 24


def test_a_stream_that_ends_in_something_else(make_video, tmp_path):
    content = make_video(tmp_path / "whole.ts").read_bytes()
    (tmp_path / "odd.ts").write_bytes(content[:-79] + 20_000 * b"a.")
    frames, problems = read(tmp_path / "odd.ts")
    assert len(frames) >= 20
    assert problems or len(frames) == 24
    at = [round(frame.seconds * 20) for frame in frames]
    assert at[:20] == list(range(20))
    assert at == sorted(set(at))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"just some text, as a letter has it\n" * 9, "cannot be read as a video"),
        (bytes(4000), "cannot be read as a video"),
    ],
)
def test_files_that_are_no_videos(tmp_path, content, message):
    path = tmp_path / "no video.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=message):
        VideoFile(path)
    with pytest.raises(VideoError, match="nothing of that name"):
        VideoFile(tmp_path / "missing.mp4")
    with pytest.raises(VideoError, match="a folder"):
        VideoFile(tmp_path)
    with pytest.raises(VideoError, match="the name"):
        VideoFile(tmp_path / "a\0.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="got a pipe"):
        VideoFile(tmp_path / "pipe.mp4")


def test_sound_alone_and_no_frames(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        voice = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        heard.sample_rate = 8000
        container.mux(voice.encode(heard))
    with pytest.raises(VideoError, match="got a file with audio only"):
        VideoFile(path)
    empty = tmp_path / "empty.avi"
    with av.open(str(empty), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with (
        pytest.raises(VideoError, match=r"has no frames|cannot be read"),
        VideoFile(empty) as video,
    ):
        list(video.frames())


@pytest.fixture
def serve(tmp_path):
    """Serve the folder; ``serve(cuts)`` breaks off the n-th answers after that many bytes."""
    servers = []

    def start(*cuts):
        left = list(cuts)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def copyfile(self, source, target):
                target.write(source.read(left.pop(0)) if left else source.read())

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *args: Handler(*args, directory=tmp_path)
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_file_of_a_web_server_has_its_own_times_and_end(tmp_path, serve):
    sounding(tmp_path / "a.mkv", "libopus", 48_000, begin=3, lasts=2)
    notes = []
    with Stream(f"{serve()}/a.mkv", note=notes.append) as stream:
        frames = list(stream.frames())
    assert np.allclose([frame.seconds for frame in frames], np.arange(10) / 10, atol=2e-3)
    assert notes == []  # that the sound is longer is no breaking off


def test_a_file_that_breaks_off_is_gone_on_with(make_video, tmp_path, serve, monkeypatch):
    monkeypatch.setattr(network_stream, "FIRST_WAIT", 0.01)
    size = make_video(tmp_path / "a.mkv").stat().st_size
    notes = []
    with Stream(f"{serve(size // 2, size * 3 // 4)}/a.mkv", note=notes.append) as stream:
        frames = list(stream.frames())
    assert [frame.number for frame in frames] == list(range(24))
    assert np.allclose([frame.seconds for frame in frames], np.arange(24) / 20, atol=2e-3)
    assert any("connection lost" in note for note in notes)


def test_a_file_that_always_breaks_off_is_given_up(make_video, tmp_path, serve, monkeypatch):
    monkeypatch.setattr(network_stream, "FIRST_WAIT", 0.01)
    size = make_video(tmp_path / "a.mkv").stat().st_size
    with (
        Stream(f"{serve(*[size // 2] * 99)}/a.mkv", attempts=2) as stream,
        pytest.raises(VideoError, match=r"breaks off at .* 2 attempts to reconnect failed"),
    ):
        list(stream.frames())


SECRET = "rtsp://admin:secret@127.0.0.1:9/s?token=secret"


def told_of(address, monkeypatch, attempts):
    """Return what is said of a stream that breaks off and is out of reach from then on."""
    notes = []
    monkeypatch.setattr(network_stream, "FIRST_WAIT", 0.01)
    with monkeypatch.context() as within:
        within.setattr(av, "open", lambda *args, **options: mock.MagicMock())
        stream = Stream(address, attempts=attempts, note=notes.append)
    with pytest.raises(VideoError) as caught:
        stream._reconnect()
    return [*notes, str(caught.value)]


@pytest.mark.parametrize("attempts", [0, 1])
def test_what_is_said_of_a_stream_holds_no_password(monkeypatch, attempts):
    with pytest.raises(VideoError) as caught:
        network_stream.open_stream(SECRET)
    told = [str(caught.value), *told_of(SECRET, monkeypatch, attempts)]
    assert not [text for text in told if "secret" in text or "admin" in text]
    assert all("rtsp://127.0.0.1:9/s" in text for text in told)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:se@cret@cam:554/s/1?a=b#c", "rtsp://cam:554/s/1"),
        ("async:http://admin:secret@cam/s", "async:http://cam/s"),
        ("http://[::1]:80/cam", "http://[::1]:80/cam"),
        ("rtsp://admin:p#ss@cam/s", "rtsp://…"),  # the host would be admin, the port p
        ("http://[::1/cam", "http://…"),
        ("films/what? a@b.mp4", "films/what? a@b.mp4"),
        ("0", "0"),
    ],
)
def test_addresses_are_shown_without_secrets(address, shown):
    assert network_stream.shown_address(address) == shown


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


def test_frames_larger_than_the_file_says_are_not_decoded(make_video, tmp_path):
    path = make_video(tmp_path / "a.avi", [np.zeros((480, 640, 3), np.uint8)] * 3)
    content = bytearray(path.read_bytes())
    for at in (content.index(b"avih") + 8 + 32, content.index(b"strf") + 8 + 4):
        content[at : at + 8] = (64).to_bytes(4, "little") + (48).to_bytes(4, "little")
    path.write_bytes(content)
    with VideoFile(path) as video:
        assert [frame.pixels for frame in video.frames()] == [640 * 480] * 3
    with (
        VideoFile(path, most_pixels=100_000) as video,
        pytest.raises(VideoError, match=r"frames of more than 0\.1 megapixels"),
    ):
        list(video.frames())
