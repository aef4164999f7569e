import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import numpy as np
import pytest
from click import UsageError
from click.testing import CliRunner

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.list_builder.options import BoxRules, CollectOptions, FileOptions
from fercli.cascade.opencv3 import ProgramSettings
from fercli.cascade.samples.options import CropRules, Distortion, WarpRules
from fercli.cascade.training.options import CascadeTrainingOptions
from fercli.cli import fer as root
from fercli.commands import options
from fercli.commands.cascade.build_info import Amount
from fercli.common.errors import OptionError
from fercli.common.options import check, option, option_fields
from fercli.datasets.options import (
    CopyOptions,
    FaceOptions,
    PolicyOptions,
    PreviewOptions,
    ReadingOptions,
    SplitOptions,
)
from fercli.models.training_options import ModelTrainingOptions
from fercli.recognition.options import RecognitionOptions, VideoOptions


def all_commands(group=root, path=()):
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))


@pytest.mark.parametrize(
    ("text", "size_wh"),
    [("24", (24, 24)), ("24x20", (24, 20)), ("1×2", (1, 2)), ("32767x1", (32767, 1))],
)
def test_a_size(text, size_wh):
    assert options.Size().convert(text, None, None) == size_wh


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axb", "expected WIDTHxHEIGHT such as 24x24, got 'axb'"),
        ("0x5", "expected positive numbers, got '0x5'"),
        ("32768", "expected at most 32767 pixels a side, got '32768'"),
        ("1x2147483648", "expected at most 32767 pixels a side, got '1x2147483648'"),
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
    assert "expected at most 32767 pixels a side" in size.err
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


def all_options():
    """Yield the name of each command and each of its options."""
    for path, command in all_commands():
        for one in command.params:
            if isinstance(one, click.Option):
                yield " ".join(path), one


#: Options that mean something else in some command, and why their name is the same.
DIFFERENT = {
    "--align": "of faces that are cropped, and of bytes in a file for OpenMV",
    "--average": "of weights in training, of crops in evaluation",
    "--bg": "OpenCV's name, for what each of its programs does with backgrounds",
    "--cascade": "one more in `cascade detect`",
    "--channels": "crops are of one kind, imported images may keep theirs",
    "--classes": "of a data set, of a foreign model, of an architecture",
    "--contrast": "of augmentation, and of a camera",
    "--data": "a second use, in `models export`, is optional",
    "--engine": "of samples and of training",
    "--every": "of frames to classify, and of frames to annotate",
    "--format": "of what is read, and of what `annotate` writes",
    "--label": "of one engine, and of --info, in `cascade train`",
    "--image": "of the object, warped or drawn under features",
    "--info": "OpenCV's name; `train` takes it in place of --vec",
    "--mirror": "of samples and in training",
    "--min-size": "of detections and of annotated boxes",
    "--negatives": "OpenCV's name",
    "--num": "OpenCV's name",
    "--out": "says what is written",
    "--page": "of samples that are shown, and an HTML file of an export",
    "--plot": "says what is drawn",
    "--recipe": "lists the recipes of the command",
    "--seed": "of one engine in `cascade train`",
    "--size": "of samples, windows, crops, inputs of models",
    "--source": "of what is downloaded",
    "--split": "one of all to draw, one to measure on",
    "--stages": "of a training, and of a cascade to shorten",
    "--truth": "of one format in `cascade export`",
    "--validation": "a share of samples, a split of a tree",
    "--vec": "positives to train on, or to draw under features",
}


def test_an_option_is_explained_in_the_same_words_everywhere():
    texts = {}
    for _, one in all_options():
        name = next(name for name in one.opts if name.startswith("--"))
        # Options of one engine say so where others have another.
        text = one.help.removeprefix("Engine native: ")
        texts.setdefault(name, set()).add(text[0].upper() + text[1:])
    assert {name for name, several in texts.items() if len(several) > 1} <= set(DIFFERENT)


#: Commands without an option that nearly all have, and why.
WITHOUT = {
    "--json": {
        "serve": "runs until it is stopped",
        "cascade annotate": "runs until it is stopped",
        "models summary": "shows a table of layers; `models list --json` has the figures",
    },
    "--overwrite": dict.fromkeys(
        ["serve", "cascade check-info", "cascade samples info", "cascade inspect",
         "cascade tools status", "models list", "models summary", "doctor"],
        "writes nothing",
    ) | {"cascade annotate": "goes on with the boxes that are there"},
    "--quiet": {},
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT)
def test_every_command_has_the_options_that_all_have(name):
    having = {command for command, option in all_options() if name in option.opts}
    commands = {" ".join(path) for path, one in all_commands() if not isinstance(one, click.Group)}
    assert commands - having == set(WITHOUT[name])


KINDS = [
    CascadeTrainingOptions, ProgramSettings, ModelTrainingOptions, RecognitionOptions, VideoOptions,
    DetectionOptions, FaceOptions, ReadingOptions, SplitOptions, CopyOptions, PolicyOptions,
    PreviewOptions, CropRules, WarpRules, Distortion, BoxRules, CollectOptions, FileOptions,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_described_field_is_an_option_of_a_command(kind):
    offered = {(option.name, option.help.lower()) for _, option in all_options()}
    for name, field in option_fields(kind).items():
        about = field.option.help.lower()
        assert any(name == one and help.endswith(about) for one, help in offered), name


def test_help_texts_are_sentences():
    for command, one in all_options():
        text = one.help.removeprefix("Engine native: ").removeprefix("Engine opencv: ")
        assert re.match(r"[A-Za-z]", text), (command, one.name)
        assert re.search(r"[.*](  \[default: .*\])?$", text), (command, one.name)


@dataclass(frozen=True)
class Example:
    """A field of each kind."""

    size_wh: tuple[int, int] = option((24, 24), help="Use this size.", minimum=3)
    share: float = option(0.5, help="Use this share.", metavar="X", above=0, maximum=1)
    count: int | None = option(None, help="Make N.", metavar="N", minimum=1, default_text="all")
    kind: Literal["HAAR", "LBP"] = option("HAAR", help="Use these features.")
    folder: Path | None = option(None, help="Read this folder.", metavar="DIR")
    strict: bool = option(False, help="Be strict.")
    recursive: bool = option(True, help="Look into subfolders.")


@options.command()
@options.from_fields(Example)
def example(**given):
    """Show what was given."""
    made = options.build(Example, given)
    if made.count == 13:
        raise OptionError("`size_wh` is unlucky with `count` 13", hint="use another `count`")
    click.echo(made)


def run(*words):
    result = CliRunner().invoke(example, list(words), standalone_mode=False)
    return result.output, result.exception


def test_a_field_gives_its_option():
    assert run()[0] == f"{Example()}\n"
    words = [
        "--size",
        "3x9",
        "--share",
        "1",
        "--count",
        "2",
        "--kind",
        "lbp",
        "--folder",
        "a",
        "--strict",
        "--no-recursive",
    ]
    assert run(*words)[0] == f"{Example((3, 9), 1.0, 2, 'LBP', Path('a'), True, False)}\n"
    text = " ".join(CliRunner().invoke(example, ["--help"]).output.split())
    for line in ("--size WXH", "[default: 24x24; 3 or more]", "--share X", "--kind [HAAR|LBP]",
                 "[default: 0.5; more than 0 and at most 1]", "[default: all]", "--strict",
                 "--recursive / --no-recursive"):  # fmt: skip
        assert line in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--share 0", "expected more than 0 and at most 1, got 0"),
        ("--share nan", "expected more than 0 and at most 1, got nan"),
        ("--count 1.5", "expected a whole number, got '1.5'"),
        ("--count 0", "expected 1 or more, got 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(words, message):
    assert message in str(run(*words.split())[1])


def test_an_error_of_the_library_names_the_option():
    error = run("--count", "13")[1]
    assert str(error) == "--size is unlucky with --count 13; try: use another --count"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size_wh": (2, 9)}, "`size_wh`: expected 3 or more pixels a side, got 2x9"),
        ({"share": "much"}, "`share`: expected a number, got 'much'"),
        ({"kind": "HOG"}, "`kind`: expected HAAR or LBP, got HOG"),
        ({"count": True}, "`count`: expected a whole number, got true"),
    ],
)
def test_the_library_checks_the_same_field(given, message):
    with pytest.raises(OptionError, match=message):
        check(Example(**given))


def test_numbers_of_numpy_are_numbers():
    check(Example(count=np.int64(3), share=np.float32(0.5)))


@pytest.mark.parametrize(("text", "amount"), [("500", 500), ("20%", 0.2), ("0.2", 0.2)])
def test_a_share_is_a_number_or_percent(text, amount):
    assert Amount().convert(text, None, None) == amount


@pytest.mark.parametrize("text", ["0", "120%", "1.5", "much", "0.0"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(UsageError, match="expected"):
        Amount().convert(text, None, None)


def test_older_names_of_options_are_taken(fer, tmp_path):
    """The spelling of OpenCV and click is the usual one; what older commands had works too."""
    (tmp_path / "a.csv").write_text("a.png,1,2,3,4\n")
    words = ["cascade", "build-info", tmp_path / "a.csv", "--pictures", tmp_path, "--out", tmp_path]
    assert "No such option" not in fer(*words).err
    words = ["cascade", "build-info", tmp_path, "--format", "pictures", "--out", tmp_path / "out"]
    assert "Invalid value" not in fer(*words).err
    assert "No such option" not in fer("models", "predict", "a", "b", "--colour-order", "rgb").err
