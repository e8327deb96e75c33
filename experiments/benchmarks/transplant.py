"""CPU time of the whole source x target grid, compared with one hooked forward pass a cell and with reading the two prompts.

A random Llama; three settings: next-token logits, 20 greedy tokens a cell, and as many layers as --deep says. Naive is a plain
forward pass of the bridge with `transplanted` around it, the donor recorded once; it is timed on --naive-cells cells and
multiplied. "Two prompts" is a plain forward pass of each; every grid includes both. Rounds alternate; ratios are medians
of per-round ratios of process CPU time, with wall time beside them. "Difference" is the largest of any logit in the naive
cells, or how many of their continuations are the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import interp
from interp.interventions.grid.cells import Method
from interp.interventions.transplant import record_donor, transplant_grid, transplanted
from interp.models.batches import pad
from interp.models.load import TransformerBridge

VOCAB = 8192


@dataclass(frozen=True)
class Case:
    """A model, two prompts and a score: logits where `tokens` is 1, else so long a continuation. `cells` are the naive ones."""

    model: TransformerBridge
    source: list[int]
    target: list[int]
    tokens: int
    cells: tuple[tuple[int, int], ...]

    @property
    def layers(self) -> int:
        """Blocks of the model."""
        return self.model.cfg.n_layers

    def grid(self, method: Method) -> Tensor:
        """The whole grid."""
        if self.tokens == 1:
            return transplant_grid(self.model, self.source, self.target, "logits", method=method)
        return transplant_grid(self.model, self.source, self.target, "generate", method=method, max_new_tokens=self.tokens)

    @torch.no_grad()
    def prompts(self) -> None:
        """A plain forward pass of both prompts."""
        for prompt in (self.source, self.target):
            batch = pad(self.model, [prompt])
            self.model(batch.ids, attention_mask=batch.mask, use_cache=False, logits_to_keep=1)

    @torch.no_grad()
    def naive(self) -> list[Tensor]:
        """A hooked forward pass for each of `cells`."""
        batch, scores = pad(self.model, [self.target]), []
        donor = record_donor(self.model, self.source)
        for i, j in self.cells:
            with transplanted(self.model, donor, source=i, target=j):
                scores.append(self._answer(batch.ids, batch.mask))
        return scores

    def _answer(self, ids: Tensor, mask: Tensor) -> Tensor:
        if self.tokens == 1:
            return self.model(ids, attention_mask=mask, use_cache=False, logits_to_keep=1)[0, -1]
        written = self.model.generate(ids, max_new_tokens=self.tokens, do_sample=False, stop_at_eos=False, verbose=False)
        assert isinstance(written, Tensor)
        return written[0, ids.shape[1] :]


def main(arguments: Sequence[str] = ()) -> None:
    """Time every method in every setting and print a table of ratios."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    model = _llama(options.layers, options.width)
    table = Table(title=f"{options.layers} layers x {options.width}, {options.threads} thread(s), {options.rounds} rounds")
    headings = (
        "layers",
        "prompt",
        "tokens",
        "method",
        "CPU s",
        "wall s",
        "naive / grid",
        "lowest - highest",
        "grid / two prompts",
        "difference",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for length in options.prompts:
        _measure(table, _case(model, length, 1, options), ("auto", "packed"), options.rounds)
    if options.tokens:
        _measure(table, _case(model, options.long, options.tokens, options), ("auto",), min(options.rounds, 3))
    if options.deep:
        deep = _llama(options.deep, options.deep_width)
        _measure(table, _case(deep, options.long, 1, options), ("auto", "packed"), min(options.rounds, 3))
    Console(width=150).print(table)
    Console().print(f"naive cells timed in each round: {options.naive_cells}, multiplied to layers squared")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks transplant", description=__doc__)
    numbers = {"layers": 12, "width": 512, "rounds": 7, "threads": 1, "naive-cells": 2, "tokens": 20, "long": 128}
    numbers |= {"deep": 32, "deep-width": 256}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--prompts", type=int, nargs="*", default=[32, 128, 512])
    return parser.parse_args(arguments)


def _llama(layers: int, width: int) -> TransformerBridge:
    words = Tokenizer(models.WordLevel({f"w{n}": n for n in range(VOCAB)}, unk_token="w0"))
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=width, num_hidden_layers=layers, num_attention_heads=8, intermediate_size=4 * width,
        max_position_embeddings=4096, eos_token_id=None, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    hf = LlamaForCausalLM._from_config(config, attn_implementation="eager").eval()
    return interp.load(hf, tokenizer=PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w1", padding_side="left"))


def _case(model: TransformerBridge, length: int, tokens: int, options: argparse.Namespace) -> Case:
    rng = torch.Generator().manual_seed(length)
    source, target = torch.randint(2, VOCAB, (2, length), generator=rng).tolist()
    n = model.cfg.n_layers
    cells = tuple((k * 5 % n, (k * 7 + 1) % n) for k in range(options.naive_cells))
    return Case(model, source, target, tokens, cells)


def _measure(table: Table, case: Case, methods: Sequence[Method], rounds: int) -> None:
    runs: dict[str, Callable[[], object]] = {"two prompts": case.prompts, "naive": case.naive}
    runs |= {method: partial(case.grid, method) for method in methods}
    naive = case.naive()
    differences = {method: _difference(case, naive, case.grid(method)) for method in methods}
    cpu, wall = _alternate(runs, rounds)
    prompt = [t / 2 for t in cpu["two prompts"]]
    extrapolated = [
        single + (t - single) / len(case.cells) * case.layers**2 for t, single in zip(cpu["naive"], prompt, strict=True)
    ]
    for method in methods:
        ratios = [slow / fast for slow, fast in zip(extrapolated, cpu[method], strict=True)]
        cost = median(fast / base for fast, base in zip(cpu[method], cpu["two prompts"], strict=True))
        cells = (case.layers, len(case.target), case.tokens, method, f"{median(cpu[method]):.2f}", f"{median(wall[method]):.2f}")
        extremes = f"{min(ratios):.1f} - {max(ratios):.1f}"
        table.add_row(*map(str, cells), f"{median(ratios):.1f} x", extremes, f"{cost:.2f} x", differences[method])
    table.add_section()


def _difference(case: Case, naive: Sequence[Tensor], grid: Tensor) -> str:
    pairs = [(expected, grid[cell]) for expected, cell in zip(naive, case.cells, strict=True)]
    if case.tokens == 1:
        return f"{max(float((one - other).abs().max()) for one, other in pairs):.1e}"
    return f"{sum(torch.equal(one, other) for one, other in pairs)} of {len(pairs)}"


def _alternate(runs: dict[str, Callable[[], object]], rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started, clock = time.process_time(), time.perf_counter()
            run()
            cpu[name].append(time.process_time() - started)
            wall[name].append(time.perf_counter() - clock)
    return cpu, wall
