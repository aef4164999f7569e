"""The worked examples of CONTRIBUTING.md, followed in a copy of the code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade.features.haar import haar_features

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def copy(tmp_path):
    """A copy of the code that has the files of the examples; call it to run its `fer`."""
    ignored = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
    shutil.copytree(ROOT / "fercli", tmp_path / "fercli", ignore=ignored)
    for path, code in re.findall(r"^```python\n# (fercli/\S+)\n(.*?)^```", TEXT, re.M | re.S):
        (tmp_path / path).write_text(code)
    for path, code in re.findall(r"^```python\n# added to (\S+)\n(.*?)^```", TEXT, re.M | re.S):
        with (tmp_path / path).open("a") as file:
            file.write(f"\n\n{code}")

    def python(code, *words):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)], cwd=tmp_path, capture_output=True,
            text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(*words):
        code = "import sys; from fercli.cli import main; sys.exit(main(sys.argv[1:]))"
        return python(code, *words)

    run.root, run.python = tmp_path, python
    return run


def register(copy, path, before, line):
    """Write a line above another, once, as the text says in words."""
    file = copy.root / path
    code = file.read_text()
    assert before in code
    file.write_text(code.replace(before, line + before, 1))


def image(path, seed=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8))


@pytest.mark.slow
def test_a_command_and_a_format(copy):
    formats = "fercli/datasets/formats/__init__.py"
    register(copy, formats, "fer2013, file_names", "expw, ")
    register(copy, formats, "        generic.CSV,", "        expw.FORMAT,\n")
    register(copy, "fercli/commands/datasets.py", '"csv",', '"expw", ')
    image(copy.root / "set" / "image" / "ab.png")
    (copy.root / "set" / "label.lst").write_text(
        "ab.png 0 4 8 40 60 50.1 3\nab.png 1 0 0 9 9 9 4\n"
    )
    assert "expw (set): 2 images" in copy("datasets", "import", "set", "--out", "tree")
    assert copy("datasets", "count", "tree") == "2\n"
    assert copy("datasets", "import", "expw=set", "--out", "again")


@pytest.mark.slow
def test_an_architecture(copy):
    registry = "fercli/models/architectures/__init__.py"
    imported = "from fercli.models.architectures.lenet import LENET\n"
    register(copy, registry, "from fercli.models.architectures.older_projects", imported)
    register(copy, registry, "        MINI_XCEPTION,\n", "        LENET,\n")
    assert "lenet" in copy("models", "list")
    assert "61,451 parameters" in copy("models", "summary", "lenet")


@pytest.mark.slow
def test_a_feature(copy):
    kind = re.search(r"^    HaarKind\(.*\n", TEXT, re.M)[0]
    features = "fercli/cascade/features/haar.py"
    register(copy, features, ")\n\n\n@dataclass(frozen=True)\nclass HaarFeatures", kind)
    register(copy, "fercli/cascade/__init__.py", "]\nHAAR_MODES", ', "RINGS"')
    told = (
        "from fercli.cascade.features.haar import *; print(len(haar_features((12, 12), 'RINGS')))"
    )
    more = int(copy.python(told)) - len(haar_features((12, 12), "ALL"))
    assert more == (9 + 5 + 1) ** 2  # places of sides 4, 8 and 12 in 12 pixels, across and down
    rng = np.random.default_rng(1)
    for number in range(40):
        face = rng.integers(0, 80, (12, 12), np.uint8)
        face[3:9, 3:9] += 150
        (copy.root / "faces").mkdir(exist_ok=True)
        cv2.imwrite(str(copy.root / "faces" / f"{number}.png"), face)
        image(copy.root / "scenes" / f"{number}.png", number)
    copy("cascade", "build-info", "faces", "--negatives", "scenes", "--size", "12x12", "--out", "l")
    copy("cascade", "create-samples", "--info", "l/info.dat", "--size", "12x12", "--out", "f.vec")
    copy("cascade", "train", "--vec", "f.vec", "--size", "12x12", "--bg", "l/bg.txt", "--mode",
         "rings", "--stages", "2", "--positives", "30", "--negatives", "40", "--out", "trained",
         "--search", "exhaustive", "--max-weak-count", "3")  # fmt: skip
    assert not cv2.CascadeClassifier(str(copy.root / "trained" / "cascade.xml")).empty()
