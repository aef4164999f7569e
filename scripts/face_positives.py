"""Make the positives of the face cascade: ``face_positives.py FACES.vec --out POSITIVES.vec``.

Every face is shown shifted, scaled, turned, lighter or darker, blurred, noisy and mirrored by
chance, ``--copies`` times. With ``--fer2013 fer2013.csv --aligner CASCADE.xml`` the faces of
FER-2013's Training rows are added: photographs of 48×48 pixels from the web, with all kinds of
light, expressions and sharpness, which the sharp faces of the ``.vec`` lack. The cascade finds each
of them in its image, so that all are framed alike; those that it does not find, or not often
enough to trust the box, are left out and counted. The recipe ``frontalface`` says which options the
cascade that comes with fer was trained with.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.model import read_cascade, write_cascade
from fercli.cascade.samples.vec import read_vec, write_vec
from fercli.cascade.training.augmentation import degrade, place
from fercli.cascade.training.options import Jitter
from fercli.common.errors import FerError
from fercli.common.tables import counted

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]

SIDE = 24
#: How the variants differ: options of ``fer cascade train`` by these names vary samples as well.
JITTER = Jitter(shift=0.05, scale=0.08, angle=7.0, brightness=0.4, blur=0.5, noise=0.15)
#: The aligner's first stages look at images that are continued by PADDING pixels on each side, then
#: enlarged, in windows of WINDOWS pixels. A face counts if so many neighboring windows agree.
ALIGNER_STAGES, PADDING, ENLARGED, WINDOWS, NEIGHBORS = 15, 24, 1.5, (48, 110), 15
#: A box may reach so many pixels over the border of its image, which is continued there.
OVERHANG = 5.0


def positives(
    faces: Sequence[tuple[Image, Box]], copies: int, rng: np.random.Generator
) -> Iterator[Image]:
    """Yield so many variants of each face in a box of an image."""
    for image, box in faces:
        for _ in range(copies):
            yield vary(image, box, rng)


def vary(image: Image, box_xywh: Box, rng: np.random.Generator) -> Image:
    """Return a variant of the face in a box, shape (SIDE, SIDE)."""
    factor = 2 if box_xywh[2] >= 1.6 * SIDE else 1
    sample = place(image, box_xywh, (SIDE, SIDE), JITTER, rng, factor=factor)
    sample = degrade(sample, JITTER, rng)
    return np.ascontiguousarray(sample[:, ::-1]) if rng.random() < 0.5 else sample


def training_rows(path: Path) -> Iterator[Image]:
    """Yield the images of the Training rows of ``fer2013.csv``."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["Usage"] == "Training":
                yield np.array(row["pixels"].split(), np.uint8).reshape(48, 48)


def aligned(
    images: Sequence[Image], aligner: cv2.CascadeClassifier
) -> Iterator[tuple[Image, Box] | None]:
    """Yield each image with the box of its face; None if there is none to rely on."""
    for image in images:
        box = _face_box(image, aligner)
        yield None if box is None else (image, box)


def _face_box(image: Image, aligner: cv2.CascadeClassifier) -> Box | None:
    if image.std() < 12:  # nearly constant
        return None
    border = PADDING
    padded = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    enlarged = cv2.resize(padded, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_LINEAR)
    least, most = WINDOWS
    boxes, neighbors = aligner.detectMultiScale2(enlarged, 1.05, 1, 0, (least,) * 2, (most,) * 2)
    if not len(neighbors) or max(neighbors) < NEIGHBORS:
        return None
    found = np.array(boxes[int(np.argmax(neighbors))]) / ENLARGED - [PADDING, PADDING, 0, 0]
    x, y, width, height = found.astype(np.float32)
    inside = min(x, y) >= -OVERHANG and max(x + width, y + height) <= len(image) + OVERHANG
    return (x, y, width, height) if inside else None


def first_stages(cascade: Path, folder: Path) -> cv2.CascadeClassifier:
    """Return a detector of a cascade's first stages, which finds hard faces too."""
    whole, path = read_cascade(cascade), folder / "aligner.xml"
    write_cascade(path, replace(whole, stages=whole.stages[:ALIGNER_STAGES]), overwrite=True)
    return cv2.CascadeClassifier(str(path))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as asked for; 1 if something cannot be read or written."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("vec", type=Path, help="frontal faces of 24x24 pixels")
    parser.add_argument("--out", type=Path, required=True, help="the .vec to write")
    parser.add_argument("--fer2013", type=Path, help="fer2013.csv, whose faces are added")
    parser.add_argument("--aligner", type=Path, help="the cascade that frames them")
    parser.add_argument("--copies", type=int, default=1, help="variants of each face (1)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")
    asked = parser.parse_args(arguments)
    if (asked.fer2013 is None) != (asked.aligner is None):
        parser.error("--fer2013 and --aligner are used together")
    rng = np.random.default_rng(asked.seed)
    try:
        faces = [
            (np.ascontiguousarray(face), (0.0, 0.0, float(SIDE), float(SIDE)))
            for face in read_vec(asked.vec, (SIDE, SIDE))
        ]
        samples = list(positives(faces, asked.copies, rng))
        if asked.fer2013 is not None:
            aligner = first_stages(asked.aligner, asked.out.parent)
            found = list(aligned(list(training_rows(asked.fer2013)), aligner))
            added = [face for face in found if face is not None]
            print(f"FER-2013: {len(added)} of {counted(len(found), 'face')} are framed reliably")
            rng.permutation(len(added))  # keeps the stream of the cascade that comes with fer
            samples += positives(added, asked.copies, rng)
        write_vec(asked.out, np.array(samples, np.uint8), overwrite=True)
    except (FerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{asked.out}: {counted(len(samples), 'sample')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
