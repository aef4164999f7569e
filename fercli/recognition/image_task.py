"""What is done with an image, here or by a worker of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fercli.common.errors import InputError, image_errors
from fercli.common.images import ImageArray, read_color, write_image
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import Face, InputResult
from fercli.recognition.sinks.draw import Strips, draw_faces
from fercli.recognition.sinks.outputs import Outputs
from fercli.recognition.sources.inputs import Input
from fercli.recognition.thumbnails import Thumbnails

#: A face is near the smallest that is detected if it is less than so many times as wide.
NEAR = 1.3
SMALLER_FACES = "smaller faces may be missed; a smaller `min_face` detects them"


@dataclass(frozen=True)
class InputJob:
    """An input, and where its annotated copy, if any, and its plots go."""

    source: Input
    saved: Path | None
    plots: tuple[Path, ...]


@dataclass(frozen=True)
class ImageTask:
    """What is done with an image, here or by a worker of a cluster."""

    recognizer: Recognizer
    outputs: Outputs

    def __call__(self, job: InputJob) -> tuple[InputResult, str]:
        """Return the result, and what suggests that there are smaller faces."""
        result, detail, _ = self.classify(job)
        return result, detail

    def classify(self, job: InputJob) -> tuple[InputResult, str, ImageArray | None]:
        """Return as `__call__`, and the image, if it can be read."""
        path, result = job.source.path, InputResult(job.source)
        try:
            with image_errors(path):
                image = read_color(path, result.notes)
                faces = result.faces = self.recognizer.recognize(image)
                if self.outputs.keeps_thumbnails():
                    result.thumbnails = Thumbnails()
                    result.thumbnails.add_image(image, faces)
                detail = self._near_limit(image, faces)
                result.notes += [f"{detail}: {SMALLER_FACES}"] if detail else []
                if job.saved is not None:
                    drawn = draw(image, faces, self.recognizer.classes, self.outputs)
                    write_image(job.saved, drawn, overwrite=self.outputs.overwrite)
                    result.saved = job.saved
        except InputError as error:
            return InputResult(job.source, error=str(error)), "", None
        return result, detail, image

    def _near_limit(self, image: ImageArray, faces: Sequence[Face]) -> str:
        limit = self.recognizer.smallest_face(image)
        smallest = min((face.box_xywh[2] for face in faces), default=None)
        least = NEAR * self.recognizer.window_side
        return near_limit(smallest, limit, searched_smaller=limit >= least)


def draw(
    image: ImageArray, faces: Sequence[Face], classes: Sequence[str], outputs: Outputs
) -> ImageArray:
    """Return an image with its faces; the bars are in a strip where they find no room."""
    strip: Strips = "always" if outputs.strip else "auto"
    return draw_faces(image, faces, classes, bars=outputs.bars, strip=strip)


def near_limit(smallest: int | None, limit: int, *, searched_smaller: bool = False) -> str:
    """Return what suggests that there are faces under the smallest size that is detected."""
    if smallest is not None and smallest < NEAR * limit:
        return f"has a face of {smallest} pixels, near the least of {limit} that is detected"
    if smallest is None and searched_smaller:
        return f"was searched at a lower resolution, for faces of at least {limit} pixels"
    return ""
