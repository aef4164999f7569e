"""``fer models embed``: faces as points, their clusters and a map."""

from pathlib import Path
from typing import Any

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@options.model_argument
@options.data
@options.split
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
    from fercli.common.work_folder import alone_in
    from fercli.models.embedding import describe_embedding, embed_tree

    with alone_in(out, "an embedding"):
        embedding, classes = embed_tree(
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
    about = {
        "out": out,
        "faces": len(embedding.features),
        "clusters": len(embedding.table),
        "purity": float(embedding.purity),
        "classes": [*classes],
        "table": embedding.table.tolist(),
    }
    options.echo(about, as_json, f"{describe_embedding(embedding, classes)}\nwrote {out}")
