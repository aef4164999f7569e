"""A short slice of `make interruptions`: jobs that no other test kills, once, on small inputs."""

import subprocess
import sys
from pathlib import Path

import pytest

from fercli.cascade.opencv3.programs import examine_programs
from scripts.interruptions.jobs import JOBS

ROOT = Path(__file__).parents[1]
NEEDS_PROGRAM = "train, opencv"
#: Killed, and compared with a run that nobody disturbed, in tests/datasets/test_interruptions.py
#: and tests/models/test_training.py.
KILLED_ELSEWHERE = {"import", "crop", "augment", "models train"}


@pytest.mark.slow
@pytest.mark.timeout(900)  # half a minute on two idle cores, minutes on busy ones
def test_jobs_survive_an_interruption():
    works = all(status.works for status in examine_programs())
    jobs = [name for name in JOBS if works or name != NEEDS_PROGRAM]
    assert set(jobs) > KILLED_ELSEWHERE
    jobs = [name for name in jobs if name not in KILLED_ELSEWHERE]
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
