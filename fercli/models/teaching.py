"""Targets that another network has a say in.

Labels of expressions are noisy, and a network that is told to be sure of each learns the noise by
heart. The answers of a network that was trained before are softer: Hinton, Vinyals and Dean,
"Distilling the knowledge in a neural network", 2015 (arXiv 1503.02531); with a teacher of the
same architecture: Furlanello et al., "Born-again neural networks", ICML 2018 (arXiv 1805.04770).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fercli.errors import OptionError
from fercli.models.evaluation import classify_all
from fercli.models.faces import Faces
from fercli.models.networks import Network, open_network
from fercli.progress import SILENT, Progress


def taught(faces: Faces, teacher: str, share: float, progress: Progress = SILENT) -> Faces:
    """Return faces whose targets are mixed with a network's answers to the pictures as they are.

    Parameters
    ----------
    faces : Faces
        The pictures, of the size that the teacher takes.
    teacher : str
        A shipped network by name, a ``.keras`` or an ``.onnx`` file. It may know more classes
        than there are here; their shares go to the others.
    share : float
        Of the targets, 0…1, that is the teacher's.

    Raises
    ------
    InputError
        There is no such network.
    OptionError
        It takes pictures of another size, or does not know all classes.
    """
    network = open_network(teacher)
    _check(network, faces, teacher)
    answers = classify_all(network, faces, progress=progress)
    known = answers[:, [network.card.classes.index(name) for name in faces.classes]]
    known /= np.maximum(known.sum(axis=1, keepdims=True), np.float32(1e-6))
    targets = np.float32(1 - share) * faces.targets + np.float32(share) * known
    return replace(faces, targets=targets)


def _check(network: Network, faces: Faces, teacher: str) -> None:
    card = network.card
    unknown = [name for name in faces.classes if name not in card.classes]
    if unknown:
        raise OptionError(
            f"wanted a --teacher that knows all classes, found none of {', '.join(unknown)} in "
            f"{teacher}"
        )
    if (card.size_wh, card.channels) != (faces.size_wh, faces.channels):
        raise OptionError(
            f"wanted a --teacher of inputs {_kind(faces.size_wh, faces.channels)}, found "
            f"{_kind(card.size_wh, card.channels)} in {teacher}"
        )


def _kind(size_wh: tuple[int, int], channels: int) -> str:
    return f"{size_wh[0]}x{size_wh[1]}x{channels}"
