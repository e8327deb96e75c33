"""`interp quadrants`: which languages profit from tuning on one of them: itself, others, both or none?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings
from experiments.runs.shards import Shard

if TYPE_CHECKING:
    import pandas as pd

    from interp.text.corpus import ParallelCorpus
    from interp.tuning import Recipe
    from probes.quadrants.report import QuadrantReport
    from probes.quadrants.sweep import QuadrantSweep

Method = Literal["embeddings", "full", "lora", "shorten", "extend"]


@dataclass(frozen=True)
class QuadrantsSettings(Settings):
    """Which languages profit from tuning on one of them: the language itself, others, both or none?

    Tunes a model on pairs from the pivot into each language by itself, asks it for that language and for the probe languages,
    and tells reciprocal, altruistic, selfish and stagnant languages, against the raw base and against one that was tuned to
    the prompt's format alone. Every language is computed once: a run that was killed, or grew, goes on with --resume.
    """

    corpus: str = "cldr:dates"
    """Parallel text to tune on; "{language}" in its name stands for each language's code, where each has text of its own."""
    split: str | None = "train"
    """The part of it to tune on."""
    test_corpus: str | None = None
    """Parallel text to ask for; none given means --corpus."""
    test_split: str | None = "heldout"
    """The part of it, one that tuning never sees; --limit says how many items."""
    probes: tuple[str, ...] = ("afr_Latn", "ron_Latn")
    """The other languages that are asked for: the multilingual gain is the mean over them."""
    methods: tuple[Method, ...] = ("embeddings",)
    """What may move: seen embedding rows, everything, an adapter; or everything after shortening a language's byte-spelled text,
    or after new pieces for it. The first is the one that quadrants are told of, the others check the guideline."""
    sizes: tuple[int, ...] = ()
    """Pairs to tune on, the smaller sets inside the larger; none given means as many as the language with fewest has."""
    seeds: int = 1
    """Models of each kind, tuned on as many orders of the pairs, from --seed on; intervals are over them, too."""
    controls: tuple[Literal["format", "shuffled"], ...] = ("format",)
    """More baselines: the pivot copied in the same prompt with as many updates; each language's pairs with answers shuffled."""
    metric: Literal["chrf", "exact", "bleu", "spbleu"] = "chrf"
    """The score whose gain is told."""
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
    tie: Literal["refuse", "untie", "both"] = "refuse"
    """Embeddings of a model that reads and writes with one table: refuse, give the output its own copy, or move both."""
    rank: int = 8
    """LoRA: rank of the update."""
    alpha: int = 16
    """LoRA: the update is scaled by alpha / rank."""
    template: str = "named"
    """The prompt format to tune and to ask in, one of interp.tuning.TEMPLATES; best one that the base does not know."""
    learning_rate: float = 1e-2
    rates: dict[str, float] = field(default_factory=lambda: {"full": 3e-4, "shorten": 3e-4, "extend": 3e-4, "lora": 3e-3})
    """Learning rates of methods that have their own."""
    epochs: float = 3.0
    steps: int | None = None
    """Updates of every model, instead of epochs."""
    batch: int = 16
    """Examples of one update."""
    device_batch: int = 16
    """Examples on the device at once; the rest of the batch is accumulated."""
    max_length: int = 512
    """Tokens of one example at most; never more than the model reads."""
    checkpoints: int = 0
    """How often to save a model on the way; what was killed goes on from the last with --resume."""
    recompute: bool = False
    """Gradient checkpointing: less memory, more time."""
    beams: int = 1
    """Beam search with so many beams; 1 is greedy."""
    max_new_tokens: int | None = None
    """How long an answer may be; none given means twice the longest reference."""
    keep: Literal["nothing", "rows", "model"] = "rows"
    """What to keep of each tuned model: the embedding rows that moved (of method "embeddings"), its whole folder, or nothing."""
    output: Path = Path("runs/quadrants")
    """The run folder to write."""

    def resolved(self) -> QuadrantsSettings:
        """The same settings with every language under its one code."""
        from interp.languages import languages

        return replace(super().resolved(), probes=tuple(found.code for found in languages(self.probes)))

    def recipe(self, method: Method) -> Recipe:
        """How the models of one method are tuned."""
        from interp.tuning import Adapter, Recipe

        if self.dtype == "float16":
            raise ValueError("dtype float16 came. Needed: float32 (bfloat16 arithmetic where the device has it) or bfloat16.")
        return Recipe(
            scope=method if method in ("embeddings", "lora") else "full",
            tie=self.tie if method == "embeddings" else "refuse",
            adapter=Adapter(self.rank, self.alpha),
            template=self.template,
            max_length=self.max_length,
            learning_rate=self.rates.get(method, self.learning_rate),
            epochs=self.epochs,
            steps=self.steps,
            batch=self.batch,
            device_batch=min(self.device_batch, self.batch),
            held_out=0.0,
            checkpoints=self.checkpoints,
            recompute=self.recompute,
            dtype=self.dtype or "float32",
        )


def run(settings: QuadrantsSettings) -> QuadrantReport:
    """Tune and score what is not there yet, and tell the quadrants."""
    from probes.quadrants.sweep import measure_quadrants

    return measure_quadrants(
        _sweep(settings),
        settings.output / "sweep",
        threshold=settings.threshold,
        relative=settings.relative,
        level=settings.level,
        tokenization=_spelling(settings),
        keep=settings.keep,
        device=settings.device,
        seed=settings.seed,
    )


def share(settings: QuadrantsSettings, shard: Shard) -> None:
    """Tune and score some of the languages; the controls go to the first shares."""
    sweep = _sweep(settings)
    sweep.measure(shard.mine(sweep.jobs()), settings.output / "sweep", settings.keep, settings.device)


def _sweep(settings: QuadrantsSettings) -> QuadrantSweep:
    import interp
    from probes.quadrants.sweep import QuadrantSweep, Spelling

    source = settings.test_corpus or settings.corpus
    if (source, settings.test_split) == (settings.corpus, settings.split):
        raise ValueError(f"{source} is to be trained on and tested on. Give another --test-split, or --test-corpus.")
    wanted = settings.wanted and tuple(dict.fromkeys((*settings.wanted, *settings.probes)))
    test = interp.read(source, languages=wanted, split=settings.test_split).select(limit=settings.limit, seed=settings.seed)
    codes = [code for code in settings.languages or test.languages if code != settings.pivot]
    return QuadrantSweep(
        parent=settings.model,
        train=_train(settings, codes),
        test=test,
        probes=settings.probes,
        recipes={method: settings.recipe(method) for method in settings.methods},
        pivot=settings.pivot,
        sizes=settings.sizes,
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        controls=settings.controls,
        form=settings.template,
        metric=settings.metric,
        beams=settings.beams,
        max_new_tokens=settings.max_new_tokens,
        spelling=Spelling(settings.drop, settings.pieces, settings.init),
    )


def _train(settings: QuadrantsSettings, codes: list[str]) -> dict[str, ParallelCorpus]:
    """The pairs of each language, from one corpus of all or from each language's own."""
    import interp

    def read(source: str, *wanted: str) -> ParallelCorpus:
        return interp.read(source, languages=[settings.pivot, *wanted], split=settings.split)

    if "{language}" in settings.corpus:
        return {code: read(settings.corpus.replace("{language}", code), code) for code in codes}
    every = read(settings.corpus, *codes)
    return {code: every.select([settings.pivot, code]) for code in codes}


def _spelling(settings: QuadrantsSettings) -> pd.DataFrame | None:
    """How the tokenizer spells the languages, where text to measure that on is named."""
    if settings.survey is None:
        return None
    import interp
    from interp.models.checkpoints import locate, read_tokenizer
    from probes.quadrants.causes import spelling

    wanted = settings.wanted and tuple(dict.fromkeys((*settings.wanted, *settings.probes)))
    corpus = interp.read(settings.survey, languages=wanted)
    return spelling(read_tokenizer(locate(settings.model, None), None), corpus, settings.pivot, settings.probes)
