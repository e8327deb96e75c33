"""Whether an edit makes the model write another language: more than the unedited model, and more than random directions do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from probes.statistics.random_draws import FEWEST_DRAWS, SURE, beyond, draws_of
from probes.statistics.resampling import Labels, groups_of, known_mean
from probes.statistics.significance import FEWEST, LEVEL, said_p, sign_flip


class SteeringClaims(NamedTuple):
    """The p of each comparison: with the unedited model, with random directions over sentences and over `draws` of them, and of
    the fidelity with that to other sentences.
    """

    p_gain: float
    p_excess: float
    p_draws: float
    p_meaning: float
    draws: int

    @property
    def writes(self) -> bool:
        """Whether the edit makes the model write the language: all three comparisons hold."""
        return max(self.p_gain, self.p_excess) < LEVEL and self.p_draws < SURE

    @property
    def keeps_meaning(self) -> bool:
        """Whether some of the meaning of the sentence is kept; asked only where the language is written."""
        return self.writes and self.p_meaning < LEVEL

    def said(self) -> str:
        """The tests in words; that they could not succeed where there are too few random directions."""
        if self.draws < FEWEST_DRAWS:
            return f"Nothing can be claimed with {self.draws} random directions: at least {FEWEST_DRAWS} are needed."
        return (
            f"Over sentences {said_p(self.p_gain)} (against unedited) and {said_p(self.p_excess)} (against random directions); "
            f"over other random directions {said_p(self.p_draws)}."
        )


def steering_claims(
    fitted: Float[np.ndarray, " item"],
    unedited: Float[np.ndarray, " item"],
    random: Float[np.ndarray, "item draw"],
    meaning: Float[np.ndarray, " item"],
    clusters: Labels | None = None,
    seed: int = 0,
) -> SteeringClaims:
    """Test one strength of an edit.

    Parameters
    ----------
    fitted, unedited, random
        Whether each text is in the target language: under the edit, without it, and under each random direction.
    meaning
        The fidelity of each text beyond its fidelity to other sentences.
    clusters
        The document of each sentence. Signs are flipped by document.
    seed
        Random seed of the sign flips.

    Notes
    -----
    The tests over sentences are sign flips of paired differences. They need no correction: all must hold for the claim that the
    language is written, and the meaning is asked of only after it. Where random directions differ, one more of them may well be
    better than eight, in every sentence: that is tested over directions (`probes.statistics.random_draws`).
    """
    draws = random.shape[1]
    middle = random.mean(axis=1) if draws else np.full(len(fitted), np.nan)
    differences = np.stack([fitted - unedited, fitted - middle, meaning], axis=1)
    if groups_of(len(fitted), clusters)[1] < FEWEST:
        return SteeringClaims(1.0, 1.0, 1.0, 1.0, draws)
    p = np.where(known_mean(differences) > 0, sign_flip(differences, seed=seed, clusters=clusters), 1.0)
    over_draws = beyond(np.atleast_1d(known_mean(fitted)), draws_of(known_mean(random)[:, None])) if draws else np.ones(1)
    return SteeringClaims(float(p[0]), float(p[1]), float(over_draws[0]), float(p[2]), draws)
