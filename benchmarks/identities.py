"""Measure how well people keep their numbers: by place alone, and by the look of their faces too.

usage: python benchmarks/identities.py DATA [--seeds N] [--subjects tuning|others]

Clips are made of the faces of DATA/yalefaces and DATA/ck48, photographs of known people with other
expressions, that move over the images of DATA/negatives, so that who is where is known by
construction. In each clip of 14 seconds two people are there; one passes behind something, leaves,
and comes back after a cut; somebody else takes the place in the meantime; after another cut the
second person is back with the first and somebody new. Each time a person comes, the photograph,
the size and the light are others, and the expression changes half-way.

IDF1 is the share of boxes whose number is right when each person is given the number that fits
best (Ristani et al., ECCV 2016 workshops); switches: how often a person's number changes from one
box to the next; merged: numbers that were given to more than one person for a second or more.
Thresholds were chosen on half of the people (--subjects tuning); the others are reported.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from fercli.common.tables import format_table
from fercli.recognition.face_search import overlap
from fercli.recognition.options import VideoOptions
from fercli.recognition.pipeline import recognize_frames
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.sources.frames import Frame

RATE, SIZE_WH = 25, (640, 360)

#: Part of a head's image beyond the face's box on each side, as a share of the box.
AROUND = 0.3


@dataclass(frozen=True)
class Visit:
    """A person from one time to another: photographs, light, and where the face moves."""

    person: int
    start: float
    end: float
    photos: Sequence[Any]
    side: float
    light: float
    path: tuple[tuple[float, float], tuple[float, float]]

    def box(self, seconds: float) -> tuple[int, int, int, int]:
        """Return where the face is."""
        share = (seconds - self.start) / (self.end - self.start)
        x, y = ((1 - share) * np.array(self.path[0]) + share * np.array(self.path[1])).tolist()
        sway = 4 * np.sin(3 * seconds + self.person)
        return round(x + sway), round(y), round(self.side), round(self.side)

    def face(self, seconds: float) -> Any:
        """Return the image of the head."""
        share = np.clip((seconds - self.start) / (self.end - self.start) * 4 - 1.5, 0, 1)
        mixed = (1 - share) * self.photos[0] + share * self.photos[1]
        return np.clip(mixed * self.light, 0, 255)


def read_people(data: Path, recognizer: Recognizer) -> dict[str, list[Any]]:
    """Return images of heads, 96 × 96 pixels with `AROUND` around the face, by person."""
    people: dict[str, list[Any]] = defaultdict(list)
    for path in sorted((data / "yalefaces").iterdir()):
        if path.name.startswith("subject"):
            gray = np.asarray(Image.open(path).convert("L"))
            boxes = recognizer.detect(gray)
            if len(boxes):
                people[path.name[:9]].append(head(gray, boxes[0]))
    for path in sorted((data / "ck48").rglob("*.*")):
        match = re.match(r"(S\d+)_", path.name)
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if match and gray is not None:
            people[match[1]].append(head(gray, (0, 0, 48, 48)))
    return {name: photos for name, photos in people.items() if len(photos) >= 4}


def head(gray: Any, box: Any) -> Any:
    x, y, side, _ = (int(number) for number in box)
    more = round(AROUND * side)
    padded = cv2.copyMakeBorder(gray, more, more, more, more, cv2.BORDER_REFLECT)
    cut = padded[y : y + side + 2 * more, x : x + side + 2 * more]
    return cv2.resize(cut, (96, 96), interpolation=cv2.INTER_AREA).astype(np.float32)


def clip(people: dict[str, list[Any]], scenes: list[Path], rng: Any) -> tuple[list[Any], list[Any]]:
    """Return the frames of a clip and, for each, the people with their boxes."""
    names = rng.permutation(sorted(people))[:4]
    photos = [list(rng.permutation(len(people[name]))) for name in names]

    def visit(person: int, start: float, end: float, place: int) -> Visit:
        pair = [people[names[person]][photos[person][0]], people[names[person]][photos[person][1]]]
        photos[person] = photos[person][2:] + photos[person][:2]
        side = rng.uniform(70, 115)
        x, y = (40, 250, 460)[place] + rng.uniform(-20, 20), rng.uniform(90, 180)
        goal = x + rng.uniform(40, 60), y + rng.uniform(-20, 20)
        return Visit(person, start, end, pair, side, rng.uniform(0.8, 1.15), ((x, y), goal))

    visits = [
        visit(0, 0, 4, 0), visit(1, 0, 7, 2), visit(2, 4.5, 7, 0),
        visit(0, 7, 10, 2), visit(2, 7, 10, 1), visit(1, 10, 14, 0), visit(3, 10, 14, 1),
        visit(0, 10, 14, 2),
    ]  # fmt: skip
    backgrounds = [
        cv2.resize(cv2.imread(str(scenes[at]), cv2.IMREAD_GRAYSCALE), SIZE_WH)
        for at in rng.integers(0, len(scenes), 4)
    ]
    frames, truth = [], []
    for number in range(14 * RATE):
        seconds = number / RATE
        scene = backgrounds[(seconds >= 7) + (seconds >= 10)].astype(np.float32)
        boxes = {}
        for one in visits:
            if one.start <= seconds < one.end:
                boxes[one.person] = box = one.box(seconds)
                paste(scene, one.face(seconds), box)
        if 1.8 <= seconds < 3.0:  # something that the first person passes behind
            x, _, side, _ = boxes.pop(0)
            scene[:, x - 20 : x + side + 20] = backgrounds[3][:, x - 20 : x + side + 20]
        noisy = np.clip(scene + rng.normal(0, 3, scene.shape), 0, 255).astype(np.uint8)
        frames.append(cv2.cvtColor(noisy, cv2.COLOR_GRAY2BGR))
        truth.append(boxes)
    return frames, truth


def paste(scene: Any, face: Any, box: tuple[int, int, int, int]) -> None:
    x, y, side, _ = box
    more = round(AROUND * side)
    whole = side + 2 * more
    left, top = x - more, y - more
    mask = np.zeros((whole, whole), np.float32)
    axes = round(whole * 0.4), round(whole * 0.48)
    cv2.ellipse(mask, (whole // 2, whole // 2), axes, 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), whole / 40)
    grown = cv2.resize(face, (whole, whole), interpolation=cv2.INTER_LINEAR)
    rows = slice(max(top, 0), min(top + whole, SIZE_WH[1]))
    columns = slice(max(left, 0), min(left + whole, SIZE_WH[0]))
    inner = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    scene[rows, columns] += mask[inner] * (grown[inner] - scene[rows, columns])


def numbers_of(truth: list[Any], found: Iterator[Any]) -> tuple[list[list[tuple[int, int]]], int]:
    """Return person and number for each box that was found, frame by frame; count all boxes."""
    pairs, boxes = [], 0
    for people, one in zip(truth, found, strict=True):
        boxes += len(one.found)
        faces = np.array([face.box_xywh for face in one.found], np.int32).reshape(-1, 4)
        matched = []
        for person, box in people.items():
            shares = overlap(np.array(box), faces) if len(faces) else np.zeros(1)
            if shares.max() > 0.5:
                matched.append((person, one.found[int(shares.argmax())].person))
        pairs.append(matched)
    return pairs, boxes


def measure(truth: list[Any], found: Iterator[Any]) -> Counter[str]:
    from scipy.optimize import linear_sum_assignment

    pairs, boxes = numbers_of(truth, found)
    together: Counter[tuple[int, int]] = Counter(pair for frame in pairs for pair in frame)
    people = sorted({person for person, _ in together})
    numbers = sorted({number for _, number in together})
    table = np.array([[together[person, number] for number in numbers] for person in people])
    right = int(table[linear_sum_assignment(-table)].sum())
    last: dict[int, int] = {}
    switches = 0
    for person, number in (pair for frame in pairs for pair in frame):
        switches += last.setdefault(person, number) != number
        last[person] = number
    return Counter(
        right=right, boxes=boxes, truth=sum(map(len, truth)), found=sum(together.values()),
        switches=switches, merged=int(((table >= RATE).sum(axis=0) > 1).sum()),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--subjects", choices=("tuning", "others"), default="others")
    given = parser.parse_args()
    recognizer = Recognizer()
    people = read_people(given.data, recognizer)
    names = sorted(people)[given.subjects == "others" :: 2]
    people = {name: people[name] for name in names}
    scenes = sorted((given.data / "negatives").iterdir())[given.subjects == "others" :: 2]
    totals: dict[str, Counter[str]] = {"off": Counter(), "appearance": Counter()}
    for seed in range(given.seeds):
        frames, truth = clip(people, scenes, np.random.default_rng(seed))
        for way, total in totals.items():
            images = (Frame(at, at / RATE, image) for at, image in enumerate(frames))
            options = VideoOptions(identities=way)
            total += measure(truth, recognize_frames(recognizer, images, options))
    rows = [
        [way, f"{2 * t['right'] / (t['truth'] + t['boxes']):.1%}", t["switches"], t["merged"],
         f"{t['found'] / t['truth']:.1%}"]
        for way, t in totals.items()
    ]  # fmt: skip
    print(f"{len(people)} people, {given.seeds} clips, 4 people each")
    print(format_table(["--identities", "IDF1", "switches", "merged", "boxes found"], rows))


if __name__ == "__main__":
    main()
