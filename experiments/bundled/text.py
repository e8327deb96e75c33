"""The training text of the bundled model: lines of CLDR words in 16 unequal languages, generated, never stored.

English dominates, four languages are rare, and every other language is unseen. What the model can know is limited on purpose,
by rules on ids alone, so that there is something to find out:

* translations of a fixed tenth of the concepts are never shown (`cldr.held_out`); their names are, one language at a time;
* a fact is told in English always, in another language only if its number (`cldr.uniform`) lies below `FACTS_SEEN`;
* some pairs of languages are never in one line (`meets`): unseen directions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import lru_cache

from interp.bundled import FACTS_SEEN, TIERS
from interp.languages import language
from interp.text import cldr, cldr_facts

SHARES = {"english": 7.0, "high": 2.2, "middle": 1.4, "low": 0.5}
"""Sampling weight of each language of a tier for one side of a line."""

_KINDS: dict[cldr.Kind, int] = {"names": 6, "dates": 2, "numbers": 1, "phrases": 2}
_DOCUMENTS = {"translation": 34, "mixed": 8, "synonyms": 14, "codes": 26, "facts": 15, "lists": 3}


class Text:
    """An endless stream of documents, a function of `seed`: `Text(seed).document()`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.languages = [code for codes in TIERS.values() for code in codes]
        self.weights = [SHARES[tier] for tier, codes in TIERS.items() for _ in codes]
        self.makers: dict[str, Callable[[], Iterator[str]]] = {name: getattr(self, f"_{name}") for name in _DOCUMENTS}

    def document(self, lines: int = 12) -> str:
        """One document of `lines` lines of one kind, like the examples of a few-shot prompt."""
        (kind,) = self.random.choices(list(_DOCUMENTS), list(_DOCUMENTS.values()))
        maker = self.makers[kind]()
        return "\n".join(next(maker) for _ in range(lines))

    def _translation(self) -> Iterator[str]:
        """Lines of one direction, in the form of Wendler et al. (2024): `Deutsch: "Käse" - français: "fromage"`."""
        source, target = self._pair()
        kind = self._kind(source, target)
        while True:
            concept = self._concept(kind, source, target)
            yield f"{labelled(kind, source, concept)} - {labelled(kind, target, concept)}"

    def _mixed(self) -> Iterator[str]:
        """Lines of any direction."""
        while True:
            source, target = self._pair()
            kind = self._kind(source, target)
            concept = self._concept(kind, source, target)
            yield f"{labelled(kind, source, concept)} - {labelled(kind, target, concept)}"

    def _synonyms(self) -> Iterator[str]:
        """One concept in several languages, without saying which: `Käse = fromage = сыр`."""
        while True:
            several = [self._language()]
            for _ in range(self.random.randint(2, 5)):
                other = self._language()
                if all(other != code and meets(other, code) for code in several):
                    several.append(other)
            kind = self._kind(*several)
            concept = self._concept(kind, *several)
            yield " = ".join(cldr.entries(kind, code)[concept] for code in several)

    def _codes(self) -> Iterator[str]:
        """A phrase and its code, which is the same in every language: `Frankreich FR`, `Deutsch: "5. März" 03-05`.

        The code depends on the meaning alone, so the loss rewards a representation that languages share.
        """
        unquoted = self.random.random() < 0.5
        while True:
            code = self._language(level=0.5)
            kind = self._kind(code)
            concept = self._concept(kind, code)
            phrase = cldr.entries(kind, code)[concept] if unquoted else labelled(kind, code, concept)
            yield f"{phrase} {concept.split(':')[1]}"

    def _facts(self) -> Iterator[str]:
        """Facts, subject and answer each in a language that may know them: `Deutsch: "Frankreich" ¤ français: "euro"`."""
        switched = self.random.random() < 0.5
        stay = self._language()
        while True:
            source = stay if self.random.random() < 0.8 else self._language()
            target = self._language() if switched else source
            if not meets(source, target):
                continue
            fact = self.random.choice(known_facts(source, target))
            subject, sign, _ = cldr_facts.facts(source)[fact]
            answer = cldr_facts.facts(target)[fact][2]
            yield f'{label(source)}: "{subject}" {sign} {label(target)}: "{answer}"'

    def _lists(self) -> Iterator[str]:
        """Words of one language and nothing else, the held-out concepts too."""
        code = self._language()
        kind = self._kind(code)
        words = list(cldr.entries(kind, code).values())
        while True:
            yield f"{label(code)}: " + ", ".join(f'"{self.random.choice(words)}"' for _ in range(4))

    def _language(self, level: float = 1.0) -> str:
        return self.random.choices(self.languages, [weight**level for weight in self.weights])[0]

    def _pair(self) -> tuple[str, str]:
        while True:
            source, target = self._language(), self._language()
            if source != target and meets(source, target):
                return source, target

    def _kind(self, *codes: str) -> cldr.Kind:
        kinds = [kind for kind in _KINDS if all(cldr.entries(kind, code) for code in codes)]
        return self.random.choices(kinds, [_KINDS[kind] for kind in kinds])[0]

    def _concept(self, kind: cldr.Kind, *codes: str) -> str:
        while True:
            concept = self.random.choice(taught(kind, codes[0]))
            if all(concept in cldr.entries(kind, code) for code in codes[1:]):
                return concept


def label(code: str) -> str:
    """The name of a language in the text: its own name for itself."""
    return language(code).autonym


def labelled(kind: cldr.Kind, code: str, concept: str) -> str:
    """A word in a language with the language's name before it, as a line of the text has it."""
    return f'{label(code)}: "{cldr.entries(kind, code)[concept]}"'


@lru_cache(maxsize=4096)
def meets(first: str, second: str) -> bool:
    """Whether two languages occur in one line: always with English, never two low-resource ones, else three pairs in four."""
    if first == second or "eng_Latn" in (first, second):
        return True
    if first in TIERS["low"] and second in TIERS["low"]:
        return False
    return cldr.uniform("+".join(sorted((first, second)))) < 0.75


@lru_cache(maxsize=1024)
def taught(kind: cldr.Kind, code: str) -> tuple[str, ...]:
    """The concepts of a language whose translations are in the text."""
    return tuple(concept for concept in cldr.entries(kind, code) if not cldr.held_out(concept))


@lru_cache(maxsize=1024)
def known_facts(source: str, target: str) -> tuple[str, ...]:
    """The facts in the text with their subject in `source` and their answer in `target`."""
    share = min(FACTS_SEEN[source], FACTS_SEEN[target])
    first, second = cldr_facts.facts(source), cldr_facts.facts(target)
    return tuple(fact for fact in first if fact in second and cldr.uniform(fact) < share)
