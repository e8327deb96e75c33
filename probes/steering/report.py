"""Report of steering: the texts at each strength, how they scored beside random directions, and how the layer was chosen."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from interp.languages import language
from probes.report import Report
from probes.statistics.random_draws import Draws, draws_of, widened
from probes.statistics.resampling import bootstrap, bracketed, known_mean, without_width
from probes.statistics.significance import FEWEST
from probes.steering.choice import choices
from probes.steering.claims import SteeringClaims, steering_claims

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {
    "language": "texts in the target language",
    "plausible": "plausible texts in the target language",
    "repetition": "repeated 3-grams",
    "fidelity": "fidelity (chrF++)",
    "surprise": "surprise (nats per token)",
}
FITTED = "language"
"""Name of the fitted edit."""
_DONE = {
    "steer": "The direction from {source} to {target}",
    "leace": "Erasing the language (LEACE)",
    "lsar": "Erasing the language (LSAR)",
}


class SubspaceReport(Report):
    """Generated texts and their scores at each strength of an edit, as `measure_steering` measures them.

    `table` has one row per `part` ("choose" or "test"), `layer` (the edited layers, joined by commas), strength (`alpha`),
    `direction` ("language", the fitted edit, or "random 0", ...) and sentence (`item`): the generated `text`; `identified`, 1 if it
    is in the target language; `repetition`, the share of its 3-grams that occurred in it before; `language`, 1 if it is in the
    target language and less than half is repetition; `plausible`, 1 if besides it surprises the unedited model less than
    translations of other sentences do; `fidelity`, chrF++ against the translation; `unrelated`, chrF++ against the translations of
    other sentences; `surprise`, the loss under the unedited model in nats per token.

    Example
    -------
    >>> import interp, probes
    >>> from probes.statistics.folds import halves
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=8)
    >>> first, second = halves(corpus, seed=0)
    >>> acts, texts = interp.capture(model, first, layers=["6"]), second.select(limit=2)
    >>> options = {"alphas": [1.0], "draws": 1, "max_new_tokens": 2, "resamples": 10}
    >>> report = probes.measure_steering(model, acts, texts, "eng_Latn", "zho_Hans", layers=["6"], **options)
    >>> report.summary()["alpha"].unique().tolist(), len(report.choice())  # strengths on the test sentences; given, not chosen
    ([0.0, 1.0], 0)
    """

    question: ClassVar[str] = "Does a direction or subspace determine the language that the model writes?"

    def summary(self) -> pd.DataFrame:
        """One row per metric and strength, of the test sentences alone: `estimate, lower, upper, n, baseline`, and the controls.

        `random` is the mean over random directions, at the tested strength only, with bounds `random_lower, random_upper`, and
        `random_highest` the largest mean of one of them. `baseline` is `random`, but for `fidelity` the chrF++ against translations
        of other sentences. `excess` is estimate - baseline, and `gain` is estimate - unedited, with bounds `excess_lower,
        excess_upper, gain_lower, gain_upper`. Bounds are 95 % bootstrap confidence intervals over sentences or documents, and for
        random directions over directions as well.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        tested = self.table[self.table["part"] == "test"]
        unedited = tested[tested["alpha"] == 0].set_index("item").sort_index()
        rows = [
            self._row(metric, alpha, at, unedited[metric].to_numpy(dtype=float))
            for metric in METRICS
            for alpha, at in tested.groupby("alpha", sort=True)
        ]
        return pd.DataFrame(rows)

    def _row(self, metric: str, alpha: float, at: pd.DataFrame, unedited: np.ndarray) -> dict[str, object]:
        wide = at.pivot(index="item", columns="direction", values=metric)
        own, random = wide[FITTED].to_numpy(dtype=float), wide.drop(columns=FITTED).to_numpy(dtype=float)
        span = partial(bootstrap, resamples=self.settings["resamples"], seed=self.settings["seed"], clusters=self._clusters(at))
        lower, upper = span(own)
        row: dict[str, Any] = {
            "metric": metric, "edit": f"alpha {alpha:g}", "alpha": alpha, "n": len(own),
            "estimate": float(known_mean(own)), "lower": float(lower), "upper": float(upper),
        }  # fmt: skip
        drawn = draws_of(known_mean(random)[:, None]) if random.shape[1] else None
        middle = random.mean(axis=1) if drawn else np.full(len(own), np.nan)
        row |= _interval("random", middle, span(middle), drawn) | {"random_highest": float(drawn.highest[0]) if drawn else np.nan}
        if metric == "fidelity":
            other = at[at["direction"] == FITTED].set_index("item")["unrelated"].reindex(wide.index).to_numpy(dtype=float)
            middle, drawn = other, None
        excess, gain = own - middle, own - unedited
        return (
            row
            | {"baseline": float(known_mean(middle))}
            | _interval("excess", excess, span(excess, difference=True), drawn)
            | _interval("gain", gain, span(gain, difference=True), None)
        )

    def _clusters(self, at: pd.DataFrame) -> np.ndarray | None:
        return at.drop_duplicates("item").set_index("item").sort_index()["document"].to_numpy() if "document" in at else None

    def _independent(self) -> int:
        tested = self.table[self.table["part"] == "test"]
        return int(tested["document" if "document" in tested else "item"].nunique())

    @cached_property
    def claims(self) -> SteeringClaims:
        """What is claimed of the tested strength, with the p of each comparison (`probes.steering.claims`)."""
        tested = self.table[self.table["part"] == "test"]
        at = tested[tested["alpha"] == self.settings["alpha"]]
        unedited = tested[tested["alpha"] == 0].set_index("item").sort_index()["language"].to_numpy(dtype=float)
        wide = at.pivot(index="item", columns="direction", values="language")
        fitted = at[at["direction"] == FITTED].set_index("item").sort_index()
        return steering_claims(
            wide[FITTED].to_numpy(dtype=float),
            unedited,
            wide.drop(columns=FITTED).to_numpy(dtype=float),
            (fitted["fidelity"] - fitted["unrelated"]).to_numpy(dtype=float),
            self._clusters(at),
            self.settings["seed"],
        )

    def finds(self) -> bool:
        """Whether the verdict claims that the edit makes the model write the language."""
        return self.claims.writes

    def choice(self) -> pd.DataFrame:
        """How each layer and strength did on the sentences that chose among them, the best first: `probes.steering.choice.choices`.

        Empty where the layers and one strength were given.
        """
        chosen = self.table[self.table["part"] == "choose"]
        return choices(chosen) if len(chosen) else chosen.head(0)

    def verdict(self) -> str:
        """Whether the edit makes the model write the target language more than random directions do, at the chosen strength.

        It is tested on other sentences than those that chose the layer and the strength. Then what it costs: repetition, surprise
        and the meaning.
        """
        rows = self._summary.set_index(["metric", "alpha"])
        alpha = self.settings["alpha"]
        names = [language(self.settings[side]).name.partition(" (")[0] for side in ("source", "target")]
        at, before = (rows.xs(strength, level="alpha") for strength in (alpha, 0.0))
        hits = at.loc["language"]
        start = f"{_DONE[self.settings['kind']].format(source=names[0], target=names[1])} {_where(self.settings['layers'])}"
        share = f"{hits['estimate']:.0%} of texts, random directions {hits['random']:.0%} (n={hits['n']})"
        shown = "makes the model write" if self.claims.writes else "is not shown to make the model write"
        first = f"{start} {shown} {names[1]}: {share}."
        if (sentences := self._independent()) < FEWEST:
            first = f"With {sentences} sentences (or documents) nothing is claimed, {FEWEST} are needed. {start}: {share}."
        return " ".join((first, self._compared(hits), self._chosen(), self._cost(at, before)))

    def _compared(self, hits: pd.Series) -> str:
        count = self.settings["draws"]
        return (
            f"At strength {self.settings['alpha']:g}, {_span(hits, 'estimate', 'lower', 'upper')} are in the language and no "
            f"repetition: {_beyond(hits, 'excess')} {count} random directions within the model's own differences (the highest "
            f"{hits['random_highest']:.2f}), {_beyond(hits, 'gain')} the unedited model. {self.claims.said()}"
        )

    def _chosen(self) -> str:
        table = self.choice()
        if not len(table):
            return "Layer and strength were given."
        layers, alphas = table["layer"].nunique(), table["alpha"].nunique()
        what = "Layer and strength" if layers > 1 and alphas > 1 else "The layer" if layers > 1 else "The strength"
        return f"{what} chosen on {table['n'].iloc[0]} other sentences, of {layers} x {alphas} (layers x strengths)."

    def _cost(self, at: pd.DataFrame, before: pd.DataFrame) -> str:
        fidelity, plausible, repeated = (at.loc[name] for name in ("fidelity", "plausible", "repetition"))
        meaning = "some of the meaning is kept" if self.claims.keeps_meaning else "the meaning is not shown to be kept"
        return (
            f"Plausible besides: {plausible['estimate']:.2f} (less surprising than an unrelated sentence of the language, "
            f"{self.settings['bar']:.1f} nats per token). Fidelity: chrF++ {_span(fidelity, 'estimate', 'lower', 'upper')}, "
            f"against translations of other sentences {fidelity['baseline']:.2f}, unedited {before.loc['fidelity', 'estimate']:.2f}"
            f": {meaning}. Repeated 3-grams: {repeated['estimate']:.2f} (unedited {before.loc['repetition', 'estimate']:.2f})."
        )

    def figures(self) -> dict[str, Figure]:
        """Each metric over the strength of the edit, on the test sentences; and how the layer and the strength were chosen."""
        from probes.steering.figures import alpha_curves, choice_map

        settings = self.settings
        title = f"{settings['kind']}: {settings['source']} to {settings['target']}, {_where(settings['layers'])}"
        drawn = {"alpha": alpha_curves(self._summary, METRICS, settings["alpha"], title, str(self.signature), self.finds())}
        if len(table := self.choice()):
            title = f"Which layer and strength? Chosen on {table['n'].iloc[0]} sentences"
            drawn["choice"] = choice_map(table, settings["order"], title, str(self.signature))
        return drawn


def _interval(name: str, values: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], drawn: Draws | None) -> dict[str, float]:
    """The mean of `values` over items with its interval, over other random directions as well where there are some."""
    estimate, lower, upper = (np.atleast_1d(part) for part in (known_mean(values), *bounds))
    if drawn is not None and drawn.number > 1:
        alike = np.isnan(lower) & (np.isfinite(values).sum(axis=0) > 1)  # items that do not differ leave no interval of their own
        lower, upper = np.where(alike, estimate, lower), np.where(alike, estimate, upper)
        lower, upper = without_width(*widened(estimate, lower, upper, drawn))
    return {name: float(estimate[0]), f"{name}_lower": float(lower[0]), f"{name}_upper": float(upper[0])}


def _span(row: pd.Series, name: str, lower: str = "", upper: str = "") -> str:
    return f"{row[name]:.2f} {bracketed(row[lower or f'{name}_lower'], row[upper or f'{name}_upper'], '.2f')}"


def _beyond(row: pd.Series, name: str) -> str:
    """A difference in words: "0.21 [0.10, 0.32] above", or "below" with both bounds turned round."""
    if row[name] < 0:
        return f"{-row[name]:.2f} {bracketed(-row[f'{name}_upper'], -row[f'{name}_lower'], '.2f')} below"
    return f"{_span(row, name)} above"


def _where(layers: list[str]) -> str:
    if layers == ["embed"]:
        return "at the embeddings"
    if len(layers) > 3:
        return f"at {len(layers)} layers"
    return f"at block{'s' if len(layers) > 1 else ''} {','.join(layers)}"
