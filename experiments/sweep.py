"""`interp sweep`: what is the effect of each factor of tuning?"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from experiments.costs.plan import named
from experiments.runs.launch import launch
from experiments.runs.shards import Shard
from experiments.settings.settings import parse
from experiments.settings.tuning.arms import tuned_arms
from experiments.settings.tuning.crossing import Crossing

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from probes.factors.report import SweepReport
    from probes.factors.study import FactorStudy


@dataclass(frozen=True)
class SweepSettings(Crossing):
    """What is the effect of each factor of tuning?

    `interp sweep FILE.yaml`: the file lists factors with their levels (languages, size, method, template, direction, mixture,
    model, seed, ...) and fixed settings. A model is tuned in every combination of levels and seeds, and all are scored on the same
    items. The report has the effect of every factor beside what other sentences and other seeds would make.

    Example: interp sweep --config sweep-bundled --output runs/sweep
    """

    output: Path = Path("runs/sweep")
    """The run folder to write."""
    metric: str = "chrf"
    """Metric of an item: chrf, exact, bleu, spbleu_flores101, ... of a translation; choice, exact, f1, contains, ... of an answer;
    or a function of your own as module:function (a share, 0 to 1)."""
    scores: Path | None = None
    """Scores of an outside judge for the outputs of a finished sweep, instead of --metric: a table of item, cell, direction and
    score."""
    keep: Literal["nothing", "model"] = "nothing"
    """Whether tuned models stay in the store, so that they can be asked something else later."""
    store: Path | None = None
    """Folder of tuned models and scored cells, which several sweeps may share. Default: in --output."""
    workers: int = 1
    """Number of processes to start, which share the cells."""
    launcher: Literal["local", "slurm"] = "local"
    """Where --workers run: on this machine, or as a job array of SLURM (submitit, the extra "cluster")."""
    partition: str | None = None
    """SLURM partition of --workers."""
    hours: int = 24
    """Hours that a worker may take."""

    def resolved(self) -> Self:
        """The same settings with every language under its one code, and every level checked: all before a model is loaded."""
        if self.workers > 1 and self.shard is not None:
            raise ValueError(f"got --workers {self.workers} and --shard {self.shard}, expected one of them. Leave --shard out.")
        return super().resolved()

    def study(self) -> FactorStudy:
        """The study that these settings ask for."""
        from probes.factors.study import FactorStudy

        test = self.read_questions() if self.task == "answers" else self.read_test()
        return FactorStudy(
            arms=tuned_arms(self, test),
            factors=self.levels,
            test=test,
            metric=self.metric,
            plain=self.plain,
            beams=self.beams,
            max_new_tokens=self.max_new_tokens,
            keep=self.keep,
            store=self.store,
            outside=self.scores,
            seed=self.seed,
            device=self.device,
            how={"task": self.task, "train": self.corpus, "lr": self.learning_rate, "batch": self.batch},
        )

    def counted(self) -> list[str]:
        """What is crossed, and how many models that makes."""
        levels, combinations = self.levels, len(self.combinations)
        crossed = " x ".join(f"{len(each)} {name}" for name, each in levels.items())
        left = math.prod(map(len, levels.values())) - combinations
        models = combinations * len(self.training_seeds)
        out = f", {named(left, 'combination')} left out" if left else ""
        return [f"{named(models, 'model')} to tune: {crossed} x {named(len(self.training_seeds), 'seed')}{out}"]


def run(settings: SweepSettings) -> SweepReport:
    """Tune and score what the store does not hold yet, and report the effect of every factor."""
    return settings.study().measure(settings.output)


def work(settings: SweepSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every model is tuned and asked, and so is every untuned parent. What a store holds is counted too."""
    from experiments.costs.sweeping import swept_arms

    return swept_arms(model, settings.study(), str(settings.run_model), dtype=settings.dtype, device=settings.device)


def share(settings: SweepSettings, shard: Shard) -> None:
    """Tune and score the models of one `shard`, as `settings` say."""
    settings.study().share(settings.output, shard.index, shard.count)


def main(args: Sequence[str]) -> None:
    """Parse `args`, of which the first may be the YAML file, and run: here, or as several processes with --workers."""
    from experiments.ask import ask, show

    given = ["--config", *args] if args and not args[0].startswith("-") else list(args)
    settings = parse(SweepSettings, given)
    if settings.workers > 1 and not settings.plan:
        launch(settings.resolved(), given)
        show(settings.output)
    else:
        ask(sys.modules[__name__], given)
