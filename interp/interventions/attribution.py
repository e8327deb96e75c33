"""Attribution patching: estimates of all patches of a prompt pair from one gradient, instead of one forward pass each.

First order: metric + (donor - base) . gradient at the base run (Nanda 2023). With `steps`, the gradient is averaged along the
straight line between the embeddings of the two prompts (Hanna et al. 2024, EAP-IG inputs), which helps if the gradient at the base
run is flat, and needs prompts of equal length. For large changes, such as the whole residual stream, the metric is not linear:
compare with exact patching (`calibrate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from interp.interventions.edits import check_blocks
from interp.interventions.patching import Direction, Patched, edits_of
from interp.interventions.prompts import Anchor, Prompt, Question, untouched
from interp.models.batches import pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.hooks import Hook, Hooks
from interp.models.sites import EditSite, hook_name

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


def attribute(
    model: TransformerBridge,
    clean: Prompt,
    corrupt: Prompt,
    asked: Question,
    *,
    site: EditSite = "residual_post",
    anchors: Sequence[Anchor] = ("last",),
    blocks: Sequence[int] | None = None,
    direction: Direction = "denoise",
    steps: int = 1,
) -> Patched:
    """Estimate the results of `patch`, in the same shape and on the same scale.

    Parameters
    ----------
    model, clean, corrupt, asked, site, anchors, blocks, direction
        As in `patch`.
    steps
        Number of points at which the gradient is averaged. 1 uses the base run only.

    Raises
    ------
    ValueError
        As in `patch`; or several steps with prompts of different lengths, or `kl` from the clean run with a single step.
    """
    blocks = check_blocks(model, blocks, "blocks")
    donor, base = (clean, corrupt) if direction == "denoise" else (corrupt, clean)
    if steps > 1 and len(donor.ids) != len(base.ids):
        raise ValueError(
            f"got {steps} steps between prompts of {len(donor.ids)} and {len(base.ids)} tokens, expected equal lengths, or steps=1."
        )
    if asked.metric == "kl" and direction == "noise" and steps == 1:
        raise ValueError(
            "got metric 'kl' with one step, but its gradient is zero at the clean run. Use several steps or another metric."
        )
    edits = edits_of(model, donor, base, site, anchors, blocks)
    base_states, slopes = _slopes(model, base, donor, asked, site, blocks, steps)
    ends = [float(asked.read(untouched(model, prompt.ids, asked.tail))[0]) for prompt in (clean, corrupt)]
    start = ends[1] if direction == "denoise" else ends[0]
    values = []
    for edit in edits:
        where = list(edit.positions) if edit.head is None else (list(edit.positions), edit.head)
        values.append(start + float(((edit.vector - base_states[edit.block][where]) * slopes[edit.block][where]).sum()))
    shape = (len(blocks), -1, len(anchors)) if site == "head" else (len(blocks), len(anchors))
    check_finite(torch.tensor(values), lambda row: f"attribution: the estimate of block {edits[row].block}", is_half(model))
    return Patched(torch.tensor(values).reshape(shape), *ends)


def _slopes(
    model: TransformerBridge, base: Prompt, donor: Prompt, asked: Question, site: EditSite, blocks: Sequence[int], steps: int
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """What every block holds in the base run, and the gradient of the metric there (averaged along the line): `[token ...]`."""
    embedded = [_embedded(model, prompt.ids, asked.tail) for prompt in ((base, donor) if steps > 1 else (base, base))]
    along = torch.tensor([(step + 0.5) / steps for step in range(steps)] if steps > 1 else [0.0], device=embedded[0].device)
    inputs = torch.lerp(embedded[0], embedded[1], along.to(embedded[0].dtype)[:, None, None])
    ids = pad(model, [[*base.ids, *asked.tail[:-1]]]).ids.expand(len(inputs), -1)
    states: dict[int, Tensor] = {}
    hooks: Hooks = [(hook_name("residual_pre", 0), lambda activation, hook: inputs.detach().requires_grad_(True))]
    hooks += [(hook_name(site, block), _keep_graph(states, block)) for block in blocks]
    with torch.enable_grad():
        logits = model.run_with_hooks(ids, attention_mask=torch.ones_like(ids), fwd_hooks=hooks, use_cache=False)
        keep = len(base.ids) - 1
        slopes = torch.autograd.grad(asked.read(logits[:, keep:]).sum(), [states[block] for block in blocks])
    if steps > 1:
        base_states = _slopes(model, base, base, asked, site, blocks, 1)[0]
    else:
        base_states = {block: states[block][0].detach() for block in blocks}
    return base_states, {block: slope.mean(0) for block, slope in zip(blocks, slopes, strict=True)}


def _keep_graph(states: dict[int, Tensor], block: int) -> Hook:
    def hook(activation: Tensor, hook: object) -> Tensor:
        states[block] = activation
        return activation

    return hook


@torch.no_grad()
def _embedded(model: TransformerBridge, ids: Sequence[int], tail: Sequence[int]) -> Tensor:
    """What enters block 0, `[1 token d_model]`."""
    batch, embedded = pad(model, [[*ids, *tail[:-1]]]), []
    keep = (hook_name("residual_pre", 0), lambda activation, hook: embedded.append(activation.clone()))
    model.run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=[keep], stop_at_layer=1, use_cache=False)
    return embedded[0]


@dataclass(frozen=True)
class Calibration:
    """Agreement of estimates with exact patching: Spearman correlation, share of the exact top in the estimated top, and number."""

    spearman: float
    recall: float
    n: int


def calibrate(exact: np.ndarray, estimated: np.ndarray, top: float = 0.1) -> Calibration:
    """Compare `estimated` with `exact` values of the same patches; the share `top` with the largest deviation from the median."""
    exact, estimated = np.asarray(exact, dtype=float).ravel(), np.asarray(estimated, dtype=float).ravel()
    if len(exact) < 3 or exact.shape != estimated.shape:
        raise ValueError(f"got {len(exact)} exact and {len(estimated)} estimated values, expected the same number, at least three.")
    for name, values in (("exact", exact), ("estimated", estimated)):
        check_finite(values, lambda index, name=name: f"the {name} value of place {index}")
    k = max(1, round(top * len(exact)))
    largest = [set(np.argsort(-np.abs(values - np.median(values)), kind="stable")[:k].tolist()) for values in (exact, estimated)]
    return Calibration(float(stats.spearmanr(exact, estimated).statistic), len(largest[0] & largest[1]) / k, len(exact))
