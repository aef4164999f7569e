"""The public Python API: what the commands do, as functions.

Keyword arguments are the options of the command, with underscores; a size is a pair (width,
height). Nothing is printed, errors are those of `fercli.common.errors` and name the argument, and
results are dataclasses with ``to_dict()``. What `fercli` does not export is private.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fercli.common.options import from_options, option_fields
from fercli.common.progress import SILENT, Progress

if TYPE_CHECKING:
    from fercli.cascade.evaluation import CascadeEvaluation
    from fercli.cascade.list_builder.report import BuildReport
    from fercli.cascade.samples.options import Created
    from fercli.cascade.training.report import CascadeTrainingResult
    from fercli.datasets.importing import ImportResult
    from fercli.models.evaluation import ModelEvaluation
    from fercli.models.training import ModelTrainingResult

PathName = str | PathLike[str]


def train_cascade(
    *,
    positives: PathName | None = None,
    negatives: PathName | None = None,
    out: PathName,
    engine: Literal["native", "opencv"] | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> CascadeTrainingResult:
    """Train a cascade, or continue a training that was interrupted.

    Parameters
    ----------
    positives : path-like, optional
        A ``.vec`` file, or annotated images in any format that ``build-info`` reads. Also given
        as ``vec`` or ``info``. May be left out to resume.
    negatives : path-like, optional
        Backgrounds: a list or a folder of images, or annotated images. Also given as ``bg``.
    out : path-like
        The folder of results, with ``cascade.xml``.
    engine : {"native", "opencv"}, optional
        fer's own, or OpenCV 3.4's program. Defaults to "native", or the one to be resumed.
    scheduler : str, optional
        The Dask scheduler whose workers read the images and mine the negatives, such as
        ``"tcp://node1:8786"``. Defaults to this machine.
    resume : bool
        Continue the training in `out`, with its own options but for those given here.
    overwrite : bool
        Remove a training that is there.
    **options
        The other options of ``fer cascade train``: ``size=(24, 24)``, ``stages=20``,
        ``num_pos=1000``, ``num_neg=1000``, ``feature_type="LBP"``, …

    Raises
    ------
    OptionError
        An option is unknown or out of range.
    FerError
        As `fercli.cascade.training.engines.train_cascade`.
    """
    from fercli.cascade.training.engines import train_cascade as train

    given = dict(options)
    for name, count in (("num_pos", "positives"), ("num_neg", "negatives")):
        if name in given:
            given[count] = given.pop(name)
    if positives is not None:
        kind = "vec" if Path(positives).suffix.lower() == ".vec" else "info"
        given[kind] = Path(positives)
    if negatives is not None:
        given["bg"] = Path(negatives)
    return train(
        engine, given, Path(out),
        resume=resume, overwrite=overwrite, scheduler=scheduler, progress=progress,
    )  # fmt: skip


def evaluate_cascade(
    cascades: PathName | Sequence[PathName],
    ground_truth: PathName | None = None,
    *,
    bg: PathName | None = None,
    format: str | None = None,
    images: PathName | None = None,
    labels: Sequence[str] = (),
    match: Literal["iou", "center"] = "iou",
    iou: float | None = None,
    max_distance: float | None = None,
    max_size_ratio: float | None = None,
    box_scale: float | Literal["auto"] = 1.0,
    out: PathName | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> CascadeEvaluation:
    """Evaluate cascades on annotated images and on images without an object.

    Parameters
    ----------
    cascades : path-like or sequence of path-like
    ground_truth : path-like, optional
        Annotations of any format that ``build-info`` reads.
    bg : path-like, optional
        A list of images in which every detection is a false alarm. One of the two is needed.
    format, images, labels
        The annotations' format, the folder of their images, and the labels to use.
    match, iou, max_distance, max_size_ratio, box_scale
        When a detection is the object, as ``fer cascade evaluate`` explains.
    out : path-like, optional
        A folder for curves, tables and images of the errors.
    scheduler : str, optional
        The Dask scheduler whose workers search the images. Defaults to this machine.
    overwrite : bool
        Replace results that are there.
    **options
        Those of the detection: ``scale_factor``, ``min_neighbors``, ``min_size``, ``max_size``,
        ``equalize``.

    Raises
    ------
    OptionError
        An option is unknown or out of range.
    FerError
        A cascade, the annotations or the images cannot be used.
    """
    from fercli.cascade.detection import DetectionOptions
    from fercli.cascade.evaluation import evaluate_files, match_rule

    names = [cascades] if isinstance(cascades, str | PathLike) else cascades
    return evaluate_files(
        [Path(name) for name in names],
        _path(ground_truth),
        _path(bg),
        format=format,
        images=_path(images),
        labels=labels,
        options=from_options(DetectionOptions, options),
        rule=match_rule(
            match, minimum=iou, max_distance=max_distance, max_size_ratio=max_size_ratio
        ),
        box_scale=box_scale,
        out=_path(out),
        scheduler=scheduler,
        overwrite=overwrite,
        progress=progress,
    )


def build_info(
    positives: PathName | Sequence[PathName] = (),
    negatives: PathName | Sequence[PathName] = (),
    *,
    out: PathName,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> BuildReport:
    """Write the lists that a training needs, ``info.dat`` and ``bg.txt``.

    Parameters
    ----------
    positives, negatives : path-like or sequence of path-like
        Images or annotations of the object, and images without it.
    out : path-like
        The folder of the lists.
    workers : int, optional
        How many cores are used. Defaults to all.
    scheduler : str, optional
        The Dask scheduler whose workers open the images. Defaults to this machine.
    overwrite : bool
        Replace lists that are there.
    **options
        The other options of ``fer cascade build-info``: ``size``, ``test=0.2``, ``labels``,
        ``images``, …

    Raises
    ------
    OptionError
        An option is unknown or out of range.
    FerError
        Annotations cannot be read, or files not be written.
    """
    from fercli.cascade.list_builder.build import build_description
    from fercli.cascade.list_builder.options import BoxRules, CollectOptions, FileOptions
    from fercli.common.parallel import Workers

    rules, rest = _split(BoxRules, options)
    files, rest = _split(FileOptions, rest)
    return build_description(
        _paths(positives),
        _paths(negatives),
        Path(out),
        from_options(CollectOptions, {**rest, "rules": from_options(BoxRules, rules)}),
        from_options(FileOptions, {**files, "overwrite": overwrite}),
        workers=Workers(workers, scheduler=scheduler),
        progress=progress,
    )


def create_samples(
    *,
    info: PathName | None = None,
    image: PathName | Sequence[PathName] = (),
    out: PathName,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> Created:
    """Write a ``.vec`` file of samples: of annotated boxes, or of warped images of the object.

    Parameters
    ----------
    info : path-like, optional
        Annotations of any format that ``build-info`` reads.
    image : path-like or sequence of path-like
        Images of the object, which take turns. One of the two is needed.
    out : path-like
        The ``.vec`` file.
    workers : int, optional
        How many cores are used. Defaults to all.
    scheduler : str, optional
        The Dask scheduler whose workers cut or warp them. Defaults to this machine.
    overwrite : bool
        Replace a file that is there.
    **options
        The other options of ``fer cascade create-samples``: ``size``, ``num``, ``mirror``,
        ``bg``, ``max_x_angle``, …

    Raises
    ------
    OptionError
        An option is unknown or out of range, or not both of `info` and `image` are left out.
    FerError
        Images or annotations cannot be used.
    """
    from fercli.cascade.samples.options import CropRules, Distortion, WarpRules
    from fercli.common.errors import OptionError
    from fercli.common.parallel import Workers

    images = _paths(image)
    if (info is None) == (not images):
        raise OptionError("Expected samples of `info` or of `image`, and not of both")
    common: dict[str, Any] = {
        "workers": Workers(workers, scheduler=scheduler),
        "overwrite": overwrite,
        "progress": progress,
    }
    if info is not None:
        from fercli.cascade.samples.from_annotations import create_from_annotations

        reading = {n: options.pop(n) for n in ("format", "images", "labels") if n in options}
        reading |= {"images": _path(reading["images"])} if "images" in reading else {}
        rules = from_options(CropRules, options)
        return create_from_annotations(Path(info), Path(out), rules, **reading, **common)
    from fercli.cascade.samples.from_images import create_from_images

    num = options.pop("num", 1000)
    turned, rest = _split(Distortion, options)
    if "bg" in rest:
        rest["backgrounds"] = _path(rest.pop("bg"))
    warping = from_options(WarpRules, {**rest, "distortion": from_options(Distortion, turned)})
    return create_from_images(images, Path(out), num, warping, **common)


def train_model(
    *,
    data: PathName,
    out: PathName,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> ModelTrainingResult:
    """Train a model on a tree of labeled faces, or continue a training that was interrupted.

    Parameters
    ----------
    data : path-like
        The tree, as `import_dataset` makes it.
    out : path-like
        The folder of results, with ``best.keras``.
    workers : int, optional
        Threads that read images. Defaults to all cores.
    overwrite : bool
        Start anew even if there is a training to continue.
    **options
        The other options of ``fer models train``: ``architecture="mini-xception"``,
        ``epochs=60``, …

    Raises
    ------
    OptionError
        An option is unknown or out of range.
    FerError
        As `fercli.models.training.train`.
    """
    from fercli.models.training import train
    from fercli.models.training_options import ModelTrainingOptions

    chosen = from_options(ModelTrainingOptions, options)
    return train(
        Path(data), Path(out), chosen, overwrite=overwrite, workers=workers, progress=progress
    )


def evaluate_model(
    model: PathName,
    *,
    data: PathName,
    split: str | None = None,
    average: Literal["none", "flip", "ten"] = "none",
    check_copies: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
    **settings: Any,
) -> ModelEvaluation:
    """Evaluate a model on a split of a tree of labeled faces.

    Parameters
    ----------
    model : str or path-like
        A model that comes with fer, by name, or an ``.onnx``, ``.keras`` or ``.h5`` file.
    data : path-like
        The tree.
    split : str, optional
        Defaults to "validation", or to the only split that there is.
    average : {"none", "flip", "ten"}
        Average over each face and its mirror image, or over ten crops.
    check_copies : bool
        Evaluate also without images that occur in the split "train".
    workers : int, optional
        Threads that read images. Defaults to all cores.
    **settings
        What the file of a model that fer did not train does not say: ``classes``, ``size``,
        ``mean``, ``std``, ``color_order``.

    Raises
    ------
    OptionError
        A setting is unknown, or a split not there.
    FerError
        The model or the tree cannot be used.
    """
    from fercli.models.evaluation import evaluate_files
    from fercli.models.model_card import ModelSettings

    _, [found] = evaluate_files(
        [str(model)],
        Path(data),
        split,
        settings=from_options(ModelSettings, settings),
        average=average,
        check_copies=check_copies,
        workers=workers,
        progress=progress,
    )
    return found


def import_dataset(
    sources: PathName | Sequence[PathName],
    *,
    out: PathName,
    classes: str | None = None,
    map: Mapping[str, str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> ImportResult:
    """Import published data sets into one tree ``ROOT/<split>/<class>/*.png``.

    Parameters
    ----------
    sources : path-like or sequence of path-like
        ``PATH`` or ``FORMAT=PATH`` each.
    out : path-like
        The root of the new tree.
    classes : str, optional
        "5", "7", "8" or names with commas between them, as ``--classes``.
    map : mapping of str to str, optional
        What words of the source mean; "" leaves them out.
    workers : int, optional
        How many processes. Defaults to all cores.
    scheduler : str, optional
        The Dask scheduler whose workers read and write the images. Defaults to this machine.
    overwrite : bool
        Replace a tree that is there.
    **options
        The other options of ``fer datasets import``: ``size``, ``channels``, ``votes``, …

    Raises
    ------
    OptionError
        An option is unknown or out of range.
    FerError
        A source is missing, or of no known form.
    """
    from fercli.common.parallel import Workers
    from fercli.datasets.expressions import ImportOptions, parse_classes, parse_renames
    from fercli.datasets.importing import import_sources
    from fercli.datasets.sources import find_sources

    renames = parse_renames(tuple(f"{word}={label}" for word, label in (map or {}).items()))
    chosen = from_options(
        ImportOptions, {**options, "scheme": parse_classes(classes), "renames": renames}
    )
    names = [str(path) for path in _listed(sources)]
    return import_sources(
        find_sources(names, chosen.votes),
        Path(out),
        chosen,
        overwrite=overwrite,
        workers=Workers(workers, scheduler=scheduler),
        progress=progress,
    )


def _split(kind: type, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that a dataclass describes, and the others."""
    fields = option_fields(kind)
    known = {name for field in fields.values() for name in (field.name, field.key, _long(field))}
    mine = {name: value for name, value in options.items() if name in known}
    named = {_long(field): field.name for field in fields.values()}
    return (
        {named.get(name, name): value for name, value in mine.items()},
        {name: value for name, value in options.items() if name not in known},
    )


def _long(field: Any) -> str:
    return str(field.names[-1]).lstrip("-").replace("-", "_")


def _listed(paths: PathName | Iterable[PathName]) -> list[PathName]:
    return [paths] if isinstance(paths, str | PathLike) else [*paths]


def _paths(paths: PathName | Iterable[PathName]) -> list[Path]:
    return [Path(path) for path in _listed(paths)]


def _path(path: PathName | None) -> Path | None:
    return None if path is None else Path(path)
