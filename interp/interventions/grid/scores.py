"""The score of a cell: next-token logits, an answer, a choice, a logit difference, a divergence, or a generated text.

Log-probabilities and divergences are in nats. `choice` and `logit_difference` read the first token of each option only. If two
options share it, whole options are scored instead, and the log says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from interp.generation.continuation import continuation
from interp.models.batches import context_limit
from interp.models.checks.finite import check_finite

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Score = Literal["logits", "logprob", "choice", "choice_whole", "logit_difference", "kl", "generate"]

NEAR_TIE = 1e-3
"""Two candidates nearer than this (nats) can change places with the rounding of another method or precision."""


@dataclass(frozen=True)
class Ask:
    """One score of one item. `options` are the token ids of what may follow the prompt, `gold` the right one; `long` asks for
    whole options though their first tokens differ."""

    score: Score
    options: tuple[tuple[int, ...], ...] = ()
    gold: int | None = None
    steps: int = 20
    long: bool = False

    @property
    def clash(self) -> bool:
        """Whether two options share their first token."""
        firsts = [option[0] for option in self.options]
        return len(set(firsts)) < len(firsts)

    @property
    def whole(self) -> bool:
        """Whether whole options are scored, not only their first token."""
        by_first_token = self.score in ("choice", "logit_difference") and not (self.clash or self.long)
        return self.score not in ("logits", "kl", "generate") and not by_first_token

    @property
    def tails(self) -> tuple[tuple[int, ...], ...]:
        """The continuations that need more than the next-token logits."""
        return self.options if self.whole else ()


def ask(
    model: TransformerBridge,
    prompt: str | Sequence[int],
    score: Score | str,
    *,
    options: Sequence[str | Sequence[int]] | None = None,
    gold: int | None = None,
    steps: int = 20,
) -> Ask:
    """Prepare the score of an item.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompt
        The prompt after which the options are tokenized.
    score, options, gold
        As in `transplant_grid`.
    steps
        Number of tokens to generate (`generate` only).

    Raises
    ------
    ValueError
        The score is unknown, or lacks options or the index of the right one.
    """
    if score not in get_args(Score):
        raise ValueError(f"got score {score!r}, expected one of {', '.join(get_args(Score))}.")
    if steps < 1:
        raise ValueError(f"got max_new_tokens {steps}, expected at least 1.")
    needs = {"logprob": 1, "choice": 2, "choice_whole": 2, "logit_difference": 2}.get(score, 0)
    if len(options or ()) < needs:
        lacking = "answers to score" if score == "logprob" else "options to choose from"
        raise ValueError(f"score {score!r}: got {len(options or ())} {lacking}, expected at least {needs}.")
    if score == "logit_difference" and (gold is None or not 0 <= gold < len(options or ())):
        raise ValueError(
            f"score 'logit_difference': got gold {gold}, expected the index of the right one of {len(options or ())} options."
        )
    return Ask(cast(Score, score), tuple(continuation(model, prompt, option) for option in options or ()), gold, steps)


def check_length(model: TransformerBridge, prompt: Sequence[int], question: Ask) -> None:
    """Raise `ValueError` if `prompt` (ids) with the continuation of `question` exceeds the context of `model`."""
    more = question.steps - 1 if question.score == "generate" else max(map(len, question.tails), default=1) - 1
    limit = context_limit(model)
    if limit is not None and len(prompt) + more > limit:
        raise ValueError(
            f"got a prompt of {len(prompt)} tokens and a continuation of {more}, expected at most {limit} in all. Shorten one."
        )


def reduce(
    question: Ask, logits: Float[Tensor, "cell vocab"], tails: Float[Tensor, "cell option"], clean: Float[Tensor, " vocab"]
) -> tuple[Tensor, Tensor]:
    """The score of every cell `[cell ...]`, and how near each decision was to a tie `[cell]` (inf where nothing is decided).

    `question` says which score, from the next-token `logits` of the cells, the log-probabilities of the options (`tails`), and the
    logits of the untouched run (`clean`).

    Raises `ValueError` where a logit is not finite.
    """
    check_finite(logits, lambda cell, _: f"transplant: a logit of cell {cell} (0 is the untouched run)")
    check_finite(tails, lambda cell, option: f"transplant: option {option} in cell {cell} (0 is the untouched run)")
    no_decision = torch.full((len(logits),), torch.inf, device=logits.device)
    if question.score == "logits":
        return logits, no_decision
    log_probs = logits.float().log_softmax(-1)
    if question.score == "kl":
        untouched = clean.float().log_softmax(-1)
        return (untouched.exp() * (untouched - log_probs)).sum(-1), no_decision
    if question.whole:
        values = tails if tails.shape[1] else log_probs[:, [option[0] for option in question.options]]
    else:
        values = (logits.float() if question.score == "logit_difference" else log_probs)[
            :, [option[0] for option in question.options]
        ]
    if question.score == "logprob":
        return values, no_decision
    if question.score == "logit_difference":
        return difference(values, question.gold or 0), no_decision
    best = values.topk(2, dim=-1)
    return best.indices[:, 0], best.values[:, 0] - best.values[:, 1]


def difference(values: Float[Tensor, "cell option"], gold: int) -> Float[Tensor, " cell"]:
    """The score in `values` of the right option (`gold`) minus that of the best wrong one."""
    wrong = torch.arange(values.shape[1], device=values.device) != gold
    return values[:, gold] - values[:, wrong].amax(1)
