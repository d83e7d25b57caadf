"""Alpha from a Laplacian and a trimap: the linear system behind closed-form matting.

Whatever matrix ``L`` says how unlike neighbouring alphas may be, the alpha wanted is the one that agrees with the
trimap and costs least, ``αᵀLα`` (Levin, Lischinski, Weiss 2008, equation 13); a prior guess may pull on it as well.
:func:`solve` is the one front door to that system for every method of the kit.

Behind it stand several solvers, tried in turn. A matrix that couples near pixels only, as the matting Laplacian does,
goes to the direct solver of :mod:`mattingkit.methods.closed_form.direct.dissection`: exact, and faster than iterating.
Other matrices, and systems too large for memory, go to conjugate gradients. Whoever fails says so in a warning and
passes on.
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
from numba import njit

from mattingkit.errors import ConvergenceWarning
from mattingkit.images import FloatArray, as_alpha
from mattingkit.memory import memory_limit
from mattingkit.methods.closed_form.direct.dissection import Dissection, NotPositiveDefiniteError, grid_reach
from mattingkit.progress import ProgressCallback
from mattingkit.threads import Job, responsive
from mattingkit.trimap import UNKNOWN, as_trimap

__all__ = ["solve"]

BoolArray = npt.NDArray[np.bool_]
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
        Where a solver failed and the next one took over; a system that is singular to within rounding is solved with
        a pull of 1e-9 towards 0.5 (or the warm start).
    ConvergenceWarning
        Where conjugate gradients stopped before their tolerance.

    Notes
    -----
    It minimises :math:`\alpha^T L \alpha + (\alpha - \hat\alpha)^T \Gamma (\alpha - \hat\alpha)` with
    :math:`\hat\alpha` the prior and :math:`\Gamma` the diagonal matrix of its weights. Setting the derivative to zero
    for the unknown pixels U, with the known ones K moved to the right-hand side, gives

    .. math:: (L_{UU} + \Gamma_U)\, \alpha_U = \Gamma_U \hat\alpha_U - L_{UK}\, \alpha_K

    References
    ----------
    A. Levin, D. Lischinski, Y. Weiss: A Closed-Form Solution to Natural Image Matting. IEEE TPAMI 30(2), 2008,
    doi:10.1109/TPAMI.2007.1177.

    Examples
    --------
    Three pixels in a row, each as unlike its neighbour as the next:

    >>> chain = scipy.sparse.csr_array([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]])
    >>> solve(chain, [[0, 0.5, 1]])
    array([[0. , 0.5, 1. ]])
    >>> solve(chain, [[0, 0.5, 1]], prior=[[0.0, 1, 1]], prior_weight=2.0)
    array([[0.  , 0.75, 1.  ]])
    """
    if solver not in ("auto", "direct", "cg"):
        raise ValueError(f"solver is 'auto', 'direct' or 'cg'; got {solver!r}.")
    known = as_trimap(trimap)
    system = _checked_system(laplacian, known, prior, prior_weight)
    start = None if warm_start is None else _checked_alpha(warm_start, known.shape, "warm_start")

    return responsive(lambda job: solve_system(system, job, start, solver), on_progress)


@dataclass(frozen=True)
class System:
    """A checked system: the matrix of all pixels, and what is known of them.

    Parameters
    ----------
    matrix : csr_matrix, shape (H * W, H * W)
    trimap : ndarray, shape (H, W)
        Exactly 0, 0.5, 1.
    weight, target : ndarray, shape (H, W), or None
        The diagonal Γ and the alpha it pulls to.
    """

    matrix: scipy.sparse.csr_matrix
    trimap: FloatArray
    weight: FloatArray | None = None
    target: FloatArray | None = None

    def with_prior(self, weight: FloatArray, target: FloatArray) -> System:
        """Add a prior to those there are: their weights add up, and alpha is drawn to the weighted mean."""
        if self.weight is None or self.target is None:
            return System(self.matrix, self.trimap, weight, target)
        both = self.weight + weight
        mean = (self.weight * self.target + weight * target) / np.where(both > 0, both, 1.0)
        return System(self.matrix, self.trimap, both, mean)


def solve_system(system: System, job: Job, start: FloatArray | None = None, solver: str = "auto") -> FloatArray:
    """Do the work of :func:`solve` on checked input, as part of a job."""
    alpha = system.trimap.copy()
    unknown = alpha == UNKNOWN
    anchored = ~unknown if system.weight is None else ~unknown | (system.weight > 0)
    matrix = system.matrix
    unknown &= _connected(matrix.indptr, matrix.indices, matrix.data, anchored.ravel()).reshape(alpha.shape)
    if not unknown.any():
        return alpha
    right = -(matrix @ np.where(unknown, 0.0, alpha).ravel())
    diagonal = None
    if system.weight is not None and system.target is not None:
        diagonal = np.ascontiguousarray(system.weight).ravel()
        right += diagonal * system.target.ravel()
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
        """What is left of the equations, and the size of the terms that should cancel in them."""
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
        """The matrix of the unknown pixels alone."""
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
    """Factorise, substitute, and hold the result against the equations."""
    plan.factorise(equations.matrix, equations.diagonal, job.stop, job.done)
    x = plan.solve(equations.right)
    residual, size = equations.residual(x)
    if not np.abs(residual).max() <= _RESIDUAL * size:
        x += plan.solve(residual)
        residual, size = equations.residual(x)
        if not np.abs(residual).max() <= _RESIDUAL * size:
            raise NotPositiveDefiniteError("its solution does not satisfy the equations")
    return x


def _solve_iteratively(equations: _Equations, centre: float | FloatArray, alpha: FloatArray, job: Job) -> FloatArray:
    """Conjugate gradients, preconditioned as well as may be."""
    system = equations.cut_out()
    start = np.broadcast_to(np.asarray(centre, dtype=np.float64), equations.right.shape).copy()
    iterate = _Iterate(start)

    def show() -> None:
        job.check()
        shown = alpha.copy()
        shown[equations.unknown] = np.clip(iterate.x, 0.0, 1.0)
        job.step, job.total, job.alpha = max(1, iterate.step), None, shown

    if not _conjugate_gradients(system, equations.right, iterate, _preconditioner(system, job), show):
        job.warn(
            f"Conjugate gradients stopped after {iterate.step} steps with a residual of {iterate.residual:.1e} of "
            f"what they began with ({_CG_TOLERANCE:.0e} is wanted); the alpha is the best so far. A larger "
            "epsilon, or more known pixels, makes the system easier.",
            ConvergenceWarning,
        )
    return iterate.best


class _Iterate:
    """Where an iterative solver stands, and the best it has seen."""

    def __init__(self, x: FloatArray) -> None:
        self.x, self.best = x, x
        self.step = 0
        self.residual = self.least = np.inf

    def take(self, x: FloatArray, residual: float) -> None:
        """Count one step."""
        self.x, self.residual, self.step = x, residual, self.step + 1
        if residual < self.least:
            self.best, self.least = x, residual


def _conjugate_gradients(
    system: scipy.sparse.csr_matrix,
    right: FloatArray,
    iterate: _Iterate,
    precondition: Callable[[FloatArray], FloatArray],
    show: Callable[[], None],
) -> bool:
    """Run preconditioned conjugate gradients (Hestenes and Stiefel 1952); True when converged."""
    show()
    x = iterate.x
    residual = right - system @ x
    z = precondition(residual)
    direction = z.copy()
    energy = float(residual @ z)
    # Measured against the start or the right-hand side, whichever is larger: a perfect warm start has converged.
    scale = max(energy, abs(float(right @ precondition(right))))
    if energy <= _CG_TOLERANCE**2 * scale:
        return True
    for _ in range(_CG_STEPS):
        product = system @ direction
        curvature = float(direction @ product)
        if not curvature > 0:
            return False
        length = energy / curvature
        x = x + length * direction
        residual -= length * product
        z = precondition(residual)
        previous, energy = energy, float(residual @ z)
        if not energy >= 0:
            return False
        iterate.take(x, float(np.sqrt(energy / scale)))
        show()
        if iterate.residual <= _CG_TOLERANCE:
            return True
        direction = z + (energy / previous) * direction
    return False


def _preconditioner(system: scipy.sparse.csr_matrix, job: Job) -> Callable[[FloatArray], FloatArray]:
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
                factor: Callable[[FloatArray], FloatArray] = ichol(
                    system.tocsc(), discard_threshold=1e-4, shifts=[shift * mean]
                )
            return factor
        except ValueError:
            continue
        except MemoryError:
            break
    job.warn("No incomplete Cholesky factor could be had; conjugate gradients use the diagonal alone, slowly.")
    inverse = 1.0 / np.where(diagonal > 0, diagonal, 1.0)
    return lambda residual: inverse * residual


def _checked_system(
    laplacian: SparseMatrix,
    trimap: FloatArray,
    prior: npt.ArrayLike | None,
    prior_weight: float | npt.ArrayLike,
) -> System:
    if not scipy.sparse.issparse(cast(object, laplacian)):
        raise TypeError(f"laplacian must be a SciPy sparse matrix; got {type(laplacian).__name__}.")
    if laplacian.shape != (trimap.size, trimap.size):
        raise ValueError(
            f"A trimap of {trimap.shape[0]} × {trimap.shape[1]} needs a Laplacian of shape "
            f"{(trimap.size, trimap.size)}; got {laplacian.shape}."
        )
    matrix = scipy.sparse.csr_matrix(laplacian)
    if matrix.data.dtype != np.float64:
        matrix = matrix.astype(np.float64)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all():
        raise ValueError("The Laplacian contains NaN or infinity; check the picture it was made from.")
    # A random vector meets any asymmetry, at the cost of two products instead of a transposed copy.
    probe = np.random.default_rng(0).standard_normal(trimap.size)
    forth, back = matrix @ probe, probe @ matrix
    if np.abs(forth - back).max(initial=0.0) > 1e-6 * np.abs(matrix.data).max(initial=0.0) * 25:
        raise ValueError("The Laplacian must be symmetric; use (L + L.T) / 2 if that is what you mean.")
    return System(matrix, trimap, *checked_prior(prior, prior_weight, trimap.shape))


def checked_prior(
    prior: npt.ArrayLike | None, prior_weight: float | npt.ArrayLike, shape: tuple[int, ...]
) -> tuple[FloatArray | None, FloatArray | None]:
    """Check a prior and its weight; return the weight of each pixel and the prior, or None twice without one."""
    if prior is None:
        return None, None
    weight = np.asarray(prior_weight, dtype=np.float64)
    if weight.ndim and weight.shape != shape:
        raise ValueError(f"prior_weight has shape {weight.shape}; give one number, or an array of {shape}.")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise ValueError("prior_weight must be finite and at least 0.")
    return np.broadcast_to(weight, shape), _checked_alpha(prior, shape, "prior")


def _checked_alpha(alpha: npt.ArrayLike, shape: tuple[int, ...], name: str) -> FloatArray:
    values = as_alpha(alpha)
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}; the trimap has {shape}.")
    return values


@njit(cache=True, nogil=True)
def _connected(indptr, indices, data, anchored):  # type: ignore[no-untyped-def]
    """Pixels that a chain of nonzero entries connects to an anchored one."""
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
