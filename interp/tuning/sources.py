"""Training examples from parallel text and questions: translations, copies, plain text, and answers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from interp.languages import language
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.tuning.mixtures import Example, Mixture

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
GENERATE = "Write a sentence in {target}."


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
            asked = _worded(instructions[turn % len(instructions)], source, target)
            examples.append(_example(corpus.name, corpus.ids[row], asked, read[row], written[row], source, target))
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


def generations(corpus: ParallelCorpus, spellings: Iterable[str], *, limit: int | None = None, seed: int = 0) -> Mixture:
    """Make instructions to write a sentence in a language, with nothing to translate: what a language's name alone teaches.

    Parameters
    ----------
    corpus
        Parallel sentences, each an answer.
    spellings
        The languages to write, in any spelling.
    limit
        Number of items, the first of a random order; the same items in every direction or language. Default: all.
    seed
        Random seed of that order.

    References
    ----------
    The monolingual generation instructions of Li et al. 2023, arXiv 2305.15083; the wording is ours.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import generations
    >>> corpus = interp.read("cldr:names", languages=["deu_Latn"], limit=4)
    >>> generations(corpus, ["deu_Latn"]).examples[0].instruction
    'Write a sentence in German.'
    """
    rows = _order(corpus.name, len(corpus), limit, seed)
    codes = [language(spelling).code for spelling in spellings]
    name = f"generation({corpus.name})"
    examples = [
        Example(f"{name}/{corpus.ids[row]}/{code}", _worded(GENERATE, code, code), "", corpus[code][row], code, code,
                f"{corpus.name}/{corpus.ids[row]}")
        for code in codes for row in rows
    ]  # fmt: skip
    return Mixture(name, tuple(examples))


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
        asked = questions[code]
        examples += [_example(task.name, task.ids[row], asked[row], "", task.answers[code][row][0], code, code) for row in rows]
    return Mixture(f"questions({task.name})", tuple(examples))


def _pairs(directions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(language(source).code, language(target).code) for source, target in directions]


def _order(name: str, n: int, limit: int | None, seed: int) -> list[int]:
    if limit is not None and not 1 <= limit <= n:
        raise ValueError(
            f"got {limit} items to take from {name!r}, expected 1 to {n}. Take fewer (--samples), or give more text (--corpus)."
        )
    return random.Random(seed).sample(range(n), n)[:limit]


def _worded(instruction: str, source: str, target: str) -> str:
    return instruction.format(source=language(source).name, target=language(target).name)


def _example(name: str, item: str, asked: str, read: str, written: str, source: str, target: str) -> Example:
    return Example(f"{name}/{item}/{source}>{target}", asked, read, written, source, target, f"{name}/{item}")
