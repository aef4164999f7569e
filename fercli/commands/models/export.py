"""``fer models export``: a trained network to one .onnx file."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("network", type=options.path_type())
@options.out("FILE.onnx", "The .onnx file.")
@click.option(
    "--data", type=options.path_type(), metavar="DIR", help="A tree: compare on its faces."
)
@options.split
@options.model_settings
@click.option("--float16", is_flag=True, help="Weights in 16 bits in place of 32: half the size.")
@click.option("--int8", is_flag=True, help="8 bits in place of 32, calibrated on the split train.")
@options.overwrite
@options.quiet
def export(
    network: Path,
    out: Path,
    data: Path | None,
    split: str,
    float16: bool,
    int8: bool,
    overwrite: bool,
    progress: Progress,
    **said: Any,
) -> None:
    """Write a network of Keras, .keras or .h5, as one .onnx file, which runs without Keras.

    Its metadata hold the classes, the input size, the normalization and a summary of the
    training. Both files are compared, on real faces if --data is given.

    \b
    Examples:
      fer models export run/best.keras --out network.onnx --data ferplus/
      fer models export run/best.keras --out half.onnx --data ferplus/ --float16
      fer models export run/best.keras --out small.onnx --data ferplus/ --int8
      fer models export theirs.h5 --out theirs.onnx --classes angry,happy,sad --mean 0 --std 255
    """
    from fercli.models.export import describe_export, export_file

    if float16 and int8:
        raise click.UsageError("--float16 and --int8: wanted one of them")
    result = export_file(
        network,
        out,
        data,
        split,
        options.to_settings(said),
        storage="float16" if float16 else "int8" if int8 else "float32",
        overwrite=overwrite,
        progress=progress,
    )
    click.echo(describe_export(result))
