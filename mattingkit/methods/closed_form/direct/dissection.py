"""A direct solver for systems on a pixel grid: nested dissection and multifrontal Cholesky.

The systems of matting are hard for iterative solvers: a residual of 1e-5 can still mean an alpha that is wrong by
0.4. They are easy for a direct one, because a picture is flat. Cut it in two by a strip as wide as the Laplacian
reaches: eliminating the pixels of one half never touches the other. Cut the halves again, and so on (George 1973).
Eliminating from the smallest pieces up, each piece needs only a small dense matrix, its *front* (Duff and Reid
1983): the pixels it eliminates, and the pixels of surrounding strips they touch. The fronts near the root are
large and shared among the threads; of the thousands below, each thread takes whole subtrees.

References: A. George, *Nested Dissection of a Regular Finite Element Mesh*, SIAM J. Numer. Anal. 10(2), 1973,
doi:10.1137/0710032; I. S. Duff, J. K. Reid, *The Multifrontal Solution of Indefinite Sparse Symmetric Linear
Equations*, ACM TOMS 9(3), 1983, doi:10.1145/356044.356047.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from mattingkit.compiled import kernel, wait
from mattingkit.images import FloatArray
from mattingkit.methods.closed_form.direct import fronts
from mattingkit.threads import CancelledError, over_rows, run_all, thread_count

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
Flag = npt.NDArray[Any]
#: A node, and its packed update matrix.
Update = tuple[int, FloatArray]

#: Pieces of so many pixels are no longer cut.
_LEAF = 96
#: Fronts up to this size are one thread's work, larger ones are shared.
_SMALL_FRONT = 1500
#: A pivot that keeps less than this share of its diagonal entry is nothing but rounding errors.
_SAFE_PIVOT = 1e-13


class NotPositiveDefiniteError(ArithmeticError):
    """A pivot was zero, negative or too small to trust: the system has no safe Cholesky factor."""


def grid_reach(matrix: scipy.sparse.csr_matrix, shape: tuple[int, int]) -> int:
    """How many rows or columns apart two coupled pixels of a matrix are at most."""
    return int(_reach(matrix.indptr, matrix.indices, shape[1]))


class Dissection:
    """The plan for one mask of unknown pixels, and, after :meth:`factorise`, the Cholesky factor of one matrix.

    Coupled pixels are at most ``reach`` rows or columns apart (:func:`grid_reach`). ``size`` is the number of unknown
    pixels, ``factor_entries`` how many numbers of 8 bytes the factor will hold, known before any work is done, and
    ``order`` the pixels, numbered row by row, in the order of their elimination.

    Examples
    --------
    >>> laplacian = scipy.sparse.csr_matrix([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]])
    >>> plan = Dissection(np.array([[False, True, False]]), reach=1)
    >>> plan.factorise(laplacian)
    >>> plan.solve(np.array([1.0]))
    array([0.5])
    """

    def __init__(self, unknown: BoolArray, reach: int) -> None:
        # On a fresh machine another process may be compiling what follows, while this one was busy with the Laplacian.
        wait("direct")
        self.unknown = np.ascontiguousarray(unknown)
        height, width = unknown.shape
        counts = np.zeros((height + 1, width + 1), dtype=np.int32)
        np.cumsum(np.cumsum(unknown, axis=0, dtype=np.int32), axis=1, out=counts[1:, 1:])
        self.size = int(counts[-1, -1])
        boxes, parent, owner = _dissect(self.unknown, counts, reach, _LEAF)
        # Depth-first numbers, reversed, put every child before its parent.
        last = parent.size - 1
        boxes, parent = boxes[::-1].copy(), np.where(parent < 0, -1, last - parent)[::-1].copy()
        owner = np.where(owner < 0, -1, last - owner)
        self.order, start, position = _order(owner.ravel(), parent.size)
        border, border_start = _borders(boxes, start, position, self.unknown, reach)
        pivots = np.diff(start).astype(np.int64)
        borders = np.diff(border_start)
        panel_start = np.zeros(parent.size + 1, dtype=np.int64)
        np.cumsum(pivots * (pivots + borders), out=panel_start[1:])
        self.factor_entries = int(panel_start[-1])
        self._tree = fronts.Tree(parent, self.order, start, position, border, border_start, panel_start)
        #: Multiplications a node takes, for sharing the work among threads.
        self._work = (pivots**3 / 3 + pivots**2 * borders + pivots * borders**2).astype(np.float64)
        self._factor: FloatArray | None = None

    def factorise(
        self,
        matrix: scipy.sparse.csr_matrix,
        diagonal: FloatArray | None = None,
        stop: Flag | None = None,
        on_node: Callable[[float], None] | None = None,
    ) -> None:
        """Compute the Cholesky factor of the rows and columns of the unknown pixels.

        ``diagonal`` is added to the matrix's own. ``stop``, an array of one number, can be set to nonzero from another
        thread, to give up with :class:`mattingkit.threads.CancelledError`. ``on_node`` receives the share of the work
        done so far. A matrix that is singular to within rounding raises :class:`NotPositiveDefiniteError`.
        """
        flag = np.zeros(1, dtype=np.uint8) if stop is None else stop
        extra = np.zeros(self.unknown.size) if diagonal is None else np.ravel(diagonal)
        entries = fronts.Entries(matrix.indptr, matrix.indices, matrix.data, extra)
        factor = np.zeros(self.factor_entries)
        failed = np.zeros(1, dtype=np.int32)
        #: For every node that waits, its children's update matrices.
        updates: dict[int, list[Update]] = {}
        total, done = float(self._work.sum()) or 1.0, 0.0

        def finished(root: int, first: int, update: FloatArray) -> None:
            nonlocal done
            updates.setdefault(int(self._tree.parent[root]), []).append((root, update))
            done += float(self._work[first : root + 1].sum())
            if on_node is not None:
                on_node(done / total)

        def subtree(root: int, first: int) -> None:
            finished(root, first, fronts.factor_subtree(first, root, self._tree, entries, factor, flag, failed))

        subtrees, rest = self._subtrees()
        run_all([functools.partial(subtree, *nodes) for nodes in subtrees])
        for node in rest:
            if flag[0] or failed[0]:
                break
            # In the order of the subtrees' stacks, so that sums round alike on any number of threads.
            children = sorted(updates.pop(node, []), key=lambda child: -child[0])
            finished(node, node, self._factor_top(node, children, entries, factor, flag, failed))
        if flag[0]:
            raise CancelledError
        if failed[0] or fronts.weakest_pivot(self._tree, entries, factor) < _SAFE_PIVOT:
            raise NotPositiveDefiniteError("the system is singular to within rounding")
        self._factor = factor

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side: one value for each unknown pixel, row by row."""
        if self._factor is None:
            raise RuntimeError("Call factorise(matrix) before solve.")
        x = np.zeros(self.unknown.size)
        x[self.unknown.ravel()] = right
        ordered = x[self.order]
        fronts.substitute(ordered, self._tree, self._factor)
        x[self.order] = ordered
        return np.asarray(x[self.unknown.ravel()])

    def _subtrees(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Disjoint subtrees to share among the threads, each as root and first node; and the nodes above them."""
        tree = self._tree
        nodes = tree.parent.size
        first = np.arange(nodes)
        weight = self._work.copy()
        for node in range(nodes):
            parent = tree.parent[node]
            if parent >= 0:
                first[parent] = min(first[parent], first[node])
                weight[parent] += weight[node]
        light = weight <= max(self._work.sum() / (6 * thread_count()), 2e7)
        light &= np.diff(tree.start) + np.diff(tree.border_start) <= _SMALL_FRONT
        roots: list[tuple[int, int]] = []
        rest: list[int] = []
        node = nodes - 1
        while node >= 0:
            if light[node]:
                roots.append((node, int(first[node])))
                node = int(first[node]) - 1
            else:
                rest.append(node)
                node -= 1
        # The heaviest first, so that no thread is left with a heavy one at the end.
        return sorted(roots, key=lambda root: -weight[root[0]]), rest[::-1]

    def _factor_top(
        self, node: int, children: list[Update], entries: fronts.Entries, factor: FloatArray, stop: Flag, failed: Flag
    ) -> FloatArray:
        """Factorise one large front with all threads; return its packed update matrix."""
        tree = self._tree
        _, _, border, panel = fronts.front(node, tree, factor)
        rows, pivots = panel.shape
        size = border.size
        schur = np.zeros((size, size))
        fronts.add_entries(node, tree, entries, factor)
        for child, update in children:
            fronts.extend_add(child, node, tree, update, factor, schur)
        left, turned = np.empty((rows, fronts.BLOCK)), np.empty((fronts.BLOCK, rows))
        for k in range(0, pivots, fronts.BLOCK):
            end = min(k + fronts.BLOCK, pivots)
            if stop[0] or not fronts.factor_block(panel, k, end):
                failed[0] = 1
                return np.empty(0)
            over_rows(fronts.solve_rows, (end, rows), panel, k, end, left, turned, smallest=64)
            over_rows(fronts.update_rows, (end, rows), pivots, end, left, turned, panel, schur, smallest=64)
        packed = np.empty(size * (size + 1) // 2)
        fronts.pack(schur, packed)
        return packed


@kernel
def _reach(indptr, indices, width):  # type: ignore[no-untyped-def]
    reach = 0
    for i in range(indptr.size - 1):
        y, x = i // width, i % width
        for p in range(indptr[i], indptr[i + 1]):
            j = indices[p]
            reach = max(reach, abs(j // width - y), abs(j % width - x))
    return reach


@kernel
def _count(counts, y0, y1, x0, x1):  # type: ignore[no-untyped-def]
    """Unknown pixels in a box, from the table of sums over all boxes that start at the origin."""
    return counts[y1, x1] - counts[y0, x1] - counts[y1, x0] + counts[y0, x0]


@kernel
def _tighten(counts, box):  # type: ignore[no-untyped-def]
    """Shrink a box, in place, to the unknown pixels in it."""
    y0, y1, x0, x1 = box[0], box[1], box[2], box[3]
    while _count(counts, y0, y0 + 1, x0, x1) == 0:
        y0 += 1
    while _count(counts, y1 - 1, y1, x0, x1) == 0:
        y1 -= 1
    while _count(counts, y0, y1, x0, x0 + 1) == 0:
        x0 += 1
    while _count(counts, y0, y1, x1 - 1, x1) == 0:
        x1 -= 1
    box[0], box[1], box[2], box[3] = y0, y1, x0, x1


@kernel
def _put(box, place):  # type: ignore[no-untyped-def]
    """Copy a box; by a loop, for the same reason as :func:`enlarged`."""
    for k in range(4):
        place[k] = box[k]


@kernel
def _best_cut(counts, box, along_x, reach):  # type: ignore[no-untyped-def]
    """Where to cut: of the strips near the middle, the one with the fewest unknown pixels and the evenest halves."""
    y0, y1, x0, x1 = box[0], box[1], box[2], box[3]
    total = _count(counts, y0, y1, x0, x1)
    length = x1 - x0 if along_x else y1 - y0
    least, best = 1e300, length // 2
    for cut in range(1 + length // 3, length - length // 3):
        end = min(cut + reach, length)
        if along_x:
            strip = _count(counts, y0, y1, x0 + cut, x0 + end)
            left = _count(counts, y0, y1, x0, x0 + cut)
        else:
            strip = _count(counts, y0 + cut, y0 + end, x0, x1)
            left = _count(counts, y0, y0 + cut, x0, x1)
        lean = (2.0 * left + strip - total) / total
        cost = strip * (1.0 + lean * lean) + 1e-3 * abs(2.0 * cut + reach - length) / length
        if cost < least:
            least, best = cost, cut
    return best


@kernel
def _dissect(unknown, counts, reach, leaf):  # type: ignore[no-untyped-def]
    """Cut the picture up. Returns the nodes' boxes and parents, and for every unknown pixel its node.

    Nodes are numbered depth-first, so every subtree is a run of consecutive numbers that begins with its root.
    """
    height, width = unknown.shape
    owner = np.full((height, width), -1, np.int32)
    limit = 2 * (counts[height, width] + 1)
    boxes = np.zeros((limit, 4), np.int64)
    parent = np.full(limit, -1, np.int32)
    # Boxes that wait to be cut, and for each the node above it. Depth-first, so there are never many.
    waiting = np.zeros((256, 4), np.int64)
    above = np.zeros(256, np.int32)
    waiting[0, 1], waiting[0, 3], above[0] = height, width, -1
    top, nodes = 1, 0
    while top > 0:
        top -= 1
        box, node = waiting[top].copy(), above[top]
        total = _count(counts, box[0], box[1], box[2], box[3])
        if total == 0:
            continue
        _tighten(counts, box)
        along_x = box[3] - box[2] >= box[1] - box[0]
        axis = 2 if along_x else 0
        length = box[axis + 1] - box[axis]
        whole = total <= leaf or length < 2 * reach + 2
        strip = box.copy()
        if not whole:
            strip[axis] = box[axis] + _best_cut(counts, box, along_x, reach)
            strip[axis + 1] = min(strip[axis] + reach, box[axis + 1])
        if _count(counts, strip[0], strip[1], strip[2], strip[3]) > 0:
            _put(box, boxes[nodes])
            parent[nodes] = node
            node = nodes
            nodes += 1
            for y in range(strip[0], strip[1]):
                for x in range(strip[2], strip[3]):
                    if unknown[y, x]:
                        owner[y, x] = node
        if not whole:
            for half in range(2):
                _put(box, waiting[top])
                above[top] = node
                if half == 0:
                    waiting[top, axis + 1] = strip[axis]
                else:
                    waiting[top, axis] = strip[axis + 1]
                top += 1
    return boxes[:nodes], parent[:nodes], owner


def _order(owner: IntArray, nodes: int) -> tuple[IntArray, IntArray, IntArray]:
    """Sort the unknown pixels by node. ``start`` tells where a node's begin; ``position`` is -1 for known pixels."""
    unknown = np.flatnonzero(owner >= 0)
    pixels = unknown[np.argsort(owner[unknown], kind="stable")].astype(np.int32)
    start = np.searchsorted(owner[pixels], np.arange(nodes + 1)).astype(np.int32)
    position = np.full(owner.size, -1, np.int32)
    position[pixels] = np.arange(pixels.size)
    return pixels, start, position


@kernel
def _borders(boxes, start, position, unknown, reach):  # type: ignore[no-untyped-def]
    """Per node, the positions of later pixels that its subtree touches, sorted."""
    height, width = unknown.shape
    nodes = boxes.shape[0]
    border_start = np.zeros(nodes + 1, np.int64)
    border = np.empty(1024, np.int32)
    for node in range(nodes):
        y0, y1, x0, x1 = boxes[node, 0], boxes[node, 1], boxes[node, 2], boxes[node, 3]
        count = border_start[node]
        ring = 2 * reach * (y1 - y0 + x1 - x0 + 2 * reach)
        if count + ring > border.size:
            border = fronts.enlarged(border, count, 2 * (border.size + ring))
        for y in range(max(0, y0 - reach), min(height, y1 + reach)):
            for x in range(max(0, x0 - reach), min(width, x1 + reach)):
                if y0 <= y < y1 and x0 <= x < x1:
                    continue
                if not unknown[y, x]:
                    continue
                near = False
                for v in range(max(y0, y - reach), min(y1, y + reach + 1)):
                    for u in range(max(x0, x - reach), min(x1, x + reach + 1)):
                        if unknown[v, u]:
                            near = True
                            break
                    if near:
                        break
                if near:
                    border[count] = position[y * width + x]
                    count += 1
        _sort(border, border_start[node], count)
        border_start[node + 1] = count
    return border[: border_start[nodes]].copy(), border_start


@kernel
def _sort(values, first, last):  # type: ignore[no-untyped-def]
    """Shell's sort, in place: short runs in nearly sorted order, and a tenth of the time to compile."""
    gap = 1
    while 3 * gap < last - first:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, last):
            value = values[i]
            j = i - gap
            while j >= first and values[j] > value:
                values[j + gap] = values[j]
                j -= gap
            values[j + gap] = value
        gap //= 3


def compile_kernels() -> None:
    """Run all kernels once on a small system, which compiles them."""
    chain = scipy.sparse.diags_array([2.0, -1.0, -1.0], offsets=[0, 1, -1], shape=(144, 144), format="csr")
    matrix = scipy.sparse.csr_matrix(chain)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    plan = Dissection(np.ones((12, 12), dtype=np.bool_), grid_reach(matrix, (12, 12)))
    plan.factorise(matrix)
    plan.solve(np.ones(144))
