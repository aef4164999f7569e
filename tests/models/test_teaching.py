"""Targets that another network has a say in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fercli.datasets.tree import read_tree
from fercli.errors import InputError, OptionError
from fercli.models.faces import read_split
from fercli.models.networks import open_network
from fercli.models.teaching import taught
from fercli.models.training import train

from .conftest import QUICK, make_tree


def read(root, size=48):
    return read_split(read_tree(root), "train", (size, size))


def test_mixes_labels_with_the_teachers_answers(run, tree):
    faces, teacher = read(tree), str(run / "best.keras")
    answers = open_network(teacher).classify(faces.pixels)
    found = taught(faces, teacher, 0.25)
    np.testing.assert_allclose(found.targets, 0.75 * faces.targets + 0.25 * answers, atol=1e-5)
    np.testing.assert_allclose(taught(faces, teacher, 1).targets, answers, atol=1e-5)
    assert found.labels is faces.labels


def test_classes_are_paired_by_name_and_others_shared_out(run, tmp_path):
    faces = read(make_tree(tmp_path, (("train", 4),), ("left", "right")))
    teacher = open_network(str(run / "best.keras"))
    answers = teacher.classify(faces.pixels)[
        :, [teacher.card.classes.index(c) for c in faces.classes]
    ]
    wanted = answers / answers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(taught(faces, str(run / "best.keras"), 1).targets, wanted, atol=1e-5)


def test_a_teacher_that_cannot_teach_is_named(run, tree, tmp_path):
    teacher = str(run / "best.keras")
    unknown = read(make_tree(tmp_path, (("train", 2),), ("left", "up")))
    with pytest.raises(OptionError, match="knows all classes, found none of up"):
        taught(unknown, teacher, 0.5)
    with pytest.raises(OptionError, match="inputs 32x32x1, found 48x48x1"):
        taught(read(tree, 32), teacher, 0.5)
    with pytest.raises(InputError, match="nothing"):
        taught(read(tree), "nothing.onnx", 0.5)


@pytest.mark.slow
def test_a_training_learns_from_its_teacher(run, tree, tmp_path):
    teacher = str(run / "best.keras")
    options = replace(QUICK, teacher=teacher, teacher_share=1.0, epochs=1)
    first = train(tree, tmp_path / "a", options).best["loss"]
    assert first != train(tree, tmp_path / "b", replace(options, teacher=None)).best["loss"]
    with pytest.raises(OptionError, match="--teacher-share"):
        train(tree, tmp_path / "c", replace(options, teacher_share=0.0))
