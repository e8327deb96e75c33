"""Which weights did tuning move? How far each tensor and each embedding row moved, and in how many directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from interp.models.checks.finite import check_finite
from interp.models.load import TransformerBridge, identify
from interp.provenance import CorpusIdentity, Signature
from interp.tuning import Mixture, template
from interp.tuning.hybrids import check_pair, input_table, weights
from probes.report import Report
from probes.tuning.figures import row_movement, tensor_movement
from probes.tuning.token_groups import GROUPS, group_tokens

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FARTHEST = 12


class MovementReport(Report):
    """How far every weight moved in tuning, as `measure_movement` measures it.

    `table` has one row per tensor, with the `part` of the model that it belongs to: the norm of its change, absolute (`distance`)
    and divided by its `norm` (`relative`), its cosine to what it was, and the `effective_rank` of the change. `arrays` hold
    the distance and cosine of every input embedding row (`row_distance`, `row_cosine`) and its token group (`row_group`, an index
    into `GROUPS`). These are exact numbers about two sets of weights, so there is no confidence interval.

    A large change need not matter and a small one may: `interp compare --with blocks` measures what each part's change is worth.

    Example
    -------
    >>> import interp, probes
    >>> model = interp.load("bundled")
    >>> report = probes.measure_movement(model, interp.random_init(model))
    >>> report.table["part"].unique().tolist()
    ['embed', '0', '1', '2', '3', '4', '5', '6', '7', 'head']
    """

    question = "Which weights did tuning move?"

    def summary(self) -> pd.DataFrame:
        """One row per part of the model with its relative change, then one per token group with the share of rows that moved."""
        no_interval = {"lower": np.nan, "upper": np.nan}
        rows = []
        for part, tensors in self.table.groupby("part", sort=False):
            norm, distance = np.sqrt((tensors["norm"] ** 2).sum()), np.sqrt((tensors["distance"] ** 2).sum())
            rows.append({"kind": "part", "name": part, "estimate": distance / norm, **no_interval, "n": int(tensors["size"].sum()),
                         "baseline": 0.0})  # fmt: skip
        rows += [{"kind": "rows", "name": row["group"], "estimate": row["moved"], **no_interval, "n": row["n"], "baseline": 0.0}
                 for row in self.rows().to_dict("records")]  # fmt: skip
        return pd.DataFrame(rows)

    def rows(self) -> pd.DataFrame:
        """One row per token group: `n` embedding rows, the share that `moved`, and the `median` distance of those that did."""
        groups, distance = self.arrays["row_group"], self.arrays["row_distance"]
        rows = []
        for index, name in enumerate(GROUPS):
            own = distance[groups == index]
            if len(own):
                moving = own[own > 0]
                rows.append({"group": name, "n": len(own), "moved": float((own > 0).mean()),
                             "median": float(np.median(moving)) if len(moving) else 0.0})  # fmt: skip
        return pd.DataFrame(rows)

    def verdict(self) -> str:
        """How many tensors moved, which most, and the share of the embedding rows of each token group that moved."""
        moved = self.table[self.table["distance"] > 0]
        if moved.empty:
            return f"None of {len(self.table)} tensors moved: the two models hold the same weights."
        top = moved.loc[moved["relative"].idxmax()]
        groups = ", ".join(f"{row.group} {row.moved:.0%} of {row.n}" for row in self.rows().itertuples() if row.moved > 0)
        rank = f"effective rank {top['effective_rank']:.1f} of {top['full_rank']:.0f}"
        return (
            f"{len(moved)} of {len(self.table)} tensors moved, most of all {top['tensor']} by {top['relative']:.2%} of its norm "
            f"({rank}); embedding rows that moved: {groups or 'none'}."
        )

    def figures(self) -> dict[str, Figure]:
        """The relative change of every tensor; the distance of every embedding row, where some moved."""
        figures = {"tensors": tensor_movement(self.table, str(self.signature))}
        if (self.arrays["row_distance"] > 0).any():
            distance = self.arrays["row_distance"]
            groups = [GROUPS[index] for index in self.arrays["row_group"]]
            frame = pd.DataFrame({"token": np.arange(len(distance)), "group": groups, "distance": distance})
            grouped = frame[frame["group"] != "other"]
            farthest = {int(token): text for token, text in self.settings["farthest"].items()}
            figures["rows"] = row_movement(grouped if len(grouped) else frame, str(self.signature), farthest)
        return figures


def measure_movement(
    base: TransformerBridge, tuned: TransformerBridge, *, mixture: Mixture | None = None, form: str = "quoted"
) -> MovementReport:
    """Which weights did tuning move, by how much, in how many directions?

    Parameters
    ----------
    base
        The model before tuning.
    tuned
        The tuned model, of the same architecture and vocabulary. Raw weights are compared, in float32.
    mixture
        The tuning data, by which embedding rows are grouped: tokens of the instruction, of both languages, of one. None puts all
        rows into the group "other".
    form
        Prompt form of the tuning, one of `interp.tuning.TEMPLATES`.

    Returns
    -------
    MovementReport
        One row per tensor.

    Raises
    ------
    ValueError
        Where the two models do not fit together.

    Examples
    --------
    >>> import interp, probes
    >>> model = interp.load("bundled")
    >>> print(probes.measure_movement(model, model).verdict())  # doctest: +ELLIPSIS
    None of ... tensors moved: the two models hold the same weights.
    """
    check_pair(base, tuned)
    before, after = weights(base), weights(tuned)
    table = pd.DataFrame([_compare(name, part, tensor, after[name][1]) for name, (part, tensor) in before.items()])
    old, new = input_table(base).float().cpu(), input_table(tuned).float().cpu()
    distance = (new - old).norm(dim=1).numpy()
    check_finite(distance, lambda token: f"the embedding row of token {token}")
    groups = np.full(len(old), GROUPS.index("other")) if mixture is None else group_tokens(base, mixture, template(form))
    order = np.argsort(-distance)[:_FARTHEST]
    farthest = {str(token): base.tokenizer.decode([int(token)]) for token in order if distance[token] > 0}
    corpus = mixture.identity if mixture else CorpusIdentity("none", "0" * 8, 0)
    return MovementReport(
        table=table,
        signature=Signature("movement", identify(tuned), corpus, {"before": str(identify(base))}),
        arrays={"row_distance": distance, "row_cosine": torch.cosine_similarity(old, new).numpy(), "row_group": groups},
        settings={"farthest": farthest},
    )


def effective_rank(change: Tensor) -> float:
    """The effective rank of the matrix `change`: exp of the entropy of its normalised singular values; 0 for a matrix of zeros.

    1 for one direction, the full rank for equal singular values (Roy & Vetterli 2007).
    """
    matrix = change.double().reshape(len(change), -1)
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    values = values[values > values.max() * 1e-7]
    shares = values / values.sum()
    return float(torch.exp(-(shares * shares.log()).sum())) if len(values) else 0.0


def _compare(name: str, part: str, before: Tensor, after: Tensor) -> dict[str, object]:
    old, new = before.float().cpu(), after.float().cpu()
    for model, values in (("before", old), ("after", new)):
        check_finite(values, f"a weight of {name} {model} tuning")
    change = new - old
    distance, norm = float(change.norm()), float(old.norm())
    matrix = old.ndim == 2
    return {
        "tensor": name,
        "part": part,
        "size": old.numel(),
        "norm": norm,
        "distance": distance,
        "relative": distance / norm if norm else float(distance > 0),
        "cosine": float(torch.cosine_similarity(old.flatten(), new.flatten(), 0)),
        "effective_rank": effective_rank(change) if matrix and distance > 0 else np.nan,
        "full_rank": float(min(old.shape)) if matrix else np.nan,
    }
