"""The work in what several commands measure: captured states, translations, answers, and losses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.costs.cost import Work, size_of, total
from experiments.costs.counting import cut, forward, reading, rechecking, scoring, writing

if TYPE_CHECKING:
    from experiments.runs.captures import CaptureSettings
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus, ParallelTask


def captured(
    model: TransformerBridge, corpus: ParallelCorpus, *, random_init: bool = False, kept: bool = True, **how: Any
) -> list[Work]:
    """The work of `interp.capture` with arguments `how`, also of a randomly initialised model. `kept`: states go to a folder.

    A text whose attention sink is not where most have it is read twice, and a start token may come before every text: unless
    sinks are kept, the number of tokens is "about". Without a BOS a text of one token is taken to need the start token, and the
    first two tokens of all texts are read to know of others; a model without sinks does neither.
    """
    from interp.activations.capture import batch_tokens, check_pooled
    from interp.activations.sinks import reference_texts
    from interp.activations.spans import Template, spans
    from interp.activations.start import FIRST_READ, start_token
    from interp.activations.store import choose_rows
    from interp.languages import language
    from interp.models.sites import layer_names
    from interp.models.tokens import tokens_in_front

    check_pooled(bool(how.get("include_bos")), how.get("template"), bool(how.get("chat")))
    frame = Template(how.get("template") or "{sentence}", model.tokenizer if how.get("chat") else None)
    omitted = how.get("sinks", "omit") == "omit" and not how.get("include_bos")
    found = {code: spans(model.tokenizer, corpus.sentences[code], frame.around(language(code))) for code in corpus.languages}
    if how.get("start") is not None:
        start_token(model, how["start"])  # refuses what is no token
    judged = omitted and how.get("start") is None and not tokens_in_front(model.tokenizer)
    heads = {span.ids[:FIRST_READ] for each in found.values() for span in each if judged and span.start == 0}
    before, lengths = int(bool(how.get("start")) or any(len(head) == 1 for head in heads)), dict[str, list[int]]()
    for code, each in found.items():
        lengths[code] = [before + len(span.ids) for span in each]
        lengths[code] = cut(model, lengths[code]) if how.get("truncate") else lengths[code]
    layers = len(choose_rows(layer_names(how.get("site", "residual"), model.cfg.n_layers), how.get("layers") or None))
    states = 4 * layers * len(corpus) * len(corpus.languages) * model.cfg.d_model
    work = total("read every sentence", (reading(model, "", each, batch_tokens(model)) for each in lengths.values()))
    work = replace(work, stored=states if kept else 0, held=work.held + states, bound="about" if omitted else "exact")
    longest, calls = max(max(each) for each in lengths.values()), 1 + random_init
    works = [work, rechecking(model, calls, longest)]
    if random_init:
        again = replace(work, what="read them with random weights", held=work.held + states + size_of(model).bytes)
        works.insert(1, again)
    if omitted:
        texts = [len(text.ids) for text in reference_texts(model)]
        works.insert(0, replace(forward(model, len(texts), max(texts)).times(calls), what="find attention sinks"))
    if heads:
        works.insert(
            1, replace(reading(model, "look for texts that are nothing but sinks", list(map(len, heads))), bound="at most")
        )
    return works


def captured_by(settings: CaptureSettings, model: TransformerBridge, random_init: bool) -> list[Work]:
    """The work of a command that captures the states of its corpus and measures them without the model."""
    return captured(model, settings.read_corpus(), random_init=random_init, **settings.capture_arguments())


def translated(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    directions: Iterable[tuple[str, str]],
    *,
    form: str = "quoted",
    metrics: Sequence[str] = (),
    shots: int = 0,
    beams: int = 1,
    max_new_tokens: int | None = None,
    seed: int = 0,
) -> list[Work]:
    """The work of `probes.measure_translation`, whose arguments these are."""
    from interp.tuning import template
    from probes.translation.measure import room_for_answers, translation_prompts

    shape, written, scored = template(form), list[Work](), list[Work]()
    for source, target in dict.fromkeys(directions):
        tested, prompts = translation_prompts(corpus, source, target, form, shots, seed)
        limit = max_new_tokens or room_for_answers(model, prompts, [shape.answer(example) for example in tested])
        written.append(writing(model, "", prompts, limit, beams))
        if "nll" in metrics:
            golds = [shape.joint + example.answer for example in tested]
            scored += [scoring(model, "", prompts, [[text] for text in each]) for each in (golds, [*golds[1:], golds[0]])]
    works = [total("write translations", written)]
    if scored:
        works.append(total("score references", scored))
    return [*works, _checked(model, written, scored, beams)]


def answered(
    model: TransformerBridge,
    task: ParallelTask,
    *,
    form: str | None = None,
    metrics: Sequence[str] = (),
    shots: int = 0,
    written: bool = True,
    beams: int = 1,
    max_new_tokens: int | None = None,
) -> list[Work]:
    """The work of `probes.measure_answers`, whose arguments these are."""
    from interp.tuning import template
    from probes.translation.answers import answer_metrics, answer_prompts, as_it_stands
    from probes.translation.measure import room_for_answers

    shape, wrote, chose = template(form) if form else as_it_stands(task), list[Work](), list[Work]()
    scored = answer_metrics(metrics, task, written)
    for code in task.languages:
        prompts = answer_prompts(task, code, shape, shots)
        if task.choices and "choice" in scored:
            options = [[shape.joint + option for option in row] for row in task.choices[code][shots:]]
            chose.append(scoring(model, "", prompts, options))
        if set(scored) != {"choice"}:
            answers = [f"{accepted[0]}{shape.close}" for accepted in task.answers[code][shots:]]
            wrote.append(writing(model, "", prompts, max_new_tokens or room_for_answers(model, prompts, answers), beams))
    works = [total("choose among the options", chose)] if chose else []
    works += [total("write answers", wrote)] if wrote else []
    return [*works, _checked(model, wrote, chose, beams)]


def losses(model: TransformerBridge, what: str, corpus: ParallelCorpus, times: int = 1) -> Work:
    """The work of `interp.sentence_losses` in every language of a corpus, some `times`."""
    from interp.models.batches import encode

    lengths = [cut(model, map(len, encode(model, corpus[code]))) for code in corpus.languages]
    return total(what, (reading(model, what, each, 2048, whole=True) for each in lengths)).times(times)


def _checked(model: TransformerBridge, written: Sequence[Work], scored: Sequence[Work], beams: int) -> Work:
    """The receipts of written texts (not of beams) and of scores; each rereads a prompt with what follows it."""
    longest = max(-(-work.tokens // max(1, work.items)) for work in [*written, *scored]) * 2
    kinds = [len(each) for each in (written if beams == 1 else [], scored) if each]
    return total("checks by plain forwards", (rechecking(model, calls, longest) for calls in kinds))
