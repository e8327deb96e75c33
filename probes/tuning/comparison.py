"""What did tuning change? Two reports that differ in nothing but the model, paired item by item."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from interp.provenance import CorpusIdentity, Signature
from probes.item_values import CELL
from probes.report import Report
from probes.statistics.layer_runs import capitalised
from probes.statistics.resampling import bootstrap, bracketed
from probes.statistics.significance import LEVEL, max_statistic, sign_flip
from probes.tuning.figures import difference_curves, difference_dots, paired_slopes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAY_DIFFER = frozenset({"model"})
_HOW = "At most one comparison in twenty without any change has such a cell ({flips} sign flips of all cells together)."


class ChangeReport(Report):
    """What differs between two reports of one kind on two models, as `compare_reports` pairs them.

    `table` has one row per item and cell: its value `before` and `after`, and their difference `value`. A cell is a `measure`, a
    `language` (or pair), a `series` and a `layer`; `layer` is empty for a report without layers. Each item (sentence, question) is
    paired with itself in the other model.

    A gain from learning the prompt's format is in here too, so compare with a format-tuned control as well. chrF++ and BLEU
    are differences of items' own scores here, not of corpus scores.

    Example
    -------
    >>> import numpy as np, probes
    >>> from interp.activations.store import Activations
    >>> noise = np.random.default_rng(0)
    >>> states = {code: noise.normal(size=(2, 20, 8)).astype("float32") for code in ("eng_Latn", "deu_Latn")}
    >>> report = probes.measure_alignment(Activations.from_arrays(states), "eng_Latn", ("mexa",))
    >>> change = probes.compare_reports(report, report)
    >>> float(change.table["value"].abs().max())
    0.0
    """

    question = "What did tuning change?"
    differs: ClassVar[str] = "changed"
    moves: ClassVar[tuple[str, str]] = ("rises", "falls")
    """How the verdict says that a cell is another, and that it is higher and lower after than before."""

    def summary(self) -> pd.DataFrame:
        """One row per cell: mean difference with its 95 % confidence interval, `baseline` (before), `after`, and p.

        Intervals and p (paired sign flips) are of the cell alone, over items, or documents where the text names them. `p_max` is
        corrected for all cells of all measures together, by the largest of them in each flip (Westfall & Young 1993): its
        resolution is 1 / (flips + 1) however many cells there are. `changed` is p_max below 0.05.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        measured = self.table.dropna(subset=["value"])
        parts = [self._described(part) for _, part in measured.groupby("measure", sort=False)]
        frame = pd.concat(parts, ignore_index=True)
        p = max_statistic(self._by_unit(measured, frame), self.settings["flips"], self.settings["seed"])
        return frame.assign(p_max=p, changed=p < LEVEL)

    def _described(self, part: pd.DataFrame) -> pd.DataFrame:
        """The cells of one measure, each by itself."""
        keys = pd.MultiIndex.from_frame(part[CELL])
        cells = keys.unique()
        grids: dict[str, pd.DataFrame] = {}  # item by cell
        for column in ("before", "after", "value"):
            wide = pd.Series(part[column].to_numpy(), [part["item"], cells.get_indexer(keys)])
            grids[column] = wide.unstack().reindex(columns=range(len(cells)))
        items = grids["value"].index
        documents = part.drop_duplicates("item").set_index("item")["document"][items].to_numpy() if "document" in part else None
        documents = None if documents is None or pd.isna(documents).any() else documents
        values, settings = grids["value"].to_numpy(dtype=float), self.settings
        lower, upper = bootstrap(values, settings["resamples"], settings["seed"], documents, difference=True)
        p = sign_flip(values, settings["flips"], settings["seed"], documents)
        numbers = {"estimate": np.nanmean(values, 0), "lower": lower, "upper": upper, "n": (~np.isnan(values)).sum(0),
                   "baseline": grids["before"].mean().to_numpy(), "after": grids["after"].mean().to_numpy(), "p": p}  # fmt: skip
        return cells.to_frame(index=False).assign(**numbers)

    @staticmethod
    def _by_unit(measured: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray:
        """The summed differences of every item, or document where known, in every cell of `frame`: what is flipped together."""
        units = measured["item"].astype(str)
        if "document" in measured:
            units = measured["document"].where(measured["document"].notna(), units).astype(str)
        columns = pd.MultiIndex.from_frame(frame[CELL]).get_indexer(pd.MultiIndex.from_frame(measured[CELL]))
        sums = measured["value"].groupby([units.to_numpy(), columns]).sum().unstack()
        return sums.reindex(columns=range(len(frame))).to_numpy(dtype=float)

    def finds(self) -> bool:
        """Whether the verdict claims that any cell changed."""
        return bool(self._summary["changed"].any())

    def verdict(self) -> str:
        """How many cells changed in any measure, then for each measure in how many it rises and falls, and where most."""
        frame, n = self._summary, self._summary["n"].max()
        if frame["after"].eq(0).all() and frame["baseline"].eq(0).all():
            return f"Neither model got anything right, so this run cannot show a change (n={n})."
        changed, limit = int(frame["changed"].sum()), self._too_few(frame)
        if limit:
            return f"With {n} items nothing can be claimed about {len(frame)} cells. {limit}"
        if not changed:
            differs = f"{self._nothing()} that {n} items can show, in any of {len(frame)} cells."
            return f"{differs} {_HOW.format(flips=self.settings['flips'])}"
        measures = frame.loc[frame["changed"], "measure"].nunique()
        where = f", in {measures} of {frame['measure'].nunique()} measures" if frame["measure"].nunique() > 1 else ""
        first = f"{self._some(changed, len(frame))} significantly{where} (n={n})."
        parts = dict(iter(frame.groupby("measure", sort=False)))
        details = "; ".join(_told(str(measure), part, self.moves) for measure, part in parts.items() if part["changed"].any())
        same = [str(measure) for measure, part in parts.items() if not part["changed"].any()]
        rest = f" No cell {self.differs} significantly in {', '.join(same)}." if same else ""
        return f"{first} {capitalised(details)}.{rest} {_HOW.format(flips=self.settings['flips'])}"

    def _nothing(self) -> str:
        return "Tuning changed nothing"

    def _some(self, changed: int, cells: int) -> str:
        return f"Tuning changed {changed} of {cells} cells"

    def _too_few(self, frame: pd.DataFrame) -> str:
        """Why no cell can be found changed, whatever its values; empty where one can."""
        units = (
            int(frame["n"].max()) if "document" not in self.table else self.table["document"].fillna(self.table["item"]).nunique()
        )
        least = max(2.0 ** (1 - units), 1 / (self.settings["flips"] + 1))
        return (
            "" if least < LEVEL else f"{units} items or documents and {self.settings['flips']} flips give no p below {least:.2g}."
        )

    def figures(self) -> dict[str, Figure]:
        """For each measure: curves of the difference over layers, or without layers paired slopes and differences by language."""
        figures: dict[str, Figure] = {}
        for measure, part in self._summary.groupby("measure", sort=False):
            part, signature = part.assign(name=_curve_names), str(self.signature)
            layered, flat = part[part["layer"] != ""], part[part["layer"] == ""]
            title, key = f"After minus before: {measure}", str(measure).replace(" ", "-")
            if len(layered):
                figures[f"{key}-curves"] = difference_curves(layered, title, "difference", signature, "name")
            if len(flat):
                slopes = flat.rename(columns={"baseline": "before"})
                figures[f"{key}-slopes"] = paired_slopes(slopes, f"Before and after: {measure}", str(measure), signature, "name")
                figures[f"{key}-differences"] = difference_dots(flat, title, f"difference in {measure}", signature, "name")
        return figures


class DifferenceReport(ChangeReport):
    """What differs between two reports of one kind of which neither is known to be of the other's model after tuning.

    A `ChangeReport` in all but its words: two finished runs, or two models that were tuned apart. `before` is the first.

    Example
    -------
    >>> import numpy as np, probes
    >>> from interp.activations.store import Activations
    >>> noise = np.random.default_rng(0)
    >>> states = {code: noise.normal(size=(2, 20, 8)).astype("float32") for code in ("eng_Latn", "deu_Latn")}
    >>> report = probes.measure_alignment(Activations.from_arrays(states), "eng_Latn", ("mexa",))
    >>> probes.compare_reports(report, report, between="runs").verdict()[:37]
    'Between the two runs nothing differs '
    """

    question = "What differs between the two?"
    differs = "differs"
    moves = ("is higher in the second", "lower")

    def _nothing(self) -> str:
        return f"Between the two {self.settings['between']} nothing differs"

    def _some(self, changed: int, cells: int) -> str:
        return f"Between the two {self.settings['between']} {changed} of {cells} cells differ"


def compare_reports(
    before: Report,
    after: Report,
    *,
    resamples: int = 1000,
    flips: int = 10_000,
    seed: int = 0,
    between: Literal["tuning", "models", "runs"] = "tuning",
) -> ChangeReport:
    """What changed between two reports of one kind on two models, paired item by item?

    Parameters
    ----------
    before
        A report on the model before tuning, measured or loaded from a run folder.
    after
        The same report on the tuned model. The signatures may differ in the model alone.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval.
    flips
        Sign flips of the paired permutation test. No p is below 1 / (flips + 1), however many cells there are.
    seed
        Of the resamples and the flips.
    between
        What stands between the two, for the words of the verdict: "tuning", of one into the other; else two "models" or "runs".

    Returns
    -------
    ChangeReport
        One row per item and cell with its value before, after, and their difference; a `DifferenceReport` but for "tuning".

    Raises
    ------
    ValueError
        Where the reports are of two kinds, of a kind without values of single items, differ in more than the model (the first
        such field is named), or have no item in common.

    Examples
    --------
    A model does not differ from itself:

    >>> import numpy as np, probes
    >>> from interp.activations.store import Activations
    >>> noise = np.random.default_rng(0)
    >>> states = {code: noise.normal(size=(2, 20, 8)).astype("float32") for code in ("eng_Latn", "deu_Latn")}
    >>> report = probes.measure_alignment(Activations.from_arrays(states), "eng_Latn", ("mexa",))
    >>> float(probes.compare_reports(report, report).summary()["estimate"].abs().max())
    0.0
    """
    if type(before) is not type(after):
        raise ValueError(f"got {type(before).__name__} and {type(after).__name__}, expected two reports of one kind.")
    values = before.item_values(), after.item_values()
    for field, (old, new) in before.signature.differences(after.signature).items():
        if field not in _MAY_DIFFER:
            raise ValueError(
                f"the reports differ in more than the model: {field} is {old!r} before and {new!r} after. "
                f"Run both with the same {field}."
            )
    table, unpaired = _pair(*values)
    signed = {**before.signature.settings, "before": str(before.signature.model), "flips": flips}
    kind, words = (ChangeReport, {}) if between == "tuning" else (DifferenceReport, {"between": between})
    return kind(
        table=table,
        signature=Signature(f"change of {before.signature.measure}", after.signature.model, before.signature.corpus, signed),
        settings={"resamples": resamples, "flips": flips, "seed": seed, **words},
        notes=tuple(filter(None, dict.fromkeys((*before.notes, unpaired, before.pairing_note)))),
    )


def join_changes(reports: Mapping[str, ChangeReport]) -> ChangeReport:
    """Several changes as one report.

    Parameters
    ----------
    reports
        Changes by the name of what was measured ("align", "lens"), which goes in front of the names of its measures.
        Resamples, flips and seed of the first are used for all.
    """
    if len(reports) == 1:
        return next(iter(reports.values()))
    frames = [report.table.assign(measure=f"{name} " + report.table["measure"].astype(str)) for name, report in reports.items()]
    first = next(iter(reports.values()))
    signed = {"before": first.signature.settings["before"], "with": "+".join(reports), "flips": first.settings["flips"]}
    return type(first)(
        table=pd.concat(frames, ignore_index=True),
        signature=Signature(
            "change", first.signature.model, _joined([change.signature.corpus for change in reports.values()]), signed
        ),
        settings=first.settings,
        notes=tuple(dict.fromkeys(note for report in reports.values() for note in report.notes)),
    )


def _joined(corpora: Sequence[CorpusIdentity]) -> CorpusIdentity:
    """Several corpora as one identity: the smallest number of items, and a hash of the hashes."""
    distinct = list(dict.fromkeys(corpora))
    if len(distinct) == 1:
        return distinct[0]
    digest = hashlib.sha256("".join(corpus.sha for corpus in distinct).encode()).hexdigest()
    return CorpusIdentity("+".join(corpus.name for corpus in distinct), digest, min(corpus.n for corpus in distinct))


def _pair(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The values that stand in both, side by side, and a note on those that stand in one only (empty where there are none)."""
    keys = [*CELL, "item"]
    paired = before.rename(columns={"value": "before"}).merge(after[[*keys, "value"]].rename(columns={"value": "after"}), on=keys)
    if paired.empty:
        raise ValueError(
            "the reports have no item in common, expected the same items, layers and languages. Run both on one corpus."
        )
    unpaired = len(before) + len(after) - 2 * len(paired)
    note = f"{unpaired} values stand in one report only (items that one model could not be asked); these are left out"
    return paired.assign(value=paired["after"] - paired["before"]), note if unpaired else ""


def _curve_names(frame: pd.DataFrame) -> pd.Series:
    """The language of a cell, with its series where it has one."""
    return frame["language"].where(frame["series"] == "", frame["language"] + " " + frame["series"]).str.strip()


def _told(measure: str, part: pd.DataFrame, moves: tuple[str, str]) -> str:
    """In how many cells of one measure the value rose and fell, and where most."""
    sure = part[part["changed"]]
    top = sure.loc[sure["estimate"].abs().idxmax()]
    up, down = int((sure["estimate"] > 0).sum()), int((sure["estimate"] < 0).sum())
    where = " ".join(filter(None, (top["language"], top["series"], top["layer"] and f"layer {top['layer']}")))
    rises, falls = moves
    return f"{measure} {rises} in {up} and {falls} in {down} of {len(part)} cells, most in {where} by {_signed(top)}"


def _signed(row: pd.Series) -> str:
    return f"{row['estimate']:+.3g} {bracketed(row['lower'], row['upper'], '+.3g')}"
