"""Which language is written under a changed tag, and how far a patched tag turns the answer, layer by layer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from probes.figures.shares import line_curves, stacked_shares
from probes.report import Report
from probes.statistics.resampling import bootstrap, draws, mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Change = Literal["as it is", "swapped", "masked", "deleted"]
Place = Literal["tag", "last", "tag, other sentence", "tag, same language", "tag, wrong place"]
"""All tokens of the tag; the last token of the prompt; the tag of another sentence's prompt, which can carry no content; controls:
the same language's tag from another sentence, and the other tag put on tokens of the sentence."""
CHANGES: tuple[Change, ...] = get_args(Change)
PLACES: tuple[Place, ...] = get_args(Place)
WRITTEN = {"in_target": "in the target", "in_other": "in the other", "in_source": "in the source"}


class InstructionReport(Report):
    """Rows of two kinds: `written` (an output under a `change` of the tag, and whether it may be `in_target`, the language asked
    for, `in_other` or `in_source`), and `patched` (`effect` and `flipped` of one item, `place` and `layer`).

    `effect` is 0 where the prompt answers as it is and 1 as the other language's prompt does; `flipped` is 1 where the right
    answer in the other language has become the more probable one. Layers are blocks, the stream behind them is patched.
    """

    question = "At which layer is the instruction which language to write read?"

    def summary(self) -> pd.DataFrame:
        """One row a change and language, and one a place, layer and measure; intervals over items.

        `baseline`: of a change the tag as it is, of a place the same-language control at its layer.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return pd.concat([self._written, self._patched], ignore_index=True)

    @cached_property
    def _written(self) -> pd.DataFrame:
        rows = []
        part = self.table[self.table["kind"] == "written"].astype(dict.fromkeys(WRITTEN, float))
        for name, measure in WRITTEN.items():
            wide = part.groupby(["item", "change"])[name].mean().unstack()[list(CHANGES)].to_numpy()
            for change, row in zip(CHANGES, self._intervals(wide), strict=True):
                rows.append({"kind": "written", "what": change, "layer": "", "measure": measure, **row,
                             "baseline": float(wide[:, 0].mean())})  # fmt: skip
        return pd.DataFrame(rows)

    @cached_property
    def _patched(self) -> pd.DataFrame:
        rows = []
        for measure in ("effect", "flipped"):
            frame = pd.DataFrame(self._intervals(self._wide(measure)), index=self._columns).reset_index()
            control = frame[frame["place"] == "tag, same language"].set_index("layer")["estimate"]
            frame = frame.assign(
                baseline=frame["layer"].map(control), kind="patched", measure=measure, layer=frame["layer"].astype(str)
            )
            rows.append(frame.rename(columns={"place": "what"}))
        return pd.concat(rows)[["kind", "what", "layer", "measure", "estimate", "lower", "upper", "n", "baseline"]]

    @cached_property
    def _layers(self) -> list[int]:
        return sorted(int(layer) for layer in self.table["layer"].dropna().unique())

    @cached_property
    def _columns(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_product([PLACES, self._layers], names=["place", "layer"])

    def _wide(self, measure: str) -> np.ndarray:
        """`[item, place and layer]`, mean over languages; NaN where an item was left out everywhere."""
        part = self.table[self.table["kind"] == "patched"]
        part = part.assign(place=part["place"].astype(str), layer=part["layer"].astype(int))
        wide = part.groupby(["item", "place", "layer"])[measure].mean().unstack(["place", "layer"])
        return wide[list(self._columns)].to_numpy(dtype=float)

    def _intervals(self, wide: np.ndarray) -> list[dict[str, float]]:
        lower, upper = bootstrap(wide, self.settings["resamples"], self.settings["seed"])
        numbers = zip(np.nanmean(wide, axis=0), lower, upper, strict=True)
        return [{"estimate": float(one), "lower": float(low), "upper": float(high), "n": len(wide)} for one, low, high in numbers]

    def read_at(self) -> pd.DataFrame:
        """Behind which block half the effect has left the tag, and behind which it stands at the last token.

        One row a place: the first such layer of the mean over items, 95 % of those of resampled items, and how strong the
        effect ever is. "never" where it is not reached in any layer.
        """
        wide, layers = self._wide("effect"), self._layers
        weights = draws(len(wide), self.settings["resamples"], self.settings["seed"])
        rows = []
        for place, falls in (("tag", True), ("last", False)):
            own = wide[:, self._columns.get_loc(place)]
            crossed = [_first(curve, falls) for curve in (np.nanmean(own, axis=0), *mean(own, weights))]
            names = [str(layer) for layer in layers] + ["never"]
            low, high = np.quantile(crossed[1:], [0.025, 0.975], method="inverted_cdf").astype(int)
            strongest = float(np.nanmean(own, axis=0).max())
            rows.append(
                {"place": place, "layer": names[crossed[0]], "lower": names[low], "upper": names[high], "strongest": strongest}
            )
        return pd.DataFrame(rows)

    def verdict(self) -> str:
        written = self._written.set_index(["what", "measure"])["estimate"]
        said = [f"as it is, {written['as it is', 'in the target']:.0%} of the outputs are in the language asked for",
                f"with the tag swapped {written['swapped', 'in the other']:.0%} in the other",
                f"with it masked {written['masked', 'in the target']:.0%} and deleted {written['deleted', 'in the target']:.0%} "
                "in the one meant"]  # fmt: skip
        rows = self.read_at().set_index("place")
        tag, last = rows.loc["tag"], rows.loc["last"]
        if tag["strongest"] < 0.5:
            said.append(f"patching the tag alone never turns half of the answer (at most {tag['strongest']:.2f})")
        else:
            said.append(f"a patched tag turns the answer by {tag['strongest']:.2f} at most and by less than half from block "
                        f"{tag['layer']} on [{tag['lower']}, {tag['upper']}], so there it has been read")  # fmt: skip
        said.append(f"the last token alone decides by half from block {last['layer']} on [{last['lower']}, {last['upper']}]")
        effects = self._patched[self._patched["measure"] == "effect"]
        controls = effects[effects["what"].isin(["tag, same language", "tag, wrong place"])]
        said.append(f"controls move it by {controls['estimate'].abs().max():.2f} at most")
        return "; ".join(said) + "."

    def figures(self) -> dict[str, Figure]:
        """The effect over layers, and the languages written."""
        names = {"effect": "turned towards the other language", "flipped": "other language more probable"}
        curves = self._patched.assign(panel=self._patched["measure"].map(names))
        note = "bands: 95 % over items; dashed: the same language's tag from another sentence"
        where = "behind block"
        found = {"layers": line_curves(curves, "what", self.question, "share", self.signature, note, where)}
        part = self.table[self.table["kind"] == "written"].astype(dict.fromkeys(WRITTEN, bool))
        names = [*WRITTEN.values(), "in none of them"]
        part = part.assign(first=np.select([part[name] for name in WRITTEN], names[:-1], names[-1]))
        shares = pd.crosstab(part["change"], part["first"], normalize="index").reindex(index=CHANGES, columns=names).fillna(0)
        shares = shares.rename_axis("bar").reset_index().assign(group=0, panel="the target's name is ...")
        title = "Which language is written"
        note = "an output that may be in several of the languages counts for the first"
        found["written"] = stacked_shares(shares, names, title, "share of outputs", self.signature, note)
        return found


def _first(curve: np.ndarray, falls: bool) -> int:
    """The first layer at which half the effect is gone for good, or has come to stay; one past the end where there is none."""
    beyond = curve < 0.5 if falls else curve >= 0.5
    inside = np.flatnonzero(~beyond)
    return int(inside[-1] + 1) if len(inside) else 0
