"""In which languages do a language's own neurons matter more than random ones, when they are switched off?

Random sets differ: another draw of as many neurons would do another damage, which no number of sentences shows. So a rise in loss
is tested over sentences and over random sets, and must hold over both. Few sets are drawn, as each costs a pass over all text. So
their spread is pooled over the languages: the variance of a sum over neurons grows with their number, so it is that of one neuron
that the languages share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from probes.statistics.random_draws import FEWEST_DRAWS, Draws, beyond
from probes.statistics.resampling import groups_of, known_mean
from probes.statistics.significance import FEWEST, holm, max_statistic

Arrays = Mapping[str, np.ndarray]


class DamageClaims(NamedTuple):
    """p of a larger rise in loss than with random neurons, in each language's own text, `[mode language]`.

    `sentences` is the p over sentences, `sets` over random sets; each is corrected for all languages and modes. `possible` is false
    where there are too few sentences or random sets for any to be below 0.05.
    """

    sentences: Float[np.ndarray, "mode language"]
    sets: Float[np.ndarray, "mode language"]
    possible: bool

    @property
    def p(self) -> Float[np.ndarray, "mode language"]:
        """The larger of the two."""
        return np.maximum(self.sentences, self.sets)


def random_sets(arrays: Arrays, mode: int, language: int) -> Draws | None:
    """What random sets do to the text of each language, matched to the neurons of one `language` in one `mode`, `[text]`.

    `arrays` are those of a `NeuronReport` after `measure_damage`. None where a report of an earlier version does not say how sets
    differ.
    """
    if "random_rise" not in arrays:
        return None
    rises = arrays["random_rise"][mode]  # language draw text
    size = np.maximum(arrays["chosen"].reshape(len(rises), -1).sum(axis=1), 1)
    draws = rises.shape[1]
    spread = np.full(rises.shape[2], np.nan)
    if draws > 1:
        spread = np.sqrt((rises.var(axis=1, ddof=1) / size[:, None]).mean(axis=0) * size[language])
    own = rises[language]
    return Draws(own.mean(axis=0), spread, own.max(axis=0), draws, len(rises) * (draws - 1))


def damage_claims(arrays: Arrays, seed: int = 0) -> DamageClaims:
    """Test the rise in loss of every language's own text, from the `arrays` of a `NeuronReport` after `measure_damage`.

    `seed` draws the signs of the test over sentences.
    """
    rise = arrays["loss"] - arrays["clean_loss"]
    own = np.diagonal(arrays["loss"] - arrays["random_loss"], axis1=1, axis2=2)  # mode sentence language
    differences = np.moveaxis(own, 1, 0)
    tokens = arrays["text_tokens"].sum(axis=1)
    shape = rise.shape[:2]
    sets = np.ones(shape)
    for mode in range(shape[0]):
        for language in range(shape[1]):
            drawn = random_sets(arrays, mode, language)
            if drawn is not None:
                sets[mode, language] = beyond(rise[mode, language].sum(axis=-1) / tokens, drawn)[language]
    clusters, drawn = arrays["text_cluster"], random_sets(arrays, 0, 0)
    possible = groups_of(len(clusters), clusters)[1] >= FEWEST and drawn is not None and drawn.freedom >= FEWEST_DRAWS - 1
    if not possible:
        return DamageClaims(np.ones(shape), np.ones(shape), possible)
    p = max_statistic(differences, seed=seed, clusters=clusters)
    return DamageClaims(np.where(known_mean(differences) > 0, p, 1.0), holm(np.minimum(sets, 1.0)), possible)
