"""``fer cascade create-samples``: marked boxes, or one image warped, to a ``.vec`` file."""

import shlex
from collections.abc import Iterable
from typing import Any

import click

from fercli.cascade.samples.options import CropRules, Distortion, WarpRules
from fercli.commands import options
from fercli.common.options import shown_value

#: Parameters of every way of making samples.
COMMON = ("engine", "tools", "workers", "overwrite", "progress")

#: Options that mean something in one way of making samples only.
FOR_BOXES = ("format", "images", "labels", "box_format", "mirror")
DISTORTION = ("max_x_angle", "max_y_angle", "max_z_angle", "max_intensity_deviation", "invert")
FOR_IMAGES = (
    *("backgrounds", "bg_color", "bg_threshold", "seed", "test_images", "max_scale"),
    *DISTORTION,
)


@options.command()
@click.option(
    "--info",
    type=options.path_type(),
    metavar="FILE",
    help="Crop the boxes of this info file, or of annotations of any other format.",
)
@click.option(
    "--image",
    "object_images",
    type=options.path_type(),
    multiple=True,
    metavar="FILE",
    help="Warp this image of the object many times; may be repeated, the images take turns.",
)
@options.out("FILE.vec", "Write the samples to this file.", required=False)
@options.from_fields(CropRules, only=["size_wh", "num"])
@options.annotation_options
@options.from_fields(CropRules, only=["mirror"])
@options.from_fields(WarpRules, only=["backgrounds", "bg_color", "bg_threshold"])
@options.from_fields(Distortion)
@click.option(
    "--test-images",
    type=options.path_type(),
    metavar="DIR",
    help="Paste the image into the backgrounds, with an info.dat for tests, instead of "
    "making samples.",
)
@click.option(
    "--max-scale",
    type=options.FiniteRange(min=1),
    metavar="X",
    help="Draw objects in test images at most this many windows large.  [default: 0.7 × image]",
)
@options.from_fields(WarpRules, only=["seed", "skip_bad"])
@click.option(
    "--engine",
    type=click.Choice(["native", "opencv"]),
    default="native",
    show_default=True,
    help="Make samples with this engine: fer's own, or OpenCV's opencv_createsamples.",
)
@options.tools
@options.cores_or_cluster
@options.overwrite
@options.as_json
@options.quiet
@click.pass_context
def create_samples(ctx: click.Context, /, **given: Any) -> None:
    """Make a .vec file of samples for a training.

    Either each annotated box becomes a sample (--info), or one image of the object is warped as
    if seen from other angles, in other light and in front of other backgrounds (--image).

    Boxes are resized to the size of the samples, whatever their shape, as OpenCV's
    opencv_createsamples does. A box outside its image, or an image that cannot be read, is an
    error that names file and record; with --skip-bad it is left out. The result is the same for
    any number of workers.

    \b
    Examples:
      fer cascade create-samples --info work/info.dat --size 20x20 --out work/faces.vec
      fer cascade create-samples --info faces.csv --num 7000 --mirror --out faces.vec
      fer cascade create-samples --image logo.png --bg bg.txt --num 2000 --out logo.vec
      fer cascade create-samples --image logo.png --bg bg.txt --test-images test/
      fer cascade create-samples --info info.dat -o a.vec --parallel dask --scheduler tcp://n1:8786
    """
    _check_usage(ctx, given)
    created = _create_from_boxes(given) if given["info"] else _create_from_images(given)
    options.echo(created, given["as_json"])
    if given["out"] and not given["as_json"]:
        command = ["fer", "cascade", "samples", "show", str(given["out"])]
        command += ["--size", shown_value(given["size_wh"] or CropRules.size_wh)]
        click.echo(f"look at them: {shlex.join(command)}")


def _create_from_boxes(given: dict[str, Any]) -> Any:
    from fercli.cascade.samples.from_annotations import create_from_annotations

    rules = options.build(CropRules, given)
    names = ("format", "images", "labels", "box_format", *COMMON)
    return create_from_annotations(given["info"], given["out"], rules, **_of(given, names))


def _create_from_images(given: dict[str, Any]) -> Any:
    from fercli.cascade.samples.from_images import create_from_images
    from fercli.cascade.samples.test_images import create_test_images

    distortion = options.build(Distortion, given)
    rules = options.build(WarpRules, {**given, "distortion": distortion})
    common = _of(given, COMMON)
    if given["test_images"]:
        return create_test_images(
            given["object_images"], given["test_images"], given["num"], rules,
            max_scale=given["max_scale"], **common,
        )  # fmt: skip
    return create_from_images(
        given["object_images"], given["out"], given["num"] or 1000, rules, **common
    )


def _of(given: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names}


def _check_usage(ctx: click.Context, given: dict[str, Any]) -> None:
    """Stop on options that contradict each other, rather than ignore one of them."""
    if bool(given["info"]) == bool(given["object_images"]):
        raise click.UsageError("one of --info and --image is needed, and not both")
    if bool(given["out"]) == bool(given["test_images"]):
        raise click.UsageError("--out FILE.vec is needed (or, with --image, --test-images DIR)")
    unused = FOR_IMAGES if given["info"] else FOR_BOXES
    command_line = click.core.ParameterSource.COMMANDLINE
    for name in unused:
        if ctx.get_parameter_source(name) == command_line:
            option = next(p.opts[0] for p in ctx.command.params if p.name == name)
            way = "--info" if given["info"] else "--image"
            raise click.UsageError(f"{option} has no meaning with {way}")
    by_hand = ctx.get_parameter_source("bg_threshold") == command_line
    if by_hand and given["bg_color"] is None:
        raise click.UsageError("--bg-threshold has no meaning without --bg-color")
    if given["max_scale"] is not None and not given["test_images"]:
        raise click.UsageError("--max-scale has no meaning without --test-images")
