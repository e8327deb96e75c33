"""How much parallel data is enough? A data-scale series of the sweep engine, and the similarity that may explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from interp.activations.store import Activations
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.alignment.measure import measure_alignment, overlap
from probes.scaling.law import Form
from probes.scaling.report import ScalingReport
from probes.translation.metrics import STUDIED, is_own

Similarity = Literal["alignment", "overlap"]
_TOY = (
    "On the bundled model this shows that the method works: its exponents, gammas and plans say nothing about language models "
    "that were trained on prose."
)


def measure_scaling(
    table: pd.DataFrame,
    model: ModelIdentity,
    corpus: CorpusIdentity,
    *,
    metric: str = "chrf",
    form: Form | None = None,
    reference: str | None = None,
    similarity: Mapping[str, float] | None = None,
    similarity_of: str = "a given table",
    plan: Mapping[str, object] | None = None,
    how: Mapping[str, object] | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> ScalingReport:
    """How does translation into each language grow with the pairs it was tuned on, and how would a budget best be divided?

    `ScalingStudy` tunes, scores and then asks this of its own table.

    Parameters
    ----------
    table
        That of `measure_cells`, its cells tagged `language`, `size` (pairs; 0 is the untuned model) and `seed`, every language
        in the same sizes and seeds.
    model, corpus
        Identities of the untuned model and of the text translated, for the signature.
    metric
        The metric to fit, a column of the table: its values, or those of a share in per cent, run from 0 to 100.
    form
        The form of the law (`probes.scaling.law.Form`); None means "given" with a `similarity`, else "power".
    reference
        The language with gamma 1; None means the one that scores best at its largest size.
    similarity
        Each language's measured gamma, above 0. The law is then fitted with these, and free gammas are compared with them.
    similarity_of
        What the similarity was measured by, for the signature.
    plan
        Asks for a division of a budget: `budget`, and optionally `caps`, `objective` and `weights` as `allocate` has them.
    how
        What the signature says of the tuning.
    resamples, seed
        Bootstrap resamples of sentences and training seeds, and their random seed.

    Raises
    ------
    ValueError
        Where the metric is unknown, or the table lacks a tag.

    Notes
    -----
    The law is S(X) = 100 - alpha (gamma X)^beta, eq. 2 of arXiv 2308.04948. When it misleads: sizes that differ in their
    updates as well (epochs fixed) show data and training together; exact match, or any other thresholded score, changes
    the shape of the curve; and points near 100 say little about beta.

    Example
    -------
    >>> import pandas as pd, probes
    >>> from interp.provenance import CorpusIdentity, ModelIdentity
    >>> cells = [(size, seed, item) for size in (50, 100, 200) for seed in (0, 1) for item in range(8)]
    >>> table = pd.DataFrame({
    ...     "cell": [f"{size}/{seed}" for size, seed, _ in cells], "language": "deu_Latn",
    ...     "size": [size for size, _, _ in cells], "seed": [seed for _, seed, _ in cells], "source": "eng_Latn",
    ...     "target": "deu_Latn", "item": [str(item) for *_, item in cells],
    ...     "exact": [float(item < 2 + size // 50) for size, _, item in cells], "exact_baseline": 0.0,
    ... })
    >>> model, text = ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 8)
    >>> report = probes.measure_scaling(table, model, text, metric="exact", resamples=20)
    >>> report.summary().loc[0, "quantity"]
    'beta'
    """
    if metric not in STUDIED and not is_own(metric):
        raise ValueError(f"got metric {metric!r}, expected one of {', '.join(STUDIED)} or your own: they run from 0 to 100.")
    missing = {"language", "size", "seed"} - set(table)
    if missing:
        raise ValueError(f"got a sweep without {', '.join(sorted(missing))}, expected cells tagged with language, size and seed.")
    plan_settings = None if plan is None else {"caps": None, "objective": "sum", "weights": None, **plan}
    form = form or ("power" if similarity is None else "given")
    settings = {"metric": metric, "form": form, "reference": reference, "similarity": dict(similarity) if similarity else None,
                "similarity_of": similarity_of, "plan": plan_settings, "resamples": resamples, "seed": seed}  # fmt: skip
    own = {"metric": metric, "law": form, "gamma": similarity_of if similarity else "free", "boot": resamples, "seed": seed}
    report = ScalingReport(table, Signature("scale", model, corpus, {**(how or {}), **own}), settings=settings)
    notes = _notes(report)
    try:
        notes += _beyond(report)
    except ValueError as error:
        settings, notes = {**settings, "plan": None}, (*notes, f"No plan: {error}")
    return replace(report, settings=settings, notes=notes)


def language_similarity(acts: Activations, pivot: str, of: Similarity) -> dict[str, float]:
    """How near each language is to the `pivot` in the model before tuning, in (0, 1]: a gamma that can be measured.

    `acts` are activations of parallel sentences in the pivot and the languages; `of` is what to measure.
    `alignment`: MEXA, averaged over layers (Kargaran et al. 2024); `overlap`: the share of tokens that a sentence and its
    translation have in common. Half a sentence is added to both sides, so that no gamma is 0.
    """
    if of == "overlap":
        others = [code for code in acts.languages if code != pivot]
        values = {code: overlap(acts, code, pivot) for code in others}
    else:
        rows = measure_alignment(acts, pivot, ("mexa",), resamples=1).table
        values = {str(code): part["value"].to_numpy(float) for code, part in rows.groupby("language", observed=True, sort=False)}
    n = len(acts.ids)
    return {code: float((n * np.mean(similarities) + 0.5) / (n + 1)) for code, similarities in values.items()}


def _notes(report: ScalingReport) -> tuple[str, ...]:
    table, points = report.table, report.points
    trained = table[table["size"] > 0]
    notes = [report.law.identified()]
    if report.signature.model.name == "bundled":
        notes.append(_TOY)
    if report.signature.corpus.name.startswith("cldr:"):
        notes.append("cldr text: this is lexical translation of a few hundred concepts.")
    if trained["seed"].nunique() == 1:
        notes.append("One seed: training noise is known only by how far points lie from the law; scores' own intervals lack it.")
    if full := [name for name in trained["language"].unique() if name not in points.names]:
        notes.append(f"{', '.join(full)}: within one standard error of 100 at every size, so left out of the law.")
    return tuple(notes)


def _beyond(report: ScalingReport) -> tuple[str, ...]:
    """Where the plan extrapolates the law beyond the sizes that were measured. Raises `ValueError` where there can be no plan."""
    if report.plan is None:
        return ()
    low, high = report.points.sizes.min(), report.points.sizes.max()
    outside = [name for name, n in zip(report.plan.languages, report.plan.pairs, strict=True) if not low <= n <= high]
    return (f"The plan goes outside the sizes that were measured for {', '.join(outside)}.",) if outside else ()
