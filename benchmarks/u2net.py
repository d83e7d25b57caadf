"""Measure U²-Net: size, time and memory beside onnxruntime and the plain network; accuracy on a folder of pictures.

    python benchmarks/u2net.py                                  # u2net and u2netp at 320 pixels, CPU and GPU
    python benchmarks/u2net.py --threads 4 --architectures u2netp
    python benchmarks/u2net.py --pictures images/ masks/ --weights embedded

*mattingkit* is the network as the package runs it (batch norms folded, channels last), *plain* the same network as it
is trained, *onnxruntime* the same weights exported to ONNX with their seven outputs, as the published files have
them. Each engine runs in processes of its own, the three in turn, several rounds; a row gives the median call of an
engine's best round, so that other work on the machine slows none of them alone. Ratios below 1 favour mattingkit. Time
depends on shapes alone, so the weights are random. IoU is taken at 0.5, per picture, then averaged; maxFβ (β² = 0.3)
is the largest over 255 thresholds of the averaged precision and recall, and MAE the mean absolute error, as in Qin et
al. 2020, section 4.3.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import forget_peak, measure

SIZE = 320
ENGINES = ("mattingkit", "plain", "onnxruntime")

#: A new process's first alpha, from before its imports; the picture is made of noise.
_FIRST_CALL = """
import time
start = time.perf_counter()
import numpy as np
import mattingkit as mk
mk.estimate_alpha(np.random.default_rng(0).random((480, 640, 3)), method="u2net")
print(time.perf_counter() - start)
"""


def count(architecture: str) -> dict[str, float]:
    """Parameters, and multiply–accumulates of the convolutions at 320 × 320, both in millions."""
    import torch

    from mattingkit.methods.u2net.network import build

    network, macs = build(architecture).eval(), [0]

    def add(conv: torch.nn.Conv2d, _: Any, out: torch.Tensor) -> None:
        macs[0] += out.numel() * conv.weight[0].numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(add)
    with torch.inference_mode():
        network(torch.zeros(1, 3, SIZE, SIZE))
    return {"parameters": sum(p.numel() for p in network.parameters()) / 1e6, "macs": macs[0] / 1e6}


def export(architecture: str, folder: str) -> list[str]:
    """Write one set of random weights as a checkpoint and as ONNX; returns notes, such as what is not installed."""
    import warnings

    import torch

    from mattingkit.methods.u2net.network import build

    torch.manual_seed(0)
    network = build(architecture).eval()
    torch.save(network.state_dict(), Path(folder, f"{architecture}.pth"))
    if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None:
        return ["to compare with onnxruntime: pip install 'mattingkit[onnx]'"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(1, 3, SIZE, SIZE),), str(Path(folder, f"{architecture}.onnx")), dynamo=False
        )
    return []


def run_engine(engine: str, architecture: str, folder: str, device: str, batch: int, threads: int) -> dict[str, float]:
    """Milliseconds of a call: the median of 12, after two to warm up."""
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(batch, 3, SIZE, SIZE)).astype(np.float32)
    forget_peak()
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(
            str(Path(folder, f"{architecture}.onnx")), options, providers=["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name

        def call() -> Any:
            return session.run(None, {name: pictures})
    else:
        import torch

        torch.set_num_threads(threads)
        on_device = torch.from_numpy(pictures).to(device)
        if engine == "plain":
            from mattingkit.methods.u2net.network import build

            network = build(architecture).eval()
            network.load_state_dict(torch.load(Path(folder, f"{architecture}.pth"), weights_only=True))
            network = network.to(device)
        else:
            from mattingkit.methods.u2net.weights import load_network

            network = load_network(Path(folder, f"{architecture}.pth"))[0].to(device)
            for parameter in network.parameters():
                if parameter.ndim == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
            on_device = on_device.contiguous(memory_format=torch.channels_last)

        def call() -> Any:
            with torch.inference_mode():
                return network.fused(on_device).cpu()

    times = []
    for _ in range(14):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return {"milliseconds": float(np.median(times[2:]))}


def report_speed(architectures: list[str], threads: int, rounds: int) -> list[dict[str, Any]]:
    """Print a table over architectures and engines; returns its rows."""
    import torch

    rows: list[dict[str, Any]] = []
    settings = [("cpu", 1)] + ([("cuda", 1), ("cuda", 32)] if torch.cuda.is_available() else [])
    print(f"{'network':8} {'engine':12} {'device':6} {'batch':>5} {'ms':>8} {'images/s':>9} {'MB':>6} {'ratio':>6}")
    for architecture in architectures:
        with tempfile.TemporaryDirectory() as folder:
            notes = export(architecture, folder)
            for device, batch in settings:
                engines = [e for e in ENGINES if e != "onnxruntime" or (device == "cpu" and not notes)]
                best: dict[str, float] = {}
                peak: dict[str, float] = {}
                for _ in range(rounds):
                    for engine in engines:
                        found = measure(
                            __file__, "run_engine", engine, architecture, folder, device, batch, threads,
                            threads=threads if device == "cpu" else None,
                        )  # fmt: skip
                        if found.failure:
                            raise SystemExit(f"{engine}: {found.failure}")
                        best[engine] = min(best.get(engine, np.inf), found.value["milliseconds"])
                        peak[engine] = min(peak.get(engine, np.inf), found.peak_mb)
                for engine in engines:
                    row = {
                        "network": architecture, "engine": engine, "device": device, "batch": batch,
                        "milliseconds": best[engine], "images_per_second": 1000 * batch / best[engine],
                        "peak_mb": peak[engine], "ratio": best["mattingkit"] / best[engine],
                    }  # fmt: skip
                    rows.append(row)
                    print(
                        f"{architecture:8} {engine:12} {device:6} {batch:5} {best[engine]:8.1f} "
                        f"{row['images_per_second']:9.1f} {peak[engine]:6.0f} {row['ratio']:6.2f}",
                        flush=True,
                    )
            for note in notes:
                print(note)
    return rows


def first_call(rounds: int) -> list[float]:
    """Seconds from a new interpreter's start of imports to its first alpha."""
    return [
        float(subprocess.run([sys.executable, "-c", _FIRST_CALL], capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]


def score(images: str, masks: str, weights: str, size: int | None) -> dict[str, dict[str, float]]:
    """IoU at 0.5, maxFβ and MAE by kind of picture: the name's first word, before ``_``."""
    from mattingkit import load_image
    from mattingkit.methods.u2net import predict_batch
    from mattingkit.methods.u2net.augment import find_pairs

    found: dict[str, list[tuple[float, float, Any, Any]]] = {}
    thresholds = np.arange(1, 256) / 255
    for picture, mask in find_pairs(Path(images), Path(masks)):
        image = load_image(picture)
        truth = load_image(mask)[..., 0] > 0.5
        if truth.shape != image.shape[:2]:
            raise SystemExit(f"{mask} has shape {truth.shape}, its picture {image.shape[:2]}; they must agree.")
        alpha = predict_batch([image], weights=weights, size=size)[0]
        guess = alpha > 0.5
        union = (guess | truth).sum()
        iou = float((guess & truth).sum() / union) if union else 1.0
        # Counts above every threshold at once, from histograms of what is and is not subject.
        edges = np.append(thresholds, np.inf)
        hits = np.histogram(alpha[truth], edges)[0][::-1].cumsum()[::-1]
        marked = np.histogram(alpha, edges)[0][::-1].cumsum()[::-1]
        precision = np.where(marked > 0, hits / np.maximum(marked, 1), 1.0)
        entry = (iou, float(np.abs(alpha - truth).mean()), precision, hits / max(int(truth.sum()), 1))
        found.setdefault(picture.stem.split("_")[0], []).append(entry)
    result = {}
    for kind, entries in found.items():
        precision = np.mean([entry[2] for entry in entries], axis=0)
        recall = np.mean([entry[3] for entry in entries], axis=0)
        f_beta = 1.3 * precision * recall / np.maximum(0.3 * precision + recall, 1e-12)
        result[kind] = {
            "pictures": len(entries),
            "iou": float(np.mean([entry[0] for entry in entries])),
            "max_f_beta": float(f_beta.max()),
            "mae": float(np.mean([entry[1] for entry in entries])),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure U²-Net.")
    parser.add_argument("--architectures", nargs="+", default=["u2netp", "u2net"], choices=["u2netp", "u2net"])
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", nargs=2, metavar=("IMAGES", "MASKS"), help="score on a folder instead")
    parser.add_argument("--weights", default="embedded")
    parser.add_argument("--size", type=int, help="side of the network's input")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}")
    rows: Any
    if given.pictures:
        rows = score(*given.pictures, given.weights, given.size)
        for kind, row in rows.items():
            print(
                f"{kind:10} {row['pictures']:5} pictures  IoU {row['iou']:.3f}  "
                f"maxFβ {row['max_f_beta']:.3f}  MAE {row['mae']:.3f}"
            )
    else:
        for architecture in given.architectures:
            sizes = count(architecture)
            print(f"{architecture}: {sizes['parameters']:.3f} M parameters, {sizes['macs'] / 1e3:.2f} G MACs at {SIZE}")
        rows = report_speed(given.architectures, given.threads, given.rounds)
        took = first_call(given.rounds)
        print(f"first call in a new process, imports included: {min(took):.2f} s (best of {given.rounds})")
        rows.append({"first_call_seconds": took})
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
