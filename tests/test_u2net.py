"""U²-Net: the network against golden outputs, weights from every kind of file, prediction."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import mattingkit as mk
from mattingkit.methods.u2net import (
    WEIGHTS,
    download,
    estimate_alpha_u2net,
    fetch_weights,
    load_network,
    predict_batch,
    side_outputs,
    verify_weights,
    weights_path,
)
from mattingkit.methods.u2net import weights as weights_module
from mattingkit.methods.u2net.checkpoints import read_network, save_weights
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


def flip_bits(path: Path, count: int = 40) -> None:
    """Turn single bits over, in the second half of a file, where its arrays are."""
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(6)
    for place in rng.integers(len(content) // 2, len(content) - len(content) // 8, count):
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def test_published_weights_with_flipped_bits_are_refused_at_every_load(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path))
    path = weights_path("u2netp")
    path.parent.mkdir(parents=True)
    export(path, "u2netp", folded=True, rename=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, "u2netp", weights_module.Weights("u2netp", "", 4.6, "x/u2netp.onnx", sha256=digest))
    assert load_network("u2netp")[1] == 320
    flip_bits(path)
    with pytest.raises(ValueError, match=r"u2netp\.onnx is damaged.*mattingkit weights fetch u2netp"):
        load_network("u2netp")
    with pytest.raises(ValueError, match="is damaged"):
        estimate_alpha_u2net(np.zeros((9, 9, 3)), weights="u2netp")


def test_embedded_weights_with_flipped_bits_are_refused(tmp_path, monkeypatch):
    (tmp_path / "embedded.safetensors").write_bytes(weights_path("embedded").read_bytes())
    monkeypatch.setattr(weights_module, "__file__", str(tmp_path / "weights.py"))
    load_network("embedded")
    flip_bits(tmp_path / "embedded.safetensors")
    with pytest.raises(ValueError, match=r"is damaged.*install mattingkit again"):
        load_network("embedded")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_ones_own_weights_with_a_flipped_bit_are_refused(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save(filled("u2netp"), path)
    else:
        save_weights(network(), 96, path)
    assert read_network(path)[1] == (320 if suffix == ".pth" else 96)
    flip_bits(path, 1)
    with pytest.raises(ValueError, match=r"(?i)checksum.*copy the file again"):
        load_network(path)


def write(path: Path, state: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file({key: value.contiguous() for key, value in state.items()}, path, metadata)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("outconv.weight", np.nan), ("stage3.rebnconv2.conv_s1.bias", np.inf), ("stage1.rebnconv1.bn_s1.running_var", -1)],
)
def test_weights_that_are_not_numbers_are_refused(tmp_path, suffix, key, value):
    changed = filled("u2netp")[key].clone()
    changed.view(-1)[0] = value
    write(tmp_path / f"nan{suffix}", {**filled("u2netp"), key: changed})
    with pytest.raises(ValueError, match=r"nan\.\w+ holds weights that are infinite or not a number"):
        load_network(tmp_path / f"nan{suffix}")


def test_an_answer_that_is_no_number_is_an_error_and_not_an_alpha(tmp_path):
    """Weights may be finite and still so large that the network overflows."""
    state = {key: value * 1e36 if "bn_s1.weight" in key else value for key, value in filled("u2netp").items()}
    write(tmp_path / "large.pth", state)
    with pytest.raises(ValueError, match="not numbers"):
        estimate_alpha_u2net(np.random.default_rng(0).random((40, 40, 3)), weights=tmp_path / "large.pth", size=64)


@pytest.mark.parametrize("size", ["0", "31", "-64", "5000", "9" * 30, "wide", "", "64.5"])
def test_an_input_size_out_of_range_is_refused(tmp_path, size):
    write(tmp_path / "m.safetensors", filled("u2netp"), {"size": size})
    with pytest.raises(ValueError, match="sizes go from 32 to 4096"):
        load_network(tmp_path / "m.safetensors")


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


def test_training_starts_from_an_onnx_file_too(tmp_path):
    from mattingkit.methods.u2net.train import _initial

    export(tmp_path / "n.onnx", "u2netp", folded=True, rename=False)
    again = build("u2netp").eval()
    again.load_state_dict(_initial(str(tmp_path / "n.onnx")))
    with torch.no_grad():
        torch.testing.assert_close(again.fused(noise(48, 64)), network().fused(noise(48, 64)), atol=1e-4, rtol=0)


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


@needs_fixtures
def test_the_published_onnx_file_answers_as_onnxruntime_does():
    onnxruntime = pytest.importorskip("onnxruntime")
    path = FIXTURES / "u2netp.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: noise(320, 320).numpy()})
    with torch.inference_mode():
        found = read_network(path)[0](noise(320, 320))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def damaged(kind: str, model):
    """One thing wrong with a file that is whole otherwise."""
    onnx = pytest.importorskip("onnx")
    graph = model.graph
    convolution = next(node for node in graph.node if node.op_type == "Conv")
    norm = next(node for node in graph.node if node.op_type == "BatchNormalization")
    if kind == "no graph":
        model.ClearField("graph")
    elif kind == "a convolution without inputs":
        del convolution.input[:]
    elif kind == "a convolution without weights":
        del convolution.input[1:]
    elif kind == "a batch norm without arrays":
        del norm.input[2:]
    elif kind == "an array that is missing":
        del graph.initializer[0]
    elif kind == "an array cut short":
        graph.initializer[0].raw_data = graph.initializer[0].raw_data[:-3]
    elif kind == "an array of another shape":
        graph.initializer[0].dims[0] = 7
    elif kind == "an array of negative size":
        graph.initializer[0].dims[0] = -1
    elif kind == "an array of integers":
        graph.initializer[0].data_type = onnx.TensorProto.INT8
    elif kind == "an array of no known type":
        graph.initializer[0].data_type = 99
    elif kind == "arrays in another file":
        onnx.external_data_helper.set_external_data(graph.initializer[0], "../../etc/passwd")
        graph.initializer[0].ClearField("raw_data")
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no graph", "0 convolutions"),
        ("a convolution without inputs", "missing"),
        ("a convolution without weights", "missing"),
        ("a batch norm without arrays", "batch norm is missing"),
        ("an array that is missing", "missing"),
        ("an array cut short", "not whole"),
        ("an array of another shape", "has shape"),
        ("an array of negative size", "has shape"),
        ("an array of integers", "no float"),
        ("an array of no known type", "no float"),
        ("arrays in another file", "another file"),
    ],
)
def test_damaged_onnx_files_say_what_is_wrong(tmp_path, kind, message):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "n.onnx"
    export(path, "u2netp", folded=False, rename=False)
    path.write_bytes(damaged(kind, onnx.load(path)))
    with pytest.raises(ValueError, match=rf"n\.onnx: .*{message}"):
        load_network(path)


@pytest.mark.parametrize("content", [b"\xff" * (1 << 21), b"\x3a" * (1 << 21), b"\x3a\x02\x0a\xff", b"\x08\x07"])
def test_rubbish_is_no_onnx_file_and_that_is_known_at_once(tmp_path, content):
    (tmp_path / "n.onnx").write_bytes(content)
    start = time.process_time()
    with pytest.raises(ValueError, match=r"n\.onnx: "):
        load_network(tmp_path / "n.onnx")
    assert time.process_time() - start < 5  # a reader of quadratic time took minutes for the first


def test_without_the_onnx_package_the_remedy_is_named(tmp_path, monkeypatch):
    export(tmp_path / "n.onnx", "u2netp", folded=True, rename=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'mattingkit\[onnx\]'"):
        load_network(tmp_path / "n.onnx")


# --- fetching --------------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """A file server that honours ranges, and misbehaves on demand."""

    content = b""
    break_after: int | None = None
    #: Seconds between two pieces, and the bytes of a piece.
    pause, piece = 0.0, 1 << 20
    #: What it does wrong.
    fault = ""
    ranges: list[str | None]

    def do_GET(self):
        self.ranges.append(self.headers["Range"])
        if self.fault == "no HTTP":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            return
        if self.fault == "drips headers":
            with contextlib.suppress(OSError):
                for letter in b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 50:
                    self.wfile.write(bytes([letter]))
                    time.sleep(0.05)
            return
        start = int(self.headers["Range"].split("=")[1].rstrip("-")) if self.headers["Range"] else 0
        self.send_response(206 if start else 200)
        if self.fault == "breaks a chunk":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"fffff\r\n" + self.content[:1000])
            return
        if self.fault != "hides its length":
            self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        stop = len(self.content) if self.break_after is None else self.break_after
        with contextlib.suppress(OSError):
            for at in range(start, stop, self.piece):
                self.wfile.write(self.content[at : min(at + self.piece, stop)])
                time.sleep(self.pause)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A published file served on loopback, and a cache of its own."""
    handler = type("H", (Handler,), {"content": np.random.default_rng(0).bytes(300_000), "ranges": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
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


def test_two_processes_that_fetch_at_once_download_once(server, tmp_path):
    server.pause, server.piece = 0.2, 30_000
    url, digest = WEIGHTS["u2netp"].url, WEIGHTS["u2netp"].md5
    code = f"""
from mattingkit.methods.u2net.weights import WEIGHTS, Weights, fetch_weights
WEIGHTS["u2netp"] = Weights("u2netp", "", 0.3, {url!r}, {digest!r})
print(fetch_weights("u2netp", progress=False))
"""
    line = [sys.executable, "-c", code]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        said, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        assert Path(said.strip()) == weights_path("u2netp")
    assert weights_path("u2netp").read_bytes() == server.content
    assert server.ranges == [None]


def test_a_damaged_file_is_fetched_again(server):
    path = fetch_weights("u2netp", progress=False)
    path.write_bytes(b"damaged")
    assert not verify_weights("u2netp")
    assert fetch_weights("u2netp", progress=False).read_bytes() == server.content


@pytest.mark.parametrize("fault", ["", "hides its length"])
def test_a_file_too_large_is_not_taken(server, fault):
    server.fault, server.content = fault, bytes(3_000_000)
    with pytest.raises(ConnectionError, match=r"larger than the published one.*Place that file"):
        fetch_weights("u2netp", progress=False)
    assert not list(weights_path("u2netp").parent.glob("*.partial"))


def test_a_partial_file_too_large_is_begun_anew(server):
    partial = weights_path("u2netp").with_name("u2netp.onnx.partial")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(bytes(400_000))
    assert fetch_weights("u2netp", progress=False).read_bytes() == server.content
    assert server.ranges == [None]


def test_a_server_that_drips_is_given_up_and_what_came_is_kept(server, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    server.pause, server.piece = 0.1, 10
    with pytest.raises(ConnectionError, match="less than 1024 bytes a second"):
        fetch_weights("u2netp", progress=False)
    assert weights_path("u2netp").with_name("u2netp.onnx.partial").stat().st_size >= 10
    server.pause, server.piece = 0, 1 << 20
    assert fetch_weights("u2netp", progress=False).read_bytes() == server.content


@pytest.mark.parametrize(
    ("fault", "message"),
    [("drips headers", "does not answer"), ("no HTTP", "no proper HTTP"), ("breaks a chunk", "IncompleteRead")],
)
def test_what_a_server_does_wrong_is_one_clear_error(server, monkeypatch, fault, message):
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    server.fault = fault
    with pytest.raises(ConnectionError, match=f"{message}.*Place that file"):
        fetch_weights("u2netp", progress=False)


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
    os.utime(path, (1, 1))
    assert np.abs(estimate_alpha_u2net(image, weights=path, size=32) - before).max() > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "32 or more"),
        ({"size": 10**9}, "at most 4096"),
        ({"size": 64.5}, "32 or more"),
        ({"size": np.nan}, "32 or more"),
        ({"size": "wide"}, "32 or more"),
        ({"device": "tpu"}, "no device"),
        ({"weights": "nonsense"}, "no weights"),
    ],
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


def test_asking_about_the_method_changes_nothing_and_imports_no_torch():
    code = """
import os, sys
before = dict(os.environ)
import mattingkit as mk
assert not mk.METHODS["u2net"].needs_trimap
assert os.environ == before, set(os.environ.items()) ^ set(before.items())
assert "torch" not in sys.modules
mk.estimate_alpha([[[0.0, 0.0, 0.0]]], method="u2net", size=32)
assert "torch" in sys.modules
assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"  # set once there is a network to run
"""
    environment = {key: value for key, value in os.environ.items() if key != "THP_MEM_ALLOC_ENABLE"}
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_pictures_are_only_read(checkpoint):
    image = np.random.default_rng(8).random((64, 64, 3))
    kept = image.copy()
    image.flags.writeable = False
    estimate_alpha_u2net(image, weights=checkpoint, size=64)
    predict_batch([image, image], weights=checkpoint, size=64)
    side_outputs(image, weights=checkpoint, size=64)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("locked", [False, True])
def test_a_forked_child_predicts_too(checkpoint, locked):
    """Whether or not, at the moment of the fork, another thread of the parent was loading a network."""
    code = f"""
import os, threading, warnings
import numpy as np, torch
from mattingkit.methods.u2net import estimate_alpha_u2net, predict
torch.set_num_threads(2)
image = np.random.default_rng(0).random((64, 64, 3))
before = estimate_alpha_u2net(image, weights={str(checkpoint)!r}, size=96)
if {locked}:
    threading.Thread(target=lambda: (predict._lock.acquire(), threading.Event().wait()), daemon=True).start()
    while not predict._lock.locked(): pass
warnings.simplefilter("ignore")  # newer Pythons warn where a process with threads forks
child = os.fork()
if child == 0:
    alpha = estimate_alpha_u2net(image, weights={str(checkpoint)!r}, size=96)
    os._exit(0 if np.abs(alpha - before).max() < 1e-4 else 3)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        try:
            assert process.wait(timeout=60) == 0
        finally:
            if process.poll() is None:  # the child hangs: end both
                os.killpg(process.pid, 9)


def test_embedded_weights_find_the_sample_subjects():
    for sample in (mk.samples.portrait(), mk.samples.cat()):
        alpha = mk.estimate_alpha(sample.image, method="u2net")
        certain = sample.trimap != 0.5
        found, truth = alpha[certain] > 0.5, sample.trimap[certain] == 1
        assert (found & truth).sum() / (found | truth).sum() > 0.9


def test_weights_trained_with_0_1_0_give_the_same_alpha(tmp_path):
    """The file has no checksum of its own yet; all its numbers but the variances are 0.03, so that it packs well."""
    packed = Path(__file__).parent / "files_of_0_1_0" / "weights.safetensors.gz"
    path = tmp_path / "weights.safetensors"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    image = np.random.default_rng(0).random((40, 50, 3))
    alpha = estimate_alpha_u2net(image, weights=str(path))
    expected = [0.3543604, 0.8971820, 0.9947948, 0.9882088, 0.8778140]
    np.testing.assert_allclose(alpha[20, ::10], expected, atol=1e-5)
