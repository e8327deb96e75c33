"""The gain of hybrids of a base and a tuned model, as a share of the whole gain, with confidence intervals."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from probes.report import Report
from probes.statistics.resampling import bootstrap, bootstrap_ratio, bracketed, known_mean
from probes.statistics.selection import choose_on_half
from probes.statistics.significance import FEWEST, LEVEL, max_statistic, sign_flip
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

        95 % confidence intervals are over items (`bootstrap`); that of a share is Fieller's, of a ratio whose denominator varies
        too. The share is missing where the whole gain is not distinguishable from zero.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        gains, whole, items = self._gains
        drawn = self.settings["resamples"], self.settings["seed"]
        lower, upper = bootstrap(gains, *drawn, clusters=items, difference=True)
        share, low, high = np.full((3, gains.shape[1]), np.nan)
        if self.gained():
            share, (low, high) = gains.mean(axis=0) / whole.mean(), bootstrap_ratio(gains, whole[:, None], items)
        return self._cells.assign(estimate=gains.mean(axis=0), lower=lower, upper=upper, n=len(gains), baseline=0.0, share=share,
                                  share_lower=low, share_upper=high)  # fmt: skip

    @cached_property
    def _cells(self) -> pd.DataFrame:
        """The line and place of every cell."""
        return self.table[["line", "place"]].drop_duplicates().reset_index(drop=True)

    @cached_property
    def _gains(self) -> tuple[Float[np.ndarray, "example cell"], Float[np.ndarray, " example"], np.ndarray]:
        """The gain of every hybrid, that of the tuned model, and the item of each example."""
        parts = [part for _, part in self.table.groupby(["line", "place"], sort=False)]
        gains = np.stack([(part["base"] - part["loss"]).to_numpy(dtype=float) for part in parts], axis=1)
        return gains, (parts[0]["base"] - parts[0]["tuned"]).to_numpy(dtype=float), parts[0]["item"].to_numpy()

    def gained(self) -> bool:
        """Whether the tuned model's own loss is surely lower than the base's (a sign flip over items)."""
        _, whole, items = self._gains
        if len(set(items)) < FEWEST or whole.mean() <= 0:
            return False
        return bool(sign_flip(whole, seed=self.settings["seed"], clusters=items) < LEVEL)

    def finds(self) -> bool:
        """Whether the verdict claims anything: a gain, without which no part has a share."""
        return self.gained()

    def _sure(self, values: Float[np.ndarray, "example cell"]) -> Bool[np.ndarray, " cell"]:
        """The cells whose values are surely above 0, over all of them."""
        p = max_statistic(values, seed=self.settings["seed"], clusters=self._gains[2])
        return (p < LEVEL) & (known_mean(values) > 0)

    def _of_line(self, line: str) -> np.ndarray:
        return np.flatnonzero(self._cells["line"] == line)

    def _chosen(self, cells: np.ndarray, values: Float[np.ndarray, "example cell"]) -> tuple[str, float, float, float]:
        """The place, among `cells`, that is highest by `values` on half of the items; its share of the gain on the others, and its
        interval."""
        gains, whole, items = self._gains
        option, rows = choose_on_half(values, self.settings["seed"], items)
        own = gains[rows, cells[option]]
        lower, upper = bootstrap_ratio(own, whole[rows], items[rows])
        return str(self._cells["place"][cells[option]]), float(own.mean() / whole[rows].mean()), float(lower), float(upper)

    def chosen(self, line: str) -> tuple[float, float, float]:
        """The share of the whole gain of the best place of a `line`, chosen on half of the items and measured on the others, and
        the bounds of its 95 % interval."""
        cells = self._of_line(line)
        return self._chosen(cells, self._gains[0][:, cells])[1:]

    def whole(self) -> float:
        """The tuned model's own gain over the base, in nats per token."""
        first = next(iter(self.table.groupby(["line", "place"], sort=False)))[1]
        return float((first["base"] - first["tuned"]).mean())

    def lines(self) -> pd.DataFrame:
        """The rows of the summary that the main figure draws."""
        return self._summary

    def verdict(self) -> str:
        """Whether there is a gain, and where it is; how large it is; the shares of parts that were chosen on other items."""
        _, whole, items = self._gains
        n = len(set(items))
        if n < FEWEST:
            return f"With n={n} items nothing is claimed: at least {FEWEST} are needed. Gain: {self.whole():+.3f} nats per token."
        lower, upper = bootstrap(whole, self.settings["resamples"], self.settings["seed"], items, difference=True)
        amount = f"{self.whole():+.3f} {bracketed(lower, upper, '+.3f')} nats per token over {len(whole)} examples"
        if not self.gained():
            return f"The tuned model is not shown to gain anything over the base, so no part has a share (n={n}). Gain: {amount}."
        return f"{self._main_finding(n)} The whole gain is {amount}. {self._details()}"

    def _main_finding(self, n: int) -> str:
        """At most 25 words, of `n` items, where there is a gain."""
        raise NotImplementedError

    def _details(self) -> str:
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
    >>> rows = [(item, place, loss) for place, loss in (("embed", 2.0), ("0", 1.25), ("1", 1.0)) for item in "abcdefgh"]
    >>> table = pd.DataFrame(rows, columns=["item", "place", "loss"]).assign(line="tuned below", base=2.0, tuned=1.0)
    >>> made_by = Signature("entry", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 8))
    >>> EntryReport(table, made_by, settings={"resamples": 10, "seed": 0}).summary()["share"].tolist()
    [0.0, 0.75, 1.0]
    """

    question = "At which layer does the gain of tuning arise?"
    measure = "entry"
    axis = "layer of the residual stream at which the models are joined"

    def _main_finding(self, n: int) -> str:
        gains, whole, _ = self._gains
        below = self._of_line("tuned below")
        sure = np.flatnonzero(self._sure(gains[:, below] - 0.5 * whole[:, None]))
        if not len(sure):
            return f"The tuned model gains, but no layer of its stream is shown to hold over half of that (n={n})."
        layer = self._cells["place"][below[sure[0]]]
        where = "at the embedding" if layer == "embed" else f"by layer {layer}"
        return f"Over half of the tuned model's gain is in its residual stream {where} (n={n})."

    def _details(self) -> str:
        gains, whole, items = self._gains
        below = self._of_line("tuned below")
        _, rows = choose_on_half(gains[:, below], self.settings["seed"], items)
        choosing = np.setdiff1d(np.arange(len(whole)), rows)
        half = gains[np.ix_(choosing, below)].mean(axis=0) >= 0.5 * whole[choosing].mean()
        if not half.any() or not len(choosing):
            return "On half of the items no layer reaches half of it: the tuned layers above are needed too."
        first = np.zeros(gains[:, below].shape)
        first[:, np.flatnonzero(half)[0]] = 1.0
        said = _said(*self._chosen(below, first))
        return f"The base continues from the first layer that reaches half of it on half of the items: {said}."


class BlocksReport(HybridReport):
    """The gain of the base model with the tuned weights of one part, and of the tuned model without them. See `HybridReport`.

    Example
    -------
    The embedding alone gives three quarters of the gain, and a quarter is left without it:

    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> cells = [("base + 1", "embed", 1.25), ("base + 1", "0", 1.75), ("tuned - part", "embed", 1.75), ("tuned - part", "0", 1.25)]
    >>> rows = [(item, *cell) for cell in cells for item in "abcdefgh"]
    >>> table = pd.DataFrame(rows, columns=["item", "line", "place", "loss"]).assign(base=2.0, tuned=1.0)
    >>> made_by = Signature("blocks", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 8))
    >>> summary = BlocksReport(table, made_by, settings={"resamples": 10, "seed": 0}).summary()
    >>> summary[summary["place"] == "embed"][["line", "share"]].values.tolist()
    [['base + 1', 0.75], ['tuned - part', 0.25]]
    """

    question = "Which part's weights carry the gain of tuning?"
    measure = "blocks"
    axis = "part whose weights are exchanged"

    @property
    def _alone(self) -> str:
        """The line of single parts: the last of those that add to the base."""
        return next(line for line in reversed(self._cells["line"].unique().tolist()) if line.startswith("base"))

    def _main_finding(self, n: int) -> str:
        sure = self._sure(self._gains[0][:, self._of_line(self._alone)])
        if not sure.any():
            return f"The tuned model gains, but no single part's weights are shown to give any of it alone (n={n})."
        return f"The tuned weights of {int(sure.sum())} of {len(sure)} parts lower the loss by themselves (n={n})."

    def _details(self) -> str:
        gains = self._gains[0]
        added, removed = self._of_line(self._alone), self._of_line("tuned - part")
        most, least = _said(*self._chosen(added, gains[:, added])), _said(*self._chosen(removed, -gains[:, removed]))
        how = "Chosen on half of the items, with their share on the others"
        return f"{how}: most alone ({self._alone}) {most}; least remains without {least}."


class RowsReport(HybridReport):
    """The gain of the base model with nested sets of tuned embedding rows. See `HybridReport`.

    `settings["sizes"]` has the number of rows of each set, by "line|place".

    Example
    -------
    Half of the rows, the most frequent ones, give three quarters of the gain; as many random rows give a quarter:

    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> cells = [("most frequent", "50%", 1.25), ("random rows", "50%", 1.75), ("group", "shared", 1.5)]
    >>> rows = [(item, *cell) for cell in cells for item in "abcdefgh"]
    >>> table = pd.DataFrame(rows, columns=["item", "line", "place", "loss"]).assign(base=2.0, tuned=1.0)
    >>> made_by = Signature("rows", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 8))
    >>> settings = {"resamples": 10, "seed": 0, "sizes": {"most frequent|50%": 8, "random rows|50%": 8}}
    >>> print(RowsReport(table, made_by, settings=settings).verdict().partition(". ")[0])
    The most frequent moved rows carry more of the gain than as many random ones (n=8)
    """

    question = "How many embedding rows carry the gain of tuning?"
    measure = "rows"
    axis = "share of the moved rows of this text"

    def lines(self) -> pd.DataFrame:
        """The nested sets; groups of tokens are not nested."""
        return self._summary[self._summary["line"] != "group"]

    def _main_finding(self, n: int) -> str:
        gains = self._gains[0]
        places = self._cells["place"]
        frequent, random = (self._of_line(line) for line in ("most frequent", "random rows"))
        random = np.array([next(cell for cell in random if places[cell] == places[own]) for own in frequent])
        smaller = [
            row for row, (own, other) in enumerate(zip(frequent, random, strict=True)) if (gains[:, own] != gains[:, other]).any()
        ]
        if not smaller or not self._sure(gains[:, frequent[smaller]] - gains[:, random[smaller]]).any():
            return f"The tuned model gains; frequent rows are not shown to carry more of that than random ones (n={n})."
        return f"The most frequent moved rows carry more of the gain than as many random ones (n={n})."

    def _details(self) -> str:
        rows = self._summary.set_index(["line", "place"])
        frequent = rows.loc["most frequent"]
        half = frequent[frequent["share"] >= 0.5]
        place = (frequent if half.empty else half).index[-1 if half.empty else 0]
        size, control = self.settings["sizes"][f"most frequent|{place}"], rows.loc[("random rows", place), "share"]
        told = (
            f"The {size} most frequent moved rows give {frequent.loc[place, 'share']:.0%} of it, {size} random ones {control:.0%}"
        )
        groups = rows.loc["group"] if "group" in rows.index.get_level_values(0) else rows.head(0)
        by_group = ", ".join(f"{name} {share:.0%}" for name, share in groups["share"].items())
        return told + (f"; by group: {by_group}." if by_group else ".")


def _said(place: str, share: float, lower: float, upper: float) -> str:
    return f"{place} {share:.0%} {bracketed(lower, upper, '.0%')}"
