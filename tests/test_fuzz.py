"""A short slice of `make fuzz`: every reader, with a fixed seed."""

import os
import subprocess
import sys
from pathlib import Path

from scripts.fuzz.targets import READERS

ROOT = Path(__file__).parents[1]


def fuzz(folder, *options):
    command = [sys.executable, "-m", "scripts.fuzz", "--workers", "2", "--out", folder, *options]
    environment = os.environ | {"TMPDIR": str(folder)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_every_reader_survives_malformed_input(tmp_path):
    done = fuzz(tmp_path, "--cases", "400", "--seed", "7")
    assert done.returncode == 0, done.stderr
    name, cases, named, accepted, failures, *_ = done.stdout.splitlines()[-1].split()
    assert (name, failures) == ("all", "0")
    assert int(cases) == int(named) + int(accepted) >= 390
    assert min(int(named), int(accepted)) > 40
    lines = done.stdout.splitlines()[1:-1]
    assert len(lines) == len(READERS)


def test_an_unknown_reader_is_refused_with_the_known_ones(tmp_path):
    done = fuzz(tmp_path, "--readers", "nosuch")
    assert done.returncode == 2
    assert "COCO" in done.stderr
    assert "nosuch is none of" in done.stderr
