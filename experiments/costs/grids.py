"""The work in transplant grids: every source layer into every target layer, for every item of every pair and condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from experiments.costs.cost import Work, total
from experiments.costs.counting import forward, reading, rechecking

if TYPE_CHECKING:
    from interp.interventions.grid.scores import Ask
    from interp.models.load import TransformerBridge
    from probes.transplant.measure import Batch, TransplantStudy
    from probes.transplant.options import Question

_TRIED = Work("try the fast methods", 40, 250, attended=1500, items=2, bound="at most")
"""The passes over a few tokens in which the methods are compared with plain ones on this model (`choose`)."""
_COUNTED, _FEWEST = 1000, 8
"""Items of all pairs that are counted, and the fewest of one pair: of more a sample is counted, or counting takes minutes."""
_WIDEST = 512
"""Cells in one pass of method "wave" at most."""


def transplanted(study: TransplantStudy) -> list[Work]:
    """The work of a transplant study on an outline, its methods taken to be exact on this model and its cells to fit in memory.

    "wave" is counted as if every cell went through all blocks: it is about half of that. A pass is counted once for all cells
    that it reads together; where memory is short there are more passes, with the same tokens. Of many items a sample is counted.
    """
    from probes.transplant.controls import asked_in

    whole = len(study.task)
    study = replace(study, task=study.task.select(limit=max(_FEWEST, _COUNTED // len(study.pairs)), seed=study.seed))
    model, grids, donors, conditions, options = study.model, list[Work](), list[Work](), 0, 0
    known: dict[tuple[str, bool], tuple[list[Question], list[Ask]]] = {}
    for (pair, name), jobs in groupby(study.jobs(), key=lambda job: (job.pair, job.condition)):
        conditions, same = conditions + 1, (pair[1], name == "permuted")
        if same not in known:
            questions = asked_in(study.task, pair[1], name)
            known[same] = questions, _asks(study, questions)
        questions, asks = known[same]
        options = max(options, *(len(one.tails) for one in asks))
        for job in jobs:
            donors += _donors(study, job, questions)
            grids.append(_grid(study, [(questions[item].prompt, asks[item]) for item in job.items], name == "source_run"))
        if name == "random":
            donors.append(_every_prompt(study, pair[0]))
        if name == "transplant":  # the ratio of norms
            donors += [_every_prompt(study, codes) for codes in (pair[0], pair[1:])]
    longest = max(len(ids) for ids in _lengths(model, [text for texts in study.task.prompts.values() for text in texts]))
    return [
        *([_TRIED] if study.method != "naive" else []),
        total("run the donors", donors).scaled(whole / len(study.task)),
        total(f"run the cells of {conditions} grids", grids).scaled(whole / len(study.task)),
        rechecking(model, conditions, longest + study.max_new_tokens, passes=2 + options),
    ]


def _grid(study: TransplantStudy, asked: Sequence[tuple[str, Ask]], alone: bool) -> Work:
    """The work of the grids of some items that are read together; `alone`: of a single cell each."""
    from interp.interventions.grid.packed import Lanes, grow_tree, lanes_for
    from interp.models.states import keeps_state

    model, asks = study.model, [one for _, one in asked]
    layers = range(model.cfg.n_layers)
    cells = 1 + (1 if alone else len(study.sources or layers) * len(study.targets or layers))
    rows, width = len(asked), max(len(ids) for ids in _lengths(model, [prompt for prompt, _ in asked]))
    written, steps = asks[0].score == "generate", asks[0].steps
    nodes = 1 if written else max(len(grow_tree(0, one.tails)) for one in asks)
    method = study.method
    if method == "auto":
        method = "naive" if keeps_state(model) else "packed" if written or nodes > 1 else "wave"
    if method == "naive":
        whole = forward(model, rows, width + nodes - 1).times(cells)
        return replace(whole, items=rows * cells) if not written else _steps(whole, model, rows * cells, width, steps, cells)
    if method == "wave":
        parts = [min(_WIDEST, cells - start) for start in range(0, cells, _WIDEST)]
        prefix = [forward(model, rows, width - 1)] if len(parts) > 1 and width > 1 else []
        before = 1 if prefix else width
        passes = [forward(model, rows, before + part, keys=width + part, logits=part) for part in parts]
        return replace(total("", [*prefix, *passes]), items=rows * cells, bound="at most")
    plain = method == "batched"
    count = cells if plain else lanes_for(cells, steps if written else 2 * nodes**2, width - 1)
    lanes = Lanes(rows, cells, count, plain)
    first = forward(model, lanes.rows, lanes.width * nodes, keys=width + lanes.width * nodes, logits=lanes.width * nodes)
    work = total("", [*([forward(model, rows, width - 1)] if width > 1 else []), first])
    if written:
        work = _steps(work, model, lanes.rows * lanes.width, width + lanes.width, steps, 1)
    return replace(work, items=rows * cells)


def _steps(work: Work, model: TransformerBridge, rows: int, keys: int, steps: int, passes: int) -> Work:
    """The same and then `steps` - 1 times one token of every row, in so many passes each."""
    more = (steps - 1) * rows
    cache = 2 * 4 * model.cfg.n_layers * rows * steps * model.cfg.d_model
    return replace(
        work, forwards=work.forwards + (steps - 1) * passes, generated=more, attended=work.attended + more * (keys + steps // 2),
        steps=(steps - 1) * passes, bound="at most", held=work.held + cache,
    )  # fmt: skip


def _donors(study: TransplantStudy, job: Batch, questions: Sequence[Question]) -> list[Work]:
    """The work of recording what the donors of one batch hold. Random directions are drawn, not recorded."""
    from probes.transplant.controls import derangement

    if job.condition == "random":
        return []
    if job.condition in ("same_language", "source_run"):
        texts = [questions[item].prompt for item in job.items]
    else:
        items = list(job.items)
        if job.condition == "shuffled":
            others = derangement(len(study.task), study.seed)
            items = [others[item] for item in items]
        texts = [study.task.prompts[code][item] for item in items for code in job.pair[0]]
    return [forward(study.model, len(texts), max(len(ids) for ids in _lengths(study.model, texts)))]


def _every_prompt(study: TransplantStudy, codes: Sequence[str]) -> Work:
    """The work of recording every prompt of some languages."""
    texts = [text for code in codes for text in study.task.prompts[code]]
    return reading(study.model, "", [len(ids) for ids in _lengths(study.model, texts)])


def _lengths(model: TransformerBridge, texts: Sequence[str]) -> list[list[int]]:
    from interp.models.tokens import prompt_ids

    return prompt_ids(model.tokenizer, list(texts))


def _asks(study: TransplantStudy, questions: Sequence[Question]) -> list[Ask]:
    """The score of every question: of whole options in all, where those of one share their first token."""
    asks = [_ask(study, question) for question in questions]
    clash = asks[0].score == "logit_difference" and any(one.clash for one in asks)
    return [replace(one, long=True) for one in asks] if clash else asks


def _ask(study: TransplantStudy, question: Question) -> Ask:
    """The score of one question, as the study asks for it."""
    from interp.interventions.grid.scores import ask

    score = ("difference" if study.task.choices else "logprob") if study.score == "auto" else study.score
    if score == "match":
        return ask(study.model, question.prompt, "generate", steps=study.max_new_tokens)
    if score == "difference":
        return ask(study.model, question.prompt, "logit_difference", options=question.options, gold=question.gold)
    reference = question.options[question.gold or 0] if question.options else question.answers[0]
    return ask(study.model, question.prompt, "logprob", options=[reference])
