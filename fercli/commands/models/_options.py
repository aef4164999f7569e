"""Options that several commands of ``fer models`` share."""

from typing import Any

import click

from fercli.commands import options

data = click.option(
    "--data",
    type=options.path_type(),
    required=True,
    metavar="DIR",
    help="A tree of `fer datasets`.",
)
split = click.option(
    "--split",
    default="validation",
    show_default=True,
    metavar="NAME",
    help="The split of the tree.",
)
network = click.argument("network", metavar="NETWORK")


#: What a network of others does not say; the command takes **said.
network_settings = options.each(
    [
        click.option(
            "--classes", metavar="A,B,…", help="Foreign network: its classes, in its order."
        ),
        click.option("--size", type=options.Size(), help="Foreign network: its input size."),
        click.option(
            "--mean",
            type=float,
            metavar="X",
            help="Foreign network: it sees (pixel - mean) / std.  [default: 127.5]",
        ),
        click.option(
            "--std",
            type=float,
            metavar="X",
            help="Foreign network: see --mean.  [default: 127.5]",
        ),
        click.option(
            "--colour-order",
            type=click.Choice(["rgb", "bgr"]),
            help="Foreign network: of its channels.",
        ),
    ]
)


def to_settings(said: dict[str, Any]) -> Any:
    """Return the library's settings for what `network_settings` took."""
    from fercli.models.model_settings import Settings

    classes = said["classes"]
    return Settings(
        classes=[name.strip() for name in classes.split(",")] if classes else None,
        size_wh=said["size"],
        mean=said["mean"],
        std=said["std"],
        colour_order=said["colour_order"],
    )
