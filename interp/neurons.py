"""Count how often and how strongly every MLP neuron fires in each language, without storing activations.

A neuron is one column of the down-projection. It fires on a token if its pre-activation (the gate, in a gated MLP) is above 0; for
SiLU, GELU and ReLU the activation is then above 0 too. Its value is the input of the down-projection. Padding and special tokens
are not counted. Sentences are divided into shards, which are the same in every language, so that halves of the text can be compared
and languages permuted. The memory is shards x layers x neurons, whatever the number of tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.model_bridge import TransformerBridge

from interp.activations.spans import Span, spans
from interp.files.cache import Cache, Facts, describe_differences, differences
from interp.files.lock import locked
from interp.files.sealed_json import Json, read_sealed, write_sealed
from interp.models.batches import batches, context_limit, pad
from interp.models.checks import receipts
from interp.models.checks.finite import check_finite, is_half
from interp.models.checks.verification import share_of_norm, tolerance_of
from interp.models.computation import computed_by, model_facts
from interp.models.hooks import hooks_in_force
from interp.models.load import identify
from interp.models.plain.runner import runner
from interp.models.sites import gate_hook, neuron_hook
from interp.provenance import CorpusIdentity, ModelIdentity
from interp.text.corpus import ParallelCorpus

_COUNTS = "counts.json"
_WHAT = "counted sentences"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NeuronCounts:
    """Activation statistics of every MLP neuron, by language and shard of sentences, as `count_neurons` returns them.

    `rate` is the share of tokens on which a neuron fires, `mean` and `variance` are those of its value, each
    `[shard layer neuron]`. `tokens` is the number of tokens of each shard. `layer` is a block index, 0 to N - 1. `hooks`
    names the hooks in force on the model while counting.
    """

    rate: Mapping[str, Float[Tensor, "shard layer neuron"]]
    mean: Mapping[str, Float[Tensor, "shard layer neuron"]]
    variance: Mapping[str, Float[Tensor, "shard layer neuron"]]
    tokens: Mapping[str, Int[Tensor, " shard"]]
    model: ModelIdentity
    corpus: CorpusIdentity
    hooks: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        """FLORES-200 codes of the languages."""
        return tuple(self.rate)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(next(iter(self.tokens.values())))


@torch.no_grad()
def count_neurons(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    *,
    shards: int = 8,
    max_tokens: int = 4096,
    folder: str | Path | None = None,
    only: Sequence[str] | None = None,
    seed: int = 0,
) -> NeuronCounts:
    """Run a corpus through a model and count, in each language, how often every MLP neuron fires.

    Parameters
    ----------
    model
        A model with plain or gated MLPs, from `interp.load`.
    corpus
        Parallel text. Sentences that exceed the context length are truncated.
    shards
        Number of groups of sentences (or documents) that are counted separately, at least 2. More shards give the permutation test
        of `probes.find_neurons` more power.
    max_tokens
        Maximum number of tokens of a batch, including padding. The result does not depend on it.
    folder
        Where to save the counts of each language as it is done, so that an interrupted run continues. Default: nowhere.
    only
        Count only these languages, so that several processes can share a folder. A call without it then reads all of them.
    seed
        Random seed of the division into shards.

    Returns
    -------
    `NeuronCounts`.

    Raises
    ------
    ValueError
        The number of shards does not fit the corpus, the model has other MLPs (such as a mixture of experts), or the folder holds
        the counts of another model, corpus or setting. A mean is not finite.

    References
    ----------
    Tang et al. 2024, "Language-Specific Neurons", arXiv 2402.16438, section 2.2.

    Example
    -------
    >>> import interp
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> counts = interp.count_neurons(interp.load("bundled"), corpus, shards=2)
    >>> tuple(counts.rate["deu_Latn"].shape)  # shard, block, neuron
    (2, 8, 512)
    """
    _check(model, corpus, shards)
    facts = {
        "model": asdict(identify(model)),
        "corpus": asdict(corpus.identity),
        "shards": shards,
        "seed": seed,
        **model_facts(model),
    }
    by = computed_by(model.cfg.device)
    shard_of = _deal(corpus.documents or corpus.ids, shards, seed)
    by_language: dict[str, dict[str, Tensor]] = {}
    for code in tqdm(corpus.languages if only is None else corpus.select(only).languages, desc="neurons", unit="language"):
        count = partial(_count, model, code, corpus[code], shard_of, shards, max_tokens)
        by_language[code] = count() if folder is None else _resume(Cache(Path(folder), by), code, facts, count, only is not None)
    parts = {name: {code: counts[name] for code, counts in by_language.items()} for name in ("rate", "mean", "variance", "tokens")}
    return NeuronCounts(**parts, model=identify(model), corpus=corpus.identity, hooks=hooks_in_force(model).get("hooks", ""))


def _check(model: TransformerBridge, corpus: ParallelCorpus, shards: int) -> None:
    texts = len(set(corpus.documents or corpus.ids))
    if not 2 <= shards <= texts:
        raise ValueError(
            f"count_neurons: got {texts} sentences (or documents) for {shards} shards, expected one for each at least. Give more, "
            "or fewer shards (2 at least)."
        )
    for block in range(model.cfg.n_layers):
        for name in (gate_hook(block), neuron_hook(block)):
            if name not in model.hook_dict:
                raise ValueError(
                    f"{model.cfg.model_name} has no {name}: its block {block} is no plain or gated MLP. Take a dense model."
                )


def _deal(texts: Sequence[str], shards: int, seed: int) -> Int[Tensor, " sentence"]:
    names, text_of = np.unique(texts, return_inverse=True)
    return torch.from_numpy((np.random.default_rng(seed).permutation(len(names)) % shards)[text_of])


def _count(
    model: TransformerBridge, code: str, texts: Sequence[str], shard_of: Tensor, shards: int, max_tokens: int
) -> dict[str, Float[Tensor, "shard ..."] | Int[Tensor, " shard"]]:
    limit = context_limit(model)
    tokenized = spans(model.tokenizer, texts)
    sequences = [span.ids[:limit] for span in tokenized]
    sums: dict[str, Tensor] = {}
    tokens = torch.zeros(shards, dtype=torch.long)
    recomputed: dict[int, dict[str, Tensor]] = {item: {} for item in receipts.draw_items(_WHAT, len(texts), 1)}
    for group in batches([len(ids) for ids in sequences], max_tokens):
        batch = pad(model, [sequences[index] for index in group])
        counted = _own(batch.mask, [tokenized[index] for index in group])
        tokens.index_add_(0, shard_of[group], counted.sum(1).cpu())
        owner = shard_of[group].to(batch.ids.device)
        hooks = [(gate_hook(block), partial(_fires, sums, block, counted, owner, shards)) for block in range(model.cfg.n_layers)]
        hooks += [
            (neuron_hook(block), partial(_values, sums, block, counted, owner, shards)) for block in range(model.cfg.n_layers)
        ]
        hooks += [(name, partial(_keep, recomputed[item], name, row, counted))
                  for row, item in enumerate(group) if item in recomputed
                  for block in range(model.cfg.n_layers) for name in (gate_hook(block), neuron_hook(block))]  # fmt: skip
        runner(model, [name for name, _ in hooks]).run_with_hooks(
            batch.ids, attention_mask=batch.mask, fwd_hooks=[*hooks], use_cache=False, logits_to_keep=1
        )
    _check_sentences(model, recomputed, sequences, tokenized)
    counts = _moments(sums, tokens, model.cfg.n_layers)
    for name in ("mean", "variance"):
        where = f"neurons: the {name} of neuron"
        check_finite(
            counts[name], lambda _, block, neuron, where=where: f"{where} {neuron} of block {block} in {code}", is_half(model)
        )
    return counts


def _own(mask: Int[Tensor, "item token"], sentences: Sequence[Span]) -> Bool[Tensor, "item token"]:
    """The tokens of the sentences themselves in a left-padded batch."""
    position = mask.cumsum(1) - 1
    start, stop = (
        torch.tensor([getattr(span, end) for span in sentences], device=mask.device)[:, None] for end in ("start", "stop")
    )
    return mask.bool() & (position >= start) & (position < stop)


def _fires(sums: dict[str, Tensor], block: int, counted: Tensor, owner: Tensor, shards: int, x: Tensor, hook: object) -> None:
    counted = counted.to(x.device)
    fires = x > 0
    total = (fires & counted[..., None]).sum(1) if x.is_cuda else torch.bmm(counted[:, None].float(), fires.float())[:, 0]
    _add(sums, f"fires.{block}", total, owner, shards)


def _values(sums: dict[str, Tensor], block: int, counted: Tensor, owner: Tensor, shards: int, x: Tensor, hook: object) -> None:
    """A GPU waits for its memory, so no float32 copy is made there; a CPU is fastest at matrix products."""
    counted = counted.to(x.device)
    if x.is_cuda:
        own = x.masked_fill(~counted[..., None], 0)
        total = own.sum(1, dtype=torch.float32)
        squares = torch.linalg.vector_norm(own, dim=1, dtype=torch.float32).double().square()
    else:
        weights, values = counted[:, None].float(), x.float()
        total, squares = (torch.bmm(weights, each)[:, 0] for each in (values, values.square()))
    _add(sums, f"sum.{block}", total, owner, shards)
    _add(sums, f"square.{block}", squares, owner, shards)


def _add(sums: dict[str, Tensor], key: str, total: Shaped[Tensor, "item neuron"], owner: Tensor, shards: int) -> None:
    total = (total.cpu() if total.device.type == "mps" else total).double()  # which has no double precision
    empty = total.new_zeros(shards, total.shape[-1])
    sums.setdefault(key, empty).index_add_(0, owner.to(total.device), total)


def _keep(recorded: dict[str, Tensor], name: str, row: int, counted: Tensor, x: Tensor, hook: object) -> None:
    """What one sentence of a batch holds at its own tokens, `[token neuron]`, by the name of the hook."""
    recorded[name] = x[row, counted[row].to(x.device)].float().cpu()


def _check_sentences(
    model: TransformerBridge,
    counted: Mapping[int, dict[str, Tensor]],
    sequences: Sequence[Sequence[int]],
    tokenized: Sequence[Span],
) -> None:
    """Run some sentences again, each alone. Raises `ReceiptError` where what was counted of one is another than it holds there."""
    off = []
    for item, recorded in counted.items():
        batch, (start, stop) = pad(model, [sequences[item]]), (tokenized[item].start, tokenized[item].stop)
        _, cache = model.run_with_cache(batch.ids, attention_mask=batch.mask, names_filter=list(recorded), use_cache=False)
        plain = {name: cache[name][0, start:stop].float().cpu() for name in recorded}
        off.append(max(share_of_norm(recorded[name], plain[name]) for name in recorded))
    receipts.record_differences(_WHAT, off, tolerance_of(model))


def _moments(sums: Mapping[str, Tensor], tokens: Tensor, blocks: int) -> dict[str, Tensor]:
    counted = tokens.clamp(min=1)[:, None, None]
    rate, mean, square = (
        torch.stack([sums[f"{kind}.{b}"].cpu() for b in range(blocks)], 1) / counted for kind in ("fires", "sum", "square")
    )
    variance = (square - mean.square()).clamp(min=0)
    return {"rate": rate.float(), "mean": mean.float(), "variance": variance.float(), "tokens": tokens}


def _resume(
    cache: Cache[dict[str, Tensor]], code: str, facts: Facts, count: Callable[[], dict[str, Tensor]], together: bool
) -> dict[str, Tensor]:
    """The counts of one language, in a folder that holds those of one model and text."""
    folder = cache.folder
    with locked(folder, shared=together):
        before = _asked_before(folder / _COUNTS)
        if before is not None and (other := differences(before, facts)):
            raise ValueError(
                f"{folder} holds counts of {describe_differences(dict([next(iter(other.items()))]))}. Choose another folder."
            )
        write_sealed(folder / _COUNTS, facts)
        path, of = folder / f"{code}.safetensors", {**facts, "language": code}
        if (saved := cache.find(of, path)) is not None:
            _log.info("neurons: %s is already counted in %s", code, folder)
            return saved
        counts = count()
        cache.keep(of, counts, path)
        return counts


def _asked_before(path: Path) -> dict[str, Json] | None:
    """What the counts in a folder are of; None where nothing says so: each file knows by itself."""
    try:
        return read_sealed(path) if path.is_file() else None
    except ValueError as error:
        _log.warning("%s. It is written again.", error)
        return None
