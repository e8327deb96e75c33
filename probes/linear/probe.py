"""What a straight line can read: linear probes, trained in one language and tried in every other, sentence by sentence.

Beside each score stand what it must beat: the majority class, the same probe with shuffled labels (Hewitt & Liang 2019),
the same probe on a random-init network, and the same probe after the language is taken out (`probes.linear.erasure`).

When the number misleads: language identity is near 1 in any network, from the tokens alone. Read the gap to the random-init
network and the shape over layers, never the height. Readable is not used: only an intervention shows use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float
from tqdm.auto import tqdm

from interp.activations.store import Activations
from interp.provenance import Signature
from probes.item_values import ItemColumns
from probes.linear.cross_validation import Clouds, Kind, Target, cross_validate, majority, shuffle, targets_of
from probes.linear.erasure import Method
from probes.report import Report
from probes.statistics.folds import split
from probes.statistics.resampling import bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTROLS = ("majority", "shuffled", "random_init", "erased")
_CELL = ["layer", "source", "target"]


@dataclass(frozen=True)
class ProbeReport(Report):
    """Held-out score of every sentence in every cell of layer x training language x test language.

    `score` is 1 where the probe is right (for a number: its share in R2, so that the mean over sentences is R2), and
    `majority, shuffled, random_init, erased` are the same sentence's score under each control.
    """

    question: ClassVar[str] = "What can a linear probe read at each layer, and does it carry from one language to another?"
    item_columns = ItemColumns("item", ("source", "target"), value="score", measure=None)

    def summary(self) -> pd.DataFrame:
        """One row a cell, the majority class as `baseline`; `selectivity` is the score less that with shuffled labels."""
        cells, values = _grid(self.table, ["score", *CONTROLS])
        lower, upper = bootstrap(values["score"], self.settings["resamples"], self.settings["seed"], self._clusters())
        means = {name: values[name].mean(0) for name in CONTROLS}
        estimate = values["score"].mean(0)
        return cells.assign(estimate=estimate, lower=lower, upper=upper, n=len(values["score"]), baseline=means["majority"],
                            selectivity=estimate - means["shuffled"],
                            **{name: means[name] for name in CONTROLS[1:]})  # fmt: skip

    def curves(self) -> pd.DataFrame:
        """Layer by layer, over cells of one kind: `within` a language, `across` languages (for language identity, `all`)."""
        cells, values = _grid(self.table, ["score", *CONTROLS])
        kind = np.select([cells["source"] == "all", cells["source"] == cells["target"]], ["all", "within"], "across")
        rows = []
        for (layer, name), members in cells.groupby([cells["layer"], pd.Series(kind, name="kind")], sort=False).groups.items():
            mean = {column: values[column][:, members].mean(1) for column in values}
            lower, upper = bootstrap(mean["score"], self.settings["resamples"], self.settings["seed"], self._clusters())
            rows.append({"layer": layer, "kind": name, "estimate": mean["score"].mean(), "lower": float(lower),
                         "upper": float(upper), "n": len(mean["score"]), "baseline": mean["majority"].mean(),
                         **{name: mean[name].mean() for name in CONTROLS[1:]}})  # fmt: skip
        return pd.DataFrame(rows)

    def matrix(self, layer: str) -> pd.DataFrame:
        """Mean score at one layer: a row for each training language, a column for each test language."""
        found = self.table[self.table["layer"] == layer]
        if found.empty:
            raise ValueError(f"layer {layer!r}: needed one of {', '.join(self.table['layer'].unique())}.")
        return found.pivot_table(index="source", columns="target", values="score", sort=False)

    def peak(self) -> str:
        """The layer where the probe reads best inside a language; of layers that are equal to the second decimal, best across."""
        wide = self.curves().pivot(index="layer", columns="kind", values="estimate")
        own = wide["all" if "all" in wide else "within"].round(2)
        return str(wide.get("across", wide.iloc[:, 0])[own == own.max()].idxmax())

    def verdict(self) -> str:
        curves, layer, name = self.curves().set_index(["layer", "kind"]), self.peak(), self.settings["target"]
        at = curves.loc[layer]
        own = at.loc["all" if "all" in at.index else "within"]
        unit, floor = ("R2", "the mean") if self.settings["kind"] == "number" else ("accuracy", "the majority")
        said = f"{name} is read" if own["lower"] > max(own["baseline"], own["shuffled"]) else f"{name} is NOT read above chance"
        said += (
            f", best of {self.table['layer'].nunique()} layers at {layer}: {unit} {_interval(own)}, against {own['baseline']:.2f} "
        )
        said += f"for {floor} and {own['shuffled']:.2f} with shuffled labels"
        if "across" in at.index:
            said += f"; trained in one language and tried in another {_interval(at.loc['across'])}"
        return f"{said}{self._against_random(layer)}{self._after_erasure(own)}."

    def _against_random(self, layer: str) -> str:
        at = self.table[self.table["layer"] == layer]
        if at["random_init"].isna().all():
            return "; no random-init network was measured, so the tokens alone may give it away"
        _, values = _grid(at, ["score", "random_init"])
        gap = (values["score"] - values["random_init"]).mean(1)
        lower, upper = (float(end) for end in bootstrap(gap, self.settings["resamples"], self.settings["seed"], self._clusters()))
        much = "more than" if lower > 0 else "less than" if upper < 0 else "no more than"
        return f"; over all cells of that layer {gap.mean():+.2f} [{lower:+.2f}, {upper:+.2f}], {much} a random-init network"

    def _after_erasure(self, own: pd.Series) -> str:
        if np.isnan(own["erased"]):
            return ""
        return f"; {own['erased']:.2f} is left after {self.settings['erase']}"

    def _clusters(self) -> list[str] | None:
        if "document" not in self.table:
            return None
        return self.table["document"].iloc[: self.table["item"].nunique()].tolist()

    def figures(self) -> dict[str, Figure]:
        from probes.linear.figures import probe_curves, transfer_matrices

        unit = "R²" if self.settings["kind"] == "number" else "accuracy"
        curves = probe_curves(self.curves(), self.settings["target"], unit, self.settings["erase"], str(self.signature))
        layers = list(self.table["layer"].unique())
        matrices = {layer: self.matrix(layer) for layer in layers}
        return {"curves": curves, "matrices": transfer_matrices(matrices, self.settings["target"], unit, str(self.signature))}


def measure_probes(
    acts: Activations,
    target: Target = "language",
    *,
    name: str = "given labels",
    random_init: Activations | None = None,
    erase: Method | None = "leace",
    folds: int = 5,
    seed: int = 0,
    resamples: int = 1000,
) -> ProbeReport:
    """Train a linear probe in each language and try it in every language, at every layer, on held-out sentences.

    `target` is `language` (one probe for all languages, recall of each), `length` in tokens, a label of the corpus by name, or
    labels themselves: one a sentence, or one number a sentence and language (`name` says what). Standardised; logistic
    regression with L2 C=1, or ridge with its strength chosen on the training sentences. Folds are of sentences, or documents
    where known, so that no translation of a training sentence is tested. `random_init` is the same corpus through an
    untrained network (`interp.random_init`).
    """
    if random_init is not None and (random_init.ids, random_init.layers) != (acts.ids, acts.layers):
        raise ValueError("the random-init activations have other sentences or layers. Capture the same corpus at the same site.")
    kind, targets = targets_of(acts, target, folds)
    name = target if isinstance(target, str) else name
    erase = erase if len(acts.languages) > 1 else None
    classes = next(iter(targets.values())).tolist() if kind == "class" else None
    parts = split(acts.documents or acts.ids, folds, seed, classes)
    shuffled = shuffle(targets, kind, seed)
    frames = []
    for row, layer in enumerate(tqdm(acts.layers, desc=f"probe {name}", unit="layer")):
        clouds = _clouds(acts, row)
        scores = {
            "score": cross_validate(clouds, targets, kind, parts),
            "majority": majority(targets, kind, parts),
            "shuffled": cross_validate(clouds, shuffled, kind, parts),
            "random_init": cross_validate(_clouds(random_init, row), targets, kind, parts) if random_init else None,
            "erased": cross_validate(clouds, targets, kind, parts, erase) if erase else None,
        }
        frames.append(_frame(layer, acts, kind, scores))
    settings = {"target": name, "kind": kind, "erase": erase, "folds": folds, "resamples": resamples, "seed": seed}
    shown = {**acts.signature.settings, "erase": erase, "folds": folds, "boot": resamples, "seed": seed}
    signature = Signature(f"probe:{name}", acts.signature.model, acts.signature.corpus, shown)
    return ProbeReport(pd.concat(frames, ignore_index=True), signature, settings=settings, notes=_notes(kind, random_init))


def _notes(kind: Kind, random_init: Activations | None) -> tuple[str, ...]:
    notes = []
    if random_init is None:
        notes.append("No random-init network beside it: what the tokens alone give away is not known.")
    if kind == "language":
        notes.append("Any network tells languages apart by their tokens. Read the gap to the random-init network, not the height.")
    return tuple(notes)


def _clouds(acts: Activations, row: int) -> Clouds:
    return {code: acts[code][row].double().numpy() for code in acts.languages}


def _frame(layer: str, acts: Activations, kind: Kind, scores: dict) -> pd.DataFrame:
    sources = ("all",) if kind == "language" else acts.languages
    shape = (len(sources), len(acts.languages), len(acts.ids))
    index = pd.MultiIndex.from_product([[layer], sources, acts.languages, acts.ids], names=[*_CELL, "item"])
    columns = {name: np.broadcast_to(np.nan if score is None else score, shape).ravel() for name, score in scores.items()}
    frame = pd.DataFrame(columns, index=index, dtype=np.float32).reset_index()
    if acts.documents:
        frame["document"] = np.tile(acts.documents, len(frame) // len(acts.ids))
    return frame


def _grid(table: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, dict[str, Float[np.ndarray, "item cell"]]]:
    """The cells of a table and, by column, every sentence's value in each. Rows stand cell by cell, as `_frame` wrote them."""
    n = table["item"].nunique()
    cells = table[_CELL].iloc[::n].reset_index(drop=True)
    return cells, {column: table[column].to_numpy(float).reshape(-1, n).T for column in columns}


def _interval(row: pd.Series) -> str:
    return f"{row['estimate']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]"
