"""Which component causes the answer? Patch every layer at anchored places between two prompts, in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from interp.interventions.attribution import attribute, calibrate
from interp.interventions.edits import check_blocks
from interp.interventions.patching import Direction, Patched, edits_of, patch, run_edits
from interp.interventions.prompts import Anchor, ClashError, Metric, Prompt, Question, marked, question
from interp.models.load import identify
from interp.models.sites import EditSite
from interp.provenance import CorpusIdentity, Signature
from probes.patching.contrasts import Contrast
from probes.patching.report import PatchReport
from probes.report import with_receipts

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

BOTH: tuple[Direction, Direction] = ("denoise", "noise")


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
    progress: bool = True,
) -> PatchReport:
    """Patch each pair of prompts at every block and anchor, and average over pairs.

    `denoise` asks whether a place suffices to restore the clean answer, `noise` whether it is needed. `keep` "right" leaves
    out pairs the model gets wrong on either side (logit differences only): there is nothing to explain in them. With
    `method="attribution"` effects are estimated from gradients, and a random `calibration` share of all places is patched
    exactly to say how far to trust them.
    """
    if not contrasts:
        raise ValueError("no contrast came. Needed: at least one pair of prompts.")
    setup = _Setup(model, site, tuple(anchors), check_blocks(model, blocks, "blocks"), steps)
    rng = np.random.default_rng(seed)
    frames, checked, wrong, clashes = [], [], 0, 0
    for place, pair in enumerate(tqdm(contrasts, desc="patch", unit="pair", disable=None if progress else True)):
        clean, corrupt = marked(model, pair.clean), marked(model, pair.corrupt)
        try:
            asked = question(model, clean, metric, pair.answer, pair.wrong)
        except ClashError:
            clashes += 1
            continue
        for direction in directions:
            run = patch if method == "exact" else attribute
            more: dict[str, Any] = {} if method == "exact" else {"steps": steps}
            found = run(model, clean, corrupt, asked, site=site, anchors=anchors, blocks=blocks, direction=direction, **more)
            if keep == "right" and metric == "logit_difference" and not found.clean > 0 > found.corrupt:
                wrong += 1
                break
            frames.append(_rows(setup, pair, place, direction, found))
            if method == "attribution":
                checked += list(_check(setup, clean, corrupt, asked, direction, found, calibration, rng))
    if not frames:
        raise ValueError(
            f"none of {len(contrasts)} pairs is left: in {wrong} the model is not right on both sides (keep='all' keeps them), in "
            f"{clashes} both answers begin with the same token (metric='logprob' can tell them apart)."
        )
    notes = [f"{wrong} of {len(contrasts)} pairs are left out: the model is not right on both sides."] if wrong else []
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


def _rows(setup: _Setup, pair: Contrast, place: int, direction: Direction, found: Patched) -> pd.DataFrame:
    heads = range(setup.model.cfg.n_heads) if setup.site == "head" else [-1]
    index = pd.MultiIndex.from_product([setup.blocks, heads, setup.anchors], names=["layer", "head", "anchor"])
    frame = index.to_frame(index=False).assign(value=found.values.flatten().numpy(), clean=found.clean, corrupt=found.corrupt)
    return frame.assign(item=pair.item or str(place), language=pair.language, direction=direction)


def _check(
    setup: _Setup, clean: Prompt, corrupt: Prompt, asked: Question, direction: Direction, found: Patched, share: float,
    rng: np.random.Generator,
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Exact and estimated change of a random share of the places of one pair."""
    donor, base = (clean, corrupt) if direction == "denoise" else (corrupt, clean)
    edits = edits_of(setup.model, donor, base, setup.site, setup.anchors, setup.blocks)
    chosen = rng.choice(len(edits), max(1, round(share * len(edits))), replace=False)
    exact = asked.read(run_edits(setup.model, base.ids, [edits[k] for k in chosen], setup.site, asked.tail))
    start = found.corrupt if direction == "denoise" else found.clean
    estimated = found.values.flatten()[chosen]
    yield from zip((exact.cpu() - start).tolist(), (estimated - start).tolist(), strict=True)


def _trust(checked: Sequence[tuple[float, float]]) -> str:
    if len(checked) < 3:
        return f"attribution is not calibrated: {len(checked)} places were patched exactly, three are needed."
    exact, estimated = np.array(checked).T
    found = calibrate(exact, estimated)
    return (
        f"attribution against exact patching at {found.n} random places: Spearman {found.spearman:.2f}, "
        f"{found.recall:.0%} of the strongest tenth found."
    )
