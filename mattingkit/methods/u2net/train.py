"""Training U²-Net on a folder of picture/mask pairs: from scratch, or fine-tuning weights one has.

    python -m mattingkit.methods.u2net.train IMAGES MASKS --out runs/mine

Deep supervision as in the paper: the loss is the sum over the fused map and the six side outputs (Qin et al. 2020,
section 3.3, equation 1), here of binary cross-entropy (equation 2) plus half a soft-IoU term. AdamW, a learning rate
that decays to zero, an exponential moving average of the weights, and a validation split by picture. A run writes a
checkpoint every few minutes and goes on from it when started again with the same ``--out``; stopped and resumed, it
computes what it would have computed undisturbed.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mattingkit.files import atomic_write
from mattingkit.methods.u2net.augment import Pair, find_pairs, read_pair, sample
from mattingkit.methods.u2net.curve import Record, curve_text, draw_curve, read_curve
from mattingkit.methods.u2net.network import U2Net, build
from mattingkit.methods.u2net.predict import _predict
from mattingkit.methods.u2net.processes import others, share_gradients
from mattingkit.methods.u2net.weights import _read_pth, _resolve
from mattingkit.progress import interruptible

__all__ = ["Record", "Settings", "main", "train"]


@dataclass(frozen=True)
class Settings:
    """What a run is made of; written beside its results.

    Parameters
    ----------
    images, masks : str
        Folders; a mask has its picture's name.
    out : str
        Folder of the run.
    architecture : {"u2netp", "u2net"}
    stages : tuple of (size, steps)
        Side of the square input in pixels, and how many steps at it, in turn: small first is fast.
    batch : int
        Samples a step, over all processes.
    learning_rate : float
    validation : float
        Fraction of the pictures held out.
    init : str or None
        Weights to start from: a name or a path.
    device : {"cpu", "cuda", "mps"}
    processes : int
        On a CPU, this many single-threaded processes share each batch: on small maps that is faster than as many
        threads, which wait for one another at every layer.
    seed : int
    every : int
        Steps between checkpoints.
    """

    images: str
    masks: str
    out: str
    architecture: str = "u2netp"
    stages: tuple[tuple[int, int], ...] = ((112, 3000), (160, 1500), (224, 500))
    batch: int = 24
    learning_rate: float = 3e-3
    validation: float = 0.08
    init: str | None = None
    device: str = "cpu"
    processes: int = 1
    seed: int = 0
    every: int = 200


class _Samples(torch.utils.data.IterableDataset[tuple[Any, Any]]):
    """Samples ``first, first + stride, …``, each from a generator of its own."""

    def __init__(self, pairs: Sequence[Pair], size: int, seed: int, first: int, stride: int) -> None:
        self.pairs, self.size, self.seed, self.first, self.stride = pairs, size, seed, first, stride
        # Kinds of picture (the name's first word) are drawn equally often, however many there are of each.
        kinds: dict[str, list[int]] = {}
        for index, pair in enumerate(pairs):
            kinds.setdefault(_kind(pair.name), []).append(index)
        self.kinds = list(kinds.values())

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        torch.set_num_threads(1)
        number = self.first
        while True:
            rng = np.random.default_rng((self.seed, number))
            of_kind = self.kinds[rng.integers(len(self.kinds))]
            yield sample(self.pairs, of_kind[rng.integers(len(of_kind))], self.size, rng)
            number += self.stride


def _kind(name: str) -> str:
    return name.split("_")[0] if "_" in name else "all"


def train(
    settings: Settings,
    on_record: Callable[[Record], None] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Path:
    """Train, or go on training, and export the best weights.

    Parameters
    ----------
    settings : Settings
    on_record : callable, optional
        Called with each :class:`Record`; raising from it stops the run, which can be resumed.
    on_step : callable, optional
        Called with the number of steps done, first when the run starts or resumes; raising stops the run, which goes on
        from this very step when resumed.

    Returns
    -------
    Path
        ``<out>/weights.safetensors``, half precision, for ``estimate_alpha_u2net(…, weights=path)``. Beside it lie
        ``curve.csv``, ``curve.png``, ``failures.png`` (the held-out pictures it does worst on) and ``settings.json``.

    Raises
    ------
    ValueError
        For folders without pairs, or fewer than two pictures.

    Examples
    --------
    >>> train(Settings("nowhere", "nowhere", "out"))
    Traceback (most recent call last):
    ...
    ValueError: There is no folder nowhere.
    """
    names = find_pairs(Path(settings.images), Path(settings.masks))
    if len(names) < 2:
        raise ValueError("Training needs at least two pictures: one to learn from, one to hold out.")
    if settings.batch % settings.processes or settings.batch < 2 * settings.processes:
        raise ValueError(
            f"A batch of {settings.batch} cannot be shared by {settings.processes} processes evenly, with two samples "
            "or more each, which batch norm needs."
        )
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "settings.json") as file:
        file.write(json.dumps(asdict(settings), indent=2).encode())
    if settings.processes == 1:
        _Run(settings, names, 0, on_record, on_step).go()
    else:
        with others(settings.processes, out, partial(_work, settings, names)):
            _Run(settings, names, 0, on_record, on_step).go()
    return out / "weights.safetensors"


def _work(settings: Settings, names: list[tuple[Path, Path]], rank: int) -> None:
    _Run(settings, names, rank).go()


class _Run:
    """One process's share of a run."""

    def __init__(
        self,
        settings: Settings,
        names: list[tuple[Path, Path]],
        rank: int,
        on_record: Callable[[Record], None] | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        self.settings, self.rank, self.on_record, self.on_step = settings, rank, on_record, on_step
        self.out, self.device = Path(settings.out), torch.device(settings.device)
        if settings.processes > 1:
            torch.set_num_threads(1)
        pairs = [read_pair(picture, mask) for picture, mask in names]
        self.held_out, self.pairs = _split(pairs, settings.validation, settings.seed)
        torch.manual_seed(settings.seed)
        self.network = build(settings.architecture).to(self.device)
        self.average = build(settings.architecture).to(self.device)
        if settings.init:
            self.network.load_state_dict(_initial(settings.init))
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = _optimizer(self.network, settings.learning_rate)
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        #: Since the last record.
        self.losses: list[float] = []
        self._resume()

    def go(self) -> None:
        """Run every stage from where the last checkpoint left off."""
        settings, total = self.settings, sum(steps for _, steps in self.settings.stages)
        edge = 0
        self._tell_step()
        for size, steps in settings.stages:
            edge += steps
            if self.step >= edge:
                continue
            start = time.perf_counter()
            for picture, mask in self._batches(size):
                self.losses.append(self._learn(picture, mask, total))
                self.step += 1
                self.seconds += time.perf_counter() - start
                if self.step % settings.every == 0 or self.step in (edge, total):
                    loss, self.losses = float(np.mean(self.losses)), []
                    if self.rank == 0:
                        self._report(size, loss)
                self._tell_step()
                if self.step >= edge:
                    break
                start = time.perf_counter()
        if self.rank == 0:
            self._finish()

    def _batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        settings = self.settings
        share = settings.batch // settings.processes
        first = self.step * settings.batch + self.rank
        data = _Samples(self.pairs, size, settings.seed, first, settings.processes)
        # One worker a process: several would deal the samples out in another order.
        loader = torch.utils.data.DataLoader(data, share, num_workers=1, prefetch_factor=4)
        return iter(loader)

    def _learn(self, picture: Tensor, mask: Tensor, total: int) -> float:
        settings = self.settings
        rate = settings.learning_rate * min(1.0, (self.step + 1) / 100) * (1 - self.step / total) ** 0.9
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        picture = picture.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type != "mps"):
            maps = self.network.logits(picture)
        loss = loss_of(maps, mask.to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.processes > 1:
            share_gradients(self.network.parameters())
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        _follow(self.average, self.network, min(0.998, (self.step + 1) / (self.step + 20)))
        return loss.item()

    def _tell_step(self) -> None:
        if self.on_step is None:
            return
        try:
            self.on_step(self.step)
        except BaseException:
            self._save()
            raise

    def _report(self, size: int, loss: float) -> None:
        """Validate, write the curve's row and the checkpoint, keep the best weights."""
        iou, _ = evaluate(self.average, self.held_out, size)
        record = Record(self.step, size, round(loss, 4), round(self.seconds, 1), iou)
        # A run killed between curve and checkpoint comes by here twice.
        rows = [row for row in read_curve(self.out / "curve.csv") if row.step < record.step] + [record]
        with atomic_write(self.out / "curve.csv") as file:
            file.write(curve_text(rows).encode())
        if np.mean(list(iou.values())) >= self.best:
            self.best = float(np.mean(list(iou.values())))
            export(self.average, size, self.out / "weights.safetensors")
        self._save()
        if self.on_record is not None:
            self.on_record(record)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "seconds": self.seconds,
            "losses": self.losses,
        }
        with atomic_write(self.out / "checkpoint.pt") as file:
            torch.save(state, file)

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
        self.losses = state["losses"]

    def _finish(self) -> None:
        from mattingkit.figures import show
        from mattingkit.methods.u2net.weights import load_network

        network, size = load_network(self.out / "weights.safetensors")
        _, scores = evaluate(network, self.held_out, size)
        worst = sorted(range(len(scores)), key=lambda i: scores[i])[:12]
        tiles: dict[str, Any] = {}
        for index in worst:
            pair = self.held_out[index]
            picture = np.asarray(pair.picture) / 255
            alpha = _predict([picture], network, size, torch.device("cpu"))[0]
            tiles[f"{pair.name}, IoU {scores[index]:.2f}"] = np.hstack([picture, np.repeat(alpha[..., None], 3, 2)])
        with atomic_write(self.out / "failures.png") as file:
            show(tiles, columns=3, width=14).savefig(file, format="png")
        with atomic_write(self.out / "curve.png") as file:
            draw_curve(read_curve(self.out / "curve.csv")).savefig(file, format="png", dpi=110)


def _split(pairs: list[Pair], fraction: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Hold out a fraction of each kind of picture, at least one in all."""
    kinds: dict[str, list[Pair]] = {}
    for pair in pairs:
        kinds.setdefault(_kind(pair.name), []).append(pair)
    held_out: list[Pair] = []
    for members in kinds.values():
        random.Random(seed).shuffle(members)
        held_out += members[: round(len(members) * fraction)]
    held_out = held_out or [pairs[0]]
    names = {pair.name for pair in held_out}
    return held_out, [pair for pair in pairs if pair.name not in names]


def _initial(weights: str) -> dict[str, Tensor]:
    path = _resolve(weights)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
    if path.suffix == ".onnx":
        raise ValueError("To go on training, start from a .pth or .safetensors file: an .onnx has its norms folded.")
    return _read_pth(path)


def _optimizer(network: U2Net, rate: float) -> torch.optim.Optimizer:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-2}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))


def loss_of(maps: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Sum over the seven maps of cross-entropy plus half a soft-IoU term; coarse maps count a little less.

    Parameters
    ----------
    maps : seven Tensors of shape (N, 1, H, W)
        Before the sigmoid.
    mask : Tensor, shape (N, 1, H, W)
        In [0, 1].

    Returns
    -------
    Tensor, scalar

    References
    ----------
    Qin et al. 2020, section 3.3, equations 1 and 2.

    Examples
    --------
    >>> mask = torch.ones(1, 1, 4, 4)
    >>> bool(loss_of([mask * 9] * 7, mask) < loss_of([mask * 0] * 7, mask))
    True
    """
    total = torch.zeros((), device=mask.device)
    for number, logits in enumerate(maps):
        exact = logits.float()
        entropy = functional.binary_cross_entropy_with_logits(exact, mask)
        guess = torch.sigmoid(exact)
        common = (guess * mask).sum((1, 2, 3))
        union = guess.sum((1, 2, 3)) + mask.sum((1, 2, 3)) - common
        total = total + (1.0 if number < 3 else 0.6) * (entropy + 0.5 * (1 - (common + 1) / (union + 1)).mean())
    return total


@torch.no_grad()
def _follow(average: U2Net, network: U2Net, decay: float) -> None:
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def evaluate(network: U2Net, pairs: Sequence[Pair], size: int) -> tuple[dict[str, float], list[float]]:
    """Mean IoU at 0.5 by kind, and of each pair, through the same path as prediction.

    Parameters
    ----------
    network : U2Net
    pairs : sequence of Pair
    size : int
        Side of the network's input in pixels.

    Returns
    -------
    by_kind : dict of str to float
    scores : list of float

    Examples
    --------
    >>> from PIL import Image
    >>> pair = Pair("dot", Image.new("RGB", (40, 30), "red"), Image.new("L", (40, 30), 255))
    >>> evaluate(build("u2netp"), [pair], 32)
    ({'all': 0.0}, [0.0])
    """
    device = next(network.parameters()).device
    network.eval()
    by_kind: dict[str, list[float]] = {}
    scores = []
    for pair in pairs:
        found = _predict([np.asarray(pair.picture) / 255], network, size, device)[0] > 0.5
        truth = np.asarray(pair.mask) > 127
        scores.append(float((found & truth).sum() / max((found | truth).sum(), 1)))
        by_kind.setdefault(_kind(pair.name), []).append(scores[-1])
    return {kind: round(float(np.mean(values)), 4) for kind, values in by_kind.items()}, scores


def export(network: U2Net, size: int, path: Path) -> None:
    """Write weights in half precision with the input size they were trained for."""
    from safetensors.torch import save

    state = {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in network.state_dict().items()}
    with atomic_write(path) as file:
        file.write(save(state, {"size": str(size), "format": "pt"}))


def _stages(text: str) -> tuple[tuple[int, int], ...]:
    try:
        stages = tuple((int(size), int(steps)) for size, steps in (part.split(":") for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 112:3000,160:1500 (size:steps)") from None
    if not all(size >= 32 and steps > 0 for size, steps in stages):
        raise argparse.ArgumentTypeError("sizes are 32 or more, steps 1 or more")
    return stages


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m mattingkit.methods.u2net.train``; returns the exit code.

    Examples
    --------
    >>> main(["nowhere", "nowhere", "--out", "out"])
    2
    """
    from tqdm.auto import tqdm

    defaults = Settings("", "", "")
    parser = argparse.ArgumentParser(prog="python -m mattingkit.methods.u2net.train", description=train.__doc__)
    parser.description = "Train or fine-tune U²-Net on a folder of pictures and a folder of masks of the same names."
    parser.add_argument("images")
    parser.add_argument("masks")
    parser.add_argument("--out", required=True, help="folder of the run; start again with the same one to resume")
    parser.add_argument("--architecture", choices=["u2netp", "u2net"], default=defaults.architecture)
    parser.add_argument("--stages", type=_stages, default=defaults.stages, help="size:steps,size:steps,…")
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--validation", type=float, default=defaults.validation, help="fraction held out")
    parser.add_argument("--init", help="weights to start from: embedded, or a .pth or .safetensors file")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=defaults.processes, help="on a CPU: one for each core")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--every", type=int, default=defaults.every, help="steps between checkpoints")
    settings = Settings(**vars(parser.parse_args(arguments)))
    total = sum(steps for _, steps in settings.stages)
    done = [row.step for row in read_curve(Path(settings.out) / "curve.csv")]
    with interruptible(signal.SIGINT) as asked, tqdm(total=total, initial=done[-1] if done else 0, unit="step") as bar:

        def report(record: Record) -> None:
            bar.set_postfix({"loss": record.loss, "size": record.size, **record.iou})

        def tell(step: int) -> None:
            bar.update(step - bar.n)
            if asked():  # here, between steps, it tears no file
                raise KeyboardInterrupt

        try:
            path = train(settings, report, tell)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            bar.close()
            print("Stopped. The same command goes on from this step.", file=sys.stderr)
            return 130
    print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
