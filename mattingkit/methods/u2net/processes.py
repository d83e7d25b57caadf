"""Train with several single-threaded processes that share each batch: on a CPU and small maps, faster than threads."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor

#: Seconds that the other processes have to end by themselves once the first is done.
_PATIENCE = 5


@contextlib.contextmanager
def others(count: int, folder: Path, work: Callable[[int], None]) -> Iterator[None]:
    """Run ``work(rank)`` in other processes, ranks 1 to count - 1, while the block does the work of rank 0.

    When the block ends, also by an exception, the other processes end too: they notice when they next share gradients,
    and any that does not is terminated.

    ``count`` is that of all processes, this one among them; they find one another by a file in ``folder`` that is
    removed in the end. ``work`` can be pickled.
    """
    store = folder / f".rendezvous-{os.getpid()}"
    spawn: Any = multiprocessing.spawn  # type: ignore[attr-defined]
    started = spawn(_other, (count, store, work), count - 1, join=False)
    try:
        _join(store, 0, count)
        try:
            yield
        except BaseException:
            with contextlib.suppress(RuntimeError):  # one of them may have ended already
                # They wait in share_gradients for this process's 1; a 0 tells them to stop.
                dist.all_reduce(torch.zeros(1))
            raise
    finally:
        for process in started.processes:
            process.join(_PATIENCE)
        for process in started.processes:
            process.terminate()
        if dist.is_initialized():
            dist.destroy_process_group()
        store.unlink(missing_ok=True)


def _join(store: Path, rank: int, world: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store.absolute()}", rank=rank, world_size=world)


def _other(index: int, count: int, store: Path, work: Callable[[int], None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process handles Ctrl-C and ends the others
    _join(store, index + 1, count)
    work(index + 1)


def share_gradients(parameters: Iterator[Tensor]) -> None:
    """Give every process the mean of all their gradients; the parameters are the same ones in each.

    Raises SystemExit where the first process has left its block of :func:`others` by an exception.
    """
    going_on = torch.ones(1)
    dist.all_reduce(going_on)
    if going_on < dist.get_world_size():
        raise SystemExit
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
