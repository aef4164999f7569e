"""Video files read."""

import gc
import os
import re
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.common.errors import VideoError
from fercli.recognition.classify import ClassifyRun
from fercli.recognition.sinks.video_writer import VideoWriter
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.inputs import find_inputs
from fercli.recognition.sources.video_file import VideoFile

#: The matrix of a video that is turned by a quarter.
QUARTER = (0, 1, -1, 0)

GRAY = [np.full((48, 64, 3), 90, np.uint8)] * 3


def test_frames_have_numbers_times_and_images(video, read_video):
    frames, problems = read_video(video)
    assert [frame.number for frame in frames] == list(range(24))
    assert np.allclose([frame.seconds for frame in frames], np.arange(24) / 20)
    assert problems == []
    assert frames[0].color.shape == (180, 240, 3)
    gray = cv2.cvtColor(frames[0].color, cv2.COLOR_BGR2GRAY)
    assert np.abs(gray.astype(int) - frames[0].gray).mean() < 1.5  # full range, not video's 16…235


def test_brightness_of_video_is_spread_over_all_gray_levels():
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    planes = np.vstack([stored, stored[:8]])
    gray = Frame(0, 0.0, av.VideoFrame.from_ndarray(planes, "yuv420p")).gray
    assert gray.tolist() == np.clip(np.rint((stored - 16.0) * 255 / 219), 0, 255).tolist()


def test_frames_are_freed_without_the_garbage_collector(video):
    def count():
        return sum(type(one) is av.VideoFrame for one in gc.get_objects())

    gc.disable()
    try:
        before = count()
        with VideoFile(video) as opened:
            for frame in opened.frames():
                assert frame.gray.size < frame.color.size
        assert count() < before + 10  # of 24: the last, and those of the decoder
    finally:
        gc.enable()


def test_a_part_of_a_video(video, read_video):
    frames, _ = read_video(video, start=0.5, end=0.8)
    assert [frame.number for frame in frames] == [10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("start", [0.2, 9])
def test_a_part_of_a_transport_stream_begins_between_key_frames(
    make_video, tmp_path, start, read_video
):
    gray = np.full((48, 64, 3), 90, np.uint8)
    path = make_video(tmp_path / "long.ts", [gray] * 300)  # key frames at 0 and 12.5 s
    frames, problems = read_video(path, start=start)
    assert [frame.number for frame in frames] == list(range(round(start * 20), 300))
    assert problems == []


def test_a_part_of_a_whole_video_of_variable_rate_is_not_called_truncated(tmp_path, read_video):
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
    frames, problems = read_video(path, start=3)
    assert len(frames) == 50
    assert problems == []


def test_a_video_cut_without_encoding_it_anew_is_not_called_truncated(tmp_path, read_video):
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        gray = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="bgr24")
        for packet in [*(p for _ in range(30) for p in stream.encode(gray)), *stream.encode(None)]:
            packet.pts -= 10  # what is before 0 is in the file, but not shown
            packet.dts -= 10
            container.mux(packet)
    frames, problems = read_video(path)
    assert len(frames) == 20
    assert problems == []


def test_pixels_are_turned_with_their_image(tmp_path, with_matrix, make_video):
    source = make_video(tmp_path / "wide.mp4", GRAY, pixel_aspect=Fraction(16, 11))
    (tmp_path / "turned.mp4").write_bytes(with_matrix(source.read_bytes(), *QUARTER))
    with VideoFile(tmp_path / "turned.mp4") as video:
        next(video.frames())
        assert video.sample_aspect_ratio == Fraction(11, 16)


def test_pixels_are_square_where_a_video_says_nothing(video):
    with VideoFile(video) as one:
        assert one.sample_aspect_ratio == 1


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
def test_the_display_matrix_turns_and_mirrors(
    video, tmp_path, matrix, shown, read_video, with_matrix
):
    path = tmp_path / "shown.mp4"
    path.write_bytes(with_matrix(video.read_bytes(), *matrix))
    stored, frame = read_video(video)[0][0], read_video(path)[0][0]
    assert np.array_equal(frame.color, shown(stored.color))
    assert np.array_equal(frame.gray, shown(stored.gray))


def test_a_telephone_held_upright(video, tmp_path, read_video, with_matrix):
    (tmp_path / "turned.mp4").write_bytes(with_matrix(video.read_bytes(), *QUARTER))
    upright, lying = read_video(tmp_path / "turned.mp4")[0][0], read_video(video)[0][0]
    assert upright.color.shape == (240, 180, 3)
    # The matrix turns clockwise.
    assert np.array_equal(upright.color, np.rot90(lying.color, -1))
    assert np.array_equal(upright.gray, np.rot90(lying.gray, -1))


def test_truncated_and_damaged(make_video, tmp_path, video, read_video):
    whole = video.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])  # the index at the end is gone
    with pytest.raises(VideoError, match=r"cannot be read as a video \(.+\).*truncated"):
        VideoFile(cut)
    short = tmp_path / "short.mkv"
    content = make_video(tmp_path / "whole.mkv").read_bytes()
    short.write_bytes(content[: len(content) * 9 // 10])
    frames, _ = read_video(short)
    assert 0 < len(frames) < 24


def test_a_stream_that_ends_in_something_else(make_video, tmp_path, read_video):
    content = make_video(tmp_path / "whole.ts").read_bytes()
    (tmp_path / "odd.ts").write_bytes(content[:-79] + 20_000 * b"a.")
    frames, problems = read_video(tmp_path / "odd.ts")
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


@pytest.mark.parametrize(
    ("suffix", "codec", "message"),
    [
        (".mkv", "libx264", r"The video ends at \d\.\d s of 3\.0 s; it may be truncated"),
        (".webm", "libvpx", r"The video ends at \d\.\d s of 3\.0 s; it may be truncated"),
        (".avi", "libx264", r"The file has \d+ of \d+ bytes; it is truncated"),
    ],
)
def test_truncated_files_that_state_no_number_of_frames(
    tmp_path, rng, suffix, codec, message, read_video
):
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(60):
            noise = rng.integers(0, 255, (120, 160, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="bgr24")))
        container.mux(stream.encode(None))
    whole, problems = read_video(path)
    assert (len(whole), problems) == (60, [])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 4 // 10])
    part, problems = read_video(path)
    assert 0 < len(part) < 60
    (problem,) = problems
    assert re.fullmatch(message, problem)


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


@pytest.fixture(scope="module")
def late_images(tmp_path_factory):
    """Two seconds of sound, whose images, ten a second, start after 0.8 s."""
    path = tmp_path_factory.mktemp("late") / "late.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = container.add_stream("aac", rate=16000, layout="mono")
        for at in range(12):
            image = np.full((48, 64, 3), 20 * at, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = 8 + at, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        tone = np.sin(np.arange(32000) / 8).astype(np.float32)
        heard = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        heard.sample_rate = 16000
        container.mux(voice.encode(heard))
        container.mux(voice.encode(None))
    return path


def test_times_are_those_of_a_players_clock(late_images, read_video):
    frames, problems = read_video(late_images)
    assert problems == []
    assert [frame.number for frame in frames] == list(range(12))
    # Sound in MP4 starts up to a block of AAC before 0.
    assert np.allclose([one.seconds for one in frames], 0.8 + np.arange(12) / 10, atol=0.07)
    part, _ = read_video(late_images, start=frames[3].seconds, end=frames[6].seconds)
    assert [one.number for one in part] == [3, 4, 5]
    assert abs(int(part[0].color.mean()) - 60) < 4


def test_a_copy_keeps_the_clock_of_its_source(late_images, read_video, tmp_path):
    with VideoFile(late_images) as video:
        sound = {"sound": late_images, "begin": video.begin}
        with VideoWriter(tmp_path / "copy.mp4", video.rate, **sound) as writer:
            for frame in video.frames():
                writer.write(frame.color, frame.seconds)
    before, after = read_video(late_images)[0], read_video(tmp_path / "copy.mp4")[0]
    assert np.allclose([a.seconds - b.seconds for a, b in zip(before, after, strict=True)], 0,
                       atol=0.07)  # fmt: skip
