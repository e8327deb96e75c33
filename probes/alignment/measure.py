"""At which layers do languages share a space? Measures of alignment, each beside its shuffled-pair baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.activations.store import Activations
from interp.languages import language, nearest
from interp.provenance import Signature
from probes.alignment.clouds import METRICS, Cloud, Pair, measure
from probes.alignment.report import AlignmentReport
from probes.statistics.folds import split

DEFAULT_METRICS = ("mexa", "mexa_centred", "p_at_1", "cka_debiased")
CONTROLS = ("length", "lexical")
_FOLDS = 5
_HELD = 8_000_000  # entries of a similarity table worked on at once
Clouds = Callable[[str], Cloud]
Values = Float[np.ndarray, "pair metric layer sentence"]


def measure_alignment(
    acts: Activations,
    pivot: str | Sequence[str] = "eng_Latn",
    metrics: Sequence[str] = DEFAULT_METRICS,
    seed: int = 0,
    resamples: int = 1000,
    random_init: Activations | None = None,
    controls: Sequence[str] = (),
) -> AlignmentReport:
    """How far the same sentences in two languages lie at the same place, layer by layer, beside what wrong pairs give.

    `pivot` is the language all others are held against, several of them, or "all" for every pair once. `metrics` are names
    of `probes.alignment.clouds.METRICS`. Layers are those of the activations: `embed`, `0` .. `N-1` for the residual stream.
    Every value stands beside its `baseline`, the same measure over wrong pairs of the same vectors; `p` is the share of 999 or
    more random pairings that reach it. `random_init` takes activations of the same corpus in an untrained network. `controls`:
    "length" adds the measure after sentence length is regressed out (`length_partialled`), "lexical" the share of tokens a pair
    has in common (`overlap`).

    Misleads: retrieval depends on the number of sentences; `embed` and early layers mostly show shared tokens; a high value
    with a high baseline is anisotropy, not alignment. Bands resample sentences, or documents where they are known, and keep
    the candidates of a retrieval fixed. CCA and Procrustes are fitted on other sentences than they are scored on.
    """
    _check(acts, metrics, random_init, controls)
    pairs, documents = _pairs(acts, pivot), _documents(acts)
    # In random order, so that a shift pairs a sentence with none of its neighbours in the text.
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(acts.ids)))
    columns: dict[str, np.ndarray] = _measure(acts, pairs, metrics, order, documents)
    if random_init is not None:
        columns["random_init"] = _measure(random_init, pairs, metrics, order, documents)["value"]
    if "length" in controls:
        columns["length_partialled"] = _measure(acts, pairs, metrics, order, documents, without_length=True)["value"]
    if "lexical" in controls:
        columns["overlap"] = np.stack([overlap(acts, *pair) for pair in pairs])[:, None, None]
    return AlignmentReport(
        table=_tabulate(columns, pairs, metrics, acts, documents),
        signature=_sign(acts, pivot, metrics, seed, resamples),
        settings={"resamples": resamples, "seed": seed},
        notes=_notes(acts, documents),
    )


def overlap(acts: Activations, language: str, pivot: str) -> Float[np.ndarray, " sentence"]:
    """The share of distinct tokens that a sentence and its translation have in common: shared over all of both (Jaccard)."""
    sides = ([set(ids.tolist()) for ids in acts.tokens(code)] for code in (language, pivot))
    return np.array([len(a & b) / max(1, len(a | b)) for a, b in zip(*sides, strict=True)])


def _measure(
    acts: Activations,
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    order: Int[Tensor, " sentence"],
    documents: tuple[str, ...] | None,
    without_length: bool = False,
) -> dict[str, np.ndarray]:
    """`value [pair metric layer sentence]`, and `baseline` and `p` with one sentence, a block of layers at a time."""
    n = len(acts.ids)
    step = max(1, _HELD // n**2)
    blocks = []
    for start in range(0, len(acts.layers), step):
        rows = range(start, min(start + step, len(acts.layers)))
        clouds = _clouds(acts.select(layers=list(rows)), order, documents, without_length)
        blocks.append([_measure_pair(Pair(clouds(a), clouds(b)), metrics) for a, b in pairs])
    found = {name: np.concatenate([np.stack([pair[name] for pair in block]) for block in blocks], axis=2) for name in blocks[0][0]}
    found["value"][..., order] = found["value"].copy()
    return found


def _measure_pair(pair: Pair, metrics: Sequence[str]) -> dict[str, np.ndarray]:
    scores = [measure(pair, metric) for metric in metrics]
    return {
        "value": np.stack([score.values.numpy() for score in scores]),
        "baseline": np.stack([score.baseline[:, None].numpy() for score in scores]),
        "p": np.stack([score.p for score in scores])[..., None],
    }


def _clouds(acts: Activations, order: Tensor, documents: tuple[str, ...] | None, without_length: bool) -> Clouds:
    """Each language's cloud when asked for, sentences in the order given; the last three are kept, so a pivot is made once."""
    groups = np.unique(documents or acts.ids, return_inverse=True)[1][order]
    folds = np.empty(len(groups), dtype=np.int64)
    for number, (_, test) in enumerate(split(groups, min(_FOLDS, len(set(groups)) // 2), 0)):
        folds[test] = number
    same = torch.from_numpy(groups[:, None] == groups)

    @lru_cache(maxsize=3)
    def cloud(code: str) -> Cloud:
        found = Cloud(acts[code][:, order], torch.from_numpy(folds), same)
        return found.without(torch.tensor([float(len(ids)) for ids in acts.tokens(code)])[order]) if without_length else found

    return cloud


def _pairs(acts: Activations, pivot: str | Sequence[str]) -> list[tuple[str, str]]:
    """(language, pivot) for every language but the pivot; every two languages once for "all"."""
    if pivot == "all":
        return [(b, a) for a, b in combinations(acts.languages, 2)]
    pivots = [language(spelling).code for spelling in ([pivot] if isinstance(pivot, str) else pivot)]
    for code in pivots:
        if code not in acts.languages:
            raise ValueError(f"pivot {code}: activations hold {', '.join(acts.languages)}.{nearest(code, acts.languages)}")
    pairs = [(code, held) for held in pivots for code in acts.languages if code != held]
    if not pairs:
        raise ValueError(f"activations hold {', '.join(acts.languages)} alone. Needed: a language beside the pivot.")
    return pairs


def _check(acts: Activations, metrics: Sequence[str], random_init: Activations | None, controls: Sequence[str]) -> None:
    for what, given, known in (("metric", metrics, METRICS), ("control", controls, CONTROLS)):
        for name in given:
            if name not in known:
                raise ValueError(f"{what} {name!r}: needed some of {', '.join(known)}.{nearest(name, known)}")
    if not metrics:
        raise ValueError(f"no metric. Needed: some of {', '.join(METRICS)}.")
    if len(acts.ids) < 8:
        raise ValueError(f"{len(acts.ids)} sentences. Needed: at least 8 to compare translations with other pairs.")
    if random_init is not None:
        for name in ("ids", "layers", "site", "pooling", "languages"):
            mine, theirs = getattr(acts, name), getattr(random_init, name)
            if mine != theirs:
                raise ValueError(f"random_init has other {name} than the activations. Capture both on the same corpus and site.")


def _documents(acts: Activations) -> tuple[str, ...] | None:
    """The document of each sentence, where there are enough of them to draw from."""
    return acts.documents if acts.documents and len(set(acts.documents)) >= 2 * _FOLDS else None


def _tabulate(
    columns: dict[str, np.ndarray],
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    acts: Activations,
    documents: tuple[str, ...] | None,
) -> pd.DataFrame:
    """The tidy table, small: names as categories, numbers in single precision."""
    names = {
        "language": ([pair[0] for pair in pairs], 0), "pivot": ([pair[1] for pair in pairs], 0), "layer": (acts.layers, 2),
        "metric": (metrics, 1), "sentence": (acts.ids, 3), **({"document": (documents, 3)} if documents else {}),
    }  # fmt: skip
    shape = columns["value"].shape
    found = {}
    for name, (labels, axis) in names.items():
        codes, kinds = pd.factorize(np.asarray(labels, dtype=object))
        spread = codes.astype(np.int32).reshape([-1 if place == axis else 1 for place in range(4)])
        found[name] = pd.Categorical.from_codes(np.broadcast_to(spread, shape).ravel(), kinds)
    numbers = {name: np.broadcast_to(values, shape).astype(np.float32).ravel() for name, values in columns.items()}
    return pd.DataFrame(found | numbers)


def _sign(acts: Activations, pivot: str | Sequence[str], metrics: Sequence[str], seed: int, resamples: int) -> Signature:
    pivots = pivot if isinstance(pivot, str) else "+".join(pivot)
    own = {"pivot": pivots, "metrics": "+".join(metrics), "boot": resamples, "seed": seed}
    return dataclasses.replace(acts.signature, measure="alignment", settings={**acts.signature.settings, **own})


def _notes(acts: Activations, documents: tuple[str, ...] | None) -> tuple[str, ...]:
    unit = f"{len(set(documents))} documents" if documents else f"{len(acts.ids)} sentences"
    found = [f"Bands resample {unit}; retrieval is among {len(acts.ids)} candidates, and another number gives other values."]
    if "embed" in acts.layers:
        found.append("The embedding row mostly measures tokens that two languages share.")
    return tuple(found)
