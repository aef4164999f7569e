"""``fer cascade samples merge``: several ``.vec`` files to one."""

from pathlib import Path

import click

from fercli.commands import options
from fercli.common.progress import Progress


@options.command()
@click.argument("vecs", type=options.path_type(), nargs=-1, required=True, metavar="FILE.vec...")
@options.out("FILE.vec", "Write the samples to this file.")
@options.sample_size
@click.option("--drop-duplicates", is_flag=True, help="Write equal samples only once.")
@click.option(
    "--shuffle", is_flag=True, help="Write them in random order, so that a training mixes them."
)
@options.seed
@options.overwrite
@options.as_json
@options.quiet
def merge(
    vecs: tuple[Path, ...],
    out: Path,
    size: tuple[int, int] | None,
    drop_duplicates: bool,
    shuffle: bool,
    seed: int,
    overwrite: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Merge .vec files whose samples are of one size.

    A single file is copied, which repairs a header with a wrong count.

    \b
    Examples:
      fer cascade samples merge a.vec b.vec --out both.vec
      fer cascade samples merge *.vec --shuffle --drop-duplicates --out all.vec
    """
    from fercli.cascade.samples.merge_split import merge

    written = merge(
        vecs,
        out,
        size_wh=size,
        drop_duplicates=drop_duplicates,
        shuffle=shuffle,
        seed=seed,
        overwrite=overwrite,
        progress=progress,
    )
    options.echo(written, as_json, f"{written.path}: {written.count} samples")
