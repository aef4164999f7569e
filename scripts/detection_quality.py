"""Measure cascades on annotated images so that differences can be told from noise.

``python scripts/detection_quality.py [CASCADE…] --truth FILE [--truth FILE…]`` prints for each
truth, and for all together, average precision, recall at few false alarms, recall and false alarms
at several min neighbors, the time of an image and recall by size: once by a judge that forgives
boxes of another size (center within 0.3 sides, side 0.5 to 2 times; ``detectMultiScale2`` with
min neighbors 1, scored by neighbors), once by intersection over union. Intervals are those of the
bootstrap over images. Without cascades: fer's own and the frontal faces that come with OpenCV.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from fercli.annotations.base import AnnotatedImage
from fercli.annotations.reading import read_annotations
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.evaluation import (
    CascadeEvaluation,
    CenterRule,
    IouRule,
    MatchRule,
    Ranking,
    evaluate,
)
from fercli.cascade.evaluation.report import details_text
from fercli.cascade.evaluation.results import FALSE_ALARM_RATES, CascadeResult, total
from fercli.cascade.model import bundled_cascade, find_cascade
from fercli.common.errors import FerError
from fercli.common.progress import Progress, TerminalProgress
from fercli.common.tables import counted, format_table

JUDGE: MatchRule = CenterRule(max_distance=0.3, max_size_ratio=2.0)
OVERLAP: MatchRule = IouRule(0.5)
#: As ``detectMultiScale2`` ranks with min neighbors 1.
RANKING = Ranking(min_neighbors=1, by="neighbors")
NEIGHBORS = (1, 3, 5)

OPENCV_CASCADES = (
    "haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt.xml",
    "haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_alt_tree.xml",
)  # fmt: skip


def default_cascades() -> list[Path]:
    """Return fer's cascade of frontal faces, and those of OpenCV that this cv2 has."""
    folder = Path(getattr(getattr(cv2, "data", None), "haarcascades", ""))
    return [bundled_cascade(), *(folder / n for n in OPENCV_CASCADES if (folder / n).is_file())]


def measure(
    cascades: Sequence[Path], images: Sequence[AnnotatedImage], progress: Progress
) -> list[CascadeEvaluation]:
    """Return the results by the judge and by intersection over union."""
    return [
        evaluate(
            cascades,
            images,
            options=DetectionOptions(),
            rule=rule,
            ranking=RANKING,
            progress=progress,
        )
        for rule in (JUDGE, OVERLAP)
    ]


def pool(evaluations: Sequence[CascadeEvaluation]) -> CascadeEvaluation:
    """Return the results of the same cascades by the same rule on all images together."""
    pooled = []
    for results in zip(*(each.cascades for each in evaluations), strict=True):
        first = results[0]
        by_neighbors = {
            count: total(each.by_neighbors[count] for each in results)
            for count in first.by_neighbors
        }
        images = tuple(image for each in results for image in each.images)
        pooled.append(
            CascadeResult(first.path, first.name, images, first.box_scale, None, by_neighbors)
        )
    left_out = tuple(error for each in evaluations for error in each.left_out)
    return CascadeEvaluation(tuple(pooled), left_out, evaluations[0].options, evaluations[0].rule)


def quality_text(evaluation: CascadeEvaluation) -> str:
    """Return the table of one truth and one rule."""
    headers = [
        "cascade",
        "AP",
        *(f"at {rate:g}" for rate in FALSE_ALARM_RATES),
        *(f"{what} n{count}" for count in NEIGHBORS for what in ("recall", "alarms")),
        "ms",
    ]
    table = format_table(headers, [_row(result) for result in evaluation.cascades])
    return f"a hit: {evaluation.rule}\n{table}\n\n{details_text(evaluation)}"


def _row(result: CascadeResult) -> list[object]:
    at_neighbors = [result.by_neighbors[count] for count in NEIGHBORS]
    shares = [result.average_precision, *(result.recall_at_rate(r) for r in FALSE_ALARM_RATES)]
    return [
        result.name,
        *("-" if share is None else share for share in shares),
        *(
            value
            for counts in at_neighbors
            for value in (counts.recall or 0.0, counts.false_alarms)
        ),
        f"{result.median_milliseconds:.0f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as asked for; 1 if something cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("cascades", nargs="*", type=Path, help="fer's own and OpenCV's if none")
    parser.add_argument("--truth", action="append", type=Path, required=True, help="annotations")
    parser.add_argument("--json", action="store_true", help="print JSON rather than tables")
    asked = parser.parse_args(arguments)
    try:
        truths = {str(path): read_annotations(path) for path in asked.truth}
        cascades = [find_cascade(path) for path in asked.cascades] or default_cascades()
        found = {
            name: measure(cascades, images, TerminalProgress()) for name, images in truths.items()
        }
        if len(found) > 1:
            found["all together"] = [pool(each) for each in zip(*found.values(), strict=True)]
    except FerError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    if asked.json:
        told = {name: [each.to_dict() for each in results] for name, results in found.items()}
        print(json.dumps(told, indent=2))
        return 0
    for name, results in found.items():
        objects = results[0].cascades[0].counts.truths
        print(f"== {name}: {counted(results[0].images, 'image')}, {counted(objects, 'object')}")
        print(*(quality_text(each) for each in results), sep="\n\n", end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
