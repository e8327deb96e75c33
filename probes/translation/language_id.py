"""Is a text in a language? Judged by its script, by a language identifier, or by one learned from the parallel text at hand."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.translation.normalisation import normalise
from probes.translation.text_scores import in_script

Judge = Callable[[Sequence[str], str], Sequence[bool]]
"""From texts and a FLORES code to whether each text is in that language."""
Identifier = Callable[[Sequence[str]], Sequence[str]]
"""From texts to FLORES codes, "" where it cannot tell."""


def by_script(texts: Sequence[str], code: str) -> list[bool]:
    """Whether most letters of each of `texts` are in a script of the language `code`.

    Does not tell languages apart that share a script; take `by_identifier` or `learn_languages` for those.
    """
    return [bool(in_script(text, code)) for text in texts]


def by_identifier(identifier: Identifier) -> Judge:
    """A judge from `identifier`, which names the language of each text (fastText, GlotLID, ...)."""

    def judge(texts: Sequence[str], code: str) -> list[bool]:
        return [name == code for name in identifier(texts)]

    return judge


@dataclass(frozen=True)
class LearnedLanguages:
    """A naive Bayes language identifier over character n-grams, learned from parallel text.

    It knows no other language, so a text in any other is given the nearest of these. Where languages write the same
    ("16. November" and "16 November") `identify` has to guess: take `judge`, which accepts both.

    Attributes
    ----------
    languages
        The codes that it knows.
    scores
        From texts to their log-likelihood in each language, in nats.
    tolerance
        How many nats less likely than the likeliest language `judge` accepts.
    """

    languages: tuple[str, ...]
    scores: Callable[[Sequence[str]], Float[np.ndarray, "item language"]]
    tolerance: float

    def identify(self, texts: Sequence[str]) -> list[str]:
        """The likeliest language of each of `texts`, or "" where it has no letter."""
        best = self.scores(texts).argmax(axis=1) if texts else []
        return [self.languages[index] if _letters(text) else "" for index, text in zip(best, texts, strict=True)]

    def judge(self, texts: Sequence[str], code: str) -> list[bool]:
        """Whether each of `texts` may be in the language `code`: within `tolerance` nats of its likeliest language.

        Raises `ValueError` for a language that was not learned.
        """
        if code not in self.languages:
            raise ValueError(f"got language {code}, expected one of those learned: {', '.join(self.languages)}.")
        scores = self.scores(texts) if texts else np.empty((0, len(self.languages)))
        likely = scores[:, self.languages.index(code)] >= scores.max(axis=1, initial=-np.inf) - self.tolerance
        return [bool(hit and _letters(text)) for hit, text in zip(likely, texts, strict=True)]


def learn_languages(texts: Mapping[str, Sequence[str]], *, longest: int = 4, tolerance: float = 3.0) -> LearnedLanguages:
    """Learn from sentences of several languages to tell in which of them a text is.

    Parameters
    ----------
    texts
        Sentences of each language, by FLORES code (`corpus.sentences`).
    longest
        Longest character n-gram. 4 tells even related languages apart; shorter needs less text.
    tolerance
        How many nats less likely than the likeliest language `judge` still accepts: 3 is a factor of 20.

    Returns
    -------
    LearnedLanguages
        Its method `judge` goes where a judge is asked for (`classify`, `measure_instruction`).

    Raises
    ------
    ValueError
        For fewer than two languages.

    Notes
    -----
    Languages are equally likely beforehand; digits and punctuation are ignored. Check it on held-out items first.

    Examples
    --------
    >>> import probes
    >>> texts = {"eng_Latn": ["the cat sleeps", "where is the dog?"], "deu_Latn": ["die Katze schläft", "wo ist der Hund?"]}
    >>> probes.learn_languages(texts).identify(["the dog sleeps", "der Hund schläft"])
    ['eng_Latn', 'deu_Latn']
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import MultinomialNB

    codes = tuple(texts)
    if len(codes) < 2:
        raise ValueError(f"got text in {', '.join(codes) or 'no language'}, expected two languages or more to tell apart.")
    ngrams = HashingVectorizer(
        analyzer="char_wb", ngram_range=(1, longest), n_features=2**16, norm=None, alternate_sign=False, lowercase=False
    )
    rows = [(index, _letters(text)) for index, code in enumerate(codes) for text in texts[code]]
    nonempty = [(index, text) for index, text in rows if text]
    model = MultinomialNB(alpha=0.1, fit_prior=False)
    model.fit(ngrams.transform([text for _, text in nonempty]), [index for index, _ in nonempty])

    def scores(new_texts: Sequence[str]) -> Float[np.ndarray, "item language"]:
        likelihood = np.full((len(new_texts), len(codes)), -np.inf)
        likelihood[:, model.classes_] = model.predict_joint_log_proba(ngrams.transform([_letters(text) for text in new_texts]))
        return likelihood

    return LearnedLanguages(codes, scores, tolerance)


def _letters(text: str) -> str:
    """A text's letters and marks with the spaces between words."""
    characters = (letter if unicodedata.category(letter)[0] in "LM" else " " for letter in normalise(text))
    return " ".join("".join(characters).split())
