"""Which language the model thinks in: the same word in English, in the target and in others, read out of every layer.

Wendler et al. (2024): in a prompt that asks for a word of one language from a word of another, how probable is that word in
English on the way? Beside each probability stands that of unrelated words of the same language (its prior), and the same
network with random weights.

When it misleads: the plain lens favours tokens that look like output, and frequent tokens are mostly English; a word of one
token gets more than a word of five. A probability above unrelated words says that the readout of a layer would name the word
in English, not that later layers use it: that needs an intervention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from interp.languages import language
from interp.lens.logit_lens import rows_of
from interp.lens.tuned_lens import TunedLens
from interp.models.hooks import hooks_in_force
from interp.models.load import TransformerBridge, identify, random_init
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.vocabulary.spelling import TokenRule, read_vocabulary
from probes.lens.latent_language_report import LatentLanguageReport
from probes.lens.word_prompts import LINE, WordPrompts, WordTask, cloze_prompts, translation_prompts
from probes.lens.words import WordSets, read_words, word_sets


def measure_latent_language(
    model: TransformerBridge,
    words: ParallelCorpus | ParallelTask,
    *,
    pivot: str = "eng_Latn",
    task: WordTask = "translation",
    source: str | None = None,
    shots: int | None = None,
    line: str = LINE,
    names: Mapping[str, str] | None = None,
    rule: TokenRule = "first",
    lens: TunedLens | None = None,
    unrelated: int = 20,
    controls: bool = True,
    seed: int = 0,
    boot: int = 1000,
    folder: str | Path | None = None,
) -> LatentLanguageReport:
    """Read each word in the pivot, in the target and in all other languages out of every layer, with every language but the
    pivot as target in turn.

    `words` is a parallel list of words, or, for `cloze`, a task with one answer. Translations come from `source`, where none
    is given from the language before the target (from the pivot only where there is no third one, and then its words stand
    in the prompt). `shots` examples are shown, 4 by default and 2 for cloze. `controls` reads the same from random weights,
    always by the plain lens. What was read of a target is kept in `folder` and found again.
    """
    prompts = _prompts(words, language(pivot).code, task, source, shots, line, names, seed)
    sets, readings = _plan(model, prompts, pivot, rule, lens, unrelated, controls, seed)
    frames = [reading(folder=folder) for reading in readings]
    said = {"pivot": language(pivot).code, "boot": boot, "seed": seed}
    how = {"task": task, "shots": _shots(task, shots), "rule": rule, "lens": str(lens or "logit"), **said}
    rows = {one.prompts.target: [one.prompts.ids[row] for row in one.rows] for one in sets}
    left_out = {one.prompts.target: dict(one.left_out) for one in sets}
    return LatentLanguageReport(
        table=pd.concat(frames, ignore_index=True),
        signature=Signature("latent_language", identify(model), words.identity, how | hooks_in_force(model)),
        settings={**said, "layers": list(rows_of(model)), "items": rows, "left_out": left_out, "of": len(words)},
        notes=_notes(prompts, left_out, len(words), language(pivot).code, lens, controls),
    )


def share_latent_language(
    model: TransformerBridge,
    words: ParallelCorpus | ParallelTask,
    share: Callable[[Sequence[Any]], Sequence[Any]],
    *,
    folder: str | Path,
    pivot: str = "eng_Latn",
    task: WordTask = "translation",
    source: str | None = None,
    shots: int | None = None,
    line: str = LINE,
    names: Mapping[str, str] | None = None,
    rule: TokenRule = "first",
    lens: TunedLens | None = None,
    unrelated: int = 20,
    controls: bool = True,
    seed: int = 0,
) -> None:
    """Read some of the targets into `folder`, where `measure_latent_language` with the same arguments finds them."""
    prompts = _prompts(words, language(pivot).code, task, source, shots, line, names, seed)
    for reading in share(_plan(model, prompts, pivot, rule, lens, unrelated, controls, seed)[1]):
        reading(folder=folder)


def _plan(
    model: TransformerBridge,
    prompts: Sequence[WordPrompts],
    pivot: str,
    rule: TokenRule,
    lens: TunedLens | None,
    unrelated: int,
    controls: bool,
    seed: int,
) -> tuple[list[WordSets], list[Callable[..., pd.DataFrame]]]:
    """The words of every target, and what is to be read of them: in the trained weights, then in random ones."""
    vocabulary = read_vocabulary(model.tokenizer, model.cfg.d_vocab)
    sets = [word_sets(vocabulary, one, language(pivot).code, rule=rule, unrelated=unrelated, seed=seed) for one in prompts]
    readings = [partial(read_words, model, one, vocabulary, "trained", lens) for one in sets]
    if controls:
        chance = random_init(model, seed)
        readings += [partial(read_words, chance, one, vocabulary, "random") for one in sets]
    return sets, readings


def _prompts(
    words: ParallelCorpus | ParallelTask,
    pivot: str,
    task: WordTask,
    source: str | None,
    shots: int | None,
    line: str,
    names: Mapping[str, str] | None,
    seed: int,
) -> list[WordPrompts]:
    targets = [code for code in words.languages if code != pivot]
    if pivot not in words.languages or not targets:
        raise ValueError(f"{words.name!r} has {', '.join(words.languages)}. Needed: the pivot {pivot} and another language.")
    if isinstance(words, ParallelTask) != (task == "cloze"):
        kind = "a task with questions and answers" if task == "cloze" else "a parallel list of words"
        raise ValueError(f"task {task!r} with {words.name!r}, a {type(words).__name__}. Needed: {kind}.")
    if isinstance(words, ParallelTask):
        return [cloze_prompts(words, target, shots=_shots(task, shots), seed=seed) for target in targets]
    if source is not None:
        targets = [code for code in targets if code != language(source).code or task == "repetition"]
    pairs = [(target if task == "repetition" else _source(source, target, targets, pivot), target) for target in targets]
    return [translation_prompts(words, *pair, shots=_shots(task, shots), line=line, names=names, seed=seed) for pair in pairs]


def _source(source: str | None, target: str, targets: Sequence[str], pivot: str) -> str:
    if source is not None:
        return language(source).code
    before = targets[targets.index(target) - 1]
    return pivot if before == target else before


def _shots(task: WordTask, shots: int | None) -> int:
    return shots if shots is not None else 2 if task == "cloze" else 4


def _notes(
    prompts: Sequence[WordPrompts],
    left_out: Mapping[str, Mapping[str, int]],
    of: int,
    pivot: str,
    lens: TunedLens | None,
    controls: bool,
) -> tuple[str, ...]:
    notes = []
    for one in prompts:
        gone = ", ".join(f"{n} {why}" for why, n in left_out[one.target].items() if n)
        kept = of - sum(left_out[one.target].values())
        notes.append(f"{one.source} -> {one.target}: {kept} of {of} items kept" + (f" ({gone})" if gone else "") + ".")
        if one.source == pivot:
            notes.append(f"The prompts for {one.target} hold the {pivot} word itself, so that its probability may be copying.")
    if lens is not None and controls:
        notes.append("Random weights are read by the plain lens: a tuned lens belongs to the trained ones.")
    return tuple(notes)
