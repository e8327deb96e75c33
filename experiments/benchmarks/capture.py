"""Speed and memory of `interp.capture`, compared with the loops over Hugging Face's `output_hidden_states` that it replaces.

Every loop pools the same tokens of the same text (checked to 1e-4). Rounds alternate; ratios are medians over rounds of
process CPU time, on which other work on the machine has little effect. Memory is what the peak adds to the loaded model (VmHWM,
reset through /proc/self/clear_refs), each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import interp
from interp.models.batches import batches
from interp.text.corpus import ParallelCorpus

VOCAB = 8192
PEAKS = {"loop": "Hugging Face, one batch", "whole": "capture, the same batch", "default": "capture, batches of its own"}
Run = Callable[[], Tensor]


def main(arguments: Sequence[str] = ()) -> None:
    """Print one table of ratios for speed and one for memory."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    if options.peak:
        print(json.dumps(_peak(options)))
        return
    for kind, shortest, longest in (("sentences", 4, 60), ("names", 2, 8)):
        runs = _runs(options, shortest, longest)
        expected = runs["capture"]()[:-1]
        for name, run in runs.items():  # the last row is after the final norm in Hugging Face, before it in capture
            assert torch.allclose(run()[:-1], expected, atol=1e-4), f"{name} pools other states"
        title = f"{options.texts} {kind} of {shortest}-{longest} tokens, {options.layers} layers x {options.width}"
        Console().print(
            _speeds(
                _alternate(runs, options.rounds), f"{title}, {options.threads} thread(s), {options.rounds} rounds", options.texts
            )
        )
    Console().print(_peaks(options, arguments))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks capture", description=__doc__)
    numbers = {"texts": 100, "rounds": 3, "threads": 1, "layers": 12, "width": 512, "long": 512, "long-texts": 16}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--peak", default="", choices=["", *PEAKS], help="measure the memory of one loop, in this process")
    return parser.parse_args(arguments)


def _llama(options: argparse.Namespace) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    words = Tokenizer(models.WordLevel({f"w{n}": n for n in range(VOCAB)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=options.width, num_hidden_layers=options.layers, num_attention_heads=8,
        intermediate_size=4 * options.width, max_position_embeddings=4096,
    )  # fmt: skip
    torch.manual_seed(0)
    hf = LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval()
    return hf, PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w1", padding_side="left")


def _runs(options: argparse.Namespace, shortest: int, longest: int) -> dict[str, Run]:
    rng = random.Random(0)
    lengths = [rng.randint(shortest, longest) for _ in range(options.texts)]
    hf, tokenizer = _llama(options)
    model, corpus = interp.load(hf, tokenizer=tokenizer), _corpus(lengths)
    texts = corpus["eng_Latn"]
    same = batches(lengths, 1024)
    arrival = [list(range(start, min(start + 16, len(texts)))) for start in range(0, len(texts), 16)]
    return {
        "capture": lambda: interp.capture(model, corpus, max_tokens=1024, progress=False)["eng_Latn"],
        "the same batches": lambda: _loop(hf, tokenizer, texts, same),
        "16 as they come": lambda: _loop(hf, tokenizer, texts, arrival),
        "one at a time": lambda: _loop(hf, tokenizer, texts, [[row] for row in range(len(texts))]),
    }


def _corpus(lengths: Sequence[int]) -> ParallelCorpus:
    rng = random.Random(1)
    texts = (" ".join(f"w{rng.randrange(2, VOCAB)}" for _ in range(length)) for length in lengths)
    return ParallelCorpus("words", {"eng_Latn": tuple(texts)})


@torch.no_grad()
def _loop(hf: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], groups: list[list[int]]) -> Tensor:
    """The loop one would write by hand: a batch, every hidden state, the masked mean."""
    pooled = torch.empty(hf.config.num_hidden_layers + 1, len(texts), hf.config.hidden_size)
    for group in groups:
        batch = tokenizer([texts[row] for row in group], padding=True, return_tensors="pt", return_token_type_ids=False)
        states = hf(**batch, output_hidden_states=True, use_cache=False).hidden_states
        weights = (batch["attention_mask"] / batch["attention_mask"].sum(1, keepdim=True))[:, None].float()
        pooled[:, group] = torch.stack([torch.bmm(weights, state)[:, 0] for state in states])
    return pooled


def _alternate(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return seconds


def _speeds(seconds: dict[str, list[float]], title: str, n: int) -> Table:
    table = Table(title=title)
    for heading in ("loop", "texts / CPU s", "capture is faster by", "lowest - highest round"):
        table.add_column(heading, justify="left" if heading == "loop" else "right")
    for name, own_seconds in seconds.items():
        ratios = [loop / capture for loop, capture in zip(own_seconds, seconds["capture"], strict=True)]
        table.add_row(name, f"{n / median(own_seconds):.1f}", f"{median(ratios):.2f} x", f"{min(ratios):.2f} - {max(ratios):.2f}")
    return table


def _peaks(options: argparse.Namespace, arguments: Sequence[str]) -> Table:
    table = Table(title=f"peak memory above the loaded model, {options.long_texts} texts of {options.long} tokens")
    for heading in ("loop", "MB", "share of Hugging Face's"):
        table.add_column(heading, justify="left" if heading == "loop" else "right")
    peaks: dict[str, float] = {}
    for key, name in PEAKS.items():
        command = [sys.executable, "-m", "experiments.benchmarks", "capture", *arguments, "--peak", key]
        # Fixed, so that freed tensors go back to the system and the peak is that of the tensors.
        setting = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
        peaks[key] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=setting).stdout)
        table.add_row(name, f"{peaks[key]:.0f}", f"{peaks[key] / peaks['loop']:.2f}")
    return table


def _peak(options: argparse.Namespace) -> float:
    """Peak megabytes that pooling long texts adds to the loaded model after a first run."""
    hf, tokenizer = _llama(options)
    model = interp.load(hf, tokenizer=tokenizer)
    bound = options.long * options.long_texts if options.peak == "whole" else None

    def run(n: int) -> Tensor:
        corpus = _corpus([options.long] * n)
        if options.peak == "loop":
            return _loop(hf, tokenizer, corpus["eng_Latn"], [list(range(n))])
        return interp.capture(model, corpus, max_tokens=bound, progress=False)["eng_Latn"]

    run(1)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run(options.long_texts)
    return (_status("VmHWM") - before) / 1e3


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
