"""Run parallel text through a model and pool the activations of each sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Never, get_args

import torch
from tqdm.auto import tqdm
from transformer_lens.model_bridge import TransformerBridge

from interp.activations.folder import fill_folder
from interp.activations.pool import Pooled, Pooling, pool_language
from interp.activations.receipts import check_states
from interp.activations.sinks import SinkRule, sink_detector
from interp.activations.spans import Span, Template, spans
from interp.activations.start import find_start, start_token
from interp.activations.store import Activations, choose_rows
from interp.languages import language
from interp.models.batches import context_limit
from interp.models.computation import computed_by, model_facts
from interp.models.hooks import hooks_in_force
from interp.models.load import identify
from interp.models.sites import Site, layer_names, row_hook
from interp.provenance import Signature
from interp.text.chat import chat_digest
from interp.text.corpus import ParallelCorpus

_log = logging.getLogger(__name__)


def capture(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    *,
    site: Site = "residual",
    pooling: Pooling = "mean",
    layers: Sequence[str | int] | None = None,
    template: str | None = None,
    chat: bool = False,
    folder: str | Path | None = None,
    only: Sequence[str] | None = None,
    max_tokens: int | None = None,
    sinks: SinkRule = "omit",
    start: str | None = None,
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
        Layers to keep, by name ("embed", "3") or by row number, which may be negative. Default: all.
    template
        A prompt around each sentence: "{sentence}" once, and "{language}" (English name) or "{autonym}" if wanted. Only the tokens
        of the sentence are pooled, but for "end". Default: the sentence alone.
    chat
        Write every text, with its template, as the user's message in the chat template of the tokenizer. Only the tokens of the
        sentence are pooled, but for "end", which is then the token before the assistant's answer.
    folder
        Where to save one file for each language. An interrupted capture continues with the next language; a folder with another
        model, corpus or setting is refused. Default: keep the activations in memory.
    only
        Capture only these languages, so that several processes can share a folder. A call without it then completes the folder.
    max_tokens
        Maximum number of tokens of a batch, including padding. The result does not depend on it. Default: 16384 on a GPU; on a CPU
        2**19 / d_model, but at least 512, above which only memory grows.
    sinks
        "omit": leave attention sinks out of the pooling, at every layer: tokens whose norm is more than 5 times the median behind
        some block, at any position (`interp.activations.sinks`). They are listed by `Activations.left_out`. "keep": pool them
        too; the forward pass then stops after the last of `layers`.
    start
        A token to put before every text, which then takes the place of the sink. Default: none, unless some text of the corpus,
        in any language, is nothing but attention sinks (one word, on a model without BOS): then the first of the tokenizer's own
        BOS, end, padding and other special tokens and the newline behind which none is, before all texts in all languages. The
        signature names it. "" never adds one.
    include_bos
        Also pool the special tokens before the sentence, as MEXA does, and keep all sinks. The BOS then dominates the mean.
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
        A sentence is empty, too long or nothing but an attention sink, a value is NaN or infinite, the site does not exist in this
        architecture, the folder holds another capture, or an argument has no valid value.

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
    for name, given, known in (("pooling", pooling, get_args(Pooling)), ("sinks", sinks, get_args(SinkRule))):
        if given not in known:
            raise ValueError(f"got {name} {given!r}, expected one of {', '.join(known)}.")
    check_pooled(include_bos, template, chat)
    sinks = "keep" if include_bos else sinks
    names = layer_names(site, model.cfg.n_layers)
    chosen = tuple(names[row] for row in choose_rows(names, layers))
    framed = Template("{sentence}" if template is None else template, model.tokenizer if chat else None)
    codes = corpus.languages if only is None else corpus.select(only).languages
    detector = sink_detector(model) if sinks == "omit" else None
    before = start_token(model, start) if start is not None else None
    if start is None and detector is not None:
        before = find_start(model, corpus, framed, detector, pooling)
    texts = {code: _read(model, corpus, code, framed, before, include_bos, truncate) for code in codes}
    settings: dict[str, object] = {"site": site, "pool": pooling, "template": "none", "bos": include_bos, "sinks": sinks}
    if template is not None:
        settings["template"] = json.dumps(template, ensure_ascii=False)
    if chat:
        settings["chat"] = chat_digest(model.tokenizer)
    if before is not None:
        settings["start"] = model.tokenizer.convert_ids_to_tokens(before)
    if layers is not None:
        settings["layers"] = ",".join(chosen)
    if truncate:
        settings["cut"] = True
    signature = Signature("capture", identify(model), corpus.identity, settings | hooks_in_force(model))
    facts = {**model_facts(model), **computed_by(model.cfg.device)} if folder is not None else {}
    planned = replace(_plan(corpus, chosen, site, pooling, signature, texts), facts=facts)
    hooks = {layer: row_hook(site, layer) for layer in chosen}
    bound = max_tokens if max_tokens is not None else batch_tokens(model)

    def run(code: str, bar: tqdm[Never]) -> Pooled:
        bar.set_description(f"capture {code}")
        names = [f"of sentence {item!r} in {code}" for item in corpus.ids]
        return pool_language(model, texts[code], names, hooks, pooling, bound, detector, bar.update)

    with tqdm(total=len(corpus) * len(codes), unit="sentence", disable=None if progress else True) as bar, torch.no_grad():
        if folder is None:
            pooled = {code: run(code, bar) for code in codes}
            acts = replace(
                planned,
                languages=codes,
                states=MappingProxyType({code: each.states for code, each in pooled.items()}),
                sinks=MappingProxyType({code: each.left_out for code, each in pooled.items()}),
            )
        else:
            acts = fill_folder(Path(folder), planned, lambda code: run(code, bar), bar.update, None if only is None else codes)
        check_states(model, acts, texts, list(hooks.values()), pooling)
        return acts


def batch_tokens(model: TransformerBridge) -> int:
    """Maximum number of tokens of a batch of `capture`, padding included, for `model`: 16384 on a GPU, as many as help on a CPU."""
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


def check_pooled(include_bos: bool, template: str | None, chat: bool) -> None:
    """Raise `ValueError` for `include_bos` with a `template` or with `chat`, where only the sentence is pooled."""
    if include_bos and (template is not None or chat):
        raise ValueError(
            "capture: got include_bos and a template, expected one of them: with a template only the sentence is pooled."
        )


def _read(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    code: str,
    template: Template,
    start: int | None,
    include_bos: bool,
    truncate: bool,
) -> list[Span]:
    """One language tokenized, and refused where a sentence is empty or does not fit the context."""
    tokenized = spans(model.tokenizer, corpus.sentences[code], template.around(language(code)), include_bos)
    if start is not None:
        tokenized = [Span((start, *span.ids), span.start + 1, span.stop + 1) for span in tokenized]
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
