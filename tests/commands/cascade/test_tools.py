import json

import pytest


@pytest.mark.opencv3
def test_programs_that_are_there_are_told_with_their_version(fer, opencv_tools):
    result = fer("cascade", "tools", "status", "--tools", opencv_tools)
    assert result.status == 0
    first, second = result.out.splitlines()
    assert first.startswith(f"opencv_createsamples: {opencv_tools}/opencv_createsamples (")
    assert second.endswith("from --tools)")
    found = json.loads(fer("cascade", "tools", "status", "--tools", opencv_tools, "--json").out)
    assert found[1] == {
        "name": "opencv_traincascade",
        "path": str(opencv_tools / "opencv_traincascade"),
        "place": "tools",
        "version": found[1]["version"],
        "problem": None,
    }
    assert found[1]["version"].startswith("3.4.")


def test_missing_programs_end_with_1(fer, tmp_path):
    result = fer("cascade", "tools", "status", "--tools", tmp_path)
    assert result.status == 1
    assert result.out.count("was not found in") == 2
    assert "try: run fer cascade tools install" in result.out
    found = json.loads(fer("cascade", "tools", "status", "--tools", tmp_path, "--json").out)
    assert found[0]["path"] is None
    assert "was not found" in found[0]["problem"]


@pytest.mark.parametrize(
    ("script", "problem"),
    [("#!/bin/sh\nexit 3\n", "does not run: status 3"), ("no program", "does not run: "),
     ("#!/bin/sh\necho another program\n", "does not run: status 0")],
)  # fmt: skip
def test_a_program_that_does_not_run_is_told(fer, tmp_path, script, problem):
    for name in ("opencv_createsamples", "opencv_traincascade"):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    result = fer("cascade", "tools", "status", "--tools", tmp_path)
    assert result.status == 1
    assert problem in result.out


@pytest.mark.opencv3
def test_programs_that_are_there_stay(fer, opencv_tools):
    before = (opencv_tools / "opencv_traincascade").stat().st_mtime_ns
    result = fer("cascade", "tools", "install", "--tools", opencv_tools)
    assert result.status == 0
    assert f"{opencv_tools}/opencv_traincascade  " in result.out
    assert "nothing was done" in result.out
    assert (opencv_tools / "opencv_traincascade").stat().st_mtime_ns == before


def test_a_source_that_is_none_is_named(fer, tmp_path):
    (tmp_path / "source.tar.gz").write_text("no archive")
    result = fer("cascade", "tools", "install", "--tools", tmp_path / "tools",
                 "--source", tmp_path / "source.tar.gz")  # fmt: skip
    assert result.status == 1
    assert "source.tar.gz: The file is not a complete .tar.gz or .zip" in result.err
    assert not (tmp_path / "tools").exists()
