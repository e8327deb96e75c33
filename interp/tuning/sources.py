"""Where examples come from: parallel text and questions, instruction files, plain text, and the papers' ways to combine them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from interp.files.checks import short_repr
from interp.files.sealed_json import parsed
from interp.languages import language
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.text.formats.lines import at, lines
from interp.text.formats.tables import identifier
from interp.tuning.mixtures import Example, Mixture, sampled, union

ENGLISH = "eng_Latn"

TRANSLATE = (
    "Translate the following sentences from {source} to {target}.",
    "Give the {target} version of this {source} text.",
    "How does one say this in {target}? The text is {source}.",
    "Put this {source} text into {target}.",
    "Write in {target} what the {source} input says.",
    "Here is some {source}. Translate it to {target}.",
    "Convert the {source} input to {target}, keeping its meaning.",
    "State the same thing in {target} instead of {source}.",
)
"""Translation instructions, cycled in training; the first is the one to ask with (arXiv 2308.04948 cycles 33 of its own)."""
QUESTION = "Translate the input from {source} to {target}:"
COPY = "Repeat the following {source} text."


def translations(
    corpus: ParallelCorpus,
    directions: Iterable[tuple[str, str]],
    *,
    limit: int | None = None,
    seed: int = 0,
    instructions: Sequence[str] = TRANSLATE,
) -> Mixture:
    """Sentences to translate, the first `limit` items of one shuffled order in every direction, instructions cycled."""
    rows = _order(corpus.name, len(corpus), limit, seed)
    examples = []
    for source, target in _pairs(directions):
        read, written = corpus[source], corpus[target]
        for turn, row in enumerate(rows):
            asked = _worded(instructions[turn % len(instructions)], source, target)
            examples.append(_example(corpus.name, corpus.ids[row], asked, read[row], written[row], source, target))
    return Mixture(f"translation({corpus.name})", tuple(examples))


def question_translations(
    task: ParallelTask, sources: Iterable[str], target: str = ENGLISH, *, limit: int | None = None, seed: int = 0
) -> Mixture:
    """Questions to translate, never their answers: what spontaneous multilingual learners are tuned on (arXiv 2405.13816)."""
    questions = ParallelCorpus(task.name, task.prompts, task.ids)
    directions = [(source, target) for source in sources]
    return translations(questions, directions, limit=limit, seed=seed, instructions=(QUESTION,))


def copies(corpus: ParallelCorpus, spelling: str = ENGLISH, *, limit: int | None = None, seed: int = 0) -> Mixture:
    """The format control: the same prompt, but the answer repeats the input, so nothing about another language is taught."""
    code = language(spelling).code
    examples = [
        _example(corpus.name, corpus.ids[row], _worded(COPY, code, code), corpus[code][row], corpus[code][row], code, code)
        for row in _order(corpus.name, len(corpus), limit, seed)
    ]
    return Mixture(f"copy({corpus.name})", tuple(examples))


def plain_text(corpus: ParallelCorpus, spellings: Iterable[str], *, limit: int | None = None, seed: int = 0) -> Mixture:
    """Sentences as they stand, for causal language modelling (template "text"), one example a sentence and language."""
    rows = _order(corpus.name, len(corpus), limit, seed)
    codes = [language(spelling).code for spelling in spellings]
    examples = [_example(corpus.name, corpus.ids[row], "", "", corpus[code][row], code, code) for code in codes for row in rows]
    return Mixture(f"text({corpus.name})", tuple(examples))


def answered_questions(task: ParallelTask, spellings: Iterable[str], *, limit: int | None = None, seed: int = 0) -> Mixture:
    """Questions with their reference answers, asked and answered in one language: general instructions for CoIT and MuIT."""
    rows = _order(task.name, len(task), limit, seed)
    questions = ParallelCorpus(task.name, task.prompts, task.ids)
    codes = [language(spelling).code for spelling in spellings]
    examples = []
    for code in codes:
        asked = questions[code]
        examples += [_example(task.name, task.ids[row], asked[row], "", task.answers[code][row][0], code, code) for row in rows]
    return Mixture(f"questions({task.name})", tuple(examples))


def read_instructions(path: str | Path, spelling: str = ENGLISH) -> Mixture:
    """Instruction JSONL: `instruction`, `input`, and `output` or `answer`; optional `id, item, source, target, language`.

    `spelling` is the language of lines that name none.
    """
    path = Path(path)
    found = [_from_line(path, number, line, spelling) for number, line in lines(path, crlf=True) if line.strip()]
    return Mixture(path.stem, tuple(found))


def coit(general_english: Mixture, general_target: Mixture, parallel: Mixture) -> Mixture:
    """Cross-lingual instruction tuning: general English, general target-language and English-to-target translation."""
    return union("coit", [general_english, general_target, parallel])


def muit(parts: Mapping[str, Mixture], *, total: int | None = None, seed: int = 0, ratios: Mapping[str, float] | None = None,
         budgets: Mapping[str, int] | None = None, temperature: float = 1.0) -> Mixture:  # fmt: skip
    """Multilingual instruction tuning: the union over languages, by budgets a language, by sampling ratios, or all of it."""
    parts = {language(spelling).code: part for spelling, part in parts.items()}
    if budgets is not None and (total is not None or ratios is not None):
        raise ValueError("muit: budgets came together with total or ratios. Give the budgets, or a total with its ratios.")
    if budgets is not None:
        wanted = {language(spelling).code: n for spelling, n in budgets.items()}
        if missing := set(wanted) - set(parts):
            raise ValueError(f"muit: a budget for {', '.join(sorted(missing))}, but the data is in {', '.join(parts)}.")
        return union("muit", [parts[code].prefix(n, seed) for code, n in wanted.items() if n])
    if total is None:
        return union("muit", parts.values())
    shares = None if ratios is None else {language(spelling).code: share for spelling, share in ratios.items()}
    return sampled(parts, total, seed, shares, temperature)


def ordered_pairs(spellings: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """All directions among some languages: 156 for mFTI's thirteen."""
    return tuple(itertools.permutations([language(spelling).code for spelling in spellings], 2))


def seen_pairs(mix: Sequence[str], source: Sequence[str], target: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The directions mFTI is tuned on under a partition: from `source` or `mix` into `target` or `mix` (arXiv 2305.15083)."""
    readable, writable = [language(s).code for s in (*source, *mix)], [language(s).code for s in (*target, *mix)]
    return tuple((a, b) for a in readable for b in writable if a != b)


def _pairs(directions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(language(source).code, language(target).code) for source, target in directions]


def _order(name: str, n: int, limit: int | None, seed: int) -> list[int]:
    if limit is not None and not 1 <= limit <= n:
        raise ValueError(f"{name!r} has {n} items but {limit} were asked for. Ask for 1 to {n}.")
    return random.Random(seed).sample(range(n), n)[:limit]


def _worded(instruction: str, source: str, target: str) -> str:
    return instruction.format(source=language(source).name, target=language(target).name)


def _example(name: str, item: str, asked: str, read: str, written: str, source: str, target: str) -> Example:
    return Example(f"{name}/{item}/{source}>{target}", asked, read, written, source, target, f"{name}/{item}")


def _from_line(path: Path, number: int, line: str, spelling: str) -> Example:
    where = at(path, number)
    found = parsed(line, where)
    if not isinstance(found, dict):
        raise ValueError(f"{where}: got {short_repr(found)}, expected a JSON object with instruction, input and output.")
    given = {name: found.get(name) for name in ("instruction", "input", "source", "target", "language", "item")}
    given = {name: "" if value is None else value for name, value in given.items()}
    given["answer"] = found.get("output", found.get("answer"))
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    if wrong := [name for name in given if name not in texts]:
        raise ValueError(
            f"{where}: got no text as {'output or answer' if wrong[0] == 'answer' else wrong[0]}, "
            "expected a JSON object with instruction, input and output, all text."
        )
    name, code = identifier(found.get("id", f"{path.stem}/{number}"), where), texts["language"] or spelling
    try:
        return Example(name, texts["instruction"], texts["input"], texts["answer"], texts["source"] or code,
                       texts["target"] or code, texts["item"] or name)  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
