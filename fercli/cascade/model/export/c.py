"""A C99 header: a cascade as tables, with the detector around them (``detector.h``).

Decisions are cv2's: the same types in the same order as `fercli.cascade.detection.scanner_kernels`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fercli.cascade.detection.scanner import compile_cascade
from fercli.cascade.detection.scanner_kernels import Tables
from fercli.cascade.model.cascade import Cascade
from fercli.cascade.model.export import identifier

TEMPLATE = Path(__file__).with_name("detector.h")

_GOES_LEFT_HAAR = """\
static inline int @NAME@_goes_left(const @NAME@_layer *layer, ptrdiff_t at, int node, float norm)
{
    const int32_t *sums = (@NAME@_tilted[node] ? layer->tilted : layer->sums) + at;
    const ptrdiff_t s = layer->stride;
    float value = 0.0f;
    int k;
    for (k = 0; k < 3; k++) {
        const int16_t *c = @NAME@_corners[node][k];
        const int32_t sum = @NAME@_sum(sums, c[0] + c[1] * s, c[2] + c[3] * s, c[4] + c[5] * s,
                                       c[6] + c[7] * s);
        value += @NAME@_weights[node][k] * (float)sum;
    }
    return value * norm < @NAME@_splits[node];
}"""
_GOES_LEFT_LBP = """\
static inline int @NAME@_goes_left(const @NAME@_layer *layer, ptrdiff_t at, int node, float norm)
{
    static const uint8_t around[8][2]
        = {{0, 0}, {1, 0}, {2, 0}, {2, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
    const int16_t *block = @NAME@_blocks[node];
    const ptrdiff_t w = block[2], h = (ptrdiff_t)block[3] * layer->stride;
    const int32_t *first = layer->sums + at + block[0] + (ptrdiff_t)block[1] * layer->stride;
    const int32_t middle = @NAME@_sum(first + w + h, 0, w, h, w + h);
    unsigned code = 0;
    int i;
    (void)norm;
    for (i = 0; i < 8; i++) {
        const int32_t *here = first + around[i][0] * w + around[i][1] * h;
        code = 2 * code + (@NAME@_sum(here, 0, w, h, w + h) >= middle);
    }
    return (int)(@NAME@_subsets[node][code / 32] >> code % 32 & 1u);
}"""


def c_header(cascade: Cascade, *, name: str = "cascade") -> str:
    """Return a C99 header with a cascade and its detector.

    Parameters
    ----------
    cascade : Cascade
        Haar features, upright or tilted, or LBP, in trees of any depth.
    name : str
        What all its names begin with, made a name of C.

    Raises
    ------
    CascadeFileError
        The cascade is one that no detector may load.
    """
    tables = compile_cascade(cascade)
    fields = {
        "TABLES": "\n".join(_tables(tables)),
        "GOES_LEFT": _GOES_LEFT_LBP if tables.lbp else _GOES_LEFT_HAAR,
        "WIDTH": tables.width,
        "HEIGHT": tables.height,
        "KIND": cascade.feature_type,
        "STAGES": len(cascade.stages),
        "NODES": len(tables.roots),
        "TILTS": int(tables.tilted.any()),
        "LBP": int(tables.lbp),
        "UPPER": identifier(name).upper(),
        "NAME": identifier(name),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for field, value in fields.items():
        text = text.replace(f"@{field}@", str(value))
    return text


def table_bytes(cascade: Cascade) -> int:
    """Return how many bytes the tables of the header take."""
    tables = compile_cascade(cascade)
    node = 2 * 4 + 2 * 4 + (4 * 2 + 8 * 4 if tables.lbp else 3 * 8 * 2 + 3 * 4 + 4 + 1)
    return len(tables.roots) * node + len(cascade.stages) * (4 + 8) + 4


def _tables(tables: Tables) -> Iterator[str]:
    yield _table("int32_t", "first[]", map(str, tables.stage_first))
    yield _table("double", "thresholds[]", (repr(float(v)) for v in tables.stage_thresholds))
    # A leaf has minus the first node of the next tree.
    roots = np.flatnonzero(tables.roots)
    following = np.append(roots, len(tables.roots))[np.cumsum(tables.roots)]
    children = np.where(tables.children >= 0, tables.children, -following[:, np.newaxis])
    yield _table("int32_t", "children[][2]", _rows(children, str))
    yield _table("float", "leaves[][2]", _rows(tables.leaves, _real))
    if tables.lbp:
        corners = tables.corners
        blocks = np.hstack([corners[:, 0], corners[:, 5] - corners[:, 0]])
        yield _table("int16_t", "blocks[][4]", _rows(blocks, str))
        subsets = tables.subsets.view(np.uint32)
        yield _table("uint32_t", "subsets[][8]", _rows(subsets, lambda value: f"{value}u"))
    else:
        corners = tables.corners.reshape(-1, 3, 8)
        parts = ("{" + ", ".join(_rows(of_node, str)) + "}" for of_node in corners)
        yield _table("int16_t", "corners[][3][8]", parts)
        yield _table("float", "weights[][3]", _rows(tables.weights, _real))
        yield _table("float", "splits[]", map(_real, tables.thresholds))
        yield _table("uint8_t", "tilted[]", (str(int(tilted)) for tilted in tables.tilted))


def _table(kind: str, name: str, values: Iterable[str]) -> str:
    inside = ",\n    ".join(values)
    return f"static const {kind} @NAME@_{name} = {{\n    {inside}}};"


def _rows(array: Any, text: Callable[[Any], str]) -> Iterator[str]:
    return ("{" + ", ".join(map(text, row)) + "}" for row in array)


def _real(value: float) -> str:
    """Return a float32 in as many digits as bring it back."""
    return np.format_float_scientific(np.float32(value), unique=True) + "f"
