"""``fer models export``: a trained model to one .onnx file."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("model", metavar="MODEL", type=options.path_type())
@options.out("FILE.onnx", "Write the model to this .onnx file.")
@click.option(
    "--data",
    type=options.path_type(),
    metavar="DIR",
    help="Compare both files on the faces of this tree.",
)
@options.split
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
    from fercli.models.export import describe_export, export_file

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
    options.echo(result, as_json, describe_export(result))
