"""The build, run for real on a source of two tiny programs in OpenCV's layout."""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import pytest

from fercli.cascade.opencv3 import build
from fercli.cascade.opencv3.build import install_programs
from fercli.cascade.opencv3.programs import PROGRAMS, find_program
from fercli.cascade.opencv3.source import MARKER, PACKAGE, download_source, unpack_source
from fercli.common.errors import DependencyError, InputError, OutputError
from fercli.common.files import folder_lock

CMAKE = """
cmake_minimum_required(VERSION 3.5)
project(tiny CXX)
foreach(name opencv_createsamples opencv_traincascade)
  add_executable(${name} apps/traincascade/cascadeclassifier.cpp)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endforeach()
"""
PROGRAM = '#include <cstdio>\nint main() { std::puts("Usage: tiny"); }\n'
VERSION = "modules/core/include/opencv2/core/version.hpp"


def version_header(version):
    names = ("MAJOR", "MINOR", "REVISION")
    return "".join(
        f"#define CV_VERSION_{name}    {number}\n"
        for name, number in zip(names, version.split("."), strict=True)
    )


def sources(version="3.4.99", cmake=CMAKE, program=PROGRAM):
    return {
        "CMakeLists.txt": cmake,
        MARKER: program,
        VERSION: version_header(version),
        "samples/much.txt": "not wanted",
    }


def make_tar(path, files, root="opencv-python-3/opencv"):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def archive(tmp_path):
    return make_tar(tmp_path / "tiny.tar.gz", sources())


@pytest.fixture
def target(tmp_path):
    return tmp_path / "with a space" / "tools"


needs_builders = pytest.mark.skipif(
    not all(map(shutil.which, ("c++", "cc", "cmake", "ninja"))),
    reason="needs a compiler, cmake and ninja: apt-get install g++ cmake ninja-build",
)


@needs_builders
def test_an_archive_becomes_programs_and_nothing_else(archive, target):
    installation = install_programs(target, source=archive)
    assert sorted(p.name for p in target.iterdir()) == sorted(PROGRAMS)
    assert installation.version == "3.4.99"
    assert "built from the source of OpenCV 3.4.99" in installation.to_text()
    assert find_program("opencv_traincascade", target) == target / "opencv_traincascade"


@needs_builders
def test_it_can_be_repeated(archive, target):
    install_programs(target, source=archive)
    before = (target / "opencv_traincascade").stat().st_mtime_ns
    again = install_programs(target, source=archive)
    assert again.version is None
    assert "nothing was done" in again.to_text()
    assert (target / "opencv_traincascade").stat().st_mtime_ns == before
    install_programs(target, source=archive, overwrite=True)
    assert (target / "opencv_traincascade").stat().st_mtime_ns > before


@needs_builders
def test_a_program_that_does_not_run_is_built_anew(archive, target):
    target.mkdir(parents=True)
    for name in PROGRAMS:
        (target / name).write_text("#!/bin/sh\nexit 1\n")
        (target / name).chmod(0o755)
    (target / ".build" / "made").mkdir(parents=True)  # as kill -9 leaves it
    assert install_programs(target, source=archive).version == "3.4.99"
    assert not (target / ".build").exists()


@needs_builders
@pytest.mark.parametrize(
    ("files", "said"),
    [
        (sources(program="int main() { wrong }\n"), "error: .*wrong.* was not declared"),
        (sources(cmake=CMAKE + 'message(FATAL_ERROR "no luck")\n'), "CMake Error at"),
        (sources(program="int main() {}\n"), "was built but does not work"),
    ],
    ids=["compiling", "configuring", "running"],
)
def test_a_build_that_fails_keeps_its_log_alone(tmp_path, target, files, said):
    archive = make_tar(tmp_path / "bad.tar.gz", files)
    with pytest.raises(DependencyError, match=said):
        install_programs(target, source=archive)
    assert [path.name for path in target.iterdir()] == ["build.log"]
    assert "CXX compiler identification" in (target / "build.log").read_text()


@needs_builders
def test_a_build_that_succeeds_removes_the_log_of_an_older_failure(archive, target):
    target.mkdir(parents=True)
    (target / "build.log").write_text("old")
    install_programs(target, source=archive)
    assert not (target / "build.log").exists()


@needs_builders
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_stops_the_compiler_and_leaves_nothing(tmp_path, target, number):
    sleep = f"sleep {100_000 + 10 * os.getpid() + number}"
    endless = f"add_custom_command(TARGET opencv_traincascade PRE_BUILD COMMAND {sleep})\n"
    archive = make_tar(tmp_path / "endless.tar.gz", sources(cmake=CMAKE + endless))
    command = [sys.executable, "-m", "fercli", "cascade", "tools", "install"]
    child = subprocess.Popen(
        [*command, "--tools", target, "--source", archive], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: sleep in processes())
    child.send_signal(number)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert err.splitlines()[-1] == "fer: interrupted"
    assert not target.exists()
    wait_for(lambda: sleep not in processes())


def processes():
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return listed.stdout


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_two_installations_do_not_mix(archive, target):
    target.mkdir(parents=True)
    with (
        folder_lock(target, "an installation"),
        pytest.raises(OutputError, match="an installation is under way there already"),
    ):
        install_programs(target, source=archive)


def test_too_little_room_is_said_at_once(archive, target, monkeypatch):
    monkeypatch.setattr(build, "MEGABYTES_NEEDED", 1 << 40)
    with pytest.raises(OutputError, match="MB of free disk for an installation"):
        install_programs(target, source=archive)
    assert not target.exists()


def test_a_target_that_is_a_file_is_named(archive, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        install_programs(tmp_path / "file" / "tools", source=archive)


def test_a_missing_compiler_is_named_with_its_package(tmp_path, target, archive, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="needs a C compiler, but there is no cc") as caught:
        install_programs(target, source=archive)
    assert "apt-get install g++" in caught.value.hint
    assert not target.exists()


def test_a_compiler_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "false --quietly")
    with pytest.raises(DependencyError, match=r"C\+\+ compiler, but false --quietly fails"):
        build.require_compilers(tmp_path)


def test_an_old_cmake_is_not_taken(tmp_path, monkeypatch):
    script = tmp_path / "cmake"
    script.write_text("#!/bin/sh\necho cmake version 3.12.4\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert build._system("cmake", build.MIN_VERSIONS["cmake"]) is None
    script.write_text("#!/bin/sh\necho cmake version 4.0.1\n")
    assert build._system("cmake", build.MIN_VERSIONS["cmake"]) == script


def test_only_what_is_wanted_is_unpacked(tmp_path, archive):
    found = unpack_source(archive, tmp_path / "place")
    assert found.version == "3.4.99"
    assert (found.folder / MARKER).read_text() == PROGRAM
    assert not (found.folder / "samples").exists()


def test_a_zip_will_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "tiny.zip", "w") as archive:
        for name, text in sources().items():
            archive.writestr(f"opencv-3.4.99/{name}", text)
    assert unpack_source(tmp_path / "tiny.zip", tmp_path / "place").version == "3.4.99"


def test_names_that_lead_out_are_left_out(tmp_path):
    files = {**sources(), "apps/../../../../evil.txt": "!"}
    unpack_source(make_tar(tmp_path / "evil.tar.gz", files), tmp_path / "place")
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is not a complete .tar.gz or .zip archive"),
        (b"not an archive", "The file is not a complete .tar.gz or .zip archive"),
        (None, "Expected an archive of OpenCV's source, found nothing of that name"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path, content, message):
    path = tmp_path / "archive.tar.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        unpack_source(path, tmp_path / "place")


def test_a_truncated_archive_is_named(tmp_path, archive):
    whole = make_tar(tmp_path / "large.tar.gz", {**sources(), "apps/x": os.urandom(99999).hex()})
    whole.write_bytes(whole.read_bytes()[:-20000])
    with pytest.raises(InputError, match="not a complete"):
        unpack_source(whole, tmp_path / "place")


@pytest.mark.parametrize(
    ("files", "found"),
    [(sources("4.14.0"), "it is OpenCV 4.14.0"), ({"setup.py": ""}, f"it has no {MARKER}"),
     ({MARKER: ""}, "it has no version")],
    ids=["OpenCV 4", "something else", "without a version"],
)  # fmt: skip
def test_another_source_is_refused(tmp_path, files, found):
    archive = make_tar(tmp_path / "other.tar.gz", files)
    with pytest.raises(InputError, match=found) as caught:
        unpack_source(archive, tmp_path / "place")
    assert PACKAGE in caught.value.hint


def test_a_package_that_pip_cannot_get_is_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DependencyError, match="package index: Could not find a version") as caught:
        download_source(tmp_path)
    assert "`source`" in caught.value.hint
