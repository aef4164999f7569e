"""The recognizer: a cascade and a network, loaded once, that tell the expressions in images."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.detector import Detector
from fercli.cascade.model.bundled import bundled_cascade
from fercli.common.images import ImageArray, to_gray
from fercli.models.loading import DEFAULT, open_model
from fercli.models.model_card import ModelCard, ModelSettings
from fercli.recognition.face_search import Boxes, search, search_near, search_quickly
from fercli.recognition.options import (
    IMAGE_FACE,
    IMAGE_SIDE,
    VIDEO_FACE,
    VIDEO_SIDE,
    RecognitionOptions,
)
from fercli.recognition.results import Face, name_expression

DEFAULTS = RecognitionOptions()

#: How many windows less a face needs at a place where it was a moment before.
LENIENT = 2


class Recognizer:
    """Finds faces and tells their expressions. Threads may share one.

    Parameters
    ----------
    cascade : Path, optional
        The cascade's file. Defaults to the one that fer ships.
    network : str
        A shipped network's name, or an ``.onnx`` or ``.keras`` file. Defaults to the one that fer
        ships.
    options : RecognitionOptions, optional
    settings : ModelSettings, optional
        What an ``.onnx`` file of others does not say.

    Attributes
    ----------
    options : RecognitionOptions
    card : ModelCard
        What the network takes and gives.

    Raises
    ------
    CascadeFileError, InputError, OptionError, DependencyError
        As `Detector` and `open_model`.
    """

    def __init__(
        self,
        cascade: Path | None = None,
        network: str = DEFAULT,
        options: RecognitionOptions = DEFAULTS,
        settings: ModelSettings | None = None,
    ) -> None:
        self.cascade = cascade or bundled_cascade()
        self.options = options
        self._network = open_model(network, settings)
        self._alone = threading.Lock()
        self._detector = Detector(self.cascade)

    @property
    def card(self) -> ModelCard:
        """What the network takes and gives."""
        return self._network.card

    @property
    def classes(self) -> tuple[str, ...]:
        """The expressions, in the order of the probabilities."""
        return self._network.card.classes

    def recognize(self, image: ImageArray, *, quickly: bool = False) -> list[Face]:
        """Return the faces of an image, the largest first.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width) or (height, width, 3)
            Gray or BGR.
        quickly : bool
            Whether it is searched as a frame of a video is. Defaults to False.
        """
        return self.recognize_many([image], quickly=quickly)[0]

    def recognize_many(
        self, images: Sequence[ImageArray], *, quickly: bool = False
    ) -> list[list[Face]]:
        """Return the faces of each image; all go through the network in one call."""
        if not len(images):
            return []
        side, least = (VIDEO_SIDE, VIDEO_FACE) if quickly else (IMAGE_SIDE, IMAGE_FACE)
        found = [
            self.find(to_gray(image), side=side, least=least, quickly=quickly) for image in images
        ]
        cuts = [self.cut(one, boxes) for one, boxes in zip(images, found, strict=True)]
        answers = self.classify(np.concatenate(cuts))
        ends = np.cumsum([len(boxes) for boxes in found])
        shares = np.split(answers, ends[:-1])
        return [self._faces(*both) for both in zip(found, shares, strict=True)]

    def find(
        self,
        gray: ImageArray,
        *,
        side: int = IMAGE_SIDE,
        least: float = IMAGE_FACE,
        quickly: bool = False,
    ) -> Boxes:
        """Return where the faces of an image are.

        Parameters
        ----------
        gray : ndarray of uint8, shape (height, width)
        side : int
            Longer side at which it is searched, unless the options say another.
        least : float
            The smallest face as a share of the shorter side, unless the options say its size.
        quickly : bool
            Whether to take a fraction of the time and miss a few. Defaults to False.

        Returns
        -------
        ndarray of int32, shape (n, 4)
            x, y, width, height, the largest first.
        """
        chosen = self.options
        boxes = (search_quickly if quickly else search)(
            self._detector,
            gray,
            side=chosen.resolution or side,
            min_face=chosen.min_face or round(least * min(gray.shape)),
            scale_factor=chosen.scale_factor,
            min_neighbors=chosen.min_neighbors,
        )
        boxes = boxes[np.argsort(-boxes[:, 2], kind="stable")]
        return boxes[:1] if chosen.largest else boxes

    def find_again(self, gray: ImageArray, box_xywh: tuple[int, int, int, int]) -> Boxes:
        """Return a face that was at a place a moment before, shape (0 or 1, 4)."""
        chosen = self.options
        return search_near(
            self._detector,
            gray,
            box_xywh,
            scale_factor=chosen.scale_factor,
            # It is there most likely: fewer windows make it believed.
            min_neighbors=max(chosen.min_neighbors - LENIENT, 0),
        )[:1]

    def cut(self, image: ImageArray, boxes_xywh: Boxes) -> NDArray[np.uint8]:
        """Return faces as the network wants them.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width) or (height, width, 3)
            Gray or BGR.
        boxes_xywh : ndarray of int32, shape (n, 4)

        Returns
        -------
        ndarray of uint8, shape (n, height, width, channels)
            For `classify`; three channels are red, green, blue.
        """
        # The module of cuts knows the eyes and the cascades' options as well.
        from fercli.datasets.face_boxes import cut_turned

        width, height = self.card.size_wh
        cuts = np.empty((len(boxes_xywh), height, width, self.card.channels), np.uint8)
        source = self._as_network_wants(image)
        for cut, (x, y, w, h) in zip(cuts, boxes_xywh.tolist(), strict=True):
            side = max(w, h) * (1 + 2 * self.options.margin)
            face = cut_turned(source, (x + w / 2, y + h / 2), side, 0.0, self.card.size_wh)
            cut[:] = face.reshape(cut.shape)
        return cuts

    def classify(self, cuts: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities of each class for faces that `cut` gave, shape (n, classes)."""
        if not len(cuts):
            return np.empty((0, len(self.classes)), np.float32)
        if self._network.path.suffix == ".onnx":
            return self._network.classify(cuts)
        with self._alone:  # Keras may not be called by two threads at once
            return self._network.classify(cuts)

    def name(self, probabilities: NDArray[np.float32]) -> str:
        """Return what a face with these probabilities is said to show."""
        return name_expression(probabilities, self.classes, self.options.threshold)

    def _as_network_wants(self, image: ImageArray) -> ImageArray:
        if self.card.channels == 1:
            return to_gray(image)
        change = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(image, change), np.uint8)

    def _faces(self, boxes: Boxes, answers: NDArray[np.float32]) -> list[Face]:
        return [
            Face(tuple(box), probabilities, self.name(probabilities), number)
            for number, (box, probabilities) in enumerate(
                zip(boxes.tolist(), answers, strict=True), 1
            )
        ]
