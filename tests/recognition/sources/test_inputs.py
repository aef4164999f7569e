"""Names on the command line as inputs."""

import os

import pytest
from PIL import Image

from fercli.common.errors import InputError
from fercli.recognition.results import (
    to_dict,
)
from fercli.recognition.sources.inputs import find_inputs

CLASSES = ("angry", "happy", "neutral")


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\xff\xd8\xff")


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


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.gif")
    assert [one.kind for one in find_inputs([str(tmp_path)])] == ["image"]


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
