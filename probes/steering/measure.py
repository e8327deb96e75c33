"""Can a direction make the model write another language, and does erasing the language stop it?

An edit is fitted on some sentences and applied to the running model while it continues others, at several strengths. Each generated
text is scored by its language, by its fidelity (chrF++ against the translation) and by its surprise (loss under the unedited
model). The control at each strength are random directions of the same norm, or random subspaces of the same rank.

When the number misleads: a repetitive text has a low surprise, so read it together with the fidelity. Read the whole curve, not its
best strength. By default the script identifies the language, which fails for two languages of one script; then give `identify`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

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

    from interp.models.load import TransformerBridge

Kind = Literal["steer", "leace", "lsar"]
METRICS = {"language": "texts in the target language", "fidelity": "fidelity (chrF++)", "surprise": "surprise (nats a token)"}
_FITTED = "language"


@dataclass(frozen=True)
class SubspaceReport(Report):
    """Generated texts and their scores at each strength of an edit, as `measure_steering` measures them.

    `table` has one row per strength (`alpha`), `direction` ("language", the fitted edit, or "random 0", ...) and sentence (`item`):
    the generated `text`; `language`, 1 if it is in the target language, else 0; `fidelity`, chrF++ against the translation;
    `surprise`, the loss under the unedited model in nats per token.

    Example
    -------
    >>> import interp, probes
    >>> from probes.statistics.folds import halves
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=12)
    >>> first, second = halves(corpus, seed=0)
    >>> report = probes.measure_steering(
    ...     model, interp.capture(model, first), second.select(limit=2), "eng_Latn", "zho_Hans", alphas=[1.0], draws=1,
    ...     max_new_tokens=2, resamples=10,
    ... )
    >>> report.table["direction"].unique().tolist()
    ['language', 'random 0']
    """

    question: ClassVar[str] = "Does a direction or subspace determine the language that the model writes?"

    def summary(self) -> pd.DataFrame:
        """One row per metric and strength: `estimate, lower, upper, n, baseline`.

        `baseline` is the mean over random directions, with bounds `random_lower, random_upper`; `excess` is the difference, with
        bounds `excess_lower, excess_upper`. Bounds are 95 % bootstrap confidence intervals over sentences or documents.
        """
        return pd.DataFrame(
            [self._row(metric, alpha, at) for metric in METRICS for alpha, at in self.table.groupby("alpha", sort=True)]
        )

    def _row(self, metric: str, alpha: float, at: pd.DataFrame) -> dict[str, object]:
        wide = at.pivot(index="item", columns="direction", values=metric)
        own, random = wide[_FITTED].to_numpy(), wide.drop(columns=_FITTED).mean(axis=1).to_numpy()
        values = np.stack([own, random, own - random], axis=1)
        lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"], self._clusters(at))
        mean = np.nanmean(values, axis=0)
        row = {"metric": metric, "edit": f"alpha {alpha:g}", "alpha": alpha, "n": len(own)}
        names = (
            ("estimate", "lower", "upper"),
            ("baseline", "random_lower", "random_upper"),
            ("excess", "excess_lower", "excess_upper"),
        )
        return row | {
            name: column[k] for k, three in enumerate(names) for name, column in zip(three, (mean, lower, upper), strict=True)
        }

    def _clusters(self, at: pd.DataFrame) -> np.ndarray | None:
        return at.drop_duplicates("item").set_index("item").sort_index()["document"].to_numpy() if "document" in at else None

    def verdict(self) -> str:
        """The lowest strength at which the model writes the target language more than under random directions, and its cost."""
        rows = self.summary().set_index(["metric", "alpha"])
        hits = rows.loc["language"]
        above = hits[hits["excess_lower"] > 0]
        before, target = hits.loc[0.0, "estimate"], self.settings["target"]
        if above.empty:
            return (
                f"No strength makes the model write {target} more often than random directions do: in {hits['estimate'].max():.0%} "
                f"of texts at most (unedited {before:.0%}, random directions {hits['baseline'].max():.0%})."
            )
        alpha = above.index[0]
        fidelity, surprise = (rows.loc[(name, alpha), "estimate"] for name in ("fidelity", "surprise"))
        fidelity_before, surprise_before = (rows.loc[(name, 0.0), "estimate"] for name in ("fidelity", "surprise"))
        return (
            f"From strength {alpha:g}, the model writes {target} in {_interval(above.iloc[0])} of texts (unedited {before:.2f}, "
            f"random directions {above['baseline'].iloc[0]:.2f}). The fidelity is {fidelity:.1f} (unedited {fidelity_before:.1f}), "
            f"the surprise {surprise:.2f} (unedited {surprise_before:.2f})."
            f"{'' if fidelity > fidelity_before else ' The edit changes the language but does not translate the meaning.'}"
        )

    def figures(self) -> dict[str, Figure]:
        """Each metric over the strength of the edit."""
        from probes.steering.figures import alpha_curves

        title = f"{self.settings['kind']}: {self.settings['source']} to {self.settings['target']}"
        return {"alpha": alpha_curves(self.summary(), METRICS, title, str(self.signature))}


@with_receipts
def measure_steering(
    model: TransformerBridge,
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
    """Continue sentences of one language under an edit, at several strengths, and measure how often the text is in another.

    Parameters
    ----------
    model
        A model from `interp.load`.
    acts
        Activations that the edit is fitted on, in both languages. They must be of other sentences than `corpus`.
    corpus
        Sentences to continue, in both languages; the translations measure the fidelity.
    source, target
        Language of the prompts and language to steer to, in any spelling.
    kind
        `steer` adds alpha times the difference of the language means. `leace` and `lsar` move the activations by a share alpha
        towards their erased values.
    layers
        Layers to edit, by name ("embed", "0", ...). Default: the middle third of the layers of `acts`.
    alphas
        Strengths of the edit. 0, no edit, is always added.
    template
        Prompt template around a sentence, with {sentence}.
    draws
        Number of random directions (or subspaces) of the control.
    max_new_tokens
        Number of tokens to generate.
    identify
        Function that gives the FLORES-200 code of a text. Default: a text is in the target language if most of its letters are in
        the script of that language, so the two languages must have different scripts.
    seed
        Random seed of the control directions and of the bootstrap.
    resamples
        Number of bootstrap resamples.

    Returns
    -------
    `SubspaceReport`.

    Raises
    ------
    ValueError
        `acts` and `corpus` share sentences, or the languages share a script and `identify` is not given.

    References
    ----------
    Difference-of-means steering: Turner et al. 2023, "Activation Addition", arXiv 2308.10248. The erasing edits: `fit_erasers`.

    Example
    -------
    >>> import interp, probes
    >>> from probes.statistics.folds import halves
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=12)
    >>> first, second = halves(corpus, seed=0)
    >>> acts, texts = interp.capture(model, first), second.select(limit=2)
    >>> report = probes.measure_steering(
    ...     model, acts, texts, "eng_Latn", "zho_Hans", alphas=[1.0], draws=1, max_new_tokens=2, resamples=10
    ... )
    >>> report.table.groupby(["direction", "alpha"]).size().tolist()
    [2, 2, 2, 2]
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
        with edited(model, {layer: partial(_scaled, edit=edit, alpha=alpha) for layer, edit in edits.items()}, acts.site):
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
    signed = {"site": acts.site, "layers": ",".join(acts.layers), "direction": f"{source}>{target}", "draws": draws,
             "fitted": str(acts.signature.corpus), "boot": resamples, "seed": seed}  # fmt: skip
    return SubspaceReport(table, Signature(kind, acts.signature.model, corpus.identity, signed), settings=settings)


def _check(acts: Activations, corpus: ParallelCorpus, source: str, target: str, identify: Callable | None) -> None:
    shared = set(acts.ids) & set(corpus.ids) if acts.signature.corpus.name == corpus.name else set()
    if shared:
        raise ValueError(
            f"got {len(shared)} sentences in both `acts` and `corpus` (such as {min(shared)!r}), expected none. "
            "Fit the edit on other sentences than those it is tested on."
        )
    if identify is None and scripts_of(source) & scripts_of(target):
        raise ValueError(f"got {source} and {target}, which share a script, expected two scripts. For one script give `identify`.")


def _edits(acts: Activations, kind: Kind, source: str, target: str, draw: int | None, seed: int) -> dict[str, Edit]:
    """The edit of each layer at strength 1: the fitted one, or for a `draw` a random one of the same norm or rank."""
    if kind == "steer":
        vectors = language_vectors(acts, source, target)
        vectors = vectors if draw is None else random_vectors(vectors, seed + draw)
        return {layer: partial(_add, vector=vector) for layer, vector in vectors.items()}
    method: Method = kind if draw is None else "random"
    states = {code: acts[code] for code in acts.languages}
    return {
        layer: fit_erasers({code: layers[row] for code, layers in states.items()}, method, seed=seed + (draw or 0))[source]
        for row, layer in enumerate(acts.layers)
    }


def _scaled(x: Tensor, edit: Edit, alpha: float) -> Tensor:
    return x + alpha * (edit(x) - x)


def _add(x: Tensor, vector: Tensor) -> Tensor:
    return x + vector.to(x)


def _score(
    model: TransformerBridge,
    prompts: Sequence[str],
    texts: Sequence[str],
    references: Sequence[str],
    target: str,
    identify: Callable | None,
) -> pd.DataFrame:
    hits = [in_script(text, target) if identify is None else float(identify(text) == target) for text in texts]
    written = [row for row, text in enumerate(texts) if text]
    surprise = np.full(len(texts), np.nan)
    if written:
        scores = score(model, [prompts[row] for row in written], [texts[row] for row in written])
        surprise[written] = -np.array(scores.log_probs) / np.array(scores.tokens)
    fidelity = item_scores("chrf", overlap_counts("chrf", texts, references, target), target)
    return pd.DataFrame({"text": list(texts), "language": hits, "fidelity": fidelity, "surprise": surprise})


def _interval(row: pd.Series) -> str:
    return f"{row['estimate']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]"
