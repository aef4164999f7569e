from fercli.cascade.model import bundled_cascade


def test_the_command_says_what_it_wrote(fer, tmp_path):
    out = tmp_path / "small.xml"
    result = fer("cascade", "convert", bundled_cascade(), "--out", out, "--stages", 2, "--compact")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"{out}: 2 stages, ")
    result = fer("cascade", "convert", bundled_cascade(), "--out", out)
    assert result.status == 1
    assert "--overwrite" in result.err
