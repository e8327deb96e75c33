"""Report of activation patching: effects over layers and token positions, with confidence intervals over pairs of prompts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.patching.figures import head_maps, patch_curves
from probes.report import Report
from probes.statistics.resampling import bootstrap, holm, sign_flip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = ["language", "direction", "anchor", "layer", "head"]


class PatchReport(Report):
    """Effects of activation or attribution patching, as `measure_patching` measures them.

    `table` has one row per pair (`item`), `language`, `direction`, `layer` (block index, 0 to N - 1), `head` (-1 if heads are not
    patched separately) and `anchor`: the metric after patching (`value`), and in the unpatched runs (`clean`, `corrupt`).

    Example
    -------
    >>> import interp, probes
    >>> from probes.patching.contrasts import Contrast
    >>> pair = Contrast('English: "[[June]]" → English: "', 'English: "[[March]]" → English: "', "July", "April")
    >>> model = interp.load("bundled")
    >>> report = probes.measure_patching(model, [pair], keep="all", directions=["denoise"], blocks=[0, 7], resamples=10)
    >>> report.table["layer"].unique().tolist(), report.best()["layer"].tolist()
    ([0, 7], [7])
    """

    question = "Which component causes the answer?"

    def summary(self) -> pd.DataFrame:
        """One row per language, direction, anchor, layer and head: `estimate, lower, upper, n, baseline, raw, p_holm`.

        The estimate is normalised to 0 for the corrupt and 1 for the clean run: (value - corrupt) / mean(clean - corrupt). It is
        a ratio of means, so that a single pair with nearly equal runs does not dominate. The bounds are a 95 % bootstrap confidence
        interval over pairs. `baseline` is the value without patching: 0 for denoise, 1 for noise. `raw` is the mean change of the
        metric, and `p_holm` the sign-flip p-value of that change, Holm-corrected over all layers and positions.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        parts = []
        for (language, direction), part in self.table.groupby(["language", "direction"], sort=False):
            n = part["item"].nunique()
            values = {name: part[name].to_numpy(dtype=float).reshape(n, -1) for name in ("value", "clean", "corrupt")}
            cells = part.iloc[: values["value"].shape[1]][["anchor", "layer", "head"]].reset_index(drop=True)
            start = values["corrupt"] if direction == "denoise" else values["clean"]
            change, scale = values["value"] - start, (values["clean"] - values["corrupt"]).mean()
            shares = (values["value"] - values["corrupt"]) / (scale or np.nan)  # NaN where both runs answer alike
            lower, upper = bootstrap(shares, self.settings["resamples"], self.settings["seed"])
            p = holm(sign_flip(change, 2000, self.settings["seed"]))
            parts.append(cells.assign(
                language=language, direction=direction, estimate=shares.mean(axis=0), lower=lower, upper=upper, n=n,
                baseline=0.0 if direction == "denoise" else 1.0, raw=change.mean(axis=0), p_holm=p,
            ))  # fmt: skip
        frame = pd.concat(parts, ignore_index=True)
        return frame[[*CELL, *[name for name in frame if name not in CELL]]]

    def effect(self, direction: str = "denoise", anchor: str | None = None) -> pd.DataFrame:
        """The rows of `summary` for one direction (`denoise` or `noise`) and one anchor (default: the first)."""
        frame = self._summary[self._summary["direction"] == direction]
        return frame[frame["anchor"] == (anchor or frame["anchor"].iloc[0])].reset_index(drop=True)

    def best(self) -> pd.DataFrame:
        """The component with the largest effect in each language and direction.

        It is chosen by the same numbers, so its estimate is biased away from no effect.
        """
        frame = self._summary.assign(size=(self._summary["estimate"] - self._summary["baseline"]).abs())
        rows = frame.dropna(subset="size").groupby(["language", "direction"], sort=False)["size"].idxmax()
        return frame.loc[rows].drop(columns="size").reset_index(drop=True)

    def verdict(self) -> str:
        """Which components matter, for up to four languages.

        For the residual stream, the blocks at which patching one position moves more than half of the clean-corrupt difference. The
        last block at the last token moves all of it in any model. For other sites, the component with the largest effect.
        """
        texts = [self._describe(str(language), part) for language, part in self._summary.groupby("language", sort=False)]
        return "; ".join(texts[:4]) + ("." if len(texts) <= 4 else f"; and {len(texts) - 4} more languages.")

    def _describe(self, language: str, frame: pd.DataFrame) -> str:
        direction = frame["direction"].iloc[0]
        frame = frame[frame["direction"] == direction]
        name = f"{language} ({direction}, n={frame['n'].iloc[0]})".strip()
        if frame["estimate"].isna().all():
            return f"{name}: both prompts give the same answer, so there is nothing to carry"
        if not self.settings["site"].startswith("residual"):
            row = frame.loc[(frame["estimate"] - frame["baseline"]).abs().idxmax()]
            where = f"{self.settings['site']} {row['layer']}" + (f".{row['head']}" if row["head"] >= 0 else "")
            clear = "" if row["p_holm"] < 0.05 else ", not distinguishable from no effect"
            amount = f"{row['estimate']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]"
            return f"{name}: largest effect at {row['anchor']}, {where}: {amount}{clear}"
        parts = []
        for anchor, own in frame.groupby("anchor", sort=False):
            layers = own.loc[(own["estimate"] - own["baseline"]).abs() > 0.5, "layer"]
            span = "at no block" if layers.empty else f"at blocks {layers.min()} to {layers.max()}"
            parts.append(f"{anchor} {span}")
        return f"{name}: patching moves over half of the difference at {', '.join(parts)}"

    def figures(self) -> dict[str, Figure]:
        """Effects over layers, a line per anchor; for heads, a map of layers and heads."""
        draw = head_maps if (self._summary["head"] >= 0).any() else patch_curves
        unit = "of the clean-corrupt difference"
        return {"effects": draw(self._summary, f"share {unit}", self.question, str(self.signature))}

    def values(self, direction: str = "denoise") -> np.ndarray:
        """The metric after patching in one direction, `[item cell]`, with cells in the order of the table."""
        part = self.table[self.table["direction"] == direction]
        return part["value"].to_numpy(dtype=float).reshape(part.groupby(["language", "item"], sort=False).ngroups, -1)
