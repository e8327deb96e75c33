"""Which component causes the answer? Activation patching between two prompts, at every layer and in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from interp.files.cache import Cache
from interp.interventions.attribution import attribute, calibrate
from interp.interventions.edits import check_blocks
from interp.interventions.patching import Direction, Patched, edits_of, patch, run_edits
from interp.interventions.prompts import Anchor, ClashError, Metric, Prompt, Question, marked, question
from interp.models.computation import computed_by, model_facts
from interp.models.load import identify
from interp.models.sites import EditSite
from interp.provenance import CorpusIdentity, Signature
from probes.patching.contrasts import Contrast
from probes.patching.report import PatchReport
from probes.report import with_receipts

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

BOTH: tuple[Direction, Direction] = ("denoise", "noise")


class _Where(TypedDict):
    site: EditSite
    anchors: Sequence[Anchor]
    blocks: Sequence[int] | None
    direction: Direction


@dataclass(frozen=True)
class _Setup:
    model: TransformerBridge
    site: EditSite
    anchors: tuple[Anchor, ...]
    blocks: list[int]
    steps: int


@with_receipts
def measure_patching(
    model: TransformerBridge,
    contrasts: Sequence[Contrast],
    *,
    site: EditSite = "residual_post",
    anchors: Sequence[Anchor] = ("last",),
    metric: Metric = "logit_difference",
    directions: Sequence[Direction] = BOTH,
    blocks: Sequence[int] | None = None,
    method: Literal["exact", "attribution"] = "exact",
    steps: int = 1,
    calibration: float = 0.2,
    keep: Literal["right", "all"] = "right",
    name: str = "contrasts",
    seed: int = 0,
    resamples: int = 1000,
    folder: str | Path | None = None,
    progress: bool = True,
) -> PatchReport:
    """Patch each pair of prompts at every block and token position, and average over pairs.

    Parameters
    ----------
    model
        A model from `interp.load`.
    contrasts
        Pairs of a clean and a corrupt prompt, for example from `probes.patching.contrasts.contrasts`.
    site
        Activation to patch: `residual_post` (output of a block), `residual_pre`, `residual_mid`, `attention`, `mlp`, or `head`
        (each attention head separately).
    anchors
        Token positions to patch: `last` (last token of the prompt), `span` (last token of the marked part), `span_mean` (all of
        its tokens, each set to the mean of the donor's span).
    metric
        `logit_difference` of the right and the wrong answer, `logprob` of the right one, or `kl` from the clean run.
    directions
        `denoise` patches clean into corrupt: is the component sufficient to restore the answer? `noise` patches corrupt into
        clean: is it necessary?
    blocks
        Block indices, 0 to N - 1. Default: all.
    method
        `exact`, one forward pass per component, or `attribution`, estimates from gradients (fast and approximate).
    steps
        Integration steps of the gradient between the two prompts (attribution only). More than 1 requires equal lengths.
    calibration
        Share of components that is also patched exactly, to report how well the estimates agree (attribution only).
    keep
        `right` drops pairs that the model gets wrong on either side (logit difference only), because there is no right answer to
        explain. `all` keeps them.
    name
        Name of the set of pairs, for the signature.
    seed
        Random seed of the calibration sample and of the bootstrap.
    resamples
        Number of bootstrap resamples of the pairs.
    folder
        Where finished pairs are kept, each in a direction, so that an interrupted run continues. Default: nowhere.
    progress
        Show a progress bar.

    Returns
    -------
    `PatchReport`.

    Raises
    ------
    ValueError
        There are no pairs, or all are dropped because the model is wrong or both answers begin with the same token.

    References
    ----------
    Zhang & Nanda 2024, "Towards Best Practices of Activation Patching", arXiv 2309.16042; Nanda 2023, "Attribution Patching".

    Example
    -------
    >>> import interp, probes
    >>> from probes.patching.contrasts import Contrast
    >>> pair = Contrast('English: "[[June]]" → English: "', 'English: "[[March]]" → English: "', "July", "April")
    >>> model = interp.load("bundled")
    >>> report = probes.measure_patching(model, [pair], keep="all", directions=["denoise"], blocks=[0, 7], resamples=10)
    >>> float(report.effect()["estimate"].iloc[-1].round(3))  # the last block at the last token carries all of the answer
    1.0
    """
    if not contrasts:
        raise ValueError("got no pairs of prompts, expected at least one.")
    setup = _Setup(model, site, tuple(anchors), check_blocks(model, blocks, "blocks"), steps)
    rng = np.random.default_rng(seed)
    frames, checked, wrong, clashes = [], [], 0, 0
    cache: Cache[dict[str, Tensor]] | None = Cache(Path(folder), computed_by(model.cfg.device)) if folder else None
    for index, pair in enumerate(tqdm(contrasts, desc="patch", unit="pair", disable=None if progress else True)):
        clean, corrupt = marked(model, pair.clean), marked(model, pair.corrupt)
        try:
            asked = question(model, clean, metric, pair.answer, pair.wrong)
        except ClashError:
            clashes += 1
            continue
        for direction in directions:
            where: _Where = {"site": site, "anchors": anchors, "blocks": blocks, "direction": direction}
            if method == "exact":
                measure = partial(patch, model, clean, corrupt, asked, **where)
            else:
                measure = partial(attribute, model, clean, corrupt, asked, **where, steps=steps)
            patched = _kept(
                cache, {"pair": asdict(pair), **where, "metric": metric, "method": method, "steps": steps}, model, measure
            )
            if keep == "right" and metric == "logit_difference" and not patched.clean > 0 > patched.corrupt:
                wrong += 1
                break
            frames.append(_rows(setup, pair, index, direction, patched))
            if method == "attribution":
                checked += list(_check(setup, clean, corrupt, asked, direction, patched, calibration, rng))
    if not frames:
        raise ValueError(
            f"none of {len(contrasts)} pairs is left: the model is wrong on one side of {wrong} (keep='all' keeps them), and both "
            f"answers begin with the same token in {clashes} (metric='logprob' can tell them apart)."
        )
    notes = [f"{wrong} of {len(contrasts)} pairs are left out: the model is wrong on one side."] if wrong else []
    notes += [f"{clashes} pairs are left out: their answers begin with the same token."] if clashes else []
    notes += [_trust(checked)] if method == "attribution" else []
    settings = {"site": site, "metric": metric, "method": method, "steps": steps, "keep": keep, "seed": seed, "boot": resamples}
    corpus = CorpusIdentity(
        name, sha256(repr([asdict(pair) for pair in contrasts]).encode()).hexdigest(), len(contrasts) - wrong - clashes
    )
    return PatchReport(
        table=pd.concat(frames, ignore_index=True),
        signature=Signature("patch", identify(model), corpus, settings),
        settings={**settings, "resamples": resamples},
        notes=tuple(notes),
    )


def _kept(
    cache: Cache[dict[str, Tensor]] | None, asked: Mapping[str, object], model: TransformerBridge, measure: Callable[[], Patched]
) -> Patched:
    """One pair patched in one direction: from the cache where it holds that, else measured and kept."""
    if cache is None:
        return measure()
    facts = {**model_facts(model), **asked}
    if (found := cache.find(facts)) is None:
        patched = measure()
        found = {"values": patched.values, "ends": torch.tensor([patched.clean, patched.corrupt], dtype=torch.float64)}
        cache.keep(facts, found)
    clean, corrupt = found["ends"].tolist()
    return Patched(found["values"], clean, corrupt)


def _rows(setup: _Setup, pair: Contrast, index: int, direction: Direction, patched: Patched) -> pd.DataFrame:
    heads = range(setup.model.cfg.n_heads) if setup.site == "head" else [-1]
    cells = pd.MultiIndex.from_product([setup.blocks, heads, setup.anchors], names=["layer", "head", "anchor"])
    frame = cells.to_frame(index=False)
    frame = frame.assign(value=patched.values.flatten().numpy(), clean=patched.clean, corrupt=patched.corrupt)
    return frame.assign(item=pair.item or str(index), language=pair.language, direction=direction)


def _check(
    setup: _Setup, clean: Prompt, corrupt: Prompt, asked: Question, direction: Direction, patched: Patched, share: float,
    rng: np.random.Generator,
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Exact and estimated effect of a random share of the components, for one pair."""
    donor, base = (clean, corrupt) if direction == "denoise" else (corrupt, clean)
    edits = edits_of(setup.model, donor, base, setup.site, setup.anchors, setup.blocks)
    chosen = rng.choice(len(edits), max(1, round(share * len(edits))), replace=False)
    exact = asked.read(run_edits(setup.model, base.ids, [edits[k] for k in chosen], setup.site, asked.tail))
    start = patched.corrupt if direction == "denoise" else patched.clean
    estimated = patched.values.flatten()[chosen]
    yield from zip((exact.cpu() - start).tolist(), (estimated - start).tolist(), strict=True)


def _trust(checked: Sequence[tuple[float, float]]) -> str:
    if len(checked) < 3:
        return f"The attribution estimates are not calibrated: got {len(checked)} exactly patched components, expected at least 3."
    exact, estimated = np.array(checked).T
    agreement = calibrate(exact, estimated)
    return (
        f"Attribution compared with exact patching of {agreement.n} random components: Spearman {agreement.spearman:.2f}, "
        f"recall of the strongest tenth {agreement.recall:.0%}."
    )
