"""What the page of annotation works on: images or frames, what is said of them, what suggests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import DEFAULTS
from fercli.common.progress import SILENT, Progress
from fercli.labeling.box_output import BoxOutput
from fercli.labeling.images import Finder, ImageCache
from fercli.labeling.quick_training import QuickTraining
from fercli.labeling.review import ReviewOutput
from fercli.labeling.store import AnnotationStore, open_store
from fercli.labeling.video import FrameTracker, extract_frames


@dataclass(frozen=True)
class AnnotateSettings:
    """What is annotated, and how.

    Parameters
    ----------
    folder : Path
        The images.
    out : Path
        Where the boxes go; in a review, the list of extra negatives.
    format : str, optional
        Of `out`. Defaults to what its name says.
    backgrounds : Path, optional
        The list of images without the object. Defaults to ``bg.txt`` beside `out`.
    cascade : Path, optional
        Finds what is suggested, or reviewed. Defaults to no suggestions.
    review : bool
        Whether the cascade's false alarms are reviewed. Defaults to False.
    window_wh : (int, int), optional
        The window whose shape boxes can be held to. Defaults to a square, at first not held to.
    detection : DetectionOptions
        How the cascade searches.
    classes : tuple of str
        The classes of boxes. Defaults to one, which the output names.
    more_backgrounds : Path, optional
        Images without the object for quick trainings, besides the finished ones.
    every : int, optional
        `folder` is a video, of which every n-th frame is annotated; the frames go to the folder
        ``NAME_frames`` beside `out`. Defaults to a folder of images.
    """

    folder: Path
    out: Path
    format: str | None = None
    backgrounds: Path | None = None
    cascade: Path | None = None
    review: bool = False
    window_wh: tuple[int, int] | None = None
    detection: DetectionOptions = DEFAULTS
    classes: tuple[str, ...] = ()
    more_backgrounds: Path | None = None
    every: int | None = None


@dataclass(frozen=True)
class LabelingSession:
    """What the page works on.

    Parameters
    ----------
    settings : AnnotateSettings
    store : AnnotationStore
    images : ImageCache
    training : QuickTraining or None
        None in a review.
    tracker : FrameTracker or None
        None where the images are no frames.
    """

    settings: AnnotateSettings
    store: AnnotationStore
    images: ImageCache
    training: QuickTraining | None = None
    tracker: FrameTracker | None = None


def open_session(settings: AnnotateSettings, *, progress: Progress = SILENT) -> LabelingSession:
    """Return what the page works on, as it was left; frames of a video are written first.

    Raises
    ------
    FerError
        There are no images, the output is malformed or cannot hold their names, the cascade or
        the video cannot be used.
    """
    if settings.every is not None:
        frames = settings.out.with_name(f"{settings.out.stem}_frames")
        extract_frames(settings.folder, frames, settings.every, progress=progress)
        settings = replace(settings, folder=frames)
    if settings.review:
        store = open_store(ReviewOutput(settings.out, settings.folder))
    else:
        output = BoxOutput(settings.out, settings.folder, settings.format, settings.classes)
        backgrounds = settings.backgrounds or settings.out.parent / "bg.txt"
        store = open_store(output, backgrounds)
    finder = None if settings.cascade is None else Finder(settings.cascade, settings.detection)
    images = ImageCache(store.images, finder)
    if settings.review:
        return LabelingSession(settings, store, images)
    training = QuickTraining(
        store,
        images,
        settings.out.with_name(f"{settings.out.stem}_cascade"),
        detection=settings.detection,
        window_wh=settings.window_wh,
        backgrounds=settings.more_backgrounds,
    )
    if finder is None:
        training.restore()
    tracker = None if settings.every is None else FrameTracker(store)
    return LabelingSession(settings, store, images, training, tracker)
