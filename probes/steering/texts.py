"""What a generated text is worth: its language, whether it repeats itself, whether it is plausible, and whether it says the same.

When the number misleads: by default the script identifies the language, which fails for two languages of one script; then give
`identify`. A text of fewer than four units cannot be seen to repeat itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.generation.score import score
from probes.translation.normalisation import units
from probes.translation.text_scores import in_script, item_scores, overlap_counts

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

MOSTLY, ORDER, SHIFTS = 0.5, 3, 5
"""From which share of repeated n-grams a text is mostly repetition; the n of them; unrelated translations for each baseline."""
_LONGEST = 20


def repetition(text: str, code: str) -> float:
    """The share of the 3-grams of `text` that occurred in it before: 1 - distinct 3-grams / 3-grams.

    The units are words, or characters where the script of the language `code` is written without spaces, and in a word of more
    than 20 characters, as of a model that writes one digit without end; case and punctuation do not count. 0 where there is no
    3-gram.

    >>> repetition("动动动动动动", "zho_Hans"), repetition("the cat, the cat, the cat", "eng_Latn")
    (0.75, 0.5)
    """
    words = [part for unit in units(text, code) for part in (unit if len(unit) > _LONGEST else (unit,))]
    grams = [tuple(words[k : k + ORDER]) for k in range(len(words) - ORDER + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@dataclass(frozen=True)
class Judge:
    """Scores texts written after some prompts, under the unedited model.

    Parameters
    ----------
    model
        The model.
    prompts
        The prompts.
    references
        The translation of each prompt's sentence into the target language.
    target
        FLORES-200 code of the target language.
    identify
        Function that gives the FLORES-200 code of a text. Default: by the script of most of its letters.
    """

    model: TransformerBridge
    prompts: Sequence[str]
    references: Sequence[str]
    target: str
    identify: Callable[[str], str] | None = None

    def unrelated(self) -> float:
        """The surprise (nats per token) of translations of other sentences after these prompts: fluent and off the point."""
        others = [self.references[(row + 1) % len(self.references)] for row in range(len(self.references))]
        gap = "" if self.prompts[0][-1:].isspace() or self.prompts[0][-1:] in "\"'«“「" else " "
        return float(np.mean(self.surprise([gap + other for other in others])))

    def surprise(self, texts: Sequence[str]) -> np.ndarray:
        """The loss of each of `texts` after its prompt, in nats per token; NaN for an empty text."""
        written = [row for row, text in enumerate(texts) if text.strip()]
        losses = np.full(len(texts), np.nan)
        if written:
            scores = score(self.model, [self.prompts[row] for row in written], [texts[row] for row in written])
            losses[written] = -np.array(scores.log_probs) / np.array(scores.tokens)
        return losses

    def judge(self, texts: Sequence[str], bar: float) -> pd.DataFrame:
        """One row per text of `texts`: `text, identified, repetition, language, fidelity, unrelated, surprise, plausible`.

        `identified` is 1 in the target language. `language` is 1 if besides less than half of its 3-grams are repeated, and
        `plausible` if besides its surprise is below `bar`. `fidelity` is chrF++ against the translation, and `unrelated` the mean
        chrF++ against the translations of (up to) five other sentences.
        """
        identified = [
            in_script(text, self.target) if self.identify is None else float(self.identify(text) == self.target) for text in texts
        ]
        repeated = np.array([repetition(text, self.target) for text in texts])
        language, surprise = np.array(identified) * (repeated < MOSTLY), self.surprise(texts)
        n = len(texts)
        others = [self._fidelity(texts, shift) for shift in range(1, min(SHIFTS, n - 1) + 1)]
        return pd.DataFrame({
            "text": list(texts), "identified": identified, "repetition": repeated, "language": language,
            "fidelity": self._fidelity(texts, 0), "unrelated": np.mean(others, axis=0) if others else np.full(n, np.nan),
            "surprise": surprise, "plausible": language * (np.nan_to_num(surprise, nan=np.inf) < bar),
        })  # fmt: skip

    def _fidelity(self, texts: Sequence[str], shift: int) -> np.ndarray:
        references = [self.references[(row + shift) % len(texts)] for row in range(len(texts))]
        return item_scores("chrf", overlap_counts("chrf", texts, references, self.target))
