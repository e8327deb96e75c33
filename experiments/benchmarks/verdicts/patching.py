"""`interp patch`: cells that move nothing carry nothing, one head of a thousand is found, and shares are as sure as printed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import LANGUAGES, Budget, Row, coverage, holds, null, power
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.patching.concepts import READOUTS, ConceptReport
from probes.patching.report import PatchReport
from probes.report import Report


def checks(budget: Budget) -> Iterator[Row]:
    """Nulls by number of blocks and heads, one planted cell, and intervals of shares of differences that vary a lot."""
    shapes = [(30, 12, 1), (12, 32, 32)] if budget.quick else [
        (n, blocks, heads) for n in (12, 30, 100) for blocks, heads in ((12, 1), (32, 1), (80, 1), (32, 32))
    ]  # fmt: skip
    for n, blocks, heads in shapes:
        found = [_report(n, blocks, heads, seed).finds() for seed in budget.seeds(0.2 if heads > 1 else 1)]
        yield null(f"patch, {blocks} x {heads} cells", n, found)
    for blocks, heads in ((32, 32),) if budget.quick else ((32, 1), (80, 1), (32, 32)):
        found = [_report(30, blocks, heads, seed, planted=1.0).finds() for seed in budget.seeds(0.2 if heads > 1 else 1)]
        yield power(f"patch, one of {blocks} x {heads} cells, 1 sd", 30, found)
    several = [_several(30, 12, 6, seed).finds() for seed in budget.seeds(0.2)]
    yield null("patch, 12 x 1 cells, 6 languages, together and each", 30, several)
    for n in (30,) if budget.quick else (12, 30, 100):
        yield null("concepts, 32 blocks, 2 controls", n, [_concepts(n, 32, seed).finds() for seed in budget.seeds(0.2)])
    yield power(
        "concepts, one of 32 blocks, 1 sd", 30, [_concepts(30, 32, seed, planted=1.0).finds() for seed in budget.seeds(0.2)]
    )
    for spread in (0.1, 0.5, 1.0):
        for n in (30,) if budget.quick else (12, 30, 100):
            yield coverage(f"patch, share of a difference with sd {spread} of its mean", n, _shares(n, spread, budget))


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _report(30, 12, 1, seed), "planted": _report(30, 12, 1, seed, planted=1.5),
            "concepts": _concepts(30, 12, seed, planted=3.0), "several": _several(30, 12, 3, seed, planted=2.0)}  # fmt: skip


def _several(n: int, blocks: int, languages: int, seed: int, planted: float = 0.0) -> PatchReport:
    """The same items in several languages, each with its own noise."""
    one = [_report(n, blocks, 1, seed * 100 + k, planted) for k in range(languages)]
    table = pd.concat([report.table.assign(language=code) for report, code in zip(one, LANGUAGES, strict=False)], ignore_index=True)
    return PatchReport(table, one[0].signature, settings=one[0].settings)


def _concepts(n: int, blocks: int, seed: int, planted: float = 0.0) -> ConceptReport:
    """Probabilities under donors of the same and of another concept that are alike; one block has `planted` sd more."""
    rng = np.random.default_rng(seed)
    frames = []
    for code in LANGUAGES[:2]:
        unpatched = 0.2 + 0.05 * rng.normal(size=(n, 1))
        for donor in ("none", "both", "other"):
            layers = [-1] if donor == "none" else list(range(blocks))
            value = unpatched + 0.1 * rng.normal(size=(n, len(layers))) * (donor != "none")
            if donor == "both":
                value[:, blocks // 2] += 0.1 * planted
            for readout in READOUTS:
                frames.append(pd.DataFrame({
                    "item": np.repeat(np.arange(n).astype(str), len(layers)), "asked": "a", "language": code, "donor": donor,
                    "layer": np.tile(layers, n), "readout": readout, "value": value.ravel() * (readout == READOUTS[0]),
                }))  # fmt: skip
    model, text = ModelIdentity("none", "0" * 8, blocks, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    table = pd.concat(frames, ignore_index=True)
    cells = [(donor, layer, readout) for donor in ("none", "both", "other") for layer in range(-1, blocks) for readout in READOUTS]
    order = {cell: row for row, cell in enumerate(cells)}
    places = [order[key] for key in zip(table["donor"], table["layer"], table["readout"], strict=True)]
    table = table.assign(place=places, number=table["item"].astype(int)).sort_values(["language", "number", "place"], kind="stable")
    settings = {"resamples": 100, "seed": seed}
    return ConceptReport(
        table.drop(columns=["place", "number"]).reset_index(drop=True), Signature("concepts", model, text), settings=settings
    )


def _shares(n: int, spread: float, budget: Budget) -> np.ndarray:
    """Whether the interval of a share of 0.5 holds it; studies that cannot tell the difference itself have none."""
    rows = [_report(n, 1, 1, seed, spread=spread, share=0.5).summary().iloc[0] for seed in budget.seeds()]
    return np.array([holds(row["lower"], row["upper"], 0.5) for row in rows if not np.isnan(row["lower"])])


def _report(
    n: int, blocks: int, heads: int, seed: int, planted: float = 0.0, spread: float = 0.3, share: float = 0.0
) -> PatchReport:
    """`planted`: the effect of one cell in standard deviations over items; `share`: of the difference, moved by every cell."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(1, spread, size=(n, 1))
    moved = share * whole + 0.3 * (rng.normal(size=(n, blocks * heads)) + 0.5 * rng.normal(size=(n, 1)))
    moved[:, blocks * heads // 2] += planted * 0.3 * 1.25**0.5
    cells = np.tile(np.arange(blocks * heads), n)
    table = pd.DataFrame({
        "item": np.repeat(np.arange(n).astype(str), blocks * heads), "language": "eng_Latn", "direction": "denoise",
        "layer": cells // heads, "head": cells % heads if heads > 1 else -1, "anchor": "last", "value": moved.ravel(),
        "clean": np.repeat(whole, blocks * heads), "corrupt": 0.0,
    })  # fmt: skip
    model, text = ModelIdentity("none", "0" * 8, blocks, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    settings = {"site": "head" if heads > 1 else "mlp", "resamples": 1000, "seed": seed}
    return PatchReport(table, Signature("patch", model, text), settings=settings)
