"""What tuning did to the loss: every held-out example before and after, and the learning curve."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.provenance import Signature
from interp.tuning import TunedModel
from probes.report import Report
from probes.statistics.resampling import bootstrap
from probes.tuning.figures import learning_curve, paired_slopes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIGNED = ("template", "learning_rate", "batch", "epochs", "mask", "held_out", "seed")


class TuningReport(Report):
    """One row a held-out example: its loss before and after, in nats a learned token. `arrays` hold the learning curve.

    When it misleads: a token is not the same amount of text in every language, so losses of two languages do not compare;
    and most of a first drop is the prompt's format and the end-of-text after the answer. Tune a copy control with the same
    steps to see how much.
    """

    question = "What did the model learn from its tuning data?"

    def summary(self) -> pd.DataFrame:
        """A row a direction and one for all: held-out loss after (`estimate`), before (`baseline`) and their difference.

        The intervals are over items. Without held-out examples the one row is the last training loss beside the first.
        """
        if not len(self.table):
            loss = self.arrays["loss"]
            return pd.DataFrame([{"direction": "training", "estimate": loss[-1], "lower": np.nan, "upper": np.nan, "n": len(loss),
                                  "baseline": loss[0]}])  # fmt: skip
        parts = [(str(name), part) for name, part in self.table.groupby("direction", sort=False)]
        return pd.DataFrame([self._row(name, part) for name, part in [("all", self.table), *parts]])

    def _row(self, name: str, part: pd.DataFrame) -> dict[str, object]:
        values = part[["after", "before"]].to_numpy()
        both = np.column_stack([values, values[:, 0] - values[:, 1]])
        lower, upper = bootstrap(both, self.settings["resamples"], self.settings["seed"], part["item"].to_numpy())
        return {"direction": name, "estimate": values[:, 0].mean(), "lower": lower[0], "upper": upper[0], "n": len(part),
                "baseline": values[:, 1].mean(), "difference": both[:, 2].mean(), "difference_lower": lower[2],
                "difference_upper": upper[2]}  # fmt: skip

    def verdict(self) -> str:
        top = self.summary().iloc[0]
        moved = self.settings["moved"]
        what = f"{moved['tensors']} tensors moved" + (f" ({moved['rows']} embedding rows)" if moved["rows"] else "")
        if top["direction"] == "training":
            return f"Training loss went from {top['baseline']:.3f} to {top['estimate']:.3f}; nothing was held out. {what}."
        change = f"{top['difference']:+.3f} [{top['difference_lower']:+.3f}, {top['difference_upper']:+.3f}]"
        if not (top["difference_lower"] > 0 or top["difference_upper"] < 0):
            return f"Held-out loss is not distinguishable from before: {change} nats a token over {top['n']} examples. {what}."
        ends = f"from {top['baseline']:.3f} to {top['estimate']:.3f}"
        return f"Held-out loss went {ends} nats a token, {change} over {top['n']} examples; {what}."

    def figures(self) -> dict[str, Figure]:
        found = {"curve": learning_curve(self.curve(), str(self.signature))}
        if len(self.table):
            rows = self.summary().iloc[1:]
            rows = rows.assign(before=rows["baseline"], after=rows["estimate"], lower=rows["difference_lower"])
            rows["upper"] = rows["difference_upper"]
            found["slopes"] = paired_slopes(
                rows, "Held-out loss by direction", "loss (nats a token)", str(self.signature), "direction"
            )
        return found

    def curve(self) -> pd.DataFrame:
        """The learning curve: `step, loss, part` for training and held-out examples."""
        parts = [("training", "step", "loss"), ("held out", "held_out_step", "held_out_loss")]
        frames = [pd.DataFrame({"step": self.arrays[x], "loss": self.arrays[y], "part": name}) for name, x, y in parts]
        return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def measure_tuning(tuned: TunedModel, *, resamples: int = 1000, seed: int = 0) -> TuningReport:
    """A finished tuned model as a report: losses before and after, the learning curve, what was cut and what moved."""
    details, recipe = tuned.details, asdict(tuned.recipe)
    held = details["held_out"]
    table = pd.DataFrame(held or {name: [] for name in ("id", "item", "source", "target", "before", "after")})
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
