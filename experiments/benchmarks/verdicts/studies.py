"""Do the verdicts about tuned models and transplants hold on nulls, and do they find what was planted? On simulated reports.

Every check builds the real report from simulated scores of items and asks what it claims. A null counts as found where the
report claims anything at all, in whatever cell, language, pair, arm or measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, null, power
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.quadrants.classes import AXES, UNDETERMINED, classify, read_scores
from probes.quadrants.report import QuadrantReport, report_quadrants
from probes.report import Report
from probes.scaling.allocation_report import ARMS, AllocationReport
from probes.scaling.measure import measure_scaling
from probes.scaling.report import ScalingReport
from probes.translation.answers import AnswerReport
from probes.transplant.report import TransplantGrid
from probes.tuning.comparison import ChangeReport

_SEEDS = 3
_SHARE = 0.25
"""Share of the simulations that is made here, where each makes and asks a whole report."""
_MODEL, _CORPUS = ModelIdentity("simulated", "0" * 64, 12, 8, "float32"), CorpusIdentity("simulated", "1" * 64, 30)


def examples(seed: int) -> dict[str, Report]:
    """Reports of data with an effect, one of each kind, from this `seed`, and of comparisons without one ("null")."""
    rng = np.random.default_rng(seed)
    grid = rng.normal(size=(30, 6, 6)) + 1.0
    return {"null": change_report(rng.normal(size=(30, 2, 12)), 1), "changes": change_report(rng.normal(size=(30, 2, 12)) + 1.0, 1),
            "transplant": transplant_report([grid], [grid * 0]), "answers": answer_report(30, 3, 0.6, 0.14, seed),
            "quadrants": quadrant_report(30, 6, 20.0, 1.0, seed), "scaling": scaling_report(30, 3, -0.15, 1.0, seed),
            "allocation": allocation_report(30, 3, 0.2, seed)}  # fmt: skip


def changes(budget: Budget) -> Iterator[Row]:
    """`interp compare`: any cell called changed, over all measures, languages and layers."""
    for n, measures, layers in ((12, 4, 12), (30, 1, 12), (30, 8, 12), (100, 4, 32)):
        found = [_changed(n, measures, layers, 0.0, seed).any().item() for seed in budget.seeds(_SHARE)]
        yield null(f"compare, {measures} measures x {layers} layers", n, found)
    for measures, layers in ((1, 12), (8, 32)):
        found = [_changed(30, measures, layers, 1.0, seed).any().item() for seed in budget.seeds(_SHARE)]
        yield power(f"compare, one language and measure of {measures} x {layers} layers", 30, found)
    found = [_changed(30, 10, 51, 3.0, seed, everywhere=True).all().item() for seed in budget.seeds(_SHARE / 5)]
    yield power("compare, every one of 1020 cells by 3 sd", 30, found)


def change_report(values: np.ndarray, measures: int, flips: int = 999) -> ChangeReport:
    """A comparison whose differences are `values [item language layer*measure]`, before being noise."""
    n, languages, layers = values.shape
    cells = [(f"m{k % measures}", f"l{a}", "", str(k // measures)) for a in range(languages) for k in range(layers)]
    table = pd.DataFrame(np.repeat(cells, n, axis=0), columns=["measure", "language", "series", "layer"])
    table["item"] = np.tile([f"i{k}" for k in range(n)], len(cells))
    table["value"] = values.reshape(n, -1).T.ravel()
    table["before"] = np.random.default_rng(0).normal(size=len(table))
    table["after"] = table["before"] + table["value"]
    return ChangeReport(table, signature("change"), settings={"resamples": 20, "flips": flips, "seed": 0})


def _changed(n: int, measures: int, layers: int, effect: float, seed: int, everywhere: bool = False) -> np.ndarray:
    """Which cells a comparison calls changed: two languages; the effect is in the last half of one measure's layers in one."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, 2, layers, measures))
    steps = noise if everywhere else (noise + np.roll(noise, 1, axis=2)) / np.sqrt(2)  # neighbouring layers are alike
    if everywhere:
        steps = steps + effect
    else:
        steps[:, 0, layers // 2 :, 0] += effect
    return change_report(steps.reshape(n, 2, -1), measures).summary()["changed"].to_numpy()


def answers(budget: Budget) -> Iterator[Row]:
    """`interp answer`: the mean over languages, and any of the languages, called above a baseline that varies too."""
    for n, languages in ((12, 1), (30, 6), (100, 20)):
        found = [_answered(n, languages, 0.3, 0.3, seed) for seed in budget.seeds(_SHARE)]
        yield null(f"answer above another question's answer, {languages} languages", n, found)
        found = [_answered(n, languages, 0.25, None, seed) for seed in budget.seeds(_SHARE)]
        yield null(f"answer above guessing, {languages} languages", n, found)
    yield power("answer by 1 sd in one language", 30, [_answered(30, 1, 0.6, 0.14, seed) for seed in budget.seeds(_SHARE)])


def _answered(n: int, languages: int, right: float, baseline: float | None, seed: int) -> bool:
    return answer_report(n, languages, right, baseline, seed).finds()


def answer_report(n: int, languages: int, right: float, baseline: float | None, seed: int) -> AnswerReport:
    """Answers of this `right` rate; without a `baseline` rate the metric is a choice among four options."""
    rng = np.random.default_rng(seed)
    metric, easy = "choice" if baseline is None else "exact", rng.normal(size=(languages, n)) + rng.normal(size=n)
    level = stats.norm.ppf(right) * np.sqrt(2)
    table = pd.DataFrame({"language": np.repeat([f"l{k}" for k in range(languages)], n),
                          "item": np.tile([f"i{k}" for k in range(n)], languages)})  # fmt: skip
    table[metric] = (easy < level).astype(float).ravel()
    if baseline is None:
        table[f"{metric}_baseline"] = 0.25
    else:
        other = rng.normal(size=(languages, n)) + rng.normal(size=n)
        table[f"{metric}_baseline"] = (other < stats.norm.ppf(baseline) * np.sqrt(2)).astype(float).ravel()
    return AnswerReport(table, signature("answer"), settings={"metrics": [metric], "resamples": 20, "seed": 0})


def transplants(budget: Budget) -> Iterator[Row]:
    """`interp transplant`: a cell chosen on other items called better or worse, in any pair."""
    for n, pairs, blocks in ((12, 1, 12), (30, 6, 12), (100, 1, 32)):
        found = [_transplanted(n, pairs, blocks, 0.0, seed) for seed in budget.seeds(_SHARE)]
        yield null(f"transplant, {pairs} pairs, {blocks} x {blocks} cells", n, [claimed for claimed, _ in found])
        yield coverage(f"transplant, flat grid, {pairs} pairs", n, [held for _, held in found])
    for pairs, blocks in ((1, 12), (6, 12), (1, 32)):
        found = [_transplanted(30, pairs, blocks, 1.0, seed) for seed in budget.seeds(_SHARE)]
        yield power(f"transplant, a region of {pairs} x {blocks} x {blocks} cells", 30, [claimed for claimed, _ in found])
        yield coverage(f"transplant, planted region, {pairs} pairs of {blocks} x {blocks}", 30, [held for _, held in found])


def transplant_report(changes_of: Sequence[np.ndarray], shuffled: Sequence[np.ndarray] = ()) -> TransplantGrid:
    """A transplant whose change from the untouched run is `[item source target]` in each pair, and that of `shuffled` donors."""
    rows, arrays = [], {}
    for k, change in enumerate(changes_of):
        untouched = np.random.default_rng(k).normal(size=len(change))
        for run in ("untouched", "source_run"):
            rows.append(pd.DataFrame({"item": [f"i{i}" for i in range(len(change))], "donor": "eng_Latn", "language": f"l{k}",
                                      "run": run, "value": untouched}))  # fmt: skip
        arrays[f"eng_Latn>l{k}|transplant"] = change + untouched[:, None, None]
        if shuffled:
            arrays[f"eng_Latn>l{k}|shuffled"] = shuffled[k] + untouched[:, None, None]
    sources, targets = changes_of[0].shape[1:]
    settings = {"sources": list(range(sources)), "targets": list(range(targets)), "layers": sources, "score": "logprob",
                "resamples": 200, "seed": 0}  # fmt: skip
    return TransplantGrid(pd.concat(rows, ignore_index=True), signature("transplant"), arrays, settings)


def _transplanted(n: int, pairs: int, blocks: int, effect: float, seed: int) -> tuple[bool, bool]:
    """Whether anything is claimed, and whether the first pair's interval holds the truth; a quarter of its grid has the effect."""
    rng = np.random.default_rng(seed)
    grids = [rng.normal(size=(n, blocks, blocks)) * 0.8 + 0.6 * rng.normal(size=(n, 1, 1)) for _ in range(pairs)]
    grids[0][:, blocks // 2 :, : blocks // 2] += effect
    rows = transplant_report(grids).summary()
    rows = rows[rows["run"] == "held_out:overall"]
    first = rows.iloc[0]
    return bool((rows["p_max"] < 0.05).any()), bool(first["difference_lower"] <= effect <= first["difference_upper"])


def quadrants(budget: Budget) -> Iterator[Row]:
    """`interp quadrants`: any language given a class, advice that its own choice proves, and what intervals of gains cover."""
    few = budget.seeds(_SHARE / 2)
    for n, languages, trained in ((12, 6, 1.0), (30, 20, 2.0), (100, 20, 2.0)):
        found = [_classed(n, languages, 0.0, trained, seed) for seed in few]
        yield null(f"quadrants, {languages} languages, training sd {trained:g}", n, [claimed for claimed, _ in found])
        yield coverage(f"quadrants, gains of {languages} languages", n, np.concatenate([held for _, held in found]), together=20)
    yield power("quadrants, one of 6 languages by 1 sd", 30, [_classed(30, 6, 20.0, 1.0, seed)[0] for seed in few])


def quadrant_report(n: int, languages: int, gain: float, trained: float, seed: int) -> QuadrantReport:
    """The report of such a sweep."""
    settings = {"metric": "exact", "resamples": 100, "seed": seed, "probes": ["probe1", "probe2"], "against": ["base", "format"],
                "threshold": 0.0, "relative": False, "level": 0.95, "methods": ["full"], "tie": "none", "tokenization": None,
                "caption": ""}  # fmt: skip
    return report_quadrants(_sweep(n, languages, gain, trained, seed), signature("quadrants"), settings)


def _sweep(n: int, languages: int, gain: float, trained: float, seed: int) -> pd.DataFrame:
    """The table of a sweep; gains in points, of items with a deviation of 20."""
    rng = np.random.default_rng(seed)
    codes, frames = [f"l{k:02}" for k in range(languages)], []
    hard = 0.5 + 0.14 * rng.normal(size=n)
    for turn in range(_SEEDS):
        for role, own in [("base", ""), ("format", ""), *(("tuned", code) for code in codes)]:
            shift = rng.normal(size=languages + 2) * trained / 100 * (role != "base")
            for k, target in enumerate([*codes, "probe1", "probe2"]):
                up = gain / 100 * (role == "tuned" and own == codes[0]) * (target in (own, "probe1", "probe2"))
                if role != "tuned" or target in (own, "probe1", "probe2"):
                    frames.append(pd.DataFrame({"role": role, "language": own, "method": "" if role == "base" else "full",
                                                "size": 0 if role == "base" else 100, "target": target, "item": np.arange(n),
                                                "seed": turn, "cell": f"{role}{own}{turn}", "source": "eng_Latn",
                                                "exact": hard + 0.14 * rng.normal(size=n) + shift[k] + up}))  # fmt: skip
    table = pd.concat(frames, ignore_index=True).assign(exact_baseline=0.0, final_loss=1.0)
    return table


def _classed(n: int, languages: int, gain: float, trained: float, seed: int) -> tuple[bool, np.ndarray]:
    """Whether any language has a class, and which intervals hold the truth."""
    scores = read_scores(_sweep(n, languages, gain, trained, seed), "exact", 100, seed)
    classes = classify(scores, ["probe1", "probe2"], against=["base", "format"])
    held = [(classes[f"{axis}_lower"] <= 0) & (classes[f"{axis}_upper"] >= 0) for axis in AXES]
    return bool((classes["quadrant"] != UNDETERMINED).any()), np.concatenate(held)


def scales(budget: Budget) -> Iterator[Row]:
    """`interp scale`: growth claimed of flat scores, and what the interval of beta covers; then a trial of equal divisions."""
    for n, seeds, trained in ((30, 3, 2.0), (100, 1, 2.0), (100, 3, 1.0)):
        found = [_grown(n, seeds, 0.0, trained, seed) for seed in budget.seeds(_SHARE)]
        yield null(f"scale, seeds {seeds}, training sd {trained:g}", n, [claimed for claimed, _ in found])
        if seeds < 2:
            continue  # then no interval is printed
        found = [_grown(n, seeds, -0.15, trained, seed) for seed in budget.seeds(_SHARE)]
        yield coverage(f"beta, seeds {seeds}, training sd {trained:g}", n, [held for _, held in found])
    yield power("scale, beta -0.15", 30, [_grown(30, 3, -0.15, 1.0, seed)[0] for seed in budget.seeds(_SHARE)])
    for seeds in (2, 3):
        found = [_tried(30, seeds, 0.0, seed) for seed in budget.seeds(_SHARE)]
        yield null(f"trial of a plan, seeds {seeds}", 30, [claimed for claimed, _ in found])
        yield coverage(f"trial of a plan, seeds {seeds}", 30, [held for _, held in found])
    yield power(
        "trial of a plan, better by 1 sd of an item, seeds 3", 30, [_tried(30, 3, 0.2, seed)[0] for seed in budget.seeds(_SHARE)]
    )


def _grown(n: int, seeds: int, beta: float, trained: float, seed: int) -> tuple[bool, bool]:
    """Whether growth is claimed, and whether the interval of beta holds the truth."""
    drawn = scaling_report(n, seeds, beta, trained, seed).law.drawn
    assert drawn is not None
    lower, upper = np.quantile(drawn.slope[:, 0], [0.025, 0.975])  # the rows of its summary, without those of rival forms
    return bool(upper < 0) and seeds > 1, bool(lower <= beta <= upper)


def scaling_report(n: int, seeds: int, beta: float, trained: float, seed: int) -> ScalingReport:
    """Scores of two languages that grow with `beta`, items of an sd of 20 points, and training noise of `trained` points."""
    rng = np.random.default_rng(seed)
    hard, frames = 0.14 * rng.normal(size=n), []
    for language, alpha in (("deu_Latn", 90.0), ("fin_Latn", 80.0)):
        for size in (100, 300, 900, 2700):
            for turn in range(seeds):
                level = 1 - alpha * (size / 100) ** beta / 200 + rng.normal() * trained / 100
                values = level + hard + 0.14 * rng.normal(size=n)
                frames.append(pd.DataFrame({"cell": f"{language}{size}{turn}", "language": language, "target": language,
                                            "size": size, "seed": turn, "item": np.arange(n), "exact": values}))  # fmt: skip
    table = pd.concat(frames, ignore_index=True).assign(source="eng_Latn", exact_baseline=0.0)
    return measure_scaling(table, _MODEL, _CORPUS, metric="exact", resamples=80)


def _tried(n: int, seeds: int, gain: float, seed: int) -> tuple[bool, bool]:
    """Whether a trial claims anything of its plan, and whether the interval of planned minus uniform holds the truth."""
    report = allocation_report(n, seeds, gain, seed)
    row = report.summary().query("arm == 'planned' and language == 'mean'").iloc[0]
    claimed = report.claims["planned"] if gain else report.finds()
    return claimed, bool(row["difference_lower"] <= 100 * gain <= row["difference_upper"])


def allocation_report(n: int, seeds: int, gain: float, seed: int) -> AllocationReport:
    """A trial of three divisions that differ in training noise alone; `gain`: of the planned one, of a full score of 1."""
    rng = np.random.default_rng(seed)
    hard, frames = 0.14 * rng.normal(size=n), []
    for arm in ARMS:
        for turn in range(seeds):
            shift = 0.02 * rng.normal()
            for code in ("deu_Latn", "fin_Latn"):
                values = 0.5 + hard + 0.14 * rng.normal(size=n) + shift + gain * (arm == "planned")
                frames.append(pd.DataFrame({"arm": arm, "seed": turn, "language": code, "target": code, "cell": f"{arm}{turn}",
                                            "item": np.arange(n), "exact": values}))  # fmt: skip
    table = pd.concat(frames, ignore_index=True).assign(source="eng_Latn", exact_baseline=0.0)
    settings = {"metric": "exact", "objective": "sum", "weights": None, "promised": 0.0, "resamples": 100, "seed": 0}
    return AllocationReport(table, signature("allocation"), settings=settings)


def signature(measure: str) -> Signature:
    """The signature of a simulated report."""
    return Signature(measure, _MODEL, _CORPUS)
