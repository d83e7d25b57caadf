"""Which pictures a training run learns from and in what order, and which it holds out to judge itself by."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from mattingkit.methods.u2net.augment import Pair, sample


def kind_of(name: str) -> str:
    """The kind of subject a picture shows: the first word of its name, before ``_``; or "all".

    Examples
    --------
    >>> kind_of("cat_007"), kind_of("holiday")
    ('cat', 'all')
    """
    return name.split("_")[0] if "_" in name else "all"


def _by_kind(pairs: Sequence[Pair]) -> list[list[int]]:
    """The numbers of the pictures of each kind."""
    kinds: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        kinds.setdefault(kind_of(pair.name), []).append(number)
    return list(kinds.values())


def hold_out(pairs: Sequence[Pair], fraction: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Split pictures at random into the held out, a fraction of each kind and one at least, and those to learn from."""
    held_out: list[Pair] = []
    for members in _by_kind(pairs):
        random.Random(seed).shuffle(members)
        held_out += [pairs[number] for number in members[: round(len(members) * fraction)]]
    held_out = held_out or [pairs[0]]
    names = {pair.name for pair in held_out}
    learned = [pair for pair in pairs if pair.name not in names]
    if not learned:
        raise ValueError(f"Holding out {fraction:g} of {len(pairs)} pictures leaves none to learn from; hold out less.")
    return held_out, learned


class Samples(torch.utils.data.IterableDataset[tuple[Any, Any]]):
    """An endless stream of training samples: numbers ``first, first + stride, …``.

    Each sample has a generator of its own, seeded by the run's seed and its number: a run that is stopped and resumed,
    or shared by several processes, sees the same samples. Kinds are drawn equally often, however many pictures they
    have. ``size`` is the side of the square in pixels.
    """

    def __init__(self, pairs: Sequence[Pair], size: int, seed: int, first: int, stride: int) -> None:
        self.pairs, self.size, self.seed, self.first, self.stride = pairs, size, seed, first, stride
        self.kinds = _by_kind(pairs)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        torch.set_num_threads(1)  # a worker of the loader is a forked process
        for number in itertools.count(self.first, self.stride):
            rng = np.random.default_rng((self.seed, number))
            of_kind = self.kinds[rng.integers(len(self.kinds))]
            yield sample(self.pairs, of_kind[rng.integers(len(of_kind))], self.size, rng)
