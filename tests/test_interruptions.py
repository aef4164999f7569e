"""A short slice of `make interruptions`: every job, disturbed once, on small inputs."""

import subprocess
import sys
from pathlib import Path

import pytest

from fercli.cascade.opencv3.programs import examine_programs
from scripts.interruptions.jobs import JOBS

ROOT = Path(__file__).parents[1]
NEEDS_PROGRAM = "train, opencv"


@pytest.mark.slow
@pytest.mark.timeout(900)  # 70 s on two idle cores, minutes on busy ones
def test_every_job_survives_an_interruption():
    works = all(status.works for status in examine_programs())
    jobs = [name for name in JOBS if works or name != NEEDS_PROGRAM]
    command = [
        sys.executable, "-m", "scripts.interruptions", "--small", "--rounds", "1", "--seed", "5",
        "--workers", "2", "--ways", "kill -9", "--jobs", ";".join(jobs),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in jobs:
        assert f"{name}, kill -9, " in done.stdout


def test_every_job_is_known_to_the_command():
    command = [sys.executable, "-m", "scripts.interruptions", "--jobs", "nosuch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "create-samples" in done.stderr
