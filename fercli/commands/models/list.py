"""``fer models list``: the architectures and the models that come with fer."""

import json

import click

from fercli.commands import options


@options.command("list")
@options.as_json
@options.no_progress
def list(as_json: bool) -> None:
    """List the shipped models, the architectures that can be trained, and recipes for them.

    A recipe is given to `fer models train --recipe`; a policy of augmentation to its `--augment`
    and to `fer datasets augment --policy`.

    \b
    Examples:
      fer models list
      fer models list --json
    """
    from fercli.models.catalog import (
        architectures_table,
        models_table,
        recipes_table,
        to_dict,
    )

    if as_json:
        click.echo(json.dumps(to_dict(), indent=2))
    else:
        click.echo("\n\n".join([models_table(), architectures_table(), recipes_table()]))
