"""The work in writing texts under edits, at every layer and strength, and in scoring them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from experiments.costs.cost import Work, total
from experiments.costs.counting import reading, rechecking, scoring, writing
from experiments.costs.measuring import captured

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus


class Steering(Protocol):
    """The settings of a command that the cost depends on."""

    @property
    def pivot(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def layers(self) -> tuple[str, ...]: ...
    @property
    def alphas(self) -> tuple[float, ...]: ...
    @property
    def choosing(self) -> int | None: ...
    @property
    def draws(self) -> int: ...
    @property
    def template(self) -> str: ...
    @property
    def tokens(self) -> int: ...
    @property
    def seed(self) -> int: ...


def steered(settings: Steering, model: TransformerBridge, first: ParallelCorpus, second: ParallelCorpus) -> list[Work]:
    """The work of `probes.measure_steering`, with the states of the first half of the text and prompts of the second."""
    from interp.activations.spans import Template
    from interp.activations.store import choose_rows
    from interp.languages import language
    from interp.models.sites import layer_names
    from probes.steering.choice import CHOOSING, candidates, part

    source, target = settings.pivot, language(settings.target).code
    names = layer_names("residual", model.cfg.n_layers)
    choose_rows(names, settings.layers or None)  # refuses a layer that the model has not
    options = 1 if settings.layers else len(candidates(names))
    strengths = len({float(alpha) for alpha in settings.alphas} - {0.0})
    before, after = Template(settings.template).around(language(source))
    written, scored, attempts = list[Work](), list[Work](), 0

    def attempt(corpus: ParallelCorpus, times: int) -> None:
        prompts = [f"{before}{sentence}{after}" for sentence in corpus[source]]
        wrote = writing(model, "", prompts, settings.tokens)
        longest = wrote.prefill // len(prompts) + settings.tokens
        again = reading(model, "", [longest] * len(prompts))
        again = replace(again, forwards=2 * wrote.forwards - 2 * wrote.steps, bound="at most")
        references = [corpus[target][(row + 1) % len(corpus)] for row in range(len(corpus))]
        written.append(wrote.times(times))
        scored.extend([again.times(times), scoring(model, "", prompts, [[text] for text in references])])

    if options * strengths > 1:
        count = min(CHOOSING, max(1, len(second) // 3)) if settings.choosing is None else settings.choosing
        on, second = part(second, count, settings.seed)
        attempts += options * strengths
        attempt(on, options * strengths)
    attempts += 1 + strengths + settings.draws
    attempt(second, 1 + strengths + settings.draws)
    longest = max(work.prefill // work.items for work in written) + settings.tokens
    return [
        *captured(model, first),
        total("write texts under edits", written),
        total("score the texts", scored),
        *(rechecking(model, attempts, longest) for _ in range(2)),
    ]
