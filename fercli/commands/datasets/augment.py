"""``fer datasets augment``: changed copies of images, so that each class has enough."""

import json
from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.options import option_fields
from fercli.common.parallel import Workers
from fercli.common.progress import Progress
from fercli.common.recipes import bundled_recipes
from fercli.datasets.options import CopyOptions, PolicyOptions


@options.command()
@click.argument("tree", type=options.path_type())
@options.out("DIR", "Write the new tree to this folder.")
@options.from_fields(CopyOptions, only=["balance", "target", "copies"])
@click.option(
    "--policy",
    default="standard",
    show_default=True,
    metavar="NAME|FILE.toml",
    help=f"Change images by this policy: {', '.join(bundled_recipes('augmentation'))}, or a TOML "
    "file of the numbers below.",
)
@options.from_fields(PolicyOptions)
@click.option(
    "--splits",
    default="train",
    show_default=True,
    metavar="NAMES",
    help="Copy images of these splits. Models are chosen and measured by validation: changed "
    "images in it change the result; test never gets copies.",
)
@options.from_fields(CopyOptions, only=["placing", "seed"])
@options.overwrite
@options.spread
@options.as_json
@options.quiet
def augment(
    tree: Path,
    out: Path,
    policy: str,
    splits: str,
    overwrite: bool,
    workers: Workers,
    as_json: bool,
    progress: Progress,
    **choices: Any,
) -> None:
    """Add changed copies of images to a tree, so that each class has enough.

    Only the split train gets copies, unless --splits names others. A copy is named after its
    original: a.png gives a-aug1.png. `fer models train --augment` takes the same policies and
    changes images on the fly, which takes no space.

    \b
    Examples:
      fer datasets augment clean/ --balance --out balanced/
      fer datasets augment clean/ --target 5000 --policy strong --out more/
      fer datasets augment clean/ --copies 2 --rotation 15 --noise 0 --out twice/
    """
    from fercli.datasets import reports
    from fercli.datasets import tree as trees
    from fercli.datasets.augment import AugmentOptions, augment_tree, find_policy

    changes = {name: choices[name] for name in option_fields(PolicyOptions)}
    result = augment_tree(
        trees.read_tree(tree),
        out,
        options.build(
            AugmentOptions,
            {
                **choices,
                "policy": find_policy(policy, changes),
                "splits": tuple(name.strip() for name in splits.split(",")),
            },
        ),
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    if as_json:
        click.echo(json.dumps(reports.augment_as_json(result), indent=2))
    else:
        click.echo(reports.augment_as_text(result, out))
