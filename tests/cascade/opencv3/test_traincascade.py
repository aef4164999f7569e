"""The program as it is run, with one in its place that only says what it was told."""

import os
import sys
from pathlib import Path

from fercli.cascade.opencv3.settings import Buffers, ProgramSettings
from fercli.cascade.opencv3.traincascade import TrainCascade, TrainingLog


def test_names_that_are_not_utf8_stand_in_the_log_as_they_are(tmp_path):
    vec = tmp_path / os.fsdecode(b"caf\xe9.vec")
    log = tmp_path / "training.log"
    settings = ProgramSettings(vec=vec, bg=tmp_path)
    program = TrainCascade(Path(sys.executable), tmp_path, log, os.open(tmp_path, os.O_RDONLY))
    try:
        run = program.run(settings, tmp_path, TrainingLog(), Buffers(0, 0))
    finally:
        os.close(program.lock)
    assert run.status != 0
    assert b"caf\xe9.vec" in log.read_bytes()
