"""What a sweep of factors asks of its combinations, as weights: the mean of each level, its difference to the first, interactions.

A difference compares combinations that are alike in every other factor, so that what `except` leaves out cannot pass for an effect.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

Kind = Literal["mean", "difference", "cell", "interaction"]


class Contrast(NamedTuple):
    """One number asked of the combinations: the mean of `parts [part combination]`, each alike in all but the factors asked about.

    `kind` is "mean" (of a level), "difference" (to the factor's first level), "cell" (the mean of two levels together) or
    "interaction" (how the difference of one factor differs between two levels of another). `factor` and `level` are their names,
    of two factors joined by " x ".
    """

    kind: Kind
    factor: str
    level: str
    parts: Float[np.ndarray, "part combination"]


Factors = Mapping[str, Sequence[str]]
"""Each factor with the labels of its levels, the first being the one that others are compared with."""


def contrasts(factors: Factors, combinations: Sequence[Mapping[str, str]]) -> list[Contrast]:
    """Every number that a sweep asks: means and differences of every factor, and of two factors also their interaction.

    Interactions are asked where just two factors vary: among many factors there would be so many that none could be found.

    Parameters
    ----------
    factors
        The factors that vary, with their labels.
    combinations
        The level of each factor in each combination.

    Example
    -------
    >>> two = {"method": ["embeddings", "full"], "size": ["16", "64"]}
    >>> every = [{"method": method, "size": size} for method in two["method"] for size in two["size"]]
    >>> found = contrasts(two, every)
    >>> [(each.kind, each.level) for each in found if each.factor == "method"]
    [('mean', 'embeddings'), ('mean', 'full'), ('difference', 'full')]
    >>> [each.parts.tolist() for each in found if each.kind == "interaction"]
    [[[1.0, -1.0, -1.0, 1.0]]]
    """
    found = list[Contrast]()
    for name, levels in factors.items():
        found += [Contrast("mean", name, level, _having(combinations, {name: level})) for level in levels]
        found += [
            Contrast("difference", name, level, _compared(combinations, [(1.0, {name: level}), (-1.0, {name: levels[0]})]))
            for level in levels[1:]
        ]
    for first, second in itertools.combinations(factors, 2):
        found += _two_way(factors, combinations, first, second, asked=len(factors) == 2)
    return [each for each in found if len(each.parts)]


def _two_way(
    factors: Factors, combinations: Sequence[Mapping[str, str]], first: str, second: str, asked: bool
) -> Iterator[Contrast]:
    name = f"{first} x {second}"
    for a, b in itertools.product(factors[first], factors[second]):
        yield Contrast("cell", name, f"{a} x {b}", _having(combinations, {first: a, second: b}))
    for a, b in itertools.product(factors[first][1:], factors[second][1:]) if asked else ():
        a0, b0 = factors[first][0], factors[second][0]
        corners = [(1.0, {first: a, second: b}), (-1.0, {first: a, second: b0}), (-1.0, {first: a0, second: b}),
                   (1.0, {first: a0, second: b0})]  # fmt: skip
        yield Contrast("interaction", name, f"{a} x {b}", _compared(combinations, corners))


def _having(combinations: Sequence[Mapping[str, str]], wanted: Mapping[str, str]) -> Float[np.ndarray, "part combination"]:
    """A row for each combination that has the wanted levels."""
    rows = [row for row, each in enumerate(combinations) if wanted.items() <= each.items()]
    return np.eye(len(combinations))[rows]


def _compared(
    combinations: Sequence[Mapping[str, str]], corners: Sequence[tuple[float, Mapping[str, str]]]
) -> Float[np.ndarray, "part combination"]:
    """A row for each setting of the other factors in which all corners were measured: their signed sum."""
    place = {tuple(sorted(each.items())): row for row, each in enumerate(combinations)}
    rows = []
    for each in combinations:
        if not corners[0][1].items() <= each.items():
            continue
        found = [place.get(tuple(sorted({**each, **corner}.items()))) for _, corner in corners]
        if None not in found:
            row = np.zeros(len(combinations))
            for (sign, _), at in zip(corners, found, strict=True):
                row[at] += sign
            rows.append(row)
    return np.array(rows).reshape(len(rows), len(combinations))
