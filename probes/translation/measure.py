"""How well a model translates: every direction, every item, its hypothesis kept, each score beside doing nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from interp.generation.generate import generate
from interp.generation.score import score
from interp.languages import nearest
from interp.models.batches import context_limit, encode
from interp.models.load import TransformerBridge, identify
from interp.models.tokens import prompt_ids
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import Example, Template, template, translations
from interp.tuning.sources import TRANSLATE
from probes.translation.language_id import Identifier
from probes.translation.report import CORPUS_SCORES, TranslationReport
from probes.translation.text_scores import Overlap, exact_match, in_script, item_scores, overlap_counts, scorer

Metric = Literal["exact", "chrf", "bleu", "spbleu", "nll", "script", "identified"]
_USUAL: tuple[Metric, ...] = ("exact", "chrf", "bleu", "nll", "script")


def measure_translation(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    directions: Iterable[tuple[str, str]],
    *,
    form: str = "quoted",
    metrics: Sequence[str] = _USUAL,
    shots: int = 0,
    beams: int = 1,
    max_new_tokens: int | None = None,
    identifier: Identifier | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> TranslationReport:
    """How well does the model translate in each direction, sentence by sentence?

    `form` names a prompt template; the first translation instruction is the one asked with. `shots` items (the first of one
    shuffled order, the same in every direction) are shown as examples and not tested. Greedy, or `beams`; without
    `max_new_tokens` an answer may be twice as long as the longest reference. `nll` is the reference's negative
    log-likelihood in nats a character, so that languages and tokenizers compare; `script` the share of answers in the
    target's script; `identified`, with an `identifier`, the share it takes for the target language.

    When it misleads: a base model that does not know the prompt's format fails at the format first, so hold a tuned model
    against a format-tuned control; and on `cldr:*` this is lexical translation, not prose.
    """
    _check(metrics, identifier, shots, len(corpus))
    shape, kept = template(form), [name for name in metrics if name in CORPUS_SCORES]
    frames, counts = [], {}
    for source, target in _distinct(directions):
        examples = translations(corpus, [(source, target)], seed=seed, instructions=(TRANSLATE[0],)).examples
        asked = examples[shots:]
        prompts = [_with_shots(shape, examples[:shots], each) for each in asked]
        frame = _translated(model, shape, asked, prompts, beams, max_new_tokens)
        for name in metrics:
            if name in kept:
                values, found = _overlaps(name, frame)
                counts |= found
            else:
                values = _item_values(name, model, shape, asked, prompts, frame, identifier)
            frame[name], frame[f"{name}_baseline"] = values
        frames.append(frame)
    table = _with_documents(pd.concat(frames, ignore_index=True), corpus)
    scored = {name: str(scorer(name, table["target"].iloc[0]).get_signature()) for name in kept}
    how = {"form": form, "shots": shots, "beams": beams, "boot": resamples, "seed": seed}
    return TranslationReport(
        table=table,
        signature=Signature("translate", identify(model), corpus.identity, how | scored),
        arrays=counts,
        settings={"metrics": list(metrics), "resamples": resamples, "seed": seed},
        notes=_notes(corpus, table, kept),
    )


def _notes(corpus: ParallelCorpus, table: pd.DataFrame, kept: Sequence[str]) -> tuple[str, ...]:
    found = ["cldr text: this is lexical translation of a few hundred concepts."] if corpus.name.startswith("cldr:") else []
    if {"bleu", "spbleu"} & set(kept) and table["reference"].str.split().str.len().median() < 4:
        found.append("BLEU counts up to four words in a row, and most references are shorter: read chrF++ and exact match.")
    return tuple(found)


def _translated(
    model: TransformerBridge, shape: Template, asked: Sequence[Example], prompts: Sequence[str], beams: int, most: int | None
) -> pd.DataFrame:
    """What the model writes for each prompt, beside what it was asked and what it should have written."""
    most = most or room_for_answers(model, prompts, [shape.answer(each) for each in asked])
    said = generate(model, prompts, max_new_tokens=most, beams=beams, stop=shape.stop)
    columns = {
        "source": asked[0].source,
        "target": asked[0].target,
        "item": [each.item for each in asked],
        "text": [each.input for each in asked],
        "reference": [each.answer for each in asked],
        "hypothesis": [one.strip() for one in said],
    }
    return pd.DataFrame(columns)


def room_for_answers(model: TransformerBridge, prompts: Sequence[str], answers: Sequence[str]) -> int:
    """Twice the tokens of the longest answer, or what the model can read after the longest prompt where that is less."""
    longest = max(len(ids) for ids in encode(model, answers, special=False))
    taken = max(map(len, prompt_ids(model.tokenizer, prompts)))
    return max(1, min(2 * longest, (context_limit(model) or 10**6) - taken))


def _overlaps(name: Overlap, frame: pd.DataFrame) -> tuple[tuple[np.ndarray, np.ndarray], dict[str, np.ndarray]]:
    """A corpus score of every item and of the source left as it is, and the counts of both by direction."""
    source, code = frame["source"].iloc[0], frame["target"].iloc[0]
    keys = {f"{name}:{source}>{code}": frame["hypothesis"], f"{name}:{source}>{code}:copy": frame["text"]}
    counts = {key: overlap_counts(name, list(texts), list(frame["reference"]), code) for key, texts in keys.items()}
    said, copied = (item_scores(name, found, code) for found in counts.values())
    return (said, copied), counts


def _item_values(
    name: Metric,
    model: TransformerBridge,
    shape: Template,
    asked: Sequence[Example],
    prompts: Sequence[str],
    frame: pd.DataFrame,
    identifier: Identifier | None,
) -> tuple[Any, Any]:
    """One metric of every item, and its baseline: copying the source, or for the likelihood another item's reference."""
    code, golds = asked[0].target, [shape.joint + each.answer for each in asked]
    if name == "nll":
        return _surprise(model, prompts, golds), _surprise(model, prompts, [*golds[1:], golds[0]])
    both = (list(frame["hypothesis"]), list(frame["text"]))
    if name == "identified" and identifier is not None:
        return tuple([float(found == code) for found in identifier(texts)] for texts in both)
    if name == "script":
        return tuple([in_script(text, code) for text in texts] for texts in both)
    return tuple([exact_match(text, [gold]) for text, gold in zip(texts, frame["reference"], strict=True)] for texts in both)


def _surprise(model: TransformerBridge, prompts: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """Negative log-likelihood of each answer after its prompt, in nats a character."""
    found = np.asarray(score(model, list(prompts), list(answers)), dtype=float)
    return -found / np.array([max(1, len(answer.strip())) for answer in answers])


def _with_shots(shape: Template, shown: Sequence[Example], each: Example) -> str:
    return "\n".join([*(shape.prompt(one) + shape.answer(one) for one in shown), shape.prompt(each)])


def _with_documents(table: pd.DataFrame, corpus: ParallelCorpus) -> pd.DataFrame:
    if corpus.documents is None:
        return table
    known = {f"{corpus.name}/{item}": document for item, document in zip(corpus.ids, corpus.documents, strict=True)}
    return table.assign(document=table["item"].map(known))


def _distinct(directions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    found = list(dict.fromkeys(directions))
    if not found:
        raise ValueError("no direction to translate in. Needed: at least one (source, target).")
    return found


def _check(metrics: Sequence[str], identifier: Identifier | None, shots: int, items: int) -> None:
    for name in metrics:
        if name not in get_args(Metric):
            raise ValueError(f"unknown metric {name!r}. Needed: of {', '.join(get_args(Metric))}.{nearest(name, get_args(Metric))}")
    if ("identified" in metrics) != (identifier is not None):
        raise ValueError("metric 'identified' and identifier= belong together. Give both, or neither.")
    if not 0 <= shots < items:
        raise ValueError(f"{shots} shots of {items} items leave nothing to test. Needed: 0 to {items - 1}.")
