"""How well does a model translate? Every direction and sentence, with hypotheses kept and scores beside an untranslated source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from interp.generation.generate import generate
from interp.generation.score import score
from interp.models.batches import context_limit, encode
from interp.models.load import TransformerBridge, identify
from interp.models.tokens import prompt_ids
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import Example, Template, template, translations
from interp.tuning.sources import TRANSLATE
from probes.report import with_receipts
from probes.translation.language_id import Identifier
from probes.translation.metrics import (
    TRANSLATED,
    Metric,
    Resolved,
    is_corpus_score,
    metric_name,
    own_scores,
    resolved,
    signed_metrics,
)
from probes.translation.report import TranslationReport
from probes.translation.scorers import Overlap, available_scores, check_tokens, several_tokens
from probes.translation.text_scores import exact_match, in_script, item_scores, overlap_counts

DEFAULT = ("exact", "chrf", "bleu", "nll", "script")


@with_receipts
def measure_translation(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    directions: Iterable[tuple[str, str]],
    *,
    form: str = "quoted",
    metrics: Sequence[Metric] = (),
    shots: int = 0,
    beams: int = 1,
    max_new_tokens: int | None = None,
    identifier: Identifier | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> TranslationReport:
    """How well does the model translate in each direction, sentence by sentence?

    Parameters
    ----------
    model
        A model from `interp.load`.
    corpus
        Parallel text, best a part that tuning never saw (`interp.read("cldr:names", split="heldout")`).
    directions
        Pairs (source, target) of its languages.
    form
        Prompt form, one of `interp.tuning.TEMPLATES`, filled with the first translation instruction. Take the template of its
        tuning for a tuned model.
    metrics
        What to score, the main metric first: names, and functions of your own (`probes.translation.metrics.TextMetric`). "exact":
        exact match. "chrf": chrF++. "bleu": BLEU in sacreBLEU's tokens for each target language. "spbleu_flores101",
        "spbleu_flores200", "spbleu_spm": spBLEU. "nll": negative log-likelihood of the reference in nats per character, so that
        languages and tokenizers compare. "script": share of outputs in the target's script. "identified": share that
        `identifier` takes for the target language. Default: exact, chrf, bleu, nll, script; bleu where its tokens can be had.
    shots
        Items shown first with their translations: the first of one shuffled order, the same in every direction, not tested.
    beams
        Beam search with so many beams; 1 is greedy.
    max_new_tokens
        Most tokens of an output; None is twice the longest reference.
    identifier
        From texts to FLORES codes ("" where it cannot tell), for the metric "identified".
    resamples
        Bootstrap resamples of the items, or documents where the corpus names them, behind each 95 % confidence interval.
    seed
        Of the order of items and the resamples.

    Returns
    -------
    TranslationReport
        One row per direction and item.

    Raises
    ------
    ValueError
        For an unknown metric or template, a tokenizer that cannot be had, no direction, or `shots` that leave nothing to test.

    Notes
    -----
    A base model that does not know the prompt's format fails at the format first, so compare a tuned model with a
    format-tuned control. On `cldr:*` this is lexical translation, not prose.

    Examples
    --------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=3, seed=0)
    >>> report = probes.measure_translation(interp.load("bundled"), corpus, [("eng_Latn", "deu_Latn")], metrics=["exact"])
    >>> report.table[["source", "target"]].drop_duplicates().values.tolist()
    [['eng_Latn', 'deu_Latn']]
    """
    check_shots(shots, len(corpus))
    shape, pairs = template(form), _distinct(directions)
    scored, left_out = translation_metrics(metrics, pairs, identifier)
    frames: list[pd.DataFrame] = []
    counts: dict[str, np.ndarray] = {}
    for source, target in pairs:
        tested, prompts = translation_prompts(corpus, source, target, form, shots, seed)
        frame = _translated(model, shape, tested, prompts, beams, max_new_tokens)
        for metric in scored:
            if overlap := is_corpus_score(metric):
                values, added = _overlaps(overlap, frame)
                counts |= added
            else:
                values = _item_values(metric, model, shape, tested, prompts, frame, identifier)
            frame[metric_name(metric)], frame[f"{metric_name(metric)}_baseline"] = values
        frames.append(frame)
    table = _with_documents(pd.concat(frames, ignore_index=True), corpus)
    targets = [target for _, target in pairs]
    signed = {"form": form, "shots": shots, "beams": beams, "boot": resamples, "seed": seed}
    return TranslationReport(
        table=table,
        signature=Signature("translate", identify(model), corpus.identity, signed | signed_metrics(scored, targets)),
        arrays=counts,
        settings={"metrics": [metric_name(metric) for metric in scored], "resamples": resamples, "seed": seed},
        notes=_notes(corpus, table, scored, left_out),
    )


def translation_metrics(
    metrics: Sequence[Metric], directions: Sequence[tuple[str, str]], identifier: Identifier | None = None
) -> tuple[list[Resolved], str]:
    """The metrics of `measure_translation`, and a sentence on those of the default left out.

    `metrics`, `directions` and `identifier` are its arguments.

    Raises `ValueError` where one is unknown, or its tokenizer cannot be had: to be called before a model is loaded.
    """
    targets = [target for _, target in directions]
    if not metrics:
        kept, left_out = available_scores(DEFAULT, targets)
        return [*kept, *(["identified"] if identifier else [])], left_out
    scored = resolved(metrics, TRANSLATED)
    if ("identified" in scored) != (identifier is not None):
        raise ValueError("metric 'identified' and identifier= belong together. Give both, or neither.")
    check_tokens([metric for metric in scored if isinstance(metric, str)], targets)
    return scored, ""


def translation_prompts(
    corpus: ParallelCorpus, source: str, target: str, form: str = "quoted", shots: int = 0, seed: int = 0
) -> tuple[tuple[Example, ...], list[str]]:
    """The examples that are tested in one direction, and the prompt of each.

    `corpus`, `form`, `shots` and `seed` are those of `measure_translation`; `source` and `target` are FLORES-200 codes.
    """
    shape = template(form)
    examples = translations(corpus, [(source, target)], seed=seed, instructions=(TRANSLATE[0],)).examples
    return examples[shots:], [_with_shots(shape, examples[:shots], example) for example in examples[shots:]]


def _notes(corpus: ParallelCorpus, table: pd.DataFrame, scored: Sequence[Resolved], left_out: str) -> tuple[str, ...]:
    notes = ["cldr text: this is lexical translation of a few hundred concepts."] if corpus.name.startswith("cldr:") else []
    names = [overlap for metric in scored if (overlap := is_corpus_score(metric)) and overlap != "chrf"]
    if names and table["reference"].str.split().str.len().median() < 4:
        notes.append("BLEU counts n-grams of up to four words, and most references are shorter: read chrF++ and exact match.")
    reasons = (several_tokens(name, table["target"].unique()) for name in names)
    notes += [f"{reason}." for reason in reasons if reason]
    return (*notes, *([left_out] if left_out else []))


def _translated(
    model: TransformerBridge, shape: Template, tested: Sequence[Example], prompts: Sequence[str], beams: int, limit: int | None
) -> pd.DataFrame:
    """What the model writes for each prompt, beside its source text and reference."""
    limit = limit or room_for_answers(model, prompts, [shape.answer(example) for example in tested])
    outputs = generate(model, prompts, max_new_tokens=limit, beams=beams, stop=shape.stop)
    columns = {
        "source": tested[0].source,
        "target": tested[0].target,
        "item": [example.item for example in tested],
        "text": [example.input for example in tested],
        "reference": [example.answer for example in tested],
        "hypothesis": [output.strip() for output in outputs],
    }
    return pd.DataFrame(columns)


def room_for_answers(model: TransformerBridge, prompts: Sequence[str], answers: Sequence[str]) -> int:
    """How many tokens `model` may write: twice the longest of `answers`, at most what its context leaves after `prompts`."""
    longest = max(len(ids) for ids in encode(model, answers, special=False))
    used = max(map(len, prompt_ids(model.tokenizer, prompts)))
    return max(1, min(2 * longest, (context_limit(model) or 10**6) - used))


def _overlaps(name: Overlap, frame: pd.DataFrame) -> tuple[tuple[np.ndarray, np.ndarray], dict[str, np.ndarray]]:
    """A corpus score of every item's output and of its untranslated source, and the counts of both by direction."""
    source, code = frame["source"].iloc[0], frame["target"].iloc[0]
    keys = {f"{name}:{source}>{code}": frame["hypothesis"], f"{name}:{source}>{code}:copy": frame["text"]}
    counts = {key: overlap_counts(name, list(texts), list(frame["reference"]), code) for key, texts in keys.items()}
    written, copied = (item_scores(name, numbers) for numbers in counts.values())
    return (written, copied), counts


def _item_values(
    metric: Resolved,
    model: TransformerBridge,
    shape: Template,
    tested: Sequence[Example],
    prompts: Sequence[str],
    frame: pd.DataFrame,
    identifier: Identifier | None,
) -> tuple[np.ndarray, np.ndarray]:
    """One metric of every item, and its baseline: the untranslated source, or for "nll" another item's reference."""
    code, golds = tested[0].target, [shape.joint + example.answer for example in tested]
    if metric == "nll":
        return _nll(model, prompts, golds), _nll(model, prompts, [*golds[1:], golds[0]])

    def scored(texts: list[str]) -> np.ndarray:
        if not isinstance(metric, str):
            return own_scores(metric, texts, [[gold] for gold in frame["reference"]], list(frame["text"]), code)
        if metric == "identified" and identifier is not None:
            return np.array([float(identified == code) for identified in identifier(texts)])
        if metric == "script":
            return np.array([in_script(text, code) for text in texts])
        return np.array([exact_match(text, [gold], code) for text, gold in zip(texts, frame["reference"], strict=True)])

    return scored(list(frame["hypothesis"])), scored(list(frame["text"]))


def _nll(model: TransformerBridge, prompts: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """Negative log-likelihood of each answer after its prompt, in nats per character."""
    likelihood = np.asarray(score(model, list(prompts), list(answers)), dtype=float)
    return -likelihood / np.array([max(1, len(answer.strip())) for answer in answers])


def _with_shots(shape: Template, shown: Sequence[Example], example: Example) -> str:
    return "\n".join([*(shape.prompt(shot) + shape.answer(shot) for shot in shown), shape.prompt(example)])


def _with_documents(table: pd.DataFrame, corpus: ParallelCorpus) -> pd.DataFrame:
    if corpus.documents is None:
        return table
    document_of = {f"{corpus.name}/{item}": document for item, document in zip(corpus.ids, corpus.documents, strict=True)}
    return table.assign(document=table["item"].map(document_of))


def _distinct(directions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    distinct = list(dict.fromkeys(directions))
    if not distinct:
        raise ValueError("got no direction to translate in, expected at least one (source, target).")
    return distinct


def check_shots(shots: int, items: int) -> None:
    """Raise `ValueError` where prompts that show so many items (`shots`) leave none of `items` to test."""
    if not 0 <= shots < items:
        raise ValueError(f"got {shots} shots of {items} items, expected 0 to {items - 1} so that some are left to test.")
