"""U²-Net: the network against golden outputs, weights from every kind of file, prediction."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import mattingkit as mk
from mattingkit.methods.u2net import (
    WEIGHTS,
    estimate_alpha_u2net,
    fetch_weights,
    load_network,
    predict_batch,
    side_outputs,
    verify_weights,
    weights_path,
)
from mattingkit.methods.u2net import weights as weights_module
from mattingkit.methods.u2net.network import ARCHITECTURES, build, fold_batch_norms
from mattingkit.methods.u2net.onnx_file import load_onnx
from mattingkit.methods.u2net.predict import preprocess

FIXTURES = Path(__file__).resolve().parents[1].parent / "shared" / "u2net"
needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the published network's golden outputs are not here")


@functools.cache
def filled(name: str) -> dict[str, torch.Tensor]:
    """Weights drawn key by key from seeded generators, as the golden outputs were made."""
    state = {}
    for key, value in build(name).state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = value
            continue
        rng, shape = np.random.default_rng(zlib.crc32(key.encode())), tuple(value.shape)
        if key.endswith("running_var"):
            array = rng.uniform(0.5, 1.5, shape)
        elif ".bn_" in key and key.endswith("weight"):
            array = rng.uniform(0.5, 1.0, shape)
        elif len(shape) == 4:
            array = rng.normal(0, np.sqrt(1.6 / (shape[1] * shape[2] * shape[3])), shape)
        else:
            array = rng.normal(0, 0.1, shape)
        state[key] = torch.from_numpy(np.asarray(array, dtype=np.float32))
    return state


def network(name: str = "u2netp", *, folded: bool = False):
    made = build(name)
    made.load_state_dict(filled(name))
    return fold_batch_norms(made) if folded else made.eval()


def noise(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(7).normal(size=(1, 3, height, width)).astype(np.float32))


# --- the network -----------------------------------------------------------------------------------------------------


@needs_fixtures
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_keys_and_shapes_equal_the_published(name):
    published = json.loads((FIXTURES / f"{name}.json").read_text())
    assert {key: list(value.shape) for key, value in build(name).state_dict().items()} == published


@pytest.mark.parametrize(("name", "count"), [("u2net", 44_009_869), ("u2netp", 1_131_181)])
def test_parameter_counts(name, count):
    assert sum(p.numel() for p in build(name).parameters()) == count


@needs_fixtures
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("case", ["u2netp_64x64", "u2netp_75x101", "u2net_64x64", "u2net_75x101"])
def test_outputs_equal_the_published_networks(case, folded):
    name, size = case.split("_")
    height, width = map(int, size.split("x"))
    with np.load(FIXTURES / "golden.npz") as golden:
        expected = golden[case]
    with torch.no_grad():
        maps = torch.cat(network(name, folded=folded)(noise(height, width)), 1)[0].numpy()
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_prediction_equals_the_network_as_it_is_trained():
    torch.manual_seed(0)
    network, x = build("u2netp").eval(), torch.rand(1, 3, 288, 288)
    with torch.inference_mode():  # large maps are convolved one by one and summed in place
        predicted = network.fused(x)
    with torch.no_grad():
        torch.testing.assert_close(predicted, network.fused(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 1), (320, 17)])
def test_any_size_passes(size):
    with torch.no_grad():
        maps = network()(noise(*size))
    assert [tuple(m.shape[2:]) for m in maps] == [size] * 7


def test_an_unknown_architecture():
    with pytest.raises(ValueError, match="u2netp"):
        build("u3net")


# --- weights ---------------------------------------------------------------------------------------------------------


def test_the_embedded_weights_are_small_and_whole():
    assert verify_weights("embedded")
    assert weights_path("embedded").stat().st_size < 2.5e6
    loaded, size = load_network("embedded")
    assert 64 <= size <= 320
    assert all(torch.isfinite(p).all() for p in loaded.parameters())


@pytest.mark.parametrize("wrapped", [False, True])
def test_pth_files(tmp_path, wrapped):
    state = {f"module.{key}": value for key, value in filled("u2netp").items()} if wrapped else filled("u2netp")
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "mine.pth")
    loaded, size = load_network(tmp_path / "mine.pth")
    assert size == 320
    with torch.no_grad():
        torch.testing.assert_close(loaded.fused(noise(40, 40)), network().fused(noise(40, 40)), atol=1e-5, rtol=0)


def test_safetensors_files_carry_their_size(tmp_path):
    save_file(
        {key: value.contiguous() for key, value in filled("u2netp").items()}, tmp_path / "m.safetensors", {"size": "96"}
    )
    assert load_network(tmp_path / "m.safetensors")[1] == 96
    assert side_outputs(np.zeros((9, 9, 3)), weights=tmp_path / "m.safetensors")[0].shape == (96, 96)


class Malicious:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    torch.save(Malicious(), tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="run code"):
        load_network(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
@pytest.mark.parametrize("content", [b"", b"rubbish, not weights", bytes(range(256)) * 8])
def test_damaged_files_are_named(tmp_path, suffix, content):
    (tmp_path / f"bad{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\."):
        load_network(tmp_path / f"bad{suffix}")


def test_foreign_and_partial_checkpoints(tmp_path):
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "foreign.pth")
    with pytest.raises(ValueError, match="no U²-Net checkpoint"):
        load_network(tmp_path / "foreign.pth")
    torch.save({k: v for k, v in filled("u2netp").items() if "side6" not in k}, tmp_path / "partial.pth")
    with pytest.raises(ValueError, match="side6"):
        load_network(tmp_path / "partial.pth")


def test_missing_weights_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"weights fetch u2netp.*place https"):
        load_network("u2netp")
    with pytest.raises(FileNotFoundError, match=r"mine\.pth"):
        load_network("mine.pth")
    with pytest.raises(ValueError, match="did you mean 'u2netp'"):
        load_network("u2nettp")
    assert not verify_weights("u2netp")


# --- ONNX ------------------------------------------------------------------------------------------------------------


def export(path: Path, name: str, *, folded: bool, rename: bool) -> None:
    """Write the network as an ONNX file by way of the onnx package, renaming arrays as optimisers do."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    made = network(name, folded=folded)
    nodes, arrays, label = [], [], iter(range(10**6))

    def store(array: torch.Tensor, key: str) -> str:
        stored = str(next(label)) if rename else key
        arrays.append(numpy_helper.from_array(array.detach().numpy(), stored))
        return stored

    order = []
    for key, module in made.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(lambda *_, key=key, module=module: order.append((key, module)))
    made(torch.zeros(1, 3, 32, 32))
    for key, conv in order:
        out = f"{key}_out"
        inputs = ["x", store(conv.weight, f"{key}.weight"), store(conv.bias, f"{key}.bias")]
        nodes.append(helper.make_node("Conv", inputs, [out], pads=[1, 1, 1, 1]))
        owner = made.get_submodule(key.rpartition(".")[0]) if "." in key else None
        norm = getattr(owner, "bn_s1", None)
        if isinstance(norm, torch.nn.BatchNorm2d):
            parts = [norm.weight, norm.bias, norm.running_mean, norm.running_var]
            names = [store(part, f"{key}.bn{i}") for i, part in enumerate(parts)]
            nodes.append(helper.make_node("BatchNormalization", [out, *names], [f"{key}_norm"]))
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, None, None])
    graph = helper.make_graph(nodes, "u2net", [value], [value], arrays)
    onnx.save(helper.make_model(graph), path)


@pytest.mark.parametrize("rename", [False, True])
@pytest.mark.parametrize("folded", [False, True])
def test_onnx_files_agree_with_torch(tmp_path, folded, rename):
    export(tmp_path / "n.onnx", "u2netp", folded=folded, rename=rename)
    with torch.no_grad():
        maps = fold_batch_norms(load_onnx(tmp_path / "n.onnx"))(noise(48, 64))
        for found, expected in zip(maps, network()(noise(48, 64)), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_files_of_torchs_own_exporter_agree(tmp_path):
    pytest.importorskip("onnx")
    try:
        torch.onnx.export(network(folded=True), (noise(64, 64),), str(tmp_path / "n.onnx"), dynamo=False)
    except Exception as error:  # the exporter moves between torch releases and may need further packages
        pytest.skip(f"this torch exports no ONNX by itself: {error}")
    with torch.no_grad():
        found = load_onnx(tmp_path / "n.onnx").fused(noise(48, 64))
        torch.testing.assert_close(found, network().fused(noise(48, 64)), atol=1e-4, rtol=0)


def test_an_onnx_file_of_another_network(tmp_path):
    onnx = pytest.importorskip("onnx")
    weight = onnx.numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "w")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, None, None])
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [value], [weight])), tmp_path / "o.onnx"
    )
    with pytest.raises(ValueError, match="not U²-Net's"):
        load_network(tmp_path / "o.onnx")


# --- fetching --------------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """A file server that honours ranges, and can break off in the middle."""

    content = b""
    break_after: int | None = None
    ranges: list[str | None]

    def do_GET(self):
        self.ranges.append(self.headers["Range"])
        start = int(self.headers["Range"].split("=")[1].rstrip("-")) if self.headers["Range"] else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        stop = len(self.content) if self.break_after is None else self.break_after
        self.wfile.write(self.content[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A published file served on loopback, and a cache of its own."""
    handler = type("H", (Handler,), {"content": np.random.default_rng(0).bytes(300_000), "ranges": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path))
    url = f"http://127.0.0.1:{running.server_address[1]}/u2netp.onnx"
    digest = hashlib.md5(handler.content, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(WEIGHTS, "u2netp", weights_module.Weights("u2netp", "", 0.3, url, digest))
    yield handler
    running.shutdown()
    running.server_close()


def test_fetching_verifies_and_is_done_once(server):
    path = fetch_weights("u2netp", progress=False)
    assert path.read_bytes() == server.content
    assert verify_weights("u2netp")
    fetch_weights("u2netp", progress=False)
    assert len(server.ranges) == 1


def test_a_broken_transfer_is_taken_up_where_it_stopped(server):
    server.break_after = 100_000
    with pytest.raises(ConnectionError, match="broke off at 100000 of 300000"):
        fetch_weights("u2netp", progress=False)
    assert not weights_path("u2netp").exists()
    server.break_after = None
    assert fetch_weights("u2netp", progress=False).read_bytes() == server.content
    assert server.ranges == [None, "bytes=100000-"]


def test_a_wrong_checksum_never_takes_the_name(server):
    server.content = b"tampered" * 1000
    with pytest.raises(ValueError, match="hash"):
        fetch_weights("u2netp", progress=False)
    assert not verify_weights("u2netp")
    assert not weights_path("u2netp").exists()


def test_offline_one_line_says_what_to_place_where(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path))
    offline = weights_module.Weights("u2netp", "", 1, "http://127.0.0.1:9/u2netp.onnx", "0" * 32)
    monkeypatch.setitem(WEIGHTS, "u2netp", offline)
    with pytest.raises(ConnectionError, match=r"Place that file \(md5 0+\) at .*u2netp\.onnx") as caught:
        fetch_weights("u2netp", progress=False)
    assert "\n" not in str(caught.value)


@pytest.mark.network
def test_the_published_file_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path))
    try:
        fetch_weights("u2netp", progress=False)
    except ConnectionError as error:
        pytest.skip(f"needs the network: {error}")
    assert load_network("u2netp")[1] == 320


# --- prediction ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "filled.pth"
    torch.save(filled("u2netp"), path)
    return path


def test_preprocessing_is_the_published_one():
    image = np.random.default_rng(1).random((40, 60, 3)) * 0.7
    prepared = preprocess(image, 320)
    assert prepared.shape == (3, 320, 320)
    undone = prepared.transpose(1, 2, 0) * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406]
    assert undone.max() == pytest.approx(1, abs=1e-5)  # divided by its own maximum


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (101, 75), (400, 300)])
def test_alpha_has_the_pictures_size(checkpoint, shape):
    image = np.random.default_rng(2).random((*shape, 3))
    alpha = estimate_alpha_u2net(image, weights=checkpoint, size=64)
    assert alpha.shape == shape
    assert alpha.min() >= 0
    assert alpha.max() <= 1


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_a_picture_of_one_colour_has_no_subject(checkpoint, level):
    alpha = estimate_alpha_u2net(np.full((30, 40, 3), level), weights=checkpoint, size=64)
    np.testing.assert_array_equal(alpha, 0)


def test_one_other_pixel_makes_it_a_picture(checkpoint):
    """However little the reduced picture shows of it: the whole picture is looked at before the answer is "nothing"."""
    image = np.full((200, 300, 3), 0.3)
    image[100, 150, 1] += 1e-4
    assert np.ptp(estimate_alpha_u2net(image, weights=checkpoint, size=64)) > 0.9


def test_batches_equal_single_pictures(checkpoint):
    rng = np.random.default_rng(3)
    images = [rng.random((height, width, 3)) for height, width in [(30, 40), (64, 50), (21, 21)]]
    for together in (1, 2, 8):
        alphas = predict_batch(images, weights=checkpoint, size=64, batch_size=together)
        for image, alpha in zip(images, alphas, strict=True):
            np.testing.assert_allclose(alpha, estimate_alpha_u2net(image, weights=checkpoint, size=64), atol=1e-4)


def test_a_file_written_again_is_loaded_again(tmp_path):
    path, image = tmp_path / "w.pth", np.random.default_rng(4).random((32, 32, 3))
    torch.save(filled("u2netp"), path)
    before = estimate_alpha_u2net(image, weights=path, size=32)
    torch.save({k: -v if "outconv" in k else v for k, v in filled("u2netp").items()}, path)
    import os

    os.utime(path, (1, 1))
    assert np.abs(estimate_alpha_u2net(image, weights=path, size=32) - before).max() > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": 8}, "32 or more"), ({"device": "tpu"}, "no device"), ({"weights": "nonsense"}, "no weights")],
)
def test_wrong_requests(options, message):
    with pytest.raises(ValueError, match=message):
        estimate_alpha_u2net(np.zeros((20, 20, 3)), **options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_and_cpu_agree(checkpoint):
    image = np.random.default_rng(5).random((64, 64, 3))
    on = {d: estimate_alpha_u2net(image, weights=checkpoint, device=d, size=64) for d in ("cpu", "cuda")}
    np.testing.assert_allclose(on["cuda"], on["cpu"], atol=1e-3)


def test_importing_the_package_leaves_torch_alone():
    code = "import sys, mattingkit.methods.u2net; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_embedded_weights_find_the_sample_subjects():
    for sample in (mk.samples.portrait(), mk.samples.cat()):
        alpha = mk.estimate_alpha(sample.image, method="u2net")
        certain = sample.trimap != 0.5
        found, truth = alpha[certain] > 0.5, sample.trimap[certain] == 1
        assert (found & truth).sum() / (found | truth).sum() > 0.9
