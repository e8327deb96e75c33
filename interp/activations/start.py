"""A token before every text, which takes the place of the attention sink where a text would be nothing but sinks.

Without a BOS the first token of a text is a sink, and a word of one token has no other. Not every token helps: behind one that the
model never saw in training (`<|im_start|>` in SmolLM2-135M) all three of "Indian Rupee" are sinks, 7 to 8 times the median; behind
`<|endoftext|>` none is. So a start is tried on the texts before it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp.activations.pool import Pooling
from interp.activations.sinks import SINK, SinkDetector, token_norms
from interp.activations.spans import Span, Template, spans
from interp.languages import language
from interp.models.batches import batches, pad
from interp.models.tokens import tokens_in_front
from interp.text.corpus import ParallelCorpus

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

FIRST_READ = 2
"""Tokens of each text that are read first; few texts begin with so many sinks, and of those twice as many are read, and so on."""
_ROOM = 0.9
"""Share of `SINK` that counts as a sink here: half precision moves a norm a little with the batch, and a text that is refused
later costs the run."""
_MAX_TOKENS = 4096


def start_token(model: TransformerBridge, token: str) -> int | None:
    """The id of a `token` to put before every text for `model`. "" gives None.

    Raises `ValueError` where the tokenizer puts a token there itself, or `token` is no single token.
    """
    tokenizer = model.tokenizer
    if token == "":
        return None
    if tokens_in_front(tokenizer):
        raise ValueError(f"got start {token!r}, expected none: this tokenizer puts a special token before every text itself.")
    ids = tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 and token in (vocabulary := tokenizer.get_vocab()):  # as signatures spell it: "\u0120the" for " the"
        return int(vocabulary[token])
    if len(ids) != 1:
        raise ValueError(
            f"got start {token!r}, which is {len(ids)} tokens, expected a single token such as {tokenizer.eos_token!r}."
        )
    return int(ids[0])


def find_start(
    model: TransformerBridge, corpus: ParallelCorpus, template: Template, detector: SinkDetector, pooling: Pooling
) -> int | None:
    """The id of a token behind which no text of a corpus, in any language, is nothing but sinks; None where none is needed.

    It is asked of all languages before any is captured, so that processes which share a capture decide alike. No token sees those
    behind it: what a text begins with is judged without its rest, so this reads two tokens of most texts.

    Parameters
    ----------
    model, corpus, template, pooling
        As for `interp.capture`.
    detector
        Finds the sinks. Where texts of the model do not begin with one, or a template stands before them, no start is needed.

    Returns
    -------
    The first that serves of the tokenizer's BOS, end, padding and other special tokens and the newline; the first of all if none
    does. None if every text has a token to pool without.

    Raises
    ------
    ValueError
        The tokenizer has none of these tokens.
    """
    if not detector.first:
        return None
    read = [
        span
        for code in corpus.languages
        for span in spans(model.tokenizer, corpus.sentences[code], template.around(language(code)))
    ]
    texts = {_pooled_over(text, pooling) for text in read if text.start == 0} - {()}
    if not (lost := _only_sinks(model, detector, texts, ())):
        return None
    starts = _starts(model)
    if not starts:
        raise ValueError(
            "capture: some texts are nothing but attention sinks in this model, and its tokenizer has no start token to put "
            'before them. Give start="..." or a template, or keep the sinks (sinks="keep").'
        )
    serving = (start for start in starts if not any(_only_sinks(model, detector, some, (start,)) for some in (lost, texts)))
    return next(serving, starts[0])


def _starts(model: TransformerBridge) -> list[int]:
    """The tokens that may stand before every text, in the order of trial."""
    tokenizer = model.tokenizer
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"]
    known = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, *tokenizer.all_special_ids]
    known += newline if len(newline) == 1 else []
    return [int(token) for token in dict.fromkeys(known) if token is not None and token < model.cfg.d_vocab]


def _pooled_over(text: Span, pooling: Pooling) -> tuple[int, ...]:
    """The ids of a text up to the last token that could be pooled."""
    return text.ids if pooling == "end" and text.stop else text.ids[: text.stop]


def _only_sinks(
    model: TransformerBridge, detector: SinkDetector, texts: set[tuple[int, ...]], before: tuple[int, ...]
) -> set[tuple[int, ...]]:
    """Those of some token ids that are nothing but attention sinks with other ids `before` them."""
    width, only = FIRST_READ, set[tuple[int, ...]]()
    while texts:
        heads = sorted({ids[:width] for ids in texts})
        alike = {head for head, sinks in zip(heads, _all_sinks(model, detector, heads, before), strict=True) if sinks}
        texts = {ids for ids in texts if ids[:width] in alike}
        only |= {ids for ids in texts if len(ids) <= width}
        texts -= only
        width *= 2
    return only


def _all_sinks(
    model: TransformerBridge, detector: SinkDetector, heads: Sequence[tuple[int, ...]], before: tuple[int, ...]
) -> list[bool]:
    """Whether each of some sequences of ids is nothing but attention sinks with other ids `before` them."""
    result = [False] * len(heads)
    for group in batches([len(head) for head in heads], _MAX_TOKENS):
        batch = pad(model, [(*before, *heads[index]) for index in group])
        sinks = detector.ratios(token_norms(model, batch)) > _ROOM * SINK
        for index, row in zip(group, sinks, strict=True):
            result[index] = bool(row[-len(heads[index]) :].all())
    return result
