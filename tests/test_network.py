"""Networks in ONNX files: tiny ones built here, whose answers are known, and the published U²-Net where at hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import mattingkit as mk
from mattingkit.methods import METHODS, WITH_WEIGHTS, find_method, network
from mattingkit.methods.u2net.weights import OTHER_NETWORKS, WEIGHTS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def write_network(path, channels=3, weight=None, side=None, bias=0.0, after=None, inputs=1):
    """A network of one 1 × 1 convolution: a weighted sum of what it is shown, and perhaps a sigmoid."""
    from onnx import TensorProto, helper, numpy_helper

    shape = [1, channels, side or "height", side or "width"]
    kernel = np.asarray(weight if weight is not None else [1 / channels] * channels, np.float32)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["sum" if after else "y"])]
    if after:
        nodes.append(helper.make_node(after, ["sum"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x" if k == 0 else f"x{k}", TensorProto.FLOAT, shape) for k in range(inputs)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(kernel.reshape(1, channels, 1, 1), "w"),
            numpy_helper.from_array(np.asarray([bias], np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def picture():
    return np.random.default_rng(2).random((24, 36, 3))


def test_the_answer_is_the_networks_own_stretched(tmp_path, picture):
    path = write_network(tmp_path / "sum.onnx", weight=[0, 1, 0])
    alpha = mk.estimate_alpha(picture, method="network", weights=path, size=64)
    assert alpha.shape == (24, 36)
    green = network.resize(picture[..., 1], (64, 64))
    expected = network.resize((green - green.min()) / np.ptp(green), (24, 36))
    np.testing.assert_allclose(alpha, expected, atol=1e-5)


def test_a_matting_layout_is_not_stretched(tmp_path, picture):
    path = write_network(tmp_path / "half.onnx", weight=[0, 0, 0], bias=0.25)
    alpha = mk.estimate_alpha(picture, method="network", weights=path, layout="modnet", size=64)
    np.testing.assert_allclose(alpha, 0.25, atol=1e-6)


def test_each_layouts_numbers_reach_the_network(tmp_path):
    gray = np.full((16, 16, 3), 0.8)
    gray[0, 0] = 0.4
    path = write_network(tmp_path / "red.onnx", weight=[1, 0, 0])
    run = {name: {"layout": name, "stretch": False} for name in ("u2net", "isnet", "modnet")}
    found = {
        name: mk.estimate_alpha(gray, method="network", weights=path, size=32, **options)[8, 8]
        for name, options in run.items()
    }
    # 0.8 is the picture's largest value: 1 after brightening, for the layouts that do.
    assert found["u2net"] == pytest.approx(min((1 - 0.485) / 0.229, 1), abs=1e-6)
    assert found["isnet"] == pytest.approx(0.5, abs=1e-6)
    assert found["modnet"] == pytest.approx(0.6, abs=1e-6)


def test_what_differs_from_the_layout_is_given_by_name(tmp_path):
    gray = np.full((16, 16, 3), 0.5)
    gray[0, 0] = 1.0
    path = write_network(tmp_path / "red.onnx", weight=[1, 0, 0])
    plain = mk.estimate_alpha(
        gray, method="network", weights=path, size=32, mean=(0.25, 0, 0), deviation=[0.5, 1, 1], stretch=False
    )
    assert plain[8, 8] == pytest.approx(0.5, abs=1e-6)
    logits = mk.estimate_alpha(
        gray, method="network", weights=path, size=32, mean=(0.25, 0, 0), deviation=[0.5, 1, 1], stretch=False,
        sigmoid=True,
    )  # fmt: skip
    assert logits[8, 8] == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-6)


def test_a_size_that_the_file_fixes_goes_before(tmp_path, picture):
    path = write_network(tmp_path / "fixed.onnx", side=48)
    assert mk.estimate_alpha(picture, method="network", weights=path).shape == (24, 36)
    with pytest.raises(ValueError, match="48 × 48 pixels only; got size=64"):
        mk.estimate_alpha(picture, method="network", weights=path, size=64)


def test_a_network_that_takes_a_trimap_is_shown_it_and_known_pixels_stay(tmp_path, picture):
    path = write_network(tmp_path / "refine.onnx", channels=4, weight=[0, 0, 0, 0.5], side=64)
    trimap = np.full((24, 36), 0.5)
    trimap[:, :9], trimap[:, 27:] = 0, 1
    alpha = mk.estimate_alpha(picture, trimap, method="network", weights=path)
    np.testing.assert_array_equal(alpha[trimap != 0.5], trimap[trimap != 0.5])
    np.testing.assert_allclose(alpha[:, 12:24], 0.25, atol=1e-6)  # half of the trimap's 0.5
    assert network.refines_trimap(path)
    with pytest.raises(TypeError, match="refines a trimap"):
        mk.estimate_alpha(picture, method="network", weights=path)


def test_a_trimap_is_refused_by_a_network_that_takes_none(tmp_path, picture):
    path = write_network(tmp_path / "plain.onnx")
    with pytest.raises(TypeError, match="takes no trimap"):
        mk.estimate_alpha(picture, np.zeros((24, 36)), method="network", weights=path)
    assert not network.refines_trimap(path)


def test_a_picture_of_one_colour_has_no_subject(tmp_path):
    path = write_network(tmp_path / "plain.onnx")
    assert mk.estimate_alpha(np.full((9, 9, 3), 0.3), method="network", weights=path).max() == 0


def test_inputs_stay_and_the_answer_repeats(tmp_path, picture):
    path = write_network(tmp_path / "plain.onnx")
    picture.setflags(write=False)
    first = mk.estimate_alpha(picture, method="network", weights=path)
    np.testing.assert_array_equal(first, mk.estimate_alpha(picture, method="network", weights=path))


def test_a_file_written_again_is_loaded_again(tmp_path, picture):
    path = write_network(tmp_path / "again.onnx", weight=[1, 0, 0])
    first = mk.estimate_alpha(picture, method="network", weights=path)
    write_network(path, weight=[-1, 0, 0])
    os.utime(path, ns=(1, 1))
    second = mk.estimate_alpha(picture, method="network", weights=path)
    np.testing.assert_allclose(first, 1 - second, atol=1e-5)


def test_progress_is_reported_and_raising_cancels(tmp_path, picture):
    path = write_network(tmp_path / "plain.onnx")
    seen = []
    mk.estimate_alpha(picture, method="network", weights=path, on_progress=seen.append)
    assert [(one.step, one.total) for one in seen] == [(1, 2), (2, 2)]
    with pytest.raises(ZeroDivisionError):
        mk.estimate_alpha(picture, method="network", weights=path, on_progress=lambda _: 1 / 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "isnett"}, "did you mean 'isnet'"),
        ({"layout": "vitmatte"}, "shows 4 channels, the file takes 3"),
        ({"size": 31}, "32 or more"),
        ({"mean": (1, 2)}, "mean is three numbers"),
        ({"deviation": (1, 0, 1)}, "deviation is three numbers"),
    ],
)
def test_wrong_requests_are_refused(tmp_path, picture, options, words):
    path = write_network(tmp_path / "plain.onnx")
    with pytest.raises(ValueError, match=words):
        mk.estimate_alpha(picture, method="network", weights=path, **options)


def test_wrong_files_are_refused(tmp_path, picture):
    def run(weights):
        return mk.estimate_alpha(picture, method="network", weights=weights)

    with pytest.raises(TypeError, match="needs weights"):
        mk.estimate_alpha(picture, method="network")
    with pytest.raises(ValueError, match=r"no \.onnx file"):
        run("embedded")
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(b"no network")
    with pytest.raises(ValueError, match="onnxruntime cannot load this file"):
        run(torn)
    with pytest.raises(ValueError, match="wanted is one picture"):
        run(write_network(tmp_path / "two.onnx", channels=2))
    with pytest.raises(ValueError, match="wanted is one picture"):
        run(write_network(tmp_path / "inputs.onnx", inputs=2))
    with pytest.raises(ValueError, match="wanted is one map"):
        run(write_network(tmp_path / "nan.onnx", after="Log", weight=[0, 0, 0], bias=-1.0))


def test_without_onnxruntime_the_remedy_is_named(tmp_path, picture, monkeypatch):
    path = write_network(tmp_path / "plain.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"mattingkit\[onnx\]"):
        mk.estimate_alpha(picture, method="network", weights=path)


def test_it_is_found_by_name_and_in_no_list_of_all_methods():
    assert find_method("network") is WITH_WEIGHTS["network"]
    assert "network" not in METHODS
    assert not find_method("network").needs_trimap


def test_the_table_names_licence_checksum_and_layout_of_each():
    for name, weights in WEIGHTS.items():
        assert weights.licence, name
        assert len(weights.checksum) in (len("md5:") + 32, len("sha256:") + 64), name
        assert weights.layout in network.LAYOUTS, name
        assert weights.commercial or "non-commercial" in weights.licence or "research" in weights.licence, name
    assert set(OTHER_NETWORKS) == {"silueta", "isnet-general-use", "birefnet-lite", "vitmatte"}


@pytest.mark.parametrize("name", OTHER_NETWORKS)
def test_a_named_network_that_is_not_here_says_how_to_get_it(name, picture, monkeypatch, tmp_path):
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"mattingkit weights fetch {name}"):
        mk.estimate_alpha(picture, method="network", weights=name)


def test_a_named_file_is_checked(picture, monkeypatch, tmp_path):
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    write_network(tmp_path / "weights" / "silueta.onnx")
    with pytest.raises(ValueError, match="damaged"):
        mk.estimate_alpha(picture, method="network", weights="silueta")
    with pytest.raises(ValueError, match="method='network'"):
        mk.estimate_alpha(picture, method="u2net", weights="silueta")


@pytest.mark.shared
def test_the_published_network_answers_as_ours_in_torch():
    path = Path(__file__).resolve().parents[2] / "shared" / "u2net" / "u2netp.onnx"
    if not path.is_file():
        pytest.skip("the published weights are not here")
    image = mk.samples.cat().image
    run = mk.estimate_alpha(image, method="network", weights=path)
    np.testing.assert_allclose(run, mk.estimate_alpha(image, method="u2net", weights=path), atol=1e-4)
