import pytest
from click import UsageError

from fercli.commands import options


@pytest.mark.parametrize(
    ("text", "size_wh"),
    [("24", (24, 24)), ("24x20", (24, 20)), ("1×2", (1, 2)), ("32767x1", (32767, 1))],
)
def test_a_size(text, size_wh):
    assert options.Size().convert(text, None, None) == size_wh


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axb", "wanted WIDTHxHEIGHT such as 24x24, found 'axb'"),
        ("0x5", "wanted positive numbers, found '0x5'"),
        ("32768", "wanted at most 32767 pixels a side, found '32768'"),
        ("1x2147483648", "wanted at most 32767 pixels a side, found '1x2147483648'"),
    ],
)
def test_what_is_no_size_is_named(text, message):
    with pytest.raises(UsageError, match=message):
        options.Size().convert(text, None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_no_number_and_no_end_are_in_no_range(text):
    with pytest.raises(UsageError):
        options.FiniteRange(min=0.1).convert(text, None, None)
    assert options.FiniteRange(min=0.1).convert("2.5", None, None) == 2.5


def test_what_no_library_takes_is_refused(fer, tmp_path):
    size = fer("models", "train", "--data", tmp_path, "--out", tmp_path, "--size", "2000000x1")
    assert size.status == 2
    assert "wanted at most 32767 pixels a side" in size.err
    seed = fer("models", "train", "--data", tmp_path, "--out", tmp_path, "--seed", 2**32)
    assert seed.status == 2
    assert "expected 0 to 4294967295, got 4294967296" in seed.err
    assert fer("cascade", "detect", "a.xml", "b.png", "--min-size", "2147483648x1").status == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epochs = true", "a.toml: epochs: expected a text or a number, got true"),
        ("augment = true", "augment: expected a text or a number, got true"),
        ("size = [true, 9]", "size: expected a text or a number, got true"),
        (
            "batch-size = 8\nbatch_size = 4",
            "batch-size and batch_size are the same option",
        ),
        ("progress = true", "progress is not an option of this command; try: one of "),
        ("jsom = true", "jsom is not an option of this command"),
    ],
)
def test_what_a_recipe_may_not_hold_is_named(fer, tmp_path, line, message):
    (tmp_path / "a.toml").write_text(line)
    result = fer("models", "train", "--recipe", tmp_path / "a.toml", "--data", "nowhere", "--out",
                 tmp_path / "out")  # fmt: skip
    assert result.status == 1
    assert message in result.err
    assert "as-json" not in result.err


def test_a_recipe_may_be_quiet(fer, tmp_path):
    (tmp_path / "a.toml").write_text("quiet = true\nsoft-labels = true")
    result = fer("models", "train", "--recipe", tmp_path / "a.toml", "--data", tmp_path / "none",
                 "--out", tmp_path / "out")  # fmt: skip
    assert f"{tmp_path / 'none'}: " in result.err
