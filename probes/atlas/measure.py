"""A map of sentences at some depths, PCA beside UMAP, translations joined: to look at, never to argue from.

Beside the map stands what is often argued from it, the correlation between languages of the first joint principal component
(arXiv 2405.13816), with the three things that make it high without any meaning: the length of the sentence (translations of
a long sentence are long, and a mean over T tokens carries a 1/T), the network itself (random weights), and chance.

When it misleads: UMAP's distances between clusters and their sizes mean nothing; the sign of a component is arbitrary, but one
axis serves all languages, so the sign of a correlation is not.
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

from interp.activations.store import Activations, choose_rows
from interp.provenance import Signature
from probes.linear.cross_validation import lengths
from probes.report import Report
from probes.statistics.resampling import bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = "An illustration, never evidence. Distances between UMAP clusters and their sizes mean nothing."


@dataclass(frozen=True)
class AtlasReport(Report):
    """One row a layer, language and sentence: its joint PCA coordinates, `umap1, umap2` at the drawn depths, its length in tokens
    and `random_init`, its first coordinate in an untrained network."""

    question: ClassVar[str] = "What do the sentences look like at each depth, and does length alone explain it?"

    def summary(self) -> pd.DataFrame:
        """One row a layer and pair of languages: Pearson r of the first joint coordinate, shuffled pairs (mean |r|) as `baseline`.

        `partialled` is r after 1/T and log T of both lengths T are regressed out, with its own bounds; `random_init` and
        `random_init_partialled` the same in the untrained network.
        """
        layers = [(str(layer), at.set_index("language")) for layer, at in self.table.groupby("layer", sort=False)]
        cells = [(layer, *pair, at) for layer, at in layers for pair in combinations(self.languages, 2)]
        told = [_told(at.loc[one, "length"].to_numpy(), at.loc[other, "length"].to_numpy()) for _, one, other, at in cells]
        values: dict[str, np.ndarray] = {}
        for name, column in {"": "pca1", "random_init": "random_init"}.items():
            raw = np.stack([np.stack([at.loc[one, column], at.loc[other, column]], axis=1) for _, one, other, at in cells], axis=1)
            partialled = np.stack([_without(raw[:, cell], told[cell]) for cell in range(len(cells))], axis=1)
            values |= {name or "estimate": raw, f"{name}_partialled".strip("_"): partialled}
        found = {name: _correlation(each, np.ones((1, len(each))))[0] for name, each in values.items()}
        for name, prefix in {"estimate": "", "partialled": "partialled_"}.items():
            ends = bootstrap(values[name], self.settings["resamples"], self.settings["seed"], self._clusters(), _correlation)
            found |= dict(zip((f"{prefix}lower", f"{prefix}upper"), ends, strict=True))
        order = np.random.default_rng(self.settings["seed"]).permutation(len(values["estimate"]))
        baseline = [_shuffled(*each.T) for each in values["estimate"][order].swapaxes(0, 1)]
        keys = pd.DataFrame([cell[:3] for cell in cells], columns=["layer", "language", "other"])
        return keys.assign(**found, n=len(order), baseline=baseline)

    def curves(self) -> pd.DataFrame:
        """The mean over pairs of languages at each layer."""
        columns = ["estimate", "lower", "partialled", "random_init", "random_init_partialled", "baseline"]
        return self.summary().groupby("layer", sort=False)[columns].mean().reset_index()

    @property
    def languages(self) -> list[str]:
        return list(self.table["language"].unique())

    def _clusters(self) -> list[str] | None:
        return self.table["document"].iloc[: self.table["item"].nunique()].tolist() if "document" in self.table else None

    def explained_by_length(self) -> list[str]:
        """The layers where more than half of a clear correlation's shared variance (r squared) goes once length is held fixed."""
        curves = self.curves()
        clear = curves["estimate"] > np.maximum(0.2, 2 * curves["baseline"])
        return curves.loc[clear & (curves["partialled"] < curves["estimate"] * 0.5**0.5), "layer"].tolist()

    def verdict(self) -> str:
        curves = self.curves()
        top = curves.loc[curves["estimate"].idxmax()]
        said = f"The first joint component correlates most between languages at layer {top['layer']} "
        said += f"(mean r {top['estimate']:.2f}, shuffled pairs |r| {top['baseline']:.2f}); "
        said += f"with length held fixed {top['partialled']:.2f}"
        if not np.isnan(top["random_init"]):
            said += f", in a random-init network {top['random_init']:.2f} and {top['random_init_partialled']:.2f}"
        if top["layer"] in self.explained_by_length():
            said += ": sentence length explains most of it"
        if top["random_init"] >= top["lower"]:
            said += ": random weights give as much"
        return f"{said}. The maps illustrate and prove nothing."

    def figures(self) -> dict[str, Figure]:
        from probes.atlas.figures import atlas_panels, correlation_curves

        depths = self.table[self.table["layer"].isin(self.settings["depths"])]
        caption = CAPTION.replace(". ", ".\n") + " Lines join translations."
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
    """Draw all sentences of all languages in one plane at some `depths`, and say what the first component owes to length.

    PCA is fitted jointly on all languages at every layer, UMAP
    (cosine) at `depths`, by default the first, middle and last row. `random_init` is the same corpus in an untrained network.
    """
    if len(acts.languages) < 2 or len(acts.ids) < 10:
        raise ValueError(f"{len(acts.languages)} languages of {len(acts.ids)} sentences: needed at least 2 languages of 10.")
    if random_init is not None and (random_init.ids, random_init.layers) != (acts.ids, acts.layers):
        raise ValueError("the random-init activations have other sentences or layers. Capture the same corpus at the same site.")
    last = len(acts.layers) - 1
    drawn = choose_rows(acts.layers, sorted({0, round(last / 2), last}) if depths is None else depths)
    frames = []
    for row, layer in enumerate(tqdm(acts.layers, desc="atlas", unit="layer")):
        x = _stack(acts, row)
        plane = _map(_umap, x, neighbours, seed) if umap and row in drawn else np.full((len(x), 2), np.nan)
        other = _map(_pca, _stack(random_init, row), seed)[:, 0] if random_init else np.full(len(x), np.nan)
        frames.append(_frame(layer, acts, np.column_stack([_map(_pca, x, seed), plane, other])))
    settings = {"depths": [acts.layers[row] for row in drawn], "umap": umap, "seed": seed, "resamples": resamples}
    shown = {**acts.signature.settings, "umap": neighbours if umap else "off", "boot": resamples, "seed": seed}
    signature = Signature("atlas", acts.signature.model, acts.signature.corpus, shown)
    report = AtlasReport(pd.concat(frames, ignore_index=True), signature, settings=settings)
    return AtlasReport(report.table, signature, settings=settings, notes=(CAPTION, *_warnings(report, random_init)))


def _warnings(report: AtlasReport, random_init: Activations | None) -> list[str]:
    notes = []
    if layers := report.explained_by_length():
        at = f"at layer {', '.join(layers)} sentence length explains more than half"
        notes.append(f"WARNING: {at} of what the first component shares between languages (r squared).")
    if random_init is None:
        notes.append("No random-init network beside it: random weights alone can give such correlations.")
    return notes


def _stack(acts: Activations, row: int) -> Float[np.ndarray, "item d_model"]:
    return np.concatenate([acts[code][row].numpy() for code in acts.languages]).astype(np.float64)


def _map(project: Callable, x: Float[np.ndarray, "item d_model"], *how: int) -> Float[np.ndarray, "item 2"]:
    """The plane of a projection; NaN where all states are alike (one token's embedding), of which UMAP would draw the order."""
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


def _told(first: Real[np.ndarray, " item"], second: Real[np.ndarray, " item"]) -> Float[np.ndarray, "item feature"]:
    """What length can tell of either sentence of a pair, linearly: 1/T and log T of both, and a constant."""
    features = [np.ones(len(first))]
    for length in (first, second):
        features += [1 / length, np.log(length)]
    return np.stack(features, axis=1)


def _without(values: Float[np.ndarray, "item column"], told: Float[np.ndarray, "item feature"]) -> Float[np.ndarray, "item column"]:
    return values - told @ np.linalg.lstsq(told, values, rcond=None)[0]


def _correlation(
    values: Float[np.ndarray, "item cell 2"], weights: Float[np.ndarray, "draw item"]
) -> Float[np.ndarray, "draw cell"]:
    """Pearson's r of the two columns of each cell under each weighting of the items."""
    x, y = np.moveaxis(values - values.mean(0), -1, 0)
    share = weights / weights.sum(1, keepdims=True)
    x1, y1, xx, yy, xy = (share @ moment for moment in (x, y, x * x, y * y, x * y))
    scale = np.sqrt(np.maximum(xx - x1**2, 0) * np.maximum(yy - y1**2, 0))
    return np.divide(xy - x1 * y1, scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def _shuffled(first: Float[np.ndarray, " item"], second: Float[np.ndarray, " item"]) -> float:
    """Mean |r| when sentence i stands beside i + s, over all s: what no relation gives at this n, were they in random order."""
    x, y = ((v - v.mean()) / (v.std() or 1) for v in (first, second))
    turned = np.fft.irfft(np.fft.rfft(y) * np.conj(np.fft.rfft(x)), n=len(x)) / len(x)
    return float(np.abs(turned[1:]).mean())
