"""The order in which several processes read the examples: that of a single one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import Sampler


class WholeUpdates(Sampler[int]):
    """Every epoch as a single process shuffles it, filled up to whole updates with number `n`, an example without loss.

    Left to itself accelerate fills up the last update of an epoch with examples from its beginning, and several processes then
    learn from other examples than one does.
    """

    def __init__(self, n: int, batch: int, seed: int) -> None:
        self.n, self.filled = n, -(-n // batch) * batch
        self.shuffled = SeedableRandomSampler(range(n), generator=torch.Generator(), data_seed=seed)

    def __len__(self) -> int:
        return self.filled

    def __iter__(self) -> Iterator[int]:
        yield from self.shuffled
        yield from [self.n] * (self.filled - self.n)

    def set_epoch(self, epoch: int) -> None:
        self.shuffled.set_epoch(epoch)
