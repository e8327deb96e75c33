"""How a figure is wanted: its size, the languages it shows, and their names; whoever draws one asks here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import pandas as pd

from interp.languages import Language, languages, nearest

Names = bool | Mapping[str, str]
CODE = re.compile(r"(?<![A-Za-z])([a-z]{3}_[A-Z][a-z]{3})(?![A-Za-z])")
"""The code of a language, anywhere in a text."""
_MOST_PANELS = 12


@dataclass(frozen=True)
class Look:
    """What a figure is drawn with: `names` for codes, a `size` in inches, and the `languages` shown, in their order."""

    names: Names = False
    size: tuple[float, float] | None = None
    languages: tuple[str, ...] = ()


_LOOK: ContextVar[Look | None] = ContextVar("look", default=None)


def _look() -> Look:
    return _LOOK.get() or Look()


@contextmanager
def drawn(names: Names, size: tuple[float, float] | None = None, shown: Sequence[str | Language] | None = None) -> Iterator[None]:
    """Figures made inside have these language `names`, this `size` (inches) and the languages `shown`, None for all.

    Raises `ValueError` for an unknown language or a size that is not positive.

    >>> with drawn(names=True, shown=["de"]):
    ...     chosen(["eng_Latn", "deu_Latn"]), named("deu_Latn")
    (['deu_Latn'], 'German')
    """
    if size is not None and not (len(size) == 2 and min(size) > 0):
        raise ValueError(f"got size {size}, expected width and height in inches, such as (3.3, 2.5).")
    token = _LOOK.set(Look(names, size, tuple(one.code for one in languages(shown or ()))))
    try:
        yield
    finally:
        _LOOK.reset(token)


def sized(size: tuple[float, float]) -> tuple[float, float]:
    """The size that is wanted, else `size`, that of the figure itself."""
    return _look().size or size


def is_named() -> bool:
    """Whether names are wanted for codes."""
    return bool(_look().names)


def has_size() -> bool:
    """Whether a size is wanted, and not that of the figure itself."""
    return _look().size is not None


def named(text: str) -> str:
    """`text` with every language code in it replaced by the name that is wanted.

    >>> with drawn(names={"deu_Latn": "Ger."}):
    ...     named("eng_Latn>deu_Latn, layer 3")
    'eng_Latn > Ger., layer 3'
    """
    names = _look().names
    if not names:
        return text
    for sign, between in ((">", " > "), ("-", "–")):
        text = re.sub(rf"(?<=_[A-Z][a-z]{{3}}){sign}(?=[a-z]{{3}}_[A-Z])", between, text)
    return CODE.sub(lambda found: _name(found[1], names), text)


def _name(code: str, names: Names) -> str:
    if isinstance(names, Mapping):
        return names.get(code, code)
    name = Language(code).name
    return code if name.startswith("Unknown language") else name


def chosen(names: Iterable[object]) -> list[str]:
    """The `names` of languages, pairs or directions to show, in the order wanted; all of them where no languages were asked for.

    A name that holds several codes is shown if each is wanted, but for those that all of them hold, such as the pivot. Names
    without a code ("mean") stay. Raises `ValueError` where none of the languages asked for is among them.
    """
    every, wanted = [str(name) for name in names], _look().languages
    codes = {name: CODE.findall(name) for name in every}
    told = [set(found) for found in codes.values() if found]
    if not wanted or not told:
        return every
    common = set.intersection(*told) if len(told) > 1 else set()
    place = {code: index for index, code in enumerate(wanted)}
    kept = {name: [code for code in found if code not in common] or found for name, found in codes.items()}
    shown = [name for name in every if all(code in place for code in kept[name])]
    if not any(codes[name] for name in shown):
        known = sorted(set.union(*told))
        raise ValueError(
            f"got languages {', '.join(wanted)}, expected some of those drawn here: {', '.join(known)}.{nearest(wanted[0], known)}"
        )
    return sorted(shown, key=lambda name: [place[code] for code in kept[name]] or [len(place)])


def arranged(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows of `frame` whose language, in `column`, is to be shown, in the order wanted."""
    if not _look().languages:
        return frame
    order = {name: index for index, name in enumerate(chosen(pd.unique(frame[column])))}
    place = frame[column].astype(str).map(order)
    return frame[place.notna()].loc[place.dropna().sort_values(kind="stable").index]


def capped(panels: Iterable[object], most: int = _MOST_PANELS) -> tuple[list[str], str]:
    """The first `most` of the small `panels`, and a sentence on how many are left out and how to see them; empty if none is.

    >>> capped(["a", "b", "c"], most=2)
    (['a', 'b'], '2 of 3 panels; the others: plot(languages=[...]), numbers of all in summary.csv')
    """
    every = [str(panel) for panel in panels]
    rest = f"{most} of {len(every)} panels; the others: plot(languages=[...]), numbers of all in summary.csv"
    return every[:most], rest if len(every) > most else ""
