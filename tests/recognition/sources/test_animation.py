"""Animated images."""

import pytest
from PIL import Image

from fercli.recognition.classify import ClassifyRun
from fercli.recognition.sources.inputs import find_inputs
from fercli.recognition.sources.video_file import VideoFile


def read(path, **part):
    with VideoFile(path) as video:
        return list(video.frames(**part)), video.problems


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
