"""Time detectMultiScale of cv2 with several cascades on the same images.

CPU milliseconds an image on one core, medians over the repetitions, in which the cascades take
turns; the ratio is to the first cascade.

    python benchmarks/detection.py CASCADE... --images DIR [--repeats 5]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path

import cv2

from fercli.cascade.detection.detector import Detector
from fercli.common.files import find_files
from fercli.common.images import ImageArray, read_gray
from fercli.common.tables import format_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cascades", nargs="+", type=Path, metavar="CASCADE")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    images = [read_gray(path) for path in find_files(given.images)]
    pixels = sum(image.size for image in images) / len(images)
    print(
        f"{platform.machine()}, OpenCV {cv2.__version__}, {len(images)} images of "
        f"{pixels / 1e6:.2f} megapixels on average"
    )
    classifiers = [Detector(path).classifier for path in given.cascades]
    times = [
        [milliseconds(classifier, images) for classifier in classifiers]
        for _ in range(given.repeats)
    ]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    rows = [
        [path.stem, f"{median:.1f}", f"{median / medians[0]:.2f}"]
        for path, median in zip(given.cascades, medians, strict=True)
    ]
    print(format_table(["cascade", "CPU ms an image", "ratio"], rows))


def milliseconds(classifier: cv2.CascadeClassifier, images: list[ImageArray]) -> float:
    started = time.process_time()
    for image in images:
        classifier.detectMultiScale(image)
    return (time.process_time() - started) / len(images) * 1000


if __name__ == "__main__":
    main()
