"""`interp compare`: what did tuning change, in behaviour, in representations and in weights?"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge
    from probes.report import Report
    from probes.tuning.comparison import ChangeReport

Instrument = Literal["align", "lens", "probe", "transplant", "neurons", "translate", "answer", "weights", "entry", "blocks", "rows"]
_HYBRIDS = ("entry", "blocks", "rows")


@dataclass(frozen=True)
class CompareSettings(Settings):
    """What did tuning change?

    Runs the same instruments on two models, or takes two finished runs of one instrument, and pairs them item by item: mean
    differences with intervals, Holm-corrected. Runs that differ in more than the model are refused, and the field is named.
    """

    before: str = ""
    """The model before tuning, or a finished run on it; none given means --model."""
    after: str = ""
    """The tuned model, or a finished run on it."""
    instruments: Annotated[tuple[Instrument, ...], tyro.conf.arg(name="with")] = ("align", "weights")
    """What to compare: align lens probe transplant neurons translate answer, each as its own command measures; which weights moved
    (weights); at which layer the gain enters (entry); which part's weights carry it (blocks); how many embedding rows (rows)."""
    split: str | None = None
    """The part of the corpus to measure on, best one that tuning never saw (cldr: heldout)."""
    form: str = "quoted"
    """The prompt template of translations (translate, weights, entry, blocks, rows)."""
    flips: int = 10_000
    """Sign flips of the paired test; no p is below 1 / (flips + 1)."""
    output: Path = Path("runs/compare")
    """The run folder to write; each instrument's own runs lie inside it."""


def run(settings: CompareSettings) -> Report:
    """Measure or read both sides, pair them, and put the reports about weights beside them."""
    from probes.report import Report
    from probes.tuning.comparison import compare_reports, join_changes

    before, after = settings.before or settings.model, settings.after
    if not after:
        raise ValueError("there is nothing to compare with. Give --after, a tuned model or a finished run.")
    if _is_run(before) != _is_run(after):
        raise ValueError(f"{before} and {after}: a model and a finished run came. Needed: two models, or two runs.")
    how = {"flips": settings.flips, "seed": settings.seed}
    if _is_run(after):
        return compare_reports(Report.load(before), Report.load(after), **how)
    settings = _alike(settings, before, after)
    changes: dict[str, ChangeReport] = {}
    for name in settings.instruments:
        if name not in (*_HYBRIDS, "weights"):
            pair = [Report.load(_measure(settings, name, model, side)) for side, model in (("before", before), ("after", after))]
            changes[name] = compare_reports(*pair, **how)
    beside = _inside(settings, before, after)
    if not changes:
        first, *rest = beside
        return _with_verdicts(beside[first], {name: beside[name] for name in rest}, settings.output)
    return _with_verdicts(join_changes(changes), beside, settings.output)


def _alike(settings: CompareSettings, before: str, after: str) -> CompareSettings:
    """The same settings with one precision for both: a base stored in bfloat16 differs from its child in float32 by that alone."""
    from dataclasses import replace

    from interp.models.checkpoints import locate, read_config

    stored = {str(read_config(locate(name, None), None).dtype) for name in (before, after)}
    return replace(settings, dtype="float32") if settings.dtype is None and len(stored) > 1 else settings


def _measure(settings: CompareSettings, name: str, model: str, side: str) -> Path:
    """One instrument's own run on one model, in a folder of its own, with the settings the two commands share."""
    from importlib import import_module

    from experiments.ask import answer
    from experiments.runs.settings import settings_of

    kind = settings_of(import_module(f"experiments.{name}"))
    known = {each.name for each in fields(kind)}
    shared = {each.name for each in fields(CompareSettings)} & known - {"output", "model", "config", "page", "resume"}
    given = {key: getattr(settings, key) for key in shared if getattr(settings, key) != getattr(CompareSettings(), key)}
    return answer(kind(**{**given, "model": model, "output": settings.output / name / side, "resume": True}))


def _inside(settings: CompareSettings, before: str, after: str) -> dict[str, Report]:
    """The reports about weights, in the order asked for."""
    wanted = [name for name in settings.instruments if name in (*_HYBRIDS, "weights")]
    if not wanted:
        return {}
    import interp
    from interp.tuning import translations
    from probes.tuning import hybrids
    from probes.tuning.movement import measure_movement

    corpus = interp.read(settings.corpus, languages=settings.wanted, split=settings.split).select(
        limit=settings.limit, seed=settings.seed
    )
    others = [code for code in corpus.languages if code != settings.pivot]
    mixture = translations(corpus, [(settings.pivot, code) for code in others], seed=settings.seed)
    base, tuned = (_load(settings, name) for name in (before, after))
    measures = {"entry": hybrids.measure_entry, "blocks": hybrids.measure_blocks, "rows": hybrids.measure_rows}
    found: dict[str, Report] = {}
    for name in wanted:
        if name == "weights":
            found[name] = measure_movement(base, tuned, mixture=mixture, form=settings.form)
        else:
            found[name] = measures[name](base, tuned, mixture, form=settings.form, seed=settings.seed)
    return found


def _load(settings: CompareSettings, name: str) -> TransformerBridge:
    import interp

    return interp.load(name, device=settings.device, dtype=settings.dtype)


def _with_verdicts(report: Report, beside: dict[str, Report], output: Path) -> Report:
    """Save the reports beside the main one in folders of their own, and say in its notes what they found."""
    from dataclasses import replace

    for name, other in beside.items():
        other.save(output / name)
    return replace(report, notes=(*report.notes, *(f"{name}: {other.verdict()}" for name, other in beside.items())))


def _is_run(name: str) -> bool:
    """Whether a name is a finished run and no model: a tuned model's folder is both, and counts as a model."""
    folder = Path(name)
    return (folder / "manifest.json").is_file() and not (folder / "config.json").is_file()
