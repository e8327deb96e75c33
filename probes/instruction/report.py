"""The language written under a changed target-language tag, and the effect of patching the tag at every layer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from probes.figures.shares import line_curves, stacked_shares
from probes.instruction.claims import carrying
from probes.report import Report
from probes.statistics.layer_runs import say_longest
from probes.statistics.resampling import bootstrap, draws, mean, tails
from probes.statistics.significance import FEWEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Change = Literal["as it is", "swapped", "masked", "deleted"]
Place = Literal["tag", "last", "tag, other sentence", "tag, same language", "tag, wrong place"]
"""What is patched: all tokens of the tag; the last token of the prompt; the tag with states from another sentence's prompt, which
do not depend on this sentence. Controls: states of the same language's tag from another sentence, and states of the other tag at
tokens of the sentence."""
_CURVE = ["what", "layer", "measure"]
CHANGES: tuple[Change, ...] = get_args(Change)
PLACES: tuple[Place, ...] = get_args(Place)
_WRITTEN = {"in_target": "in the target", "in_other": "in the other", "in_source": "in the source"}


class InstructionReport(Report):
    """The output when the target-language tag of the prompt is changed or patched, as `measure_instruction` measures it.

    `table` has rows of two `kind`s, with the triple of languages (`source`, `target`, `other`) and the `item`. `written`: the
    output (`hypothesis`) under a `change` of the tag, and whether it may be `in_target` (the language asked for), `in_other` or
    `in_source`. `patched`: the `effect` of patching one `place` of the prompt after one `layer`, and whether it `flipped` the
    preference.

    `effect` is 0 where the model answers as without patching, and 1 where it answers as with the other language's prompt.
    `flipped` is 1 where the right answer in the other language has become the more probable one. Layers are blocks, 0 to N-1: the
    residual stream after the block is patched.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "rus_Cyrl"]).select(limit=3, seed=0)
    >>> triples = [("eng_Latn", "deu_Latn", "rus_Cyrl")]
    >>> model = interp.load("bundled", dtype="float32")
    >>> report = probes.measure_instruction(model, corpus, triples, blocks=[0], keep="all", resamples=10, progress=False)
    >>> report.table["kind"].unique().tolist(), report.table["change"].dropna().unique().tolist()
    (['written', 'patched'], ['as it is', 'swapped', 'masked', 'deleted'])
    """

    question = "At which layer does the model read the target-language tag?"

    def summary(self) -> pd.DataFrame:
        """One row per change and language, and one per place, layer and measure.

        95 % confidence intervals (`bootstrap`) over items. `baseline` is the unchanged tag for a change, and the
        same-language control at the same layer for a place.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return pd.concat([self._written, self._patched], ignore_index=True)

    @cached_property
    def _written(self) -> pd.DataFrame:
        rows = []
        part = self.table[self.table["kind"] == "written"].astype(dict.fromkeys(_WRITTEN, float))
        for name, measure in _WRITTEN.items():
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
        """`[item, place and layer]`, the mean over languages; NaN where an item was left out in all of them."""
        part = self.table[self.table["kind"] == "patched"]
        part = part.assign(place=part["place"].astype(str), layer=part["layer"].astype(int))
        wide = part.groupby(["item", "place", "layer"])[measure].mean().unstack(["place", "layer"])
        return wide[list(self._columns)].to_numpy(dtype=float)

    def _intervals(self, wide: np.ndarray) -> list[dict[str, float]]:
        lower, upper = bootstrap(wide, self.settings["resamples"], self.settings["seed"])
        numbers = zip(np.nanmean(wide, axis=0), lower, upper, strict=True)
        return [
            {"estimate": float(average), "lower": float(low), "upper": float(high), "n": len(wide)}
            for average, low, high in numbers
        ]

    def read_at(self) -> pd.DataFrame:
        """The block from which on half of the effect has left the tag, and from which on half is at the last token.

        Returns
        -------
        pd.DataFrame
            One row per place ("tag", "last"): `layer` of the mean over items, `lower` and `upper` of its 95 % confidence interval
            ("never" where no layer reaches it), and `strongest`, the largest effect at any layer.
        """
        wide, layers = self._wide("effect"), self._layers
        weights = draws(len(wide), self.settings["resamples"], self.settings["seed"])
        rows = []
        for place, falls in (("tag", True), ("last", False)):
            own = wide[:, self._columns.get_loc(place)]
            estimate, *resampled = (_first_layer(curve, falls) for curve in (np.nanmean(own, axis=0), *mean(own, weights)))
            names = [str(layer) for layer in layers] + ["never"]
            if len(wide) < 2:
                names, resampled = [*names, "–"], [len(names)]
            low, high = np.quantile(resampled, tails(max(2, len(wide))), method="inverted_cdf").astype(int)
            strongest = float(np.nanmean(own, axis=0).max())
            rows.append({"place": place, "layer": names[estimate], "lower": names[low], "upper": names[high],
                         "strongest": strongest})  # fmt: skip
        return pd.DataFrame(rows)

    @cached_property
    def carrying(self) -> dict[str, np.ndarray]:
        """At which blocks the tag and the last token surely carry the language asked for (`probes.instruction.claims`)."""
        wide = self._wide("effect")
        own = {place: wide[:, self._columns.get_loc(place)] for place in ("tag", "last", "tag, same language")}
        return carrying({place: own[place] for place in ("tag", "last")}, own["tag, same language"], self.settings["seed"])

    def finds(self) -> bool:
        """Whether the verdict claims that the tag or the last token carries the language at any block."""
        return any(bool(blocks.any()) for blocks in self.carrying.values())

    def _first(self) -> str:
        """At most 25 words: where the language asked for sits."""
        n, layers = len(self._wide("effect")), [str(layer) for layer in self._layers]
        if n < FEWEST:
            return f"With n={n} items nothing is claimed: at least {FEWEST} are needed."
        named = {"tag": "the tag", "last": "the last token"}
        where = [f"{named[place]} {say_longest(own, layers, 'block')}" for place, own in self.carrying.items() if own.any()]
        if not where:
            return f"No patched place is shown to carry the language asked for (n={n})."
        return f"The language asked for is carried by {', then by '.join(where)} (n={n}, above controls)."

    def verdict(self) -> str:
        """Where the language asked for is carried; then the language written under each change of the tag, and the effects."""
        written = self._written.set_index(["what", "measure"])["estimate"]
        parts = [f"{written['as it is', 'in the target']:.0%} of the outputs are in the target language",
                 f"with the tag swapped {written['swapped', 'in the other']:.0%} are in the other language",
                 f"with the tag masked {written['masked', 'in the target']:.0%}, and deleted "
                 f"{written['deleted', 'in the target']:.0%}, are in the target language"]  # fmt: skip
        rows = self.read_at().set_index("place")
        tag, last = rows.loc["tag"], rows.loc["last"]
        if tag["strongest"] < 0.5:
            parts.append(f"patching the tag alone never has half of the full effect (at most {tag['strongest']:.2f})")
        elif tag["layer"] == "never":
            parts.append(f"patching the tag has an effect of up to {tag['strongest']:.2f}, and at least 0.5 after the last block")
        else:
            parts.append(f"patching the tag has an effect of up to {tag['strongest']:.2f}, and less than 0.5 from {_since(tag)}, "
                         "so the tag has been read there")  # fmt: skip
        if last["layer"] == "never":
            parts.append(f"patching the last token never has half of the full effect (at most {last['strongest']:.2f})")
        else:
            parts.append(f"patching the last token has at least half of the full effect from {_since(last)}")
        effects = self._patched[self._patched["measure"] == "effect"]
        controls = effects[effects["what"].isin(["tag, same language", "tag, wrong place"])]
        parts.append(f"controls have an effect of {controls['estimate'].abs().max():.2f} at most")
        return f"{self._first()} {'; '.join(parts)}."

    def figures(self) -> dict[str, Figure]:
        """The effect of patching over layers, and the languages written under each change of the tag."""
        panels = {"effect": "effect of patching", "flipped": "other language more probable"}
        claimed = {(place, str(layer)) for place, own in self.carrying.items() for layer in np.array(self._layers)[own]}
        rows = self._patched
        sure = [(what, layer) in claimed and measure == "effect" for what, layer, measure in rows[_CURVE].to_numpy()]
        curves = rows.assign(panel=rows["measure"].map(panels), claimed=sure)
        note = "dot: over half of the effect and over the control, p < 0.05 corrected; band: 95 % over items; dashed: that control"
        layers = line_curves(curves, "what", self.question, "share", self.signature, note, "residual stream after block")
        part = self.table[self.table["kind"] == "written"].astype(dict.fromkeys(_WRITTEN, bool))
        languages = [*_WRITTEN.values(), "in none of them"]
        first = np.full(len(part), languages[-1], dtype=object)
        for name, label in reversed(_WRITTEN.items()):
            first[part[name].to_numpy()] = label
        shares = pd.crosstab(part["change"], first, normalize="index").reindex(index=CHANGES, columns=languages).fillna(0)
        shares = shares.rename_axis("bar").reset_index().assign(group=0, panel="the target's tag is ...")
        note = "an output that may be in several languages counts for the first of them"
        written = stacked_shares(shares, languages, "Which language is written", "share of outputs", self.signature, note)
        return {"layers": layers, "written": written}


def _since(row: pd.Series) -> str:
    return f"block {row['layer']} on (95 % CI {row['lower']} to {row['upper']})"


def _first_layer(curve: np.ndarray, falls: bool) -> int:
    """The index from which on the effect is below a half (`falls`) or at least a half; one past the end where there is none."""
    beyond = curve < 0.5 if falls else curve >= 0.5
    inside = np.flatnonzero(~beyond)
    return int(inside[-1] + 1) if len(inside) else 0
