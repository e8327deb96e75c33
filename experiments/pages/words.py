"""The terms of the glossary where a page uses them: each with its meaning on hover, and a link to it at the foot of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

_ENTRY = re.compile(r"^\*\*(.+?)\.\*\*\s+(.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
_COMMON = frozenset({"block", "layer", "report", "site", "signature", "direction", "scope", "activations"})
"""Terms whose words a verdict uses all the time; they stand in the list alone."""
_ALSO = {
    "MEXA": ("mexa",), "CKA (debiased)": ("cka_debiased",), "Shuffled control": ("shuffled pairs",),
    "Upper bound (oracle)": ("oracle",), "Untrained control (`random_init`)": ("randomly initialised model", "untrained model"),
    "Attention sink": ("sinks", "sink"), "Language-specific neuron (LAPE)": ("lape",), "Held-out cell": ("held out",),
    "Confidence interval": ("95 % confidence",),
}  # fmt: skip
"""Other words of this project for a term."""


@lru_cache(maxsize=1)
def glossary() -> dict[str, str]:
    """Every term of the glossary with its meaning, as plain text, in the order of `docs/glossary.md`."""
    return read_glossary((Path(__file__).parent / "glossary.md").read_text(encoding="utf-8"))


def read_glossary(text: str) -> dict[str, str]:
    """The terms and meanings in a glossary, the `text` of a Markdown file; where a term is decided is left out."""
    found = {}
    for term, meaning in _ENTRY.findall(text):
        plain = re.sub(r"\s*\[[^\]]*\]\s*$", "", " ".join(meaning.split()))
        found[term] = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", plain).replace("*", "").replace("`", "")
    return found


def with_words(text: str, used: dict[str, str]) -> Markup:
    """A `text` as HTML, the first use of every term a link with its meaning as title; `used` collects the terms by anchor."""
    from markupsafe import Markup, escape

    forms, seen, parts, end = _forms(), set(), [], 0
    for match in _pattern().finditer(text):
        term = forms[match[0].casefold()]
        if term not in seen:
            seen.add(term)
            used[anchor(term)] = term
            link = Markup('<a class="term" href="#{}" title="{}">{}</a>').format(anchor(term), glossary()[term], match[0])
            parts += [escape(text[end : match.start()]), link]
            end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def anchor(term: str) -> str:
    """The id of a `term` on the page."""
    return "word-" + re.sub(r"\W+", "-", term.casefold()).strip("-")


@lru_cache(maxsize=1)
def _forms() -> Mapping[str, str]:
    """The term of the glossary that each word or phrase means."""
    forms = {}
    for term in glossary():
        names = [part.strip(" `") for part in re.split(r"[,()]", term)]
        for name in (*names, *_ALSO.get(term, ())):
            if name and name.casefold() not in _COMMON and len(name) > 2:
                forms[name.casefold()] = term
    return forms


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    longest = sorted(_forms(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])", re.IGNORECASE)
