"""The review: which detections in background images are false alarms, and crops of those.

What was said of the detections is kept as COCO's JSON beside the list of crops: false alarms as
objects, detections that really are the object as crowds, which count neither way. The crops and
their list follow from it.

A false alarm is cut out with as much around it as half its size on each side. In training each
image of ``bg.txt`` gets its turn in each round of the search for negatives, in the early stages
as well: a crop shows the windows on and around the false alarm each time, a whole photograph a few
out of hundreds of thousands. What is around it gives the same false alarm shifted and at other
scales.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fercli.annotations.base import AnnotatedImage
from fercli.annotations.opencv_lists import write_background_list
from fercli.common.boxes import Box, clip_box, fit_box
from fercli.common.errors import ImageError, OptionError, OutputExistsError
from fercli.common.files import relative_name
from fercli.common.images import read_color, write_image
from fercli.labeling.box_output import BoxOutput

#: What is cut out around a false alarm, on each side, as a share of its size.
AROUND = 0.5


class ReviewOutput(BoxOutput):
    """The judgement of detections, and the extra negatives that follow from it.

    Parameters
    ----------
    out : Path
        The list of crops, for ``fer cascade train --bg``. ``NAME.json`` beside it holds the
        judgement, the folder ``NAME_crops`` the crops.
    folder : Path
        The folder of the backgrounds.

    Raises
    ------
    OutputExistsError
        There is a list of that name that no review has written.
    OptionError
        `out` is called as the judgement would be.
    """

    def __init__(self, out: Path, folder: Path) -> None:
        super().__init__(out.with_suffix(".json"), folder, "coco")
        if out == self.path:
            raise OptionError(f"Expected the name of a list such as extra.txt, got {str(out)!r}")
        self.list = out
        self.crops = out.with_name(f"{out.stem}_crops")
        if out.exists() and not self.path.exists():
            raise OutputExistsError("already exists", hint="use another name", path=out)

    def write(self, images: Sequence[AnnotatedImage], changed: AnnotatedImage) -> None:
        """Write the judgement, then the crops of the image that has changed, then their list.

        Parameters as `BoxOutput.write`.

        Raises
        ------
        ImageError, OutputError
            A crop cannot be made or written.
        """
        super().write(images, changed)
        self._cut(changed)
        self._list(images)
        self._remove_others(changed)

    def mend(self, images: Sequence[AnnotatedImage]) -> None:
        """Cut what is missing of `images` that are still there, and list all crops."""
        for image in images:
            with suppress(ImageError):
                self._cut(image)
        self._list(images)

    def has_made(self, image: Path) -> bool:
        """Whether an image is a crop."""
        return image.absolute().is_relative_to(self.crops.absolute())

    def _list(self, images: Sequence[AnnotatedImage]) -> None:
        crops = [self._crop_of(each, box) for each in images for box in each.boxes_xywh]
        there = [path for path in crops if path.exists()]
        if there:
            write_background_list(self.list, there, overwrite=True)
        else:
            self.list.unlink(missing_ok=True)

    def _cut(self, image: AnnotatedImage) -> None:
        missing = [box for box in image.boxes_xywh if not self._crop_of(image, box).exists()]
        pixels = read_color(image.path) if missing else None
        for box in missing:
            assert pixels is not None
            found = crop_box(box, (pixels.shape[1], pixels.shape[0]), image.ignored_xywh)
            if found is not None:
                x, y, width, height = found
                crop = pixels[y : y + height, x : x + width]
                write_image(self._crop_of(image, box), crop, overwrite=True)

    def _remove_others(self, image: AnnotatedImage) -> None:
        """Remove the crops of boxes that the image no longer has."""
        wanted = {self._crop_of(image, box).name for box in image.boxes_xywh}
        for path in self.crops.glob(f"{self._stem(image)}-*.png"):
            if path.name not in wanted:
                path.unlink()

    def _crop_of(self, image: AnnotatedImage, box: Box) -> Path:
        x, y, width, height = box
        content = repr((box, image.ignored_xywh)).encode()
        version = hashlib.blake2b(content, digest_size=2).hexdigest()
        name = f"{self._stem(image)}-{x}_{y}_{width}x{height}-{version}.png"
        return self.crops / name

    def _stem(self, image: AnnotatedImage) -> str:
        """Return a name that any list can hold, another for each image."""
        name = relative_name(image.path, self.folder)
        digest = hashlib.blake2b(os.fsencode(name), digest_size=4)
        return re.sub(r"[^A-Za-z0-9_]", "_", name)[:100] + "-" + digest.hexdigest()


def crop_box(box_xywh: Box, image_wh: tuple[int, int], objects_xywh: Sequence[Box]) -> Box | None:
    """Return what is cut out for a false alarm: no part of an object, if that can be.

    Parameters
    ----------
    box_xywh : (int, int, int, int)
        The false alarm.
    image_wh : (int, int)
    objects_xywh : sequence of (int, int, int, int)
        Real objects in the image. Where one is near, nothing around the false alarm is taken.

    Returns
    -------
    (int, int, int, int) or None
        None where most of the box lies outside the image.
    """
    wide = fit_box(box_xywh, image_wh, padding=AROUND)
    if wide is None or any(_touch(wide, each) for each in objects_xywh):
        return clip_box(box_xywh, image_wh)
    return wide


def _touch(one: Box, other: Box) -> bool:
    return all(
        one[at] < other[at] + other[at + 2] and other[at] < one[at] + one[at + 2] for at in (0, 1)
    )
