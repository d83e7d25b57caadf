"""The front door to the linear system, and the direct solver behind it."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import mattingkit.methods.closed_form.solve as solve_module
from mattingkit.errors import ConvergenceWarning
from mattingkit.methods.closed_form.direct.dissection import Dissection, NotPositiveDefiniteError
from mattingkit.methods.closed_form.laplacian import matting_laplacian
from mattingkit.methods.closed_form.solve import solve
from mattingkit.threads import CancelledError


def problem(seed=0, shape=(40, 50), share_known=0.1):
    rng = np.random.default_rng(seed)
    image = rng.random((*shape, 3))
    trimap = np.full(shape, 0.5)
    draw = rng.random(shape)
    trimap[draw < share_known] = 1.0
    trimap[draw > 1 - share_known] = 0.0
    trimap[0, 0], trimap[-1, -1] = 0.0, 1.0
    return image, trimap


def exact(laplacian, trimap, prior=None, weight=0.0):
    """SciPy's factorisation of the system cut out by hand."""
    known = trimap.ravel()
    unknown = known == 0.5
    matrix = scipy.sparse.csc_matrix(laplacian)
    system = matrix[unknown][:, unknown]
    right = -matrix[unknown][:, ~unknown] @ known[~unknown]
    if prior is not None:
        diagonal = np.broadcast_to(weight, trimap.shape).ravel()[unknown]
        system = system + scipy.sparse.diags_array(diagonal)
        right = right + diagonal * prior.ravel()[unknown]
    alpha = known.copy()
    alpha[unknown] = scipy.sparse.linalg.spsolve(scipy.sparse.csc_matrix(system), right)
    return alpha.reshape(trimap.shape).clip(0, 1)


@pytest.mark.parametrize("radius", [1, 2, 4])
@pytest.mark.parametrize("share_known", [0.001, 0.3])
def test_equals_an_exact_factorisation(radius, share_known):
    image, trimap = problem(1, (45, 52), share_known)
    laplacian = matting_laplacian(image, 1e-7, radius)
    assert np.abs(solve(laplacian, trimap) - exact(laplacian, trimap)).max() < 1e-8


def test_a_picture_of_several_subtrees_and_large_fronts(monkeypatch):
    monkeypatch.setattr("mattingkit.methods.closed_form.direct.dissection._SMALL_FRONT", 60)
    image, trimap = problem(2, (130, 150), 0.02)
    laplacian = matting_laplacian(image)
    assert np.abs(solve(laplacian, trimap) - exact(laplacian, trimap)).max() < 1e-8


@pytest.mark.parametrize("weight", [1e-3, 5.0])
def test_prior(weight):
    image, trimap = problem(3)
    prior = np.random.default_rng(4).random(trimap.shape)
    weights = weight * np.random.default_rng(5).random(trimap.shape)
    laplacian = matting_laplacian(image)
    ours = solve(laplacian, trimap, prior, weights)
    assert np.abs(ours - exact(laplacian, trimap, prior, weights)).max() < 1e-8
    assert np.abs(solve(laplacian, trimap, prior, weight) - ours).max() > 1e-4


def test_prior_of_great_weight_wins_and_of_none_counts_nothing():
    image, trimap = problem(6)
    prior = np.random.default_rng(7).random(trimap.shape)
    laplacian = matting_laplacian(image)
    unknown = trimap == 0.5
    assert np.abs(solve(laplacian, trimap, prior, 1e9) - prior)[unknown].max() < 1e-6
    assert (solve(laplacian, trimap, prior, 0.0) == solve(laplacian, trimap)).all()


def test_conjugate_gradients_agree_and_show_their_iterates():
    image, trimap = problem(8)
    laplacian = matting_laplacian(image, 1e-5)
    reports = []
    alpha = solve(laplacian, trimap, solver="cg", on_progress=reports.append)
    assert np.abs(alpha - solve(laplacian, trimap)).max() < 1e-5
    assert reports[-1].alpha is alpha
    steps = [report.step for report in reports]
    assert steps == sorted(steps)


def test_warm_start_saves_steps():
    image, trimap = problem(9, (60, 70))
    trimap[:] = 0.5
    trimap[:2], trimap[-2:] = 0, 1
    laplacian = matting_laplacian(image, 1e-2)
    answer = solve(laplacian, trimap)

    def steps(**options):
        reports = []
        solve(laplacian, trimap, solver="cg", on_progress=reports.append, **options)
        return reports[-1].step

    assert steps(warm_start=answer) < steps() / 2


def test_matrix_that_couples_distant_pixels():
    rng = np.random.default_rng(10)
    trimap = problem(11, (20, 25))[1]
    i, j = rng.integers(0, 500, (2, 4000))
    graph = scipy.sparse.coo_array((rng.random(4000), (i, j)), shape=(500, 500))
    laplacian = scipy.sparse.csgraph.laplacian(scipy.sparse.csr_matrix(graph + graph.T))
    assert np.abs(solve(laplacian, trimap) - exact(laplacian, trimap)).max() < 1e-5
    with pytest.raises(ValueError, match="the direct solver takes up to"):
        solve(laplacian, trimap, solver="direct")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 40), width=st.integers(1, 40), radius=st.integers(1, 6),
       share=st.sampled_from([0.02, 0.3, 0.9]))  # fmt: skip
def test_direct_solver_on_any_mask(seed, height, width, radius, share):
    rng = np.random.default_rng(seed)
    unknown = rng.random((height, width)) < share
    unknown[rng.integers(height), rng.integers(width)] = True
    index = np.arange(height * width).reshape(height, width)
    rows, columns = [], []
    for dy in range(radius + 1):
        for dx in range(-radius, radius + 1):
            if (dy, dx) > (0, 0) and dy < height and abs(dx) < width:
                a = index[: height - dy, max(0, -dx) : width - max(0, dx)]
                b = index[dy:, max(0, dx) : width - max(0, -dx)]
                rows.append(a.ravel())
                columns.append(b.ravel())
    n = height * width
    if rows:
        i, j = np.concatenate(rows), np.concatenate(columns)
        graph = scipy.sparse.coo_matrix((-rng.random(i.size), (i, j)), shape=(n, n))
        matrix = graph + graph.T
        matrix = scipy.sparse.csr_matrix(matrix - scipy.sparse.diags_array(np.asarray(matrix.sum(axis=1)).ravel()))
    else:
        matrix = scipy.sparse.csr_matrix((n, n))
    plan = Dissection(unknown, radius)
    plan.factorise(matrix, np.full(n, 0.5))
    right = rng.normal(size=int(unknown.sum()))
    flat = unknown.ravel()
    expected = np.linalg.solve(matrix[flat][:, flat].toarray() + 0.5 * np.eye(flat.sum()), right)
    assert np.abs(plan.solve(right) - expected).max() < 1e-9 * max(1.0, np.abs(expected).max())


def test_direct_solver_says_when_it_cannot():
    plan = Dissection(np.ones((3, 3), bool), 1)
    with pytest.raises(RuntimeError, match="factorise"):
        plan.solve(np.zeros(9))
    with pytest.raises(NotPositiveDefiniteError):
        plan.factorise(scipy.sparse.csr_matrix(-np.eye(9)))


@pytest.mark.parametrize("length", [12, 150, 700])
def test_singular_system_is_decided_with_a_warning(length):
    # Second differences along a row: free in its slope while only one end is known.
    difference = scipy.sparse.diags_array([1.0, -2, 1], offsets=[0, 1, 2], shape=(length - 2, length))
    laplacian = scipy.sparse.csr_matrix(difference.T @ difference)
    trimap = np.full((1, length), 0.5)
    trimap[0, 0] = 0
    with pytest.warns(RuntimeWarning, match=r"drawn to 0\.5"):
        alpha = solve(laplacian, trimap)
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    if length < 100:
        # The other end decides it: the straight line, without a warning.
        trimap[0, -1] = 1
        assert np.abs(solve(laplacian, trimap)[0] - np.linspace(0, 1, length)).max() < 1e-9


def test_indefinite_system_falls_through_all_solvers():
    laplacian = scipy.sparse.csr_matrix(-np.diag(np.arange(1.0, 26)) + 0.1)
    trimap = np.full((5, 5), 0.5)
    trimap[0, 0], trimap[4, 4] = 0, 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        alpha = solve(laplacian, trimap)
    assert any("direct solver failed again" in str(w.message) for w in caught)
    assert any(issubclass(w.category, ConvergenceWarning) for w in caught)
    assert np.isfinite(alpha).all()
    assert (alpha[trimap != 0.5] == trimap[trimap != 0.5]).all()


def test_too_large_for_memory_goes_to_conjugate_gradients(monkeypatch):
    image, trimap = problem(12)
    laplacian = matting_laplacian(image, 1e-5)
    expected = solve(laplacian, trimap)
    monkeypatch.setattr(solve_module, "memory_limit", lambda: 1000.0)
    reports = []
    alpha = solve(laplacian, trimap, on_progress=reports.append)
    assert np.abs(alpha - expected).max() < 1e-5
    assert reports[-1].step != 100


def test_stopping_short_warns_and_returns_the_best(monkeypatch):
    monkeypatch.setattr(solve_module, "_CG_STEPS", 3)
    image, trimap = problem(13, (60, 70), 0.001)
    with pytest.warns(ConvergenceWarning, match="stopped after 3 steps"):
        alpha = solve(matting_laplacian(image), trimap, solver="cg")
    assert alpha.shape == trimap.shape
    assert np.isfinite(alpha).all()


def test_stopping_short_returns_the_iterate_of_least_residual(monkeypatch):
    monkeypatch.setattr(solve_module, "_CG_STEPS", 60)
    # Without a preconditioner the residual rises and falls.
    monkeypatch.setattr(solve_module, "_preconditioner", lambda system, job: lambda residual: residual)
    seen = []
    precondition = solve_module._Watch.precondition

    def watched(watch, residual):
        try:
            return precondition(watch, residual)
        finally:
            seen.append((watch.residual, watch.x.copy()))

    monkeypatch.setattr(solve_module._Watch, "precondition", watched)
    image, trimap = problem(19, (60, 70), 0.001)
    with pytest.warns(ConvergenceWarning, match="stopped after 60 steps"):
        alpha = solve(matting_laplacian(image), trimap, solver="cg")
    assert len(seen) == 61  # the start, and the sixty
    residuals = [residual for residual, _ in seen]
    assert np.argmin(residuals) < 60  # or the test would show nothing
    assert (alpha[trimap == 0.5] == seen[np.argmin(residuals)][1].clip(0, 1)).all()


def test_a_perfect_warm_start_takes_no_step():
    image, trimap = problem(20)
    laplacian = matting_laplacian(image, 1e-5)
    target = np.where(trimap == 0.5, np.random.default_rng(0).random(trimap.shape), trimap)
    # A prior that makes this target the solution: it is weighed so much that nothing is clipped.
    answer = exact(laplacian, trimap, target, 1e6)
    reports = []
    again = solve(laplacian, trimap, target, 1e6, solver="cg", warm_start=answer, on_progress=reports.append)
    assert reports[-1].step == 1
    assert (again == answer).all()


def test_conjugate_gradients_warn_where_there_is_no_minimum():
    laplacian = scipy.sparse.csr_matrix(-np.diag(np.arange(1.0, 26)) + 0.1)
    trimap = np.full((5, 5), 0.5)
    trimap[0, 0], trimap[4, 4] = 0, 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solve(laplacian, trimap, solver="cg")
    assert any("stopped after 0 steps" in str(w.message) for w in caught)


def test_conjugate_gradients_where_only_background_is_known():
    image, trimap = problem(21)
    assert (solve(matting_laplacian(image), np.minimum(trimap, 0.5), solver="cg") == 0).all()


def test_unreachable_pixels_stay_undecided():
    chain = scipy.sparse.csr_matrix(
        np.array([[1.0, -1, 0, 0, 0], [-1, 1, 0, 0, 0], [0, 0, 1, -1, 0], [0, 0, -1, 1, 0], [0, 0, 0, 0, 0]])
    )
    trimap = np.array([[0.0, 0.5, 0.5, 0.5, 1.0]])
    assert solve(chain, trimap).tolist() == [[0.0, 0.0, 0.5, 0.5, 1.0]]
    # A prior reaches them.
    prior = np.array([[0.0, 0.0, 0.25, 0.25, 1.0]])
    weight = np.array([[0, 0, 1.0, 0, 0]])
    assert np.allclose(solve(chain, trimap, prior, weight), [[0.0, 0.0, 0.25, 0.25, 1.0]])


def test_nothing_unknown_and_nothing_known():
    laplacian = matting_laplacian(np.random.default_rng(0).random((4, 4, 3)))
    assert (solve(laplacian, np.eye(4)) == np.eye(4)).all()
    assert (solve(laplacian, np.full((4, 4), 0.5)) == 0.5).all()


class StopError(Exception):
    pass


@pytest.mark.parametrize("solver", ["direct", "cg"])
def test_raising_from_on_progress_cancels(solver):
    image, trimap = problem(14, (400, 400), 0.0005)
    laplacian = matting_laplacian(image)
    calls = []

    def cancel(progress):
        calls.append(progress)
        raise StopError

    with pytest.raises(StopError):
        solve(laplacian, trimap, solver=solver, on_progress=cancel)
    assert len(calls) == 1


def test_a_stopped_factorisation_gives_up():
    image, trimap = problem(18)
    plan = Dissection(trimap == 0.5, 2)
    with pytest.raises(CancelledError):
        plan.factorise(matting_laplacian(image), stop=np.ones(1, np.uint8))


def test_progress_ends_with_the_answer():
    image, trimap = problem(15)
    reports = []
    alpha = solve(matting_laplacian(image), trimap, on_progress=reports.append)
    assert (reports[-1].step, reports[-1].total) == (100, 100)
    assert reports[-1].alpha is alpha


def test_deterministic():
    image, trimap = problem(16, (120, 110), 0.02)
    laplacian = matting_laplacian(image)
    assert (solve(laplacian, trimap) == solve(laplacian, trimap)).all()


def test_same_bits_on_any_number_of_threads(digests_by_threads):
    program = (
        "import numpy as np, hashlib; from mattingkit.methods.closed_form.laplacian import matting_laplacian;"
        "from mattingkit.methods.closed_form.solve import solve; t = np.full((260, 300), 0.5); t[:9], t[-9:] = 0, 1;"
        "L = matting_laplacian(np.random.default_rng(0).random((260, 300, 3)));"
        "print(hashlib.sha256(solve(L, t).tobytes()).hexdigest())"
    )
    assert len(digests_by_threads(program)) == 1


def test_inputs_are_not_written_to():
    image, trimap = problem(17)
    laplacian = matting_laplacian(image)
    before, data = trimap.copy(), laplacian.data.copy()
    solve(laplacian, trimap)
    assert (trimap == before).all()
    assert (laplacian.data == data).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"laplacian": np.eye(16)}, TypeError, "sparse matrix; got ndarray"),
        ({"laplacian": scipy.sparse.eye_array(15, format="csr")}, ValueError, "needs a Laplacian of shape"),
        ({"laplacian": scipy.sparse.csr_matrix(np.triu(np.ones((16, 16))))}, ValueError, "symmetric"),
        ({"laplacian": scipy.sparse.csr_matrix(np.diag(np.full(16, np.nan)))}, ValueError, "NaN"),
        ({"prior": np.zeros((3, 4))}, ValueError, "Trimap and prior must have the same size"),
        ({"prior": np.zeros((4, 4)), "prior_weight": -1.0}, ValueError, "at least 0"),
        ({"prior": np.zeros((4, 4)), "prior_weight": np.ones((2, 2))}, ValueError, "prior_weight has shape"),
        ({"warm_start": np.zeros((3, 4))}, ValueError, "Trimap and warm start must have the same size"),
        ({"solver": "lu"}, ValueError, "solver is"),
    ],
)
def test_refuses(change, error, message):
    arguments = {"laplacian": scipy.sparse.eye_array(16, format="csr"), "trimap": np.eye(4) * 0.5, **change}
    with pytest.raises(error, match=message):
        solve(**arguments)


def test_other_sparse_formats_and_integers():
    chain = np.array([[1, -1, 0], [-1, 2, -1], [0, -1, 1]])
    for matrix in (scipy.sparse.coo_array(chain), scipy.sparse.csc_matrix(chain), scipy.sparse.lil_matrix(chain)):
        assert solve(matrix, [[0, 0.5, 1]])[0] == pytest.approx([0, 0.5, 1])
