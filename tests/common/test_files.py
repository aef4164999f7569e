import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fercli.common.errors import OutputError, OutputExistsError
from fercli.common.files import atomic_folder, atomic_write, list_folder, make_folder


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_that_another_process_wrote_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(OutputExistsError), atomic_write(path):
        path.write_text("another's")
    assert path.read_text() == "another's"
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text("mine")
    assert path.read_text() == "mine"
    assert path.stat().st_nlink == 1
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_device_or_a_pipe_is_not_replaced(tmp_path, overwrite):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        with (
            pytest.raises(OutputError, match=r"found a device or a pipe; try: another name"),
            atomic_write(tmp_path / name, overwrite=overwrite),
        ):
            pass
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "null").is_symlink()


def test_a_folder_that_another_process_wrote_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(OutputExistsError), atomic_folder(path):
        make_folder(path).joinpath("theirs").touch()
    assert names(path) == ["theirs"]
    with atomic_folder(path, overwrite=True) as temporary:
        (temporary / "mine").touch()
    assert names(path) == ["mine"]
    assert names(tmp_path) == ["a"]


def test_threads_that_write_at_once_leave_the_umask_alone(tmp_path, monkeypatch):
    set_umask = os.umask

    def slow(mask):
        before = set_umask(mask)
        time.sleep(0.02)
        return before

    def write(number):
        with atomic_write(tmp_path / f"{number}.txt"):
            pass

    before = set_umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", slow)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(write, range(8)))
        found = set_umask(0o027)
    finally:
        set_umask(before)
    assert found == 0o027
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_a_folder_lists_what_is_skipped_beside_what_is_found(tmp_path):
    for name in ("a.jpg", "b.HEIC", "sub/c.avif", "sub/d.txt", "e.psd", "f", "g.txt", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = list_folder(tmp_path)
    assert files.found == [tmp_path / name for name in ("a.jpg", "b.HEIC", "sub/c.avif")]
    assert files.skipped == [tmp_path / name for name in ("e.psd", "f", "g.txt", "sub/d.txt")]
    assert files.note() == (
        f"{tmp_path}: skipped 4 of 7 files that are not images by their suffix "
        "(2 .txt, 1 .psd, 1 no suffix): e.psd, f, g.txt, sub/d.txt"
    )
    assert list_folder(tmp_path / "sub", (".avif", ".txt")).note() is None
