def test_an_archive_that_is_none_is_named(fer, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "source.tar.gz").write_text("no archive")
    result = fer("cascade", "fetch-faces", "--out", tmp_path / "faces.vec",
                 "--source", tmp_path / "source.tar.gz")  # fmt: skip
    assert result.status == 1
    assert "source.tar.gz: The file is not a complete .tar.gz or .zip" in result.err
    assert not (tmp_path / "faces.vec").exists()


def test_another_file_is_not_overwritten(fer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces.vec").write_text("mine")
    result = fer("cascade", "fetch-faces")
    assert (result.status, result.out) == (1, "")
    assert (
        result.err == "fer: error: faces.vec: already exists; try: --overwrite, or another name\n"
    )
