"""Time detectMultiScale of cv2 with several cascades on the same pictures.

CPU milliseconds a picture on one core, medians over the repetitions, in which the cascades take
turns; the ratio is to the first cascade.

    python benchmarks/detection.py CASCADE... --pictures DIR [--repeats 5]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path

import cv2

from fercli.cascade.detection.detector import load_detector
from fercli.common.files import find_files
from fercli.common.images import Picture, read_grey
from fercli.common.tables import format_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cascades", nargs="+", type=Path, metavar="CASCADE")
    parser.add_argument("--pictures", type=Path, required=True, metavar="DIR")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = [read_grey(path) for path in find_files(given.pictures)]
    pixels = sum(picture.size for picture in pictures) / len(pictures)
    print(
        f"{platform.machine()}, OpenCV {cv2.__version__}, {len(pictures)} pictures of "
        f"{pixels / 1e6:.2f} megapixels on average"
    )
    classifiers = [load_detector(path).classifier for path in given.cascades]
    times = [
        [milliseconds(classifier, pictures) for classifier in classifiers]
        for _ in range(given.repeats)
    ]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    rows = [
        [path.stem, f"{median:.1f}", f"{median / medians[0]:.2f}"]
        for path, median in zip(given.cascades, medians, strict=True)
    ]
    print(format_table(["cascade", "CPU ms a picture", "ratio"], rows))


def milliseconds(classifier: cv2.CascadeClassifier, pictures: list[Picture]) -> float:
    started = time.process_time()
    for picture in pictures:
        classifier.detectMultiScale(picture)
    return (time.process_time() - started) / len(pictures) * 1000


if __name__ == "__main__":
    main()
