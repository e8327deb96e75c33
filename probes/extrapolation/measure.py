"""What a model can do in each language before and after tuning: answer, translate, and align languages in its layers.

The study of arXiv 2308.04948: tuning on English instructions alone, on English, one more language and translation into it
(CoIT), or on all languages at once (MuIT).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from tqdm import tqdm

from interp.activations.capture import capture
from interp.files.cache import digest
from interp.models.load import TransformerBridge, identify, load
from interp.provenance import CorpusIdentity, Signature
from interp.text.corpus import ParallelCorpus, ParallelTask
from probes.alignment.measure import measure_alignment
from probes.extrapolation.report import ExtrapolationReport
from probes.sweep.models import Cell, Models
from probes.translation.answers import answer_metrics, measure_answers
from probes.translation.measure import measure_translation
from probes.translation.metrics import Metric, check_studied, is_own, metric_contents, metric_name, signed_studied
from probes.translation.normalisation import RULE

COLUMNS = ("measure", "language", "layer", "item", "value", "baseline")
Pooling = Literal["mean", "last", "weighted", "end"]
_ALIGNED = ("mexa", "mexa_centred")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Abilities:
    """What every model is asked: questions to answer, sentences to translate from the pivot, sentences to align.

    Parameters
    ----------
    task
        Questions with their answers.
    corpus
        Sentences to translate from the pivot into each other language.
    text
        Sentences whose states are aligned with those of the pivot, layer by layer.
    pivot
        The language translated from, and aligned with.
    form
        The prompt form of questions and translations, one of `interp.tuning.TEMPLATES`.
    answer, translation
        How an answer and a translation are scored: a metric of `measure_answers` and one of `measure_translation`.
    beams, max_new_tokens
        Beam search with so many beams (1 is greedy); maximum number of tokens of an output, None for twice the longest reference.
    template, pooling
        How the sentences of `text` are read, as `interp.capture` has it. Leave the instruction out of the pooling: it is the same
        in all languages, and would be measured as alignment.
    seed
        Start of everything random.

    Example
    -------
    >>> import interp, probes
    >>> facts, names = interp.read_task("cldr:facts"), interp.read("cldr:names")
    >>> asked = probes.Abilities(facts, corpus=names, text=names).asked(["deu_Latn"])
    >>> asked.task.languages, asked.text.languages
    (('eng_Latn', 'deu_Latn'), ('eng_Latn', 'deu_Latn'))
    """

    task: ParallelTask
    corpus: ParallelCorpus
    text: ParallelCorpus
    pivot: str = "eng_Latn"
    form: str = "quoted"
    answer: Metric = "exact"
    translation: Metric = "chrf"
    beams: int = 1
    max_new_tokens: int | None = None
    template: str | None = None
    pooling: Pooling = "mean"
    seed: int = 0

    def asked(self, languages: Sequence[str]) -> Abilities:
        """The same of the pivot and some `languages` only."""
        codes = [self.pivot, *languages]
        parts = {name: getattr(self, name).select(languages=codes) for name in ("task", "corpus", "text")}
        return Abilities(**{**vars(self), **parts})

    def contents(self) -> dict[str, object]:
        """What the numbers depend on, as plain values."""
        values = {name: value.identity.sha if name in ("task", "corpus", "text") else value for name, value in vars(self).items()}
        names = {"answer": metric_name(self.answer), "translation": metric_name(self.translation)}
        targets = [code for code in self.corpus.languages if code != self.pivot]
        own = [metric for metric in (self.answer,) if is_own(metric_name(metric))]
        return {**values, **names, "rule": RULE, **metric_contents(list(dict.fromkeys([*own, self.translation])), targets)}

    def check(self) -> None:
        """Raise `ValueError` where an answer or a translation cannot be scored so: to be called before a model is loaded."""
        answer_metrics([self.answer], self.task)
        check_studied([self.translation], [code for code in self.corpus.languages if code != self.pivot], "the mean over languages")


def measure_abilities(model: TransformerBridge, asked: Abilities) -> pd.DataFrame:
    """One row per measure, language, layer and item: `value` and `baseline`, what the same measure gives without the ability.

    The baseline of an answer is another question's answer; of a translation, the untranslated source; of alignment, shuffled pairs
    of sentences. `layer` is empty but for alignment. `model` is the one to ask, `asked` what it is asked.
    """
    how: dict[str, Any] = {
        "form": asked.form,
        "beams": asked.beams,
        "max_new_tokens": asked.max_new_tokens,
        "seed": asked.seed,
        "resamples": 1,
    }
    answers = measure_answers(model, asked.task, metrics=(asked.answer,), **how).table
    answer, translation = metric_name(asked.answer), metric_name(asked.translation)
    others = [code for code in asked.corpus.languages if code != asked.pivot]
    written = measure_translation(
        model, asked.corpus, [(asked.pivot, code) for code in others], metrics=(asked.translation,), **how
    ).table
    acts = capture(model, asked.text, pooling=asked.pooling, template=asked.template, progress=False)
    held = measure_alignment(acts, asked.pivot, _ALIGNED, asked.seed, resamples=1).table
    frames = [
        _rows(answers, f"answers: {answer}", "language", answer),
        _rows(written, f"translation: {translation}", "target", translation),
        *(_rows(part.rename(columns={"sentence": "item", "baseline": "value_baseline"}), f"alignment: {name}", "language", "value")
          for name, part in held.astype({"metric": str}).groupby("metric", sort=False)),
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _rows(table: pd.DataFrame, measure: str, language: str, value: str) -> pd.DataFrame:
    layer = table["layer"].astype(str).to_numpy() if "layer" in table else ""
    columns = {"measure": measure, "language": table[language].astype(str).to_numpy(), "layer": layer,
               "item": table["item"].astype(str).to_numpy(), "value": table[value].to_numpy(dtype=float),
               "baseline": table[f"{value}_baseline"].to_numpy(dtype=float)}  # fmt: skip
    return pd.DataFrame(columns)


def measure_models(
    parent: str | Path, cells: Sequence[Cell], asked: Abilities, folder: Path, device: str | None = None
) -> pd.DataFrame:
    """What each tuned model can do in the languages of its cell; whatever is finished in `folder` is taken from there.

    `parent` is the model that every one of `cells` is tuned from, `asked` what each is asked, and `device` where it runs (None
    means auto). The columns are those of `measure_abilities` with `cell` and its tags before them. Models and numbers are known by
    what they are made of, as in `probes.sweep.sweep`: an interrupted study continues where it was, and several processes may share
    the folder.
    """
    models = Models(str(parent), Path(folder), "nothing", device)
    frames = []
    for cell in tqdm(cells, desc="models", unit="model", disable=None):
        mine = asked.asked([target for _, target in cell.directions])
        made = {**models.contents(cell), "abilities": mine.contents(), "columns": list(COLUMNS)}
        with models.store.alone(models.key(cell)):
            table = models.store.cells.find(made)
            if table is None:
                table = measure_abilities(models.open(cell)[0], mine)
                models.store.cells.keep(made, table, name=cell.name)
                _log.info("model %s measured", cell.name)
        frames.append(table.assign(cell=cell.name, **cell.tags)[["cell", *cell.tags, *COLUMNS]])
    return pd.concat(frames, ignore_index=True)


def measure_extrapolation(
    parent: str | Path,
    cells: Sequence[Cell],
    asked: Abilities,
    folder: Path,
    *,
    how: Mapping[str, object] | None = None,
    device: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> ExtrapolationReport:
    """Does tuning carry what a model can do in English into other languages, and does it align them in its layers?

    Parameters
    ----------
    parent
        Hub name or folder of the model that every cell is tuned from.
    cells
        The models, tagged `arm` and `seed`. One arm is "untuned", and where one is "english" the others are compared with it,
        too. An arm may be many models (CoIT: one per language).
    asked
        What every model is asked.
    folder
        Where finished models and numbers are kept.
    how
        What the signature says of the tuning.
    device
        cpu, cuda, cuda:1, mps or auto; None means auto.
    resamples, seed
        Bootstrap resamples of items and training seeds, and their random seed.

    Notes
    -----
    When it misleads: arms have more data and so more updates the more languages they have (give `steps` in the
    recipe to make updates equal); English-only tuning is also the control for the prompt's format; after tuning on translations of
    the sentences that are aligned, alignment would measure memorisation, so align other sentences.

    Example
    -------
    What the untuned model can do; `ExtrapolationStudy` makes the cells of the other arms:

    >>> import interp, probes, tempfile
    >>> from probes.extrapolation.measure import Abilities
    >>> from probes.sweep.models import Cell
    >>> languages = ["eng_Latn", "deu_Latn"]
    >>> asked = Abilities(
    ...     task=interp.read_task("cldr:facts", languages=languages).select(limit=3),
    ...     corpus=interp.read("cldr:names", languages=languages, split="heldout").select(limit=3),
    ...     text=interp.read("cldr:phrases", languages=languages).select(limit=8),
    ...     max_new_tokens=8,
    ... )
    >>> cells = [Cell("untuned", None, None, (("eng_Latn", "deu_Latn"),), {"arm": "untuned", "seed": 0})]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = probes.measure_extrapolation("bundled", cells, asked, folder, resamples=20)
    >>> sorted(report.table["measure"].unique())
    ['alignment: mexa', 'alignment: mexa_centred', 'answers: exact', 'translation: chrf']
    """
    table = measure_models(parent, cells, asked, folder, device)
    return report_abilities(table, parent, asked, how or {}, resamples=resamples, seed=seed)


def report_abilities(
    table: pd.DataFrame, parent: str | Path, asked: Abilities, how: Mapping[str, object], *, resamples: int, seed: int
) -> ExtrapolationReport:
    """The report of what models can do: the `table` of `measure_models`.

    `parent, asked, how, resamples, seed` are those of `measure_extrapolation`.
    """
    identity = identify(load(parent, device="cpu"))
    corpora = CorpusIdentity("+".join(part.name for part in (asked.task, asked.corpus, asked.text)),
                             digest({"parts": asked.contents()}), len(asked.task))  # fmt: skip
    scores = {"answers": metric_name(asked.answer), "translation": metric_name(asked.translation)}
    targets = [code for code in asked.corpus.languages if code != asked.pivot]
    scored = signed_studied(list(dict.fromkeys((asked.answer, asked.translation))), targets)
    own = {**scores, **scored, "pool": asked.pooling, "boot": resamples, "seed": seed}
    return ExtrapolationReport(
        table,
        Signature("extrapolate", identity, corpora, {**how, **own}),
        settings={"pivot": asked.pivot, "resamples": resamples, "seed": seed},
        notes=_notes(table, asked, identity.name),
    )


def _notes(table: pd.DataFrame, asked: Abilities, model: str) -> tuple[str, ...]:
    notes = [f"Alignment is over {len(asked.text)} sentences; its embedding row mostly measures tokens that two languages share."]
    if table["seed"].nunique() == 1:
        notes.append("One seed: intervals are over items alone and do not include training variance.")
    if model == "bundled":
        notes.append(
            "The bundled model is a lexicon: this shows that the method works, and says nothing about models trained on prose."
        )
    return tuple(notes)
