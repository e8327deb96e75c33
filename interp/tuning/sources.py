"""Training data from parallel text and questions, instruction files and plain text, combined as in the papers."""

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
    """Make translation examples of parallel sentences.

    Parameters
    ----------
    corpus
        Parallel sentences.
    directions
        Pairs of source and target language, in any spelling.
    limit
        Number of items, the first of a random order; the same items in every direction or language. Default: all.
    seed
        Random seed of that order.
    instructions
        Instructions, with {source} and {target} for English language names; they are cycled over the items.

    Raises
    ------
    ValueError
        A language is not in the corpus, or `limit` is less than 1 or more than the number of items.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import translations
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> translations(corpus, [("eng_Latn", "deu_Latn")]).examples[0].instruction
    'Translate the following sentences from English to German.'
    """
    rows = _order(corpus.name, len(corpus), limit, seed)
    examples = []
    for source, target in _pairs(directions):
        read, written = corpus[source], corpus[target]
        for turn, row in enumerate(rows):
            instruction = _worded(instructions[turn % len(instructions)], source, target)
            examples.append(_example(corpus.name, corpus.ids[row], instruction, read[row], written[row], source, target))
    return Mixture(f"translation({corpus.name})", tuple(examples))


def question_translations(
    task: ParallelTask, sources: Iterable[str], target: str = ENGLISH, *, limit: int | None = None, seed: int = 0
) -> Mixture:
    """Make translation examples of questions, without their answers, to tune a model that answers questions.

    Parameters
    ----------
    task
        Parallel questions.
    sources
        Languages to translate from.
    target
        Language to translate to.
    limit
        Number of items, the first of a random order; the same items in every direction or language. Default: all.
    seed
        Random seed of that order.

    References
    ----------
    Zhang et al. 2024, "Getting More from Less: Large Language Models are Good Spontaneous Multilingual Learners", arXiv 2405.13816.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import question_translations
    >>> task = interp.ParallelTask(
    ...     "capitals", {"eng_Latn": ("Capital of Peru?",), "deu_Latn": ("Hauptstadt von Peru?",)},
    ...     {"eng_Latn": (("Lima",),), "deu_Latn": (("Lima",),)},
    ... )
    >>> question_translations(task, ["deu_Latn"]).examples[0].answer
    'Capital of Peru?'
    """
    questions = ParallelCorpus(task.name, task.prompts, task.ids)
    directions = [(source, target) for source in sources]
    return translations(questions, directions, limit=limit, seed=seed, instructions=(QUESTION,))


def copies(corpus: ParallelCorpus, spelling: str = ENGLISH, *, limit: int | None = None, seed: int = 0) -> Mixture:
    """Make copy examples, whose answer is the input: a control with the format of translation, but one language.

    Parameters
    ----------
    corpus
        Parallel sentences.
    spelling
        The language, in any spelling.
    limit
        Number of items, the first of a random order; the same items in every direction or language. Default: all.
    seed
        Random seed of that order.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import copies
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> example = copies(corpus).examples[0]
    >>> example.input == example.answer
    True
    """
    code = language(spelling).code
    examples = [
        _example(corpus.name, corpus.ids[row], _worded(COPY, code, code), corpus[code][row], corpus[code][row], code, code)
        for row in _order(corpus.name, len(corpus), limit, seed)
    ]
    return Mixture(f"copy({corpus.name})", tuple(examples))


def plain_text(corpus: ParallelCorpus, spellings: Iterable[str], *, limit: int | None = None, seed: int = 0) -> Mixture:
    """Make examples of plain text for language modelling, one per sentence and language. Use the template "text".

    Parameters
    ----------
    corpus
        Parallel sentences.
    spellings
        The languages, in any spelling.
    limit
        Number of items, the first of a random order; the same items in every direction or language. Default: all.
    seed
        Random seed of that order.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import plain_text
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> plain_text(corpus, ["eng_Latn", "deu_Latn"], limit=3).counts()
    {'eng_Latn>eng_Latn': 3, 'deu_Latn>deu_Latn': 3}
    """
    rows = _order(corpus.name, len(corpus), limit, seed)
    codes = [language(spelling).code for spelling in spellings]
    examples = [_example(corpus.name, corpus.ids[row], "", "", corpus[code][row], code, code) for code in codes for row in rows]
    return Mixture(f"text({corpus.name})", tuple(examples))


def answered_questions(task: ParallelTask, spellings: Iterable[str], *, limit: int | None = None, seed: int = 0) -> Mixture:
    """Make examples of questions and their reference answers in the same language: general instructions for CoIT and MuIT.

    Parameters
    ----------
    task
        Parallel questions with answers; the first answer of each is learned.
    spellings
        The languages, in any spelling.
    limit
        Number of items, the first of a random order; the same items in every direction or language. Default: all.
    seed
        Random seed of that order.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import answered_questions
    >>> task = interp.ParallelTask(
    ...     "capitals", {"eng_Latn": ("Capital of Peru?",), "deu_Latn": ("Hauptstadt von Peru?",)},
    ...     {"eng_Latn": (("Lima",),), "deu_Latn": (("Lima",),)},
    ... )
    >>> answered_questions(task, ["deu_Latn"]).examples[0].answer
    'Lima'
    """
    rows = _order(task.name, len(task), limit, seed)
    questions = ParallelCorpus(task.name, task.prompts, task.ids)
    codes = [language(spelling).code for spelling in spellings]
    examples = []
    for code in codes:
        prompts = questions[code]
        examples += [_example(task.name, task.ids[row], prompts[row], "", task.answers[code][row][0], code, code) for row in rows]
    return Mixture(f"questions({task.name})", tuple(examples))


def read_instructions(path: str | Path, spelling: str = ENGLISH) -> Mixture:
    """Read instruction data in JSONL, as Alpaca's.

    Parameters
    ----------
    path
        The file. Each line is an object with `instruction`, `input`, and `output` (or `answer`). `id`, `item`, `source`, `target`,
        and `language` (for both source and target) are optional.
    spelling
        Language of the lines that have none.

    Raises
    ------
    ValueError
        A line is not such an object. The message has its number.

    Example
    -------
    >>> import pathlib, tempfile
    >>> from interp.tuning import read_instructions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "some.jsonl")
    ...     _ = path.write_text('{"instruction": "Name a colour.", "input": "", "output": "Blue."}')
    ...     read_instructions(path).examples[0].answer
    'Blue.'
    """
    path = Path(path)
    examples = [_from_line(path, number, line, spelling) for number, line in lines(path, crlf=True) if line.strip()]
    return Mixture(path.stem, tuple(examples))


def coit(general_english: Mixture, general_target: Mixture, parallel: Mixture) -> Mixture:
    """Cross-lingual instruction tuning (CoIT): general instructions in two languages, and translation from English.

    Parameters
    ----------
    general_english, general_target
        General instructions in English and in the target language, as from `answered_questions` or `read_instructions`.
    parallel
        Translation from English to the target language, from `translations`.

    References
    ----------
    Zhu et al. 2023, "Extrapolating Large Language Models to Non-English by Aligning Languages", arXiv 2308.04948.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import coit, plain_text, translations
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> general = [plain_text(corpus, [code]) for code in ("eng_Latn", "deu_Latn")]
    >>> len(coit(*general, translations(corpus, [("eng_Latn", "deu_Latn")])))
    12
    """
    return union("coit", [general_english, general_target, parallel])


def muit(parts: Mapping[str, Mixture], *, total: int | None = None, seed: int = 0, ratios: Mapping[str, float] | None = None,
         budgets: Mapping[str, int] | None = None, temperature: float = 1.0) -> Mixture:  # fmt: skip
    """Multilingual instruction tuning (MuIT): the mixtures of several languages as one.

    Parameters
    ----------
    parts
        The mixture of each language, by language in any spelling.
    total
        Number of examples. Default: all.
    seed
        Random seed of the examples taken.
    ratios
        Sampling ratio of each language, with `total`. Default: by size and `temperature`, as in `sampled`.
    budgets
        Number of examples of each language, instead of `total` and `ratios`.
    temperature
        As in `sampled`.

    Raises
    ------
    ValueError
        Budgets together with a total or ratios, a budget for a language without data, or too few examples.

    References
    ----------
    Zhu et al. 2023, arXiv 2308.04948.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import muit, translations
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> parts = {"deu_Latn": translations(corpus, [("eng_Latn", "deu_Latn")])}
    >>> muit(parts, budgets={"deu_Latn": 3}).counts()
    {'eng_Latn>deu_Latn': 3}
    """
    parts = {language(spelling).code: part for spelling, part in parts.items()}
    if budgets is not None and (total is not None or ratios is not None):
        raise ValueError(
            "muit: got budgets together with total or ratios, expected either. Give the budgets, or a total with its ratios."
        )
    if budgets is not None:
        counts = {language(spelling).code: n for spelling, n in budgets.items()}
        if missing := set(counts) - set(parts):
            raise ValueError(
                f"muit: got a budget for {', '.join(sorted(missing))}, expected languages of the data: {', '.join(parts)}."
            )
        return union("muit", [parts[code].prefix(n, seed) for code, n in counts.items() if n])
    if total is None:
        return union("muit", parts.values())
    shares = None if ratios is None else {language(spelling).code: share for spelling, share in ratios.items()}
    return sampled(parts, total, seed, shares, temperature)


def ordered_pairs(spellings: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """All directions among the languages `spellings`, in any spelling: 156 for the thirteen of mFTI.

    Example
    -------
    >>> from interp.tuning import ordered_pairs
    >>> ordered_pairs(["en", "de"])
    (('eng_Latn', 'deu_Latn'), ('deu_Latn', 'eng_Latn'))
    """
    return tuple(itertools.permutations([language(spelling).code for spelling in spellings], 2))


def seen_pairs(mix: Sequence[str], source: Sequence[str], target: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The directions that mFTI trains on, given a partition of the languages.

    Parameters
    ----------
    mix
        Languages on both sides.
    source
        Languages to translate from only.
    target
        Languages to translate to only.

    References
    ----------
    Li et al. 2023, "Eliciting the Translation Ability of Large Language Models via Multilingual Finetuning with Translation
    Instructions", arXiv 2305.15083.

    Example
    -------
    >>> from interp.tuning import seen_pairs
    >>> seen_pairs(mix=["en"], source=["de"], target=["fr"])
    (('deu_Latn', 'fra_Latn'), ('deu_Latn', 'eng_Latn'), ('eng_Latn', 'fra_Latn'))
    """
    readable, writable = [language(s).code for s in (*source, *mix)], [language(s).code for s in (*target, *mix)]
    return tuple((a, b) for a in readable for b in writable if a != b)


def _pairs(directions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(language(source).code, language(target).code) for source, target in directions]


def _order(name: str, n: int, limit: int | None, seed: int) -> list[int]:
    if limit is not None and not 1 <= limit <= n:
        raise ValueError(f"got {limit} items to take from {name!r}, expected 1 to {n}.")
    return random.Random(seed).sample(range(n), n)[:limit]


def _worded(instruction: str, source: str, target: str) -> str:
    return instruction.format(source=language(source).name, target=language(target).name)


def _example(name: str, item: str, instruction: str, read: str, written: str, source: str, target: str) -> Example:
    return Example(f"{name}/{item}/{source}>{target}", instruction, read, written, source, target, f"{name}/{item}")


def _from_line(path: Path, number: int, line: str, spelling: str) -> Example:
    where = at(path, number)
    record = parsed(line, where)
    if not isinstance(record, dict):
        raise ValueError(f"{where}: got {short_repr(record)}, expected a JSON object with instruction, input and output.")
    fields = {name: record.get(name) for name in ("instruction", "input", "source", "target", "language", "item")}
    fields = {name: "" if value is None else value for name, value in fields.items()}
    fields["answer"] = record.get("output", record.get("answer"))
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    if missing := [name for name in fields if name not in texts]:
        raise ValueError(
            f"{where}: got no text as {'output or answer' if missing[0] == 'answer' else missing[0]}, "
            "expected a JSON object with instruction, input and output, all text."
        )
    name, code = identifier(record.get("id", f"{path.stem}/{number}"), where), texts["language"] or spelling
    try:
        return Example(name, texts["instruction"], texts["input"], texts["answer"], texts["source"] or code,
                       texts["target"] or code, texts["item"] or name)  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
