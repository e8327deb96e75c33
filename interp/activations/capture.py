"""Run parallel text through a model and pool the activations of each sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from interp.activations.folder import fill_folder
from interp.activations.receipts import check_states
from interp.activations.spans import Span, Template, spans
from interp.activations.store import Activations, choose_rows
from interp.languages import language
from interp.models.batches import Batch, batches, context_limit, pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.computation import computed_by, model_facts
from interp.models.hooks import hooks_in_force
from interp.models.load import identify
from interp.models.sites import Site, layer_names, row_hook
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus

Pooling = Literal["mean", "last", "weighted", "end"]
_log = logging.getLogger(__name__)


def capture(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    *,
    site: Site = "residual",
    pooling: Pooling = "mean",
    layers: Sequence[str | int] | None = None,
    template: str | None = None,
    folder: str | Path | None = None,
    only: Sequence[str] | None = None,
    max_tokens: int | None = None,
    include_bos: bool = False,
    truncate: bool = False,
    progress: bool = True,
) -> Activations:
    """Run parallel text through a model and pool the activations of each sentence, at each layer, in each language.

    Parameters
    ----------
    model
        A model from `interp.load`. Hooks on it apply, and the signature names them (`hooks:`).
    corpus
        Parallel text, from `interp.read`.
    site
        "residual": the residual stream, N + 1 layers named "embed" (the input of block 0), "0" .. "N-1" (the output of each block).
        "attention" or "mlp": what each block adds to the residual stream, N layers "0" .. "N-1".
    pooling
        How to combine the tokens of a sentence. "mean": their mean. "last": the last token of the sentence. "weighted": the
        position-weighted mean of MEXA, w_t = t / sum(t). "end": the last token of the whole prompt, the template included.
        Special tokens and padding are excluded.
    layers
        Layers to keep, by name ("embed", "3") or by row number, which may be negative. The forward pass stops after the last of
        them. Default: all.
    template
        A prompt around each sentence: "{sentence}" once, and "{language}" (English name) or "{autonym}" if wanted. Only the tokens
        of the sentence are pooled, but for "end". Default: the sentence alone.
    folder
        Where to save one file for each language. An interrupted capture continues with the next language; a folder with another
        model, corpus or setting is refused. Default: keep the activations in memory.
    only
        Capture only these languages, so that several processes can share a folder. A call without it then completes the folder.
    max_tokens
        Maximum number of tokens of a batch, including padding. The result does not depend on it. Default: 16384 on a GPU; on a CPU
        2**19 / d_model, but at least 512, above which only memory grows.
    include_bos
        Also pool the special tokens before the sentence, as MEXA does. The attention sink then dominates the mean.
    truncate
        Truncate texts that exceed the context length. Default: they are an error.
    progress
        Show a progress bar.

    Returns
    -------
    `Activations`: `activations[language]` is float32 `[layer sentence d_model]`.

    Raises
    ------
    ValueError
        A sentence is empty or too long, a value is NaN or infinite, the site does not exist in this architecture, the folder
        holds another capture, or an argument has no valid value.

    Notes
    -----
    "last" compares the ends of sentences, which are mostly full stops.

    References
    ----------
    Kargaran et al. 2024, "MEXA", arXiv 2410.05873 (pooling "weighted").

    Example
    -------
    >>> import interp
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> activations = interp.capture(interp.load("bundled"), corpus, progress=False)
    >>> tuple(activations["deu_Latn"].shape)  # layer, sentence, d_model
    (9, 4, 192)
    >>> activations.layers[:3]
    ('embed', '0', '1')
    """
    if pooling not in get_args(Pooling):
        raise ValueError(f"got pooling {pooling!r}, expected one of {', '.join(get_args(Pooling))}.")
    if include_bos and template is not None:
        raise ValueError(
            "capture: got include_bos and a template, expected one of them: with a template only the sentence is pooled."
        )
    names = layer_names(site, model.cfg.n_layers)
    chosen = tuple(names[row] for row in choose_rows(names, layers))
    framed = Template("{sentence}" if template is None else template)
    codes = corpus.languages if only is None else corpus.select(only).languages
    texts = {code: _read(model, corpus, code, framed, include_bos, truncate) for code in codes}
    settings: dict[str, object] = {"site": site, "pool": pooling, "template": "none", "bos": include_bos}
    if template is not None:
        settings["template"] = json.dumps(template, ensure_ascii=False)
    if layers is not None:
        settings["layers"] = ",".join(chosen)
    if truncate:
        settings["cut"] = True
    signature = Signature("capture", identify(model), corpus.identity, settings | hooks_in_force(model))
    facts = {**model_facts(model), **computed_by(model.cfg.device)} if folder is not None else {}
    planned = replace(_plan(corpus, chosen, site, pooling, signature, texts), facts=facts)
    hooks = [row_hook(site, layer) for layer in chosen]
    bound = max_tokens if max_tokens is not None else _batch_tokens(model)

    def run(code: str, bar: tqdm) -> Float[Tensor, "layer sentence d_model"]:
        bar.set_description(f"capture {code}")
        names = [f"of sentence {item!r} in {code}" for item in corpus.ids]
        return _pool_language(model, texts[code], names, dict(zip(chosen, hooks, strict=True)), pooling, bound, bar.update)

    with tqdm(total=len(corpus) * len(codes), unit="sentence", disable=None if progress else True) as bar, torch.no_grad():
        if folder is None:
            acts = replace(planned, languages=codes, states=MappingProxyType({code: run(code, bar) for code in codes}))
        else:
            acts = fill_folder(Path(folder), planned, lambda code: run(code, bar), bar.update, None if only is None else codes)
        check_states(model, acts, texts, hooks)
        return acts


def _batch_tokens(model: TransformerBridge) -> int:
    return max(512, 2**19 // model.cfg.d_model) if str(model.cfg.device) == "cpu" else 16384


def _plan(
    corpus: ParallelCorpus,
    layers: tuple[str, ...],
    site: Site,
    pooling: Pooling,
    signature: Signature,
    texts: dict[str, list[Span]],
) -> Activations:
    """The activations as they will be, without their states."""
    return Activations(
        layers=layers,
        site=site,
        pooling=pooling,
        ids=corpus.ids,
        languages=corpus.languages,
        signature=signature,
        documents=corpus.documents,
        labels=corpus.labels,
        token_ids={
            code: [torch.tensor(span.ids[span.start : span.stop]) for span in tokenized] for code, tokenized in texts.items()
        },
    )


def _read(
    model: TransformerBridge, corpus: ParallelCorpus, code: str, template: Template, include_bos: bool, truncate: bool
) -> list[Span]:
    """One language tokenized, and refused where a sentence is empty or does not fit the context."""
    tokenized = spans(model.tokenizer, corpus.sentences[code], template.around(language(code)), include_bos)
    limit = context_limit(model) or max(len(span.ids) for span in tokenized)
    if truncate:
        cut = sum(len(span.ids) > limit for span in tokenized)
        if cut:
            _log.warning("capture: %d of %d sentences in %s truncated to %d tokens", cut, len(tokenized), code, limit)
        tokenized = [Span(span.ids[:limit], span.start, min(span.stop, limit)) for span in tokenized]
    for item, span in zip(corpus.ids, tokenized, strict=True):
        if span.start >= span.stop:
            raise ValueError(
                f"capture: sentence {item!r} in {code} is empty or was truncated, expected at least one token in every sentence."
            )
        if len(span.ids) > limit:
            raise ValueError(
                f"capture: got {len(span.ids)} tokens in sentence {item!r} in {code}, expected at most {limit}, the context "
                "length. Shorten the text, or give truncate=True."
            )
    return tokenized


def _pool_language(
    model: TransformerBridge,
    texts: list[Span],
    names: list[str],
    hooks: dict[str, str],
    pooling: Pooling,
    max_tokens: int,
    done: Callable[[int], object],
) -> Float[Tensor, "layer sentence d_model"]:
    """The pooled states of one language; `names` say whose each text is, `hooks` give the hook of each layer by its name."""
    pooled, layers = torch.empty(len(hooks), len(texts), model.cfg.d_model), list(hooks)
    for group in batches([len(text.ids) for text in texts], max_tokens):
        some = [texts[index] for index in group]
        try:
            states = _pool_batch(model, pad(model, [text.ids for text in some]), some, list(hooks.values()), pooling).cpu()
        except torch.OutOfMemoryError as error:
            error.add_note(f"capture: a batch of {len(group)} texts with {len(some[0].ids)} tokens did not fit. Lower max_tokens.")
            raise
        check_finite(
            states,
            lambda row, member, _, group=group: f"capture: the state at layer {layers[row]} {names[group[member]]}",
            is_half(model),
        )
        pooled[:, group] = states
        done(len(group))
    return pooled


def _pool_batch(
    model: TransformerBridge, batch: Batch, texts: list[Span], hooks: list[str], pooling: Pooling
) -> Float[Tensor, "layer item d_model"]:
    """One forward pass, pooled inside the hooks: memory grows neither with layers nor with tokens beyond one block's own."""
    take = _pooler(texts, batch, pooling)
    pooled = torch.full((len(hooks), len(texts), model.cfg.d_model), torch.nan, device=batch.ids.device)
    waiting = set(range(len(hooks)))

    def keep(row: int) -> Callable[..., None]:
        def hook(state: Tensor, hook: object) -> None:
            pooled[row] = take(state)
            waiting.discard(row)
            if not waiting:
                raise StopAtLayerException(state)

        return hook

    with model.hooks(fwd_hooks=[(name, keep(row)) for row, name in enumerate(hooks)]):
        model(batch.ids, attention_mask=batch.mask, use_cache=False)
    if waiting:
        raise ValueError(f"capture: {hooks[min(waiting)]} never ran in this architecture. Choose another site or other layers.")
    return pooled


def _pooler(texts: list[Span], batch: Batch, pooling: Pooling) -> Callable[[Tensor], Float[Tensor, "item d_model"]]:
    """From one layer's states `[item token d_model]` to one float32 state an item."""
    items, width = batch.ids.shape
    shifts = [width - len(text.ids) for text in texts]
    if pooling in ("last", "end"):
        ends = [shift + (text.stop if pooling == "last" else len(text.ids)) - 1 for text, shift in zip(texts, shifts, strict=True)]
        return lambda state: state[range(items), ends].float()
    weights = torch.zeros(items, 1, width)
    for row, (text, shift) in enumerate(zip(texts, shifts, strict=True)):
        n = text.stop - text.start
        each = torch.arange(1, n + 1) if pooling == "weighted" else torch.ones(n)
        weights[row, 0, shift + text.start : shift + text.stop] = each / each.sum()
    weights = weights.to(batch.ids.device)
    return lambda state: torch.bmm(weights.to(state.device), state.float())[:, 0]
