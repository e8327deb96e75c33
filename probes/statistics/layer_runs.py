"""Runs of layers, and how a sentence names them: "at layers 3-5 and from 18"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

Run = tuple[int, int]
"""First and last row of consecutive layers."""


def runs_of(mask: Bool[np.ndarray, " layer"]) -> list[Run]:
    """The first and last row of every run of True in `mask`.

    >>> import numpy as np
    >>> runs_of(np.array([True, True, False, True]))
    [(0, 1), (3, 3)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]


def name_runs(runs: Sequence[Run], layers: Sequence[str], to: str = "-") -> list[str]:
    """Each of the `runs` by the names of its first and last of the `layers`, with `to` between them.

    >>> name_runs([(0, 2), (4, 4)], ["embed", "0", "1", "2", "3"], " to ")
    ['embed to 1', '3']
    """
    return [layers[first] if first == last else f"{layers[first]}{to}{layers[last]}" for first, last in runs]


def say_runs(runs: Sequence[Run], layers: Sequence[str], unit: str = "layer") -> str:
    """Runs of layers in words.

    Parameters
    ----------
    runs
        First and last row of each run, ascending and not empty.
    layers
        Names of all layers, in their order.
    unit
        What a layer is called. Empty where layers were spoken of before: "at 3-5 and 18".

    Example
    -------
    >>> blocks = [str(block) for block in range(24)]
    >>> say_runs([(0, 3), (21, 23)], blocks, "block"), say_runs([(0, 3)], blocks), say_runs([(0, 23)], blocks)
    ('at blocks 0-3 and from 21', 'up to layer 3', 'at every layer')
    """
    end = len(layers) - 1
    if list(runs) == [(0, end)] and end:
        return f"at every {unit or 'layer'}"
    if len(runs) == 1 and runs[0][0] == 0 != runs[0][1]:
        return f"up to {unit} {layers[runs[0][1]]}" if unit else f"up to {layers[runs[0][1]]}"
    open_ended = [run for run in runs if run[0] < run[1] == end]
    parts = name_runs([run for run in runs if run not in open_ended], layers)
    several = len(parts) > 1 or any("-" in part for part in parts)
    word = f"{unit}{'s' if several else ''} " if unit and parts != ["embed"] else ""
    said = [f"at {word}{_listed(parts)}"] if parts else []
    said += [f"from {'' if parts or not unit else f'{unit} '}{layers[first]}" for first, _ in open_ended]
    return " and ".join(said)


def say_longest(carried: Bool[np.ndarray, " layer"], layers: Sequence[str], unit: str = "layer") -> str:
    """The longest run of the layers that are true in `carried`, in words, and that there are others.

    `layers` and `unit` are as in `say_runs`.

    >>> say_longest(np.array([True, True, False, True]), ["0", "1", "2", "3"], "block")
    'up to block 1 (and others)'
    """
    runs = runs_of(carried)
    longest = max(runs, key=lambda run: run[1] - run[0])
    return say_runs([longest], layers, unit) + (" (and others)" if len(runs) > 1 else "")


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def capitalised(sentence: str) -> str:
    """The `sentence` with a capital at its start, also where it starts with the name of a run.

    >>> capitalised("up to layer 3 English leads.")
    'Up to layer 3 English leads.'
    """
    return sentence[:1].upper() + sentence[1:]
