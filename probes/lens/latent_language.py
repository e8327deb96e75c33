"""Which language the model thinks in: the same word in the reference language, the target language and others, at every layer.

In a prompt that asks for a word of one language, how probable is that word in English at each layer (Wendler et al. 2024)? The
baselines are unrelated words of the same language, which give the prior of any word, and a randomly initialised model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import pandas as pd

from interp.languages import language
from interp.lens.logit_lens import rows_of
from interp.lens.tuned_lens import TunedLens
from interp.models.hooks import hooks_in_force
from interp.models.load import TransformerBridge, identify, random_init
from interp.progress import Progress
from interp.provenance import Signature
from interp.text.chat import chat_digest
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.vocabulary.spelling import TokenRule, Vocabulary, read_vocabulary
from probes.lens.latent_language_report import LatentLanguageReport
from probes.lens.word_prompts import LINE, WordPrompts, WordTask, cloze_prompts, translation_prompts
from probes.lens.words import WordSets, read_words, word_sets
from probes.study import Study, with_fields_of

Weights = Literal["trained", "random"]


class Reading(NamedTuple):
    """The words of one target language, to be read in the trained or in a randomly initialised model."""

    words: WordSets
    weights: Weights


@dataclass(frozen=True)
class LatentLanguageStudy(Study[Reading, pd.DataFrame]):
    """Words read out of every layer in several languages. A job is one target language in one model.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    words
        A parallel list of words; for `cloze`, a task with one answer for each question.
    pivot
        Reference language, the one that the model may go through. It must be among the languages of `words`.
    task
        `translation` of a word, `repetition` of it, or `cloze`, filling it in.
    source
        Language to translate from. Default: the language before the target. The reference language is used only if there is no
        third language; its word is then in the prompt, so its probability may come from copying.
    shots
        Number of few-shot examples. Default: 4; 2 for `cloze`.
    line
        Template of one line of a translation or repetition prompt, with `{source}`, `{word}`, `{target}` and, at the end,
        `{answer}`.
    names
        Names of the languages in the prompt, by language code. Default: the name of each language in itself.
    rule
        Which tokens count as a word: `first`, its first token, or `prefix`, all tokens that spell a prefix of it.
    lens
        A tuned lens, from `interp.train_lens` or `interp.load_lens`. Default: the logit lens.
    chat
        Write the prompts in the chat template of the tokenizer: questions as messages of the user, and the answers, of which the
        model continues the last, as those of the assistant.
    unrelated
        Number of unrelated words of the same language to compare each word with.
    controls
        Also read a randomly initialised model of the same architecture, always with the logit lens.
    seed
        Random seed of the examples, the unrelated words, the randomly initialised model and the bootstrap.
    resamples
        Number of bootstrap resamples of the words.

    Example
    -------
    >>> import interp
    >>> from probes.lens.latent_language import LatentLanguageStudy
    >>> words = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "fra_Latn"], limit=12)
    >>> study = LatentLanguageStudy(model=interp.load("bundled"), words=words, source="deu_Latn", shots=1)
    >>> [(job.words.prompts.target, job.weights) for job in study.jobs()]
    [('fra_Latn', 'trained'), ('fra_Latn', 'random')]
    """

    model: TransformerBridge
    words: ParallelCorpus | ParallelTask
    _: KW_ONLY
    pivot: str = "eng_Latn"
    task: WordTask = "translation"
    source: str | None = None
    shots: int | None = None
    line: str = LINE
    names: Mapping[str, str] | None = None
    rule: TokenRule = "first"
    lens: TunedLens | None = None
    chat: bool = False
    unrelated: int = 20
    controls: bool = True
    seed: int = 0
    resamples: int = 1000

    def jobs(self) -> list[Reading]:
        """Every target language in the trained model, then in the randomly initialised one."""
        sets = [
            word_sets(self._vocabulary, prompts, self._pivot, rule=self.rule, unrelated=self.unrelated, seed=self.seed)
            for prompts in self._prompts()
        ]
        trained, random = ([Reading(words, weights) for words in sets] for weights in get_args(Weights))
        return [*trained, *(random if self.controls else [])]

    def scores(self, jobs: Sequence[Reading], folder: str | Path | None = None) -> pd.DataFrame:
        """A row per target language, model, word, layer and measure of `jobs`. `folder` keeps what was read."""
        models: dict[Weights, tuple[TransformerBridge, TunedLens | None]] = {"trained": (self.model, self.lens)}
        if any(job.weights == "random" for job in jobs):
            models["random"] = random_init(self.model, self.seed), None
        tables = []
        with Progress(total=sum(len(job.words.rows) for job in jobs), desc="lens", unit="prompt") as bar:
            for words, weights in jobs:
                model, lens = models[weights]
                bar.set_postfix_str(f"{words.prompts.target} {weights}")
                tables.append(read_words(model, words, self._vocabulary, weights, lens, folder, bar))
        return pd.concat(tables, ignore_index=True)

    def measure(self, folder: str | Path | None = None) -> LatentLanguageReport:
        """Read every target language that `folder` does not hold yet, and report."""
        jobs = self.jobs()
        table, sets = self.scores(jobs, folder), [job.words for job in jobs if job.weights == "trained"]
        asked = {"task": self.task, "shots": self._shots, "rule": self.rule, "lens": str(self.lens or "logit"),
                 "pivot": self._pivot, "boot": self.resamples, "seed": self.seed}  # fmt: skip
        if self.chat:
            asked["chat"] = chat_digest(self.model.tokenizer)
        items = {words.prompts.target: [words.prompts.ids[row] for row in words.rows] for words in sets}
        left_out = {words.prompts.target: dict(words.left_out) for words in sets}
        layers = list(rows_of(self.model))
        return LatentLanguageReport(
            table=table,
            signature=Signature("latent_language", identify(self.model), self.words.identity, asked | hooks_in_force(self.model)),
            settings={"pivot": self._pivot, "resamples": self.resamples, "seed": self.seed, "task": self.task, "layers": layers,
                      "items": items, "left_out": left_out, "of": len(self.words)},
            notes=self._notes([words.prompts for words in sets], left_out),
        )  # fmt: skip

    @property
    def _pivot(self) -> str:
        return language(self.pivot).code

    @property
    def _shots(self) -> int:
        return self.shots if self.shots is not None else 2 if self.task == "cloze" else 4

    def _prompts(self) -> list[WordPrompts]:
        """The prompts of every target language."""
        words, task, pivot, tokenizer = self.words, self.task, self._pivot, self.model.tokenizer if self.chat else None
        targets = [code for code in words.languages if code != pivot]
        if pivot not in words.languages or not targets:
            raise ValueError(
                f"{words.name!r}: got languages {', '.join(words.languages)}, expected the reference language {pivot} and another."
            )
        if isinstance(words, ParallelTask) != (task == "cloze"):
            kind = "a task with questions and answers" if task == "cloze" else "a parallel list of words"
            raise ValueError(f"task {task!r} with {words.name!r}: got a {type(words).__name__}, expected {kind}.")
        if isinstance(words, ParallelTask):
            return [cloze_prompts(words, target, shots=self._shots, seed=self.seed, tokenizer=tokenizer) for target in targets]
        if self.source is not None:
            source = language(self.source).code
            targets = [code for code in targets if code != source or task == "repetition"]
        sources = {code: code if task == "repetition" else _source(self.source, code, targets, pivot) for code in targets}
        return [
            translation_prompts(
                words, sources[code], code, shots=self._shots, line=self.line, names=self.names, seed=self.seed,
                tokenizer=tokenizer,
            )
            for code in targets
        ]  # fmt: skip

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return read_vocabulary(self.model.tokenizer, self.model.cfg.d_vocab)

    def _notes(self, prompts: Sequence[WordPrompts], left_out: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
        notes, n = [], len(self.words)
        for asked in prompts:
            reasons = ", ".join(f"{dropped} {why}" for why, dropped in left_out[asked.target].items() if dropped)
            kept = n - sum(left_out[asked.target].values())
            notes.append(f"{asked.source} -> {asked.target}: {kept} of {n} items kept" + (f" ({reasons})" if reasons else "") + ".")
            if asked.source == self._pivot:
                notes.append(
                    f"The prompts for {asked.target} contain the {self._pivot} word itself, so its probability may be copying."
                )
        if self.lens is not None and self.controls:
            notes.append("The randomly initialised model is read with the logit lens: the tuned lens fits the trained model only.")
        return tuple(notes)


@with_fields_of(LatentLanguageStudy)
def measure_latent_language(study: LatentLanguageStudy) -> LatentLanguageReport:
    """Measure how probable the answer is at every layer in the reference language, in the target language and in others.

    Every language but the reference language is the target language in turn.

    Parameters
    ----------
    study
        The fields of a `LatentLanguageStudy`, which explains them: `model, words` and by name the others. Nothing is kept on disk;
        `LatentLanguageStudy(...).measure(folder)` keeps the readings of each target, so that an interrupted run continues.

    Returns
    -------
    A `LatentLanguageReport`. Layers are `embed`, then the output of each block, `0` to N-1.

    Raises
    ------
    ValueError
        The reference language or a second language is missing, `words` does not suit the task, or no word is usable.

    Notes
    -----
    The logit lens favours frequent tokens, which are mostly English, and words of one token over longer words. A probability
    above that of unrelated words says that the word can be read out of a layer, not that later layers use it.

    References
    ----------
    Wendler et al. 2024, "Do Llamas Work in English?", arXiv 2402.10588.

    Example
    -------
    >>> import interp, probes
    >>> words = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "fra_Latn"], limit=12)
    >>> model = interp.load("bundled")
    >>> report = probes.measure_latent_language(model, words, source="deu_Latn", shots=1, controls=False, resamples=20)
    >>> report.settings["pivot"], list(report.settings["items"])  # the items kept, by target language
    ('eng_Latn', ['fra_Latn'])
    """
    return study.measure()


def _source(source: str | None, target: str, targets: Sequence[str], pivot: str) -> str:
    if source is not None:
        return language(source).code
    before = targets[targets.index(target) - 1]
    return pivot if before == target else before
