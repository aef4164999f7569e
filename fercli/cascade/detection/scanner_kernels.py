"""Kernels of the scanner: a cascade over the windows of one image, decided as cv2 decides.

**Layout.** An image of W × H pixels has an integral image of (W + 1) × (H + 1). With a step of
two pixels, neighboring windows read every second column of it, which no processor does well: so
columns are stored in `step` planes, even ones first. Column X of row Y is element
``Y·stride + (X mod step)·plane + X div step``, and the windows of a row read neighboring elements
at whatever step. The tilted integral image follows at the offset `tilted_at`.

**Order of work.** Windows are evaluated in groups of `LANES` neighbors in a row, one vector
instruction for all: a group costs hardly more than one window alone. Survivors lie close to each
other, so that most of a group's lanes still serve when few windows are left. The groups of a strip
of rows go through the cascade stage by stage; those without a survivor are dropped. For a stage of
very many nodes, windows that are left here and there are packed: the integral images of `LANES` of
them are interleaved, so that the elements of a group are neighbors again.

**Arithmetic.** The types of cv2's detector in its order, so that decisions are equal and not just
close: sums of rectangles int32 (the integral image may wrap, a difference does not), values of
features float32, sums of leaves float64.
See: OpenCV 4.14, ``modules/objdetect/src/cascadedetect.cpp`` and ``cascadedetect.hpp``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from fercli.common.kernels import compiled, numba

cgutils, types = numba.core.cgutils, numba.core.types
intrinsic, overload = numba.extending.intrinsic, numba.extending.overload

UInt8s = NDArray[np.uint8]
Int32s = NDArray[np.int32]
UInt32s = NDArray[np.uint32]
Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Windows of a group. Eight float32 are one AVX register, or two of SSE or NEON.
LANES = 8
ALL_LANES = (1 << LANES) - 1
#: Windows of a strip, about: what a strip reads and its lists stay in the cache.
STRIP = 8192
#: How many bits of a byte are set.
BITS = np.array([bin(byte).count("1") for byte in range(256)], np.int64)


class Tables(NamedTuple):
    """A cascade as flat arrays. Nodes of all trees stand in one row, parents before children.

    Parameters
    ----------
    width, height : int
        The window.
    lbp : bool
        Local binary patterns, not Haar features.
    normalized : bool
        Values are divided by the window's norm, and flat windows are refused: always so with
        Haar features.
    corners : ndarray of int32, shape (nodes, 12 or 16, 2)
        x, y of the corners of the rectangles (Haar) or blocks (LBP) of each node's feature.
    packed_corners : ndarray of uint32, shape (nodes, 12 or 16)
        Where they are in the interleaved integral images of packed windows.
    tilted : ndarray of bool, shape (nodes,)
    weights : ndarray of float32, shape (nodes, 3)
    thresholds : ndarray of float32, shape (nodes,)
    subsets : ndarray of int32, shape (nodes, 8)
    roots : ndarray of bool, shape (nodes,)
        Whether a tree begins here.
    children : ndarray of int32, shape (nodes, 2)
        Left and right: a node, or -1 for a leaf.
    leaves : ndarray of float64, shape (nodes, 2)
        The values of leaves; 0 where the child is a node.
    stage_first : ndarray of int64, shape (stages + 1,)
        The first node of each.
    stage_thresholds : ndarray of float64, shape (stages,)
        With the 1e-5 that the detector takes off.
    """

    width: int
    height: int
    lbp: bool
    normalized: bool
    corners: Int32s
    packed_corners: UInt32s
    tilted: Bools
    weights: Float32s
    thresholds: Float32s
    subsets: Int32s
    roots: Bools
    children: Int32s
    leaves: Float64s
    stage_first: Int64s
    stage_thresholds: Float64s


class Grid(NamedTuple):
    """Where the windows of one image are, and how its integral images are laid out.

    Parameters
    ----------
    step : int
        1 or 2 pixels from a window to the next, across and down.
    x, y : int
        The first window.
    columns, rows : int
        How many windows.
    skips : bool
        Whether the window after one that the first stage rejects is left out, as cv2 does.
    plane, stride, tilted_at : int
        The layout; `tilted_at` is 0 where no tilted integral image is wanted.
    """

    step: int
    x: int
    y: int
    columns: int
    rows: int
    skips: bool
    plane: int
    stride: int
    tilted_at: int


@compiled
def integrate(
    pixels: UInt8s, first: int, last: int, grid: Grid, squared: bool,
    sums: Int32s, squares: Int32s, lines: Int32s,
) -> None:  # fmt: skip
    """Compute rows `first` + 1 to `last` of the integral images.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    first, last : int
        Rows of pixels; a call goes on where the last one ended. Row 0 is set if `first` is 0.
    grid : Grid
    squared : bool
        Whether that of the squares is wanted.
    sums, squares : ndarray of int32
        The results; the tilted integral image is in `sums` too.
    lines : ndarray of int32, shape (5, width + 3)
        Kept between calls: sums of the columns, and the last three rows of the tilted image.
    """
    plane, stride, tilted_at = grid.plane, grid.stride, grid.tilted_at
    if first == 0:
        sums[:stride] = 0
        if squared:
            squares[:stride] = 0
        if tilted_at > 0:
            sums[tilted_at : tilted_at + stride] = 0
        lines[:] = 0
    for row in range(first, last):
        here = (row + 1) * stride
        _add_pixels(pixels[row], lines[0], lines[1], squared)
        _sum_along(lines[0], pixels.shape[1], grid.step, plane, sums[here:])
        if squared:
            _sum_along(lines[1], pixels.shape[1], grid.step, plane, squares[here:])
        if tilted_at > 0:
            _tilt(pixels, row, lines)
            line = lines[2 + (row + 1) % 3]
            for phase in range(grid.step):
                start = tilted_at + here + phase * plane
                for at in range((pixels.shape[1] - phase) // grid.step + 1):
                    sums[start + at] = line[at * grid.step + phase + 1]


@compiled
def _add_pixels(pixels: UInt8s, columns: Int32s, of_squares: Int32s, squared: bool) -> None:
    if squared:
        for x in range(pixels.shape[0]):
            value = np.int32(pixels[x])
            columns[x] += value
            of_squares[x] += value * value
    else:
        for x in range(pixels.shape[0]):
            columns[x] += np.int32(pixels[x])


@compiled
def _sum_along(columns: Int32s, width: int, step: int, plane: int, result: Int32s) -> None:
    """Sum along a row, into one plane or two."""
    total = np.int32(0)
    result[0] = 0
    if step == 1:
        for x in range(width):
            total = np.int32(total + columns[x])
            result[x + 1] = total
        return
    odd = result[plane:]
    for pair in range(width // 2):
        total = np.int32(total + columns[2 * pair])
        odd[pair] = total
        total = np.int32(total + columns[2 * pair + 1])
        result[pair + 1] = total
    if width % 2 == 1:
        odd[width // 2] = total + columns[width - 1]


@compiled
def _tilt(pixels: UInt8s, row: int, lines: Int32s) -> None:
    """Compute row Y = `row` + 1 of the tilted integral image; its column X is element X + 1.

    T(X, Y) = T(X − 1, Y − 1) + T(X + 1, Y − 1) − T(X, Y − 2) + the pixels (X − 1, Y − 1) and
    (X − 1, Y − 2). Beyond the borders, T(−1, Y) = T(0, Y − 1) and T(W + 1, Y) = T(W, Y − 1):
    there the cone holds the same pixels as that of the row above.
    See: Lienhart and Maydt, ICIP 2002, equation 3.
    """
    width = pixels.shape[1]
    here = lines[2 + (row + 1) % 3]
    last = lines[2 + row % 3]
    before = lines[2 + (row + 2) % 3]
    pixel = pixels[row]
    pixel_above = pixels[max(row - 1, 0)]
    has_above = np.int32(row > 0)
    here[1] = last[2]
    for x in range(width):
        both = np.int32(pixel[x]) + has_above * np.int32(pixel_above[x])
        here[x + 2] = last[x + 1] + last[x + 3] - before[x + 2] + both
    here[0] = last[1]
    here[width + 2] = last[width + 1]


@compiled
def _locate_corners(tables: Tables, grid: Grid, stage: int, offsets: UInt32s) -> None:
    """Compute where the corners of a stage's nodes are, from a window's element."""
    corners, tilted = tables.corners, tables.tilted
    plane, stride, x0 = grid.plane, grid.stride, grid.x
    odd = grid.step - 1  # a division takes ten times as long
    for node in range(tables.stage_first[stage], tables.stage_first[stage + 1]):
        start = grid.tilted_at if tilted[node] else 0
        for corner in range(corners.shape[1]):
            x = x0 + corners[node, corner, 0]
            y = corners[node, corner, 1]
            offsets[node, corner] = start + y * stride + (x & odd) * plane + (x >> odd)


@compiled
def _compute_norms(
    sums: Int32s, squares: Int32s, at: int, a: int, b: int, down: int, inner: int,
    norms: Float32s, count: int,
) -> None:  # fmt: skip
    """Compute 1 / (area · deviation) of `count` windows, the first of them at element `at`.

    `a` and `b` are the offsets of the upper corners of the window without its border, `down` the
    way to the lower ones, `inner` its area. Flat windows get 1, which `_is_flat` refuses.
    """
    area = np.float64(inner)
    c, d = a + down, b + down
    s0, s1, s2, s3 = sums[at + a :], sums[at + b :], sums[at + c :], sums[at + d :]
    q0, q1, q2, q3 = squares[at + a :], squares[at + b :], squares[at + c :], squares[at + d :]
    for k in range(count):
        total = np.float64(np.int32(s0[k] - s1[k] - s2[k] + s3[k]))
        total_of_squares = np.float64(np.uint32(q0[k] - q1[k] - q2[k] + q3[k]))
        square = area * total_of_squares - total * total
        # A whole number: what is not above 0 becomes 1.
        norms[k] = np.float32(1.0 / np.sqrt(square if square > 1.0 else 1.0))


@compiled
def _is_flat(norm: Any, area: float) -> Any:
    """Return whether the detector refuses a window for its norm: a deviation of 10 or less."""
    return not area * np.float64(norm) < 0.1


def haar_mask(
    sums: Int32s, at: int, offsets: UInt32s, weights: Float32s, thresholds: Float32s,
    roots: Bools, children: Int32s, leaves: Float64s, first: int, last: int,
    norms: Float32s, norms_at: int, stage_threshold: float,
) -> int:  # fmt: skip
    """Return which windows of a group pass a stage of Haar features.

    This is what the compiled kernels compute with vector instructions (`_haar_mask`).

    Parameters
    ----------
    sums : ndarray of int32
    at : int
        The element of the group's first window; the others follow.
    offsets : ndarray of uint32, shape (nodes, 12)
        Where the corners are, from there.
    weights, thresholds, roots, children, leaves
        As in `Tables`.
    first, last : int
        The stage's nodes.
    norms : ndarray of float32
    norms_at : int
        The element of the first window's norm.
    stage_threshold : float

    Returns
    -------
    int
        Bit i is set if window i passes.
    """
    mask = 0
    for lane in range(LANES):
        vote = 0.0
        reached = 0
        for node in range(first, last):
            reached = node if roots[node] else reached
            if reached != node:
                continue
            value = np.float32(0)
            for k in range(3):
                a, b, c, d = (int(sums[at + lane + p]) for p in offsets[node, 4 * k : 4 * k + 4])
                value += weights[node, k] * np.float32(_wrapped(a - b - c + d))
            right = int(not value * norms[norms_at + lane] < thresholds[node])
            vote += leaves[node, right]
            reached = children[node, right]
        mask |= int(vote >= stage_threshold) << lane
    return mask


def lbp_mask(
    sums: Int32s, at: int, offsets: UInt32s, subsets: Int32s,
    roots: Bools, children: Int32s, leaves: Float64s, first: int, last: int,
    stage_threshold: float,
) -> int:  # fmt: skip
    """Return which windows of a group pass a stage of local binary patterns, as `haar_mask`."""
    mask = 0
    for lane in range(LANES):
        vote = 0.0
        reached = 0
        for node in range(first, last):
            reached = node if roots[node] else reached
            if reached != node:
                continue
            corners = [int(sums[at + lane + offset]) for offset in offsets[node]]
            code = _code(corners)
            right = int(not int(subsets[node, code // 32]) >> code % 32 & 1)
            vote += leaves[node, right]
            reached = children[node, right]
        mask |= int(vote >= stage_threshold) << lane
    return mask


#: The first corners of the eight blocks around the middle one, from that of the highest bit on.
_NEIGHBOURS = (0, 1, 2, 6, 10, 9, 8, 4)


def _code(corners: list[int]) -> int:
    """Return the code of a pattern, whose 16 corners are given row by row."""

    def block(first: int) -> int:
        a, b, c, d = (corners[first + way] for way in (0, 1, 4, 5))
        return _wrapped(a - b - c + d)

    middle = block(5)
    return sum((block(first) >= middle) << 7 - bit for bit, first in enumerate(_NEIGHBOURS))


def _wrapped(value: int) -> int:
    """Return a whole number as int32 holds it."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


class _Vectors:
    """LLVM instructions on vectors of `LANES`, for one call in a kernel.

    numba has no vectors of its own, and LLVM finds none here by itself: for all it knows, what a
    loop writes could be what it reads next.
    """

    def __init__(self, context: Any, builder: Any) -> None:
        self.context = context
        self.builder = builder

    def of(self, kind: ir.Type) -> ir.VectorType:
        return ir.VectorType(kind, LANES)

    def constant(self, kind: ir.Type, value: float) -> Any:
        return ir.Constant(self.of(kind), [value] * LANES)

    def pointer(self, kind: Any, array: Any) -> Any:
        return self.context.make_array(kind)(self.context, self.builder, value=array).data

    def item(self, pointer: Any, row: Any, column: int = 0, columns: int = 1) -> Any:
        """Load one element of a C-contiguous array."""
        at = self.builder.add(self.builder.mul(row, _I64(columns)), _I64(column))
        return self.builder.load(self.builder.gep(pointer, [at]))

    def neighbors(self, pointer: Any, at: Any, kind: ir.Type) -> Any:
        """Load `LANES` elements that follow each other."""
        offset = self.builder.gep(pointer, [at])
        vector = self.builder.bitcast(offset, self.of(kind).as_pointer())
        return self.builder.load(vector, align=4)

    def spread(self, value: Any) -> Any:
        """Return a vector of one value."""
        nothing = ir.Constant(self.of(value.type), ir.Undefined)
        first = self.builder.insert_element(nothing, value, _I32(0))
        return self.builder.shuffle_vector(first, nothing, self.constant(_I32, 0))

    def rectangle(self, a: Any, b: Any, c: Any, d: Any) -> Any:
        return self.builder.add(self.builder.sub(self.builder.sub(a, b), c), d)


_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_F32, _F64 = ir.FloatType(), ir.DoubleType()


def _walk_trees(
    v: _Vectors, first: Any, last: Any, roots: Any, children: Any, leaves: Any,
    stage_threshold: Any, goes_left: Any,
) -> Any:  # fmt: skip
    """Build the loop over a stage's nodes; `goes_left` builds the answer of one for all lanes."""
    b = v.builder
    votes = cgutils.alloca_once_value(b, v.constant(_F64, 0.0))
    reached = cgutils.alloca_once_value(b, v.constant(_I32, 0))
    with cgutils.for_range(b, last, start=first, intp=_I64) as loop:
        number = v.spread(b.trunc(loop.index, _I32))
        is_root = b.icmp_unsigned("!=", v.item(roots, loop.index), _I8(0))
        there = b.select(is_root, number, b.load(reached))
        left = goes_left(loop.index)
        pair = [v.spread(v.item(leaves, loop.index, side, 2)) for side in (0, 1)]
        child = [v.spread(v.item(children, loop.index, side, 2)) for side in (0, 1)]
        asked = b.icmp_unsigned("==", there, number)
        vote = b.select(asked, b.select(left, *pair), v.constant(_F64, 0.0))
        b.store(b.fadd(b.load(votes), vote), votes)
        b.store(b.select(asked, b.select(left, *child), there), reached)
    passed = b.fcmp_ordered(">=", b.load(votes), v.spread(stage_threshold))
    return b.zext(b.bitcast(passed, ir.IntType(LANES)), _I64)


@intrinsic  # type: ignore[untyped-decorator]
def _haar_mask(
    typing_context: Any, sums: Any, at: Any, offsets: Any, weights: Any, thresholds: Any,
    roots: Any, children: Any, leaves: Any, first: Any, last: Any, norms: Any, norms_at: Any,
    stage_threshold: Any,
) -> Any:  # fmt: skip
    """Compute `haar_mask` with vector instructions."""
    given = (sums, types.int64, offsets, weights, thresholds, roots, children, leaves,
             types.int64, types.int64, norms, types.int64, types.float64)  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder)
        b = builder
        kinds = signature.args
        base = b.gep(v.pointer(kinds[0], args[0]), [args[1]])
        offsets, weights, thresholds, roots, children, leaves = (
            v.pointer(kinds[i], args[i]) for i in range(2, 8)
        )
        norms = v.neighbors(v.pointer(kinds[10], args[10]), args[11], _F32)
        value = cgutils.alloca_once(b, v.of(_F32))

        def part(node: Any, k: int) -> Any:
            corners = (b.zext(v.item(offsets, node, 4 * k + i, 12), _I64) for i in range(4))
            total = v.rectangle(*(v.neighbors(base, corner, _I32) for corner in corners))
            weight = v.spread(v.item(weights, node, k, 3))
            return b.fmul(weight, b.sitofp(total, v.of(_F32)))

        def goes_left(node: Any) -> Any:
            b.store(b.fadd(part(node, 0), part(node, 1)), value)
            with b.if_then(b.fcmp_unordered("!=", v.item(weights, node, 2, 3), _F32(0.0))):
                b.store(b.fadd(b.load(value), part(node, 2)), value)
            threshold = v.spread(v.item(thresholds, node))
            return b.fcmp_ordered("<", b.fmul(b.load(value), norms), threshold)

        return _walk_trees(v, args[8], args[9], roots, children, leaves, args[12], goes_left)

    return types.int64(*given), generate


@intrinsic  # type: ignore[untyped-decorator]
def _lbp_mask(
    typing_context: Any, sums: Any, at: Any, offsets: Any, subsets: Any, roots: Any,
    children: Any, leaves: Any, first: Any, last: Any, stage_threshold: Any,
) -> Any:  # fmt: skip
    """Compute `lbp_mask` with vector instructions."""
    given = (sums, types.int64, offsets, subsets, roots, children, leaves,
             types.int64, types.int64, types.float64)  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder)
        b = builder
        kinds = signature.args
        base = b.gep(v.pointer(kinds[0], args[0]), [args[1]])
        offsets, subsets, roots, children, leaves = (
            v.pointer(kinds[i], args[i]) for i in range(2, 7)
        )

        def code_of(node: Any) -> Any:
            at = [b.zext(v.item(offsets, node, i, 16), _I64) for i in range(16)]
            corner = [v.neighbors(base, offset, _I32) for offset in at]

            def block(first: int) -> Any:
                return v.rectangle(*(corner[first + way] for way in (0, 1, 4, 5)))

            middle = block(5)
            code = v.constant(_I32, 0)
            for bit, first in enumerate(_NEIGHBOURS):
                is_set = b.icmp_signed(">=", block(first), middle)
                one = v.constant(_I32, 128 >> bit)
                code = b.or_(code, b.select(is_set, one, v.constant(_I32, 0)))
            return code

        def goes_left(node: Any) -> Any:
            code = code_of(node)
            # The word of the subset by a tree of choices: eight words, three bits of the code.
            words = [v.spread(v.item(subsets, node, i, 8)) for i in range(8)]
            for bit in (32, 64, 128):
                chosen = b.and_(code, v.constant(_I32, bit))
                high = b.icmp_signed("!=", chosen, v.constant(_I32, 0))
                words = [b.select(high, words[i + 1], words[i]) for i in range(0, len(words), 2)]
            shift = b.and_(code, v.constant(_I32, 31))
            answer = b.and_(b.lshr(words[0], shift), v.constant(_I32, 1))
            return b.icmp_signed("!=", answer, v.constant(_I32, 0))

        return _walk_trees(v, args[7], args[8], roots, children, leaves, args[9], goes_left)

    return types.int64(*given), generate


@overload(haar_mask)  # type: ignore[untyped-decorator]
def _overload_haar_mask(
    sums: Any, at: Any, offsets: Any, weights: Any, thresholds: Any, roots: Any, children: Any,
    leaves: Any, first: Any, last: Any, norms: Any, norms_at: Any, stage_threshold: Any,
) -> Any:  # fmt: skip
    def compute(
        sums: Any, at: Any, offsets: Any, weights: Any, thresholds: Any, roots: Any, children: Any,
        leaves: Any, first: Any, last: Any, norms: Any, norms_at: Any, stage_threshold: Any,
    ) -> Any:  # fmt: skip
        return _haar_mask(
            sums, at, offsets, weights, thresholds, roots, children, leaves, first, last, norms,
            norms_at, stage_threshold,
        )  # fmt: skip

    return compute


@overload(lbp_mask)  # type: ignore[untyped-decorator]
def _overload_lbp_mask(
    sums: Any, at: Any, offsets: Any, subsets: Any, roots: Any, children: Any, leaves: Any,
    first: Any, last: Any, stage_threshold: Any,
) -> Any:  # fmt: skip
    def compute(
        sums: Any, at: Any, offsets: Any, subsets: Any, roots: Any, children: Any, leaves: Any,
        first: Any, last: Any, stage_threshold: Any,
    ) -> Any:  # fmt: skip
        return _lbp_mask(
            sums, at, offsets, subsets, roots, children, leaves, first, last, stage_threshold
        )

    return compute


@compiled
def _run_stage(
    sums: Int32s, offsets: UInt32s, tables: Tables, stage: int, norms: Float32s,
    elements: Int64s, norms_at: Int64s, masks: UInt8s, count: int, drops: bool,
) -> int:  # fmt: skip
    """Send groups of windows through a stage.

    Parameters
    ----------
    elements, norms_at : ndarray of int64
        Of each group: the element of its first window, and that of its first norm.
    masks : ndarray of uint8
        Which of its windows are left.
    count : int
        How many groups.
    drops : bool
        Whether groups without a window left are taken out of the three lists.

    Returns
    -------
    int
        How many groups are left.
    """
    first, last = tables.stage_first[stage], tables.stage_first[stage + 1]
    threshold = tables.stage_thresholds[stage]
    weights, thresholds, subsets = tables.weights, tables.thresholds, tables.subsets
    roots, children, leaves = tables.roots, tables.children, tables.leaves
    kept = 0
    for i in range(count):
        if tables.lbp:
            passed = lbp_mask(
                sums, elements[i], offsets, subsets, roots, children, leaves, first, last, threshold
            )
        else:
            passed = haar_mask(
                sums, elements[i], offsets, weights, thresholds, roots, children, leaves,
                first, last, norms, norms_at[i], threshold,
            )  # fmt: skip
        left = np.uint8(masks[i] & passed)
        elements[kept] = elements[i]
        norms_at[kept] = norms_at[i]
        masks[kept] = left
        kept += left != 0 or not drops
    return kept


@compiled
def _run_next_stage(
    sums: Int32s, grid: Grid, offsets: UInt32s, located: Bools, tables: Tables, stage: int,
    norms: Float32s, elements: Int64s, norms_at: Int64s, masks: UInt8s, count: int, drops: bool,
) -> int:  # fmt: skip
    """Send groups of windows through a stage as `_run_stage`, packed where that is quicker.

    `located` says of which stages `offsets` are known.
    """
    nodes = tables.stage_first[stage + 1] - tables.stage_first[stage]
    # To copy an element takes about a sixth of the time of a node for all lanes.
    packing = LANES * (tables.width + 1) * (tables.height + 1) // 6
    if drops and _count(masks, count) * (nodes + packing) < count * LANES * nodes:
        return _run_packed(sums, grid, tables, stage, norms, elements, norms_at, masks, count)
    if not located[stage]:
        _locate_corners(tables, grid, stage, offsets)
        located[stage] = True
    return _run_stage(sums, offsets, tables, stage, norms, elements, norms_at, masks, count, drops)


@compiled
def _run_packed(
    sums: Int32s, grid: Grid, tables: Tables, stage: int, norms: Float32s,
    elements: Int64s, norms_at: Int64s, masks: UInt8s, count: int,
) -> int:  # fmt: skip
    """Send groups of windows through a stage, packed, and drop those without a window left."""
    packed = np.empty(2 * (tables.width + 1) * (tables.height + 1) * LANES, np.int32)
    packed_norms = np.ones(LANES, np.float32)
    zeros = np.zeros(1, np.int64)
    mask = np.zeros(1, np.uint8)
    groups = np.empty(LANES, np.int64)
    bits = np.empty(LANES, np.uint8)
    # No constants, for each of which numba would compile `_run_stage` once more.
    one: Any = np.int64(1)
    no: Any = np.bool_(False)
    n = 0
    for i in range(count):
        for lane in range(LANES):
            if masks[i] >> lane & 1:
                _pack_window(sums, elements[i] + lane, grid, tables, n, packed)
                packed_norms[n] = norms[norms_at[i] + lane]
                groups[n], bits[n] = i, 1 << lane
                n += 1
            if n == LANES or (n > 0 and i == count - 1 and lane == LANES - 1):
                mask[0] = ALL_LANES
                _run_stage(
                    packed, tables.packed_corners, tables, stage, packed_norms, zeros, zeros,
                    mask, one, no,
                )  # fmt: skip
                for k in range(n):
                    if not mask[0] >> k & 1:
                        masks[groups[k]] &= ~bits[k]
                n = 0
    kept = 0
    for i in range(count):
        elements[kept], norms_at[kept], masks[kept] = elements[i], norms_at[i], masks[i]
        kept += masks[i] != 0
    return kept


@compiled
def _pack_window(
    sums: Int32s, at: int, grid: Grid, tables: Tables, lane: int, packed: Int32s
) -> None:
    """Copy the integral images of the window at an element into a lane."""
    width, height = tables.width + 1, tables.height + 1
    for tilted in range(2 if grid.tilted_at > 0 else 1):
        start = at + tilted * grid.tilted_at
        for y in range(height):
            to = ((tilted * height + y) * width) * LANES + lane
            for first in range(grid.step):
                x = grid.x + first
                column = x % grid.step * grid.plane + x // grid.step
                row = sums[start + y * grid.stride + column :]
                for k in range((width - first + grid.step - 1) // grid.step):
                    packed[to + (first + k * grid.step) * LANES] = row[k]


@compiled
def _count(masks: UInt8s, count: int) -> int:
    """Return how many windows are left in the first `count` groups."""
    total = 0
    for i in range(count):
        total += BITS[masks[i]]
    return total


@compiled
def _form_groups(
    sums: Int32s, squares: Int32s, grid: Grid, tables: Tables, top: int, rows: int,
    norms: Float32s, elements: Int64s, norms_at: Int64s, masks: UInt8s,
) -> int:  # fmt: skip
    """List the groups of some rows, with the windows that are not flat, and return how many."""
    inner = (tables.width - 2) * (tables.height - 2)
    left, right = grid.x + 1, grid.x + tables.width - 1
    a = grid.stride + (left % grid.step) * grid.plane + left // grid.step
    b = grid.stride + (right % grid.step) * grid.plane + right // grid.step
    down = (tables.height - 2) * grid.stride
    across = (grid.columns + LANES - 1) // LANES
    count = 0
    for row in range(rows):
        at = (grid.y + (top + row) * grid.step) * grid.stride
        start = row * across * LANES
        if tables.normalized:
            _compute_norms(sums, squares, at, a, b, down, inner, norms[start:], across * LANES)
        for group in range(across):
            mask = 0
            for lane in range(min(LANES, grid.columns - group * LANES)):
                flat = tables.normalized and _is_flat(norms[start + group * LANES + lane], inner)
                mask |= (not flat) << lane
            elements[count] = at + group * LANES
            norms_at[count] = start + group * LANES
            masks[count] = mask
            count += 1
    return count


@compiled
def _leave_out(before: UInt8s, masks: UInt8s, count: int, columns: int, entered: Int64s) -> None:
    """Leave out the windows that cv2 does not look at, and count those it does.

    cv2 walks along a row; when the first stage rejects a window, it leaves out the next one. After
    a flat window it does not.

    Parameters
    ----------
    before, masks : ndarray of uint8
        The windows that entered the first stage and those that passed it, for whole rows.
    """
    across = (columns + LANES - 1) // LANES
    leaving_out = False
    for group in range(count):
        if group % across == 0:
            leaving_out = False
        for lane in range(min(LANES, columns - group % across * LANES)):
            bit = np.uint8(1 << lane)
            if leaving_out:
                masks[group] &= ~bit
                leaving_out = False
                continue
            entered[0] += 1
            if before[group] & bit:
                entered[1] += 1
                leaving_out = not masks[group] & bit


@compiled
def scan(
    pixels: UInt8s, grid: Grid, tables: Tables, offsets: UInt32s,
    sums: Int32s, squares: Int32s, lines: Int32s, entered: Int64s, found: Int32s,
) -> int:  # fmt: skip
    """Send the windows of an image through the cascade.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    grid : Grid
    tables : Tables
    offsets : ndarray of uint32, shape (nodes, corners)
        Scratch.
    sums, squares, lines
        Scratch, as `integrate` describes, with `LANES` elements to spare at the end.
    entered : ndarray of int64, shape (stages + 2,)
        Increased by the windows looked at, those that entered each stage, and those accepted.
    found : ndarray of int32, shape (columns · rows, 2)
        The accepted windows: column and row in the grid, row by row.

    Returns
    -------
    int
        How many were accepted.
    """
    stages = tables.stage_thresholds.shape[0]
    across = (grid.columns + LANES - 1) // LANES
    depth = min(max(STRIP // grid.columns, 1), grid.rows)
    norms = np.ones(depth * across * LANES, np.float32)
    elements = np.empty(depth * across, np.int64)
    norms_at = np.empty(depth * across, np.int64)
    masks = np.empty(depth * across, np.uint8)
    located = np.zeros(stages, np.bool_)
    integrated = 0
    accepted = 0
    for top in range(0, grid.rows, depth):
        rows = min(depth, grid.rows - top)
        needed = grid.y + (top + rows - 1) * grid.step + tables.height
        integrate(pixels, integrated, needed, grid, tables.normalized, sums, squares, lines)
        integrated = needed
        count = _form_groups(
            sums, squares, grid, tables, top, rows, norms, elements, norms_at, masks
        )
        if stages == 0 or not grid.skips:
            entered[0] += rows * grid.columns
            entered[1] += _count(masks, count)
        for stage in range(stages):
            if count == 0:
                break
            drops = stage > 0 or not grid.skips
            before = masks[:0] if drops else masks[:count].copy()
            count = _run_next_stage(
                sums, grid, offsets, located, tables, stage, norms, elements, norms_at, masks,
                count, drops,
            )  # fmt: skip
            if not drops:
                _leave_out(before, masks, count, grid.columns, entered)
            entered[stage + 2] += _count(masks, count)
        for i in range(count):
            for lane in range(LANES):
                if masks[i] >> lane & 1:
                    number = norms_at[i] + lane
                    found[accepted, 0] = number % (across * LANES)
                    found[accepted, 1] = top + number // (across * LANES)
                    accepted += 1
    return accepted


@compiled
def pass_windows(windows: UInt8s, tables: Tables, passed: Int32s) -> None:
    """Count the stages that windows pass.

    `LANES` windows are packed and evaluated together.

    Parameters
    ----------
    windows : ndarray of uint8, shape (n, height, width)
    tables : Tables
    passed : ndarray of int32, shape (n,)
        The result: how many stages in a row each passes, -1 if it is refused as flat.
    """
    stages = tables.stage_thresholds.shape[0]
    height, width = tables.height, tables.width
    stride = width + 1
    size = (height + 1) * stride
    # Whole numbers, since numba would compile what is called once more for each constant.
    zero: Any = np.int64(0)
    one: Any = np.int64(1)
    no: Any = np.bool_(False)
    grid = Grid(1, 0, 0, 1, 1, False, 0, stride, size if tables.tilted.any() else zero)
    sums = np.zeros(2 * size, np.int32)
    squares = np.zeros(size, np.int32)
    lines = np.zeros((5, width + 3), np.int32)
    packed = np.zeros(2 * size * LANES, np.int32)
    norms = np.ones(LANES, np.float32)
    zeros = np.zeros(1, np.int64)
    masks = np.zeros(1, np.uint8)
    inner = (width - 2) * (height - 2)
    for start in range(0, windows.shape[0], LANES):
        lanes = min(LANES, windows.shape[0] - start)
        for lane in range(lanes):
            integrate(
                windows[start + lane], zero, height, grid, tables.normalized, sums, squares, lines
            )
            _pack_window(sums, zero, grid, tables, lane, packed)
            if tables.normalized:
                down = (height - 2) * stride
                _compute_norms(
                    sums, squares, zero, stride + 1, stride + width - 1, down, inner,
                    norms[lane:], one,
                )  # fmt: skip
        masks[0] = 0
        for lane in range(lanes):
            flat = tables.normalized and _is_flat(norms[lane], inner)
            passed[start + lane] = -1 if flat else stages
            masks[0] |= np.uint8((not flat) << lane)
        for stage in range(stages):
            before = masks[0]
            if before == 0:
                break
            _run_stage(
                packed, tables.packed_corners, tables, stage, norms, zeros, zeros, masks, one, no
            )
            for lane in range(lanes):
                if (before & ~masks[0]) >> lane & 1:
                    passed[start + lane] = stage


@compiled
def sample_tiles(
    image: UInt8s, corners: Int64s, scales: Float64s, tiles: UInt8s, outside: Bools
) -> None:
    """Sample parts of an image, each in a scale of its own, as cv2's detector resizes images.

    That is bilinear interpolation (``INTER_LINEAR_EXACT``) with weights of eight bits.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
    corners : ndarray of int64, shape (n, 2)
        x, y of the upper left corner of each tile, in pixels of the resized image.
    scales : ndarray of float64, shape (n, 2)
        Width and height of the image by those of the resized one.
    tiles : ndarray of uint8, shape (n, rows, columns)
        The result. Beyond the image its border is repeated.
    outside : ndarray of bool, shape (n,)
        The result: whether a tile lies beyond the image wholly, and is not sampled.
    """
    height, width = image.shape
    rows, columns = tiles.shape[1:]
    sampled = np.empty(columns, np.int64)
    shares = np.empty(columns, np.int32)
    for tile in range(tiles.shape[0]):
        across, down = scales[tile]
        left, top = corners[tile]
        outside[tile] = left * across >= width or left + columns <= 0
        outside[tile] |= top * down >= height or top + rows <= 0
        if outside[tile]:
            continue
        for i in range(columns):
            x = min(max((left + i + 0.5) * across - 0.5, 0.0), width - 1.0)
            sampled[i] = min(np.int64(x), max(width - 2, 0))
            shares[i] = np.int32((x - sampled[i]) * 256 + 0.5)
        for j in range(rows):
            y = min(max((top + j + 0.5) * down - 0.5, 0.0), height - 1.0)
            row = min(np.int64(y), max(height - 2, 0))
            share = np.int32((y - row) * 256 + 0.5)
            above, below = image[row], image[min(row + 1, height - 1)]
            for i in range(columns):
                x0, part = sampled[i], shares[i]
                x1 = min(x0 + 1, width - 1)
                upper = above[x0] * (256 - part) + above[x1] * part
                lower = below[x0] * (256 - part) + below[x1] * part
                tiles[tile, j, i] = (upper * (256 - share) + lower * share + (1 << 15)) >> 16


@compiled
def scan_tiles(
    tiles: UInt8s, outside: Bools, step: int, tables: Tables, offsets: UInt32s,
    found: Int32s,
) -> int:  # fmt: skip
    """Send the windows of many small images of one size through the cascade, all together.

    Parameters
    ----------
    tiles : ndarray of uint8, shape (n, height, width)
        The height is a multiple of `step`.
    outside : ndarray of bool, shape (n,)
        Tiles that are left out.
    step : int
        1 or 2 pixels from a window to the next, across and down.
    tables : Tables
    offsets : ndarray of uint32, shape (nodes, corners)
        Scratch.
    found : ndarray of int32, shape (windows, 3)
        The accepted windows: tile, and column and row in its grid.

    Returns
    -------
    int
        How many they are.
    """
    n, height, width = tiles.shape
    pixels = tiles.reshape(n * height, width)  # one below the other
    columns, rows = (width - tables.width) // step + 1, (height - tables.height) // step + 1
    across = (columns + LANES - 1) // LANES
    plane = width // step + 1
    stride = plane * step
    size = (n * height + 1) * stride
    tilted_at = size if tables.tilted.any() else 0
    grid = Grid(step, 0, 0, columns, rows, False, plane, stride, tilted_at)
    sums = np.zeros(size + tilted_at + 2 * LANES, np.int32)
    squares = np.zeros(size + 2 * LANES, np.int32)
    lines = np.zeros((5, width + 3), np.int32)
    integrate(pixels, 0, n * height, grid, tables.normalized, sums, squares, lines)
    each = rows * across
    norms = np.ones(n * each * LANES, np.float32)
    elements = np.empty(n * each, np.int64)
    norms_at = np.empty(n * each, np.int64)
    masks = np.empty(n * each, np.uint8)
    count = 0
    for tile in range(n):
        if outside[tile]:
            continue
        start = tile * each * LANES
        formed = _form_groups(
            sums, squares, grid, tables, tile * (height // step), rows,
            norms[start:], elements[count:], norms_at[count:], masks[count:],
        )  # fmt: skip
        norms_at[count : count + formed] += start
        count += formed
    stages = tables.stage_thresholds.shape[0]
    located = np.zeros(stages, np.bool_)
    drops: Any = np.bool_(True)  # for a constant numba would compile the stages once more
    for stage in range(stages):
        if count == 0:
            break
        count = _run_next_stage(
            sums, grid, offsets, located, tables, stage, norms, elements, norms_at, masks, count,
            drops,
        )  # fmt: skip
    listed = 0
    for i in range(count):
        for lane in range(LANES):
            if masks[i] >> lane & 1:
                number = norms_at[i] + lane
                found[listed, 0] = number // (each * LANES)
                found[listed, 1] = number % (across * LANES)
                found[listed, 2] = number // (across * LANES) % rows
                listed += 1
    return listed
