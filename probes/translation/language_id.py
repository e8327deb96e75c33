"""Is a text in a language? By its script, by an identifier of one's own, or by one learned from the parallel text at hand."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.translation.text_scores import in_script, normalise

Judge = Callable[[Sequence[str], str], Sequence[bool]]
"""Texts and a FLORES code to whether each text is in that language."""
Identifier = Callable[[Sequence[str]], Sequence[str]]
"""Texts to FLORES codes, "" where it cannot tell."""


def by_script(texts: Sequence[str], code: str) -> list[bool]:
    """Whether most letters are in a script of the language. Blind between languages of one script: give an identifier there."""
    return [bool(in_script(text, code)) for text in texts]


def by_identifier(identifier: Identifier) -> Judge:
    """A judge from an identifier."""

    def judge(texts: Sequence[str], code: str) -> list[bool]:
        return [found == code for found in identifier(texts)]

    return judge


@dataclass(frozen=True)
class LearnedLanguages:
    """Naive Bayes over the pieces of words, learned from parallel text: who says which of its languages a text is in.

    When it misleads: it knows no other language, so a text in any other one is called by the nearest of these; and where
    languages write the same ("16. November" and "16 November") there is nothing to tell, so ask `judge`, which lets both pass.
    """

    languages: tuple[str, ...]
    scores: Callable[[Sequence[str]], Float[np.ndarray, "item language"]]
    tolerance: float

    def identify(self, texts: Sequence[str]) -> list[str]:
        """The language of each text, or "" where it has no letter."""
        best = self.scores(texts).argmax(axis=1) if texts else []
        return [self.languages[place] if _letters(text) else "" for place, text in zip(best, texts, strict=True)]

    def judge(self, texts: Sequence[str], code: str) -> list[bool]:
        """Whether a text may be in a language: nearly as likely there as where it is likeliest (within `tolerance` nats)."""
        if code not in self.languages:
            raise ValueError(f"language {code}: this judge learned {', '.join(self.languages)}.")
        found = self.scores(texts) if texts else np.empty((0, len(self.languages)))
        near = found[:, self.languages.index(code)] >= found.max(axis=1, initial=-np.inf) - self.tolerance
        return [bool(one and _letters(text)) for one, text in zip(near, texts, strict=True)]


def learn_languages(texts: Mapping[str, Sequence[str]], *, longest: int = 4, tolerance: float = 3.0) -> LearnedLanguages:
    """Learn which language a text is in from sentences of each (`corpus.sentences`); pieces of up to `longest` letters.

    Languages are equally likely; digits and punctuation count for nothing. Try it on held-out items before believing it.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import MultinomialNB

    codes = tuple(texts)
    if len(codes) < 2:
        raise ValueError(f"text in {', '.join(codes) or 'no language'} came. Needed: two languages or more to tell apart.")
    pieces = HashingVectorizer(
        analyzer="char_wb", ngram_range=(1, longest), n_features=2**16, norm=None, alternate_sign=False, lowercase=False
    )
    rows = [(place, _letters(text)) for place, code in enumerate(codes) for text in texts[code]]
    known = [(place, text) for place, text in rows if text]
    model = MultinomialNB(alpha=0.1, fit_prior=False)
    model.fit(pieces.transform([text for _, text in known]), [place for place, _ in known])

    def scores(asked: Sequence[str]) -> Float[np.ndarray, "item language"]:
        found = np.full((len(asked), len(codes)), -np.inf)
        found[:, model.classes_] = model.predict_joint_log_proba(pieces.transform([_letters(text) for text in asked]))
        return found

    return LearnedLanguages(codes, scores, tolerance)


def _letters(text: str) -> str:
    """A text's letters and marks with the spaces between words."""
    kept = (letter if unicodedata.category(letter)[0] in "LM" else " " for letter in normalise(text))
    return " ".join("".join(kept).split())
