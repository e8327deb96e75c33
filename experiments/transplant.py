"""`interp transplant`: if I carry layer i of the English run into layer j of the Swahili run, does the answer get better?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings
from experiments.runs.shards import Shard

if TYPE_CHECKING:
    from interp.text.corpus import ParallelTask
    from probes.transplant.measure import TransplantStudy
    from probes.transplant.report import TransplantGrid


@dataclass(frozen=True)
class TransplantSettings(Settings):
    """If I carry layer i of the English run into layer j of the Swahili run, does the answer get better?

    Asks the same questions in two languages, carries what one run holds at its last prompt token into the other, for every
    source and target layer, and judges one cell chosen on some items on the others, beside controls that carry something else.
    """

    corpus: str = "cldr:facts"
    """Questions with answers: "cldr:facts", or a file or folder of them."""
    output: Path = Path("runs/transplant")
    """The run folder to write."""
    direction: Literal["to", "from", "both", "all", "mean"] = "to"
    """Who gives: the pivot to every other language, every other to the pivot, both, all pairs, or the mean of all others."""
    site: Literal[
        "mlp", "attention", "residual_pre", "residual_mid", "residual_post", "attention_as_released"
    ] = "mlp"  # fmt: skip
    """What is carried; the last is what the released code does when it says attention."""
    measure: Literal["auto", "difference", "logprob", "match"] = "auto"
    """Logit difference of right and best wrong option, log-probability of the answer, or a string match of what is written."""
    controls: tuple[Literal["shuffled", "same_language", "random", "norm_matched", "permuted"], ...] = (
        "shuffled", "same_language", "random", "norm_matched", "permuted",
    )  # fmt: skip
    """What else is carried, for comparison: each costs as much as the grid itself."""
    template: str | dict[str, str] | None = None
    """The prompt, with field names in braces; one for all languages or one each."""
    split: str | None = None
    """A part of the corpus, where it has several."""
    tokens: int = 20
    """How many tokens are written where they are matched."""
    sources: tuple[int, ...] = ()
    """Source layers; none given means all."""
    targets: tuple[int, ...] = ()
    """Target layers; none given means all."""
    method: Literal["auto", "naive", "batched", "packed", "wave"] = field(default="auto")
    """How the grid is computed; all give the same numbers."""

    def read_task(self) -> ParallelTask:
        """The questions asked for, cut to `limit`."""
        from interp.text.read import read_task

        task = read_task(self.corpus, languages=self.wanted, template=self.template, split=self.split)
        return task.select(limit=self.limit, seed=self.seed)


def run(settings: TransplantSettings) -> TransplantGrid:
    """Measure every pair. Finished items are kept in the run folder."""
    return _study(settings).measure(settings.output / "items")


def share(settings: TransplantSettings, shard: Shard) -> None:
    """Measure this shard's items of every pair."""
    _study(settings).share(settings.output / "items", shard.index, shard.count)


def _study(settings: TransplantSettings) -> TransplantStudy:
    from probes.transplant.measure import TransplantStudy
    from probes.transplant.options import pairs_of

    task = settings.read_task()
    return TransplantStudy(
        model=settings.load_model(),
        task=task,
        pairs=pairs_of(task, settings.pivot, settings.direction),
        sites=settings.site,
        score=settings.measure,
        controls=settings.controls,
        sources=settings.sources or None,
        targets=settings.targets or None,
        max_new_tokens=settings.tokens,
        method=settings.method,
        seed=settings.seed,
    )
