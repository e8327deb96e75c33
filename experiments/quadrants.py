"""`interp quadrants`: which languages profit from tuning on one of them: itself, others, both or none?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.runs.training import Training

if TYPE_CHECKING:
    import pandas as pd

    from interp.tuning import Recipe
    from probes.quadrants.report import QuadrantReport
    from probes.quadrants.study import QuadrantStudy

Method = Literal["embeddings", "full", "lora", "shorten", "extend"]


@dataclass(frozen=True)
class QuadrantsSettings(Training):
    """Which languages profit from tuning on one of them: the language itself, others, both or none?

    Tunes a model on pairs from the pivot into each language by itself, asks it for that language and for the probe languages,
    and tells reciprocal, altruistic, selfish and stagnant languages, against the raw base and against one that was tuned to
    the prompt's format alone. Every language is computed once: a run that was killed, or grew, goes on with --resume.
    """

    corpus: str = "cldr:dates"
    """Parallel text to tune on; "{language}" in its name stands for each language's code, where each has text of its own."""
    probes: tuple[str, ...] = ("afr_Latn", "ron_Latn")
    """The other languages that are asked for: the multilingual gain is the mean over them."""
    methods: tuple[Method, ...] = ("embeddings",)
    """What may move: seen embedding rows, everything, an adapter; or everything after shortening a language's byte-spelled text,
    or after new pieces for it. Quadrants are reported for the first, the others check the guideline."""
    sizes: tuple[int, ...] = ()
    """Pairs to tune on, the smaller sets inside the larger; none given means as many as the language with fewest has."""
    seeds: int = 1
    controls: tuple[Literal["format", "shuffled"], ...] = ("format",)
    """More baselines: the pivot copied in the same prompt with as many updates; each language's pairs with answers shuffled."""
    metric: Literal["chrf", "exact", "bleu", "spbleu"] = "chrf"
    """The score whose gain is measured."""
    threshold: float = 0.0
    """A gain is one above this."""
    relative: bool = False
    """Gains in percent of the baseline's score instead of points."""
    level: float = 0.95
    """The share of bootstrap draws that must agree on a quadrant; below it a language is undetermined."""
    survey: str | None = None
    """Parallel text to measure the tokenizer on, for the regression of the gains; none given leaves it out."""
    drop: Literal[1, 2] | None = 1
    """Method "shorten": the lead byte, or the lead and the second byte; None for whatever saves most."""
    pieces: int = 3000
    """Method "extend": new pieces for a language."""
    init: Literal["subword", "mean", "random"] = "subword"
    """Method "extend": what the new rows begin as."""
    template: str = "named"
    """The prompt format to tune and to ask in, one of interp.tuning.TEMPLATES; best one that the base does not know."""
    learning_rate: float = 1e-2
    rates: dict[str, float] = field(default_factory=lambda: {"full": 3e-4, "shorten": 3e-4, "extend": 3e-4, "lora": 3e-3})
    """Learning rates of methods that have their own."""
    epochs: float = 3.0
    keep: Literal["nothing", "rows", "model"] = "rows"
    """What to keep of each tuned model: the embedding rows that moved (of method "embeddings"), its whole folder, or nothing."""
    output: Path = Path("runs/quadrants")
    """The run folder to write."""

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to read: the pivot, those to tune on, those to ask for; None means all that the corpus has."""
        chosen = super().wanted
        return chosen and tuple(dict.fromkeys((*chosen, *self.probes)))

    def resolved(self) -> QuadrantsSettings:
        """The same settings with every language under its one code."""
        from interp.languages import languages

        return replace(super().resolved(), probes=tuple(lang.code for lang in languages(self.probes)))

    def recipes(self) -> dict[Method, Recipe]:
        """How the models of each method are tuned."""
        return {
            method: self.recipe(
                scope=method if method in ("embeddings", "lora") else "full",
                tie=self.tie if method == "embeddings" else "refuse",
                learning_rate=self.rates.get(method, self.learning_rate),
            )
            for method in self.methods
        }

    def study(self) -> QuadrantStudy:
        """The study that these settings ask for."""
        from probes.quadrants.study import QuadrantStudy, Retokenization

        test = self.read_test()
        return QuadrantStudy(
            parent=self.model,
            train=self.read_pairs([code for code in self.languages or test.languages if code != self.pivot]),
            test=test,
            probes=self.probes,
            recipes=self.recipes(),
            pivot=self.pivot,
            sizes=self.sizes,
            seeds=self.seeds,
            seed=self.seed,
            controls=self.controls,
            metric=self.metric,
            beams=self.beams,
            max_new_tokens=self.max_new_tokens,
            threshold=self.threshold,
            relative=self.relative,
            level=self.level,
            retokenization=Retokenization(self.drop, self.pieces, self.init),
            tokenization=self._tokenization(),
            keep=self.keep,
        )

    def _tokenization(self) -> pd.DataFrame | None:
        """How the tokenizer splits the languages, where text to measure that on is named."""
        if self.survey is None:
            return None
        import interp
        from interp.models.checkpoints.parts import locate, read_tokenizer
        from probes.quadrants.causes import spelling

        corpus = interp.read(self.survey, languages=self.wanted)
        return spelling(read_tokenizer(locate(self.model, None), None), corpus, self.pivot, self.probes)


def run(settings: QuadrantsSettings) -> QuadrantReport:
    """Tune and score what is not there yet, and tell the quadrants."""
    return settings.study().measure(settings.output, settings.device)


def share(settings: QuadrantsSettings, shard: Shard) -> None:
    """Tune and score some of the languages; the controls go to the first shares."""
    settings.study().share(settings.output, shard.index, shard.count, settings.device)
