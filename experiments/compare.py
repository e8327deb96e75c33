"""`interp compare`: what did tuning change, in behaviour, representations and weights?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.tuning import Mixture
    from probes.report import Report
    from probes.tuning.comparison import ChangeReport

Instrument = Literal["align", "lens", "probe", "transplant", "neurons", "translate", "answer", "weights", "entry", "blocks", "rows"]
_HYBRIDS = ("entry", "blocks", "rows")


@dataclass(frozen=True)
class CompareSettings(Settings):
    """What did tuning change, in behaviour, representations and weights?

    Runs the same commands on two models, or takes two finished runs of one command, and pairs them item by item: mean
    differences with 95 % confidence intervals, and Holm-corrected p. Runs that differ in more than the model are refused.

    Example: interp compare --before bundled --after runs/tune/names --with align weights --output runs/compare
    """

    before: str = ""
    """The model before tuning, or a finished run on it. Default: --model."""
    after: str = ""
    """The tuned model, or a finished run on it."""
    instruments: Annotated[tuple[Instrument, ...], tyro.conf.arg(name="with")] = ("align", "weights")
    """What to compare: align lens probe transplant neurons translate answer, each measured as by its own command; the weights
    that moved (weights); the layer at which the gain of tuning arises (entry); the part of the model whose changed weights give
    it (blocks); how many changed embedding rows give it (rows).
    """
    split: str | None = None
    """Split of the corpus to measure on, preferably one that was not trained on (cldr: heldout)."""
    form: str = "quoted"
    """Prompt form, one of interp.tuning.TEMPLATES, of translations (for translate, weights, entry, blocks, rows)."""
    flips: int = 10_000
    """Number of sign flips of the paired permutation test. No p is below 1 / (flips + 1)."""
    output: Path = Path("runs/compare")
    """The run folder to write; the runs of each command on both models are inside it."""

    @property
    def run_model(self) -> str | None:
        """The model before tuning; None where two finished runs are compared."""
        return None if _is_run(self.after) else self.before or self.model


def run(settings: CompareSettings) -> Report:
    """Measure both models of `settings`, or load both runs, pair them, and save the reports about weights beside them."""
    from probes.report import Report
    from probes.tuning.comparison import compare_reports, join_changes

    before, after = _sides(settings)
    if _is_run(after):
        runs = Report.load(before), Report.load(after)
        return compare_reports(*runs, flips=settings.flips, seed=settings.seed, between="runs")
    settings = _in_one_precision(settings, before, after)
    changes: dict[str, ChangeReport] = {}
    for name in settings.instruments:
        if name not in (*_HYBRIDS, "weights"):
            old = Report.load(_measure(settings, name, before, "before"))
            start = old.signature.settings.get("start")
            new = Report.load(_measure(settings, name, after, "after", None if start is None else str(start)))
            between: Literal["tuning", "models"] = "tuning" if _is_tuned_from(after, before) else "models"
            changes[name] = compare_reports(old, new, flips=settings.flips, seed=settings.seed, between=between)
    reports = _about_weights(settings, before, after)
    if not changes:
        first, *rest = reports
        return _with_verdicts(reports[first], {name: reports[name] for name in rest}, settings.output)
    return _with_verdicts(join_changes(changes), reports, settings.output)


def _sides(settings: CompareSettings) -> tuple[str, str]:
    """The two models, or the two finished runs."""
    before, after = settings.before or settings.model, settings.after
    if not after:
        raise ValueError("got no --after, expected a tuned model or a finished run to compare with.")
    if _is_run(before) != _is_run(after):
        raise ValueError(f"got a model and a finished run ({before}, {after}), expected two models or two runs.")
    return before, after


def _is_tuned_from(after: str, before: str) -> bool:
    """Whether the model `after` may be `before` after tuning: by the record that `interp tune` writes, or where neither has one."""
    from interp.files.sealed_json import read_object

    parents = {}
    for name in (before, after):
        record = Path(name).expanduser() / "tuned.json"
        parent = read_object(record).get("parent") if record.is_file() else None
        parents[name] = str(parent.get("name")) if isinstance(parent, dict) else ""
    return parents[after] == (Path(before).name or before) if parents[after] else not parents[before]


def _in_one_precision(settings: CompareSettings, before: str, after: str) -> CompareSettings:
    """The settings with float32 where the two models are stored in different precisions, which alone would make them differ."""
    from interp.models.checkpoints.folders import locate
    from interp.models.checkpoints.parts import read_config

    stored = {str(read_config(locate(name, None), None).dtype) for name in (before, after)}
    return replace(settings, dtype="float32") if settings.dtype is None and len(stored) > 1 else settings


def _measure(settings: CompareSettings, name: str, model: str, side: str, start: str | None = None) -> Path:
    """A command's own run on one model, in a folder of its own, with the settings that the two commands share.

    `start` is the token before every text in the run on the other model, which this one then reads as well.
    """
    from experiments.ask import answer

    return answer(_own(settings, name, model, side, start))


def _own(settings: CompareSettings, name: str, model: str, side: str, start: str | None = None) -> Settings:
    """The settings of that run."""
    from importlib import import_module

    from experiments.settings.settings import settings_of

    own = settings_of(import_module(f"experiments.{name}"))
    shared = {field.name for field in fields(CompareSettings)} & {field.name for field in fields(own)}
    shared -= {"output", "model", "config", "page", "resume", "plan", "plan_rate"}
    changed = {key: getattr(settings, key) for key in shared if getattr(settings, key) != getattr(CompareSettings(), key)}
    if start is not None:
        changed["start"] = start
    return own(**{**changed, "model": model, "output": settings.output / name / side, "resume": True})


def _about_weights(settings: CompareSettings, before: str, after: str) -> dict[str, Report]:
    """The reports about weights, in the order they were asked for."""
    names = [name for name in settings.instruments if name in (*_HYBRIDS, "weights")]
    if not names:
        return {}
    from probes.tuning.hybrids import measure_blocks, measure_entry, measure_rows
    from probes.tuning.movement import measure_movement

    mixture = _mixture(settings)
    base, tuned = (_load(settings, name) for name in (before, after))
    measures: dict[str, Callable[[], Report]] = {
        "weights": lambda: measure_movement(base, tuned, mixture=mixture, form=settings.form),
        "entry": lambda: measure_entry(base, tuned, mixture, form=settings.form, seed=settings.seed),
        "blocks": lambda: measure_blocks(base, tuned, mixture, form=settings.form, seed=settings.seed),
        "rows": lambda: measure_rows(base, tuned, mixture, form=settings.form, seed=settings.seed),
    }
    return {name: measures[name]() for name in names}


def check(settings: CompareSettings) -> None:
    """Raise `ValueError` for a side that is not there, and for what a command that measures both would refuse."""
    import sys

    from interp.models.checkpoints.folders import locate
    from interp.models.checkpoints.gguf import find_gguf
    from interp.models.checkpoints.parts import read_config
    from interp.tuning import template

    template(settings.form)
    before, after = _sides(settings)
    if _is_run(after):
        return
    for side in (before, after):
        if find_gguf(side) is None:
            read_config(locate(side, None), None)
    for name in settings.instruments:
        if name not in (*_HYBRIDS, "weights"):
            own = _own(settings, name, after, "after").resolved()
            if look := getattr(sys.modules[type(own).__module__], "check", None):
                look(own)
    if {*_HYBRIDS, "weights"} & set(settings.instruments):
        _mixture(settings)


def work(settings: CompareSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: that of each command, for both models, and the losses of models put together from both."""
    import sys

    from experiments.costs.sweeping import hybrids

    works: list[Work] = []
    name, _ = _sides(settings)
    for instrument in settings.instruments:
        if instrument in _HYBRIDS:
            works.append(hybrids(model, _mixture(settings), settings.form, instrument))
        elif instrument != "weights":
            own = _own(settings, instrument, name, "before").resolved()
            for each in sys.modules[type(own).__module__].work(own, model):
                works.append(replace(each.times(2), what=f"{instrument}: {each.what}"))
    return works


def _mixture(settings: CompareSettings) -> Mixture:
    """Translations from the pivot, whose answers' loss is measured."""
    import interp
    from interp.tuning import translations

    corpus = interp.read(settings.corpus, languages=settings.wanted, split=settings.split, columns=settings.chosen_columns)
    corpus = corpus.select(limit=settings.limit, seed=settings.seed)
    others = [code for code in corpus.languages if code != settings.pivot]
    return translations(corpus, [(settings.pivot, code) for code in others], seed=settings.seed)


def _load(settings: CompareSettings, name: str) -> TransformerBridge:
    import interp

    return interp.load(name, device=settings.device, dtype=settings.dtype)


def _with_verdicts(report: Report, beside: dict[str, Report], output: Path) -> Report:
    """The main report with the verdicts of the others in its notes; those are saved to folders of their own."""
    for name, other in beside.items():
        other.save(output / name)
    return replace(report, notes=(*report.notes, *(f"{name}: {other.verdict()}" for name, other in beside.items())))


def _is_run(name: str) -> bool:
    """Whether a name is a finished run; a tuned model's folder, which holds both, counts as a model."""
    folder = Path(name)
    return (folder / "manifest.json").is_file() and not (folder / "config.json").is_file()
