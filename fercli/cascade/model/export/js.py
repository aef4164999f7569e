"""An ES module: a cascade as typed arrays, with the detector around them (``detector.js``), and a
page that runs it on the browser's camera (``camera.html``).

Decisions are cv2's: the same types in the same order as `fercli.cascade.detection.scanner_kernels`.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fercli.cascade.detection.scanner import compile_cascade
from fercli.cascade.detection.scanner_kernels import Tables
from fercli.cascade.model.cascade import Cascade
from fercli.cascade.model.export import following_trees, identifier, wrapped

MODULE, PAGE = (Path(__file__).with_name(name) for name in ("detector.js", "camera.html"))

#: Where the corners of each node's feature are, from a window's element.
_OFFSETS = """\
/** Locate the corners of all features in the integral images of a layer. */
function locate(stride, tiltedAt) {
  for (let i = 0; i < offsets.length; i++)
    offsets[i] = @START@corners[2 * i] + corners[2 * i + 1] * stride;
}"""
_NEXT_NODE = """\
      const child = children[side];
      if (child < 0) vote += leaves[side];
      node = child < 0 ? -child : child; // a leaf: the next tree
    }
    if (vote < thresholds[stage]) return stage;
  }
  return thresholds.length;
}"""
_STAGES_PASSED_HAAR = (
    """\
const AREA = (W - 2) * (H - 2);

/** How many stages in a row a window passes; -1 if it is too flat. */
function stagesPassed(at, stride) {
  const a = at + stride + 1, b = a + W - 2, c = a + (H - 2) * stride, d = c + W - 2;
  const total = (sums[a] - sums[b] - sums[c] + sums[d]) | 0;
  const spread = AREA * ((squares[a] - squares[b] - squares[c] + squares[d]) >>> 0) - total * total;
  const norm = Math.fround(1 / Math.sqrt(spread > 1 ? spread : 1));
  if (!(AREA * norm < 0.1)) return -1;
  for (let stage = 0; stage < thresholds.length; stage++) {
    const end = first[stage + 1];
    let vote = 0;
    for (let node = first[stage]; node < end; ) {
      const o = 12 * node, w = 3 * node;
      let value = Math.fround(weights[w] * ((sums[at + offsets[o]] - sums[at + offsets[o + 1]]
        - sums[at + offsets[o + 2]] + sums[at + offsets[o + 3]]) | 0));
      value = Math.fround(value + Math.fround(weights[w + 1] * ((sums[at + offsets[o + 4]]
        - sums[at + offsets[o + 5]] - sums[at + offsets[o + 6]] + sums[at + offsets[o + 7]]) | 0)));
      if (weights[w + 2] !== 0)
        value = Math.fround(value + Math.fround(weights[w + 2] * ((sums[at + offsets[o + 8]]
          - sums[at + offsets[o + 9]] - sums[at + offsets[o + 10]]
          + sums[at + offsets[o + 11]]) | 0)));
      const side = 2 * node + (Math.fround(value * norm) < splits[node] ? 0 : 1);
"""
    + _NEXT_NODE
)
_STAGES_PASSED_LBP = (
    """\
/** How many stages in a row a window passes. */
function stagesPassed(at) {
  const I = sums;
  for (let stage = 0; stage < thresholds.length; stage++) {
    const end = first[stage + 1];
    let vote = 0;
    for (let node = first[stage]; node < end; ) {
      const o = 16 * node;
      const p5 = I[at + offsets[o + 5]], p6 = I[at + offsets[o + 6]];
      const p9 = I[at + offsets[o + 9]], p10 = I[at + offsets[o + 10]];
      const middle = (p5 - p6 - p9 + p10) | 0;
      const p0 = I[at + offsets[o]], p1 = I[at + offsets[o + 1]], p2 = I[at + offsets[o + 2]];
      const p3 = I[at + offsets[o + 3]], p4 = I[at + offsets[o + 4]], p7 = I[at + offsets[o + 7]];
      const p8 = I[at + offsets[o + 8]], p11 = I[at + offsets[o + 11]];
      const p12 = I[at + offsets[o + 12]], p13 = I[at + offsets[o + 13]];
      const p14 = I[at + offsets[o + 14]], p15 = I[at + offsets[o + 15]];
      const word = (((p0 - p1 - p4 + p5) | 0) >= middle ? 4 : 0)
        | (((p1 - p2 - p5 + p6) | 0) >= middle ? 2 : 0)
        | (((p2 - p3 - p6 + p7) | 0) >= middle ? 1 : 0);
      const bit = (((p6 - p7 - p10 + p11) | 0) >= middle ? 16 : 0)
        | (((p10 - p11 - p14 + p15) | 0) >= middle ? 8 : 0)
        | (((p9 - p10 - p13 + p14) | 0) >= middle ? 4 : 0)
        | (((p8 - p9 - p12 + p13) | 0) >= middle ? 2 : 0)
        | (((p4 - p5 - p8 + p9) | 0) >= middle ? 1 : 0);
      const side = 2 * node + ((subsets[8 * node + word] >>> bit) & 1 ? 0 : 1);
"""
    + _NEXT_NODE
)


def js_module(cascade: Cascade, *, name: str = "cascade", file: str = "") -> str:
    """Return an ES module with a cascade and its detector.

    Parameters
    ----------
    cascade : Cascade
        Haar features, upright or tilted, or LBP, in trees of any depth.
    name : str
        What the module calls itself.
    file : str, optional
        The name of its file, for the example in it. Defaults to one after `name`.

    Raises
    ------
    CascadeFileError
        The cascade is one that no detector may load.
    """
    tables = compile_cascade(cascade)
    start = "(tilted[Math.floor(i / CORNERS)] ? tiltedAt : 0) + " if tables.tilted.any() else ""
    fields = {
        "TABLES": "\n".join(_tables(tables)),
        "OFFSETS": _OFFSETS.replace("@START@", start),
        "STAGES_PASSED": _STAGES_PASSED_LBP if tables.lbp else _STAGES_PASSED_HAAR,
        "CORNERS": tables.corners.shape[1],
        "NORMED": str(tables.normalized).lower(),
        "WIDTH": tables.width,
        "HEIGHT": tables.height,
        "KIND": cascade.feature_type,
        "STAGES": len(cascade.stages),
        "NODES": len(tables.roots),
        "TILTED": str(bool(tables.tilted.any())).lower(),
        "FILE": file or f"{identifier(name)}.js",
        "NAME": identifier(name),
    }
    return _filled(MODULE, fields)


def js_page(module: str, *, name: str = "cascade") -> str:
    """Return a page that runs a module of `js_module` on the browser's camera or on an image.

    The module is inside, so that the page works from a file.
    """
    return _filled(PAGE, {"TITLE": escape(name), "MODULE": module})


def _filled(template: Path, fields: dict[str, Any]) -> str:
    text = template.read_text(encoding="utf-8")
    for field, value in fields.items():
        text = text.replace(f"@{field}@", str(value))
    return text


def _tables(tables: Tables) -> Iterator[str]:
    yield f"const nodes = {len(tables.roots)};"
    yield _table("Int32", "first", map(str, tables.stage_first))
    yield _table("Float64", "thresholds", (repr(float(v)) for v in tables.stage_thresholds))
    yield _table("Int32", "children", map(str, following_trees(tables).ravel()))
    yield _table("Float32", "leaves", map(_real, tables.leaves.ravel()))
    yield _table("Int16", "corners", map(str, tables.corners.ravel()))
    if tables.lbp:
        yield _table("Int32", "subsets", map(str, tables.subsets.ravel()))
        return
    yield _table("Float32", "weights", map(_real, tables.weights.ravel()))
    yield _table("Float32", "splits", map(_real, tables.thresholds))
    if tables.tilted.any():
        yield _table("Uint8", "tilted", (str(int(tilted)) for tilted in tables.tilted))


def _table(kind: str, name: str, values: Iterator[str]) -> str:
    return f"const {name} = new {kind}Array([\n{wrapped(values, '  ')}]);"


def _real(value: Any) -> str:
    """Return a float32 in as many digits as bring it back."""
    text = str(np.float32(value))
    if text.startswith(("0.", "-0.")) and text not in ("0.0", "-0.0"):
        return text.replace("0.", ".", 1)
    return text.removesuffix(".0")
