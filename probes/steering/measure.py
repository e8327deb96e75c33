"""Can a direction make the model write another language, and does taking the language out stop it? Beside random directions.

An edit fitted on some sentences is put into the running model while it goes on from others, at several strengths. Each text is
scored by its language, by what it keeps of the meaning (chrF++ against the translation) and by how odd the untouched
model finds it. A strength is compared with random directions of the same norm (subspaces of the same rank): what any
such push does.

When the number misleads: a text that repeats itself has a low perplexity, so read it with the fidelity. Read the curve, not
its best strength. Scripts tell languages apart only where they differ; for others give an identifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from torch import Tensor
from tqdm.auto import tqdm

from interp.activations.spans import Template
from interp.activations.store import Activations
from interp.generation.generate import generate
from interp.generation.score import score
from interp.interventions.steering import Edit, edited
from interp.languages import language
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.vocabulary.spelling import scripts_of
from probes.linear.erasure import Method, fit_erasers, language_vectors, random_vectors
from probes.report import Report, with_receipts
from probes.statistics.resampling import bootstrap
from probes.translation.text_scores import in_script, item_scores, overlap_counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["steer", "leace", "lsar"]
METRICS = {"language": "texts in the target language", "fidelity": "fidelity (chrF++)", "surprise": "surprise (nats a token)"}
_FITTED = "language"


@dataclass(frozen=True)
class SubspaceReport(Report):
    """One row a strength `alpha`, `direction` (the fitted one, or `random 0` ..) and sentence: the text written, its scores."""

    question: ClassVar[str] = "Does a direction or subspace carry the language of what the model writes?"

    def summary(self) -> pd.DataFrame:
        """One row a metric and strength, random directions as `baseline` (with their bounds), and `excess` over them."""
        return pd.DataFrame(
            [self._row(metric, alpha, at) for metric in METRICS for alpha, at in self.table.groupby("alpha", sort=True)]
        )

    def _row(self, metric: str, alpha: float, at: pd.DataFrame) -> dict:
        wide = at.pivot(index="item", columns="direction", values=metric)
        own, random = wide[_FITTED].to_numpy(), wide.drop(columns=_FITTED).mean(axis=1).to_numpy()
        values = np.stack([own, random, own - random], axis=1)
        ends = bootstrap(values, self.settings["resamples"], self.settings["seed"], self._clusters(at))
        (lower, upper), mean = ends, np.nanmean(values, axis=0)
        told = {"metric": metric, "edit": f"alpha {alpha:g}", "alpha": alpha, "n": len(own)}
        names = (
            ("estimate", "lower", "upper"),
            ("baseline", "random_lower", "random_upper"),
            ("excess", "excess_lower", "excess_upper"),
        )
        return told | {
            name: found[k] for k, three in enumerate(names) for name, found in zip(three, (mean, lower, upper), strict=True)
        }

    def _clusters(self, at: pd.DataFrame) -> np.ndarray | None:
        return at.drop_duplicates("item").set_index("item").sort_index()["document"].to_numpy() if "document" in at else None

    def verdict(self) -> str:
        rows = self.summary().set_index(["metric", "alpha"])
        hits = rows.loc["language"]
        sure = hits[hits["excess_lower"] > 0]
        before, target = hits.loc[0.0, "estimate"], self.settings["target"]
        if sure.empty:
            return (
                f"No strength makes the model write {target} more than random directions do: {hits['estimate'].max():.0%} at most, "
                f"{before:.0%} untouched, {hits['baseline'].max():.0%} random."
            )
        alpha = sure.index[0]
        kept, odd = (rows.loc[(name, alpha), "estimate"] for name in ("fidelity", "surprise"))
        clean, usual = (rows.loc[(name, 0.0), "estimate"] for name in ("fidelity", "surprise"))
        return (
            f"From strength {alpha:g} the model writes {target} in {_interval(sure.iloc[0])} of texts (untouched {before:.2f}, "
            f"random directions {sure['baseline'].iloc[0]:.2f}), at fidelity {kept:.1f} (untouched {clean:.1f}) and surprise "
            f"{odd:.2f} (untouched {usual:.2f}){'' if kept > clean else ': the language, not the meaning'}."
        )

    def figures(self) -> dict[str, Figure]:
        from probes.steering.figures import alpha_curves

        title = f"{self.settings['kind']}: {self.settings['source']} to {self.settings['target']}"
        return {"alpha": alpha_curves(self.summary(), METRICS, title, str(self.signature))}


@with_receipts
def measure_steering(
    model: Any,
    acts: Activations,
    corpus: ParallelCorpus,
    source: str,
    target: str,
    *,
    kind: Kind = "steer",
    layers: Sequence[str] | None = None,
    alphas: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 4.0),
    template: str = "{sentence}\n",
    draws: int = 3,
    max_new_tokens: int = 32,
    identify: Callable[[str], str] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> SubspaceReport:
    """Go on from sentences of `source` under an edit, at several strengths, and see whether the text is `target`.

    `acts` fit the edit and must be of other sentences than `corpus`. `steer` adds alpha times the difference of the language
    means; `leace` and `lsar` move alpha of the way to the erased state. `layers` default to the middle third. `identify` names
    the language code of a text; without it the script decides, and the two languages must differ in it.
    """
    source, target = language(source).code, language(target).code
    alphas = sorted({0.0, *alphas})
    _check(acts, corpus, source, target, identify)
    third = len(acts.layers) // 3
    acts = acts.select(layers=list(layers) if layers else list(acts.layers[third : max(third + 1, 2 * third)]))
    before, after = Template(template).around(language(source))
    prompts = [f"{before}{sentence}{after}" for sentence in corpus[source]]
    directions = {_FITTED: _edits(acts, kind, source, target, None, seed)}
    directions |= {f"random {draw}": _edits(acts, kind, source, target, draw, seed) for draw in range(draws)}

    def scores(edits: Mapping[str, Edit], alpha: float) -> pd.DataFrame:
        with edited(model, {layer: partial(_part, edit=edit, alpha=alpha) for layer, edit in edits.items()}, acts.site):
            texts = generate(model, prompts, max_new_tokens=max_new_tokens)
        return _score(model, prompts, texts, corpus[target], target, identify)

    untouched = scores({}, 0.0)
    frames = [
        (scores(edits, alpha) if alpha else untouched).assign(item=corpus.ids, alpha=float(alpha), direction=name)
        for name, edits in tqdm(directions.items(), desc=kind, unit="direction")
        for alpha in alphas
    ]
    table = pd.concat(frames, ignore_index=True)
    if corpus.documents:
        table["document"] = np.tile(corpus.documents, len(frames))
    settings = {"kind": kind, "source": source, "target": target, "resamples": resamples, "seed": seed}
    shown = {"site": acts.site, "layers": ",".join(acts.layers), "direction": f"{source}>{target}", "draws": draws,
             "fitted": str(acts.signature.corpus), "boot": resamples, "seed": seed}  # fmt: skip
    return SubspaceReport(table, Signature(kind, acts.signature.model, corpus.identity, shown), settings=settings)


def _check(acts: Activations, corpus: ParallelCorpus, source: str, target: str, identify: Callable | None) -> None:
    shared = set(acts.ids) & set(corpus.ids) if acts.signature.corpus.name == corpus.name else set()
    if shared:
        raise ValueError(f"{len(shared)} sentences both fit the edit and try it, {min(shared)!r} among them. Needed: others.")
    if identify is None and scripts_of(source) & scripts_of(target):
        raise ValueError(f"{source} and {target} share a script, which does not tell them apart. Give `identify`.")


def _edits(acts: Activations, kind: Kind, source: str, target: str, draw: int | None, seed: int) -> dict[str, Edit]:
    """The full edit of each layer: fitted, or for a `draw` random of the same norm or rank."""
    if kind == "steer":
        vectors = language_vectors(acts, source, target)
        vectors = vectors if draw is None else random_vectors(vectors, seed + draw)
        return {layer: partial(_add, vector=vector) for layer, vector in vectors.items()}
    method: Method = kind if draw is None else "random"
    states = {code: acts[code] for code in acts.languages}
    return {
        layer: fit_erasers({code: held[row] for code, held in states.items()}, method, seed=seed + (draw or 0))[source]
        for row, layer in enumerate(acts.layers)
    }


def _part(x: Tensor, edit: Edit, alpha: float) -> Tensor:
    return x + alpha * (edit(x) - x)


def _add(x: Tensor, vector: Tensor) -> Tensor:
    return x + vector.to(x)


def _score(
    model: Any, prompts: Sequence[str], texts: Sequence[str], wanted: Sequence[str], target: str, identify: Callable | None
) -> pd.DataFrame:
    hits = [in_script(text, target) if identify is None else float(identify(text) == target) for text in texts]
    said = [row for row, text in enumerate(texts) if text]
    surprise = np.full(len(texts), np.nan)
    if said:
        found = score(model, [prompts[row] for row in said], [texts[row] for row in said])
        surprise[said] = -np.array(found.log_probs) / np.array(found.tokens)
    fidelity = item_scores("chrf", overlap_counts("chrf", texts, wanted, target), target)
    return pd.DataFrame({"text": list(texts), "language": hits, "fidelity": fidelity, "surprise": surprise})


def _interval(row: pd.Series) -> str:
    return f"{row['estimate']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]"
