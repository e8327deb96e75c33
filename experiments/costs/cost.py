"""What a run costs, before it runs: forward passes, tokens, FLOPs, disk and memory, as sums of pieces of work.

FLOPs are those of Kaplan et al. 2020, "Scaling Laws for Neural Language Models" (arXiv 2001.08361), section 2.1 and table 1:
a forward pass costs 2 N + 2 n_layer n_ctx d_attn a token, where N are the parameters without embeddings, n_ctx the tokens in reach
and d_attn = heads x head size. The readout into the vocabulary is not in it; a backward pass costs twice the forward.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Bound = Literal["exact", "about", "at most"]
"""exact: the very number. about: batches are drawn at random, a few texts are read twice, or a sample of many items was counted.
at most: it depends on what is written, or on which items are kept."""
BOUNDS: tuple[Bound, ...] = ("exact", "about", "at most")


@dataclass(frozen=True)
class Work:
    """A piece of work of a run, or a sum of some.

    Attributes
    ----------
    what
        What is done, in words.
    forwards
        Number of forward passes.
    prefill
        Number of tokens that are read in whole texts, padding included.
    generated
        Number of tokens that are read one at a time behind a cache.
    attended
        For every token read the number of tokens in its reach, summed.
    items
        Number of sentences, prompts, examples or cells.
    steps
        Those of `forwards` that read generated tokens.
    passes
        Cost of one of these forwards in plain forwards: 3 with its backward pass.
    bound
        What kind of number this is.
    stored
        Bytes written to disk.
    held
        Bytes of memory beside the weights of one model.
    size
        The size of the model that it runs. Default: that of the `Cost` it is part of.
    """

    what: str
    forwards: int = 0
    prefill: int = 0
    generated: int = 0
    attended: int = 0
    items: int = 0
    steps: int = 0
    passes: int = 1
    bound: Bound = "exact"
    stored: int = 0
    held: int = 0
    size: Size | None = None

    @property
    def tokens(self) -> int:
        """All tokens that are read, padding included."""
        return self.prefill + self.generated

    def times(self, n: int) -> Work:
        """The same work `n` times, one after another."""
        numbers = {name: n * getattr(self, name) for name in _ADDED}
        return replace(self, **numbers)

    def scaled(self, factor: float) -> Work:
        """The work of `factor` times as many items as were counted: "about", unless it was looser or `factor` is 1."""
        numbers = {name: round(factor * getattr(self, name)) for name in _ADDED}
        return replace(self, **numbers, bound=self.bound if factor == 1 else max(self.bound, "about", key=BOUNDS.index))

    def __add__(self, other: Work) -> Work:
        """Both, one after another: numbers add up, memory is that of the larger. Only work of the same `passes`, on one model."""
        if self.size != other.size:
            raise ValueError(f"got work on models of sizes {self.size} and {other.size}, expected one. Keep them apart.")
        if self.passes != other.passes:
            raise ValueError(f"got work of {self.passes} and of {other.passes} passes, expected the same. Keep them apart.")
        numbers = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        return replace(self, **numbers, bound=max(self.bound, other.bound, key=BOUNDS.index), held=max(self.held, other.held))


_ADDED = ("forwards", "prefill", "generated", "attended", "items", "steps", "stored")


def total(what: str, works: Iterable[Work]) -> Work:
    """The sum of some works of the same kind, named `what`."""
    return sum(works, Work(what))


@dataclass(frozen=True)
class Size:
    """The sizes of a model that its cost depends on: parameters, bytes, layers, and width of attention (heads x head size)."""

    parameters: int
    embeddings: int
    bytes: int
    layers: int
    attention: int

    def flops(self, prefill: int, attended: int) -> int:
        """FLOPs of forward passes over `prefill` tokens, which see `attended` tokens in all."""
        return 2 * (self.parameters - self.embeddings) * prefill + 2 * self.layers * self.attention * attended


def size_of(model: TransformerBridge) -> Size:
    """The size of a model or of its outline. Embeddings are those of tokens and positions, and the unembedding."""
    from torch import nn

    from interp.models.original import original

    hf = original(model)
    every, config = {id(each): each for each in hf.parameters()}, model.cfg
    readout = {id(each) for each in getattr(hf.get_output_embeddings(), "parameters", list)()}
    tables = {id(each) for module in hf.modules() if isinstance(module, nn.Embedding) for each in module.parameters()}
    if getattr(hf.config.get_text_config(), "tie_word_embeddings", False):  # an outline may hold the one table twice
        every = {key: each for key, each in every.items() if key not in readout - tables}
    tables |= readout
    return Size(
        parameters=sum(each.numel() for each in every.values()),
        embeddings=sum(each.numel() for key, each in every.items() if key in tables),
        bytes=sum(each.numel() * each.element_size() for each in every.values()),
        layers=config.n_layers,
        attention=config.n_heads * config.d_head,
    )


@dataclass(frozen=True)
class Cost:
    """The works of a run on a model of some size."""

    size: Size
    works: tuple[Work, ...]

    @property
    def flops(self) -> int:
        """FLOPs of all works."""
        return sum(map(self.flops_of, self.works))

    def flops_of(self, work: Work) -> int:
        """FLOPs of one work."""
        return work.passes * (work.size or self.size).flops(work.tokens, work.attended)

    @property
    def bound(self) -> Bound:
        """The loosest bound of any work."""
        return max((work.bound for work in self.works), key=BOUNDS.index, default="exact")

    @property
    def memory(self) -> int:
        """Bytes of memory: the weights, and what the largest work holds beside them."""
        return (self.size.bytes if self.works else 0) + max((work.held for work in self.works), default=0)

    @property
    def stored(self) -> int:
        """Bytes on disk."""
        return sum(work.stored for work in self.works)

    def sum(self, name: str) -> int:
        """The sum of one number over all works, such as "forwards"."""
        return sum(getattr(work, name) for work in self.works)

    def seconds(self, read: float, write: float, forward: float = 0.0) -> float:
        """Seconds at `read` FLOP/s for whole texts and `write` FLOP/s for tokens one at a time, and `forward` seconds a pass."""
        spent = 0.0
        for work in self.works:
            flops, share = self.flops_of(work), work.generated / work.tokens if work.tokens else 0.0
            spent += flops * (1 - share) / read + flops * share / write + forward * work.passes * work.forwards
        return spent
