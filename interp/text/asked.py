"""What a reader is asked for: the languages, how many items, which split, and which column is what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from interp.files.checks import short_repr
from interp.languages import language
from interp.languages import languages as resolve_all
from interp.text.choices import ROLES, has_region, option, same_tag, told_apart


@dataclass(frozen=True)
class Asked:
    """What is asked for of a text, as `interp.read` describes it.

    Parameters
    ----------
    languages
        Languages in any spelling. Default: all.
    limit
        Maximum number of items. Default: all.
    split
        A subset of the text. Default: there is only one.
    columns
        The column, file or tag of a language, and the columns of the "ids", the "documents" and the "text".

    Raises
    ------
    ValueError
        A language or a role is given twice.

    Example
    -------
    >>> asked = Asked(languages=["German"], columns={"IDs": "nr", "de": "text_de"})
    >>> asked.codes, asked.roles, asked.chosen
    (('deu_Latn',), {'ids': 'nr'}, {'deu_Latn': 'text_de'})
    """

    languages: Sequence[str] | None = None
    limit: int | None = None
    split: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for spelling in self.columns:
            role = _role(spelling) or language(spelling).code
            if role in seen:
                raise ValueError(
                    f"got {short_repr(dict(self.columns))}, in which {seen[role]!r} and {spelling!r} both mean {role}, expected "
                    "each language and each column once."
                )
            seen[role] = spelling

    @cached_property
    def codes(self) -> tuple[str, ...] | None:
        """FLORES-200 codes of the languages; None for all."""
        return None if self.languages is None else tuple(lang.code for lang in resolve_all(self.languages))

    @cached_property
    def roles(self) -> dict[str, str]:
        """The columns that are no language, by role."""
        return {role: column for spelling, column in self.columns.items() if (role := _role(spelling))}

    @cached_property
    def chosen(self) -> dict[str, str]:
        """The columns, files or tags of languages, by code."""
        return {language(spelling).code: name for spelling, name in self.columns.items() if not _role(spelling)}

    @cached_property
    def preferred(self) -> dict[str, str]:
        """The languages that are asked for with a region, by code: that variant is taken where there are several."""
        return {language(one).code: str(one) for one in self.languages or () if has_region(str(one))}

    def fitting(self, code: str, tags: Sequence[str]) -> list[str]:
        """Those of the `tags` of one language `code` that may be meant: one, if it is clear which.

        >>> Asked(languages=["en-GB", "de"]).fitting("eng_Latn", ["en-US", "en-GB"])
        ['en-GB']
        """
        fitting = [tag for tag in tags if code not in self.chosen or same_tag(tag, self.chosen[code])]
        if len(fitting) < 2:
            return fitting
        preferred = [tag for tag in fitting if code in self.preferred and same_tag(tag, self.preferred[code])]
        plain = [tag for tag in fitting if not has_region(tag)]
        return next((some for some in (preferred, plain) if len(some) == 1), fitting)

    def wants(self, code: str) -> bool:
        """Whether the language `code` is among those asked for."""
        return self.codes is None or code in self.codes

    def without_split(self) -> Asked:
        """The same, when the split was found and what is left has none."""
        return replace(self, split=None)

    def variant(self, code: str, tags: Sequence[str], where: str) -> str:
        """Which of the `tags` of a language `code` is meant: the one chosen, or the only one.

        `where` is the place for the `ValueError` that is raised where none is the one that was named, or several may be meant.
        """
        fitting = self.fitting(code, tags)
        named = self.chosen.get(code) or self.preferred.get(code)
        if not fitting or (code not in self.chosen and named and _is_another(fitting, named)):
            raise ValueError(
                f"{where}: got {named!r} for {code}, expected {'one of ' if len(tags) > 1 else ''}{', '.join(tags)}. Ask for "
                f"{tags[0]!r}, or leave the language out."
            )
        if len(fitting) > 1:
            raise ValueError(f"{where}: expected one text of each language: {told_apart(code, fitting)}")
        return fitting[0]

    def refuse_others(self, where: str, roles: Collection[str], codes: Collection[str] | None, what: str) -> None:
        """Refuse a column that cannot be used, so that none is passed over.

        Parameters
        ----------
        where
            The text, for the message.
        roles
            The roles that the text has columns for.
        codes
            The languages that the text has; None where any may be chosen.
        what
            What the text is, "lines of text".
        """
        unused = {role: name for role, name in self.roles.items() if role not in roles}
        unused |= {code: name for code, name in self.chosen.items() if codes is not None and code not in codes}
        if unused:
            role, name = next(iter(unused.items()))
            usable = [*roles, *(["the language"] if codes is None else [code for code in codes if self.wants(code)][:3])]
            expected = f"only {', '.join(usable)}" if usable else "none"
            raise ValueError(f"{where}: got {option({role: name})}, expected {expected}: it is {what}. Leave {role} out.")

    def refuse_split(self, where: str, what: str) -> None:
        """Refuse a split of a text that has none: `where` is the text, and `what` it is, for the `ValueError`."""
        if self.split is not None:
            raise ValueError(f"{where}: got split {short_repr(self.split)}, expected none: {what} has no splits. Leave it out.")


def _role(spelling: str) -> str | None:
    role = spelling.strip().casefold()
    return role if role in ROLES else None


def _is_another(tags: Sequence[str], named: str) -> bool:
    """Whether all `tags` name a region, and none that of the tag that was `named`."""
    return all(has_region(tag) and not same_tag(tag, named) for tag in tags)
