"""Which cells a sweep of factors has: every level with every level of the others, less what is left out. Pure Python."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from interp.languages import nearest

Levels = Mapping[str, Sequence[object]]
"""Each factor with its levels, the first being the one that others are compared with."""
Line = Mapping[str, object]
"""Part of a combination: some factors, each with a level, or with several as a list."""


def cross(factors: Levels, leave_out: Sequence[Line] = (), only: Sequence[Line] = ()) -> list[dict[str, object]]:
    """Every combination of the levels of some factors, the last factor turning fastest.

    Parameters
    ----------
    factors
        The levels of each factor.
    leave_out
        Lines; a combination that has what one of them says is left out.
    only
        Lines; where there are any, a combination must have what one of them says.

    Raises
    ------
    ValueError
        A factor has no level or one twice, a line names an unknown factor or level or fits no combination, or nothing is left.

    Example
    -------
    >>> cross({"method": ["embeddings", "full"], "size": [16, 64]}, leave_out=[{"method": "full", "size": 64}])
    [{'method': 'embeddings', 'size': 16}, {'method': 'embeddings', 'size': 64}, {'method': 'full', 'size': 16}]
    """
    for name, levels in factors.items():
        if not levels:
            raise ValueError(f"factor {name!r} has no level, expected one or more.")
        if twice := [level for place, level in enumerate(levels) if level in levels[:place]]:
            raise ValueError(f"factor {name!r}: got level {label(twice[0])} twice, expected each once. Leave one out.")
    every = [dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values())]
    kept = every
    for what, lines in (("except", leave_out), ("only", only)):
        fits = [[combination for combination in every if _fits(combination, line, factors, what)] for line in lines]
        for line, found in zip(lines, fits, strict=True):
            if not found:
                raise ValueError(f"{what}: {_said(line)} fits no combination of the factors. Take the line out.")
        inside = [combination for found in fits for combination in found]
        if lines:
            kept = [combination for combination in kept if (combination in inside) == (what == "only")]
    if not kept:
        raise ValueError(f"got {len(every)} combinations, and except and only leave none. Take a line out.")
    return kept


def label(level: object) -> str:
    """What tables and names call a `level`: "lora", "16", "deu_Latn+fra_Latn".

    >>> label(["deu_Latn", "fra_Latn"]), label(0.001), label("lora")
    ('deu_Latn+fra_Latn', '0.001', 'lora')
    """
    if isinstance(level, list | tuple):
        return "+".join(map(label, level))
    return f"{level:g}" if isinstance(level, float) else "none" if level is None else str(level)


def amounts(levels: Sequence[object]) -> list[float] | None:
    """The `levels` of a factor as numbers, for a curve: themselves, or how many entries each has; None where they are none.

    >>> amounts([16, 64]), amounts([["deu_Latn"], ["deu_Latn", "fra_Latn"]]), amounts(["lora", "full"])
    ([16.0, 64.0], [1.0, 2.0], None)
    """
    if all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        found = [float(level) for level in levels if isinstance(level, int | float)]
    elif all(isinstance(level, list | tuple) for level in levels):
        found = [float(len(level)) for level in levels if isinstance(level, list | tuple)]
    else:
        return None
    return found if len(set(found)) == len(found) > 1 else None


def _fits(combination: Mapping[str, object], line: Line, factors: Levels, what: str) -> bool:
    for name, wanted in line.items():
        if name not in factors:
            raise ValueError(f"{what}: got factor {name!r}, expected one of {', '.join(factors)}.{nearest(str(name), factors)}")
        if combination[name] not in _levels(name, wanted, factors[name], what):
            return False
    return True


def _levels(name: str, wanted: object, levels: Sequence[object], what: str) -> list[object]:
    """The levels that one entry of a line means: a level, its label, or a list of these."""
    known = {label(level): level for level in levels}
    several = list(wanted) if isinstance(wanted, list | tuple) and label(wanted) not in known else [wanted]
    for each in several:
        if label(each) not in known:
            raise ValueError(
                f"{what}: factor {name!r}: got level {label(each)!r}, expected one of {', '.join(known)}."
                f"{nearest(label(each), known)}"
            )
    return [known[label(each)] for each in several]


def _said(line: Line) -> str:
    return " and ".join(f"{name} {label(level)}" for name, level in line.items()) or "an empty line"
