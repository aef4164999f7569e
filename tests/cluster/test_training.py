"""Trainings of cascades whose negatives are mined by workers: the same bytes as here."""

import re

import pytest

from fercli.cascade.training.native import train
from fercli.common.progress import Progress

pytestmark = [pytest.mark.slow, pytest.mark.compiled]


class Watched(Progress):
    """Keeps the notes, and calls what is to happen after a stage."""

    def __init__(self, after_stage=None):
        self.texts = []
        self.after_stage = after_stage or {}

    def note(self, text):
        self.texts.append(text)
        for number, happen in self.after_stage.items():
            if text.startswith(f"stage {number}:"):
                happen()


@pytest.fixture
def small(vec, scenes, tmp_path):
    """Options of a training of three stages; one background cannot be read."""
    (tmp_path / "broken.png").write_text("no image")
    listed = [*sorted(scenes.iterdir()), tmp_path / "broken.png"]
    (tmp_path / "bg.txt").write_text("".join(f"{path}\n" for path in listed))
    return {
        "vec": vec, "bg": tmp_path / "bg.txt", "size": (12, 12), "stages": 3, "negatives": 150,
        "max_weak_count": 2, "min_hit_rate": 0.98,
    }  # fmt: skip


@pytest.fixture
def here(small, tmp_path):
    """The cascade of one machine, and the notes."""
    notes = Watched()
    return train(small, tmp_path / "here", progress=notes).cascade.read_bytes(), notes.texts


def tasks_done(cluster, name):
    """Return how many tasks of a name the scheduler has seen to their end."""
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        return client.run_on_scheduler(
            lambda dask_scheduler: (
                dask_scheduler.task_prefixes[name].state_counts["memory"]
                if name in dask_scheduler.task_prefixes
                else 0
            )
        )


def without_times(texts):
    return [re.sub(r"[0-9.]+ s\b", "", text) for text in texts]


def test_a_cascade_is_the_same_and_is_sent_once_a_stage(cluster, small, here, tmp_path):
    before = tasks_done(cluster, "same")
    notes = Watched()
    result = train(small, tmp_path / "there", scheduler=cluster.address, progress=notes)
    assert result.cascade.read_bytes() == here[0]
    # One function a stage, and one that digests the backgrounds.
    assert tasks_done(cluster, "same") - before == 3 + 1
    assert without_times(notes.texts) == without_times(here[1])
    assert any("broken.png" in text for text in notes.texts)


def test_a_worker_that_is_killed_and_one_that_joins_late_change_nothing(
    cluster, small, here, tmp_path
):
    watched = Watched({0: cluster.workers[0].kill, 1: cluster.start_worker})
    result = train(small, tmp_path / "there", scheduler=cluster.address, progress=watched)
    assert result.cascade.read_bytes() == here[0]
