"""Report of activation patching: effects over layers and token positions, with confidence intervals over pairs of prompts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.patching.claims import Claims, claims
from probes.patching.figures import head_maps, patch_curves
from probes.report import Report
from probes.statistics.resampling import bootstrap_ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = ["language", "direction", "anchor", "layer", "head"]
_HALF = 0.5


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
        """One row per language, direction, anchor, layer and head: `estimate, lower, upper, n, baseline, raw, p, claim`.

        The estimate is normalised to 0 for the corrupt and 1 for the clean run: (value - corrupt) / mean(clean - corrupt). It is
        a ratio of means, so that a single pair with nearly equal runs does not dominate. The bounds are a 95 % confidence interval
        of the ratio over pairs (Fieller's), blank where the runs do not clearly differ. `baseline` is the value without patching: 0
        for denoise, 1 for noise. `raw` is the mean change of the metric.

        `claim` is what the verdict and the figures say of the cell. "carries": patching moves the answer towards the donor's run,
        for the residual stream by more than half of the difference. "opposes": it moves the answer away from the donor's run.
        `p` is that of the claim (`probes.patching.claims`), corrected over all cells, languages and directions.

        Of several languages, rows of `language` "all" come first: of the first sentence. n is then the number of items, which are
        drawn with all their languages, and `pairs` that of their pairs of prompts.
        """
        several = self.table["language"].nunique() > 1
        return pd.concat([self._of_all, self._summary], ignore_index=True) if several else self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        groups = self.table.groupby(["language", "direction"], sort=False)
        return pd.concat([self._described(part, str(key[0]), str(key[1])) for key, part in groups], ignore_index=True)

    @cached_property
    def _of_all(self) -> pd.DataFrame:
        groups = self.table.groupby("direction", sort=False)
        return pd.concat([self._described(part, "all", str(direction)) for direction, part in groups], ignore_index=True)

    def _described(self, part: pd.DataFrame, language: str, direction: str) -> pd.DataFrame:
        """Every cell of one direction, in one language or in all of them ("all")."""
        values, items = _values(part), _items(part)
        start = values["corrupt" if direction == "denoise" else "clean"]
        cells = part.iloc[: values["value"].shape[1]][["anchor", "layer", "head"]].reset_index(drop=True)
        scale = (values["clean"] - values["corrupt"]).mean()
        moved, whole = values["value"] - values["corrupt"], values["clean"] - values["corrupt"]
        shares = moved / (scale or np.nan)  # NaN where both runs answer alike
        lower, upper = bootstrap_ratio(moved, whole, items)
        claims = self._claims(part, direction, language == "all")
        frame = cells.assign(
            language=language, direction=direction, estimate=shares.mean(axis=0), lower=lower, upper=upper, n=len(set(items)),
            baseline=0.0 if direction == "denoise" else 1.0, raw=(values["value"] - start).mean(axis=0), p=claims.p,
            claim=claims.claim, pairs=len(items),
        )  # fmt: skip
        return frame[[*CELL, *[name for name in frame if name not in CELL]]]

    def _families(self, together: bool) -> int:
        """How many tests share the 5 %: half for all languages `together`, half for each by itself, where there are several."""
        languages, directions = self.table["language"].nunique(), self.table["direction"].nunique()
        return int(directions if languages == 1 else 2 * directions * (1 if together else languages))

    def _claims(self, part: pd.DataFrame, direction: str, together: bool) -> Claims:
        """What is claimed of every cell in one direction; `part` holds several languages where they are tested `together`."""
        values = _values(part)
        whole = (values["clean"] - values["corrupt"])[:, 0]
        moved = values["value"] - values["corrupt"] if direction == "denoise" else values["clean"] - values["value"]
        share = _HALF if self.settings["site"].startswith("residual") else 0.0
        how = self._families(together), self.settings["seed"]
        return claims(moved, whole, share, families=how[0], seed=how[1], clusters=_items(part))

    def effect(self, direction: str = "denoise", anchor: str | None = None) -> pd.DataFrame:
        """The rows of `summary` for one `direction` ("denoise" or "noise") and one `anchor` (default: the first)."""
        frame = self._summary[self._summary["direction"] == direction]
        return frame[frame["anchor"] == (anchor or frame["anchor"].iloc[0])].reset_index(drop=True)

    def best(self) -> pd.DataFrame:
        """The component with the largest effect in each language and direction, of either sign.

        It is chosen by the same numbers, so its estimate is biased away from no effect.
        """
        frame = self._summary.assign(size=(self._summary["estimate"] - self._summary["baseline"]).abs())
        rows = frame.dropna(subset="size").groupby(["language", "direction"], sort=False)["size"].idxmax()
        return frame.loc[rows].drop(columns="size").reset_index(drop=True)

    def finds(self) -> bool:
        """Whether the verdict claims that any cell carries the answer, or pushes it the other way."""
        return bool((self._pooled["claim"] != "").any() or (self._summary["claim"] != "").any())

    def verdict(self) -> str:
        """Where the answer is carried, in a sentence; then where patching pushes the other way, and each language by itself.

        The first sentence is about the first direction, over all languages together (items are resampled with all their
        languages). It is made of the cells of which a claim holds at p < 0.05 over all cells; so is the rest.
        """
        from probes.patching.verdict import verdict

        return verdict(self._pooled, self._summary, self.settings["site"], self.signature.model.layers - 1)

    @cached_property
    def _pooled(self) -> pd.DataFrame:
        """Every cell in every direction over all languages: `direction, anchor, layer, head, share, claim, n, pairs`.

        `share` is what patching moves towards the donor's run, a share of the difference between the runs.
        """
        frame = self._of_all
        donated = np.where(frame["direction"] == "denoise", frame["estimate"], 1.0 - frame["estimate"])
        return frame.assign(share=donated)

    def figures(self) -> dict[str, Figure]:
        """Effects over layers, a line per anchor; for heads, a map of layers and heads."""
        draw = head_maps if (self._summary["head"] >= 0).any() else patch_curves
        unit = "of the clean-corrupt difference"
        return {"effects": draw(self._summary, f"share {unit}", self.question, str(self.signature))}

    def values(self, direction: str = "denoise") -> np.ndarray:
        """The metric after patching in one `direction`, `[item cell]`, with cells in the order of the table."""
        part = self.table[self.table["direction"] == direction]
        return part["value"].to_numpy(dtype=float).reshape(part.groupby(["language", "item"], sort=False).ngroups, -1)


def _items(part: pd.DataFrame) -> np.ndarray:
    """The item of each pair of prompts: of each row of `_values`."""
    rows = part.groupby(["language", "item"], sort=False).ngroups
    return part["item"].to_numpy().reshape(rows, -1)[:, 0]


def _values(part: pd.DataFrame) -> dict[str, np.ndarray]:
    """The metric after patching and in both unpatched runs, `[item cell]`; an item in another language is another row."""
    rows = part.groupby(["language", "item"], sort=False).ngroups
    return {name: part[name].to_numpy(dtype=float).reshape(rows, -1) for name in ("value", "clean", "corrupt")}
