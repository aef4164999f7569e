"""Faces and photographs, taken out of archives in the layout of OpenCV's source package."""

import hashlib
import io
import resource
import tarfile
from pathlib import PurePosixPath

import cv2
import numpy as np
import pytest

from fercli.cascade import downloads
from fercli.cascade.downloads import (
    FACES,
    FACES_NAME,
    OPENCV_PHOTOGRAPHS,
    SKIMAGE_PHOTOGRAPHS,
    fetch_faces,
)
from fercli.cascade.opencv3.programs import cache_folder
from fercli.cascade.samples.vec import read_vec, write_vec
from fercli.common.errors import DependencyError, InputError, OutputError, OutputExistsError
from fercli.common.files import IMAGE_EXTENSIONS, folder_lock
from fercli.common.images import read_gray

COUNT = len(OPENCV_PHOTOGRAPHS) + len(SKIMAGE_PHOTOGRAPHS)


@pytest.fixture
def image(rng):
    """The bytes of an image."""
    return cv2.imencode(".png", rng.integers(0, 256, (30, 40), np.uint8))[1].tobytes()


@pytest.fixture
def files(tmp_path, image, rng, monkeypatch):
    """What a source package holds: a ``.vec`` of three faces, and all photographs."""
    write_vec(tmp_path / "three.vec", rng.integers(0, 256, (3, 24, 24), np.uint8))
    faces = (tmp_path / "three.vec").read_bytes()
    monkeypatch.setattr(downloads, "FACES_SHA256", hashlib.sha256(faces).hexdigest())
    return {"README.md": b"", **dict.fromkeys(OPENCV_PHOTOGRAPHS, image), FACES: faces}


@pytest.fixture
def make_archive(tmp_path):
    def make(files, root="opencv-python-3.4.18.65/opencv"):
        path = tmp_path / "source.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"{root}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    return make


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """Fetch to ``faces.vec`` and, if named, a folder, with a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(source=None, negatives=None, **options):
        folder = tmp_path / negatives if negatives else None
        return fetch_faces(tmp_path / "faces.vec", negatives=folder, source=source, **options)

    return run


@pytest.fixture
def unreachable(monkeypatch, tmp_path):
    """Let pip find no package."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


def test_faces_and_photographs_are_taken_out(fetch, files, make_archive, tmp_path):
    fetched = fetch(make_archive(files), "scenes")
    assert (tmp_path / "faces.vec").read_bytes() == files[FACES]
    assert len(read_vec(tmp_path / "faces.vec", (24, 24))) == 3
    images = list((tmp_path / "scenes").iterdir())
    assert len(images) == fetched.photographs == COUNT
    assert all(min(read_gray(path).shape) >= 24 for path in images)
    assert fetched.to_text().splitlines() == [
        f"{tmp_path / 'faces.vec'}  16,520 faces of 24x24",
        f"{tmp_path / 'scenes'}  {COUNT} photographs without faces",
    ]


def test_photographs_only_when_wanted(fetch, files, make_archive, tmp_path):
    assert "without faces" not in fetch(make_archive(files)).to_text()
    assert not (tmp_path / "scenes").exists()


def test_what_is_there_stays(fetch, files, make_archive, tmp_path):
    fetch(make_archive(files), "scenes")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    fetched = fetch(None, "scenes", overwrite=True)
    assert fetched.written == ()
    assert fetched.to_text().count(", already there") == 2
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.usefixtures("unreachable")
def test_a_second_download_is_not_needed(fetch, files, make_archive, tmp_path):
    fetch(make_archive(files))
    (tmp_path / "faces.vec").unlink()
    assert fetch(None, "scenes").written == (tmp_path / "scenes", tmp_path / "faces.vec")


@pytest.mark.usefixtures("unreachable")
def test_a_damaged_cache_is_not_used(fetch, files, make_archive, tmp_path):
    archive = make_archive(files)
    fetch(archive)
    (cache_folder("opencv-data") / "fetched" / FACES_NAME).write_bytes(files[FACES][:-1])
    (tmp_path / "faces.vec").unlink()
    with pytest.raises(DependencyError, match="pip cannot get opencv-python"):
        fetch()
    assert fetch(archive).written == (tmp_path / "faces.vec",)


@pytest.mark.usefixtures("unreachable")
def test_without_a_network_the_way_out_is_named(fetch, tmp_path):
    with pytest.raises(DependencyError, match="package index: Could not find a version") as caught:
        fetch()
    assert "`source`" in caught.value.hint
    assert list(tmp_path.rglob("opencv-data")) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda files: files.pop(FACES), f"it has no {FACES}"),
        (lambda files: files.update({FACES: b"other"}), "holds other faces"),
        (lambda files: files.pop("samples/data/board.jpg"), "it has no samples/data/board.jpg"),
    ],
    ids=["without faces", "other faces", "without a photograph"],
)
def test_archives_of_something_else_are_named(fetch, files, make_archive, tmp_path, change, found):
    change(files)
    with pytest.raises(InputError, match=found):
        fetch(make_archive(files), "scenes")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cache",
        "source.tar.gz",
        "three.vec",
    ]


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_damaged_archives_are_named(fetch, files, make_archive, tmp_path, kept):
    archive = make_archive(files)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.raises(InputError, match=r"not a complete \.tar\.gz or \.zip"):
        fetch(archive, "scenes")
    assert not (tmp_path / "scenes").exists()
    assert not (tmp_path / "faces.vec").exists()


def test_another_file_is_kept(fetch, files, make_archive, tmp_path):
    (tmp_path / "faces.vec").write_text("mine")
    with pytest.raises(OutputExistsError):
        fetch(make_archive(files))
    assert (tmp_path / "faces.vec").read_text() == "mine"
    fetch(make_archive(files), overwrite=True)
    assert (tmp_path / "faces.vec").read_bytes() == files[FACES]


def test_a_folder_with_part_of_the_photographs(fetch, files, make_archive, tmp_path):
    archive = make_archive(files)
    (tmp_path / "scenes").mkdir()
    assert fetch(archive, "scenes").written  # an empty folder is as good as none
    (tmp_path / "scenes" / "opencv-board.jpg").unlink()
    with pytest.raises(OutputExistsError, match=f"holds {COUNT - 1} of {COUNT} photographs"):
        fetch(archive, "scenes")
    assert fetch(archive, "scenes", overwrite=True).written == (tmp_path / "scenes",)
    assert len(list((tmp_path / "scenes").iterdir())) == COUNT


def test_files_of_somebody_else_are_never_removed(fetch, files, make_archive, tmp_path):
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "mine.png").touch()
    with pytest.raises(OutputExistsError, match=r"holds other files, such as mine\.png"):
        fetch(make_archive(files), "scenes", overwrite=True)
    assert (tmp_path / "scenes" / "mine.png").exists()


def test_two_downloads_do_not_mix(fetch, files, make_archive):
    cache = cache_folder("opencv-data")
    cache.mkdir(parents=True)
    with (
        folder_lock(cache, "a download"),
        pytest.raises(OutputError, match="a download is under way there already"),
    ):
        fetch(make_archive(files))


@pytest.fixture
def file_size_limit():
    """Bound the size of files, which fails a write as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [100, 2000])
def test_a_full_disk_leaves_nothing(fetch, files, make_archive, tmp_path, file_size_limit, limit):
    archive = make_archive(files)
    file_size_limit(limit)
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(archive, "scenes")
    assert not (tmp_path / "scenes").exists()
    assert not (tmp_path / "faces.vec").exists()
    assert list((tmp_path / "cache").rglob("*.*")) == []


def test_too_little_room_is_said_at_once(fetch, files, make_archive, monkeypatch):
    monkeypatch.setattr(downloads, "MEGABYTES_TO_UNPACK", 1 << 40)
    with pytest.raises(OutputError, match="MB of free disk for a download") as caught:
        fetch(make_archive(files))
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_a_missing_scikit_image_is_named(fetch, files, make_archive, monkeypatch):
    monkeypatch.setattr(downloads.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        DependencyError, match="package scikit-image, which is not installed"
    ) as caught:
        fetch(make_archive(files), "scenes")
    assert caught.value.hint == 'pip install "fercli[demo]"'


def test_the_real_faces(fetch, files, make_archive, data, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files[FACES] = (data / "opencv_faces" / FACES_NAME).read_bytes()
    fetch(make_archive(files))
    assert len(read_vec(tmp_path / "faces.vec", (24, 24))) == downloads.FACES_COUNT


@pytest.mark.parametrize("paths", [OPENCV_PHOTOGRAPHS, SKIMAGE_PHOTOGRAPHS])
def test_all_are_images_by_their_names_and_no_two_share_one(paths):
    names = [PurePosixPath(path).name for path in paths]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.lower().endswith(IMAGE_EXTENSIONS) for name in names)
