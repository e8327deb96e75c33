"""The next token that every layer predicts after every token of a prompt, and its script: for any prompt, without a word list.

If the prompt is in another script than the reference language, the script alone shows which language a layer favours. Languages
that share a script cannot be told apart. Digits, punctuation and byte tokens belong to no script and are counted separately. Most
vocabularies contain more Latin tokens than others, so compare with the randomly initialised model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from interp.languages import language
from interp.lens.logit_lens import LensReading, read_positions
from interp.lens.tuned_lens import TunedLens
from interp.models.hooks import hooks_in_force
from interp.models.load import TransformerBridge, identify, random_init
from interp.provenance import Signature
from interp.text.chat import in_chat
from interp.text.corpus import ParallelCorpus
from interp.vocabulary.spelling import Vocabulary, read_vocabulary, scripts_of
from probes.report import Report
from probes.statistics.crossover import Crossover, find_crossover
from probes.statistics.resampling import bootstrap, highest
from probes.statistics.significance import max_statistic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_SCRIPT = frozenset({"common", "mixed", "bytes", "special"})


@dataclass(frozen=True, repr=False)
class TokenLensReport(Report):
    """The most probable next tokens at every layer and position of a prompt, as `measure_tokens` reads them.

    `table` has one row per position, layer and `place` (1 is the most probable): the `token` of the prompt, the `predicted` token,
    its `script` and `probability`. `arrays` have the probability of each script, `scripts_trained` and `scripts_random`
    `[layer position script]`, and `entropy` and `divergence` from the last layer in bits, `[layer position]`. Layers are `embed`,
    then the output of each block.

    Example
    -------
    >>> import interp, probes
    >>> report = probes.measure_tokens(interp.load("bundled"), "Das Haus ist", controls=False, resamples=20)
    >>> report.settings["own_scripts"], report.scripts(["Latn"]).shape  # position, layer
    (['Latn'], (7, 9))
    """

    question: ClassVar[str] = "Which language does the model think in?"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers: `embed`, then the output of each block."""
        return tuple(self.settings["layers"])

    def scripts(self, names: Sequence[str], weights: str = "trained") -> np.ndarray:
        """The summed probability of some scripts (`names`, ISO 15924) by `weights` (`trained` or `random`), `[position layer]`.

        Positions of special tokens are left out.
        """
        held = [self.settings["scripts"].index(name) for name in names]
        return self.arrays[f"scripts_{weights}"][:, self.settings["read"]][..., held].sum(-1).T.astype(float)

    def summary(self) -> pd.DataFrame:
        """One row per script and layer: its mean probability over positions. The baseline is the randomly initialised model."""
        rows = []
        for name in self.settings["scripts"]:
            values, chance = self.scripts([name]), self._chance([name])
            lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"])
            rows.append(pd.DataFrame({"target": "prompt", "measure": "script", "series": name, "layer": self.layers,
                                      "estimate": values.mean(0), "lower": lower, "upper": upper, "n": len(values),
                                      "baseline": chance, "random_init": chance}))  # fmt: skip
        return pd.concat(rows, ignore_index=True)

    def _chance(self, names: Sequence[str]) -> np.ndarray:
        return self.scripts(names, "random").mean(0) if "scripts_random" in self.arrays else np.full(len(self.layers), np.nan)

    def crossover(self) -> Crossover:
        """The layer from which the script of the prompt stays more probable than the script of the reference language."""
        pivot, own = self.scripts(self.settings["pivot_scripts"]), self.scripts(self.settings["own_scripts"])
        return find_crossover(pivot, own, self.layers, resamples=self.settings["resamples"], seed=self.settings["seed"])

    def verdict(self) -> str:
        """The layer where the script of the reference language holds most probability, and where the other script overtakes it."""
        from probes.lens.scripts_figures import script_name

        written, own = (" and ".join(map(script_name, self.settings[key])) for key in ("pivot_scripts", "own_scripts"))
        n, name = len(self.settings["read"]), language(self.settings["pivot"]).name
        if not own or set(self.settings["own_scripts"]) & set(self.settings["pivot_scripts"]):
            return (
                f"The prompt is written in {own or 'no script'} and {name} in {written}: scripts cannot tell them apart here; "
                f"the tokens of {n} positions are in the grid. Use a word list (--task translation) to ask for words."
            )
        shares = self.scripts(self.settings["pivot_scripts"])
        at = highest(shares.mean(0)[1:-1]) + 1
        chance = "the untrained model was not read"
        if "scripts_random" in self.arrays:
            untrained = self.scripts(self.settings["pivot_scripts"], "random")
            p = max_statistic((shares - untrained)[:, 1:-1], seed=self.settings["seed"])[at - 1]
            above = p < 0.05 and shares.mean(0)[at] > untrained.mean(0)[at]
            chance = f"{'' if above else 'not '}above an untrained model's {untrained.mean(0)[at]:.2f}"
        last, crossover = self.scripts(self.settings["own_scripts"]).mean(0)[-1], self.crossover()
        overtakes = f"{own} overtakes it for good at {crossover}" if crossover.certain else "Neither overtakes the other for good"
        return (
            f"{written}, the script of {name}, holds {shares.mean(0)[at]:.2f} of the next token's probability at layer "
            f"{self.layers[at]}, its highest (n={n} positions, {chance}). {overtakes}; {own} ends with {last:.2f}. "
            f"Positions of one prompt are not independent samples."
        )

    def figures(self) -> dict[str, Figure]:
        """The grid of most probable tokens, and the probability of each script over layers."""
        from probes.lens.scripts_figures import script_areas
        from probes.lens.tokens_figures import token_grid

        return {"tokens": token_grid(self.table, str(self.signature)), "scripts": script_areas(self.summary(), str(self.signature))}

    def _save_figures(self, folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
        from probes.lens.tokens_figures import add_titles, titles

        written = super()._save_figures(folder, figures)
        add_titles(folder / "figure.svg", titles(self.table))
        return written


def measure_tokens(
    model: TransformerBridge,
    prompt: str,
    *,
    pivot: str = "eng_Latn",
    lens: TunedLens | None = None,
    chat: bool = False,
    top: int = 5,
    controls: bool = True,
    seed: int = 0,
    resamples: int = 1000,
) -> TokenLensReport:
    """Read the next token that every layer predicts after every token of a prompt.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompt
        Any text.
    pivot
        Reference language, whose script is compared with the script of the prompt.
    lens
        A tuned lens, from `interp.train_lens` or `interp.load_lens`. Default: the logit lens.
    chat
        Write the prompt as the user's message in the chat template of the tokenizer. The tokens of the template are read too.
    top
        Number of most probable tokens to keep for each layer and position.
    controls
        Also read a randomly initialised model of the same architecture, always with the logit lens.
    seed
        Random seed of the randomly initialised model and of the bootstrap.
    resamples
        Number of bootstrap resamples of the positions.

    Returns
    -------
    A `TokenLensReport`.

    Raises
    ------
    ValueError
        The prompt has no token, or more than the context of the model.

    References
    ----------
    nostalgebraist 2020, "Interpreting GPT: the logit lens"; Wendler et al. 2024, arXiv 2402.10588.

    Example
    -------
    >>> import interp, probes
    >>> report = probes.measure_tokens(interp.load("bundled"), "Das Haus ist", top=2, controls=False, resamples=20)
    >>> len(report.table)  # layers x positions x 2
    144
    """
    if chat:
        prompt = in_chat(model.tokenizer, prompt)
    vocabulary = read_vocabulary(model.tokenizer, model.cfg.d_vocab)
    names, classes = vocabulary.script_classes()
    ids, reading = read_positions(model, prompt, (classes, len(names)), lens=lens, top=top)
    arrays = {
        "scripts_trained": reading.scripts.numpy(),
        "entropy": reading.entropy.numpy(),
        "divergence": reading.divergence.numpy(),
    }
    if controls:
        _, chance = read_positions(random_init(model, seed), prompt, (classes, len(names)), top=1)
        arrays["scripts_random"] = chance.scripts.numpy()
    written = [vocabulary.scripts[token] for token in ids]
    read = [position for position, name in enumerate(written) if name != "special"]
    asked = {"lens": str(lens or "logit"), "pivot": language(pivot).code}
    shown = {**asked, "boot": resamples, "seed": seed} | hooks_in_force(model)
    told = ParallelCorpus("prompt", {pivot: (prompt,)}).identity
    return TokenLensReport(
        table=_table(ids, reading, vocabulary),
        signature=Signature("token_lens", identify(model), told, shown),
        arrays=arrays,
        settings={"prompt": prompt, **asked, "resamples": resamples, "seed": seed, "layers": list(reading.layers),
                  "scripts": list(names), "read": read, "own_scripts": _own(written), "pivot_scripts": sorted(scripts_of(pivot))},
    )  # fmt: skip


def _own(written: Sequence[str]) -> list[str]:
    """The script of most tokens of the prompt, and the scripts that one language writes with it."""
    letters = [name for name in written if name not in _NO_SCRIPT]
    if not letters:
        return []
    most = max(sorted(set(letters)), key=letters.count)
    together = next((group for group in ({"Hani", "Hira", "Kana"}, {"Hang", "Hani"}) if most in group), {most})
    return sorted(together & set(letters))


def _table(ids: Sequence[int], reading: LensReading, vocabulary: Vocabulary) -> pd.DataFrame:
    layers, positions, ranks = reading.top_tokens.shape
    flat = reading.top_tokens.flatten().tolist()
    axes = np.indices((layers, positions, ranks)).reshape(3, -1)
    return pd.DataFrame(
        {"position": axes[1], "token": [vocabulary.written(ids[position]) for position in axes[1]],
         "layer": [reading.layers[layer] for layer in axes[0]], "place": axes[2] + 1,
         "predicted": [vocabulary.written(token) for token in flat], "script": [vocabulary.scripts[token] for token in flat],
         "probability": reading.top_mass.flatten().numpy().astype(float)}
    )  # fmt: skip
