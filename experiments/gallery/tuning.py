"""The entries that tune a model, and the texts they are tuned and tested on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.answer import AnswerSettings
from experiments.compare import CompareSettings
from experiments.gallery import rules_tuning
from experiments.gallery.entry import SMOLLM2, Entry, Inputs
from experiments.quadrants import QuadrantsSettings
from experiments.settings.settings import Settings
from experiments.tune import TuneSettings

_SEEN, _UNSEEN = ("deu_Latn", "fra_Latn"), ("spa_Latn", "ita_Latn")


def _quadrants(inputs: Inputs) -> tuple[Settings, ...]:
    train, test = (inputs.work / "text" / f"questions-{part}" for part in ("train", "test"))
    texts = {path.name.split(".")[1]: path for path in sorted((inputs.data / "xquad").glob("questions.*.jsonl"))}
    for folder, rows in ((train, slice(0, 480)), (test, slice(500, 612))):
        _write(folder, {code: [row["question"] for row in _rows(path)[rows]] for code, path in texts.items()})
    return (
        QuadrantsSettings(
            model=inputs.smollm2, dtype="bfloat16", corpus=str(train), split=None, test_corpus=str(test), test_split=None,
            languages=("deu_Latn", "spa_Latn"), probes=("ron_Latn", "tur_Latn"), steps=20, batch=8, device_batch=8,
            learning_rate=1e-3, tie="untie", limit=24, max_new_tokens=32, output=inputs.work / "quadrants",
        ),
    )  # fmt: skip


def _questions(inputs: Inputs) -> tuple[Settings, ...]:
    facts = {code: _rows(inputs.data / "flagged" / "bmlama53" / f"{code}.jsonl") for code in ("eng_Latn", *_SEEN, *_UNSEEN)}
    train, test = (inputs.work / "text" / f"facts-{part}" for part in ("train", "test"))
    for folder, rows in ((train, slice(0, 110)), (test, slice(110, 150))):
        _write(folder, {code: table[rows] for code, table in facts.items()})
    tuned = TuneSettings(
        model=inputs.smollm2, dtype="bfloat16", mixture="questions", general=str(train), languages=_SEEN, scope="lora",
        form="question", learning_rate=4e-4, batch=8, device_batch=8, epochs=1.0, held_out=0.0, checkpoints=0,
        output=inputs.work / "questions-tuned",
    )  # fmt: skip
    asked = AnswerSettings(
        model=inputs.smollm2, dtype="bfloat16", corpus=str(test), languages=(*_SEEN, *_UNSEEN), written=False,
        output=inputs.work / "questions-before",
    )  # fmt: skip
    return (
        tuned,
        asked,
        AnswerSettings(**{**vars(asked), "model": str(tuned.output), "output": inputs.work / "questions-after"}),
        CompareSettings(before=str(asked.output), after=str(inputs.work / "questions-after"), output=inputs.work / "questions"),
    )


def _copies(inputs: Inputs) -> tuple[Settings, ...]:
    """The runs of `_questions`, and beside its tuned model one that learned to copy the same questions in the same prompt."""
    tuned, asked, after, _ = _questions(inputs)
    assert isinstance(tuned, TuneSettings)
    assert isinstance(asked, AnswerSettings)
    copied = replace(tuned, control="copy", output=inputs.work / "questions-copied")
    control = replace(asked, model=str(copied.output), output=inputs.work / "questions-after-copies")
    beside = CompareSettings(before=str(control.output), after=str(after.output), output=inputs.work / "questions-control")
    return tuned, after, copied, control, beside


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _write(folder: Path, tables: Mapping[str, Sequence[object]]) -> None:
    """Write lines of text, or rows, one file a language."""
    folder.mkdir(parents=True, exist_ok=True)
    for code, table in tables.items():
        ending = "txt" if isinstance(table[0], str) else "jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in table]
        (folder / f"{code}.{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")


TUNING = (
    Entry(
        name="quadrants",
        model=SMOLLM2,
        data="XQuAD questions (CC BY-SA 4.0): 480 to tune on, 24 of other articles to test on",
        finding="Vocabulary sharing (Yuan et al. 2023, arXiv 2311.09071): tuning the embedding alone on one language improves "
        "it, and often others.",
        control="A model with as many updates on copies of the English text in the same prompt.",
        reasons="Two languages that SmolLM2 knows a little, and the paper's probe language Romanian, with Turkish; 20 updates "
        "of 8 pairs, for the time of one processor: the paper makes 234 of 128. The output layer keeps a copy of the "
        "shared table, so the input alone moves. The learning rate, 1e-3, is large because the updates are few.",
        rule="chrF++ of the tuned language rises above the format-tuned model's, interval above zero. Came out: for both "
        "languages.",
        steps=_quadrants,
        judge=rules_tuning.quadrants,
    ),
    Entry(
        name="questions",
        model=SMOLLM2,
        data="BMLAMA facts (CC BY-NC 4.0: numbers only): 110 to tune on without answers, 40 others to test on",
        finding="Spontaneous multilingual learners (Zhang et al. 2024, arXiv 2405.13816): translating questions, never "
        "answering them, improves answers, also in languages never tuned on.",
        control="The untuned model, fact by fact; chance is one in ten. A model tuned on copies: the next entry.",
        reasons="The paper's LoRA (rank 8, query and value) and prompt; one pass over 110 questions in German and French, for "
        "the time of one processor: the paper takes 10,000 a language. Spanish and Italian are never tuned on.",
        rule="Accuracy rises in the unseen languages, interval of the paired difference above zero. Came out: in both.",
        steps=_questions,
        judge=rules_tuning.questions,
    ),
    Entry(
        name="questions-control",
        model=SMOLLM2,
        data="BMLAMA facts (CC BY-NC 4.0: numbers only): 110 to tune on without answers, 40 others to test on",
        finding="Spontaneous multilingual learners (Zhang et al. 2024, arXiv 2405.13816): translating the questions is what "
        "improves answers, and not the format of the prompt or the updates.",
        control="A model with as many updates on copies of the same questions in the same prompt, fact by fact.",
        reasons="Those of the entry above, whose tuned model it is; the control differs in the text to be written alone.",
        rule="Accuracy in the unseen languages is above that of the model tuned on copies, interval of the paired difference above "
        "zero. Came out: in both.",
        steps=_copies,
        judge=rules_tuning.copies,
    ),
)
"""In the order of the page."""
