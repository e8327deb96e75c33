"""Which of several values is the best: the highest, or the lowest where a measure counts what is wrong or still open."""

from __future__ import annotations

import re

_LOWER_IS_BETTER = frozenset(
    ["rank", "entropy", "divergence", "loss", "perplexity", "surprise", "surprisal", "distance", "error", "kl", "nll", "xsim"]
)

_OWN_CODE = re.compile(r"(?:\w+: )?[^:\s]+:[^:\s]+")


def lower_is_better(measure: str) -> bool:
    """Whether a low value of a `measure` is the good one: `rank` (0 is the first), entropy, loss, surprise, a distance.

    A measure is known by the words of its name, so "held-out loss" is one and "p_at_1" is none. Of code of your own
    ("my_scores:loss") more is better whatever its name.
    """
    return not _OWN_CODE.fullmatch(measure) and not _LOWER_IS_BETTER.isdisjoint({measure, *re.split(r"[\W_]+", measure.casefold())})
