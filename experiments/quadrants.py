"""`interp quadrants`: does tuning on one language improve that language, others, both or neither?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.settings.tuning.training import Training

if TYPE_CHECKING:
    import pandas as pd

    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.tuning import Recipe
    from probes.quadrants.report import QuadrantReport
    from probes.quadrants.study import QuadrantStudy

Method = Literal["embeddings", "full", "lora", "shorten", "extend"]


@dataclass(frozen=True)
class QuadrantsSettings(Training):
    """Does tuning on one language improve that language, others, both or neither?

    Tunes one model for each language, on pairs from the pivot into it, and scores translation into that language and into the probe
    languages. A language is reciprocal (both improve), altruistic (others), selfish (itself) or stagnant (neither), compared with
    the untuned model and with a model tuned on the prompt's format alone. With --resume, models that exist are not tuned again.

    Example: interp quadrants --languages de jv --probes af fr --sizes 150 --steps 40 --output runs/quadrants
    """

    corpus: str = "cldr:dates"
    """Parallel text to tune on. "{language}" in its name is replaced by each language's code, if each has a corpus of its own."""
    probes: tuple[str, ...] = ("afr_Latn", "ron_Latn")
    """Probe languages: the multilingual gain is the mean over them."""
    methods: tuple[Method, ...] = ("embeddings",)
    """Weights to train: seen embedding rows, all, or a LoRA adapter; or all after shortening the language's byte-spelled text
    (shorten) or adding tokens for it (extend). Quadrants are reported for the first; the others check the guideline."""
    sizes: tuple[int, ...] = ()
    """Numbers of pairs to tune on; smaller sets are part of larger ones. Default: all pairs of the language with fewest."""
    seeds: int = 3
    controls: tuple[Literal["format", "shuffled"], ...] = ("format",)
    """More baselines with as many updates. format: copying the pivot in the same prompt. shuffled: the pairs with answers
    shuffled.
    """
    metric: str = "chrf"
    """Metric of the gains: chrf, exact, bleu, spbleu_flores101, spbleu_flores200, spbleu_spm, script, or a function of your own as
    module:function (a share, 0 to 1)."""
    threshold: float = 0.0
    """A change above this counts as a gain."""
    relative: bool = False
    """Gains in percent of the baseline's score instead of points."""
    level: float = 0.95
    """1 less the chance that any language of a set without gains is given a quadrant; with one seed none is given."""
    survey: str | None = None
    """Parallel text to measure the tokenizer on, for the regression of the gains. Default: no regression."""
    drop: Literal[1, 2] | None = 1
    """Method "shorten": drop the lead byte, or the lead and the second byte. None: whichever saves most tokens."""
    pieces: int = 3000
    """Method "extend": number of new tokens for a language."""
    init: Literal["subword", "mean", "random"] = "subword"
    """Method "extend": initialisation of the new rows."""
    form: str = "named"
    """Prompt form of tuning and testing, one of interp.tuning.TEMPLATES, preferably one that is new to the untuned
    model.
    """
    learning_rate: float = 1e-2
    rates: dict[str, float] = field(default_factory=lambda: {"full": 3e-4, "shorten": 3e-4, "extend": 3e-4, "lora": 3e-3})
    """Learning rate of each other method."""
    epochs: float = 3.0
    keep: Literal["nothing", "rows", "model"] = "rows"
    """What to keep of each tuned model: the embedding rows that changed (method "embeddings"), the whole folder, or nothing."""
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
            device=self.device,
        )

    def _tokenization(self) -> pd.DataFrame | None:
        """How the tokenizer splits the languages, where text to measure that on is named."""
        if self.survey is None:
            return None
        import interp
        from interp.models.checkpoints.folders import locate
        from interp.models.checkpoints.parts import read_tokenizer
        from probes.quadrants.causes import spelling

        corpus = interp.read(self.survey, languages=self.wanted)
        return spelling(read_tokenizer(locate(self.model, None), None), corpus, self.pivot, self.probes)


def run(settings: QuadrantsSettings) -> QuadrantReport:
    """Tune and score what `settings.output` does not hold yet, and classify the languages."""
    return settings.study().measure(settings.output)


def check(settings: QuadrantsSettings) -> None:
    """Raise `ValueError` where the only probe language is one that is tuned on."""
    if len(settings.probes) == 1 and settings.probes[0] in settings.languages:
        raise ValueError(
            f"--probes: got {settings.probes[0]} alone, which is tuned on, expected another one, to see what tuning does for "
            "others."
        )


def work(settings: QuadrantsSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every model is tuned, and asked for its language and the probe languages."""
    from experiments.costs.sweeping import swept

    works: list[Work] = []
    study = settings.study()
    for method, jobs in groupby(study.jobs(), key=lambda job: job.method):
        cells = [cell for job in jobs for cell in job.cells]
        kept = "model" if settings.keep == "model" else "nothing"
        own = swept(
            model, cells, study.test, keep=kept, form=study.form, beams=settings.beams, max_new_tokens=settings.max_new_tokens
        )
        works += [replace(each, what=f"{each.what} ({method or 'untuned'})") for each in own]
    return works


def share(settings: QuadrantsSettings, shard: Shard) -> None:
    """Tune and score the languages of one `shard`, as `settings` say; the controls go to the first shares."""
    settings.study().share(settings.output, shard.index, shard.count)
