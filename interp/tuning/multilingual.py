"""How published recipes put languages together: CoIT and MuIT join mixtures, mFTI chooses directions."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from interp.languages import by_code, language, nearest
from interp.tuning.mixtures import Mixture, sampled, union

Directed = Literal["from_pivot", "to_pivot", "both", "all", "without_pivot"]
"""Which directions among a pivot and other languages: out of the pivot, into it, both, every one, or all that avoid it."""


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
    parts = by_code(parts)
    if budgets is not None and (total is not None or ratios is not None):
        raise ValueError(
            "muit: got budgets together with total or ratios, expected either. Give the budgets, or a total with its ratios."
        )
    if budgets is not None:
        wanted = by_code(budgets)
        if missing := set(wanted) - set(parts):
            raise ValueError(
                f"muit: got a budget for {', '.join(sorted(missing))}, expected languages of the data: {', '.join(parts)}."
            )
        return union("muit", [parts[code].prefix(n, seed) for code, n in wanted.items() if n])
    if total is None:
        return union("muit", parts.values())
    shares = None if ratios is None else by_code(ratios)
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


def directed(
    kind: Directed | str, spellings: Iterable[str], pivot: str = "eng_Latn", *, count: int | None = None, seed: int = 0
) -> tuple[tuple[str, str], ...]:
    """The directions to tune on among a pivot and other languages.

    Parameters
    ----------
    kind
        "from_pivot", "to_pivot", "both", "all" (every ordered pair) or "without_pivot" (every ordered pair of the others).
    spellings
        The languages beside the pivot, in any spelling.
    pivot
        The pivot, in any spelling.
    count
        Take so many of them, the first of one random order: a smaller number is part of a larger one. Default: all.
    seed
        Random seed of that order.

    Raises
    ------
    ValueError
        The kind is unknown, it has no direction, or there are fewer than `count`.

    Example
    -------
    >>> from interp.tuning import directed
    >>> directed("to_pivot", ["de", "fr"]), len(directed("all", ["de", "fr"])), len(directed("without_pivot", ["de", "fr"]))
    ((('deu_Latn', 'eng_Latn'), ('fra_Latn', 'eng_Latn')), 6, 2)
    """
    middle = language(pivot).code
    others = [code for code in dict.fromkeys(language(spelling).code for spelling in spellings) if code != middle]
    out, into = [(middle, code) for code in others], [(code, middle) for code in others]
    kinds = {"from_pivot": out, "to_pivot": into, "both": [*out, *into], "all": ordered_pairs([middle, *others]),
             "without_pivot": ordered_pairs(others)}  # fmt: skip
    if kind not in kinds:
        raise ValueError(f"got direction {kind!r}, expected one of {', '.join(get_args(Directed))}.{nearest(kind, kinds)}")
    found = tuple(kinds[kind])
    if not found:
        raise ValueError(f"direction {kind!r}: got {len(others)} languages beside the pivot {middle}, expected more of them.")
    if count is None:
        return found
    if not 1 <= count <= len(found):
        raise ValueError(f"direction {kind!r}: got {count} directions to take, expected 1 to {len(found)}, which there are.")
    return tuple(random.Random(seed).sample(found, len(found))[:count])
