"""A C99 header: a cascade as tables, with the detector around them (``detector.h``).

Decisions are cv2's: the same types in the same order as `fercli.cascade.detection.scanner_kernels`;
or, as the including program chooses, those of whole numbers, which differ where values are as good
as equal. Integral images are kept for as many rows as a window has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner import compile_cascade
from fercli.cascade.detection.scanner_kernels import Tables
from fercli.cascade.model.cascade import MOST_RECTANGLES, Cascade
from fercli.cascade.model.export import following_trees, identifier, wrapped

TEMPLATE = Path(__file__).with_name("detector.h")

#: Bits of the fraction of a standard deviation in whole numbers.
DEVIATION_BITS = 12
#: The largest window whose deviations fit in 32 bits with that fraction.
MOST_AREA = int((2**32 - 1) / 2**DEVIATION_BITS / 127.5)
#: Thresholds and leaves of fewer bits of fraction are not written in whole numbers.
LEAST_BITS = 8

_GOES_LEFT_HAAR = """\
static inline int @NAME@_goes_left(const @NAME@_band *band, int x, int node, @NAME@_norm norm)
{
    @NAME@_value value = 0;
    int k;
    for (k = 0; k < 3; k++) {
        const @COORDINATE@ *r = @NAME@_rectangles[node][k];
        const int32_t *at = @SUMS@ + x + r[0];
        const ptrdiff_t w = r[2], h = r[3];
        int32_t sum;
        if (!w)
            break;
@SUM@
        value += (@NAME@_value)@NAME@_weights[node][k] * (@NAME@_value)sum;
    }
#ifdef @UPPER@_INTEGER
    return (int64_t)value * ((int64_t)1 << @SPLIT_BITS@) < (int64_t)@NAME@_splits[node] * norm;
#else
    return value * norm < @NAME@_splits[node];
#endif
}"""
_UPRIGHT = """\
sum = @NAME@_sum(at, band->rows[r[1]], band->rows[r[1]] + w, band->rows[r[1] + h],
                         band->rows[r[1] + h] + w);"""
_TILTED = """\
sum = @NAME@_sum(at, band->rows[r[1]], band->rows[r[1] + w] + w,
                             band->rows[r[1] + h] - h, band->rows[r[1] + w + h] + w - h);"""
_GOES_LEFT_LBP = """\
static inline int @NAME@_goes_left(const @NAME@_band *band, int x, int node)
{
    static const uint8_t around[8][2]
        = {{0, 0}, {1, 0}, {2, 0}, {2, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
    const @COORDINATE@ *block = @NAME@_blocks[node];
    const ptrdiff_t w = block[2], h = block[3];
    const int32_t *at = band->sums + x + block[0], *rows = band->rows + block[1];
    const int32_t middle = @NAME@_sum(at + w, rows[h], rows[h] + w, rows[2 * h], rows[2 * h] + w);
    unsigned code = 0;
    int i;
    for (i = 0; i < 8; i++) {
        const int32_t *left = at + around[i][0] * w, *row = rows + around[i][1] * h;
        code = 2 * code + (@NAME@_sum(left, row[0], row[0] + w, row[h], row[h] + w) >= middle);
    }
    return (int)(@NAME@_subsets[node][code / 32] >> code % 32 & 1u);
}"""
_NORM = """\
    const int32_t *top = band->sums + band->rows[1] + x + 1;
    const int32_t *end = band->sums + band->rows[@HEIGHT@ - 1] + x + 1;
    const int32_t total = @NAME@_wrap((uint32_t)top[0] - (uint32_t)top[@WIDTH@ - 2]
                                      - (uint32_t)end[0] + (uint32_t)end[@WIDTH@ - 2]);
    const uint32_t squares = band->squares[x + @WIDTH@ - 1] - band->squares[x + 1];
    @NAME@_norm norm;
#ifdef @UPPER@_INTEGER
    const uint64_t spread = (uint64_t)@AREA@ * squares - (uint64_t)((int64_t)total * total);
    if (spread < @LEAST_SPREAD@u)
        return -1;
    norm = @NAME@_root(spread << 24);
#else
    const double spread = (double)@AREA@ * squares - (double)total * total;
    norm = (float)(1.0 / @NAME@_root(spread > 1.0 ? spread : 1.0));
    if (!((double)@AREA@ * norm < 0.1))
        return -1;
#endif"""
_ROOT = """

#ifdef @UPPER@_INTEGER
/* The root, without its fraction. */
static inline uint32_t @NAME@_root(uint64_t value)
{
    uint64_t root = 0, bit = (uint64_t)1 << 62;
    while (bit > value)
        bit >>= 2;
    for (; bit; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root += 2 * bit;
        }
        root >>= 1;
    }
    return (uint32_t)root;
}
#else
/* Newton's steps from above, until they end at the root; value is a whole number above 0. */
static inline double @NAME@_root(double value)
{
    double root = 1.0, next;
    while (root * root < value)
        root *= 2.0;
    for (;;) {
        next = 0.5 * (root + value / root);
        if (next >= root)
            return root;
        root = next;
    }
}
#endif"""
_SQUARES = """\
    /* The inner rows of the window that ends here: without this row and without the first. */
    for (x = 0; y > 0 && x < band->width; x++) {
        const uint32_t value = @NAME@_pixel(band->sums + (ptrdiff_t)((y - 1) % n) * s, last, x);
        band->columns[x] += value * value;
    }
    for (x = 0; y >= @HEIGHT@ - 1 && x < band->width; x++) {
        const int32_t *first = band->sums + (ptrdiff_t)((y + 1 - @HEIGHT@) % n) * s;
        const int32_t *second = band->sums + (ptrdiff_t)((y + 2 - @HEIGHT@) % n) * s;
        const uint32_t value = @NAME@_pixel(first, second, x);
        band->columns[x] -= value * value;
    }"""
_TILT = """
    /* T(x, y) = T(x-1, y-1) + T(x+1, y-1) - T(x, y-2) + two pixels; beyond the borders the cone
     * holds what that of the row above does. */
    for (x = 0; x <= band->width; x++) {
        const int32_t *above = band->sums + (ptrdiff_t)((y + @HEIGHT@) % n) * s;
        const int32_t *t1 = band->tilted + (ptrdiff_t)(y % n) * s;
        const int32_t *t2 = band->tilted + (ptrdiff_t)((y + @HEIGHT@) % n) * s;
        uint32_t value = (uint32_t)t1[x ? x - 1 : 1];
        if (x) {
            const uint32_t before = y ? (uint32_t)t2[x] : 0;
            value += (x < band->width ? (uint32_t)t1[x + 1] : before) - before;
            value += @NAME@_pixel(last, here, x - 1);
            value += y ? @NAME@_pixel(above, last, x - 1) : 0;
        }
        band->tilted[(ptrdiff_t)((y + 1) % n) * s + x] = @NAME@_wrap(value);
    }"""
_PREFIX = """\
            band.squares[0] = 0;
            for (x = 0; x < to_width; x++)
                band.squares[x + 1] = band.squares[x] + band.columns[x];"""
_NEXT_IN_TREES = """\
            const int child = @NAME@_children[node][side];
            if (child < 0)
                vote += @NAME@_leaves[node][side];
            node = child < 0 ? -child : child; /* a leaf: the next tree */"""
_NEXT_STUMP = """\
            vote += @NAME@_leaves[node++][side];"""


class _Whole(NamedTuple):
    """How a cascade is written in whole numbers: the bits of fractions."""

    split_bits: int
    leaf_bits: int


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
    tilts, trees = bool(tables.tilted.any()), _has_trees(tables)
    area = (tables.width - 2) * (tables.height - 2)
    whole = _whole_numbers(tables)
    normed = tables.normalized
    fields = {
        "TABLES": "\n".join([*_tables(tables, whole), *([_ROOT] if normed else [])]),
        "GOES_LEFT": _GOES_LEFT_LBP if tables.lbp else _haar_feature(tilts),
        "MORE_SUMS": (_SQUARES if normed else "    (void)n;") + (_TILT if tilts else ""),
        "NORM_ARGUMENT": ", norm" if normed else "",
        "NORM": _NORM if normed else "",
        "PREFIX": _PREFIX if normed else "",
        "NEXT": _NEXT_IN_TREES if trees else _NEXT_STUMP,
        "COORDINATE": _coordinate(tables)[0],
        "SPLIT_BITS": whole.split_bits + DEVIATION_BITS if whole else 0,
        "WORK_ROWS": work_bytes(cascade, 0) // 4,
        "AREA": area,
        "LEAST_SPREAD": least_spread(area),
        "WIDTH": tables.width,
        "HEIGHT": tables.height,
        "KIND": cascade.feature_type,
        "STAGES": len(cascade.stages),
        "NODES": len(tables.roots),
        "TILTS": int(tilts),
        "LBP": int(tables.lbp),
        "UPPER": identifier(name).upper(),
        "NAME": identifier(name),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for field, value in fields.items():
        text = text.replace(f"@{field}@", str(value))
    return text


def has_whole_numbers(cascade: Cascade) -> bool:
    """Return whether the header has the variant in whole numbers.

    It has not where weights are none, or where the window is so large that sums overflow.
    """
    return _whole_numbers(compile_cascade(cascade)) is not None


def table_bytes(cascade: Cascade) -> int:
    """Return how many bytes the tables of the header take, in either variant."""
    tables = compile_cascade(cascade)
    count = len(tables.roots)
    fixed = len(cascade.stages) * (4 + _index(count)[1])
    return fixed + count * _node_bytes(tables)


def most_nodes(cascade: Cascade, size: int, *, trees: bool, tilted: bool) -> int:
    """Return how many nodes another stage may have, so that the tables take so many bytes at most.

    Parameters
    ----------
    cascade : Cascade
        The stages so far; none is a cascade as well.
    size : int
    trees, tilted : bool
        Whether there will be trees, and tilted features.
    """
    tables = compile_cascade(cascade)
    lbp = cascade.feature_type == "LBP"
    coordinate = 1 if max(cascade.size_wh) <= 255 else 2
    node = (4 * coordinate + 32 if lbp else 12 * coordinate + 3 + 4) + 8
    node += int(tilted and not lbp)
    best = 0
    for most, child in ((2**15 - 1, 2), (2**31 - 1, 4)):
        index = 2 if most < 2**16 else 4
        left = size - (len(cascade.stages) + 1) * (4 + index)
        nodes = min(left // (node + (2 * child if trees else 0)), most)
        best = max(best, nodes - len(tables.roots))
    return best


def work_bytes(cascade: Cascade, width: int) -> int:
    """Return how large a work buffer the detector needs for images of a width."""
    tables = compile_cascade(cascade)
    rings = 2 if tables.tilted.any() else 1
    rows = (tables.height + 1) * rings + (3 if tables.normalized else 1)
    return 4 * (width + 1) * rows


def least_spread(area: int) -> int:
    """Return the least area² · variance at which the detector does not refuse a window as flat."""

    def is_flat(spread: int) -> bool:
        return not area * float(np.float32(1.0 / np.sqrt(np.float64(spread)))) < 0.1

    low, high = 1, 200 * area * area
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if is_flat(middle) else (low, middle)
    return low


def _whole_numbers(tables: Tables) -> _Whole | None:
    """Return how fine thresholds and leaves can be in 32 bits; None if sums would overflow."""
    starts = tables.stage_first[:-1]
    votes = np.add.reduceat(np.abs(tables.leaves).max(axis=1), starts)
    leaf_bits = 30 - _bits(max(votes.max(), np.abs(tables.stage_thresholds).max()))
    if leaf_bits < LEAST_BITS:
        return None
    if tables.lbp:
        return _Whole(0, leaf_bits)
    weights = tables.weights
    largest = 255.0 * tables.width * tables.height * np.abs(weights).sum(axis=1).max()
    if not _is_int8(weights) or largest >= 2**31 or tables.width * tables.height > MOST_AREA:
        return None
    split_bits = min(
        30 - _bits(np.abs(tables.thresholds).max()), 62 - DEVIATION_BITS - _bits(largest)
    )
    return _Whole(split_bits, leaf_bits) if split_bits >= LEAST_BITS else None


def _bits(value: float) -> int:
    """Return the least n such that the value is at most 2**n."""
    return int(np.ceil(np.log2(value))) if value > 0 else 0


def _is_int8(weights: NDArray[np.float32]) -> bool:
    return bool((weights == np.rint(weights)).all() and np.abs(weights).max(initial=0) <= 127)


def _has_trees(tables: Tables) -> bool:
    return not tables.roots.all()


def _coordinate(tables: Tables) -> tuple[str, int]:
    """Return the type of coordinates in the window, and its bytes."""
    return ("uint8_t", 1) if max(tables.width, tables.height) <= 255 else ("uint16_t", 2)


def _index(count: int) -> tuple[str, int]:
    return ("uint16_t", 2) if count < 2**16 else ("int32_t", 4)


def _node_bytes(tables: Tables) -> int:
    coordinate = _coordinate(tables)[1]
    leaves = 2 * 4
    children = 0 if not _has_trees(tables) else 4 if len(tables.roots) < 2**15 else 8
    if tables.lbp:
        return 4 * coordinate + 8 * 4 + leaves + children
    weights = MOST_RECTANGLES * (1 if _is_int8(tables.weights) else 4)
    feature = 4 * MOST_RECTANGLES * coordinate + weights + int(tables.tilted.any())
    return feature + 4 + leaves + children


def _haar_feature(tilts: bool) -> str:
    upright, tilted = f"        {_UPRIGHT}", f"            {_TILTED}"
    both = f"        if (@NAME@_tilted[node])\n{tilted}\n        else\n    {upright}"
    sums = "(@NAME@_tilted[node] ? band->tilted : band->sums)" if tilts else "band->sums"
    return _GOES_LEFT_HAAR.replace("@SUMS@", sums).replace("@SUM@", both if tilts else upright)


def _tables(tables: Tables, whole: _Whole | None) -> Iterator[str]:
    """Yield the tables, those of both variants first."""
    count = len(tables.roots)
    yield _table(_index(count)[0], "last[]", map(str, tables.stage_first[1:]))
    if _has_trees(tables):
        kind = "int16_t" if count < 2**15 else "int32_t"
        yield _table(kind, "children[][2]", _rows(following_trees(tables), str))
    coordinate = _coordinate(tables)[0]
    if tables.lbp:
        corners = tables.corners
        blocks = np.hstack([corners[:, 0], corners[:, 5] - corners[:, 0]])
        yield _table(coordinate, "blocks[][4]", _rows(blocks, str))
        subsets = tables.subsets.view(np.uint32)
        yield _table("uint32_t", "subsets[][8]", _rows(subsets, lambda value: f"{value}u"))
    else:
        boxes = ("{" + ", ".join(_rows(of_node, str)) + "}" for of_node in _rectangles(tables))
        yield _table(coordinate, "rectangles[][3][4]", boxes)
        kind, text = ("int8_t", _integer) if _is_int8(tables.weights) else ("float", _real)
        yield _table(kind, "weights[][3]", _rows(tables.weights, text))
        if tables.tilted.any():
            yield _table("uint8_t", "tilted[]", map(_integer, tables.tilted))
    yield "\n#ifdef @UPPER@_INTEGER"
    if whole is None:
        yield "#error this cascade cannot be evaluated in whole numbers: leave out @UPPER@_INTEGER"
        yield "typedef double @NAME@_vote, @NAME@_value, @NAME@_norm;"
    else:
        yield "typedef int32_t @NAME@_vote, @NAME@_value;\ntypedef uint32_t @NAME@_norm;"
        yield from _numbers("int32_t", tables, _fixed(whole.leaf_bits), _fixed(whole.split_bits))
    yield "#else"
    yield "typedef double @NAME@_vote;\ntypedef float @NAME@_value, @NAME@_norm;"
    yield from _numbers("float", tables, _real, _real)
    yield "#endif"


def _numbers(
    kind: str, tables: Tables, vote: Callable[[Any], str], split: Callable[[Any], str]
) -> Iterator[str]:
    """Yield what differs between the variants."""
    yield _table(kind, "thresholds[]", map(vote, tables.stage_thresholds))
    yield _table(kind, "leaves[][2]", _rows(tables.leaves, vote))
    if not tables.lbp:
        yield _table(kind, "splits[]", map(split, tables.thresholds))


def _rectangles(tables: Tables) -> NDArray[np.int64]:
    """Return x, y, width, height of the rectangles of each node, shape (nodes, 3, 4)."""
    corners = tables.corners.reshape(len(tables.roots), MOST_RECTANGLES, 4, 2)
    first = corners[:, :, 0]
    # The second corner is across, the third down; in a tilted rectangle both go down.
    width = corners[:, :, 1, 0] - first[:, :, 0]
    height = corners[:, :, 2, 1] - first[:, :, 1]
    return np.concatenate([first, width[..., np.newaxis], height[..., np.newaxis]], axis=2)


def _table(kind: str, name: str, values: Iterable[str]) -> str:
    return f"static const {kind} @NAME@_{name} = {{\n{wrapped(values, '   ', ' ')}}};"


def _rows(array: Any, text: Callable[[Any], str]) -> Iterator[str]:
    return ("{" + ", ".join(map(text, row)) + "}" for row in array)


def _real(value: float) -> str:
    """Return a float32 in as many digits as bring it back."""
    return np.format_float_scientific(np.float32(value), unique=True) + "f"


def _integer(value: Any) -> str:
    return str(int(value))


def _fixed(bits: int) -> Callable[[Any], str]:
    """Return how a number is written with so many bits of fraction."""
    return lambda value: str(int(np.rint(np.ldexp(np.float64(value), bits))))
