"""The gain of hybrids of a base and a tuned model, as a share of the whole gain, with confidence intervals."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from probes.report import Report
from probes.statistics.resampling import bracketed, draws, mean, percentiles
from probes.tuning.figures import dose_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HybridReport(Report):
    """Losses of hybrids of a base and a tuned model, as `measure_entry`, `measure_blocks` and `measure_rows` measure them.

    `table` has one row per example (`item` and its direction, `language`), `line` (a kind of hybrid) and `place` (the layer, part
    or share of weights at which the two are joined): the `loss` of the hybrid, of the `base` and of the `tuned` model, in nats per
    token of the answer. The gain of a hybrid is the base's loss minus its own. Its `share` in the summary is that divided by the
    tuned model's gain: 0 is the base, 1 the tuned model.

    Example
    -------
    >>> import interp, probes
    >>> from interp.tuning import translations
    >>> model = interp.load("bundled", dtype="float32")
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=2, seed=0)
    >>> report = probes.measure_blocks(model, model, translations(corpus, [("eng_Latn", "deu_Latn")]), alphas=(1.0,), resamples=10)
    >>> report.table["place"].unique().tolist()
    ['embed', '0', '1', '2', '3', '4', '5', '6', '7', 'head']
    """

    measure: ClassVar[str] = "hybrid"
    """Name of the measure in signatures and of the main figure."""
    axis: ClassVar[str] = ""
    """Label of the x axis."""

    def summary(self) -> pd.DataFrame:
        """One row per line and place: gain in nats per token (`baseline`: the base's, zero), and `share` of the whole gain.

        95 % confidence intervals are percentile bootstrap over items, with the same resamples for all cells. The share is missing
        where the whole gain is not distinguishable from zero.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        cells = list(self.table.groupby(["line", "place"], sort=False))
        first = cells[0][1]
        weights = draws(len(first), self.settings["resamples"], self.settings["seed"], first["item"].to_numpy())
        total_gain = (first["base"] - first["tuned"]).to_numpy()
        total_resampled = mean(total_gain, weights)
        units = first["item"].nunique()
        significant = bool(percentiles(total_resampled, units)[0] > 0)
        rows = []
        for (line, place), part in cells:
            gain = (part["base"] - part["loss"]).to_numpy()
            resampled = mean(gain, weights)
            lower, upper = map(float, percentiles(resampled, units))
            low, high = map(float, percentiles(resampled / total_resampled, units)) if significant else (np.nan, np.nan)
            rows.append({"line": line, "place": place, "estimate": gain.mean(), "lower": lower, "upper": upper, "n": len(part),
                         "baseline": 0.0, "share": gain.mean() / total_gain.mean() if significant else np.nan, "share_lower": low,
                         "share_upper": high})  # fmt: skip
        return pd.DataFrame(rows)

    def whole(self) -> float:
        """The tuned model's own gain over the base, in nats per token."""
        first = next(iter(self.table.groupby(["line", "place"], sort=False)))[1]
        return float((first["base"] - first["tuned"]).mean())

    def lines(self) -> pd.DataFrame:
        """The rows of the summary that the main figure draws."""
        return self._summary

    def verdict(self) -> str:
        """Where the gain is, and how large the whole gain is; or that there is no gain to share out."""
        rows, whole = self._summary, self.whole()
        if rows["share"].isna().all():
            return f"The tuned model's gain, {whole:+.3f} nats per token, is not distinguishable from zero: no part has a share."
        return f"{self._main_finding(rows)} The whole gain is {whole:.3f} nats per token over {rows['n'].iloc[0]} examples."

    def _main_finding(self, rows: pd.DataFrame) -> str:
        raise NotImplementedError

    def figures(self) -> dict[str, Figure]:
        """The gain at each place, between base and tuned."""
        frame = self.lines().rename(columns={"place": "dose"})
        levels = {"tuned": self.whole(), "base": 0.0}
        figure = dose_curve(frame, self.question, self.axis, "gain over the base (nats per token)", levels, str(self.signature))
        return {self.measure: figure}


class EntryReport(HybridReport):
    """The gain of reading with one model up to a layer and continuing with the other. See `HybridReport`.

    Example
    -------
    The tuned model halves the loss of 2 nats; most of that is in its stream after block 0:

    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> rows = [(item, place, loss) for place, loss in (("embed", 2.0), ("0", 1.25), ("1", 1.0)) for item in ("a", "b")]
    >>> table = pd.DataFrame(rows, columns=["item", "place", "loss"]).assign(line="tuned below", base=2.0, tuned=1.0)
    >>> made_by = Signature("entry", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 2))
    >>> EntryReport(table, made_by, settings={"resamples": 10, "seed": 0}).summary()["share"].tolist()
    [0.0, 0.75, 1.0]
    """

    question = "At which layer does the gain of tuning arise?"
    measure = "entry"
    axis = "layer of the residual stream at which the models are joined"

    def _main_finding(self, rows: pd.DataFrame) -> str:
        below = rows[rows["line"] == "tuned below"]
        enough = below[below["share"] >= 0.5]
        if enough.empty:
            return "At no layer of the residual stream is half of the gain reached: the tuned layers above are needed too."
        row = enough.iloc[0]
        share = f"{row['share']:.0%} {bracketed(row['share_lower'], row['share_upper'], '.0%')}"
        return f"Half of the gain is in the residual stream at {row['place']}: the base model, continued from there, has {share}."


class BlocksReport(HybridReport):
    """The gain of the base model with the tuned weights of one part, and of the tuned model without them. See `HybridReport`.

    Example
    -------
    The embedding alone gives three quarters of the gain, and a quarter is left without it:

    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> cells = [("base + 1", "embed", 1.25), ("base + 1", "0", 1.75), ("tuned - part", "embed", 1.75), ("tuned - part", "0", 1.25)]
    >>> rows = [(item, *cell) for cell in cells for item in ("a", "b")]
    >>> table = pd.DataFrame(rows, columns=["item", "line", "place", "loss"]).assign(base=2.0, tuned=1.0)
    >>> made_by = Signature("blocks", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 2))
    >>> summary = BlocksReport(table, made_by, settings={"resamples": 10, "seed": 0}).summary()
    >>> summary[summary["place"] == "embed"][["line", "share"]].values.tolist()
    [['base + 1', 0.75], ['tuned - part', 0.25]]
    """

    question = "Which part's weights carry the gain of tuning?"
    measure = "blocks"
    axis = "part whose weights are exchanged"

    def _main_finding(self, rows: pd.DataFrame) -> str:
        line = [line for line in rows["line"].unique() if line.startswith("base")][-1]
        added, removed = rows[rows["line"] == line], rows[rows["line"] == "tuned - part"]
        best, worst = added.loc[added["share"].idxmax()], removed.loc[removed["share"].idxmin()]
        share = f"{best['share']:.0%} {bracketed(best['share_lower'], best['share_upper'], '.0%')}"
        remaining = f"{worst['share']:.0%} {bracketed(worst['share_lower'], worst['share_upper'], '.0%')}"
        alone = f"The change of {best['place']} alone ({line}) gives {share} of the gain"
        return f"{alone}; without the change of {worst['place']}, {remaining} remains."


class RowsReport(HybridReport):
    """The gain of the base model with nested sets of tuned embedding rows. See `HybridReport`.

    `settings["sizes"]` has the number of rows of each set, by "line|place".

    Example
    -------
    Half of the rows, the most frequent ones, give three quarters of the gain; as many random rows give a quarter:

    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> cells = [("most frequent", "50%", 1.25), ("random rows", "50%", 1.75), ("group", "shared", 1.5)]
    >>> rows = [(item, *cell) for cell in cells for item in ("a", "b")]
    >>> table = pd.DataFrame(rows, columns=["item", "line", "place", "loss"]).assign(base=2.0, tuned=1.0)
    >>> made_by = Signature("rows", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 2))
    >>> settings = {"resamples": 10, "seed": 0, "sizes": {"most frequent|50%": 8, "random rows|50%": 8}}
    >>> print(RowsReport(table, made_by, settings=settings).verdict().partition(";")[0])
    The 8 most frequent moved rows give 75% of the gain, 8 random ones 25%
    """

    question = "How many embedding rows carry the gain of tuning?"
    measure = "rows"
    axis = "share of the moved rows of this text"

    def lines(self) -> pd.DataFrame:
        """The nested sets; groups of tokens are not nested."""
        return self._summary[self._summary["line"] != "group"]

    def _main_finding(self, rows: pd.DataFrame) -> str:
        sizes = self.settings["sizes"]
        frequent = rows[rows["line"] == "most frequent"]
        random = rows[rows["line"] == "random rows"].set_index("place")
        half = frequent[frequent["share"] >= 0.5]
        groups = rows[rows["line"] == "group"]
        by_group = ", ".join(f"{row.place} {row.share:.0%}" for row in groups.itertuples())
        row = frequent.iloc[-1] if half.empty else half.iloc[0]
        n = sizes[f"most frequent|{row['place']}"]
        share, control = f"{row['share']:.0%}", f"{random.loc[row['place'], 'share']:.0%}"
        return f"The {n} most frequent moved rows give {share} of the gain, {n} random ones {control}; by group: {by_group}."
