"""Linear probes, trained in one language and tested in every language, with a score for every sentence.

Each score has four controls: the majority class, the same probe with shuffled labels (Hewitt & Liang 2019), the same probe on a
randomly initialised model, and the same probe after language erasure (`probes.linear.erasure`).

When the number misleads: language identity is near 1 in any network, from the tokens alone. Read the difference from the randomly
initialised model and the shape over layers, not the height. What a probe can read the model need not use: only an intervention
shows use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from interp.activations.sinks import describe_sinks
from interp.activations.store import Activations, check_random_init
from interp.provenance import Signature
from probes.item_values import ItemColumns
from probes.linear.claims import Height, ProbeClaims, height, probe_claims
from probes.linear.cross_validation import Clouds, Kind, Target, cross_validate, majority, shuffle, targets_of
from probes.linear.erasure import Method
from probes.report import Report
from probes.statistics.folds import split
from probes.statistics.layer_runs import runs_of, say_runs
from probes.statistics.resampling import bootstrap, bracketed
from probes.statistics.significance import FEWEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTROLS = ("majority", "shuffled", "random_init", "erased")
_CELL = ["layer", "source", "target"]


@dataclass(frozen=True, repr=False)
class ProbeReport(Report):
    """Held-out scores of linear probes, as `measure_probes` measures them.

    `table` has one row per `layer`, training language (`source`), test language (`target`) and sentence (`item`). `score` is 1 if
    the probe is right, else 0 (for a number, the contribution to R2, such that the mean over sentences is R2). `majority, shuffled,
    random_init, erased` are the scores of the same sentence under each control. Layers are rows of the residual stream ("embed",
    "0", ...) or blocks ("0", ...).

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=12)
    >>> acts = interp.capture(interp.load("bundled"), corpus, layers=["4"])
    >>> report = probes.measure_probes(acts, "language", erase=None, folds=2, resamples=20)
    >>> report.peak()
    '4'
    """

    question: ClassVar[str] = "What can a linear probe read at each layer, and does it transfer to other languages?"
    item_columns = ItemColumns("item", ("source", "target"), value="score", measure=None)

    def summary(self) -> pd.DataFrame:
        """One row per layer, training language and test language: `estimate, lower, upper, n, baseline` and the controls.

        The bounds are a 95 % bootstrap confidence interval over sentences or documents. `baseline` is the majority class.
        `selectivity` is the score minus the score with shuffled labels.
        """
        cells, values = _grid(self.table, ["score", *CONTROLS])
        lower, upper = bootstrap(values["score"], self.settings["resamples"], self.settings["seed"], self._clusters())
        means = {name: values[name].mean(0) for name in CONTROLS}
        estimate = values["score"].mean(0)
        return cells.assign(estimate=estimate, lower=lower, upper=upper, n=len(values["score"]), baseline=means["majority"],
                            selectivity=estimate - means["shuffled"],
                            **{name: means[name] for name in CONTROLS[1:]})  # fmt: skip

    def curves(self) -> pd.DataFrame:
        """The mean score at each layer by `kind`: `within` a language, `across` languages (for language identity, `all`).

        The columns are those of `summary`, and `above_chance`: whether the verdict says so of that layer (`probes.linear.claims`).
        """
        claims, rows = self.claims, []
        for kind, mean in self._kinds.items():
            lower, upper = bootstrap(mean["score"], self.settings["resamples"], self.settings["seed"], self._clusters())
            rows.append(pd.DataFrame({
                "layer": self.layers, "kind": kind, "estimate": mean["score"].mean(0), "lower": lower, "upper": upper,
                "n": len(mean["score"]), "baseline": mean["majority"].mean(0),
                **{name: mean[name].mean(0) for name in CONTROLS[1:]}, "above_chance": claims.above[kind],
            }))  # fmt: skip
        frame = pd.concat(rows)
        return frame.sort_values("layer", key=lambda names: names.map(self.layers.index), kind="stable").reset_index(drop=True)

    @cached_property
    def _kinds(self) -> dict[str, dict[str, Float[np.ndarray, "item layer"]]]:
        """The score and the controls of every item at every layer, means over the languages of each kind; the main kind first."""
        cells, values = _grid(self.table, ["score", *CONTROLS])
        kind = np.select([cells["source"] == "all", cells["source"] == cells["target"]], ["all", "within"], "across")
        shape = (len(values["score"]), len(self.layers), -1)
        return {
            str(name): {column: values[column][:, kind == name].reshape(shape).mean(2) for column in values}
            for name in sorted(pd.unique(kind), reverse=True)
        }

    @property
    def layers(self) -> list[str]:
        """The names of the layers."""
        return list(self.table["layer"].unique())

    @cached_property
    def claims(self) -> ProbeClaims:
        """At which layers the score is above chance, and above or below a randomly initialised network."""
        return probe_claims(self._kinds, self._clusters(), self.settings["seed"])

    def finds(self) -> bool:
        """Whether the verdict claims that anything is read above chance, or otherwise than in a randomly initialised network."""
        random = [claim for claim in (self.claims.above_random, self.claims.below_random) if claim is not None]
        return any(bool(claim.any()) for claim in (*self.claims.above.values(), *random))

    def height(self, kind: str | None = None) -> Height:
        """The score at the best layer, chosen on one half of the sentences and measured on the other; `kind` as in `curves`."""
        score = self._kinds[kind or next(iter(self._kinds))]["score"]
        return height(score, self._clusters(), self.settings["seed"], self.settings["resamples"])

    def matrix(self, layer: str) -> pd.DataFrame:
        """Mean score at one `layer` (by name): a row for each training language, a column for each test language."""
        rows = self.table[self.table["layer"] == layer]
        if rows.empty:
            raise ValueError(f"got layer {layer!r}, expected one of {', '.join(self.table['layer'].unique())}.")
        return rows.pivot_table(index="source", columns="target", values="score", sort=False)

    def peak(self) -> str:
        """The layer with the best score within languages; if several agree to two decimals, the best of these across languages."""
        wide = self.curves().pivot(index="layer", columns="kind", values="estimate")
        own = wide["all" if "all" in wide else "within"].round(2)
        return str(wide.get("across", wide.iloc[:, 0])[own == own.max()].idxmax())

    def verdict(self) -> str:
        """Whether the target can be read above chance, and at which layer best; then the score there and its controls.

        Above chance is above the majority class and above shuffled labels, with one correction for all layers, kinds of languages
        and controls. Of several layers one is chosen on one half of the sentences, and the score is that of the other half.
        """
        top, kinds = self.height(), self._kinds
        kind = next(iter(kinds))
        name, n, layer = self.settings["target"], len(kinds[kind]["score"]), self.layers[top.layer]
        unit, floor = ("R2", "the mean") if self.settings["kind"] == "number" else ("accuracy", "the majority class")
        at = {column: float(values[top.items, top.layer].mean()) for column, values in kinds[kind].items()}
        above, only = self.claims.above[kind], len(self.layers) == 1
        if self._units() < FEWEST:
            first = f"With {self._units()} sentences (or documents) nothing is claimed of {name}: at least {FEWEST} are needed."
        elif above[top.layer]:
            best = f"{'' if only else ', best'} at layer {layer}"
            first = f"A linear probe reads {name} above chance{best}: {unit} {top.estimate:.2f} (n={n})."
        elif above.any():  # elsewhere than at the layer that one half chose
            first = f"A linear probe reads {name} above chance {say_runs(runs_of(above), self.layers)} (n={n})."
        else:
            where = f"at layer {layer}" if only else f"at any of {len(self.layers)} layers"
            first = f"A linear probe is not shown to read {name} above chance {where} (n={n})."
        chosen, measured = ("", "") if only else (", chosen on one half of the sentences,", f" on the other half (n={top.n})")
        text = (
            f"{first} Layer {layer}{chosen} has {unit} {top.estimate:.2f} "
            f"{bracketed(top.lower, top.upper, '.2f')}{measured}; {floor} has {at['majority']:.2f}, shuffled "
            f"labels {at['shuffled']:.2f}."
        )
        return text + self._elsewhere(top) + self._against_random(top) + self._after_erasure(at["erased"])

    def _elsewhere(self, top: Height) -> str:
        """Probes trained in one language and tested in another, at the same layer."""
        if "across" not in self._kinds:
            return ""
        own = self._kinds["across"]["score"][top.items, top.layer]
        lower, upper = self._bounds(own, top)
        claimed = "above chance" if self.claims.above["across"][top.layer] else "not distinguishable from chance"
        return (
            f" Trained in one language and tested in another it has {own.mean():.2f} {bracketed(lower, upper, '.2f')}, {claimed}."
        )

    def _against_random(self, top: Height) -> str:
        more, less = self.claims.above_random, self.claims.below_random
        if more is None or less is None:
            return " No randomly initialised model was measured, so the tokens alone may explain the score."
        own = next(iter(self._kinds.values()))
        gap = (own["score"] - own["random_init"])[top.items, top.layer]
        lower, upper = self._bounds(gap, top, difference=True)
        result = "more than" if more[top.layer] else "less than" if less[top.layer] else "not distinguishable from"
        return (
            f" There the score is {result} that of a randomly initialised model "
            f"({gap.mean():+.2f} {bracketed(lower, upper, '+.2f')})."
        )

    def _bounds(self, values: np.ndarray, top: Height, difference: bool = False) -> tuple[float, float]:
        clusters = self._clusters()
        own = None if clusters is None else np.asarray(clusters)[top.items]
        resamples, seed = self.settings["resamples"], self.settings["seed"]
        lower, upper = bootstrap(values, resamples, seed, own, difference=difference)
        return float(lower), float(upper)

    def _after_erasure(self, erased: float) -> str:
        return "" if np.isnan(erased) else f" After language erasure ({self.settings['erase']}) it is {erased:.2f}."

    def _units(self) -> int:
        return int(self.table["document" if "document" in self.table else "item"].nunique())

    def _clusters(self) -> list[str] | None:
        if "document" not in self.table:
            return None
        return self.table["document"].iloc[: self.table["item"].nunique()].tolist()

    def figures(self) -> dict[str, Figure]:
        """Scores over layers with their controls, and maps of training language by test language."""
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
    """Train a linear probe in each language, and test it in every language on held-out sentences, at every layer.

    Parameters
    ----------
    acts
        Activations from `interp.capture`.
    target
        What to predict: `language` (one probe on all languages, whose recall is reported by language), `length` in tokens, the name
        of a label of the corpus, one label per sentence, or for each language one number per sentence.
    name
        Name of the target, if labels or numbers are given.
    random_init
        Activations of the same corpus in a randomly initialised model (`interp.random_init`). Without them the report cannot say
        what the tokens alone explain.
    erase
        Method of language erasure of the last control, or None for no such control (`fit_erasers`).
    folds
        Number of cross-validation folds. Folds are of documents if the corpus has them, else of sentences, so that a translation
        of a training sentence is never tested.
    seed
        Random seed of the folds, the shuffled labels and the bootstrap.
    resamples
        Number of bootstrap resamples.

    Returns
    -------
    `ProbeReport`.

    Raises
    ------
    ValueError
        The target cannot be probed (`targets_of`), or `random_init` has other sentences or layers.

    Notes
    -----
    Activations are standardised. Classes use logistic regression with L2 penalty (C = 1), numbers ridge regression with its
    strength chosen on the training sentences. Selectivity is defined by Hewitt & Liang (2019), "Designing and Interpreting Probes
    with Control Tasks".

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=12)
    >>> acts = interp.capture(interp.load("bundled"), corpus, layers=["4"])
    >>> report = probes.measure_probes(acts, "language", erase=None, folds=2, resamples=20)
    >>> bool(report.summary()["estimate"].min() > 0.5)
    True
    """
    check_random_init(acts, random_init)
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
    signed = {**acts.signature.settings, "erase": erase, "folds": folds, "boot": resamples, "seed": seed}
    signature = Signature(f"probe:{name}", acts.signature.model, acts.signature.corpus, signed)
    return ProbeReport(
        pd.concat(frames, ignore_index=True),
        signature,
        settings=settings,
        notes=(*_notes(kind, random_init), *describe_sinks(acts)),
    )


def _notes(kind: Kind, random_init: Activations | None) -> tuple[str, ...]:
    notes = []
    if random_init is None:
        notes.append("No randomly initialised model was measured: what the tokens alone explain is not known.")
    if kind == "language":
        notes.append(
            "The tokens alone tell languages apart. Read the difference from a randomly initialised model, not the height."
        )
    return tuple(notes)


def _clouds(acts: Activations, row: int) -> Clouds:
    return {code: acts[code][row].double().numpy() for code in acts.languages}


def _frame(layer: str, acts: Activations, kind: Kind, scores: Mapping[str, ArrayLike | None]) -> pd.DataFrame:
    sources = ("all",) if kind == "language" else acts.languages
    shape = (len(sources), len(acts.languages), len(acts.ids))
    index = pd.MultiIndex.from_product([[layer], sources, acts.languages, acts.ids], names=[*_CELL, "item"])
    columns = {name: np.broadcast_to(np.nan if score is None else score, shape).ravel() for name, score in scores.items()}
    frame = pd.DataFrame(columns, index=index, dtype=np.float32).reset_index()
    if acts.documents:
        frame["document"] = np.tile(acts.documents, len(frame) // len(acts.ids))
    return frame


def _grid(table: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, dict[str, Float[np.ndarray, "item cell"]]]:
    """The cells of a table and, by column, the value of every sentence in each. Rows are ordered cell by cell, as in `_frame`."""
    n = table["item"].nunique()
    cells = table[_CELL].iloc[::n].reset_index(drop=True)
    return cells, {column: table[column].to_numpy(float).reshape(-1, n).T for column in columns}
