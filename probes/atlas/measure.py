"""Maps of sentences at some layers, by PCA and UMAP, and the correlation of the first joint component between languages.

The maps illustrate; they are not evidence. What is often inferred from them is measured: the correlation between languages of the
first joint principal component (arXiv 2405.13816). Three controls can make it high without any shared meaning: sentence length
(translations of a long sentence are long, and a mean over T tokens depends on 1/T), a randomly initialised model, and chance.

When it misleads: in UMAP, distances between clusters and their sizes mean nothing. The sign of a component is arbitrary, but all
languages share one axis, so the sign of a correlation is meaningful.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Real
from tqdm.auto import tqdm

from interp.activations.sinks import describe_sinks
from interp.activations.store import Activations, check_random_init, choose_rows
from interp.provenance import Signature
from probes.linear.cross_validation import lengths
from probes.report import Report
from probes.statistics.resampling import bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = "An illustration, not evidence."
_OF_UMAP = " Distances between UMAP clusters and their sizes mean nothing."


@dataclass(frozen=True, repr=False)
class AtlasReport(Report):
    """Coordinates of every sentence, as `measure_atlas` computes them.

    `table` has one row per `layer`, `language` and sentence (`item`): `pca1, pca2`, the joint PCA coordinates; `umap1, umap2`, at
    the drawn layers only; `random_init`, the first PCA coordinate in a randomly initialised model; `length`, in tokens.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=12)
    >>> acts = interp.capture(interp.load("bundled"), corpus, layers=["4"])
    >>> report = probes.measure_atlas(acts, umap=False, resamples=20)
    >>> report.languages, report.table.shape[0]
    (['eng_Latn', 'deu_Latn'], 24)
    """

    question: ClassVar[str] = "What do the sentences look like at each layer, and does sentence length alone explain it?"

    def summary(self) -> pd.DataFrame:
        """One row per layer and pair of languages: `estimate, lower, upper, n, baseline` and the controls.

        `estimate` is Pearson's r of the first joint coordinate, with a 95 % bootstrap confidence interval over sentences or
        documents. `baseline` is the mean |r| of shuffled pairs. `partialled` is r after regressing out 1/T and log T of both
        lengths T, with its own bounds. `random_init` and `random_init_partialled` are the same in a randomly initialised model.
        """
        layers = [(str(layer), at.set_index("language")) for layer, at in self.table.groupby("layer", sort=False)]
        pairs_of_layers = [(layer, *pair, at) for layer, at in layers for pair in combinations(self.languages, 2)]
        features = [
            _length_features(at.loc[first, "length"].to_numpy(), at.loc[second, "length"].to_numpy())
            for _, first, second, at in pairs_of_layers
        ]
        values: dict[str, np.ndarray] = {}
        for name, column in {"": "pca1", "random_init": "random_init"}.items():
            raw = np.stack(
                [np.stack([at.loc[first, column], at.loc[second, column]], axis=1) for _, first, second, at in pairs_of_layers],
                axis=1,
            )
            partialled = np.stack([_residuals(raw[:, cell], features[cell]) for cell in range(len(pairs_of_layers))], axis=1)
            values |= {name or "estimate": raw, f"{name}_partialled".strip("_"): partialled}
        columns = {name: _correlation(pair_values, np.ones((1, len(pair_values))))[0] for name, pair_values in values.items()}
        for name, prefix in {"estimate": "", "partialled": "partialled_"}.items():
            ends = bootstrap(values[name], self.settings["resamples"], self.settings["seed"], self._clusters(), _correlation)
            columns |= dict(zip((f"{prefix}lower", f"{prefix}upper"), ends, strict=True))
        order = np.random.default_rng(self.settings["seed"]).permutation(len(values["estimate"]))
        baseline = [_shuffled(*pair_values.T) for pair_values in values["estimate"][order].swapaxes(0, 1)]
        keys = pd.DataFrame([cell[:3] for cell in pairs_of_layers], columns=["layer", "language", "other"])
        return keys.assign(**columns, n=len(order), baseline=baseline)

    def curves(self) -> pd.DataFrame:
        """The mean size |r| of the columns of `summary` over pairs of languages, at each layer, as the baseline is one of sizes.

        Correlations of opposite sign do not cancel: a joint component may turn one language round. `lower` is the mean over pairs
        of the end of the interval nearer to 0, which is 0 where the interval holds 0; `sure` is the number of pairs where it does
        not, of `pairs`.
        """
        rows = self.summary()
        sizes = rows[["layer"]].copy()
        for name in ("estimate", "partialled", "random_init", "random_init_partialled", "baseline"):
            sizes[name] = rows[name].abs()
        sizes["lower"] = np.maximum(0, np.maximum(rows["lower"], -rows["upper"]))
        sizes["sure"], sizes["pairs"] = (sizes["lower"] > 0).astype(int), 1
        grouped = sizes.groupby("layer", sort=False)
        return grouped.mean().assign(sure=grouped["sure"].sum(), pairs=grouped["pairs"].sum()).reset_index()

    @property
    def languages(self) -> list[str]:
        """FLORES-200 codes, in the order of the table."""
        return list(self.table["language"].unique())

    def _clusters(self) -> list[str] | None:
        return self.table["document"].iloc[: self.table["item"].nunique()].tolist() if "document" in self.table else None

    def explained_by_length(self) -> list[str]:
        """The layers with a clear correlation that loses over half of its variance (r squared) with length partialled out."""
        curves = self.curves()
        clear = curves["estimate"] > np.maximum(0.2, 2 * curves["baseline"])
        return curves.loc[clear & (curves["partialled"] < curves["estimate"] * 0.5**0.5), "layer"].tolist()

    def verdict(self) -> str:
        """At which layer the first joint component correlates most, and whether length or random weights explain it."""
        curves = self.curves()
        top = curves.loc[curves["estimate"].idxmax()]
        n = int(self.summary()["n"].iloc[0])
        if top["sure"] == 0:
            text = f"The first joint component is not shown to correlate between languages at any layer (n={n})"
            highest = f"highest at layer {top['layer']}: mean |r| {top['estimate']:.2f}, shuffled pairs {top['baseline']:.2f}"
            return f"{text}; {highest}. The maps illustrate; they are not evidence."
        text = f"The first joint component correlates most between languages at layer {top['layer']}, "
        text += f"in {top['sure']} of {top['pairs']} pairs for sure (mean |r| {top['estimate']:.2f}, "
        text += f"shuffled pairs {top['baseline']:.2f}, n={n}). With length partialled out it is {top['partialled']:.2f}"
        if not np.isnan(top["random_init"]):
            text += f"; in a randomly initialised model {top['random_init']:.2f} and {top['random_init_partialled']:.2f}"
        if top["layer"] in self.explained_by_length():
            text += ". Sentence length explains most of it"
        if top["random_init"] >= top["lower"]:
            text += ". A randomly initialised model gives as much"
        return f"{text}. The maps illustrate; they are not evidence."

    def figures(self) -> dict[str, Figure]:
        """The maps at the drawn layers, and the correlation over all layers."""
        from probes.atlas.figures import atlas_panels, correlation_curves

        depths = self.table[self.table["layer"].isin(self.settings["depths"])]
        caption = f"{_caption(self.settings['umap'])} Lines join translations."
        panels = atlas_panels(depths, caption, str(self.signature), seed=self.settings["seed"])
        return {"map": panels, "correlation": correlation_curves(self.curves(), str(self.signature))}


def measure_atlas(
    acts: Activations,
    *,
    depths: Sequence[str | int] | None = None,
    random_init: Activations | None = None,
    umap: bool = True,
    neighbours: int = 15,
    seed: int = 0,
    resamples: int = 1000,
) -> AtlasReport:
    """Map the sentences of all languages to one plane, and measure how far length explains the first component.

    Parameters
    ----------
    acts
        Activations of at least 2 languages and 10 sentences, from `interp.capture`. PCA is fitted on all languages jointly, at
        every layer.
    depths
        Layers to draw, by name ("embed", "0", ...) or row number. Default: the first, middle and last.
    random_init
        Activations of the same corpus in a randomly initialised model (`interp.random_init`).
    umap
        Also compute UMAP (cosine distance) at `depths`. It takes most of the time.
    neighbours
        `n_neighbors` of UMAP: larger values show more global structure.
    seed
        Random seed of PCA, UMAP, the shuffled pairs and the bootstrap.
    resamples
        Number of bootstrap resamples.

    Returns
    -------
    `AtlasReport`.

    Raises
    ------
    ValueError
        There are too few languages or sentences, a layer is unknown, or `random_init` has other sentences or layers.

    References
    ----------
    The correlation of the first joint component: arXiv 2405.13816.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=12)
    >>> acts = interp.capture(interp.load("bundled"), corpus, layers=["4"])
    >>> report = probes.measure_atlas(acts, umap=False, resamples=20)
    >>> report.summary()[["layer", "language", "other", "n"]].to_numpy().tolist()
    [['4', 'eng_Latn', 'deu_Latn', 12]]
    """
    if len(acts.languages) < 2 or len(acts.ids) < 10:
        raise ValueError(
            f"got {len(acts.languages)} languages with {len(acts.ids)} sentences, expected at least 2 languages with 10 sentences."
        )
    check_random_init(acts, random_init)
    last = len(acts.layers) - 1
    drawn = choose_rows(acts.layers, sorted({0, round(last / 2), last}) if depths is None else depths)
    frames = []
    for row, layer in enumerate(tqdm(acts.layers, desc="atlas", unit="layer")):
        x = _stack(acts, row)
        plane = _map(_umap, x, neighbours, seed) if umap and row in drawn else np.full((len(x), 2), np.nan)
        other = _map(_pca, _stack(random_init, row), seed)[:, 0] if random_init else np.full(len(x), np.nan)
        frames.append(_frame(layer, acts, np.column_stack([_map(_pca, x, seed), plane, other])))
    settings = {"depths": [acts.layers[row] for row in drawn], "umap": umap, "seed": seed, "resamples": resamples}
    signed = {**acts.signature.settings, "umap": neighbours if umap else "off", "boot": resamples, "seed": seed}
    signature = Signature("atlas", acts.signature.model, acts.signature.corpus, signed)
    report = AtlasReport(pd.concat(frames, ignore_index=True), signature, settings=settings)
    notes = (_caption(umap), *_warnings(report, random_init), *describe_sinks(acts))
    return AtlasReport(report.table, signature, settings=settings, notes=notes)


def _caption(umap: bool) -> str:
    return CAPTION + (_OF_UMAP if umap else "")


def _warnings(report: AtlasReport, random_init: Activations | None) -> list[str]:
    notes = []
    if layers := report.explained_by_length():
        where = f"at layer {', '.join(layers)}, sentence length explains more than half"
        notes.append(f"WARNING: {where} of the variance that the first component shares between languages (r squared).")
    if random_init is None:
        notes.append("No randomly initialised model was measured: random weights alone can give such correlations.")
    return notes


def _stack(acts: Activations, row: int) -> Float[np.ndarray, "item d_model"]:
    return np.concatenate([acts[code][row].numpy() for code in acts.languages]).astype(np.float64)


def _map(project: Callable[..., np.ndarray], x: Float[np.ndarray, "item d_model"], *how: int) -> Float[np.ndarray, "item 2"]:
    """Project to a plane; NaN if all activations are equal (as embeddings of one token are), where UMAP would draw their order."""
    return project(x, *how) if np.ptp(x, axis=0).max() > 1e-6 * np.abs(x).max() else np.full((len(x), 2), np.nan)


def _pca(x: Float[np.ndarray, "item d_model"], seed: int) -> Float[np.ndarray, "item 2"]:
    from sklearn.decomposition import PCA

    return PCA(2, random_state=seed).fit_transform(x)


def _umap(x: Float[np.ndarray, "item d_model"], neighbours: int, seed: int) -> Float[np.ndarray, "item 2"]:
    from umap import UMAP

    return UMAP(n_neighbors=min(neighbours, len(x) - 1), metric="cosine", random_state=seed, n_jobs=1).fit_transform(x)


def _frame(layer: str, acts: Activations, columns: np.ndarray) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([[layer], acts.languages, acts.ids], names=["layer", "language", "item"])
    frame = pd.DataFrame(columns, index=index, columns=["pca1", "pca2", "umap1", "umap2", "random_init"]).reset_index()
    frame["length"] = np.concatenate([lengths(acts, code) for code in acts.languages])
    if acts.documents:
        frame["document"] = np.tile(acts.documents, len(acts.languages))
    return frame


def _length_features(first: Real[np.ndarray, " item"], second: Real[np.ndarray, " item"]) -> Float[np.ndarray, "item feature"]:
    """Regressors for the length T of both sentences of a pair: 1/T, log T and a constant."""
    features = [np.ones(len(first))]
    for length in (first, second):
        features += [1 / length, np.log(length)]
    return np.stack(features, axis=1)


def _residuals(
    values: Float[np.ndarray, "item column"], features: Float[np.ndarray, "item feature"]
) -> Float[np.ndarray, "item column"]:
    return values - features @ np.linalg.lstsq(features, values, rcond=None)[0]


def _correlation(
    values: Float[np.ndarray, "item cell 2"], weights: Float[np.ndarray, "draw item"]
) -> Float[np.ndarray, "draw cell"]:
    """Pearson's r of the two columns of each cell, under each weighting of the items."""
    x, y = np.moveaxis(values - values.mean(0), -1, 0)
    share = weights / weights.sum(1, keepdims=True)
    x1, y1, xx, yy, xy = (share @ moment for moment in (x, y, x * x, y * y, x * y))
    scale = np.sqrt(np.maximum(xx - x1**2, 0) * np.maximum(yy - y1**2, 0))
    return np.divide(xy - x1 * y1, scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def _shuffled(first: Float[np.ndarray, " item"], second: Float[np.ndarray, " item"]) -> float:
    """Mean |r| of sentence i with sentence i + s, over all shifts s: chance level for sentences in random order."""
    x, y = ((v - v.mean()) / (v.std() or 1) for v in (first, second))
    shifted = np.fft.irfft(np.fft.rfft(y) * np.conj(np.fft.rfft(x)), n=len(x)) / len(x)
    return float(np.abs(shifted[1:]).mean())
