"""The documentation says what the program does: checked by running it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def console_sessions(text):
    """Return [(command, wanted output), …] for each fenced block marked `console`."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        [entry.partition("\n")[::2] for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
        for block in blocks
    ]


def matches(wanted, found):
    """Whether output is as documented; `...` stands for anything."""
    pattern = re.escape(wanted.strip()).replace(r"\.\.\.", ".*?")
    return re.fullmatch(pattern, found.strip(), re.DOTALL) is not None


def test_the_command_reference_is_current():
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    reference = load(ROOT / "scripts" / "command_reference.py").reference()
    assert written == reference, "run `make docs`"


def test_no_line_of_the_reference_is_cut():
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_readme_session_does_what_it_says(tmp_path):
    sessions = console_sessions((ROOT / "README.md").read_text(encoding="utf-8"))
    assert sessions, "the README has no console session"
    for folder in ("scripts", "cascade"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
    }
    for command, wanted in (entry for session in sessions for entry in session):
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
        assert matches(wanted, done.stdout), f"$ {command}\n{done.stdout}"


def test_every_make_target_of_the_readme_exists():
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets
