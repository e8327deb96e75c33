"""What a reader is told where a text leaves it open: which column, file or language tag is a language.

Regional variants ("en-GB" and "en-US", "por" and "por-BR") have one FLORES-200 code, so a text with two of them has one too many.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from interp.languages import language
from interp.languages import languages as resolve_all
from interp.tags import names_variety, parse_tag

ROLES = ("ids", "documents", "text")
"""What a chosen column may be other than a language; "text" is the sentence in files of rows of one language each."""


def option(choices: Mapping[str, str]) -> str:
    """How to say which column is what, in Python and on the command line: `choices` are examples.

    >>> option({"english": "text_en"})
    "columns={'english': 'text_en'} (--columns english=text_en)"
    """
    flags = " ".join(shlex.quote(f"{role}={column if column.isprintable() else repr(column)}") for role, column in choices.items())
    return f"columns={dict(choices)!r} (--columns {flags})"


class Variants(NamedTuple):
    """The `codes` of the languages that are wanted (None: all), the tag that a code must have (`chosen`), and the tag that is taken
    where a code has several (`preferred`)."""

    codes: tuple[str, ...] | None
    chosen: Mapping[str, str]
    preferred: Mapping[str, str]

    def pick(self, code: str, tags: Sequence[str]) -> list[str]:
        """Those of the `tags` of one language `code` that may be meant: one, if it is clear which."""
        fitting = [tag for tag in tags if code not in self.chosen or same_tag(tag, self.chosen[code])]
        if len(fitting) < 2:
            return fitting
        preferred = [tag for tag in fitting if code in self.preferred and same_tag(tag, self.preferred[code])]
        plain = [tag for tag in fitting if not has_region(tag)]
        return next((some for some in (preferred, plain) if len(some) == 1), fitting)


def variants(languages: Sequence[str] | None, columns: Mapping[str, str] | None) -> Variants:
    """Which languages and variants are wanted.

    Parameters
    ----------
    languages
        Languages in any spelling; of several variants the one of the same region is taken.
    columns
        The variant of a language, such as {"en": "en-GB"}.

    Example
    -------
    >>> variants(["en-GB", "de"], None).pick("eng_Latn", ["en-US", "en-GB"])
    ['en-GB']
    """
    given = {spelling: tag for spelling, tag in (columns or {}).items() if spelling.strip().casefold() not in ROLES}
    return Variants(
        None if languages is None else tuple(lang.code for lang in resolve_all(languages)),
        {language(spelling).code: tag for spelling, tag in given.items()},
        {language(one).code: str(one) for one in languages or () if has_region(str(one))},
    )


def has_region(spelling: str) -> bool:
    """Whether a `spelling` of a language names a region, "en-GB", or a variety, "apc_Arab_nort3139"."""
    tag = parse_tag(spelling.strip())
    return tag is not None and (tag.region is not None or names_variety(spelling.strip()))


def same_tag(tag: str, wanted: str) -> bool:
    """Whether a `tag` means the variant that is `wanted`.

    >>> same_tag("EN_gb", "en-GB"), same_tag("eng-GB", "en-GB"), same_tag("en-US", "en-GB")
    (True, True, False)
    """
    if tag.replace("_", "-").casefold() == wanted.replace("_", "-").casefold():
        return True
    one, other = parse_tag(tag.strip()), parse_tag(wanted.strip())
    if names_variety(tag.strip()) or one is None or other is None or (one.region, one.script) != (other.region, other.script):
        return False
    return language(one.language).code == language(other.language).code


def told_apart(code: str, tags: Sequence[str]) -> str:
    """How to choose one of the `tags` of a language `code`, for a message."""
    return (
        f"{' and '.join(tags)} all mean {code}. Choose one with {option({code: tags[0]})} or languages=[{tags[0]!r}, ...], or "
        "leave the language out."
    )
