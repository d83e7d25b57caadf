"""The numerics of the explorables, run in a real Chromium, held against Python's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse.linalg

import mattingkit as mk
from mattingkit.explorables.joining import bundle
from mattingkit.foreground.multilevel import solve_layers
from mattingkit.methods.bayesian import energy
from mattingkit.methods.closed_form.estimate import Problem, scales_for
from mattingkit.methods.closed_form.laplacian import matting_laplacian
from mattingkit.methods.closed_form.pyramid import Pyramid, carry, fit, reduce_picture


@pytest.fixture(scope="module")
def core(chromium):
    """``core(script, **arrays)`` evaluates JavaScript with the module as ``core`` and arrays as flat Float64Arrays."""
    page = chromium.new_page()
    page.evaluate(f"() => {{ window.core = {bundle('core.js', form='script')}; }}")

    def run(script: str, **values: Any) -> Any:
        plain = {
            key: value.ravel().tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()
        }
        arrays = [key for key, value in values.items() if isinstance(value, np.ndarray)]
        found = page.evaluate(
            f"""([values, arrays]) => {{
              for (const key of arrays) values[key] = Float64Array.from(values[key]);
              const {{ {", ".join(values)} }} = values;
              const found = (() => {{ {script} }})();
              const plain = (one) => ArrayBuffer.isView(one) ? [...one]
                : one && typeof one === "object" && !Array.isArray(one)
                  ? Object.fromEntries(Object.entries(one).map(([key, value]) => [key, plain(value)])) : one;
              return plain(found);
            }}""",
            [plain, arrays],
        )
        return np.array(found) if isinstance(found, list) else found

    yield run
    page.close()


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def close(found, wanted, slack=1e-9):
    np.testing.assert_allclose(np.asarray(found).ravel(), np.asarray(wanted).ravel(), rtol=slack, atol=slack)


def test_inverse(core, rng):
    matrix = rng.standard_normal((3, 3))
    close(core("return core.inverse3(m);", m=matrix), np.linalg.inv(matrix))
    assert core("return core.inverse3([1, 2, 3, 2, 4, 6, 0, 0, 1]);") is None


def test_unmix_is_the_projection(core, rng):
    for _ in range(5):
        C, F, B = rng.random((3, 3))
        close(core("return core.unmix(C, F, B);", C=C, F=F, B=B), (C - B) @ (F - B) / ((F - B) @ (F - B)))
    assert core("return core.unmix([0, 0, 0], [1, 1, 1], [1, 1, 1]);") is None


def test_least_share_is_where_the_other_layer_leaves_the_cube(core, rng):
    for _ in range(20):
        C, known = rng.random((2, 3))
        share = core("return core.leastShare(C, known);", C=C, known=known)
        other = known + (C - known) / share
        assert other.min() > -1e-9
        assert other.max() < 1 + 1e-9
        beyond = known + (C - known) / (0.99 * share)
        assert beyond.min() < 0 or beyond.max() > 1
    assert core("return core.leastShare(C, known);", C=np.zeros(3), known=np.zeros(3)) == 0


def gaussians(rng):
    layers = []
    for mean in ([0.7, 0.5, 0.4], [0.25, 0.35, 0.6]):
        root = 0.1 * rng.standard_normal((3, 3))
        layers.append((np.array(mean), root @ root.T + 1e-4 * np.eye(3)))
    return layers


JS_LAYERS = "const F = { mean: mF, cov: [...SF] }, B = { mean: mB, cov: [...SB] };"


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.85, 1.0])
def test_eliminated_curve(core, rng, alpha):
    (mF, SF), (mB, SB) = gaussians(rng)
    C, sigma = np.array([0.5, 0.42, 0.48]), 0.03
    S = alpha**2 * SF + (1 - alpha) ** 2 * SB + sigma**2 * np.eye(3)
    r = C - alpha * mF - (1 - alpha) * mB
    wanted = -0.5 * r @ np.linalg.solve(S, r)
    call = JS_LAYERS + "return [core.eliminated(a, C, F, B, s), core.eliminated(a, C, F, B, s, true)];"
    found = core(call, a=alpha, C=C, mF=mF, SF=SF, mB=mB, SB=SB, s=sigma)
    close(found, [wanted, wanted - 0.5 * np.linalg.slogdet(S)[1]])


def test_alternation_takes_pythons_steps(core, rng):
    (mF, SF), (mB, SB) = gaussians(rng)
    C, sigma = np.array([0.5, 0.42, 0.48]), 0.03
    six = [S[np.triu_indices(3)] for S in (SF, SB)]
    trace = np.zeros((8, 2))
    energy.alternate(tuple(C), tuple(mF), tuple(six[0]), tuple(mB), tuple(six[1]), sigma**2, 0.9, 8, trace)
    script = (
        JS_LAYERS
        + """let alpha = 0.9; const seen = [];
        for (let k = 0; k < 8; k += 1) { alpha = core.alternate(alpha, C, F, B, s).alpha; seen.push(alpha); }
        return seen;"""
    )
    close(core(script, C=C, mF=mF, SF=SF, mB=mB, SB=SB, s=sigma), trace[:, 0])


@pytest.mark.parametrize("epsilon", [1e-7, 1e-3, 0.0])
def test_a_windows_part_of_the_laplacian(core, rng, epsilon):
    picture = rng.random((3, 3, 3))
    wanted = matting_laplacian(picture, epsilon).toarray()
    close(core("return core.windowLaplacian(c, 9, e);", c=picture, e=epsilon), wanted)


def test_the_fit_costs_what_the_laplacian_says(core, rng):
    picture, alpha = rng.random((3, 3, 3)), rng.random(9)
    for epsilon in (1e-5, 1e-1):
        cost = alpha @ matting_laplacian(picture, epsilon).toarray() @ alpha
        found = core("return core.fitWindow(c, alpha, e);", c=picture, alpha=alpha, e=epsilon)
        close(found["cost"], cost)
        close([*found["a"], found["b"]], fit(picture, alpha.reshape(3, 3), epsilon, 1)[1, 1])


def photograph(rng, shape=(9, 11)):
    """Soft colours with a flat corner and one of a single hue, where windows are singular."""
    picture = 0.5 + 0.2 * rng.standard_normal((*shape, 3))
    picture[:4, :4] = 0.25
    picture[5:, :4] = picture[5:, :4, :1] * np.array([1.0, 0.5, 0.2])
    return np.clip(picture, 0, 1)


def scribbled(rng, shape):
    trimap = np.full(shape, 0.5)
    trimap[rng.random(shape) < 0.1] = 1
    trimap[rng.random(shape) < 0.1] = 0
    return trimap


@pytest.mark.parametrize("epsilon", [1e-7, 1e-4])
def test_laplacian_of_a_picture(core, rng, epsilon):
    picture = photograph(rng)
    height, width = picture.shape[:2]
    wanted = matting_laplacian(picture, epsilon).toarray()
    call = "return core.dense(core.mattingLaplacian(p, h, w, e));"
    close(core(call, p=picture, h=height, w=width, e=epsilon), wanted)


def test_laplacian_leaves_out_windows_of_known_pixels(core, rng):
    picture = photograph(rng)
    trimap = np.full(picture.shape[:2], 1.0)
    trimap[4, 5:8] = 0.5
    wanted = matting_laplacian(picture, 1e-5, known=trimap != 0.5).toarray()
    found = core("return core.dense(core.mattingLaplacian(p, 9, 11, 1e-5, t));", p=picture, t=trimap)
    close(found, wanted)


def test_conjugate_gradients_solve_the_system_exactly(core, rng):
    picture = photograph(rng, (14, 13))
    trimap = scribbled(rng, (14, 13))
    target = rng.random((14, 13))
    unknown = (trimap == 0.5).ravel()
    L = matting_laplacian(picture, 1e-4)
    right = 1e-3 * target.ravel() - L @ np.where(unknown, 0.0, trimap.ravel())
    wanted = trimap.ravel().copy()
    system = L[unknown][:, unknown] + 1e-3 * scipy.sparse.eye_array(unknown.sum())
    wanted[unknown] = scipy.sparse.linalg.spsolve(system.tocsc(), right[unknown])
    script = """const equations = core.system(core.mattingLaplacian(p, 14, 13, 1e-4), t, 1e-3, target);
        const { x } = core.conjugateGradients(equations, null, { tolerance: 1e-14 });
        const out = t.slice(); for (const i of equations.active) out[i] = x[i]; return out;"""
    close(core(script, p=picture, t=trimap, target=target), wanted)


@pytest.mark.parametrize("scale", [2, 4])
def test_reduced_pictures_and_trimaps(core, rng, scale):
    picture = photograph(rng, (13, 18))
    close(core("return core.reducePicture(p, 13, 18, s);", p=picture, s=scale), reduce_picture(picture, scale))
    strokes = np.full((13, 18), 0.5)
    strokes[3, 2:15], strokes[9:11, 4:16] = 1, 0
    regions = np.full((13, 18), 0.5)
    regions[:5], regions[9:] = 1, 0
    for trimap in (strokes, regions, scribbled(rng, (13, 18))):
        wanted = Problem(Pyramid(picture, 1e-7, 1), trimap, trimap, (scale,)).cells(scale)
        close(core("return core.reduceTrimap(t, 13, 18, s);", t=trimap, s=scale), wanted)


def test_fit_and_carry(core, rng):
    picture, large = photograph(rng), photograph(rng, (18, 21))
    alpha, trimap = rng.random((9, 11)), scribbled(rng, (18, 21))
    model = fit(picture, alpha, 1e-7, 1)
    close(core("return core.fit(p, 9, 11, a, 1e-7);", p=picture, a=alpha), model, 1e-7)
    call = "return core.carry(m, 9, 11, p, 18, 21, t, 2, 0.02);"
    close(core(call, m=model, p=large, t=trimap), carry(model, large, trimap, 2, 0.02))


@pytest.mark.parametrize(
    ("shape", "unknown"),
    [((600, 800), 100_000), ((480, 640), 290_000), ((40, 60), 2000), ((70, 900), 6), ((64, 100_000), 6_400_000)],
)
def test_scales_of_the_chain(core, shape, unknown):
    found = core("return core.scalesFor(h, w, u);", h=shape[0], w=shape[1], u=unknown)
    assert found.tolist() == list(scales_for(shape, unknown, 1))


CHAIN = "return core.estimateAlpha(new core.Matter(p, h, w), t, { precision })"


@pytest.mark.parametrize("kind", ["hair", "fur", "holes"])
def test_the_chain_answers_as_python_does(core, kind):
    scene = mk.samples.render(kind, (120, 160))
    wanted = mk.estimate_alpha(scene.image, scene.trimap, "closed_form")
    given = {"p": scene.image, "h": 120, "w": 160, "t": scene.trimap}
    exact = core(CHAIN + ".alpha;", precision=1e-8, **given).reshape(120, 160)
    assert np.abs(exact - wanted).max() < 1e-5
    quick = core(CHAIN + ".alpha;", precision=1, **given).reshape(120, 160)
    assert np.abs(quick - wanted).mean() < 1 / 255
    known = scene.trimap != 0.5
    assert (quick[known] == scene.trimap[known]).all()


@pytest.mark.parametrize("name", mk.samples.names())
def test_the_chain_answers_as_python_does_for_strokes_on_photographs(core, name):
    sample = mk.samples.load(name)
    trimap = sample.scribbles()
    wanted = mk.estimate_alpha(sample.image, trimap, "closed_form")
    height, width = trimap.shape
    found = core(CHAIN + ".alpha;", precision=1, p=sample.image, h=height, w=width, t=trimap)
    assert np.abs(found.reshape(height, width) - wanted).mean() < 2 / 255


def test_small_pictures_are_solved_exactly(core):
    scene = mk.samples.render("fur", (40, 50))
    wanted = mk.estimate_alpha(scene.image, scene.trimap, "closed_form")
    found = core(CHAIN + ";", precision=1e-6, p=scene.image, h=40, w=50, t=scene.trimap)
    assert found["scales"] == [1]
    close(found["alpha"], wanted, 1e-6)


def test_nothing_is_decided_by_one_kind_of_stroke(core, rng):
    trimap = np.full((70, 80), 0.5)
    trimap[3, 3] = 1
    assert core(CHAIN + ";", precision=1, p=photograph(rng, (70, 80)), h=70, w=80, t=trimap) is None


def test_a_start_saves_steps_and_changes_nothing(core):
    scene = mk.samples.render("hair", (120, 160))
    script = """const matter = new core.Matter(p, 120, 160), starts = new Map();
        const first = core.estimateAlpha(matter, t, { precision: 1e-6, starts });
        const second = core.estimateAlpha(matter, t, { precision: 1e-6, starts, again: true });
        const sum = (steps) => steps.reduce((a, b) => a + b);
        const off = first.alpha.map((one, i) => Math.abs(one - second.alpha[i]));
        return [Math.max(...off), sum(first.steps), sum(second.steps)];"""
    off, first, second = core(script, p=scene.image, t=scene.trimap)
    assert off < 1e-5
    assert second < first / 3


def test_foreground_colors(core):
    scene = mk.samples.render("fur", (60, 77))
    wanted, _ = solve_layers(scene.image, scene.alpha)
    found = core("return core.estimateForeground(p, a, 60, 77);", p=scene.image, a=scene.alpha).reshape(60, 77, 3)
    # Single precision inside, in Python as well.
    assert np.abs(found - wanted).max() < 1e-3
