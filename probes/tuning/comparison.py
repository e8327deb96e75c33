"""What tuning changed: two reports that differ in nothing but the model, paired item by item."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.provenance import CorpusIdentity, Signature
from probes.report import Report
from probes.statistics.resampling import bootstrap, holm, sign_flip
from probes.tuning.comparable import CELL, read_values
from probes.tuning.figures import difference_curves, difference_dots, paired_slopes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BY_DESIGN = frozenset({"model"})
_ITEMS = {"NeuronReport": ("Firing rates are paired neuron by neuron: their intervals speak of neurons, not of sentences.",)}


class ChangeReport(Report):
    """One row an item and cell: `before`, `after` and their difference `value`.

    A cell is a measure, a language (or pair), a series and a layer; `layer` is empty for what has none. Items are paired: the
    same sentence, the same question, in both models.

    When it misleads: a gain that the format alone gives is in here too, so compare with a format-tuned control as well; and
    chrF++ and BLEU are differences of items' own scores here, not of corpus scores.
    """

    question = "What did tuning change?"

    def summary(self) -> pd.DataFrame:
        """One row a cell: mean difference with its interval, `baseline` (before), `after`, `p` and Holm's `p_holm`.

        Intervals and p (paired sign flip) are over items, or documents where the text names them; Holm over all cells of one
        measure, layers and languages together. With m flips no p is below 1/(m+1): raise them where cells are many.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        found = [self._measure(part) for _, part in self.table.groupby("measure", sort=False)]
        return pd.concat(found, ignore_index=True)

    def _measure(self, part: pd.DataFrame) -> pd.DataFrame:
        part = part.dropna(subset=["value"])
        keys = pd.MultiIndex.from_frame(part[CELL])
        cells = keys.unique()
        grids = {}
        for column in ("before", "after", "value"):
            wide = pd.Series(part[column].to_numpy(), [part["item"], cells.get_indexer(keys)])
            grids[column] = wide.unstack().reindex(columns=range(len(cells)))
        items = grids["value"].index
        documents = part.drop_duplicates("item").set_index("item")["document"][items].to_numpy() if "document" in part else None
        values, how = grids["value"].to_numpy(dtype=float), self.settings
        lower, upper = bootstrap(values, how["resamples"], how["seed"], documents)
        p = sign_flip(values, how["flips"], how["seed"], documents)
        numbers = {"estimate": np.nanmean(values, 0), "lower": lower, "upper": upper, "n": (~np.isnan(values)).sum(0),
                   "baseline": grids["before"].mean().to_numpy(), "after": grids["after"].mean().to_numpy(), "p": p,
                   "p_holm": holm(p)}  # fmt: skip
        return cells.to_frame(index=False).assign(**numbers)

    def verdict(self) -> str:
        frame = self._summary
        found = []
        for measure, part in frame.groupby("measure", sort=False):
            clear = part[part["p_holm"] < 0.05]
            if clear.empty:
                found.append(f"{measure}: no cell of {len(part)} differs")
                continue
            top = clear.loc[clear["estimate"].abs().idxmax()]
            up, down = int((clear["estimate"] > 0).sum()), int((clear["estimate"] < 0).sum())
            where = " ".join(filter(None, (top["language"], top["series"], top["layer"] and f"layer {top['layer']}")))
            found.append(f"{measure}: {up} cells up and {down} down of {len(part)}, most in {where} with {_signed(top)}")
        return f"After tuning (Holm-corrected, over {frame['n'].max()} items): {'; '.join(found)}."

    def figures(self) -> dict[str, Figure]:
        """For each measure: difference curves over layers, or without layers paired slopes and differences by language."""
        found: dict[str, Figure] = {}
        for measure, part in self._summary.groupby("measure", sort=False):
            part, line = part.assign(name=_named), str(self.signature)
            layered, flat = part[part["layer"] != ""], part[part["layer"] == ""]
            title, key = f"After minus before: {measure}", str(measure).replace(" ", "-")
            if len(layered):
                found[f"{key}-curves"] = difference_curves(layered, title, "difference", line, "name")
            if len(flat):
                slopes = flat.rename(columns={"baseline": "before"})
                found[f"{key}-slopes"] = paired_slopes(slopes, f"Before and after: {measure}", str(measure), line, "name")
                found[f"{key}-differences"] = difference_dots(flat, title, f"difference in {measure}", line, "name")
        return found


def compare_reports(before: Report, after: Report, *, resamples: int = 1000, flips: int = 10_000, seed: int = 0) -> ChangeReport:
    """What changed between two reports of one instrument on two models, paired item by item?

    Raises `ValueError`, naming the first field, where the reports differ in more than the model, in kind, or in their items.
    """
    if type(before) is not type(after):
        raise ValueError(f"{type(before).__name__} and {type(after).__name__} came. Needed: two reports of one kind.")
    for field, (one, other) in before.signature.differences(after.signature).items():
        if field not in _BY_DESIGN:
            raise ValueError(
                f"the reports differ in more than the model: {field} is {one!r} before and {other!r} after. "
                f"Run both with the same {field}."
            )
    table, lost = _pair(read_values(before), read_values(after))
    how = {**before.signature.settings, "before": str(before.signature.model), "flips": flips}
    return ChangeReport(
        table=table,
        signature=Signature(f"change of {before.signature.measure}", after.signature.model, before.signature.corpus, how),
        settings={"resamples": resamples, "flips": flips, "seed": seed},
        notes=tuple(dict.fromkeys((*before.notes, *lost, *_ITEMS.get(type(before).__name__, ())))),
    )


def join_changes(reports: Mapping[str, ChangeReport]) -> ChangeReport:
    """Several instruments' changes as one report: each measure carries its instrument's name."""
    if len(reports) == 1:
        return next(iter(reports.values()))
    frames = [report.table.assign(measure=f"{name} " + report.table["measure"].astype(str)) for name, report in reports.items()]
    first = next(iter(reports.values()))
    how = {"before": first.signature.settings["before"], "with": "+".join(reports), "flips": first.settings["flips"]}
    return ChangeReport(
        table=pd.concat(frames, ignore_index=True),
        signature=Signature("change", first.signature.model, _joined([each.signature.corpus for each in reports.values()]), how),
        settings=first.settings,
        notes=tuple(dict.fromkeys(note for report in reports.values() for note in report.notes)),
    )


def _joined(corpora: Sequence[CorpusIdentity]) -> CorpusIdentity:
    """What several instruments were given, as one: the smallest number of items, and a hash of the hashes."""
    distinct = list(dict.fromkeys(corpora))
    if len(distinct) == 1:
        return distinct[0]
    digest = hashlib.sha256("".join(each.sha for each in distinct).encode()).hexdigest()
    return CorpusIdentity("+".join(each.name for each in distinct), digest, min(each.n for each in distinct))


def _pair(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    keys = [*CELL, "item"]
    both = before.rename(columns={"value": "before"}).merge(after[[*keys, "value"]].rename(columns={"value": "after"}), on=keys)
    if both.empty:
        raise ValueError("the reports have no item in common. Needed: the same items, layers and languages in both.")
    missing = len(before) + len(after) - 2 * len(both)
    lost = (
        [f"{missing} values stand in one report only (items that one model could not be asked) and are left out"] if missing else []
    )
    return both.assign(value=both["after"] - both["before"]), lost


def _named(frame: pd.DataFrame) -> pd.Series:
    """The language of a cell, with its series where it has one."""
    return frame["language"].where(frame["series"] == "", frame["language"] + " " + frame["series"]).str.strip()


def _signed(row: pd.Series) -> str:
    return f"{row['estimate']:+.3g} [{row['lower']:+.3g}, {row['upper']:+.3g}]"
