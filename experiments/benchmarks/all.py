"""One table for this machine: what each kind of work costs, as a ratio to the plain way of doing it, timed in the same run.

The plain way is transformers with scaled dot product attention in the same dtype: two forward passes for a grid of one token,
`generate` for a grid of texts, a loop that pools `output_hidden_states` for a capture, forward passes under hooks that sum what
every neuron does for neurons, forward passes and cross entropy for losses.
Rounds alternate between the two, and a ratio is the median over rounds of wall time. Measures of alignment have no such way; their
time for one pair of languages stands alone.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from types import MappingProxyType

import torch
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import interp
from experiments.benchmarks import plain_ways
from interp import provenance
from interp.generation.generate import generate
from interp.generation.loss import sentence_losses
from interp.interventions.transplant import transplant_grid
from interp.languages import FLORES200
from interp.models.batches import batches
from interp.models.devices import choose_device, to_cpu
from interp.neurons import count_neurons
from interp.provenance import ModelIdentity, Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning.fit import fit
from interp.tuning.recipe import Recipe
from interp.tuning.templates import Encoded
from probes.alignment.clouds import METRICS, Cloud, Pair, measure
from probes.alignment.measure import measure_alignment

Run = Callable[[], object]


@dataclass(frozen=True)
class Size:
    """How large the model and the work are on a kind of device."""

    vocabulary: int
    width: int
    inner: int
    layers: int
    heads: int
    texts: int
    sentences: int
    dtype: str


SIZES = {
    "cpu": Size(8192, 512, 2048, 12, 8, 64, 256, "float32"),
    "cuda": Size(32000, 4096, 11008, 32, 32, 1024, 1012, "bfloat16"),
    "tiny": Size(512, 64, 128, 3, 4, 8, 32, "float32"),
}


@dataclass(frozen=True)
class Row:
    """One kind of work: seconds of ours and of the plain way, and the median ratio of the two in one round (ours / plain)."""

    work: str
    plain_way: str
    seconds: float
    plain_seconds: float | None = None
    ratio: float | None = None


def main(arguments: Sequence[str] = ()) -> None:
    """Time everything, print the table, and write it as JSON where asked."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    device = choose_device(options.device)
    size = SIZES[options.size or device.type]
    console = Console(width=150)
    machine = describe_machine(device)
    console.print(" | ".join(f"{name} {value}" for name, value in machine.items()))
    table = Table(title=f"{size.layers} layers x {size.width}, {size.dtype}, {options.rounds} rounds")
    for heading in ("work", "s", "plain way", "s", "ours / plain"):
        table.add_column(heading, justify="right" if heading in ("s", "ours / plain") else "left")
    rows: list[Row] = []
    for row in _rows(size, device, options.rounds):
        rows.append(row)
        known = ("", "") if row.plain_seconds is None or row.ratio is None else (f"{row.plain_seconds:.4f}", f"{row.ratio:.2f} x")
        table.add_row(row.work, f"{row.seconds:.4f}", row.plain_way, *known)
        console.print(f"{row.work}: {row.seconds:.4f} s {known[1]}")
        if options.json:
            Path(options.json).write_text(json.dumps(_kept(machine, size, options.rounds, rows), indent=1) + "\n", encoding="utf-8")
    console.print(table)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks all", description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", choices=[*SIZES], default=None, help="default: by the kind of device")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="default: those of torch")
    parser.add_argument("--json", default="", help="write the table to this file, after every row")
    return parser.parse_args(arguments)


def describe_machine(device: torch.device) -> dict[str, str]:
    """What computes: the device by its name, threads, library versions, and the day."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    versions = {library: str(version) for library, version in provenance.versions().items()}
    return {
        "device": f"{device.type} {name}",
        "threads": str(torch.get_num_threads()),
        **versions,
        "date": date.today().isoformat(),
    }


def _kept(machine: dict[str, str], size: Size, rounds: int, rows: Sequence[Row]) -> dict[str, object]:
    return {"machine": machine, "size": asdict(size), "rounds": rounds, "rows": [asdict(row) for row in rows]}


def build(size: Size, device: torch.device) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A random Llama of this size, drawn on the device, with a tokenizer of numbered words."""
    words = Tokenizer(models.WordLevel({f"w{n}": n for n in range(size.vocabulary)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    config = LlamaConfig(
        vocab_size=size.vocabulary, hidden_size=size.width, num_hidden_layers=size.layers, num_attention_heads=size.heads,
        intermediate_size=size.inner, max_position_embeddings=4096, eos_token_id=None, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    with device:
        hf = LlamaForCausalLM._from_config(config, attn_implementation="sdpa", dtype=getattr(torch, size.dtype)).eval()
    return hf, PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w1", padding_side="left")


def _rows(size: Size, device: torch.device, rounds: int) -> Iterator[Row]:
    hf, tokenizer = build(size, device)
    model = interp.load(hf, tokenizer=tokenizer)
    numbers = torch.Generator().manual_seed(0)
    compare = partial(_compare, device=device, rounds=rounds)
    for length in (128, 512):
        source, target = torch.randint(2, size.vocabulary, (2, length), generator=numbers).tolist()
        plain = partial(plain_ways.prompts, hf, (source, target))
        cells = f"{size.layers} x {size.layers} grid after {length} tokens"
        for score in ("logits", "kl"):
            yield compare(f"{cells}, {score}", "two prompts", partial(transplant_grid, model, source, target, score), plain)
        if length == 128:
            grid = partial(transplant_grid, model, source, target, "generate", max_new_tokens=20)
            yield compare(f"{cells}, 20 tokens", "one generation", grid, partial(plain_ways.generation, hf, [target], 20), few=True)
    chance = random.Random(0)
    lengths = [chance.randint(20, 60) for _ in range(size.texts)]
    texts = tuple(" ".join(f"w{chance.randrange(2, size.vocabulary)}" for _ in range(length)) for length in lengths)
    corpus = ParallelCorpus("words", {"eng_Latn": texts})
    tokens = 16384 if device.type == "cuda" else 1024
    groups = batches(lengths, tokens)
    work = f"of {size.texts} texts of 20-60 tokens"
    loop = partial(plain_ways.pooling_loop, hf, tokenizer, texts, groups)
    for sinks in ("omit", "keep"):
        ours: Run = partial(interp.capture, model, corpus, max_tokens=tokens, sinks=sinks, progress=False)
        yield compare(f"capture {work}, sinks: {sinks}", "pooled output_hidden_states", ours, loop)
    forward = partial(plain_ways.forwards, hf, tokenizer, texts, groups)
    count = partial(count_neurons, model, corpus, shards=2, max_tokens=tokens)
    yield compare(f"neurons {work}", "forward passes with sums in hooks", count, partial(plain_ways.counting, hf, forward))
    losses = partial(sentence_losses, model, texts, max_tokens=tokens)
    yield compare(f"losses {work}", "forward passes and cross entropy", losses, partial(forward, loss=True))
    prompts = torch.randint(2, size.vocabulary, (32, 24), generator=numbers).tolist()
    spelled = [" ".join(f"w{token}" for token in prompt) for prompt in prompts]
    write = partial(generate, model, spelled, max_new_tokens=20, max_tokens=tokens)
    yield compare("20 tokens after 32 prompts", "generate", write, partial(plain_ways.generation, hf, prompts, 20), few=True)
    identity = interp.identify(model)
    del hf, model
    yield _tuning(size, device)
    yield from _measures(size, device)
    yield _all_pairs(size, device, identity)


def _measures(size: Size, device: torch.device) -> Iterator[Row]:
    """Every measure of one pair of languages that share half of their variance, at every layer."""
    shape = (size.layers + 1, size.sentences, size.width)
    shared = torch.randn(shape, device=device)
    x, y = (shared + torch.randn(shape, device=device) for _ in range(2))
    folds, same = torch.arange(size.sentences) % 5, torch.eye(size.sentences, dtype=torch.bool, device=device)

    def run(metric: str) -> Tensor:
        return measure(Pair(Cloud(x, folds, same), Cloud(y, folds, same)), metric).values.sum().cpu()

    for metric in METRICS:
        run(metric)
        yield Row(
            f"{metric} of one pair, {size.sentences} sentences x {size.layers + 1} layers", "", _clock(partial(run, metric), device)
        )


def _all_pairs(size: Size, device: torch.device, model: ModelIdentity) -> Row:
    """The default measures of every two of 20 languages, with their intervals."""
    codes, shape = FLORES200[:20], (size.layers + 1, size.sentences, size.width)
    shared = torch.randn(shape, device=device)
    states = {code: to_cpu(shared + torch.randn(shape, device=device)) for code in codes}
    corpus = ParallelCorpus("words", {code: tuple(f"{code} {row}" for row in range(size.sentences)) for code in codes})
    acts = interp.Activations(
        layers=("embed", *map(str, range(size.layers))), site="residual", pooling="mean", ids=corpus.ids, languages=codes,
        signature=Signature("capture", model, corpus.identity, {}), states=MappingProxyType(states), token_ids=MappingProxyType({}),
    )  # fmt: skip
    seconds = _clock(partial(measure_alignment, acts, "all", device=str(device)), device)
    return Row(f"alignment of 190 pairs, {size.sentences} sentences x {size.layers + 1} layers", "", seconds)


def _tuning(size: Size, device: torch.device) -> Row:
    """Four updates of a model a quarter as wide and half as deep, on texts of 12 to 160 tokens."""
    chance = random.Random(0)
    small = replace(size, width=size.width // 4, inner=size.inner // 4, layers=max(1, size.layers // 2), dtype="float32")
    recipe = Recipe(steps=4, batch=64, device_batch=16, checkpoints=0)
    texts = tuple(tuple(chance.randrange(2, size.vocabulary) for _ in range(chance.randint(12, 160))) for _ in range(256))
    data = Encoded(texts, texts, tuple(map(str, range(len(texts)))), (), 0, 0)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(3):  # the first to warm up
        for own in seconds:
            model, folder = build(small, device)[0], tempfile.TemporaryDirectory()
            ours: Run = partial(fit, model, data, None, recipe, Path(folder.name), None)
            plain: Run = partial(plain_ways.training, model, texts, recipe, Path(folder.name))
            with folder, redirect_stdout(io.StringIO()):
                seconds[own].append(_clock(ours if own else plain, device))
    ours_took, plain_took = (median(times[1:]) for times in seconds.values())
    return Row("4 updates of 64 texts of 12-160 tokens", "Trainer", ours_took, plain_took, ours_took / plain_took)


def _compare(work: str, way: str, ours: Run, plain: Run, *, device: torch.device, rounds: int, few: bool = False) -> Row:
    ours(), plain()
    pairs = [(_clock(ours, device), _clock(plain, device)) for _ in range(min(rounds, 3) if few else rounds)]
    own, other = (median(each) for each in zip(*pairs, strict=True))
    return Row(work, way, own, other, median(one / two for one, two in pairs))


def _clock(run: Run, device: torch.device) -> float:
    """Seconds of wall time until the device has finished."""
    _finish(device)
    start = time.perf_counter()
    run()
    _finish(device)
    return time.perf_counter() - start


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
