"""The wheel holds all that fer needs: installed into a fresh environment, run elsewhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_runs_in_a_fresh_environment(tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(
        ROOT,
        tree,
        ignore=shutil.ignore_patterns(".*", "build", "demo", "runs", "*.egg-info", "__pycache__"),
    )
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, tree)
    (wheel,) = tmp_path.glob("fer-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    fer = tmp_path / "venv" / "bin" / "fer"
    assert "PROBLEM" not in run(fer, "doctor", cwd=tmp_path)
    code = "import fercli; print(fercli.__file__)"
    assert run(python, "-c", code, cwd=tmp_path).startswith(str(tmp_path / "venv"))


def run(*command, cwd=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
