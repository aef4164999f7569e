"""A small part of `make fuzz`, and what makes its cases repeatable."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICK = "info;COCO;cascade.xml;files.csv;images"


def fuzz(folder, *options):
    command = [sys.executable, "-m", "scripts.fuzz", "--workers", "1", "--out", folder, *options]
    environment = os.environ | {"TMPDIR": str(folder)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_readers_survive_what_nobody_should_give_them(tmp_path):
    done = fuzz(tmp_path, "--cases", "300", "--seed", "7", "--readers", QUICK)
    assert done.returncode == 0, done.stderr
    name, cases, named, accepted, failures, *_ = done.stdout.splitlines()[-1].split()
    assert (name, failures) == ("all", "0")
    assert int(cases) == int(named) + int(accepted) >= 290
    assert min(int(named), int(accepted)) > 40


def test_an_unknown_reader_is_refused_with_the_known_ones(tmp_path):
    done = fuzz(tmp_path, "--readers", "nosuch")
    assert done.returncode == 2
    assert "COCO" in done.stderr
    assert "found nosuch" in done.stderr
