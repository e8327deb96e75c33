"""What a reader is told where a text leaves it open: which column, file or language tag is a language.

Regional variants ("en-GB" and "en-US", "por" and "por-BR") have one FLORES-200 code, so a text with two of them has one too many.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from interp.languages import language
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
