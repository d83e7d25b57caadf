"""Alpha from a Laplacian and a trimap: the linear system behind closed-form matting.

Whatever matrix ``L`` says how unlike neighbouring alphas may be, the alpha wanted is the one that agrees with the
trimap and costs least, ``αᵀLα`` (Levin, Lischinski, Weiss 2008); a prior guess may pull on it as well.
:func:`solve` finds it for every method of the kit. What is known moves to the right-hand side, and a symmetric positive
definite system of the unknown pixels is left (:func:`solve_checked`).

Several solvers are tried in turn. A matrix that couples near pixels only, as the matting Laplacian does, goes to the
direct solver of :mod:`mattingkit.methods.closed_form.direct`: exact, and faster than iterating. Other matrices, and
systems too large for memory, go to conjugate gradients (Hestenes and Stiefel 1952). A solver that fails warns, and the
next takes over.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg

from mattingkit.compiled import kernel
from mattingkit.errors import ConvergenceWarning
from mattingkit.images import FloatArray, as_alpha, check_same_size
from mattingkit.memory import memory_limit
from mattingkit.methods.closed_form.direct.dissection import Dissection, NotPositiveDefiniteError, grid_reach
from mattingkit.progress import ProgressCallback
from mattingkit.threads import Job, responsive
from mattingkit.trimap import UNKNOWN, as_trimap

BoolArray = npt.NDArray[np.bool_]
Inverse = Callable[[FloatArray], FloatArray]
Show = Callable[[FloatArray, int], None]
SparseMatrix: TypeAlias = "scipy.sparse.csr_matrix | scipy.sparse.csr_array"

#: Matrices that reach farther than this (radius 4 windows reach 8) are no use to nested dissection.
_WIDEST_REACH = 12
#: Share of the memory the direct solver may fill, and how many bytes there are where the system does not tell.
_MEMORY_SHARE, _USUAL_MEMORY = 0.4, 1e10
#: A solution must satisfy its equations to this, relative to the size of their terms.
_RESIDUAL = 1e-9
#: Conjugate gradients stop at this residual (in the preconditioner's norm, relative to the start), or here.
_CG_TOLERANCE, _CG_STEPS = 1e-8, 5000


def solve(
    laplacian: SparseMatrix,
    trimap: npt.ArrayLike,
    prior: npt.ArrayLike | None = None,
    prior_weight: float | npt.ArrayLike = 0.1,
    *,
    warm_start: npt.ArrayLike | None = None,
    solver: Literal["auto", "direct", "cg"] = "auto",
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    r"""Find the alpha of least cost that keeps the trimap's known pixels.

    Parameters
    ----------
    laplacian : sparse matrix, shape (H * W, H * W)
        Symmetric positive semidefinite, such as
        :func:`mattingkit.methods.closed_form.laplacian.matting_laplacian` makes; pixels are numbered row by row.
    trimap : array_like, shape (H, W)
        As :func:`mattingkit.trimap.as_trimap` takes it.
    prior : array_like, shape (H, W), optional
        A guess that alpha is drawn to, in [0, 1].
    prior_weight : float or array_like, shape (H, W), default 0.1
        How strongly, at least 0: one weight for all pixels, or each pixel's own. Only used with a prior.
    warm_start : array_like, shape (H, W), optional
        An earlier alpha. Conjugate gradients start from it; the direct solver has no need to.
    solver : {"auto", "direct", "cg"}, default "auto"
        "auto" solves directly where the matrix couples near pixels only and the factor fits into memory, and by
        conjugate gradients otherwise. "cg" shows its iterates through ``on_progress``.
    on_progress : callable, optional
        Receives :class:`mattingkit.progress.Progress` about every 20 ms, in the caller's thread; raising from it
        cancels at once. Steps are percent for the direct solver (``total`` is 100) and iterations for conjugate
        gradients (``total`` is None, ``alpha`` the iterate).

    Returns
    -------
    ndarray of float64, shape (H, W)
        Alpha in [0, 1]: known pixels exactly as given, the rest clipped. A pixel that is connected neither to a
        known pixel nor to one with a prior stays 0.5: nothing says anything about it.

    Raises
    ------
    TypeError, ValueError
        Where shapes do not fit each other, the matrix is not symmetric or holds NaN or infinity, or a weight is
        negative.

    Warns
    -----
    RuntimeWarning
        Where a solver failed and the next took over; a system that is singular to within rounding is solved with
        a pull of 1e-9 towards 0.5 (or the warm start).
    ConvergenceWarning
        Where conjugate gradients stopped before their tolerance.

    Notes
    -----
    It minimises :math:`\alpha^T L \alpha + (\alpha - \hat\alpha)^T \Gamma (\alpha - \hat\alpha)` with
    :math:`\hat\alpha` the prior and :math:`\Gamma` the diagonal matrix of its weights. Setting the derivative to zero
    for the unknown pixels U, with the known ones K moved to the right-hand side, gives

    .. math:: (L_{UU} + \Gamma_U)\, \alpha_U = \Gamma_U \hat\alpha_U - L_{UK}\, \alpha_K

    Without a prior this is the paper's hard form. For its soft form leave the marked pixels unknown here, and let a
    prior hold them. What the known pixels' own rows leave over, :math:`\nu = (L \alpha)_K`, are their Lagrange
    multipliers. Lesson 05 derives all of it.

    For small pictures, where a dense matrix is affordable, this is all there is to compute:

    >>> def exact(laplacian, trimap, prior=0.0, weight=0.0):
    ...     L, alpha = laplacian.toarray(), trimap.ravel().copy()
    ...     U, K = alpha == 0.5, alpha != 0.5
    ...     target = np.broadcast_to(prior, trimap.shape).ravel()[U]
    ...     gamma = np.broadcast_to(weight, trimap.shape).ravel()[U]
    ...     right = gamma * target - L[U][:, K] @ alpha[K]
    ...     alpha[U] = np.linalg.solve(L[U][:, U] + np.diag(gamma), right)
    ...     return alpha.reshape(trimap.shape).clip(0, 1)

    References
    ----------
    A. Levin, D. Lischinski, Y. Weiss: A Closed-Form Solution to Natural Image Matting. IEEE TPAMI 30(2), 2008,
    doi:10.1109/TPAMI.2007.1177.

    Examples
    --------
    Three pixels in a row, each as unlike its neighbour as the next:

    >>> chain = scipy.sparse.csr_array([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]])
    >>> trimap = np.array([[0, 0.5, 1]])
    >>> solve(chain, trimap)
    array([[0. , 0.5, 1. ]])
    >>> solve(chain, trimap, prior=[[0.0, 1, 1]], prior_weight=2.0)
    array([[0.  , 0.75, 1.  ]])
    >>> exact(chain, trimap, [[0.0, 1, 1]], 2.0)
    array([[0.  , 0.75, 1.  ]])
    """
    if solver not in ("auto", "direct", "cg"):
        raise ValueError(f"solver is 'auto', 'direct' or 'cg'; got {solver!r}.")
    known = as_trimap(trimap)
    matrix = _checked_matrix(laplacian, known.shape)
    drawn = checked_prior(prior, prior_weight, known.shape)
    start = None if warm_start is None else as_alpha(warm_start)
    if start is not None:
        check_same_size(trimap=known.shape, warm_start=start.shape)
    return responsive(lambda job: solve_checked(matrix, known, drawn, job, start, solver), on_progress)


@dataclass(frozen=True)
class Prior:
    """A guess ``target`` that alpha is drawn to, each pixel by its own ``weight``: the diagonal of Γ."""

    weight: FloatArray
    target: FloatArray

    def __add__(self, other: Prior) -> Prior:
        """Both at once: their weights add up, and alpha is drawn to the weighted mean."""
        weight = self.weight + other.weight
        mean = (self.weight * self.target + other.weight * other.target) / np.where(weight > 0, weight, 1.0)
        return Prior(weight, mean)


def solve_checked(
    matrix: scipy.sparse.csr_matrix,
    trimap: FloatArray,
    prior: Prior | None,
    job: Job,
    start: FloatArray | None = None,
    solver: str = "auto",
) -> FloatArray:
    """Do the work of :func:`solve` on checked input, as part of a job."""
    alpha = trimap.copy()
    unknown = alpha == UNKNOWN
    # What nothing known is connected to has no answer, and would make the system singular; it stays 0.5.
    anchored = ~unknown if prior is None else ~unknown | (prior.weight > 0)
    unknown &= _connected(matrix.indptr, matrix.indices, matrix.data, anchored.ravel()).reshape(alpha.shape)
    if not unknown.any():
        return alpha
    # With the unknown pixels U before the known ones K, the derivative of the cost is
    #
    #     [ L_UU + Γ_U   L_UK       ] [ α_U ]   [ Γ_U α̂_U ]
    #     [ L_KU         L_KK + Γ_K ] [ α_K ] - [ Γ_K α̂_K ]
    #
    # Its upper row must be zero; its lower row need not, as α_K is given. So (L_UU + Γ_U) α_U = Γ_U α̂_U - L_UK α_K.
    # L_UK α_K is a product with the whole L where α_U is set to 0, so that no block has to be cut out.
    right = -(matrix @ np.where(unknown, 0.0, alpha).ravel())
    diagonal = None
    if prior is not None:
        diagonal = np.ascontiguousarray(prior.weight).ravel()
        right += diagonal * prior.target.ravel()
    equations = _Equations(matrix, unknown, diagonal, right[unknown.ravel()])
    centre = UNKNOWN if start is None else start[unknown]
    alpha[unknown] = np.clip(_solve_equations(equations, centre, alpha, solver, job), 0.0, 1.0)
    return alpha


@dataclass(frozen=True)
class _Equations:
    """``(L_UU + Γ_U) x = right``, without ever cutting ``L_UU`` out of the whole matrix."""

    matrix: scipy.sparse.csr_matrix
    unknown: BoolArray
    diagonal: FloatArray | None
    right: FloatArray

    def residual(self, x: FloatArray) -> tuple[FloatArray, float]:
        """Return the residual, and the scale to judge it by: the size of the terms that should cancel in it."""
        flat = self.unknown.ravel()
        full = np.zeros(flat.size)
        full[flat] = x
        product = self.matrix @ full
        if self.diagonal is not None:
            product += self.diagonal * full
        largest = float(np.abs(x).max()) * float(np.abs(self.matrix.data).max(initial=0.0))
        return self.right - product[flat], largest + float(np.abs(self.right).max())

    def pulled(self, centre: float | FloatArray) -> _Equations:
        """Add a weak pull towards ``centre`` that makes a singular system definite."""
        weight = 1e-9 * float(self.matrix.diagonal().max(initial=1e-300))
        diagonal = weight + (np.zeros(self.unknown.size) if self.diagonal is None else self.diagonal)
        return _Equations(self.matrix, self.unknown, diagonal, self.right + weight * centre)

    def cut_out(self) -> scipy.sparse.csr_matrix:
        """Return the matrix of the unknown pixels alone."""
        flat = self.unknown.ravel()
        system = scipy.sparse.csr_matrix(self.matrix[flat][:, flat])
        if self.diagonal is None:
            return system
        return scipy.sparse.csr_matrix(system + scipy.sparse.diags_array(self.diagonal[flat]))


def _solve_equations(
    equations: _Equations, centre: float | FloatArray, alpha: FloatArray, solver: str, job: Job
) -> FloatArray:
    """Let the solvers try, the most exact first."""
    reach = grid_reach(equations.matrix, equations.unknown.shape)
    if solver == "direct" and reach > _WIDEST_REACH:
        raise ValueError(
            f"The matrix couples pixels {reach} rows or columns apart; the direct solver takes up to "
            f"{_WIDEST_REACH}. Use solver='cg'."
        )
    if reach <= _WIDEST_REACH and solver != "cg":
        plan = Dissection(equations.unknown, reach)
        memory = memory_limit() or _USUAL_MEMORY
        if solver == "direct" or 8 * plan.factor_entries <= _MEMORY_SHARE * memory:
            towards = "0.5" if isinstance(centre, float) else "the warm start"
            try:
                return _solve_directly(plan, equations, job)
            except (NotPositiveDefiniteError, MemoryError) as error:
                job.warn(f"The direct solver failed ({error}); alpha is drawn to {towards} a little, to decide it.")
            try:
                return _solve_directly(plan, equations.pulled(centre), job)
            except (NotPositiveDefiniteError, MemoryError) as error:
                job.warn(f"The direct solver failed again ({error}); conjugate gradients take over.")
    return _solve_iteratively(equations, centre, alpha, job)


def _solve_directly(plan: Dissection, equations: _Equations, job: Job) -> FloatArray:
    """Factorise, substitute, and check that the result satisfies the equations."""
    plan.factorise(equations.matrix, equations.diagonal, job.stop, job.done)
    x, residual = np.zeros_like(equations.right), equations.right
    # The second round mends what rounding left in the first.
    for _ in range(2):
        x += plan.solve(residual)
        residual, size = equations.residual(x)
        if np.abs(residual).max() <= _RESIDUAL * size:
            return x
    raise NotPositiveDefiniteError("its solution does not satisfy the equations")


def _solve_iteratively(equations: _Equations, centre: float | FloatArray, alpha: FloatArray, job: Job) -> FloatArray:
    """Run SciPy's conjugate gradients, preconditioned, and return the best alpha they came by."""
    if not equations.right.any():
        return np.zeros_like(equations.right)
    system = equations.cut_out()
    start = np.broadcast_to(np.asarray(centre, dtype=np.float64), equations.right.shape).copy()

    def show(x: FloatArray, step: int) -> None:
        job.check()
        shown = alpha.copy()
        shown[equations.unknown] = np.clip(x, 0.0, 1.0)
        job.step, job.total, job.alpha = max(1, step), None, shown

    watch = _Watch(system, equations.right, start, _preconditioner(system, job), show)
    matrix = LinearOperator(system.shape, watch.multiply, dtype=np.float64)
    preconditioner = LinearOperator(system.shape, watch.precondition, dtype=np.float64)
    with contextlib.suppress(_EnoughError), np.errstate(all="ignore"):
        cg(matrix, equations.right, start, rtol=0.0, maxiter=_CG_STEPS + 1, M=preconditioner, callback=watch.moved)
    if not watch.least <= _CG_TOLERANCE:
        job.warn(
            f"Conjugate gradients stopped after {watch.step} steps with a residual of {watch.residual:.1e} of "
            f"what they began with ({_CG_TOLERANCE:.0e} is wanted); the alpha is the best so far. A larger "
            "epsilon, or more known pixels, makes the system easier.",
            ConvergenceWarning,
        )
    return watch.best


class _EnoughError(Exception):
    """Raised in the middle of conjugate gradients to end them."""


class _Watch:
    """Watch conjugate gradients: keep the best iterate, show each one, and end them when it is good enough.

    SciPy ends them by the residual's Euclidean norm, which says little about alpha. The preconditioner M, being close
    to the matrix, has the better norm, ``√(rᵀM⁻¹r)``. It is measured against the start's or the right-hand side's,
    whichever is larger: a perfect warm start has converged before the first step. SciPy also goes on where the matrix
    turns out not to be positive definite, and finds an alpha that is no minimum; here that ends them, too.
    """

    def __init__(
        self, system: scipy.sparse.csr_matrix, right: FloatArray, start: FloatArray, inverse: Inverse, show: Show
    ) -> None:
        self.x = self.best = start
        self.step = -1
        self.residual = self.least = np.inf
        self._system, self._inverse, self._show = system, inverse, show
        self._size = abs(right @ inverse(right))

    def multiply(self, direction: FloatArray) -> FloatArray:
        """Return the product of the matrix and the direction of the next step; first of all, and the start."""
        product = np.asarray(self._system @ direction)
        if self.step >= 0 and not direction @ product > 0:
            raise _EnoughError
        return product

    def moved(self, x: FloatArray) -> None:
        """Take SciPy's next iterate, which it goes on writing to."""
        self.x = x

    def precondition(self, residual: FloatArray) -> FloatArray:
        """Return ``M⁻¹r`` for the iterate's residual r; SciPy asks for it once a step."""
        z = self._inverse(residual)
        energy = residual @ z
        self.step += 1
        self._size = max(self._size, energy) if self.step == 0 else self._size
        self.residual = float(np.sqrt(energy / self._size))
        if self.residual < self.least:
            self.best, self.least = self.x.copy(), self.residual
        self._show(self.x, self.step)
        if self.residual <= _CG_TOLERANCE or np.isnan(self.residual) or self.step == _CG_STEPS:
            raise _EnoughError
        return z


def _preconditioner(system: scipy.sparse.csr_matrix, job: Job) -> Inverse:
    """An incomplete Cholesky factor where one can be had, else the inverse diagonal."""
    from pymatting.preconditioner.ichol import ichol

    diagonal = system.diagonal()
    mean = float(diagonal.mean())
    # Dropping small entries can cost definiteness; a larger diagonal buys it back.
    for shift in (1e-4, 1e-2, 1.0):
        job.check()
        try:
            # PyMatting prints advice where a factor fails; it is not addressed to our caller.
            with contextlib.redirect_stdout(io.StringIO()):
                factor: Inverse = ichol(system.tocsc(), discard_threshold=1e-4, shifts=[shift * mean])
            return factor
        except ValueError:
            continue
        except MemoryError:
            break
    job.warn("No incomplete Cholesky factor could be had; conjugate gradients use the diagonal alone, slowly.")
    inverse = 1.0 / np.where(diagonal > 0, diagonal, 1.0)
    return lambda residual: inverse * residual


def _checked_matrix(laplacian: SparseMatrix, shape: tuple[int, ...]) -> scipy.sparse.csr_matrix:
    """Return the matrix as the solvers take it; refuse what is not symmetric, finite and of the trimap's size."""
    if not scipy.sparse.issparse(cast(object, laplacian)):
        raise TypeError(f"laplacian must be a SciPy sparse matrix; got {type(laplacian).__name__}.")
    size = shape[0] * shape[1]
    if laplacian.shape != (size, size):
        raise ValueError(
            f"A trimap of {shape[0]} × {shape[1]} needs a Laplacian of shape {(size, size)}; got {laplacian.shape}."
        )
    matrix = scipy.sparse.csr_matrix(laplacian, dtype=np.float64)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all():
        raise ValueError("The Laplacian contains NaN or infinity; check the picture it was made from.")
    # A random vector meets any asymmetry, at the cost of two products instead of a transposed copy.
    probe = np.random.default_rng(0).standard_normal(size)
    forth, back = matrix @ probe, probe @ matrix
    if np.abs(forth - back).max(initial=0.0) > 1e-6 * np.abs(matrix.data).max(initial=0.0) * 25:
        raise ValueError("The Laplacian must be symmetric; use (L + L.T) / 2 if that is what you mean.")
    return matrix


def checked_prior(
    prior: npt.ArrayLike | None, prior_weight: float | npt.ArrayLike, shape: tuple[int, ...]
) -> Prior | None:
    """Check a prior and its weight."""
    if prior is None:
        return None
    weight = np.asarray(prior_weight, dtype=np.float64)
    if weight.ndim and weight.shape != shape:
        raise ValueError(f"prior_weight has shape {weight.shape}; give one number, or an array of {shape}.")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise ValueError("prior_weight must be finite and at least 0.")
    target = as_alpha(prior)
    check_same_size(trimap=shape, prior=target.shape)
    return Prior(np.broadcast_to(weight, shape), target)


@kernel
def _connected(indptr, indices, data, anchored):  # type: ignore[no-untyped-def]
    """Mark the pixels that a chain of nonzero entries connects to an anchored one."""
    reached = anchored.copy()
    queue = np.empty(anchored.size, np.int32)
    tail = 0
    for i in range(anchored.size):
        if anchored[i]:
            queue[tail] = i
            tail += 1
    head = 0
    while head < tail:
        i = queue[head]
        head += 1
        for p in range(indptr[i], indptr[i + 1]):
            j = indices[p]
            if not reached[j] and data[p] != 0.0:
                reached[j] = True
                queue[tail] = j
                tail += 1
    return reached
