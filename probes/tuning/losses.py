"""What did the model learn from its tuning data? The loss of every held-out example before and after, and the learning curve."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.provenance import Signature
from interp.tuning import TunedModel
from probes.report import Report
from probes.statistics.resampling import bootstrap, bracketed
from probes.statistics.significance import FEWEST, LEVEL, sign_flip
from probes.tuning.figures import learning_curve, paired_slopes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIGNED = ("form", "learning_rate", "batch", "epochs", "mask", "held_out", "seed")


class TuningReport(Report):
    """What tuning learned, as `measure_tuning` reads it from a tuned model.

    `table` has one row per held-out example (`item`, `direction`): its loss `before` and `after`, in nats per learned token.
    `arrays` hold the learning curve: `step` and `loss` of training, `held_out_step` and `held_out_loss`.

    A token is not the same amount of text in every language, so losses of two languages do not compare. Most of the first drop
    is the prompt's format and the end of text after the answer: tune a copy control with the same steps to see how much.

    Example
    -------
    >>> import interp, probes, tempfile
    >>> from interp.tuning import Recipe, translations, tune
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=8, seed=0)
    >>> mixture = translations(corpus, [("eng_Latn", "deu_Latn")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuned = tune("bundled", mixture, Recipe(steps=1, batch=4, held_out=0.25), f"{folder}/tuned")
    ...     report = probes.measure_tuning(tuned, resamples=10)
    >>> report.summary()[["direction", "n"]].values.tolist()
    [['all', 2], ['eng_Latn>deu_Latn', 2]]
    """

    question = "What did the model learn from its tuning data?"

    def summary(self) -> pd.DataFrame:
        """One row per direction and one for all: held-out loss after (`estimate`), before (`baseline`), and their difference.

        95 % confidence intervals over items (`bootstrap`). Without held-out examples the only row is the last training
        loss, with the first as baseline.
        """
        if not len(self.table):
            loss = self.arrays["loss"]
            return pd.DataFrame([{"direction": "training", "estimate": loss[-1], "lower": np.nan, "upper": np.nan, "n": len(loss),
                                  "baseline": loss[0]}])  # fmt: skip
        parts = [(str(name), part) for name, part in self.table.groupby("direction", sort=False)]
        return pd.DataFrame([self._row(name, part) for name, part in [("all", self.table), *parts]])

    def _row(self, name: str, part: pd.DataFrame) -> dict[str, object]:
        values = part[["after", "before"]].to_numpy()
        values = np.column_stack([values, values[:, 0] - values[:, 1]])
        lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"], part["item"].to_numpy())
        return {"direction": name, "estimate": values[:, 0].mean(), "lower": lower[0], "upper": upper[0], "n": len(part),
                "baseline": values[:, 1].mean(), "difference": values[:, 2].mean(), "difference_lower": lower[2],
                "difference_upper": upper[2]}  # fmt: skip

    def finds(self) -> bool:
        """Whether the verdict claims that the held-out loss changed."""
        return bool(len(self.table)) and self._changed()

    def _changed(self) -> bool:
        """Whether the loss of all held-out examples surely changed (a sign flip over items)."""
        change, items = (self.table["after"] - self.table["before"]).to_numpy(dtype=float), self.table["item"].to_numpy()
        return len(set(items)) >= FEWEST and bool(sign_flip(change, seed=self.settings["seed"], clusters=items) < LEVEL)

    def verdict(self) -> str:
        """How far the held-out loss fell, or without held-out examples the training loss, and how many weights moved."""
        top = self.summary().iloc[0]
        moved = self.settings["moved"]
        weights = f"{moved['tensors']} tensors moved" + (f" ({moved['rows']} embedding rows)" if moved["rows"] else "")
        if top["direction"] == "training":
            return f"Training loss went from {top['baseline']:.3f} to {top['estimate']:.3f}; nothing was held out (n=0). {weights}."
        n = f"(n={self.table['item'].nunique()})"
        change = f"{top['difference']:+.3f} {bracketed(top['difference_lower'], top['difference_upper'], '+.3f')}"
        if not self._changed():
            first = f"The loss of sentences held out from tuning is not shown to change {n}."
            return f"{first} {change} nats per token over {top['n']} examples; {weights}."
        ends = f"from {top['baseline']:.3f} to {top['estimate']:.3f}"
        went = "fell" if top["difference"] < 0 else "rose"
        return f"The loss of sentences held out from tuning {went} {ends} nats per token {n}: {change}; {weights}."

    def figures(self) -> dict[str, Figure]:
        """The learning curve, and the held-out loss of every direction before and after."""
        figures = {"curve": learning_curve(self.curve(), str(self.signature))}
        if len(self.table):
            rows = self.summary().iloc[1:]
            rows = rows.assign(before=rows["baseline"], after=rows["estimate"], lower=rows["difference_lower"])
            rows["upper"] = rows["difference_upper"]
            figures["slopes"] = paired_slopes(
                rows, "Held-out loss by direction", "loss (nats per token)", str(self.signature), "direction"
            )
        return figures

    def curve(self) -> pd.DataFrame:
        """The learning curve: `step, loss` (nats per token) and `part`, for training and held-out examples."""
        parts = [("training", "step", "loss"), ("held out", "held_out_step", "held_out_loss")]
        frames = [pd.DataFrame({"step": self.arrays[x], "loss": self.arrays[y], "part": name}) for name, x, y in parts]
        return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def measure_tuning(tuned: TunedModel, *, resamples: int = 1000, seed: int = 0) -> TuningReport:
    """What did a tuned model learn from its data?

    Parameters
    ----------
    tuned
        A tuned model, from `interp.tuning.tune` or `interp.tuning.TunedModel.load`.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval.
    seed
        Of the resamples.

    Returns
    -------
    TuningReport
        One row per held-out example; notes say which answers were cut and which examples dropped.

    Examples
    --------
    >>> import interp, probes, tempfile
    >>> from interp.tuning import Recipe, translations, tune
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=8, seed=0)
    >>> mixture = translations(corpus, [("eng_Latn", "deu_Latn")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuned = tune("bundled", mixture, Recipe(steps=1, batch=4, held_out=0.25), f"{folder}/tuned")
    ...     len(probes.measure_tuning(tuned, resamples=10).table)
    2
    """
    details, recipe = tuned.details, asdict(tuned.recipe)
    table = pd.DataFrame(details["held_out"] or {name: [] for name in ("id", "item", "source", "target", "before", "after")})
    table["direction"] = table["source"].astype(str) + ">" + table["target"].astype(str)
    history = details["history"]
    columns = {"step": "loss", "held_out_step": "held_out_loss"}
    arrays = {step: np.array([entry["step"] for entry in history if loss in entry]) for step, loss in columns.items()}
    arrays |= {loss: np.array([entry[loss] for entry in history if loss in entry], dtype=float) for loss in columns.values()}
    settings = {"scope": tuned.scope, "steps": tuned.steps} | {name: recipe[name] for name in _SIGNED}
    notes = [f"{details['truncated']} answers were cut at {details['max_length']} tokens"] if details["truncated"] else []
    notes += (
        [f"{len(details['dropped'])} examples were dropped: their prompt alone fills the context"] if details["dropped"] else []
    )
    notes += [f"the embedding tie was treated as {details['tie']!r}"] if details.get("tie", "none") != "none" else []
    moved = {"tensors": len(details["moved"]), "rows": details["moved_rows"]}
    return TuningReport(
        table=table,
        signature=Signature("tune", tuned.parent, tuned.data, settings),
        arrays=arrays,
        settings={"resamples": resamples, "seed": seed, "moved": moved},
        notes=tuple(notes),
    )
