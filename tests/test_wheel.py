"""The wheel holds all that fer needs: installed elsewhere, it does what the documentation shows."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
#: What a copy of the tree does not need: what builds and runs left there.
LEFT_OUT = {"build", "demo", "dist", "runs"}

#: Pages with console sessions, each run from the first to the last in one folder.
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if "```console" in page.read_text(encoding="utf-8")
]
#: The release of the project that PyPI calls fer which is installed beside ours.
OTHER_FER = "fer==25.10.3"


#: Without the path by which tests of a copy of the source find that copy.
ENVIRONMENT = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}


def run(*command, cwd=None):
    words = [str(part) for part in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__")

    def ignore(parent, names):
        return ignored(parent, names) | (LEFT_OUT if Path(parent) == ROOT else set())

    shutil.copytree(ROOT, folder / "tree", ignore=ignore)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder / "tree")
    (wheel,) = folder.glob("fercli-*.whl")
    return wheel


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel, which finds the libraries in that of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{Path(click.__file__).parents[1]}\n")
    bring_compiled_kernels(site)
    return folder


def bring_compiled_kernels(site):
    """Copy what numba compiled for the same sources here; it knows them by their time and size."""
    for source in (ROOT / "fercli").rglob("*.py"):
        shutil.copystat(source, site / source.relative_to(ROOT))
        for cached in source.parent.glob(f"__pycache__/{source.stem}.*.nb[ic]"):
            shutil.copy2(cached, site / cached.relative_to(ROOT))


def console_sessions(text):
    """Return [(command, expected output), …] for each fenced block marked `console`."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        [entry.partition("\n")[::2] for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
        for block in blocks
    ]


def matches(expected, found):
    """Whether output is as documented; `...` stands for anything."""
    pattern = re.escape(expected.strip()).replace(r"\.\.\.", ".*?")
    return re.fullmatch(pattern, found.strip(), re.DOTALL) is not None


def test_readme_and_own_object_have_sessions():
    assert {page.stem for page in PAGES} >= {"README", "own-object"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_session_does_what_it_says(page, installed, tmp_path):
    """In an empty folder, by the installed wheel: nothing of the source tree is needed."""
    path = f"{installed}/bin{os.pathsep}{os.environ['PATH']}"
    environment = ENVIRONMENT | {"PATH": path, "COLUMNS": "100"}
    sessions = console_sessions(page.read_text(encoding="utf-8"))
    for command, expected in (entry for session in sessions for entry in session):
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
        assert matches(expected, done.stdout), f"$ {command}\n{done.stdout}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_runs_in_a_fresh_environment_beside_the_other_fer(wheel, tmp_path):
    """The other project's package is `fer`, ours `fercli`; our command is `fer`, it has none.

    Its own requirements (TensorFlow, PyTorch) are left out: that no file belongs to both is what
    must hold.
    """
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python, fer = tmp_path / "venv" / "bin" / "python", tmp_path / "venv" / "bin" / "fer"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    run(*pip, wheel)
    other = subprocess.run([*map(str, pip), "--no-deps", OTHER_FER], capture_output=True, text=True)
    assert "PROBLEM" not in run(fer, "doctor", cwd=tmp_path)
    code = "import fercli; print(fercli.__file__)"
    assert run(python, "-c", code, cwd=tmp_path).startswith(str(tmp_path / "venv"))
    assert "mini-xception" in run(fer, "models", "list", cwd=tmp_path)
    if other.returncode:
        pytest.skip(f"{OTHER_FER} cannot be fetched: {other.stderr.strip()[-200:]}")
    code = "import fer; print(fer.__version__)"
    assert run(python, "-c", code, cwd=tmp_path).strip() == OTHER_FER.partition("==")[2]
    ours, others = (recorded_files(tmp_path / "venv", name) for name in ("fercli", "fer"))
    assert len(others) > 5
    assert not ours & others
    assert any(name.endswith("bin/fer") for name in ours)


def recorded_files(environment, distribution):
    """Return the files that a distribution installed, by its own record."""
    (record,) = environment.glob(f"lib/python*/site-packages/{distribution}-*.dist-info/RECORD")
    with record.open(newline="", encoding="utf-8") as stream:
        return {row[0] for row in csv.reader(stream)}


@pytest.mark.slow
def test_the_wheel_has_every_recipe(installed, tmp_path):
    listed = json.loads(run(installed / "bin" / "fer", "models", "list", "--json", cwd=tmp_path))
    for kind, key in (("models", "recipes"), ("augmentation", "policies")):
        files = {path.stem for path in (ROOT / "fercli" / "recipes" / kind).glob("*.toml")}
        assert files == set(listed[key])
    assert "frontalface" in run(installed / "bin" / "fer", "cascade", "train", "--help")
