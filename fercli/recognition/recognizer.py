"""The recognizer: a cascade that detects faces and a model that classifies them, loaded once."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.detector import Detector, PathName
from fercli.cascade.model import bundled_cascade
from fercli.common.boxes import Box
from fercli.common.errors import ImageError, OptionError
from fercli.common.images import ImageArray, to_gray
from fercli.common.options import changed
from fercli.models.catalog import DEFAULT, open_model
from fercli.models.model_card import ModelCard, ModelSettings, describe_assumptions
from fercli.recognition.face_search import Boxes, FaceSearch
from fercli.recognition.landmark_detector import LandmarkDetector, angle_of
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

#: Images of more places for the smallest face are searched from coarse to fine: OpenCV's search of
#: so many takes a third of a second.
MANY_PLACES = 400_000

#: A face that is tracked needs so many neighbors fewer than one that is detected.
TRACKING_FEWER_NEIGHBORS = 2


class Recognizer:
    """Detects faces and classifies their expressions. Threads may share one.

    Parameters
    ----------
    cascade : path-like or a sequence of them, optional
        The cascade's file, or those of several, as `Detector`. Defaults to the one that fer ships.
    model : str
        A shipped model's name, or an ``.onnx`` or ``.keras`` file. Defaults to the one that fer
        ships.
    options : RecognitionOptions, optional
    settings : ModelSettings, optional
        What the metadata of the model's file lacks, such as its classes.
    **changes
        Fields of `options`, such as ``min_face=40`` or ``detector="yunet.onnx"``.

    Attributes
    ----------
    options : RecognitionOptions
    card : ModelCard
        Input, classes and normalization of the model.

    Raises
    ------
    CascadeFileError, InputError, OptionError, DependencyError
        As `Detector`, `LandmarkDetector` and `open_model`; both a cascade and a detector are given.
    """

    def __init__(
        self,
        cascade: PathName | Sequence[PathName] | None = None,
        model: str = DEFAULT,
        options: RecognitionOptions = DEFAULTS,
        settings: ModelSettings | None = None,
        **changes: Any,
    ) -> None:
        self._made_of = cascade, model, options, settings, changes
        self.options = changed(options, changes)
        self._model = open_model(model, settings)
        self._keras_lock = threading.Lock()
        self._search = FaceSearch(Detector(cascade or bundled_cascade()))
        self._landmark_detector: LandmarkDetector | None = None
        if self.options.detector is not None:
            if cascade:
                raise OptionError("Expected one of `cascade` and `detector`, got both")
            path, score = Path(self.options.detector), self.options.min_score
            self._landmark_detector = LandmarkDetector(path, score)
        #: Images of more places than so many are searched from coarse to fine; 0 for all.
        self.many_places = MANY_PLACES

    def __copy__(self) -> Recognizer:
        """Share cascade and model; `__reduce__` would open them anew."""
        copied = Recognizer.__new__(Recognizer)
        copied.__dict__.update(self.__dict__)
        return copied

    def __reduce__(self) -> tuple[object, ...]:
        """Travel by the names of the files, which the other process opens itself."""
        cascade, model, options, settings, changes = self._made_of
        return partial(Recognizer, **changes), (cascade, model, options, settings)

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
        self, images: Sequence[ImageArray] | ImageArray, *, quick: bool = False
    ) -> list[list[Face]]:
        """Return the faces of each image; all are classified in one call.

        Raises `ImageError` for a single color image, whose rows would be taken for images.
        """
        if isinstance(images, np.ndarray) and images.ndim == 3 and images.shape[2] == 3:
            raise ImageError(f"Expected several images, got one of the shape {images.shape}")
        if not len(images):
            return []
        side, least = (VIDEO_SIDE, VIDEO_FACE) if quick else (IMAGE_SIDE, IMAGE_FACE)
        found = [
            self.detect(to_gray(image), side=side, least=least, quick=quick or None)
            for image in images
        ]
        crops = [self.crop(one, boxes) for one, boxes in zip(images, found, strict=True)]
        probabilities = self.classify(np.concatenate(crops))
        ends = np.cumsum([len(boxes) for boxes in found])
        per_image = np.split(probabilities, ends[:-1])
        return [self._faces(*pair) for pair in zip(found, per_image, strict=True)]

    def load_search(self) -> None:
        """Make the fast search ready, which takes a second and, once on a machine, ten.

        For programs that look at many images: threads may go on meanwhile, with the same results.
        """
        if self._landmark_detector is None:
            self._search.load()

    def detect(
        self,
        gray: ImageArray,
        *,
        side: int = IMAGE_SIDE,
        least: float = IMAGE_FACE,
        quick: bool | None = None,
    ) -> Boxes:
        """Detect the faces of a whole image.

        Parameters
        ----------
        gray : ndarray of uint8, shape (height, width)
        side : int
            Longer side that a larger image is resized to, unless the options give a `resolution`
            or the smallest face needs more.
        least : float
            The smallest face as a share of the shorter side, unless the options give a `min_face`.
        quick : bool, optional
            Whether to search from coarse to fine (`FaceSearch.quick`) or exactly. Defaults to what
            suits the size of the image.

        Returns
        -------
        ndarray of int32, shape (n, 4)
            x, y, width, height, the largest first.
        """
        chosen = self.options
        side, min_face = self._search_size(gray.shape, side, least)
        if self._landmark_detector is not None:
            boxes = self._landmark_detector.detect(gray, side=side, min_face=min_face)
            boxes = boxes[np.argsort(-boxes[:, 2], kind="stable")]
            return boxes[:1] if chosen.largest else boxes
        if quick is None:
            smallest = max(min_face, self.window_side * max(max(gray.shape) / side, 1))
            quick = gray.size * (self.window_side / smallest) ** 2 > self.many_places
        boxes = (self._search.quick if quick else self._search.exact)(
            gray,
            side=side,
            min_face=min_face,
            scale_factor=chosen.scale_factor,
            min_neighbors=chosen.min_neighbors,
        )
        boxes = boxes[np.argsort(-boxes[:, 2], kind="stable")]
        return boxes[:1] if chosen.largest else boxes

    @property
    def window_side(self) -> int:
        """The width of the smallest face that can be detected, in the image that is searched."""
        if self._landmark_detector is not None:
            return self._landmark_detector.window
        return int(self._search.window_wh[0])

    def smallest_face(self, image: ImageArray, *, video: bool = False) -> int:
        """Return the width of the smallest face that is detected in an image, in its pixels."""
        shape = image.shape[:2]
        defaults = (VIDEO_SIDE, VIDEO_FACE) if video else (IMAGE_SIDE, IMAGE_FACE)
        side, min_face = self._search_size(shape, *defaults)
        return int(max(min_face, math.ceil(self.window_side * max(max(shape) / side, 1))))

    def _search_size(self, shape: tuple[int, ...], side: int, least: float) -> tuple[int, int]:
        """Return the longer side of the image that is searched, and the smallest face.

        Without a resolution of the user's, the image is large enough for the smallest face.
        """
        chosen, window = self.options, self.window_side
        min_face = chosen.min_face or max(round(least * min(shape)), window)
        needed = math.ceil(max(shape) * window / max(min_face, window))
        return chosen.resolution or max(side, needed), min_face

    def track(self, gray: ImageArray, boxes_xywh: Boxes, *, strict: bool = False) -> Boxes:
        """Track faces: return those that are near boxes of a moment before.

        Parameters
        ----------
        gray : ndarray of uint8, shape (height, width)
        boxes_xywh : ndarray of int32, shape (n, 4)
        strict : bool
            Whether as many windows must agree as where faces are detected. Defaults to False: a
            face is likely there, fewer suffice.

        Returns
        -------
        ndarray of int32, shape (m, 4)
        """
        chosen = self.options
        if self._landmark_detector is not None:
            return self._landmark_detector.track(gray, boxes_xywh, strict=strict)
        fewer = 0 if strict else TRACKING_FEWER_NEIGHBORS
        return self._search.track(
            gray,
            boxes_xywh,
            scale_factor=chosen.scale_factor,
            min_neighbors=max(chosen.min_neighbors - fewer, 0),
        )

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
            angle = self._angle(image, (x, y, w, h))
            face = cut_turned(source, (x + w / 2, y + h / 2), side, angle, self.card.size_wh)
            crop[:] = face.reshape(crop.shape)
        return crops

    def _angle(self, image: ImageArray, box_xywh: Box) -> float:
        """Return how far a face is turned, by its landmarks; 0 without a detector of these."""
        if self._landmark_detector is None:
            return 0.0
        landmarks = self._landmark_detector.landmarks(image, box_xywh)
        return 0.0 if landmarks is None else angle_of(landmarks)

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
