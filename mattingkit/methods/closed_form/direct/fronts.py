"""Fronts: the small dense matrices of the direct solver, and the compiled functions that work on them.

Every node of :mod:`~mattingkit.methods.closed_form.direct.dissection`'s tree has a front: its *pivots* (the pixels it
eliminates) and its *border* (the later pixels that its subtree touches). A front is assembled from the matrix's own
entries and from what the node's children hand up, its pivots are eliminated, and what remains of the border is handed
up in turn:

    [ A_PP  A_BPᵀ ]   panel, the pivot columns: becomes [ L_PP; L_BP ] with L_PP L_PPᵀ = A_PP and L_BP = A_BP L_PP⁻ᵀ
    [ A_BP  A_BB  ]   schur: becomes A_BB - L_BP L_BPᵀ, the update matrix

Only lower triangles are kept. The arithmetic is blocked so that most of it is in :func:`_subtract_four`, which runs at
the speed of a good BLAS without bringing that library's own threads. All functions release Python's global lock, and
none depends on how many run at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.compiled import kernel
from mattingkit.images import FloatArray

IntArray = npt.NDArray[np.int32]

#: Columns eliminated at a time; a multiple of 4.
BLOCK = 64


class Tree(NamedTuple):
    """The plan, as the compiled functions read it. Nodes are numbered children first; a root's parent is -1."""

    parent: IntArray
    #: The unknown pixels in elimination order; node ``k`` eliminates ``pixels[start[k]:start[k + 1]]``.
    pixels: IntArray
    start: IntArray
    #: The inverse of ``pixels``; -1 for known pixels.
    position: IntArray
    #: Positions of the later pixels that a node's subtree touches, sorted, at ``border_start[k]:border_start[k + 1]``.
    border: IntArray
    border_start: npt.NDArray[np.int64]
    #: Where in the factor a node's panel begins: pivots and border as rows, pivots as columns.
    panel_start: npt.NDArray[np.int64]


class Entries(NamedTuple):
    """The matrix to factorise, rows compressed, and what is added to its diagonal."""

    indptr: npt.NDArray[Any]
    indices: IntArray
    data: FloatArray
    diagonal: FloatArray


@kernel
def front(node, tree, factor):  # type: ignore[no-untyped-def]
    """The first pivot's position and the one after the last, the border's positions, and the panel of a node."""
    first, last = tree.start[node], tree.start[node + 1]
    border = tree.border[tree.border_start[node] : tree.border_start[node + 1]]
    panel = factor[tree.panel_start[node] : tree.panel_start[node + 1]]
    return first, last, border, panel.reshape(last - first + border.size, last - first)


@kernel
def add_entries(node, tree, entries, factor):  # type: ignore[no-untyped-def]
    """Add the matrix's own entries to a front: those with at least one pixel among the pivots."""
    first, last, border, panel = front(node, tree, factor)
    for column in range(last - first):
        i = tree.pixels[first + column]
        panel[column, column] += entries.diagonal[i]
        for p in range(entries.indptr[i], entries.indptr[i + 1]):
            where = tree.position[entries.indices[p]]
            if where < first + column:
                continue
            row = where - first
            if where >= last:
                row = last - first + np.searchsorted(border, where)
            panel[row, column] += entries.data[p]


@kernel
def extend_add(child, node, tree, update, factor, schur):  # type: ignore[no-untyped-def]
    """Add a child's packed update matrix to its parent's front."""
    first, last, border, panel = front(node, tree, factor)
    pivots = last - first
    own = tree.border[tree.border_start[child] : tree.border_start[child + 1]]
    rows = np.empty(own.size, np.int64)
    for k in range(own.size):
        rows[k] = own[k] - first
        if own[k] >= last:
            rows[k] = pivots + np.searchsorted(border, own[k])
    p = 0
    for i in range(own.size):
        row = rows[i]
        for j in range(i + 1):
            column = rows[j]
            if column < pivots:
                panel[row, column] += update[p]
            else:
                schur[row - pivots, column - pivots] += update[p]
            p += 1


@kernel
def pack(schur, packed):  # type: ignore[no-untyped-def]
    """Copy a lower triangle, row by row, to half the memory."""
    p = 0
    for i in range(schur.shape[0]):
        for j in range(i + 1):
            packed[p] = schur[i, j]
            p += 1


@kernel
def factor_block(panel, k, end):  # type: ignore[no-untyped-def]
    """Cholesky factor of the diagonal block of pivots k to end, in place. False where a pivot fails."""
    for c in range(k, end):
        pivot = panel[c, c]
        for m in range(k, c):
            pivot -= panel[c, m] * panel[c, m]
        if not pivot > 0.0:
            return False
        root = np.sqrt(pivot)
        panel[c, c] = root
        for i in range(c + 1, end):
            s = panel[i, c]
            for m in range(k, c):
                s -= panel[i, m] * panel[c, m]
            panel[i, c] = s / root
    return True


@kernel(fastmath={"contract"})
def solve_rows(first, last, panel, k, end, left, turned):  # type: ignore[no-untyped-def]
    """Divide rows below a factored block by it, from the right.

    ``left`` and ``turned`` get the rows as they are and transposed, padded by zeros, for :func:`update_rows` to read.
    """
    width = end - k
    block = panel[k:end, k:end].copy()
    turned[width:, first:last] = 0.0
    left[first:last, width:] = 0.0
    # Transposed, sixty-four rows at a time: the inner loops run over rows, which do not depend on each other.
    for i0 in range(first, last, 64):
        i1 = min(i0 + 64, last)
        for i in range(i0, i1):
            for c in range(width):
                turned[c, i] = panel[i, k + c]
        for c in range(width):
            x = turned[c, i0:i1]
            whole = c // 4 * 4
            for m in range(0, whole, 4):
                x0, x1 = turned[m, i0:i1], turned[m + 1, i0:i1]
                x2, x3 = turned[m + 2, i0:i1], turned[m + 3, i0:i1]
                b0, b1, b2, b3 = block[c, m], block[c, m + 1], block[c, m + 2], block[c, m + 3]
                for i in range(x.size):
                    x[i] -= b0 * x0[i] + b1 * x1[i] + b2 * x2[i] + b3 * x3[i]
            for m in range(whole, c):
                x0, b0 = turned[m, i0:i1], block[c, m]
                for i in range(x.size):
                    x[i] -= b0 * x0[i]
            inverse = 1.0 / block[c, c]
            for i in range(x.size):
                x[i] *= inverse
        for i in range(i0, i1):
            for c in range(width):
                left[i, c] = turned[c, i]
                panel[i, k + c] = turned[c, i]


@kernel
def update_rows(first, last, pivots, end, left, turned, panel, schur):  # type: ignore[no-untyped-def]
    """Subtract a finished block's share from what is still to be eliminated, for some rows of the front."""
    # A variable, since numba compiles a function anew for a literal.
    origin = np.int64(0)
    i = first
    while i < last:
        inside = i < pivots
        count = min(4, (min(last, pivots) if inside else last) - i)
        below = min(i + count, pivots) - end
        if count == 4:
            _subtract_four(left, i, turned, end, panel, i, end, below)
            if not inside:
                _subtract_four(left, i, turned, pivots, schur, i - pivots, origin, i - pivots + 4)
        else:
            for r in range(i, i + count):
                _subtract_one(left, r, turned, end, panel, r, end, below)
                if not inside:
                    _subtract_one(left, r, turned, pivots, schur, r - pivots, origin, r - pivots + 1)
        i += count


@kernel(fastmath={"contract"})
def _subtract_four(left, i, turned, shift, target, row, column, width):  # type: ignore[no-untyped-def]
    """``target[row:row + 4, column:column + width] -= left[i:i + 4] @ turned[:, shift:shift + width]``.

    Four rows and four terms at a time keep the processor's multipliers busy; strips of 512 columns stay in its cache.
    """
    for j0 in range(0, width, 512):
        n = min(512, width - j0)
        c0 = target[row, column + j0 : column + j0 + n]
        c1 = target[row + 1, column + j0 : column + j0 + n]
        c2 = target[row + 2, column + j0 : column + j0 + n]
        c3 = target[row + 3, column + j0 : column + j0 + n]
        for k in range(0, left.shape[1], 4):
            w0 = turned[k, shift + j0 : shift + j0 + n]
            w1 = turned[k + 1, shift + j0 : shift + j0 + n]
            w2 = turned[k + 2, shift + j0 : shift + j0 + n]
            w3 = turned[k + 3, shift + j0 : shift + j0 + n]
            a00, a01, a02, a03 = left[i, k], left[i, k + 1], left[i, k + 2], left[i, k + 3]
            a10, a11, a12, a13 = left[i + 1, k], left[i + 1, k + 1], left[i + 1, k + 2], left[i + 1, k + 3]
            a20, a21, a22, a23 = left[i + 2, k], left[i + 2, k + 1], left[i + 2, k + 2], left[i + 2, k + 3]
            a30, a31, a32, a33 = left[i + 3, k], left[i + 3, k + 1], left[i + 3, k + 2], left[i + 3, k + 3]
            for j in range(n):
                x0, x1, x2, x3 = w0[j], w1[j], w2[j], w3[j]
                c0[j] -= a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
                c1[j] -= a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
                c2[j] -= a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
                c3[j] -= a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3


@kernel(fastmath={"contract"})
def _subtract_one(left, i, turned, shift, target, row, column, width):  # type: ignore[no-untyped-def]
    """The same for a single row, in the same order of terms."""
    c0 = target[row, column : column + width]
    for k in range(0, left.shape[1], 4):
        w0 = turned[k, shift : shift + width]
        w1 = turned[k + 1, shift : shift + width]
        w2 = turned[k + 2, shift : shift + width]
        w3 = turned[k + 3, shift : shift + width]
        a0, a1, a2, a3 = left[i, k], left[i, k + 1], left[i, k + 2], left[i, k + 3]
        for j in range(width):
            c0[j] -= a0 * w0[j] + a1 * w1[j] + a2 * w2[j] + a3 * w3[j]


@kernel
def _eliminate(panel, schur, left, turned):  # type: ignore[no-untyped-def]
    """Partial Cholesky factorisation of a front, a block of columns at a time. False where a pivot fails.

    ``panel`` holds the pivot columns (rows × pivots), ``schur`` the rest, each as a lower triangle; what stands above
    the diagonals is undefined.
    """
    rows, pivots = panel.shape
    for k in range(0, pivots, BLOCK):
        end = min(k + BLOCK, pivots)
        if not factor_block(panel, k, end):
            return False
        solve_rows(end, rows, panel, k, end, left, turned)
        update_rows(end, rows, pivots, end, left, turned, panel, schur)
    return True


@kernel
def factor_subtree(first, root, tree, entries, factor, stop, failed):  # type: ignore[no-untyped-def]
    """Factorise the nodes of one subtree, children first; return the root's packed update matrix.

    Finished children wait on a stack: those of the node at hand are always its topmost entries.
    """
    stack = np.empty(4096)
    waiting = np.empty(root - first + 1, np.int64)
    depth, used = 0, 0
    largest, rows = 0, 0
    for node in range(first, root + 1):
        size = tree.border_start[node + 1] - tree.border_start[node]
        largest = max(largest, size)
        rows = max(rows, size + tree.start[node + 1] - tree.start[node])
    space = np.empty(largest * largest)
    left, turned = np.empty((rows, BLOCK)), np.empty((BLOCK, rows))
    for node in range(first, root + 1):
        if stop[0] or failed[0]:
            return np.empty(0)
        _, _, border, panel = front(node, tree, factor)
        size = border.size
        schur = space[: size * size].reshape(size, size)
        schur[:] = 0.0
        add_entries(node, tree, entries, factor)
        while depth > 0 and tree.parent[waiting[depth - 1]] == node:
            depth -= 1
            child = waiting[depth]
            b = tree.border_start[child + 1] - tree.border_start[child]
            used -= b * (b + 1) // 2
            extend_add(child, node, tree, stack[used:], factor, schur)
        if not _eliminate(panel, schur, left, turned):
            failed[0] = 1
            return np.empty(0)
        need = used + size * (size + 1) // 2
        if need > stack.size:
            stack = enlarged(stack, used, 2 * need)
        pack(schur, stack[used:])
        used = need
        waiting[depth] = node
        depth += 1
    return stack[:used].copy()


@kernel
def enlarged(values, used, size):  # type: ignore[no-untyped-def]
    """Copy what is used of an array to a larger one.

    By a loop: to assign one array to a part of another, numba compiles a message about shapes, for two seconds.
    """
    larger = np.empty(size, values.dtype)
    for i in range(used):
        larger[i] = values[i]
    return larger


@kernel
def weakest_pivot(tree, entries, factor):  # type: ignore[no-untyped-def]
    """The smallest share of a matrix's diagonal entry that elimination left of it: rounding's size where singular."""
    weakest = 1.0
    for node in range(tree.parent.size):
        first, last, _, panel = front(node, tree, factor)
        for column in range(last - first):
            i = tree.pixels[first + column]
            before = entries.diagonal[i]
            for p in range(entries.indptr[i], entries.indptr[i + 1]):
                if entries.indices[p] == i:
                    before += entries.data[p]
            weakest = min(weakest, panel[column, column] ** 2 / before)
    return weakest


@kernel
def substitute(x, tree, factor):  # type: ignore[no-untyped-def]
    """Forward and backward substitution, in place; ``x`` is in elimination order."""
    nodes = tree.parent.size
    for node in range(nodes):
        first, last, own, panel = front(node, tree, factor)
        pivots = last - first
        for i in range(pivots):
            s = x[first + i]
            for j in range(i):
                s -= panel[i, j] * x[first + j]
            x[first + i] = s / panel[i, i]
        for i in range(own.size):
            s = 0.0
            for j in range(pivots):
                s += panel[pivots + i, j] * x[first + j]
            x[own[i]] -= s
    for node in range(nodes - 1, -1, -1):
        first, last, own, panel = front(node, tree, factor)
        pivots = last - first
        for i in range(own.size):
            value = x[own[i]]
            for j in range(pivots):
                x[first + j] -= panel[pivots + i, j] * value
        for i in range(pivots - 1, -1, -1):
            x[first + i] /= panel[i, i]
            value = x[first + i]
            for j in range(i):
                x[first + j] -= panel[i, j] * value
