"""Train U²-Net on a folder of picture/mask pairs: from scratch, or fine-tuning weights you have.

    python -m mattingkit.methods.u2net.train IMAGES MASKS --out runs/mine

Deep supervision as in the paper: the loss is the sum over the fused map and the six side outputs (Qin et al. 2020,
section 3.3, equation 1), here of binary cross-entropy (equation 2) plus half a soft-IoU term. AdamW, a learning rate
that decays to zero, an exponential moving average of the weights, and a validation split by picture. A run writes
checkpoints; started again with the same ``--out`` it goes on from the last one, and computes what it would have
computed without the stop.

``augment`` makes a sample from a picture, ``dataset`` chooses the pictures, ``objective`` measures, ``curve`` draws;
here is the run itself, and its command.
"""

from __future__ import annotations

import argparse
import json
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

from mattingkit.figures import show
from mattingkit.files import atomic_write
from mattingkit.methods.u2net import runtime
from mattingkit.methods.u2net.augment import find_pairs, read_pair
from mattingkit.methods.u2net.checkpoints import read_pickle, read_state, save_weights
from mattingkit.methods.u2net.curve import Record, curve_text, draw_curve, read_curve
from mattingkit.methods.u2net.dataset import Samples, hold_out
from mattingkit.methods.u2net.network import U2Net, add_identity_norms, build, has_identity_norms
from mattingkit.methods.u2net.objective import evaluate, loss_of
from mattingkit.methods.u2net.predict import predict_alphas
from mattingkit.methods.u2net.processes import others, share_gradients
from mattingkit.methods.u2net.weights import find_weights, load_network
from mattingkit.progress import interruptible


@dataclass(frozen=True)
class Settings:
    """Settings of a run; written into its folder as ``settings.json``."""

    images: str  # folders; a mask has its picture's name
    masks: str
    out: str  # folder of the run
    architecture: str = "u2netp"  # or "u2net"
    # Side of the square input in pixels, and how many steps at it, in turn: small first is fast.
    stages: tuple[tuple[int, int], ...] = ((112, 3000), (160, 1500), (224, 500))
    batch: int = 24  # samples a step, over all processes
    learning_rate: float = 3e-3
    validation: float = 0.08  # fraction of the pictures held out
    init: str | None = None  # weights to start from: a name or a path
    device: str = "cpu"  # or "cuda", "mps"
    # On a CPU, this many single-threaded processes share each batch: on small maps that is faster than as many threads,
    # which wait for one another at every layer.
    processes: int = 1
    seed: int = 0  # another one holds out other pictures and draws other samples
    every: int = 200  # steps between checkpoints


def train(
    settings: Settings,
    on_record: Callable[[Record], None] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Path:
    """Train, or go on training, and export the best weights.

    ``on_record`` is called with each :class:`Record`, ``on_step`` with the number of steps done, first when the run
    starts or resumes; raising from either stops the run, which can be resumed.

    Returns ``<out>/weights.safetensors``, half precision, for ``estimate_alpha_u2net(…, weights=path)``. Beside it lie
    ``curve.csv``, ``curve.png``, ``failures.png`` (the held-out pictures it does worst on) and ``settings.json``.

    Raises ValueError for folders without pairs, fewer than two pictures, settings that cannot work, or a loss that is
    no longer a number.

    Examples
    --------
    >>> train(Settings("nowhere", "nowhere", "out"))
    Traceback (most recent call last):
    ...
    ValueError: There is no folder nowhere.
    """
    if settings.processes < 1 or settings.every < 1 or not 0 <= settings.validation < 1:
        raise ValueError(
            f"processes and every are 1 or more, validation lies in [0, 1); got processes={settings.processes}, "
            f"every={settings.every}, validation={settings.validation}."
        )
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


#: What a checkpoint holds of a run.
_PARTS, _COUNTS = ("network", "average", "optimizer"), ("step", "best", "seconds", "losses")


class _Run:
    """A run, or what one of its processes does of it."""

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
        runtime.prepare()
        if settings.processes > 1:
            torch.set_num_threads(1)
        pairs = [read_pair(picture, mask) for picture, mask in names]
        self.held_out, self.pairs = hold_out(pairs, settings.validation, settings.seed)
        torch.manual_seed(settings.seed)
        self.network = build(settings.architecture).to(self.device)
        self.average = build(settings.architecture).to(self.device)
        if settings.init:
            self.network.load_state_dict(_initial(settings.init))
        # Norms that were folded into their convolutions and replaced by ones that change nothing stay so.
        self.norms_stay = bool(settings.init) and has_identity_norms(self.network)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = _optimizer(self.network, settings.learning_rate)
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        self.losses: list[float] = []  # since the last record
        self._resume()

    def go(self) -> None:
        """Run the stages that are not done yet, each up to its last step."""
        settings, total = self.settings, sum(steps for _, steps in self.settings.stages)
        last = 0
        self._tell_step()
        for size, steps in settings.stages:
            last += steps
            if self.step >= last:
                continue
            start = time.perf_counter()
            for picture, mask in self._batches(size):
                self.losses.append(self._learn(picture, mask, total))
                if self.rank == 0 and not np.isfinite(self.losses[-1]):
                    raise ValueError(
                        f"The loss is no longer a number at step {self.step + 1}. Start again with a lower learning "
                        "rate and another folder for the run."
                    )
                self.step += 1
                self.seconds += time.perf_counter() - start
                if self.step % settings.every == 0 or self.step in (last, total):
                    loss, self.losses = float(np.mean(self.losses)), []
                    if self.rank == 0:
                        self._report(size, loss)
                self._tell_step()
                if self.step >= last:
                    break
                start = time.perf_counter()
        if self.rank == 0:
            self._finish()

    def _batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        settings = self.settings
        share = settings.batch // settings.processes
        first = self.step * settings.batch + self.rank
        data = Samples(self.pairs, size, settings.seed, first, settings.processes)
        # One worker a process: several would deal the samples out in another order.
        return iter(torch.utils.data.DataLoader(data, share, num_workers=1, prefetch_factor=4))

    def _learn(self, picture: Tensor, mask: Tensor, total: int) -> float:
        settings = self.settings
        rate = settings.learning_rate * min(1.0, (self.step + 1) / 100) * (1 - self.step / total) ** 0.9
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        if self.norms_stay:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
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
        """Call ``on_step``; where that raises, save first, so that resuming loses no step."""
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
        # A run killed after it wrote the curve, before the checkpoint, records this step again.
        rows = [row for row in read_curve(self.out / "curve.csv") if row.step < record.step] + [record]
        with atomic_write(self.out / "curve.csv") as file:
            file.write(curve_text(rows).encode())
        if (mean := float(np.mean(list(iou.values())))) >= self.best:
            self.best = mean
            save_weights(self.average, size, self.out / "weights.safetensors")
        self._save()
        if self.on_record is not None:
            self.on_record(record)

    def _save(self) -> None:
        state = {part: getattr(self, part).state_dict() for part in _PARTS}
        state |= {name: getattr(self, name) for name in _COUNTS}
        with atomic_write(self.out / "checkpoint.pt") as file:
            torch.save(state, file)

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if path.exists():
            state = read_pickle(path)
            for part in _PARTS:
                getattr(self, part).load_state_dict(state[part])
            for name in _COUNTS:
                setattr(self, name, state[name])

    def _finish(self) -> None:
        """Draw the curve, and the held-out pictures that the best weights do worst on."""
        network, size = load_network(self.out / "weights.safetensors")
        _, scores = evaluate(network, self.held_out, size)
        worst = sorted(range(len(scores)), key=lambda i: scores[i])[:12]
        tiles: dict[str, Any] = {}
        for index in worst:
            pair = self.held_out[index]
            picture = np.asarray(pair.picture) / 255
            alpha = predict_alphas([picture], network, size, torch.device("cpu"))[0]
            tiles[f"{pair.name}, IoU {scores[index]:.2f}"] = np.hstack([picture, np.repeat(alpha[..., None], 3, 2)])
        with atomic_write(self.out / "failures.png") as file:
            show(tiles, columns=3, width=14).savefig(file, format="png")
        with atomic_write(self.out / "curve.png") as file:
            draw_curve(read_curve(self.out / "curve.csv")).savefig(file, format="png", dpi=110)


def _initial(weights: str) -> dict[str, Tensor]:
    """The weights to start from, batch norms and all."""
    path = find_weights(weights)
    if path.suffix == ".onnx":
        from mattingkit.methods.u2net.onnx_file import load_onnx

        return add_identity_norms(load_onnx(path)).state_dict()
    return read_state(path)[0]


def _optimizer(network: U2Net, rate: float) -> torch.optim.Optimizer:
    """AdamW; biases and batch norms do not decay."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-2}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))


@torch.no_grad()
def _follow(average: U2Net, network: U2Net, decay: float) -> None:
    """Move the exponential moving average of the weights towards the network's."""
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _stages(text: str) -> tuple[tuple[int, int], ...]:
    try:
        stages = tuple((int(size), int(steps)) for size, steps in (part.split(":") for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 112:3000,160:1500 (size:steps)") from None
    if not all(size >= 32 and steps > 0 for size, steps in stages):
        raise argparse.ArgumentTypeError("sizes are 32 or more, steps 1 or more")
    return stages


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m mattingkit.methods.u2net.train``; returns the exit code."""
    from tqdm.auto import tqdm

    defaults = Settings("", "", "")
    parser = argparse.ArgumentParser(
        prog="python -m mattingkit.methods.u2net.train",
        description="Train or fine-tune U²-Net on a folder of pictures and a folder of masks of the same names.",
    )
    parser.add_argument("images")
    parser.add_argument("masks")
    parser.add_argument("--out", required=True, help="folder of the run; start again with the same one to resume")
    parser.add_argument("--architecture", choices=["u2netp", "u2net"], default=defaults.architecture)
    parser.add_argument("--stages", type=_stages, default=defaults.stages, help="size:steps,size:steps,…")
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--validation", type=float, default=defaults.validation, help="fraction held out")
    parser.add_argument("--init", help="weights to start from: embedded, or a .pth, .safetensors or .onnx file")
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
            if asked():  # Ctrl-C takes effect here, between two steps
                raise KeyboardInterrupt

        try:
            path = train(settings, report, tell)
        except (ValueError, OSError, ImportError) as error:
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
