"""The recognizer: a cascade that detects faces and a model that classifies them, loaded once."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.detector import Detector
from fercli.cascade.model import bundled_cascade
from fercli.common.images import ImageArray, to_gray
from fercli.common.options import changed
from fercli.models.catalog import DEFAULT, open_model
from fercli.models.model_card import ModelCard, ModelSettings, describe_assumptions
from fercli.recognition.face_search import Boxes, detect_faces, detect_faces_quickly, track_face
from fercli.recognition.options import (
    IMAGE_FACE,
    IMAGE_SIDE,
    VIDEO_FACE,
    VIDEO_SIDE,
    RecognitionOptions,
    VideoOptions,
)
from fercli.recognition.results import Face, FrameFaces, Summary, VideoFaces, label_of

DEFAULTS = RecognitionOptions()

#: A face that is tracked needs so many neighbors fewer than one that is detected.
LENIENT = 2


class Recognizer:
    """Detects faces and classifies their expressions. Threads may share one.

    Parameters
    ----------
    cascade : path-like, optional
        The cascade's file. Defaults to the one that fer ships.
    model : str
        A shipped model's name, or an ``.onnx`` or ``.keras`` file. Defaults to the one that fer
        ships.
    options : RecognitionOptions, optional
    settings : ModelSettings, optional
        What the metadata of the model's file lacks, such as its classes.
    **changes
        Fields of `options`, such as ``min_face=40``.

    Attributes
    ----------
    options : RecognitionOptions
    card : ModelCard
        Input, classes and normalization of the model.

    Raises
    ------
    CascadeFileError, InputError, OptionError, DependencyError
        As `Detector` and `open_model`.
    """

    def __init__(
        self,
        cascade: str | PathLike[str] | None = None,
        model: str = DEFAULT,
        options: RecognitionOptions = DEFAULTS,
        settings: ModelSettings | None = None,
        **changes: Any,
    ) -> None:
        self.cascade = Path(cascade) if cascade else bundled_cascade()
        self.options = changed(options, changes)
        self._model = open_model(model, settings)
        self._keras_lock = threading.Lock()
        self._detector = Detector(self.cascade)

    @property
    def card(self) -> ModelCard:
        """Input, classes and normalization of the model."""
        return self._model.card

    @property
    def assumptions(self) -> str | None:
        """One line on what was assumed of a model whose file does not state it."""
        return describe_assumptions(self.card, self._model.path)

    @property
    def classes(self) -> tuple[str, ...]:
        """The expressions, in the order of the probabilities."""
        return self._model.card.classes

    def recognize(self, image: ImageArray, *, quick: bool = False) -> list[Face]:
        """Return the faces of an image, the largest first.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width) or (height, width, 3)
            Gray or BGR.
        quick : bool
            Whether faces are detected as in a frame of a video: faster, and a few are missed.
            Defaults to False.
        """
        return self.recognize_many([image], quick=quick)[0]

    def recognize_video(
        self, path: str | PathLike[str], *, thumbnails: bool = False, **options: Any
    ) -> VideoFaces:
        """Yield the frames of a video with their faces, in order; people keep their numbers.

        Parameters
        ----------
        path : path-like
        thumbnails : bool
            Whether the summary keeps the clearest face of each person with each label. Defaults
            to False.
        **options
            Fields of `VideoOptions`, such as ``every=2``, ``start=10``, ``end=20``.

        Returns
        -------
        VideoFaces
            Yields `FrameFaces`; its `summary` has each person's share of the time and of each
            expression so far.

        Raises
        ------
        OptionError
            An option is unknown or out of range.
        VideoError
            The video cannot be read; raised with the first frame.
        """
        frames = self._video_frames(Path(path), changed(VideoOptions(), options))
        return VideoFaces(frames, Summary(thumbnails=thumbnails))

    def _video_frames(self, path: Path, options: VideoOptions) -> Generator[FrameFaces, None, None]:
        from fercli.recognition.pipeline import recognize_frames
        from fercli.recognition.sources.video_file import VideoFile

        with VideoFile(path) as video:
            frames = video.frames(options.start, options.end)
            with closing(recognize_frames(self, frames, options)) as found:
                yield from found

    def recognize_many(
        self, images: Sequence[ImageArray], *, quick: bool = False
    ) -> list[list[Face]]:
        """Return the faces of each image; all are classified in one call."""
        if not len(images):
            return []
        side, least = (VIDEO_SIDE, VIDEO_FACE) if quick else (IMAGE_SIDE, IMAGE_FACE)
        found = [
            self.detect(to_gray(image), side=side, least=least, quick=quick) for image in images
        ]
        crops = [self.crop(one, boxes) for one, boxes in zip(images, found, strict=True)]
        probabilities = self.classify(np.concatenate(crops))
        ends = np.cumsum([len(boxes) for boxes in found])
        per_image = np.split(probabilities, ends[:-1])
        return [self._faces(*pair) for pair in zip(found, per_image, strict=True)]

    def detect(
        self,
        gray: ImageArray,
        *,
        side: int = IMAGE_SIDE,
        least: float = IMAGE_FACE,
        quick: bool = False,
    ) -> Boxes:
        """Detect the faces of a whole image.

        Parameters
        ----------
        gray : ndarray of uint8, shape (height, width)
        side : int
            Longer side that a larger image is resized to, unless the options give a `resolution`.
        least : float
            The smallest face as a share of the shorter side, unless the options give a `min_face`.
        quick : bool
            Whether to detect in a fraction of the time and miss a few. Defaults to False.

        Returns
        -------
        ndarray of int32, shape (n, 4)
            x, y, width, height, the largest first.
        """
        chosen = self.options
        side, min_face = self._search_size(gray.shape, side, least)
        boxes = (detect_faces_quickly if quick else detect_faces)(
            self._detector,
            gray,
            side=side,
            min_face=min_face,
            scale_factor=chosen.scale_factor,
            min_neighbors=chosen.min_neighbors,
        )
        boxes = boxes[np.argsort(-boxes[:, 2], kind="stable")]
        return boxes[:1] if chosen.largest else boxes

    def smallest_face(self, image: ImageArray, *, video: bool = False) -> int:
        """Return the width of the smallest face that is detected in an image, in its pixels."""
        shape = image.shape[:2]
        defaults = (VIDEO_SIDE, VIDEO_FACE) if video else (IMAGE_SIDE, IMAGE_FACE)
        side, min_face = self._search_size(shape, *defaults)
        window = int(self._detector.cascade.size_wh[0])
        return int(max(min_face, math.ceil(window * max(max(shape) / side, 1))))

    def _search_size(self, shape: tuple[int, ...], side: int, least: float) -> tuple[int, int]:
        """Return the longer side of the image that is searched, and the smallest face.

        Where the user says the smallest face but no resolution, the image is large enough for it.
        """
        chosen = self.options
        if chosen.min_face is None:
            return chosen.resolution or side, round(least * min(shape))
        window = self._detector.cascade.size_wh[0]
        needed = math.ceil(max(shape) * window / max(chosen.min_face, window))
        return chosen.resolution or max(side, needed), chosen.min_face

    def track(self, gray: ImageArray, box_xywh: tuple[int, int, int, int]) -> Boxes:
        """Track a face: return its box near the box of a moment before, shape (0 or 1, 4)."""
        chosen = self.options
        return track_face(
            self._detector,
            gray,
            box_xywh,
            scale_factor=chosen.scale_factor,
            # A face is likely there: fewer windows suffice as evidence.
            min_neighbors=max(chosen.min_neighbors - LENIENT, 0),
        )[:1]

    def crop(self, image: ImageArray, boxes_xywh: Boxes) -> NDArray[np.uint8]:
        """Crop faces and resize them to the model's input.

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
        # Imported late: it imports more than recognition needs.
        from fercli.datasets.face_boxes import cut_turned

        width, height = self.card.size_wh
        crops = np.empty((len(boxes_xywh), height, width, self.card.channels), np.uint8)
        source = self._to_input_channels(image)
        for crop, (x, y, w, h) in zip(crops, boxes_xywh.tolist(), strict=True):
            side = max(w, h) * (1 + 2 * self.options.margin)
            face = cut_turned(source, (x + w / 2, y + h / 2), side, 0.0, self.card.size_wh)
            crop[:] = face.reshape(crop.shape)
        return crops

    def classify(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities of each class for crops of `crop`, shape (n, classes)."""
        if not len(crops):
            return np.empty((0, len(self.classes)), np.float32)
        if self._model.path.suffix == ".onnx":
            return self._model.classify(crops)
        with self._keras_lock:  # Keras may not be called by two threads at once
            return self._model.classify(crops)

    def label(self, probabilities: NDArray[np.float32]) -> str:
        """Return the label of a face with these probabilities."""
        return label_of(probabilities, self.classes, self.options.threshold)

    def _to_input_channels(self, image: ImageArray) -> ImageArray:
        if self.card.channels == 1:
            return to_gray(image)
        change = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(image, change), np.uint8)

    def _faces(self, boxes: Boxes, probabilities: NDArray[np.float32]) -> list[Face]:
        return [
            Face(tuple(box), values, self.label(values), number)
            for number, (box, values) in enumerate(
                zip(boxes.tolist(), probabilities, strict=True), 1
            )
        ]
