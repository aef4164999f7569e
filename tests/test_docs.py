"""The documentation says what the program does: checked by running it."""

import doctest
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fercli.cli import fer as fer_command
from fercli.common.recipes import bundled_recipes

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: Where command lines of fer are shown.
SHOWN = [
    ROOT / "README.md",
    *sorted(DOCS.glob("*.md")),
    *(
        path
        for folder in ("cascade", "datasets", "models")
        for path in sorted((ROOT / folder).glob("*.md"))
    ),
    *sorted((ROOT / "fercli" / "recipes").glob("*/*.toml")),
]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command_lines(path):
    """Return the command lines of fer in a file: of its blocks, or of a recipe's comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        shown = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    else:
        blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        inline = re.findall(r"`(fer [a-z][^`\n]* --[^`\n]* [^-`\n]+)`", text)
        shown = "\n".join([*blocks, *inline])
    lines = re.sub(r"\\\n\s*", "", shown).splitlines()
    lines = [re.sub(r"^\s*(\$ |FER_\w+=\S+ )?", "", line) for line in lines]
    return [line for line in lines if re.match(r"fer [a-z]+(\s|$)", line) and "…" not in line]


def check_command(line):
    """Raise click's error for a command line that fer would not take; files need not exist."""
    # Examples in help have their comment after some blanks.
    words = shlex.split(re.split(r"\s[|>&]\s|\s{3,}", line)[0], comments=True)[1:]
    command, context = fer_command, click.Context(fer_command, info_name="fer")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"no command {name}: {line}"
        context = click.Context(command, parent=context, info_name=name)
    values, _, order = command.make_parser(context).parse_args(list(words))
    for parameter in order:
        if not isinstance(parameter.type, click.Path | click.File):
            parameter.type_cast_value(context, values[parameter.name])
    for name, value in values.items():
        if name == "recipe" and value and not value.endswith("/recipe.toml"):
            kind = "cascade" if " cascade " in line else "models"
            assert value in bundled_recipes(kind), f"no recipe {value}: {line}"


def test_the_command_reference_is_current():
    written = (DOCS / "commands.md").read_text(encoding="utf-8")
    reference = load(ROOT / "scripts" / "command_reference.py").reference()
    assert written == reference, "run `make docs`"


def test_no_line_of_the_reference_is_cut():
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_command_lines_are_such_that_fer_takes_them(path):
    for line in command_lines(path):
        try:
            check_command(line)
        except click.ClickException as error:
            pytest.fail(f"{line}\n{error.format_message()}")


@pytest.mark.parametrize(
    "line",
    [
        "fer cascade trian --vec a.vec",
        "fer cascade train --vecs a.vec",
        "fer cascade train --stages many",
        "fer models train --data d --optimizer magic",
        "fer cascade train --recipe nothing",
    ],
)
def test_a_wrong_command_line_is_noticed(line):
    with pytest.raises((click.ClickException, AssertionError)):
        check_command(line)


def test_enough_command_lines_are_found():
    assert len([line for path in SHOWN for line in command_lines(path)]) > 90


@pytest.mark.parametrize("page", ["python"])
def test_examples_in_python_do_what_they_say(page):
    result = doctest.testfile(str(DOCS / f"{page}.md"), module_relative=False)
    assert result.attempted > 20
    assert not result.failed


def test_every_make_target_that_is_named_exists():
    pages = [ROOT / "README.md", *DOCS.glob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocstrings", reason="make docs installs what builds the site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"\{\{ (results|session|card|recipes)", text), page.name
        loaded = re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="(https?:[^"]*)"', text)
        assert not [address for address in loaded if "canonical" not in address], page.name


@pytest.mark.parametrize("page", [DOCS / "architecture.md", ROOT / "CONTRIBUTING.md"], ids=str)
def test_files_and_folders_that_are_named_exist(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    named = set(re.findall(r"`((?:fercli|tests|scripts)/[\w/.]*)`", text))
    assert len(named) > 5
    example = "fercli/recipes/models/lenet.toml"
    assert not [name for name in named - {example} if not (ROOT / name).exists()]


def test_a_walk_passes_through_few_files():
    """As the page tells it: from info.dat to cascade.xml 25 files at most, to a row of CSV 20."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    walks = re.split(r"^## ", text, flags=re.M)[1:3]
    files = [len(set(re.findall(r"`(fercli/[\w/.]*\.py)`", walk))) for walk in walks]
    assert files[0] <= 25
    assert files[1] <= 20
