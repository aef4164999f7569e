"""``fer cascade evaluate``: how well cascades find what is annotated."""

from pathlib import Path
from typing import Any

import click

from fercli.cascade.detection import DetectionOptions
from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress


class BoxScale(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A factor above 0, or ``auto``."""

    name = "X|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """Return the factor, or "auto"."""
        if value == "auto":
            return "auto"
        return options.FiniteRange(0, min_open=True).convert(value, param, ctx)


@options.command()
@click.argument("cascades", nargs=-1, required=True, type=options.CascadeFile())
@click.option(
    "--truth",
    type=options.path_type(),
    metavar="PATH",
    help="Compare with these annotations, of any format that build-info reads.",
)
@options.annotation_options
@click.option(
    "--bg",
    type=options.path_type(),
    metavar="FILE",
    help="Count every detection in these images, which show no object, as a false alarm.",
)
@click.option(
    "--match",
    type=click.Choice(["iou", "center"]),
    default="iou",
    show_default=True,
    help="Match detections with objects by this rule; see above.",
)
@click.option(
    "--iou",
    type=options.FiniteRange(0, 1, min_open=True),
    metavar="X",
    help="Match at this intersection over union or more, for --match iou.  [default: 0.5]",
)
@click.option(
    "--max-distance",
    type=options.FiniteRange(0, min_open=True),
    metavar="X",
    help="Match centers at most this far apart, in sides of the object, for --match center."
    "  [default: 0.3]",
)
@click.option(
    "--max-size-ratio",
    type=options.FiniteRange(1),
    metavar="X",
    help="Match sides of at most this ratio, for --match center.  [default: 1.5]",
)
@click.option(
    "--box-scale",
    type=BoxScale(),
    default="1",
    show_default=True,
    help="Scale detections by this before they are matched; auto: to the size of the objects.",
)
@options.detection_options
@options.cores_or_cluster_uncounted
@options.out("DIR", "Write curves, tables and images of the errors to this folder.", required=False)
@options.overwrite
@options.as_json
@options.quiet
def evaluate(
    cascades: tuple[Path, ...],
    truth: Path | None,
    bg: Path | None,
    match: str,
    iou: float | None,
    max_distance: float | None,
    max_size_ratio: float | None,
    box_scale: Any,
    out: Path | None,
    workers: Workers,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    format: str | None,
    images: Path | None,
    labels: tuple[str, ...],
    box_format: Any,
    **search: Any,
) -> None:
    """Measure how well CASCADES find the objects of annotated images, side by side.

    For each cascade: precision, recall and F1 of the detections that a program would get from
    detectMultiScale with these options; average precision (AP, all points) over all that the
    cascade could detect; false alarms an image; the median time for an image (detection alone,
    one image at a time on all cores; on a cluster, by one of its workers). Then, with 95 %
    confidence intervals (bootstrap over images): AP, recall, recall with at most 0.01, 0.1 and 1
    false alarms an image, and recall by the size of the objects; and whether the cascades differ
    by more than noise.

    --match iou calls a detection a hit if its box and the object's share at least half of what
    they cover together, as most of the field does. --match center asks for the same center and
    about the same size. Each object is found once, by the detection of the highest score; a
    second one is a false alarm. Boxes that the annotations say to ignore count neither way.

    Annotators and detectors draw the box of the same object differently. Where a cascade's boxes
    are much larger or smaller than the truth's, a note says so, and --box-scale makes up for it.

    In DIR: summary.json, recall.png and precision.png (the curves), images.csv, detections.csv,
    and for each cascade errors-NAME.png (crops of what was missed, and of false alarms) and the
    folder errors-NAME of whole images with boxes.

    \b
    Examples:
      fer cascade evaluate cascade.xml --truth test/info.dat
      fer cascade evaluate old.xml new.xml --truth boxes.json --images photos/ --out report/
      fer cascade evaluate cascade.xml --truth faces.xml --match center --box-scale auto --json
      fer cascade evaluate cascade.xml --bg scenes/bg.txt
    """
    from fercli.cascade.evaluation import evaluate_files, match_rule, report_text, summary
    from fercli.run_folder import output_folder

    if truth is None and bg is None:
        raise click.UsageError("--truth PATH, --bg FILE or both are needed")
    with output_folder(out, "an evaluation"):
        evaluation = evaluate_files(
            cascades,
            truth,
            bg,
            format=format,
            images=images,
            labels=labels,
            box_format=box_format,
            options=options.build(DetectionOptions, search),
            rule=match_rule(
                match, minimum=iou, max_distance=max_distance, max_size_ratio=max_size_ratio
            ),
            box_scale=box_scale,
            out=out,
            overwrite=overwrite,
            scheduler=workers.scheduler,
            progress=progress,
        )
    text = report_text(evaluation)
    if out is not None:
        text += f"\n\nCurves, tables and images of the errors are in {out}"
    options.echo(summary(evaluation), as_json, text)
