"""What the documentation takes from elsewhere when it is built, so that each has one home.

- The cards and results in cascade/, datasets/ and models/, and BENCHMARKS.md, become pages.
- ``{{ session README.md }}`` becomes the console session of that file, which a test runs.
- ``{{ results five-class }}`` becomes that model's row of the table in models/README.md.
- ``{{ table README.md Measured }}`` becomes the table below that heading of the file.
- ``{{ recipes models }}`` becomes the files of ``fercli/recipes/models``.
- ``{{ card ferplus }}`` becomes the rows of that shipped model's metadata.

See: https://www.mkdocs.org/user-guide/configuration/#hooks
"""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
MATERIAL = ("cascade", "datasets", "models")

#: Values of metadata are cut beyond this.
LONGEST = 90
MEANINGS = {
    "fer.version": "fer's version that wrote it",
    "fer.classes": "names in the order of the outputs, JSON",
    "fer.input_size": "width × height that faces are brought to",
    "fer.channels": "1: gray, 3: color",
    "fer.mean": "for each channel, JSON",
    "fer.std": "for each channel, JSON",
    "fer.crop": "side of the middle square that the model sees, or empty",
    "fer.color_order": "`rgb` or `bgr`",
    "fer.temperature": "what logits are divided by before the softmax, so that probabilities fit",
    "fer.architecture": "its name in fer",
    "fer.training": "what it was trained on and how, with its accuracy, JSON",
}

NOT_RUN = "# Benchmarks\n\n`make bench DATA=folder` writes this page; it was not run yet.\n"


def on_files(files: Any, config: Any) -> Any:
    """Add the pages whose home is not docs/."""
    for folder in MATERIAL:
        for path in sorted((ROOT / folder).glob("*.*")):
            if path.suffix == ".md":
                name = f"{folder}/{path.name}"
                files.append(File.generated(config, name, abs_src_path=str(path)))
    benchmarks = ROOT / "BENCHMARKS.md"
    text = benchmarks.read_text(encoding="utf-8") if benchmarks.exists() else NOT_RUN
    files.append(File.generated(config, "benchmarks.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in what a page takes from elsewhere, and its links to files outside docs/."""
    filled = re.sub(r"\{\{ (session|results|card|recipes|table) (.+?) \}\}", _fill, markdown)
    if "/" in page.file.src_uri:
        return filled.replace("](../BENCHMARKS.md", "](../benchmarks.md")
    filled = filled.replace("](../BENCHMARKS.md", "](benchmarks.md")
    return re.sub(r"\]\(\.\./(cascade|datasets|models)/", r"](\1/", filled)


def _fill(match: re.Match[str]) -> str:
    if match[1] == "results":
        return results(match[2].split())
    fill = {"session": session, "card": card, "recipes": recipes, "table": table}[match[1]]
    return fill(match[2])


def session(name: str) -> str:
    """Return the first console session of a file, fences included."""
    found = re.search(r"^```console\n.*?^```", _read(name), re.MULTILINE | re.DOTALL)
    if found is None:
        raise PluginError(f"There is no console session in {name}")
    return found[0]


def table(where: str) -> str:
    """Return the table below a heading of a file."""
    name, _, heading = where.partition(" ")
    _, _, below = _read(name).partition(f"\n## {heading}\n")
    rows = [line for line in below.partition("\n## ")[0].splitlines() if line.startswith("|")]
    if not rows:
        raise PluginError(f"There is no table below the heading {heading!r} of {name}")
    return re.sub(r"\]\((?!http)", "](../", "\n".join(rows))


def recipes(kind: str) -> str:
    """Return the recipes of a kind that come with fer, each under its name."""
    from fercli.common.recipes import bundled_recipes

    return "\n\n".join(
        f"### {name}\n\n```toml\n{path.read_text(encoding='utf-8')}```"
        for name, path in bundled_recipes(kind).items()
    )


def results(models: list[str]) -> str:
    """Return the rows of these models in the table of models/README.md, with its head."""
    lines = _read("models/README.md").splitlines()
    head = next((at for at, line in enumerate(lines) if line.startswith("| model | data")), None)
    table = list(takewhile(lambda line: line.startswith("|"), lines[head or 0 :]))
    rows = [line for line in table for model in models if line.startswith(f"| `{model}`")]
    if head is None or len(rows) < len(models):
        raise PluginError(f"There are no rows of {', '.join(models)} in models/README.md's results")
    return "\n".join([*table[:2], *rows])


def card(model: str) -> str:
    """Return the metadata of a shipped model as rows of a table."""
    from fercli.models.catalog import open_model
    from fercli.models.model_card import to_metadata

    metadata = to_metadata(open_model(model).card)
    return "\n".join(
        f"| `{key}` | {MEANINGS[key]} | {_shortened(value)} |" for key, value in metadata.items()
    )


def _shortened(value: str) -> str:
    shown = value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    return f"`{shown}`" if value else ""


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
