"""`interp transplant`: if layer i of the English run is copied into layer j of the Swahili run, does the answer improve?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelTask
    from probes.transplant.measure import TransplantStudy
    from probes.transplant.report import TransplantGrid


@dataclass(frozen=True)
class TransplantSettings(Settings):
    """If layer i of the English run is copied into layer j of the Swahili run, does the answer improve?

    Asks the same questions in two languages and copies the activation of the last prompt token from one run into the other, for
    every source and target layer. A pair of layers chosen on some items is evaluated on the others, and compared with controls.

    Example: interp transplant --languages sw --limit 40 --controls shuffled random --output runs/transplant
    """

    corpus: str = "cldr:facts"
    """Questions with answers: "cldr:facts", or a file or folder of them."""
    output: Path = Path("runs/transplant")
    """Run folder to write."""
    direction: Literal["to", "from", "both", "all", "mean"] = "to"
    """Copy from the reference language to every other (to), from every other to it (from), both, between all pairs (all), or the
    mean of all other languages (mean)."""
    site: Literal[
        "mlp", "attention", "residual_pre", "residual_mid", "residual_post", "attention_as_released"
    ] = "mlp"  # fmt: skip
    """What to copy. attention_as_released is what the released XTransplant code does for attention."""
    measure: Literal["auto", "difference", "logprob", "match"] = "auto"
    """Score: logit difference of the right and the best wrong option, log-probability of the answer, or string match of the
    generated answer. auto is difference if the questions have options, otherwise logprob."""
    controls: tuple[Literal["shuffled", "same_language", "random", "norm_matched", "permuted"], ...] = (
        "shuffled", "same_language", "random", "norm_matched", "permuted",
    )  # fmt: skip
    """Controls, which copy something else: another item, the same prompt, a random direction, the donor rescaled, or into options
    in another order. Each costs as much as the grid itself."""
    template: str | dict[str, str] | None = None
    """Prompt template, with field names in braces; one for all languages, or one for each."""
    chat: bool = False
    """Write every prompt as the user's message in the chat template of the tokenizer: the model answers as the assistant."""
    split: str | None = None
    """Split of the corpus, if it has several."""
    tokens: int = 20
    """Number of tokens to generate for match."""
    sources: tuple[int, ...] = ()
    """Source layers; -1 is the last. Default: all."""
    targets: tuple[int, ...] = ()
    """Target layers; -1 is the last. Default: all."""
    method: Literal["auto", "naive", "batched", "packed", "wave"] = field(default="auto")
    """How the grid is computed. All give the same numbers."""

    def read_task(self) -> ParallelTask:
        """The questions, at most `limit` of them."""
        from interp.text.read import read_task

        task = read_task(self.corpus, languages=self.wanted, template=self.template, split=self.split, columns=self.chosen_columns)
        return task.select(limit=self.limit, seed=self.seed)


def run(settings: TransplantSettings) -> TransplantGrid:
    """Measure every pair. Finished items are kept in the run folder."""
    return _study(settings).measure(settings.output / "items")


def share(settings: TransplantSettings, shard: Shard) -> None:
    """Measure this shard's items of every pair."""
    _study(settings).share(settings.output / "items", shard.index, shard.count)


def _study(settings: TransplantSettings) -> TransplantStudy:
    return _planned(settings, settings.load_model())


def check(settings: TransplantSettings) -> None:
    """Raise `ValueError` for a single question: the cell is chosen on some and tested on others."""
    task = settings.read_task()
    if (texts := len(set(task.documents or task.ids))) < 2:
        raise ValueError(
            f"task {task.name!r}: got {texts} question (or document), expected at least 2: a cell is chosen on some and evaluated "
            "on others. Raise --limit, or leave it out."
        )


def work(settings: TransplantSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: the grid of every pair, condition and item."""
    from experiments.costs.grids import transplanted

    return transplanted(_planned(settings, model))


def _planned(settings: TransplantSettings, model: TransformerBridge) -> TransplantStudy:
    from interp.text.chat import chat_task
    from probes.transplant.measure import TransplantStudy
    from probes.transplant.options import pairs_of

    task = settings.read_task()
    if settings.chat:
        task = chat_task(model.tokenizer, task)
    return TransplantStudy(
        model=model,
        task=task,
        pairs=pairs_of(task, settings.pivot, settings.direction),
        sites=settings.site,
        score=settings.measure,
        controls=settings.controls,
        sources=_from_first(settings.sources, model) or None,
        targets=_from_first(settings.targets, model) or None,
        max_new_tokens=settings.tokens,
        method=settings.method,
        seed=settings.seed,
    )


def _from_first(layers: tuple[int, ...], model: TransformerBridge) -> tuple[int, ...]:
    """Layers by their number from the first, where some are counted from the last."""
    return tuple(layer + model.cfg.n_layers if layer < 0 else layer for layer in layers)
