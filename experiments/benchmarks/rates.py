"""Tokens and FLOP a second of capturing, grids, tuning and measuring, for planning runs on larger models.

Two models, the bundled one and a random Llama of --millions parameters, float32, one thread. FLOP are counted, not profiled:
2 a weight of the blocks and a token, 4 a layer, key and query for attention (eager attention scores the whole square), 2 a
weight of the head where logits are computed; three times that for an update. Beside each rate is its share of what a plain
matrix product of the model's own shape reaches on the same core, the number most likely to carry over to other machines.
Seconds are process CPU time, the median of --rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import interp
from interp.activations.store import Activations
from interp.interventions.transplant import transplant_grid
from interp.models.load import TransformerBridge
from interp.neurons import count_neurons
from interp.text.corpus import ParallelCorpus
from interp.tuning.fit import fit
from interp.tuning.recipe import Recipe
from interp.tuning.templates import Encoded
from probes.alignment.measure import measure_alignment

VOCAB = 32_000


@dataclass(frozen=True)
class Work:
    """A piece of work: its number of tokens (or other units) and FLOP, and the function that does it."""

    name: str
    units: float
    unit: str
    flop: float
    run: Callable[[], object]


def main(arguments: Sequence[str] = ()) -> None:
    """Print a table of rates for each model, and one of other rates."""
    options = _parse(arguments)
    torch.set_num_threads(1)
    for name, model in (("bundled", interp.load("bundled", device="cpu", dtype="float32")), ("random", _llama(options.millions))):
        millions = sum(parameter.numel() for parameter in model.original_model.parameters()) / 1e6
        peak = _matmul(model, options.tokens)
        table = Table(title=f"{name}: {millions:.0f}M parameters; a plain matrix product reaches {peak / 1e9:.1f} GFLOP/s")
        for heading in ("work", "seconds", "rate", "GFLOP/s", "share of the product"):
            table.add_column(heading, justify="left" if heading == "work" else "right")
        for work in _works(model, options):
            seconds = _seconds(work.run, options.rounds)
            speed = work.flop / seconds
            rate = f"{work.units / seconds:,.0f} {work.unit}/s"
            table.add_row(work.name, f"{seconds:.2f}", rate, f"{speed / 1e9:.1f}", f"{speed / peak:.0%}")
        Console(width=120).print(table)
    Console(width=120).print(_rest(options))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks rates", description=__doc__)
    for name, default in {
        "millions": 100,
        "texts": 32,
        "tokens": 48,
        "rounds": 3,
        "prompt": 64,
        "sentences": 1000,
        "width": 1024,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args(arguments)


def _llama(millions: int) -> TransformerBridge:
    words = Tokenizer(models.WordLevel({f"w{n}": n for n in range(VOCAB)}, unk_token="w0"))
    width, layers = 640, max(1, round((millions * 1e6 - 2 * VOCAB * 640) / (12 * 640**2)))
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=width, num_hidden_layers=layers, num_attention_heads=10, intermediate_size=8 * width // 3,
        max_position_embeddings=2048, eos_token_id=None, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    hf = LlamaForCausalLM._from_config(config, attn_implementation="eager").eval()
    return interp.load(hf, tokenizer=PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w1", padding_side="left"))


def forward_flop(model: TransformerBridge, tokens: float, length: float, heads: float = 0) -> float:
    """FLOP of a forward pass of `model` over `tokens` tokens in sequences of `length`, with logits at `heads` of them."""
    blocks = sum(parameter.numel() for name, parameter in model.original_model.named_parameters() if "layers." in name)
    config = model.cfg
    attention = 4 * config.n_layers * config.n_heads * config.d_head * length
    return tokens * (2 * blocks + attention) + heads * 2 * config.d_model * config.d_vocab


def _works(model: TransformerBridge, options: argparse.Namespace) -> list[Work]:
    sequences = torch.randint(2, model.cfg.d_vocab, (options.texts, options.tokens), generator=torch.Generator().manual_seed(0))
    corpus = ParallelCorpus("numbers", {"eng_Latn": tuple(_text(model, row.tolist()) for row in sequences)})
    tokens = sum(map(len, model.tokenizer(list(corpus["eng_Latn"]))["input_ids"]))
    length = tokens / options.texts
    read = forward_flop(model, tokens, length)
    source, target = sequences[0, : options.prompt].tolist(), sequences[1, : options.prompt].tolist()
    prompts, n = len(source) + len(target), model.cfg.n_layers
    cells = forward_flop(model, n * n / 2, len(target)) + forward_flop(model, 0, 0, n * n)
    grid = forward_flop(model, prompts, len(target)) + cells
    return [
        Work("capture: every layer, mean pooled", tokens, "tokens", read, lambda: interp.capture(model, corpus, progress=False)),
        Work("neurons: rates and means", tokens, "tokens", read, lambda: count_neurons(model, corpus, shards=2)),
        Work(f"transplant: {n} x {n} cells, first token", n * n, "cells", grid, lambda: transplant_grid(model, source, target)),
        _tuning(model, sequences.tolist()),
    ]


def _text(model: TransformerBridge, ids: list[int]) -> str:
    return str(model.tokenizer.decode(ids))


def _tuning(model: TransformerBridge, sequences: list[list[int]]) -> Work:
    """Two updates on half of the examples each, without what happens before and after training."""
    ids = tuple(tuple(row) for row in sequences)
    data = Encoded(ids=ids, labels=ids, kept=tuple(map(str, range(len(ids)))), dropped=(), truncated=0, seams=0)
    recipe = Recipe(batch=len(ids) // 2, device_batch=8, steps=2, held_out=0, checkpoints=0, learning_rate=1e-6)
    tokens = len(ids) * len(ids[0])
    hf = _fresh(model)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            fit(hf, data, None, recipe, Path(folder), None)

    return Work("tune: every weight, AdamW", tokens, "tokens", 3 * forward_flop(model, tokens, len(ids[0]), tokens), run)


def _fresh(model: TransformerBridge) -> LlamaForCausalLM:
    return LlamaForCausalLM._from_config(model.original_model.config, dtype=torch.float32)


def _matmul(model: TransformerBridge, tokens: int) -> float:
    """FLOP a second of the product that most of a forward pass consists of: a batch of tokens by an MLP's weight."""
    rows, inner = 16 * tokens, model.cfg.d_model
    left, right = torch.randn(rows, inner), torch.randn(inner, 4 * inner)
    return 2 * rows * inner * 4 * inner * 20 / _seconds(lambda: [left @ right for _ in range(20)], 5)


def _seconds(run: Callable[[], object], rounds: int) -> float:
    """CPU seconds of a run, the median of some after a first one."""
    run()
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return median(seconds)


def _rest(options: argparse.Namespace) -> Table:
    table = Table(title="other rates, one core")
    for heading in ("work", "rate"):
        table.add_column(heading, justify="left" if heading == "work" else "right")
    model = _llama(options.millions)
    weights = sum(parameter.numel() for parameter in model.original_model.parameters())

    def identify() -> None:
        model.__dict__.pop("_identity", None)
        interp.identify(model)

    table.add_row("identify: every weight hashed", f"{4 * weights / _seconds(identify, 1) / 1e9:.2f} GB/s")
    table.add_row("random_init: weights drawn", f"{weights / _seconds(lambda: interp.random_init(model), 1) / 1e6:.0f} million/s")
    n, layers, width = options.sentences, 2, options.width
    noise = torch.Generator().manual_seed(0)
    states = {code: torch.randn(layers, n, width, generator=noise) for code in ("eng_Latn", "deu_Latn", "fra_Latn")}

    def align(metrics: tuple[str, ...]) -> None:
        measure_alignment(Activations.from_arrays(states), "eng_Latn", metrics, 0).summary()

    for metrics in (("mexa",), ("mexa", "mexa_centred", "p_at_1", "cka_debiased")):
        seconds = _seconds(partial(align, metrics), 1)
        per = seconds / (layers * (len(states) - 1))
        table.add_row(
            f"measure_alignment, {n} sentences of {width} numbers: {', '.join(metrics)}", f"{per:.2f} s a language and layer"
        )
    return table
