"""Windows, simulated: its names, files in use, locks, processes, line ends and consoles."""

import fcntl
import importlib.util
import io
import ntpath
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import psutil
import pytest

from fercli import cli
from fercli.annotations.opencv_lists import write_background_list
from fercli.cascade.opencv3.build import require_compilers
from fercli.cascade.opencv3.programs import cache_folder
from fercli.common import files, processes, windows
from fercli.common.errors import DependencyError, OutputError
from fercli.common.processes import lower_priority, running
from fercli.common.recipes import read_recipe
from fercli.run_folder import output_folder


@pytest.fixture
def on_windows(monkeypatch):
    """Let fer take the system for Windows."""
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("con", "device"),
        ("Con.txt", "device"),
        ("out/aux .png", "device"),
        ("LPT1", "device"),
        ("com²", "device"),
        ("a:b", "drive"),
        ("C:faces", "drive"),
        (r"C:\out\what?.png", "characters"),
        ("out/ab:c", "characters"),
        ('"quoted"', "characters"),
        ("tab\there", "characters"),
        ("end.", "end of the name"),
        (r"C:\out \a.png", "end of the name"),
    ],
)
def test_names_that_windows_refuses(path, refused, on_windows):
    assert refused in windows.refusal(path)
    with pytest.raises(OutputError, match="try: use another name"):
        windows.require_usable(PureWindowsPath(path))


@pytest.mark.parametrize(
    "path",
    ["console", "a.con", "com10", "..", r"..\out\.hidden", r"C:\a\b.c", r"\\server\share\a", "x y"],
)
def test_names_that_windows_takes(path, on_windows):
    assert windows.refusal(path) is None
    windows.require_usable(PureWindowsPath(path))


def test_outputs_are_checked(on_windows, tmp_path):
    for write in (files.atomic_write, files.atomic_folder):
        with pytest.raises(OutputError, match="is that of a device"):
            write(tmp_path / "nul.csv").__enter__()
    with pytest.raises(OutputError, match="Windows does not allow the characters"):
        files.make_folder(tmp_path / "a|b" / "c")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("happy", "happy"),
        ("a/b:c", "a_b_c"),
        ("nul", "_nul"),
        ("Con.png", "_Con.png"),
        ("why?..", "why___"),
        ("end ", "end_"),
        ("", ""),
    ],
)
def test_names_made_of_data(name, expected, monkeypatch):
    assert windows.usable_name(name) == name
    monkeypatch.setattr(sys, "platform", "win32")
    assert windows.usable_name(name) == expected
    assert not name or windows.refusal(expected) is None


def test_a_path_that_is_too_long_has_its_own_hint(on_windows, tmp_path):
    path = tmp_path / ("a" * 200) / ("b" * 100)
    error = files.output_error(FileNotFoundError(2, "No such file or directory"), path)
    assert "enable long paths in Windows" in error.hint


@pytest.mark.parametrize("refusals", [3, 100])
def test_a_file_that_is_in_use_is_replaced_later(refusals, on_windows, monkeypatch, tmp_path):
    """As by a virus scanner, which has it open for a moment; or by a viewer, which keeps it so."""
    left = [refusals]
    replace = Path.replace

    def refuse(self, target):
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "The process cannot access the file", str(target))
        return replace(self, target)

    pauses = []
    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(time, "sleep", pauses.append)
    (tmp_path / "a").write_text("old")
    if refusals == 3:
        files.write_text(tmp_path / "a", "new", overwrite=True)
        assert (tmp_path / "a").read_text() == "new"
        assert pauses == [0.05, 0.1, 0.2]
    else:
        with pytest.raises(OutputError, match="cannot access the file"):
            files.write_text(tmp_path / "a", "new", overwrite=True)
        assert (tmp_path / "a").read_text() == "old"
        assert len(pauses) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.fixture
def windows_locks(monkeypatch):
    """Load the module as on Windows, with its locks made of POSIX ones."""
    temporary = {}

    def locking(handle, mode, count):
        assert (mode, count) == ("now or never", 1)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(36, "Resource deadlock avoided") from error

    real_open, real_close = os.open, os.close

    def open_(path, flags, *mode):
        handle = real_open(path, flags & ~O_TEMPORARY, *mode)
        if flags & O_TEMPORARY:
            temporary[handle] = path
        return handle

    def close(handle):
        real_close(handle)
        path = temporary.pop(handle, None)
        if path is not None and path not in temporary.values():
            os.unlink(path)  # noqa: PTH108

    O_TEMPORARY = 1 << 30  # noqa: N806
    monkeypatch.setattr(os, "O_TEMPORARY", O_TEMPORARY, raising=False)
    monkeypatch.setattr(os, "O_NOINHERIT", 0, raising=False)
    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "close", close)
    msvcrt = SimpleNamespace(locking=locking, LK_NBLCK="now or never")
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("windows_as_there", windows.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(files, "windows", module)
    return module


def test_a_lock_is_a_file_beside_the_folder_that_goes_with_it(windows_locks, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with files.folder_lock(folder, "a training"):
        assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.fer-lock"}
        assert not [*folder.iterdir()]  # nothing in it that would be taken for a result
        with pytest.raises(OutputError, match="a training is under way there already"):
            files.folder_lock(folder, "a training").__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with output_folder(folder / "new", "a search"):
        pass
    assert not [*folder.iterdir()]
    with pytest.raises(OutputError, match="No such file"):
        files.folder_lock(tmp_path / "missing", "a training").__enter__()


def test_a_lock_where_nothing_can_be_written_is_trusted(windows_locks, monkeypatch, tmp_path):
    opened = os.open

    def refuse(path, *rest):
        if str(path).endswith(".fer-lock"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with files.folder_lock(tmp_path, "a training"):
        pass


def test_signals_there_are(monkeypatch):
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("signals_as_there", processes.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(KeyboardInterrupt), module.signals_as_interrupts():
        signal.raise_signal(signal.SIGUSR1)


def test_a_program_is_stopped_with_all_that_it_started(on_windows, monkeypatch):
    """Neither listens to the request; there is no group of processes to kill."""
    monkeypatch.setattr("fercli.common.processes.GRACE_SECONDS", 0.2)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0, raising=False)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM, raising=False)
    monkeypatch.setattr(os, "killpg", None)
    script = "trap '' TERM; sleep 1000 & echo $$ $!; wait; sleep 1000"
    pids = []

    def fail(lines):
        pids.extend(map(int, next(lines).split()))
        raise RuntimeError

    with pytest.raises(RuntimeError), running(["sh", "-c", script]) as child:
        fail(child.lines())
    assert len(pids) == 2
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(10)
        assert not psutil.pid_exists(pid)


def test_the_priority_is_lowered(on_windows, monkeypatch):
    asked = []
    monkeypatch.setattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 16384, raising=False)
    monkeypatch.setattr(psutil.Process, "nice", lambda self, value: asked.append(value))
    lower_priority(10)
    assert asked == [16384]


def test_what_is_written_ends_lines_alike_on_all_systems(tmp_path, monkeypatch):
    """Path.write_text as on Windows: it writes carriage returns unless told otherwise."""
    write = Path.write_text

    def with_returns(self, text, encoding=None, errors=None, newline=None):
        return write(self, text, encoding, errors, "\r\n" if newline is None else newline)

    monkeypatch.setattr(Path, "write_text", with_returns)
    files.write_text(tmp_path / "a", "one\ntwo\n")
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\n"
    write_background_list(tmp_path / "bg.txt", [tmp_path / "a.png"], names="relative")
    assert (tmp_path / "bg.txt").read_bytes() == b"a.png\n"


def test_recipes_may_have_the_line_ends_of_windows(tmp_path):
    (tmp_path / "a.toml").write_bytes(b'stages = 3\r\nmode = "ALL"\r\n')
    assert read_recipe(tmp_path / "a.toml") == {"stages": 3, "mode": "ALL"}


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "24×24 → 笑\n".encode() + b"\xff\n"),
        ("cp1252", b"24\xd724 ? ?\n?\n"),
        ("ascii", b"24?24 ? ?\n?\n"),
    ],
)
def test_consoles_that_cannot_show_a_character(encoding, expected, monkeypatch):
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    cli.main(["--version"])
    content.truncate(0)
    content.seek(0)
    print("24×24 → 笑\n\udcff")
    stream.flush()
    assert content.getvalue() == expected


def test_names_in_lists_have_slashes(monkeypatch):
    monkeypatch.setattr(files, "Path", PureWindowsPath)
    monkeypatch.setattr(os, "path", ntpath)
    folder = PureWindowsPath(r"C:\work\lists")
    assert files.relative_name(PureWindowsPath(r"C:\work\faces\a b.png"), folder) == (
        "../faces/a b.png"
    )
    other_drive = PureWindowsPath(r"D:\faces\a.png")
    assert files.relative_name(other_drive, folder) == "D:/faces/a.png"


@pytest.mark.parametrize(
    ("system", "hint"),
    [("win32", "MinGW-w64"), ("darwin", "xcode-select --install"), ("freebsd14", "apt-get")],
)
def test_a_build_without_a_compiler_says_how_to_get_one(system, hint, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(DependencyError, match="The build needs a C compiler") as caught:
        require_compilers(tmp_path)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("system", "expected"),
    [("windows.Windows", "AppData/Local/fer/Cache"), ("macos.MacOS", "Library/Caches/fer")],
)
def test_the_cache_is_where_the_system_has_it(system, expected, monkeypatch, tmp_path):
    module, name = system.split(".")
    directories = getattr(importlib.import_module(f"platformdirs.{module}"), name)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if name == "Windows":
        local = str(tmp_path / "AppData" / "Local")
        monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda folder: local)
    monkeypatch.setattr("platformdirs.PlatformDirs", directories)
    assert cache_folder().as_posix() == f"{tmp_path.as_posix()}/{expected}/opencv-tools"
