from pathlib import Path

import pytest

from fercli.cascade.opencv3 import programs
from fercli.cascade.opencv3.programs import cache_folder, find_program, locate_program
from fercli.common.errors import DependencyError

NAME = "opencv_traincascade"


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.delenv(programs.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))


def make_program(folder: Path, mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / NAME
    program.write_text("#!/bin/sh\n")
    program.chmod(mode)
    return program


def test_path_comes_before_the_cache(tmp_path):
    cached = make_program(cache_folder())
    assert find_program(NAME) == cached == tmp_path / "xdg/fer/opencv-tools" / NAME
    on_path = make_program(tmp_path / "path")
    found, place = locate_program(NAME)
    assert (found, str(place)) == (on_path, "PATH")


def test_a_named_folder_is_the_only_place(tmp_path, monkeypatch):
    make_program(tmp_path / "path")
    by_variable = make_program(tmp_path / "with a space")
    monkeypatch.setenv(programs.VARIABLE, str(by_variable.parent))
    assert find_program(NAME) == by_variable
    with pytest.raises(DependencyError, match=r"was not found in .*other \(`tools`\)"):
        find_program(NAME, tmp_path / "other")
    monkeypatch.setenv(programs.VARIABLE, str(tmp_path / "other"))
    with pytest.raises(DependencyError, match=r"other \(FER_OPENCV_TOOLS\)"):
        find_program(NAME)


def test_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = make_program(tmp_path / "here")
    assert find_program(NAME, Path("here")) == program


def test_what_is_missing_is_named_with_the_way_out(tmp_path):
    with pytest.raises(DependencyError) as caught:
        find_program(NAME)
    assert caught.value.hint == "run fer cascade tools install"
    assert "PATH and" in caught.value.message
    assert NAME in caught.value.message


def test_a_file_that_cannot_be_executed_is_not_a_program(tmp_path):
    make_program(tmp_path / "here", mode=0o644)
    with pytest.raises(DependencyError):
        find_program(NAME, tmp_path / "here")


def test_a_relative_cache_variable_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/fer/opencv-tools"
