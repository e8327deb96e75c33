"""The work in patching: every block and place in a row of its own, behind what comes before the first of them, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from experiments.costs.cost import Work, total
from experiments.costs.counting import forward, rechecking, writing

if TYPE_CHECKING:
    from interp.interventions.prompts import Anchor, Metric, Prompt
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus, ParallelTask
    from probes.patching.contrasts import Contrast

_COUNTED, _FEWEST = 1000, 8
"""Items of all languages that are counted, and the fewest of one: of more a sample is counted, or pairing them takes minutes."""
_CHECKED = 0.2
"""Share of the estimates by gradients that is patched, too."""


class Patching(Protocol):
    """The settings of a command that the cost depends on."""

    @property
    def site(self) -> str: ...
    @property
    def anchors(self) -> Sequence[Anchor]: ...
    @property
    def metric(self) -> Metric: ...
    @property
    def directions(self) -> Sequence[str]: ...
    @property
    def method(self) -> str: ...
    @property
    def steps(self) -> int: ...


def edited(model: TransformerBridge, length: int, rows: int, first: int, tail: int = 1) -> Work:
    """One call of `run_edits`: `rows` edits of a prompt of `length` tokens, the `first` of which are read once for all.

    Where memory is short there are more passes, with the same tokens.
    """
    from interp.models.states import keeps_state

    first, whole = 0 if keeps_state(model) else first, length + tail - 1
    before = [forward(model, 1, first)] if first else []
    return total("", [*before, forward(model, rows, whole - first, keys=whole, logits=tail)])


def sampled(task: ParallelTask, seed: int) -> tuple[ParallelTask, float]:
    """A task with as many items as are counted, and how many items of the whole each of them stands for."""
    counted = task.select(limit=max(_FEWEST, _COUNTED // len(task.languages)), seed=seed)
    return counted, len(task) / len(counted)


def contrasts_patched(settings: Patching, model: TransformerBridge, pairs: Sequence[Contrast], factor: float = 1) -> list[Work]:
    """The work of `probes.measure_patching` on `factor` times as many pairs. Pairs that the model gets wrong are left out after
    their first direction."""
    from interp.interventions.prompts import ClashError, marked, question

    ends, patched, slopes, calls = list[Work](), list[Work](), list[Work](), 0
    components = model.cfg.n_layers * len(settings.anchors) * (model.cfg.n_heads if settings.site == "head" else 1)
    for pair in pairs:
        prompts = [marked(model, pair.clean), marked(model, pair.corrupt)]
        try:
            tail = max(1, len(question(model, prompts[0], settings.metric, pair.answer, pair.wrong).tail))
        except ClashError:
            continue
        for direction in settings.directions:
            base, donor = prompts if direction == "noise" else prompts[::-1]
            ends += [forward(model, 1, len(donor.ids)), *(forward(model, 1, len(each.ids) + tail - 1) for each in prompts)]
            rows, whole, calls = components, len(base.ids) + tail - 1, calls + 1
            if settings.method == "attribution":
                rows = max(1, round(_CHECKED * components))
                points = 2 if settings.steps == 1 else 4
                ends += [forward(model, 1, whole)] * (points + 1)
                slopes.append(forward(model, settings.steps, whole, logits=whole))
            patched.append(edited(model, len(base.ids), rows, _first(base, settings.anchors), tail))
    longest = max((work.prefill for work in ends), default=1)
    works = [
        total("run both prompts", ends).scaled(factor),
        total("patch every component", patched).scaled(factor),
        replace(total("take gradients", slopes), passes=3).scaled(factor),
        rechecking(model, round(calls * factor), longest, each=1),
    ]
    return [replace(work, bound="at most") for work in works]


def concepts_patched(model: TransformerBridge, task: ParallelTask, pivot: str, anchor: Anchor, seed: int) -> list[Work]:
    """The work of `probes.measure_concepts` with all its donors. Items whose words begin alike are left out.

    Of many items a sample is counted.
    """
    from interp.interventions.prompts import marked
    from probes.patching.concepts import DONORS
    from probes.patching.contrasts import mark_difference, partners

    runs, patched = list[Work](), list[Work]()
    others = [code for code in task.languages if code != pivot]
    donors = len(DONORS) - 1 + len(task.languages) - 1  # the mean is over the other languages
    task, factor = sampled(task, seed)
    pairs = [(code, *pair) for code in others for pair in partners(task, code, seed)]
    for code, a, b in pairs:
        base = marked(model, mark_difference(task.prompts[code][b], task.prompts[code][a])[0])
        runs += [forward(model, 1, len(base.ids)).times(donors + 1)]
        patched.append(edited(model, len(base.ids), len(DONORS) * model.cfg.n_layers, _first(base, [anchor])))
    longest = max((work.prefill // work.forwards for work in runs), default=1)
    works = [
        total("run the donors", runs).scaled(factor),
        total("patch concepts", patched).scaled(factor),
        rechecking(model, round(len(patched) * factor), longest, each=1),
    ]
    return [replace(work, bound="at most") for work in works]


def instructed(model: TransformerBridge, corpus: ParallelCorpus, triples: Sequence[tuple[str, str, str]], form: str) -> list[Work]:
    """The work of `probes.measure_instruction`. Items for which the model prefers the wrong language are not patched."""
    from interp.models.tokens import prompt_ids
    from interp.tuning import template
    from probes.translation.measure import room_for_answers, translation_prompts

    shape, layers = template(form), model.cfg.n_layers
    written, runs, patched = list[Work](), list[Work](), list[Work]()
    for source, target, other in triples:
        (own, prompts), (others, swapped) = (translation_prompts(corpus, source, code, form) for code in (target, other))
        answers = [shape.answer(example) for example in (*own, *others)]
        for asked in (prompts, swapped, prompts, prompts):  # masked and deleted tags are about as long
            written.append(writing(model, "", asked, room_for_answers(model, asked, answers)))
        tokens = [len(ids) for ids in model.tokenizer(answers, add_special_tokens=False)["input_ids"]]
        for ids, more in zip(prompt_ids(model.tokenizer, prompts), tokens, strict=False):
            runs += [forward(model, 1, len(ids) + more - 1).times(4), forward(model, 1, len(ids)).times(3)]
            patched += [edited(model, len(ids), rows * layers, 0, more) for rows in (4, 4, 1, 1)]
    longest = max(work.prefill // work.forwards for work in runs)
    works = [
        total("write answers in four forms", written),
        total("run both prompts", runs),
        total("patch the tag at every layer", patched),
        rechecking(model, len(written), longest),
        rechecking(model, len(patched), longest, each=1),
    ]
    return [replace(work, bound="at most") for work in works]


def _first(prompt: Prompt, anchors: Sequence[Anchor]) -> int:
    """Tokens before the first one that is patched."""
    return min(position for anchor in anchors for position in prompt.positions(anchor))
