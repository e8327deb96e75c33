"""At which blocks the patched tag, or the patched last token, surely carries the language that the tag asks for.

A place carries it where patching has more than half of the effect of the other language's prompt, and more than the control, the
same language's tag of another sentence. Both are tested item by item over all places and blocks, on the upper side alone, by a
max-statistic at half of the level each, so that one false claim among all is as rare as the level says.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from probes.statistics.significance import FEWEST, LEVEL, max_statistic

HALF = 0.5
"""The least effect of a place that carries the language."""


def carrying(
    effects: Mapping[str, Float[np.ndarray, "item layer"]], control: Float[np.ndarray, "item layer"], seed: int = 0
) -> dict[str, Bool[np.ndarray, " layer"]]:
    """For every place in `effects`, the blocks at which it carries the language.

    Parameters
    ----------
    effects
        The effect of patching each place: 0 without patching, 1 of the other language's prompt. NaN where an item is left out.
    control
        The effect of the control at the same blocks.
    seed
        Random seed of the sign flips.

    Example
    -------
    >>> import numpy as np
    >>> noise = 0.1 * np.random.default_rng(0).normal(size=(3, 20, 4))
    >>> tag, last = noise[0] + [0.9, 0.9, 0.3, 0.0], noise[1] + [0.0, 0.0, 0.5, 0.9]
    >>> {place: blocks.tolist() for place, blocks in carrying({"tag": tag, "last": last}, noise[2]).items()}
    {'tag': [True, True, False, False], 'last': [False, False, False, True]}
    """
    if len(control) < FEWEST:
        return {place: np.zeros(control.shape[1], dtype=bool) for place in effects}
    all_of_them = np.stack([*effects.values()], axis=1)
    compared = (HALF, control[:, None])
    large, real = (max_statistic(all_of_them - other, seed=seed, above=True, borrow=False) for other in compared)
    return dict(zip(effects, np.maximum(large, real) < LEVEL / len(compared), strict=True))
