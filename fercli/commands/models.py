"""``fer models``: from a tree of labeled faces to a trained, evaluated, exported model."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.common.tables import counted
from fercli.models.training_options import ModelTrainingOptions

data = click.option(
    "--data",
    type=options.path_type(),
    required=True,
    metavar="DIR",
    help="Read the faces of this tree, as `fer datasets` makes them.",
)
split = click.option(
    "--split",
    metavar="NAME",
    help="Use this split of the tree.  [default: validation, or the only one]",
)
model_argument = click.argument("model", metavar="MODEL")


@options.group()
def models() -> None:
    """Train, evaluate, export and run models that classify expressions.

    MODEL is the name of a model that comes with fer, or an .onnx, .keras or .h5 file.

    \b
    From a tree to a model that runs anywhere:
      fer models train --recipe fernet-ferplus --data ferplus/ --out run/
      fer models evaluate run/best.keras --data ferplus/ --out report/
      fer models export run/best.keras --out model.onnx --data ferplus/
      fer models predict model.onnx faces/
    """


@models.command("list")
@options.as_json
@options.no_progress
def list_(as_json: bool) -> None:
    """List the shipped models, the architectures that can be trained, and recipes for them.

    A recipe is given to `fer models train --recipe`; a policy of augmentation to its `--augment`
    and to `fer datasets augment --policy`.

    \b
    Examples:
      fer models list
      fer models list --json
    """
    from fercli.models import catalog

    options.echo(catalog.to_dict(), as_json, catalog.to_text())


@models.command()
@click.argument("name", metavar="ARCHITECTURE|MODEL")
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    metavar="N",
    help="Give an architecture this many classes.",
)
@click.option(
    "--size", type=options.Size(), help="Give an architecture or a foreign model this input size."
)
@options.no_progress
def summary(name: str, classes: int | None, size: tuple[int, int] | None) -> None:
    """Show the layers of an architecture, or the metadata of a model's file.

    \b
    Examples:
      fer models summary fernet
      fer models summary mini-xception --classes 8 --size 64x64
      fer models summary run/best.keras
      fer models summary model.onnx
    """
    from fercli.models.catalog import summarize

    click.echo(summarize(name, classes, size))


@models.command()
@options.recipe("models", "--preset")
@data
@options.out("DIR", "Write the results to this folder.")
@options.from_fields(ModelTrainingOptions)
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def train(
    recipe: Path | None,
    data: Path,
    out: Path,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **chosen: Any,
) -> None:
    """Train a model on the split "train" of a tree and keep the epoch best on "validation".

    A tree with one split is divided: a fifth of each class is held out to compare epochs, and
    images that look alike stay together.

    A model is a neural network that gives each face the probabilities of the expressions. The
    output folder gets best.keras, checkpoint.npz, history.csv, curves.png, recipe.toml and
    result.json. After an interruption the same command continues from the last complete epoch.

    To train on several hosts, run the same command with --distribute on each of them, with a copy
    of the tree and an output folder of its own. The variables KERAS_DISTRIBUTION_JOB_ADDRESSES
    (host:port of the first), KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID
    (from 0) say which hosts take part.

    \b
    Examples:
      fer models train --recipe fernet-ferplus --data ferplus/ --out run/
      fer models train --data fer2013/ --architecture mini-xception --epochs 100 --out run/
      fer models train --preset finetune --data mine/ --out mine_run/
      fer models train --data mine/ --init run/best.keras --freeze -1 --epochs 10 --out head/
    """
    from fercli.models.training import train

    wanted = options.build(ModelTrainingOptions, chosen)
    result = train(data, out, wanted, overwrite=overwrite, workers=workers, progress=progress)
    options.echo(result, as_json)


@models.command()
@model_argument
@data
@split
@click.option(
    "--compare", multiple=True, metavar="MODEL", help="Compare with this model; may be repeated."
)
@click.option(
    "--average",
    type=click.Choice(["none", "flip", "ten"]),
    default="none",
    show_default=True,
    help="Average over each face and its mirror image, or over ten crops.",
)
@click.option(
    "--check-copies",
    is_flag=True,
    help="Evaluate also without images that occur, pixel for pixel, in the split train.",
)
@options.out("DIR", "Write a report with images to this folder.", required=False)
@options.model_settings
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def evaluate(
    model: str,
    data: Path,
    split: str | None,
    compare: tuple[str, ...],
    average: str,
    check_copies: bool,
    out: Path | None,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **said: Any,
) -> None:
    """Evaluate a model on a split of a tree; with --compare, several in one table.

    The output folder gets report.json, confusion.png and mistakes.png.

    \b
    Examples:
      fer models evaluate ferplus --data ferplus/
      fer models evaluate run/best.keras --data fer2013/ --check-copies --out report/
      fer models evaluate ferplus --compare run/best.keras --data ferplus/ --average flip
      fer models evaluate other.onnx --classes happy,sad --mean 0 --std 255 --data mine/
    """
    from fercli.models import evaluation as report
    from fercli.run_folder import output_folder

    with output_folder(out, "an evaluation"):
        if out is not None:
            report.require_no_report(out, overwrite=overwrite)
        faces, found = report.evaluate_files(
            [model, *compare],
            data,
            split,
            settings=options.to_settings(said),
            average=average,
            check_copies=check_copies,
            workers=workers,
            progress=progress,
        )
        if out is not None:
            report.write_report(out, found[0], faces, overwrite=overwrite)
    text = report.comparison(found) if compare else found[0].to_text()
    options.echo(found, as_json, text if out is None else f"{text}\nwrote {out}")


@models.command()
@model_argument
@click.argument("faces", nargs=-1, required=True, type=options.path_type())
@options.out(
    "FILE.csv", "Write the table to this CSV file.  [default: standard output]", required=False
)
@options.model_settings
@options.cores_or_cluster
@options.overwrite
@options.as_json
@options.quiet
def predict(
    model: str,
    faces: tuple[Path, ...],
    out: Path | None,
    workers: Workers,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **said: Any,
) -> int:
    """Classify images of cropped faces and write the probabilities of all classes as CSV.

    FACES are images, or folders of them, that show one cropped face each; `fer datasets crop`
    crops the faces of photographs. Images that cannot be read are reported and left out, and the
    exit status is then 1.

    \b
    Examples:
      fer models predict ferplus faces/ > answers.csv
      fer models predict run/best.keras a.png b.png --out answers.csv
      fer models predict ferplus faces/ -o a.csv --parallel dask --scheduler tcp://node1:8786
    """
    from fercli.models.inference import predict_files

    found = predict_files(
        model,
        faces,
        options.to_settings(said),
        out,
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    text = f"wrote {out}: {counted(len(found.faces), 'face')}" if out else found.to_csv().rstrip()
    options.echo(found, as_json, text)
    for error in found.unreadable:
        click.echo(f"fer: left out: {error}", err=True)
    return int(bool(found.unreadable))


@models.command()
@click.argument("model", metavar="MODEL", type=options.path_type())
@options.out("FILE.onnx", "Write the model to this .onnx file.")
@click.option(
    "--data",
    type=options.path_type(),
    metavar="DIR",
    help="Compare both files on the faces of this tree.",
)
@split
@options.model_settings
@click.option(
    "--float16", is_flag=True, help="Store weights in 16 bits instead of 32: half the size."
)
@click.option(
    "--int8", is_flag=True, help="Compute in 8 bits instead of 32, calibrated on the split train."
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Find a temperature on half of the faces, check it on the other half, and store it.",
)
@options.overwrite
@options.as_json
@options.quiet
def export(
    model: Path,
    out: Path,
    data: Path | None,
    split: str | None,
    float16: bool,
    int8: bool,
    calibrate: bool,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **said: Any,
) -> None:
    """Write a Keras model, .keras or .h5, as one .onnx file that runs without Keras.

    The metadata of the file hold the classes, the input size, the normalization and a summary of
    the training. Both files are compared, on real faces if --data is given.

    \b
    Examples:
      fer models export run/best.keras --out model.onnx --data ferplus/
      fer models export run/best.keras --out half.onnx --data ferplus/ --float16
      fer models export run/best.keras --out model.onnx --data ferplus/ --calibrate
      fer models export run/best.keras --out small.onnx --data ferplus/ --int8
      fer models export theirs.h5 --out theirs.onnx --classes angry,happy,sad --mean 0 --std 255
    """
    from fercli.models.export import export_file

    if float16 and int8:
        raise click.UsageError("--float16 and --int8 cannot be used together")
    result = export_file(
        model,
        out,
        data,
        split,
        options.to_settings(said),
        calibrate=calibrate,
        storage="float16" if float16 else "int8" if int8 else "float32",
        overwrite=overwrite,
        progress=progress,
    )
    options.echo(result, as_json)


@models.command()
@model_argument
@data
@split
@options.out("DIR", "Write the results to this folder.")
@click.option(
    "--clusters",
    type=click.IntRange(min=2),
    metavar="N",
    help="Make this many clusters.  [default: as many as classes]",
)
@click.option(
    "--projection",
    type=click.Choice(["tsne", "pca"]),
    default="tsne",
    show_default=True,
    help="Draw the map by this method.",
)
@options.model_settings
@options.seed
@options.workers
@options.overwrite
@options.as_json
@options.quiet
def embed(
    model: str,
    data: Path,
    split: str | None,
    out: Path,
    clusters: int | None,
    projection: str,
    seed: int,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
    **said: Any,
) -> None:
    """Cluster faces by the features of the last layer and draw a map of them.

    The output folder gets features.npz, clusters.csv and map.png. The table shows how far the
    clusters, which are found without labels, agree with the labels.

    \b
    Examples:
      fer models embed ferplus --data ferplus/ --out points/
      fer models embed run/best.keras --data mine/ --split test --clusters 20 --out points/
    """
    from fercli.models.inference import embed_tree
    from fercli.run_folder import output_folder

    with output_folder(out, "an embedding"):
        result = embed_tree(
            model,
            data,
            split,
            out,
            settings=options.to_settings(said),
            clusters=clusters,
            projection=projection,
            seed=seed,
            workers=workers,
            overwrite=overwrite,
            progress=progress,
        )
    options.echo(result, as_json)
