"""Switch off the neurons of one language and measure the loss in every language, compared with random neurons.

A cell is the rise in log-perplexity (nats per token) on text of one language while the neurons of another are off. `zero` sets
them to 0 (Tang et al. 2024). `mean` sets them to their mean over languages, so that later layers get a typical input.

When the number misleads: if the loss rises in every language, the model is damaged, and nothing specific to a language was found.
Compare the diagonal with its row and with the random neurons. Use other sentences than those the neurons were found on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float

from interp.files.cache import Cache
from interp.generation.loss import sentence_losses
from interp.interventions.steering import ablated
from interp.models.computation import computed_by, model_facts
from interp.models.load import identify
from interp.progress import Progress
from interp.text.corpus import ParallelCorpus
from probes.neurons.report import NeuronReport
from probes.study import Study, with_fields_of

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Mode = Literal["zero", "mean"]
Sets = Mapping[int, list[int]]


class Mask(NamedTuple):
    """Neurons by block that are switched off together, and the value they are set to."""

    mode: Mode
    neurons: Sets


@dataclass(frozen=True)
class AblationStudy(Study[Mask, Float[np.ndarray, "mask language sentence"]]):
    """The neurons of each language switched off, and the loss in every language. A job is one set of neurons to switch off.

    Parameters
    ----------
    model
        The model in which the neurons were counted.
    corpus
        Text in the languages of the report. Use sentences on which the neurons were not found.
    report
        The neurons, from `find_neurons`.
    modes
        Value of a switched-off neuron: `zero`, or `mean`, its mean over languages, which disturbs later layers less.
    draws
        Number of random control sets for each language. Their neurons are from the same blocks, specific to no language, and of
        similar highest activation rate (`matched`). Over all languages, at least six more sets than languages are needed to claim
        anything: four each for two languages, two each for six.
    seed
        Random seed of the control sets and of the bootstrap.
    resamples
        Number of bootstrap resamples of the sentences (or documents).

    Example
    -------
    >>> import interp, probes
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=8)
    >>> neurons = probes.find_neurons(interp.count_neurons(model, corpus.select(limit=4), shards=2), permutations=2, halves=2)
    >>> from probes.neurons.ablation import AblationStudy
    >>> study = AblationStudy(model=model, corpus=corpus, report=neurons, modes=("zero",), draws=1)
    >>> len(study.jobs())  # the neurons of each language, and one random set for each
    4
    """

    model: TransformerBridge
    corpus: ParallelCorpus
    report: NeuronReport
    _: KW_ONLY
    modes: tuple[Mode, ...] = ("zero", "mean")
    draws: int = 4
    seed: int = 0
    resamples: int = 1000

    def jobs(self) -> list[Mask]:
        """For every mode and language: its neurons, then `draws` random control sets."""
        masks = []
        for mode in self.modes:
            rng = np.random.default_rng(self.seed)
            for own in map(self.report.neurons, self.report.languages):
                masks += [Mask(mode, own), *(Mask(mode, matched(self.report, own, rng)) for _ in range(self.draws))]
        return masks

    def scores(self, jobs: Sequence[Mask], folder: str | Path | None = None) -> Float[np.ndarray, "mask language sentence"]:
        """The loss of every sentence (nats per token) while each set in `jobs` is off. `folder` keeps what was measured."""
        texts = self._texts()
        with Progress(total=len(jobs) * len(texts.languages), desc="off", unit="text") as bar:
            return np.stack([[self._losses(texts.select([code]), mask, folder, bar) for code in texts.languages] for mask in jobs])

    def measure(self, folder: str | Path | None = None) -> NeuronReport:
        """Measure the losses that `folder` does not hold yet, and add them to the report."""
        texts, report = self._texts(), self.report
        clean = [sentence_losses(self.model, texts[code]) for code in texts.languages]
        losses = self.scores(self.jobs(), folder)
        losses = losses.reshape(len(self.modes), len(texts.languages), 1 + self.draws, *losses.shape[1:])
        unedited, text_tokens = (np.stack([part[k].numpy() for part in clean]) for k in (0, 1))
        arrays = {
            "loss": losses[:, :, 0],
            "random_loss": losses[:, :, 1:].mean(axis=2),
            "random_rise": (losses[:, :, 1:] - unedited).sum(axis=-1) / text_tokens.sum(axis=-1),
            "clean_loss": unedited,
            "text_tokens": text_tokens,
            "text_cluster": np.unique(texts.documents or texts.ids, return_inverse=True)[1],
        }
        more = {"modes": list(self.modes), "draws": self.draws, "resamples": self.resamples, "damage_seed": self.seed}
        shown = {
            **report.signature.settings, "off": "+".join(self.modes), "on": str(texts.identity), "boot": self.resamples,
        }  # fmt: skip
        signature = replace(report.signature, settings=shown)
        return replace(report, arrays={**report.arrays, **arrays}, settings={**report.settings, **more}, signature=signature)

    def _texts(self) -> ParallelCorpus:
        if (given := identify(self.model)).sha != self.report.signature.model.sha:
            raise ValueError(
                f"got neurons of {self.report.signature.model}, expected those of {given}. Count the neurons of this model."
            )
        if unknown := [mode for mode in self.modes if mode not in get_args(Mode)]:
            raise ValueError(f"got mode {unknown[0]!r}, expected one of {', '.join(get_args(Mode))}.")
        return self.corpus.select(self.report.languages)

    def _losses(self, text: ParallelCorpus, mask: Mask, folder: str | Path | None, bar: Progress) -> Float[np.ndarray, " sentence"]:
        """The loss of the sentences of one language while one set of neurons is off; each is kept by itself."""
        model, values = self.model, None
        if mask.mode == "mean":
            means = torch.from_numpy(self.report.arrays["mean"]).mean(0)
            values = {block: means[block, index] for block, index in mask.neurons.items()}
        held = {block: each.tolist() for block, each in (values or {}).items()}

        def measure() -> dict[str, torch.Tensor]:
            with ablated(model, mask.neurons, values):
                return {"loss": sentence_losses(model, text[text.languages[0]])[0]}

        facts = {**model_facts(model), "text": text.identity.sha, "neurons": mask.neurons, "held": held}
        cache: Cache[dict[str, torch.Tensor]] | None = Cache(Path(folder), computed_by(model.cfg.device)) if folder else None
        losses = cache.find(facts) if cache else None
        if losses is not None:
            bar.found()
            return losses["loss"].numpy()
        losses = measure()
        if cache:
            cache.keep(facts, losses)
        bar.update()
        return losses["loss"].numpy()


@with_fields_of(AblationStudy)
def measure_damage(study: AblationStudy) -> NeuronReport:
    """Switch off the neurons of each language, and measure the loss on text of every language.

    Parameters
    ----------
    study
        The fields of an `AblationStudy`, which explains them: `model, corpus, report` and by name the others. Nothing is kept on
        disk; `AblationStudy(...).measure(folder)` keeps the losses, so that an interrupted run continues.

    Returns
    -------
    The same `NeuronReport` with the losses in its arrays. Its `summary()` then has the rows of `damage`.

    Raises
    ------
    ValueError
        The report is of another model, the corpus lacks a language, or a mode is unknown.

    References
    ----------
    Tang et al. 2024, "Language-Specific Neurons", arXiv 2402.16438, section 3.

    Example
    -------
    >>> import interp, probes
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=8)
    >>> neurons = probes.find_neurons(interp.count_neurons(model, corpus.select(limit=4), shards=2), permutations=2, halves=2)
    >>> report = probes.measure_damage(model, corpus, neurons, modes=("zero",), draws=1, resamples=10)
    >>> report.arrays["loss"].shape  # mode, language whose neurons are off, language of the text, sentence
    (1, 2, 2, 8)
    """
    return study.measure()


def matched(report: NeuronReport, own: Sets, rng: np.random.Generator) -> dict[int, list[int]]:
    """Random control neurons, matched by block and by highest activation rate over languages.

    Parameters
    ----------
    report
        The report with the activation rates, and with the neurons of all languages, none of which is drawn.
    own
        Neurons to match, by block.
    rng
        Source of randomness. For each neuron, one of the ten with the nearest highest rate is drawn, without replacement.

    Returns
    -------
    As many neurons in each block, or fewer if the block has too few left.
    """
    highest, taken = report.arrays["rate"].max(0), report.arrays["chosen"].max(0) > 0
    controls: dict[int, list[int]] = {}
    for block, neurons in own.items():
        free = list(np.flatnonzero(~taken[block]))
        for neuron in neurons:
            near = np.argsort(np.abs(highest[block, free] - highest[block, neuron]), kind="stable")[:10]
            if len(near):
                controls.setdefault(block, []).append(int(free.pop(int(rng.choice(near)))))
    return controls
