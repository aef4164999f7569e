"""``fer datasets augment``: changed copies of images, so that each class has enough."""

import json
from pathlib import Path

import click

from fercli.commands import options
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.common.recipes import bundled_recipes

CHANGES = {
    "rotation": "Largest angle, in degrees.",
    "flip": "Probability of a mirror image.",
    "shift": "Largest shift, as a share of the side.",
    "zoom": "Largest zoom: 0.1 scales by 1/1.1 to 1.1.",
    "brightness": "Most that is added to gray levels, as a share of white.",
    "contrast": "Largest change of contrast: 0.3 multiplies by 0.7 to 1.3.",
    "noise": "Largest deviation of noise, in gray levels.",
    "blur": "Largest deviation of a Gaussian, in hundredths of the side.",
    "erasing": "Probability that a rectangle is replaced by noise.",
}


@options.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "The root of the new tree.")
@click.option("--balance", is_flag=True, help="Bring each class to the size of the largest.")
@click.option(
    "--target", type=click.IntRange(min=1), metavar="N", help="Bring each class to N images."
)
@click.option(
    "--copies", type=click.IntRange(min=1), metavar="N", help="Make N copies of each image."
)
@click.option(
    "--policy",
    default="standard",
    show_default=True,
    metavar="NAME|FILE.toml",
    help=f"How images are changed: {', '.join(bundled_recipes('augmentation'))}, or a TOML file of "
    "the numbers below.",
)
@options.each(
    click.option(f"--{name}", type=float, metavar="X", help=f"{text}  [default: the policy's]")
    for name, text in CHANGES.items()
)
@click.option(
    "--splits",
    default="train,validation",
    show_default=True,
    metavar="NAMES",
    help="Which splits get copies; test never does.",
)
@options.placing
@options.seed
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def augment(
    tree: Path,
    out: Path,
    balance: bool,
    target: int | None,
    copies: int | None,
    policy: str,
    splits: str,
    placing: str,
    seed: int,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **changes: float | None,
) -> None:
    """Make a tree with the images of TREE and changed copies of them.

    A copy is named after its original: a.png gives a-aug1.png. `fer models train --augment` takes
    the same policies and changes images on the fly, which takes no space.

    \b
    Examples:
      fer datasets augment clean/ --balance --out balanced/
      fer datasets augment clean/ --target 5000 --policy strong --out more/
      fer datasets augment clean/ --copies 2 --rotation 15 --noise 0 --splits train --out twice/
    """
    from fercli.datasets import reports
    from fercli.datasets import tree as trees
    from fercli.datasets.augment import AugmentOptions, augment_tree, find_policy

    result = augment_tree(
        trees.read_tree(tree),
        out,
        AugmentOptions(
            policy=find_policy(policy, changes),
            copies=copies,
            target=target,
            balance=balance,
            splits=tuple(name.strip() for name in splits.split(",")),
            placing=placing,  # type: ignore[arg-type]  # click's choice
            seed=seed,
        ),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    if as_json:
        click.echo(json.dumps(reports.augment_as_json(result), indent=2))
    else:
        click.echo(reports.augment_as_text(result, out))
