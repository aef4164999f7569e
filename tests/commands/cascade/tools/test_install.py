import pytest


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
