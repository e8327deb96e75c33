"""Classification questions in several languages: which label each layer chooses, and in which language.

The answer is the most probable label after few-shot examples (constrained decoding), in one forward pass. Labels are English
words, words of the question's language, or irrelevant words ("ox", "horse"). At intermediate layers, the English label can come
before the one that is asked for (Zhang et al. 2024, "Spontaneous multilingual learners", section 5). The prior of a label is not
corrected for: a model that always answers "neutral" is right in a third of the items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from interp.languages import language
from interp.lens.distributions import pad_sets
from interp.lens.logit_lens import read_prompts, rows_of
from interp.lens.tuned_lens import TunedLens
from interp.models.hooks import hooks_in_force
from interp.models.load import TransformerBridge, identify, random_init
from interp.progress import Progress
from interp.provenance import Signature
from interp.text.chat import chat_digest
from interp.text.corpus import ParallelTask
from interp.vocabulary.spelling import TokenRule, Vocabulary, read_vocabulary
from probes.lens.few_shots import FewShotPrompt
from probes.lens.labels_report import LabelLensReport

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Labels = Literal["english", "target", "irrelevant"]
IRRELEVANT = ("ox", "horse", "sheep", "goat", "duck")


@dataclass(frozen=True)
class LabelPrompts:
    """The prompts of one language, with their examples, and the label words in the order of the options.

    `gold[i]` is the index of the right option. `scored` are the tokens of each label, `english` those of the English labels (empty
    if both are the same words).
    """

    language: str
    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    gold: tuple[int, ...]
    words: tuple[str, ...]
    scored: tuple[frozenset[int], ...]
    english: tuple[frozenset[int], ...]


def measure_labels(
    model: TransformerBridge,
    task: ParallelTask,
    *,
    labels: Labels = "english",
    words: Mapping[str, Sequence[str]] | None = None,
    shots: int = 6,
    rule: TokenRule = "prefix",
    lens: TunedLens | None = None,
    chat: bool = False,
    controls: bool = True,
    seed: int = 0,
    resamples: int = 1000,
) -> LabelLensReport:
    """Choose a label for every question in every language, at every layer.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    task
        Questions with the same options in every item, such as entailment labels.
    labels
        Label words: `english`; `target`, of the language of the question, which leaves out the English questions; or
        `irrelevant`, words without meaning here. `english` needs English among the languages.
    words
        Label words of a language, in the order of the options. Default: those of the task.
    shots
        Number of items used as few-shot examples, the options in turn. They are not asked in any language.
    rule
        Which tokens count as a label: `prefix`, all tokens that spell a prefix of it, or `first`, its first token. Tokens that two
        labels share count for neither.
    lens
        A tuned lens, from `interp.train_lens` or `interp.load_lens`. Default: the logit lens.
    chat
        Write the prompts in the chat template of the tokenizer: questions as messages of the user, and the answers, of which the
        model continues the last, as those of the assistant.
    controls
        Also read a randomly initialised model of the same architecture, always with the logit lens.
    seed
        Random seed of the randomly initialised model and of the bootstrap.
    resamples
        Number of bootstrap resamples of the items.

    Returns
    -------
    A `LabelLensReport`.

    Raises
    ------
    ValueError
        The options differ between items, too few items are left, or the labels cannot be told apart by their tokens in any
        language.

    References
    ----------
    Zhang et al. 2024, "Spontaneous multilingual learners", section 5.

    Example
    -------
    >>> import interp, probes
    >>> task = interp.ParallelTask(
    ...     "weather",
    ...     prompts={"eng_Latn": ("Sun? ", "Rain? ", "Sun! "), "deu_Latn": ("Sonne? ", "Regen? ", "Sonne! ")},
    ...     answers={code: (("good",), ("bad",), ("good",)) for code in ("eng_Latn", "deu_Latn")},
    ...     choices={code: (("good", "bad"),) * 3 for code in ("eng_Latn", "deu_Latn")},
    ... )
    >>> report = probes.measure_labels(interp.load("bundled"), task, labels="irrelevant", shots=1, controls=False, resamples=20)
    >>> report.settings["words"]["deu_Latn"], len(report.values("correct"))  # the labels, and the items asked
    (['ox', 'horse'], 2)
    """
    vocabulary, gold = read_vocabulary(model.tokenizer, model.cfg.d_vocab), _gold(task)
    shown = _examples(gold, shots)
    prompts, notes = label_prompts(model, task, labels=labels, words=words, shots=shots, rule=rule, chat=chat)
    total = sum(len(one.prompts) for one in prompts) * (2 if controls else 1)
    with Progress(total=total, desc="lens", unit="prompt") as bar:
        frames = [_read(model, asked, vocabulary, "trained", lens, bar) for asked in prompts]
        if controls:
            chance = random_init(model, seed)
            frames += [_read(chance, asked, vocabulary, "random", None, bar) for asked in prompts]
    how = {"labels": labels, "shots": shots, "rule": rule, "lens": str(lens or "logit")}
    if chat:
        how["chat"] = chat_digest(model.tokenizer)
    asked = [gold[row] for row in range(len(gold)) if row not in shown]
    return LabelLensReport(
        table=pd.concat(frames, ignore_index=True),
        signature=Signature("label_lens", identify(model), task.identity,
                            {**how, "boot": resamples, "seed": seed, **hooks_in_force(model)}),
        settings={**how, "resamples": resamples, "seed": seed, "layers": list(rows_of(model)),
                  "words": {one.language: list(one.words) for one in prompts},
                  "majority": max(asked.count(option) for option in asked) / len(asked)},
        notes=tuple(notes),
    )  # fmt: skip


def label_prompts(
    model: TransformerBridge,
    task: ParallelTask,
    *,
    labels: Labels = "english",
    words: Mapping[str, Sequence[str]] | None = None,
    shots: int = 6,
    rule: TokenRule = "first",
    chat: bool = False,
) -> tuple[list[LabelPrompts], list[str]]:
    """What is asked in each language, and why others are left out.

    `model`, `task`, `labels`, `words`, `shots`, `rule` and `chat`, and the errors, are those of `measure_labels`.
    """
    vocabulary, gold = read_vocabulary(model.tokenizer, model.cfg.d_vocab), _gold(task)
    told = {language(code).code: tuple(own) for code, own in (words or {}).items()}
    shown = _examples(gold, shots)
    english = _own(task, "eng_Latn", told) if "eng_Latn" in task.languages else None
    prompts, notes = [], []
    for code in [code for code in task.languages if labels != "target" or code != "eng_Latn"]:
        try:
            answers = _words(_own(task, code, told), english, labels)
            others = english if labels == "target" else None
            prompts.append(_prompts(task, code, answers, others, gold, shown, vocabulary, rule, model.tokenizer if chat else None))
        except ValueError as error:
            notes.append(f"{code} is left out: {error}")
    if not prompts:
        raise ValueError(f"{task.name!r}: no language can be asked. {' '.join(notes) or 'Add one besides English.'}")
    return prompts, notes


def _gold(task: ParallelTask) -> list[int]:
    if not task.choices:
        raise ValueError(f"task {task.name!r}: got no options, expected the same options in every item, such as entailment labels.")
    first = task.languages[0]
    for code in task.languages:
        if len(set(task.choices[code])) > 1:
            raise ValueError(
                f"task {task.name!r}: got other options in some items of {code}, expected the same label words in every item."
            )
    return [task.choices[first][row].index(task.answers[first][row][0]) for row in range(len(task))]


def _examples(gold: Sequence[int], shots: int) -> list[int]:
    """The first items whose right options are all options in turn."""
    options = sorted(set(gold))
    shown: list[int] = []
    for shot in range(shots):
        fitting = [row for row, option in enumerate(gold) if option == options[shot % len(options)] and row not in shown]
        if not fitting or len(shown) + 1 >= len(gold):
            raise ValueError(f"got {shots} shots for {len(gold)} items, expected fewer, so that an item is left to ask.")
        shown.append(fitting[0])
    return shown


def _own(task: ParallelTask, code: str, told: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    own = task.choices[code][0]
    if code in told and len(told[code]) != len(own):
        raise ValueError(
            f"words of {code}: got {len(told[code])} for {len(own)} options ({', '.join(own)}), expected one for each."
        )
    return tuple(told.get(code, own))


def _words(own: Sequence[str], english: Sequence[str] | None, labels: Labels) -> Sequence[str]:
    if labels == "irrelevant":
        return IRRELEVANT[: len(own)]
    if labels == "english" and english is None:
        raise ValueError("got labels 'english' without English label words. Add eng_Latn to the languages, or use labels 'target'.")
    return own if labels == "target" or english is None else english


def _prompts(
    task: ParallelTask,
    code: str,
    words: Sequence[str],
    english: Sequence[str] | None,
    gold: Sequence[int],
    shown: Sequence[int],
    vocabulary: Vocabulary,
    rule: TokenRule,
    tokenizer: PreTrainedTokenizerBase | None,
) -> LabelPrompts:
    same = "".join(letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*words, strict=False)))
    scored = _apart([vocabulary.tokens(word.removeprefix(same).strip(), rule) for word in words], words)
    others = _apart([vocabulary.tokens(word, rule) for word in english], english) if english and english != tuple(words) else ()
    asked = task.prompts[code]
    examples = tuple((asked[row], words[gold[row]] + ('"' if asked[row].endswith('"') else "")) for row in shown)
    rows = [row for row in range(len(gold)) if row not in shown]
    prompts = tuple(FewShotPrompt(examples, asked[row], same).write(tokenizer) for row in rows)
    ids = tuple(task.ids[row] for row in rows)
    return LabelPrompts(code, ids, prompts, tuple(gold[row] for row in rows), tuple(words), scored, others)


def _apart(sets: Sequence[frozenset[int]], words: Sequence[str]) -> tuple[frozenset[int], ...]:
    """The tokens of each label that no other label has. What all labels begin with is written into the prompt instead."""
    distinct = tuple(
        own - frozenset().union(*(other for j, other in enumerate(sets) if j != index)) for index, own in enumerate(sets)
    )
    if not all(distinct):
        raise ValueError(
            f"the tokenizer cannot tell the labels {', '.join(words)} apart by their first tokens. Use other label words."
        )
    return distinct


def _read(
    model: TransformerBridge, asked: LabelPrompts, vocabulary: Vocabulary, weights: str, lens: TunedLens | None, bar: Progress
) -> pd.DataFrame:
    names, classes = vocabulary.script_classes()
    sets = pad_sets([[*asked.scored, *asked.english]] * len(asked.ids))
    reading = read_prompts(model, asked.prompts, sets, (classes, len(names)), ranked=0, lens=lens, top=1, bar=bar)
    k, gold = len(asked.scored), np.array(asked.gold)
    mass = reading.mass.double().numpy()
    own, other = mass[:, :, :k], mass[:, :, k:]
    measures = {"correct": _credit(own, gold), "gold": _at(own, gold), "any": own.sum(-1), "entropy": reading.entropy.numpy()}
    measures["share"] = np.divide(measures["gold"], measures["any"], out=np.full(own.shape[:2], np.nan), where=measures["any"] > 0)
    if asked.english:
        shared = np.array([bool(asked.scored[option] & asked.english[option]) for option in asked.gold])
        measures["gold_english"] = np.where(shared, np.nan, _at(other, gold))
        measures["any_english"] = np.where(shared, np.nan, other.sum(-1))
    same = {"language": asked.language, "weights": weights}
    frames = [_tidy(values, asked.ids, reading.layers, {**same, "measure": measure}) for measure, values in measures.items()]
    return pd.concat(frames, ignore_index=True)


def _at(mass: np.ndarray, gold: np.ndarray) -> np.ndarray:
    return mass[:, np.arange(len(gold)), gold]


def _credit(mass: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """1 where the right label alone is most probable; its share where several are level."""
    best = mass == mass.max(-1, keepdims=True)
    return _at(best, gold) / best.sum(-1)


def _tidy(values: np.ndarray, ids: Sequence[str], layers: Sequence[str], same: Mapping[str, str]) -> pd.DataFrame:
    items = pd.Categorical.from_codes(np.tile(np.arange(len(ids)), len(layers)), list(ids))
    rows = pd.Categorical.from_codes(np.repeat(np.arange(len(layers)), len(ids)), list(layers))
    return pd.DataFrame({"item": items, **same, "layer": rows, "value": values.reshape(-1).astype(float)})
