"""The store: the images of a folder, and what has been said of each, saved at once.

It is safe to be asked by several threads, and refuses what was made from an older version of an
image's boxes than it holds.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from fercli.annotations.base import AnnotatedImage, Reason, Record
from fercli.annotations.opencv_lists import read_background_list, write_background_list
from fercli.common.boxes import Box
from fercli.common.errors import FerError, InputError
from fercli.common.files import find_files, output_error, parse_json, read_text, write_text
from fercli.labeling.box_output import BoxOutput, keep_original

Size = tuple[int, int]

#: How far an image is. Begun: it has boxes, but nobody has said that they are all.
State = Literal["unseen", "begun", "done", "negative"]


@dataclass(frozen=True)
class ImageAnnotation:
    """What a person has said of one image.

    Parameters
    ----------
    boxes_xywh : tuple of (int, int, int, int)
        The boxes: x, y of the top-left pixel (from 0), width, height.
    ignored_xywh : tuple of (int, int, int, int)
        Boxes that count neither for nor against; in a review of false alarms, the detections that
        really are the object.
    negative : bool
        Whether the image was said to hold no object. Boxes win over it.
    done : bool
        Whether the boxes are all that there are. Defaults to True, as in files of others.
    labels, ignored_labels : tuple of str
        The class of each box; none where there is only one class.
    reasons : tuple of Reason
        Why each of `ignored_xywh` is not counted; none where all are to be ignored.
    """

    boxes_xywh: tuple[Box, ...] = ()
    ignored_xywh: tuple[Box, ...] = ()
    negative: bool = False
    done: bool = True
    labels: tuple[str, ...] = ()
    ignored_labels: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def state(self) -> State:
        """How far the image is."""
        if self.boxes_xywh or (self.ignored_xywh and not self.negative):
            return "done" if self.done else "begun"
        return "negative" if self.negative else "unseen"

    @property
    def content(self) -> tuple[object, ...]:
        """All but whether it is done: what files of boxes hold."""
        content = self.boxes_xywh, self.ignored_xywh, self.negative
        labels = self.labels, self.ignored_labels
        reasons = tuple(map(int, self.reasons)) if set(self.reasons) - {Reason.IGNORED} else ()
        return (*content, *(labels if any(labels) else ()), *reasons)

    def revision(self, name: str) -> str:
        """Return what changes with the content, and is another for an image of another name.

        It is a digest rather than a count, so that it holds over a new start of the program and
        when a file is edited by hand.
        """
        content = repr((name, *self.content))
        return hashlib.blake2b(
            content.encode("utf-8", "surrogateescape"), digest_size=8
        ).hexdigest()


# The progress file: what the formats of boxes have no place for.
#
# Beside ``info.dat`` lies ``info.dat.progress.json``: which images were left with unfinished
# boxes, and how large images are. The boxes themselves are in the file that it is named after,
# and there alone.


@dataclass
class ProgressFile:
    """What is in a progress file; images by their name in the folder.

    Parameters
    ----------
    path : Path
    begun : set of str
        Images whose boxes are not all drawn.
    sizes_wh : dict of str to (int, int)
        Sizes of images that were opened.
    known : bool
        Whether there was such a file: the boxes beside it are then fer's own.
    """

    path: Path
    begun: set[str] = field(default_factory=set)
    sizes_wh: dict[str, tuple[int, int]] = field(default_factory=dict)
    known: bool = False

    def write(self) -> None:
        """Write the file, whole or not at all."""
        content = {"begun": sorted(self.begun), "sizes": self.sizes_wh}
        write_text(self.path, json.dumps(content) + "\n", overwrite=True)
        self.known = True


def progress_of(out: Path) -> ProgressFile:
    """Return the progress beside an output; an empty one if there is none.

    Raises
    ------
    InputError
        The file is not one of fer's.
    """
    path = out.with_name(f"{out.name}.progress.json")
    if not path.exists():
        return ProgressFile(path)
    try:
        content = parse_json(read_text(path))
        begun = {str(name) for name in content["begun"]}
        sizes = {str(name): (int(w), int(h)) for name, (w, h) in content["sizes"].items()}
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError) as error:
        raise InputError(
            "The file is not the progress of an annotation",
            hint="remove it; it only tells which images are unfinished",
            path=path,
        ) from error
    return ProgressFile(path, begun, sizes, known=True)


# The store


class ConflictError(FerError):
    """Raised when an image's boxes have changed since the version that was worked on."""


class AnnotationStore:
    """The images of a folder and what has been said of them.

    Parameters
    ----------
    output : BoxOutput
        Where the boxes are kept.
    backgrounds : Path or None
        The list of images without the object; None: the output itself lists them.
    images : sequence of Path
        In and below the output's folder.
    progress : ProgressFile

    Raises
    ------
    FerError
        What is there already cannot be read.
    """

    def __init__(
        self,
        output: BoxOutput,
        backgrounds: Path | None,
        images: Sequence[Path],
        progress: ProgressFile,
    ) -> None:
        self.output = output
        self.backgrounds = backgrounds
        self.images = tuple(images)
        self.names = tuple(path.relative_to(output.folder).as_posix() for path in images)
        self._numbers = {key_of(path): at for at, path in enumerate(self.images)}
        self._annotations = [ImageAnnotation()] * len(self.images)
        self._fractions: dict[int, Record] = {}
        self._others: list[AnnotatedImage] = []
        self._other_backgrounds: list[Path] = []
        self._contradicted = False
        self._progress = progress
        self._lock = threading.RLock()
        self._read()

    def states(self) -> list[tuple[str, int]]:
        """Return the state and the number of boxes of each image."""
        with self._lock:
            return [self._state(at) for at in range(len(self.images))]

    def counts(self) -> dict[str, int]:
        """Return how many images there are of each state, and how many boxes."""
        states = self.states()
        counts = dict.fromkeys(("unseen", "begun", "done", "negative"), 0)
        counts.update(Counter(state for state, _ in states))
        return {**counts, "boxes": sum(boxes for _, boxes in states)}

    def annotation(self, number: int, size_wh: Size | None = None) -> ImageAnnotation:
        """Return what has been said of an image.

        Parameters
        ----------
        number : int
            The image's place in `images`.
        size_wh : (int, int), optional
            The image's size, which boxes that are fractions of it need. Defaults to reading it
            where they are.

        Raises
        ------
        ImageError
            The size is needed and the image cannot be read.
        """
        with self._lock:
            record = self._fractions.get(number)
            if record is not None:
                found = record.in_pixels(size_wh)
                del self._fractions[number]
                done = self._is_done(number)
                self._annotations[number] = ImageAnnotation(
                    found.boxes_xywh,
                    found.ignored_xywh,
                    done=done,
                    labels=self._labels_of(record),
                    ignored_labels=self._labels_of(record, ignored=True),
                    reasons=found.reasons,
                )
            return self._annotations[number]

    def save(
        self, number: int, annotation: ImageAnnotation, revision: str, size_wh: Size
    ) -> ImageAnnotation:
        """Keep what was said of an image, in memory and in the files.

        Parameters
        ----------
        number : int
            The image's place in `images`.
        annotation : ImageAnnotation
        revision : str
            Of the version that it was made from.
        size_wh : (int, int)
            The image's size.

        Raises
        ------
        ConflictError
            Someone else has said something else meanwhile, and not the same.
        OutputError
            A file cannot be written. The store is then as before, and a save that succeeds makes
            the files agree with it.
        """
        with self._lock:
            before = self.annotation(number, size_wh)
            name = self.names[number]
            if revision != before.revision(name) != annotation.revision(name):
                raise ConflictError(f"{name} was changed elsewhere meanwhile")
            self._annotations[number] = annotation
            try:
                self._write(number, before, size_wh)
            except BaseException:
                self._annotations[number] = before
                self._note_begun(number)
                raise
            return annotation

    def mend(self) -> None:
        """Make files agree where a process was killed between two: boxes win.

        Raises
        ------
        OutputError
            A file cannot be written.
        """
        if self._progress.known:
            self.output.mend(self._annotated())
            if self._contradicted:
                self._write_backgrounds()

    def _state(self, number: int) -> tuple[str, int]:
        record = self._fractions.get(number)
        if record is not None:
            return "done" if self._is_done(number) else "begun", len(record.boxes)
        annotation = self._annotations[number]
        return annotation.state, len(annotation.boxes_xywh)

    def _read(self) -> None:
        for record in self.output.read():
            self._take(record)
        if self.backgrounds is not None and self.backgrounds.exists():
            for path in read_background_list(self.backgrounds):
                number = self._numbers.get(key_of(path))
                if number is None:
                    self._other_backgrounds.append(path)
                elif self._state(number)[0] == "unseen":
                    self._annotations[number] = ImageAnnotation(negative=True)
                elif self._state(number)[0] != "negative":
                    self._contradicted = True

    def _take(self, record: Record) -> None:
        number = self._numbers.get(key_of(record.path))
        if number is None:
            if self.output.one_file:
                labels, others = self._labels_of(record), self._labels_of(record, ignored=True)
                image = replace(record.in_pixels(), labels=labels, ignored_labels=others)
                self._others.append(image)
        elif record.normalized and record.boxes:
            self._fractions[number] = record
        else:
            self._annotations[number] = self._joined(number, record)

    def _labels_of(self, record: Record, *, ignored: bool = False) -> tuple[str, ...]:
        """Return the classes of a record's boxes; none where there is only one class."""
        if not self.output.classes:
            return ()
        return tuple(box.label for box in record.boxes if bool(box.ignored) == ignored)

    def _joined(self, number: int, record: Record) -> ImageAnnotation:
        """Return what several records of one image say together."""
        before, found = self._annotations[number], record.in_pixels()
        return ImageAnnotation(
            before.boxes_xywh + found.boxes_xywh,
            before.ignored_xywh + found.ignored_xywh,
            negative=self.backgrounds is None and not (before.boxes_xywh or found.boxes_xywh),
            done=self._is_done(number),
            labels=before.labels + self._labels_of(record),
            ignored_labels=before.ignored_labels + self._labels_of(record, ignored=True),
            reasons=before.reasons + found.reasons,
        )

    def _is_done(self, number: int) -> bool:
        """Whether boxes that were read are all; so they are unless fer's own progress denies it."""
        return self.names[number] not in self._progress.begun

    def _keep_originals(self) -> None:
        """Copy the files of others before the first change."""
        if not self._progress.known:
            self.output.keep_original()
            keep_original(self.backgrounds)
            self._progress.write()

    def _write(self, number: int, before: ImageAnnotation, size_wh: Size) -> None:
        """Write what has changed, errors of the system named."""
        try:
            self._keep_originals()
            self._write_progress(number, size_wh)
            self._write_boxes(number, before)
        except OSError as error:
            raise output_error(error, self.output.path) from error

    def _write_progress(self, number: int, size_wh: Size) -> None:
        self._progress.sizes_wh[self.names[number]] = size_wh
        self._note_begun(number)
        self._progress.write()

    def _write_boxes(self, number: int, before: ImageAnnotation) -> None:
        """Write boxes before the list of negatives, since they win over it."""
        annotation = self._annotations[number]
        if annotation.content != before.content:
            self.output.write(self._annotated(), self._plain(number))
        if (annotation.state == "negative") != (before.state == "negative"):
            self._write_backgrounds()

    def _note_begun(self, number: int) -> None:
        begun, name = self._progress.begun, self.names[number]
        (begun.add if self._annotations[number].state == "begun" else begun.discard)(name)

    def _annotated(self) -> list[AnnotatedImage]:
        """Return all that something was said of."""
        told = (n for n in range(len(self.images)) if n not in self._fractions and self._told(n))
        return [*self._others, *(self._plain(number) for number in told)]

    def _told(self, number: int) -> bool:
        return self._annotations[number].state != "unseen" or bool(
            self._annotations[number].ignored_xywh
        )

    def _plain(self, number: int) -> AnnotatedImage:
        annotation, size = (
            self._annotations[number],
            self._progress.sizes_wh.get(self.names[number]),
        )
        return AnnotatedImage(
            self.images[number],
            annotation.boxes_xywh,
            annotation.ignored_xywh,
            size,
            annotation.labels,
            annotation.ignored_labels,
            annotation.reasons,
        )

    def _write_backgrounds(self) -> None:
        if self.backgrounds is None:
            return
        states = enumerate(self.states())
        ours = [self.images[number] for number, (state, _) in states if state == "negative"]
        listed = [*self._other_backgrounds, *ours]
        if listed:
            write_background_list(self.backgrounds, listed, overwrite=True)
        else:
            self.backgrounds.unlink(missing_ok=True)


def open_store(output: BoxOutput, backgrounds: Path | None = None) -> AnnotationStore:
    """Return the store of a folder of images, none of which is opened yet.

    Parameters
    ----------
    output : BoxOutput
        Where the boxes are kept; names the folder.
    backgrounds : Path, optional
        The list of images without the object. Defaults to none: the output lists them.

    Raises
    ------
    InputError
        There is no image, or what is there already cannot be read.
    OptionError
        The output cannot hold an image's name.
    """
    images = [path for path in find_files(output.folder) if not output.has_made(path)]
    if not images:
        raise InputError("There are no images", path=output.folder)
    output.require_names(images)
    store = AnnotationStore(output, backgrounds, images, progress_of(output.path))
    store.mend()
    return store


def key_of(path: Path) -> tuple[str, str]:
    """Return what is the same for all names of an image: its real folder, and its own name."""
    return _real(path.parent), path.name


@lru_cache(maxsize=4096)
def _real(folder: Path) -> str:
    return str(folder.resolve())
