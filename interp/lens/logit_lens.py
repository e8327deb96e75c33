"""The logit lens over layers and positions, with constant memory in the vocabulary.

A state is read with the model's own final norm, unembedding and output transform (the soft cap of Gemma 2), by `logit_readout` of
TransformerLens; a tuned lens translates it first. Layers are those of the residual stream: `embed`, then the output of each block,
so the last layer is the model's own prediction, with every lens. Early layers are not in the basis of the unembedding, and the
logit lens then favours frequent tokens, which are English in most vocabularies. Compare with unrelated words, with a randomly
initialised model, and with a tuned lens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial

import torch
from accelerate.utils import align_module_device
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.exceptions import StopAtLayerException
from transformer_lens.tools.analysis import logit_readout

from interp.lens import distributions
from interp.models.batches import Batch, batches, context_limit, pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.hooks import Hooks
from interp.models.plain.runner import runner
from interp.models.sites import layer_names, row_hook
from interp.models.tokens import prompt_ids
from interp.progress import Progress, shown

Lens = Callable[[Float[Tensor, "row d_model"], str], Float[Tensor, "row d_model"]]
"""Translates states of the named layer (`embed`, `0` ..) before they are read; None is the logit lens."""

_CELLS = 2**24  # at most this many probabilities at once: 64 MiB of float32


@dataclass(frozen=True)
class LensReading:
    """The readout of every layer of the residual stream (`layers`), for each prompt or each position of one prompt.

    `mass`, the probability, and `rank` of token sets; `entropy` and `divergence` (KL from the last layer) in bits; token `energy`;
    `scripts`, the probability of each class of tokens; and the most probable tokens with their probabilities.
    """

    layers: tuple[str, ...]
    mass: Float[Tensor, "layer sentence item"]
    rank: Int[Tensor, "layer sentence target"]
    entropy: Float[Tensor, "layer sentence"]
    divergence: Float[Tensor, "layer sentence"]
    energy: Float[Tensor, "layer sentence"]
    scripts: Float[Tensor, "layer sentence script"]
    top_tokens: Int[Tensor, "layer sentence k"]
    top_mass: Float[Tensor, "layer sentence k"]


@torch.no_grad()
def stream(model: TransformerBridge, batch: Batch, *, last_only: bool = True) -> Float[Tensor, "layer sentence token d_model"]:
    """The residual stream of `model` at every layer, at the last token of each prompt of `batch`; at all without `last_only`."""
    names = [row_hook("residual", layer) for layer in rows_of(model)]
    kept: dict[str, Tensor] = {}

    def keep(activation: Tensor, hook: object, name: str) -> None:
        kept[name] = (activation[:, -1:] if last_only else activation).clone()

    hooks: Hooks = [(name, partial(keep, name=name)) for name in names]
    runner(model, names).run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=hooks, use_cache=False, logits_to_keep=1)
    return torch.stack([kept[name].to(model.cfg.device) for name in names])


@torch.no_grad()
def last_states(model: TransformerBridge, batch: Batch) -> Float[Tensor, "item token d_model"]:
    """The residual stream of `model` behind its last block, at every token of `batch`: what `unembed` reads as its prediction."""
    name = row_hook("residual", rows_of(model)[-1])

    def stop(activation: Tensor, hook: object) -> None:
        raise StopAtLayerException(activation)

    return runner(model, [name]).run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=[(name, stop)], use_cache=False)


def rows_of(model: TransformerBridge) -> tuple[str, ...]:
    """The layers of `model` that a lens reads: `embed`, then the output of each block."""
    return layer_names("residual", model.cfg.n_layers)


def unembed(
    model: TransformerBridge, hidden: Float[Tensor, "*row d_model"], *, gradients: bool = False
) -> Float[Tensor, "*row vocab"]:
    """Read states (`hidden`) with the final norm and the unembedding of `model`; of the last layer, these are the model's logits.

    With `gradients`, they flow through the readout.
    """
    size, norm = max(hidden[..., 0].numel(), 1), _norm_device(model, hidden.device)
    with align_module_device(model.unembed.original_component):
        apart = norm != model.W_U.device
        if apart:  # over several devices: logit_readout takes the state to the head, and the norm need not lie there
            with torch.set_grad_enabled(gradients):
                hidden = model.ln_final(hidden.to(norm, model.W_U.dtype).reshape(1, -1, model.cfg.d_model)).reshape(hidden.shape)
        return logit_readout(model, hidden, apply_ln=not apart, chunk_size=size, enable_grad=gradients).values


def _norm_device(model: TransformerBridge, otherwise: torch.device) -> torch.device:
    """Where the final norm lies, in a model over several devices."""
    weight = next(model.ln_final.parameters(), None)
    return otherwise if weight is None or weight.is_meta else weight.device


def pieces(model: TransformerBridge, rows: int, most: int | None = None) -> Iterator[slice]:
    """Slices of `rows` rows, each with at most so many (`most`; by default 2**24) probabilities over the vocabulary of `model`."""
    size = max((most or _CELLS) // model.cfg.d_vocab, 1)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def read_prompts(
    model: TransformerBridge,
    prompts: Sequence[str],
    sets: Int[Tensor, "sentence item width"],
    classes: tuple[Int[Tensor, " vocab"], int],
    *,
    ranked: int | None = None,
    lens: Lens | None = None,
    top: int = 5,
    max_tokens: int = 4096,
    bar: Progress | None = None,
) -> LensReading:
    """Read the next token after each prompt at every layer.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompts
        Texts.
    sets
        Token sets of each prompt, whose probability is read, padded with -1.
    classes
        Class of each token, such as its script, and the number of classes.
    ranked
        Number of sets, the first ones, whose rank is read, too. Default: all.
    lens
        A tuned lens. Default: the logit lens.
    top
        Number of most probable tokens to keep.
    max_tokens
        Number of tokens in a batch, with padding. Lower it if memory runs out.
    bar
        The bar of a larger battery, which is moved on by one per prompt. Default: a bar of these prompts alone.

    Raises
    ------
    ValueError
        A prompt has no token or is longer than the context, or a state or log-probability is not finite.
    """
    if len(prompts) != len(sets):
        raise ValueError(f"got {len(sets)} rows of token sets for {len(prompts)} prompts, expected one row for each prompt.")
    sequences = _sequences(model, prompts)
    gram, parts, order = _gram(model), [], []
    with shown(bar, total=len(sequences), desc="lens", unit="prompt") as bar:
        for group in batches([len(sequence) for sequence in sequences], max_tokens):
            hidden = stream(model, pad(model, [sequences[index] for index in group]))[:, :, 0]
            _check(model, hidden, [f"prompt {index}" for index in group])
            parts.append(_read(model, hidden, sets[group], classes, ranked, lens, top, gram))
            order += group
            bar.update(len(group))
    return _join(parts, torch.tensor(order).argsort())


def read_positions(
    model: TransformerBridge, prompt: str, classes: tuple[Int[Tensor, " vocab"], int], *, lens: Lens | None = None, top: int = 5
) -> tuple[list[int], LensReading]:
    """The ids of `prompt`, and the next token after each position at every layer; `model, classes, lens, top` as `read_prompts`."""
    (ids,) = _sequences(model, [prompt])
    hidden = stream(model, pad(model, [ids]), last_only=False)[:, 0]
    _check(model, hidden, [f"position {position}" for position in range(len(ids))])
    nothing = torch.zeros(len(ids), 0, 1, dtype=torch.long)
    return ids, _read(model, hidden, nothing, classes, None, lens, top, _gram(model))


def _check(model: TransformerBridge, hidden: Float[Tensor, "layer sentence d_model"], where: Sequence[str]) -> None:
    rows = rows_of(model)
    check_finite(hidden, lambda row, place, _: f"lens: the state of layer {rows[row]} at {where[place]}", is_half(model))


def _sequences(model: TransformerBridge, prompts: Sequence[str]) -> list[list[int]]:
    sequences, limit = prompt_ids(model.tokenizer, prompts), context_limit(model)
    longest = max(map(len, sequences))
    if limit is not None and longest > limit:
        raise ValueError(
            f"got a prompt of {longest} tokens, expected at most {limit}, the context length. Use fewer examples or shorter text."
        )
    if not all(sequences):
        raise ValueError(f"got prompt {prompts[sequences.index([])]!r}, which has no token, expected at least one token.")
    return sequences


@torch.no_grad()
def log_probabilities(
    model: TransformerBridge, hidden: Float[Tensor, "row d_model"], layer: str, lens: Lens | None = None
) -> Float[Tensor, "row vocab"]:
    """The log-probabilities (nats) that states (`hidden`) of one `layer` of `model` predict, by a `lens`, unused at the last layer.

    Raises `ValueError` if one is not finite.
    """
    if lens is not None and layer != rows_of(model)[-1]:
        hidden = lens(hidden, layer)
    log_probs = unembed(model, hidden).float().log_softmax(-1).to(hidden.device)
    check_finite(log_probs, lambda row, _: f"lens: a log-probability at layer {layer} (row {row})", is_half(model))
    return log_probs


def _read(
    model: TransformerBridge,
    hidden: Float[Tensor, "layer sentence d_model"],
    sets: Int[Tensor, "sentence item width"],
    classes: tuple[Tensor, int],
    ranked: int | None,
    lens: Lens | None,
    top: int,
    gram: Tensor,
) -> LensReading:
    read = []
    for part in pieces(model, hidden.shape[1]):
        wanted = sets[part].to(hidden.device)
        final = log_probabilities(model, hidden[-1, part], rows_of(model)[-1])
        rows = [
            _measure(final, log_probabilities(model, hidden[row, part], layer, lens), wanted, classes, ranked, top)
            for row, layer in enumerate(rows_of(model))
        ]
        energy = [distributions.token_energy(_centred(model, row), gram) for row in hidden[:, part]]
        read.append(
            {name: torch.stack([row[name] for row in rows]).cpu() for name in rows[0]} | {"energy": torch.stack(energy).cpu()}
        )
    return LensReading(rows_of(model), **{name: torch.cat([piece[name] for piece in read], 1) for name in read[0]})


def _measure(
    final: Tensor, early: Tensor, sets: Tensor, classes: tuple[Tensor, int], ranked: int | None, top: int
) -> dict[str, Tensor]:
    probabilities = early.exp()
    best = probabilities.topk(min(top, probabilities.shape[-1]))
    return {
        "mass": distributions.set_mass(probabilities, sets),
        "rank": distributions.set_rank(probabilities, sets[:, :ranked]),
        "entropy": distributions.entropy(probabilities),
        "divergence": distributions.divergence(final, early),
        "scripts": distributions.class_mass(probabilities, *classes),
        "top_tokens": best.indices,
        "top_mass": best.values,
    }


def _join(parts: list[LensReading], order: Tensor) -> LensReading:
    names = [field.name for field in fields(LensReading) if field.name != "layers"]
    return LensReading(parts[0].layers, **{name: torch.cat([getattr(part, name) for part in parts], 1)[:, order] for name in names})


@torch.no_grad()
def _gram(model: TransformerBridge) -> Float[Tensor, "d_model d_model"]:
    """The token directions' second moment; the final norm's gain is what it does to a vector of mean 0 and variance 1."""
    with align_module_device(model.unembed.original_component):
        unembedding = model.W_U
        probe = torch.ones(1, 1, model.cfg.d_model, dtype=unembedding.dtype, device=_norm_device(model, unembedding.device))
        probe[..., 1::2] = -1
        gain = (probe * (model.ln_final(probe) - model.ln_final(-probe)) / 2).flatten()
        return distributions.token_gram(unembedding.T, gain.to(unembedding.device)).to(model.cfg.device)


def _centred(model: TransformerBridge, hidden: Tensor) -> Tensor:
    return hidden - hidden.mean(-1, keepdim=True) if (model.cfg.normalization_type or "").startswith("LN") else hidden
