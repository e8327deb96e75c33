"""Whose word leads at which layers: that of the reference language, of the target, or the given one, which may be copied.

The words are weighed against each other item by item. What counts is the probability beyond that of unrelated words of the same
language, as a frequent language is likelier everywhere. A word leads at a layer if it is the most probable there, and ahead of
every rival and of chance, each by a paired sign flip test. One max-statistic covers all that is said: layers, pairs of words,
target languages. Tests are on square roots of probabilities (Hellinger scale): a few items of high probability would drown the
others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from probes.statistics.layer_runs import runs_of
from probes.statistics.resampling import known_mean
from probes.statistics.significance import LEVEL, max_statistic

Role = Literal["source", "pivot", "target"]
ROLES: tuple[Role, ...] = ("source", "pivot", "target")
WORD_MEASURES = ("probability", "corrected", "rank")
LEAST = 0.01  # a word that is less probable than this leads nowhere, however sure the difference is
_FLIPS = 4000


@dataclass(frozen=True)
class Reading:
    """One word at every layer: its probability, that of unrelated words of its language, and its own in an untrained model.

    All are `[item layer]`, NaN where an item has none.
    """

    value: Float[np.ndarray, "item layer"]
    unrelated: Float[np.ndarray, "item layer"]
    untrained: Float[np.ndarray, "item layer"]


@dataclass(frozen=True)
class Leads:
    """Which word leads at each layer. `leader` holds a role or "" a layer, `above` whether each word is above chance there.

    `p` is the p of the weakest of the comparisons that a lead needs, `[layer]` a role, 1 where the word is behind. `items` are
    the items in which every word could be read.
    """

    roles: tuple[Role, ...]
    leader: tuple[str, ...]
    above: Mapping[Role, Bool[np.ndarray, " layer"]]
    p: Mapping[Role, Float[np.ndarray, " layer"]]
    items: Bool[np.ndarray, " item"]

    @property
    def n(self) -> int:
        """The number of items compared."""
        return int(self.items.sum())

    def runs(self, role: Role) -> list[tuple[int, int]]:
        """The runs of layers at which the word of a `role` leads: first and last row of each."""
        return runs_of(np.array([leader == role for leader in self.leader]))


def role_of(series: str, source: str, target: str, pivot: str) -> str:
    """What the language `series` is in a prompt: `target`, `pivot`, `source` (its word is given), two of them, or `other`."""
    roles = {"source": source, "pivot": pivot, "target": target}
    return " and ".join(role for role, code in roles.items() if code == series) or "other"


def common_items(readings: Mapping[Role, Reading]) -> Bool[np.ndarray, " item"]:
    """The items in which every word of `readings` could be read at every layer."""
    return np.asarray(np.all([~np.isnan(reading.value).any(1) for reading in readings.values()], axis=0))


def mean_readings(groups: Sequence[Mapping[Role, Reading]]) -> dict[Role, Reading]:
    """The mean over `groups` (target languages) of each item, where all its words could be read.

    Groups without a word of the source language are left out if others have one.
    """
    roles = max((tuple(group) for group in groups), key=len)
    chosen = [(group, ~common_items(group)[:, None]) for group in groups if tuple(group) == roles]

    def over_groups(role: Role, part: str) -> np.ndarray:
        return known_mean(np.stack([np.where(unknown, np.nan, getattr(group[role], part)) for group, unknown in chosen]))

    return {role: Reading(*(over_groups(role, field.name) for field in fields(Reading))) for role in roles}


def find_leads(groups: Mapping[str, Mapping[Role, Reading]], *, seed: int = 0) -> dict[str, Leads]:
    """Whose word leads at which layers, in several groups (target languages, or their mean) with one correction for all of them.

    Parameters
    ----------
    groups
        The words of each group by role. All readings have the same items and layers in the same order.
    seed
        Random seed of the sign flips.

    Notes
    -----
    In at most 5 % of studies in which no word differs from another or from chance, any word of any group is said to lead or to be
    above chance at any layer. With fewer than six items nothing can be found.
    """
    tests: dict[tuple[str, str, str], np.ndarray] = {}
    common: dict[str, np.ndarray] = {}
    for group, readings in groups.items():
        common[group] = common_items(readings)
        tests |= {(group, *pair): gain for pair, gain in _comparisons(readings, common[group]).items()}
    stacked = np.stack(list(tests.values()), axis=1)
    p = dict(zip(tests, step_down(stacked, seed=seed), strict=True))
    signs = {key: np.nan_to_num(values).sum(0) for key, values in tests.items()}
    return {group: _leads(group, readings, common[group], p, signs) for group, readings in groups.items()}


def step_down(differences: Float[np.ndarray, "item cell layer"], *, seed: int = 0) -> Float[np.ndarray, "cell layer"]:
    """p of each cell, corrected for all cells that are not found different before it (Westfall & Young 1993, step-down).

    What is found is left out and the rest corrected for the rest alone, until nothing more is found. The family-wise error stays,
    and one sure difference does not hide a smaller one. Cells without a value have p = 1.
    `differences` are paired by item; `seed` draws their signs.
    """
    p = np.ones(differences.shape[1:])
    left = ~np.isnan(differences).all(0)
    while left.any():
        p[left] = max_statistic(differences[:, left], _FLIPS, seed)
        significant = left & (p < LEVEL)
        if not significant.any():
            break
        left &= ~significant
    return p


def _comparisons(readings: Mapping[Role, Reading], items: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """What each word has more than each rival, beyond unrelated words; and more than chance, as the pair (role, "").

    Only where the two together have the least probability that a lead needs. Their sum says nothing of which is ahead, so the
    tests stay exact, and the layers before there is anything to see cost no power.
    """
    beyond = {role: np.sqrt(reading.value) - np.sqrt(_or_zero(reading.unrelated)) for role, reading in readings.items()}
    floors = {role: np.fmax(reading.unrelated, reading.untrained) for role, reading in readings.items()}
    gains: dict[tuple[str, str], np.ndarray] = {}
    for first, second in combinations(readings, 2):
        together = readings[first].value + readings[second].value
        gains[first, second] = _where_seen(beyond[first] - beyond[second], together, items)
    for role, reading in readings.items():
        gain = np.sqrt(reading.value) - np.sqrt(floors[role])
        gains[role, ""] = _where_seen(gain, reading.value + _or_zero(floors[role]), items)
    return gains


def _where_seen(gain: np.ndarray, together: np.ndarray, items: np.ndarray) -> np.ndarray:
    seen = together[items].mean(0) >= LEAST if items.any() else np.zeros(gain.shape[1], bool)
    return np.where(items[:, None] & seen, gain, np.nan)


def _or_zero(unrelated: np.ndarray) -> np.ndarray:
    """Unrelated words, or nothing where there is none: then no word is above chance, and none leads."""
    return np.where(np.isnan(unrelated), 0.0, unrelated)


def _leads(
    group: str,
    readings: Mapping[Role, Reading],
    items: np.ndarray,
    p: Mapping[tuple[str, str, str], np.ndarray],
    signs: Mapping[tuple[str, str, str], np.ndarray],
) -> Leads:
    roles = tuple(readings)
    ahead = {role: _one_sided(p[group, role, ""], signs[group, role, ""]) for role in roles}
    above = {role: ahead[role] < LEVEL for role in roles}
    for first, second in combinations(roles, 2):
        p_pair, sign = p[group, first, second], signs[group, first, second]
        ahead[first] = np.maximum(ahead[first], _one_sided(p_pair, sign))
        ahead[second] = np.maximum(ahead[second], _one_sided(p_pair, -sign))
    leader = np.full(len(next(iter(ahead.values()))), "", dtype=object)
    means = {role: readings[role].value[items].mean(0) if items.any() else np.zeros(len(leader)) for role in roles}
    for role in roles:
        first = np.all([means[role] >= means[other] for other in roles], axis=0)
        leader[(ahead[role] < LEVEL) & first & (means[role] >= LEAST)] = role
    return Leads(roles, tuple(leader), above, ahead, items)


def _one_sided(p: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """The p of being ahead: 1 where it is behind."""
    return np.where(sign > 0, p, 1.0)
