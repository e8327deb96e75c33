"""Prompts with marked spans, and metrics of the answer after them, for activation patching."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from interp.generation.continuation import continuation
from interp.interventions.edits import tokens_of
from interp.models.batches import pad
from interp.models.checks.finite import check_finite
from interp.models.tokens import read_texts

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Anchor = Literal["last", "span", "span_mean"]
Metric = Literal["logit_difference", "logprob", "kl"]
ANCHORS, METRICS = get_args(Anchor), get_args(Metric)

_SPAN = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """A prompt as text and as token ids, and the positions of its marked span (empty if none is marked)."""

    text: str
    ids: tuple[int, ...]
    span: tuple[int, ...] = ()

    def positions(self, anchor: Anchor) -> tuple[int, ...]:
        """The positions of the tokens of an `anchor`. Raises `ValueError` if it is unknown, or no span is marked."""
        if anchor not in ANCHORS:
            raise ValueError(f"got anchor {anchor!r}, expected one of {', '.join(ANCHORS)}.")
        if anchor == "last":
            return (len(self.ids) - 1,)
        if not self.span:
            raise ValueError(f"anchor {anchor!r}: no span is marked in {self.text!r}. Mark one with [[ and ]].")
        return self.span[-1:] if anchor == "span" else self.span


def marked(model: TransformerBridge, text: str) -> Prompt:
    """Tokenize a prompt (`text`) with at most one `[[marked span]]`, which is every token that shares a character with it.

    Raises `ValueError` for several spans, a span without a token, or a slow tokenizer of `model`.
    """
    spans = _SPAN.findall(text)
    if len(spans) > 1:
        raise ValueError(f"got {len(spans)} marked spans in {text!r}, expected one at most.")
    plain = _SPAN.sub(lambda span: span.group(1), text)
    ids = tuple(tokens_of(model, plain))
    if not spans:
        return Prompt(plain, ids)
    if not model.tokenizer.is_fast:
        raise ValueError("got a slow tokenizer, expected a fast one, which knows the characters of each token. Or mark no span.")
    first = text.index("[[")
    last = first + len(spans[0])
    (read,) = read_texts(model.tokenizer, [plain], offsets=True)
    offsets = read.offsets or []
    span = tuple(token for token in range(read.start, read.stop) if offsets[token][0] < last and offsets[token][1] > first)
    if not span:
        raise ValueError(f"got marked span {spans[0]!r}, which has no token in {plain!r}, expected text. Mark a whole word.")
    return Prompt(plain, ids, span)


@dataclass(frozen=True)
class Question:
    """The metric after each edit: logit of the right minus that of the wrong answer, log-probability of the right answer (nats), or
    KL divergence from the next-token distribution of the clean run (nats)."""

    metric: Metric
    answer: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    clean: Tensor | None = None

    def read(self, logits: Float[Tensor, "item token vocab"]) -> Float[Tensor, " item"]:
        """The metric of each row of `logits`. Raises `ValueError` if one is not finite."""
        check_finite(logits.detach(), lambda row, token, _: f"patch: a logit of run {row} at token {token} behind the prompt")
        if self.metric == "logit_difference":
            return logits[:, 0, self.answer[0]] - logits[:, 0, self.wrong[0]]
        log_probs = logits.float().log_softmax(-1)
        if self.metric == "logprob":
            return log_probs[:, range(len(self.answer)), list(self.answer)].sum(1)
        assert self.clean is not None
        clean = self.clean.float().log_softmax(-1)
        return (clean.exp() * (clean - log_probs[:, 0])).sum(-1)

    @property
    def tail(self) -> tuple[int, ...]:
        """The ids of the continuation that the metric needs."""
        return self.answer if self.metric == "logprob" else ()


class ClashError(ValueError):
    """Two answers cannot be told apart by their first token."""


def question(model: TransformerBridge, clean: Prompt, metric: Metric, answer: str = "", wrong: str = "") -> Question:
    """Prepare a metric.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    clean
        The clean prompt, after which answers are tokenized.
    metric
        `logit_difference`, `logprob` or `kl`.
    answer, wrong
        The right answer (not for `kl`), and a wrong one (`logit_difference` only).

    Raises
    ------
    ValueError
        The metric is unknown, or an answer has no token.
    ClashError
        Both answers share their first token.
    """
    if metric not in METRICS:
        raise ValueError(f"got metric {metric!r}, expected one of {', '.join(METRICS)}.")
    if metric == "kl":
        return Question(metric, clean=untouched(model, clean.ids)[0, 0])
    right = continuation(model, clean.text, answer)
    if metric == "logprob":
        return Question(metric, right)
    other = continuation(model, clean.text, wrong)
    if right[0] == other[0]:
        raise ClashError(f"answers {answer!r} and {wrong!r} share their first token. Use metric 'logprob', or other answers.")
    return Question(metric, right, other)


@torch.no_grad()
def untouched(model: TransformerBridge, ids: Sequence[int], tail: Sequence[int] = ()) -> Float[Tensor, "item token vocab"]:
    """The logits of `model` after an unchanged prompt (`ids`) and its `tail`, one row, shaped as those of `run_edits`."""
    batch = pad(model, [[*ids, *tail[:-1]]])
    return model(batch.ids, attention_mask=batch.mask, use_cache=False, logits_to_keep=max(1, len(tail)))
