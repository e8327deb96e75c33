"""At which layers do languages share a representation space? Measures of alignment with a shuffled-pair baseline."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.activations.sinks import describe_sinks
from interp.activations.store import Activations, check_random_init
from interp.languages import in_other_script, language, nearest
from interp.models.devices import choose_device, free_memory
from interp.own_code import name_of
from interp.provenance import Signature
from probes.alignment.clouds import Cloud, Pair
from probes.alignment.own_metrics import Known, Metric, known_metrics, measured
from probes.alignment.report import AlignmentReport
from probes.statistics.folds import split
from probes.statistics.significance import permutation_p

_log = logging.getLogger(__name__)
DEFAULT_METRICS = ("mexa", "mexa_centred", "p_at_1", "cka_debiased")
CONTROLS = ("length", "lexical")
_FOLDS = 5
_MAX_ENTRIES = 8_000_000  # of the similarity tables of one block of layers
Clouds = Callable[[str], Cloud]
Values = Float[np.ndarray, "pair metric layer sentence"]


def measure_alignment(
    acts: Activations,
    pivot: str | Sequence[str] = "eng_Latn",
    metrics: Sequence[Metric] = DEFAULT_METRICS,
    seed: int = 0,
    resamples: int = 1000,
    random_init: Activations | None = None,
    controls: Sequence[str] = (),
    device: str | None = None,
) -> AlignmentReport:
    """Measure how similar the representations of translations are at each layer, and how similar those of wrong pairs are.

    Parameters
    ----------
    acts
        Activations of parallel sentences in at least two languages, one vector per sentence, from `interp.capture`. The layers of
        the report are theirs: "embed", "0" .. "N-1" for the residual stream, "0" .. "N-1" for attention and feed-forward outputs.
    pivot
        Reference language, in any spelling: every other language is compared with it. Several, or "all" for every pair once.
    metrics
        Names from `probes.alignment.clouds.METRICS`; its docstring has a line for each, with the source of its formula. Or
        functions of your own (`probes.alignment.own_metrics.AlignmentMetric`).
    seed
        Random seed of the order of the sentences, and of the bootstrap.
    resamples
        Bootstrap resamples behind each 95 % confidence interval.
    random_init
        Activations of the same corpus in a randomly initialised model (`interp.random_init`): what the architecture and the tokens
        give without training. They become the column `random_init`.
    controls
        "length" adds `length_partialled`, the same metric after a regression on sentence length (tokens, and their logarithm).
        "lexical" adds `overlap`, the share of distinct tokens that a sentence and its translation have in common. Both need
        activations that hold their tokens, as those of `interp.capture` do.
    device
        Where to compute, such as "cuda:1" or "cpu". Default: a CUDA GPU if there is one, else the CPU (also for "mps").

    Returns
    -------
    AlignmentReport
        A value per sentence, with its `baseline`, the same metric over wrong pairs of the same vectors; `p`, the share of at least
        999 random pairings that score as high; and `p_max`, the share of pairings whose best layer of the best language pair is
        that far above its own mean (Westfall & Young 1993): corrected for all layers and pairs, at any number of them.

    Raises
    ------
    ValueError
        An unknown metric, control or language, no language beside the pivot, fewer than 8 sentences, a value that is not finite,
        or a `random_init` of other sentences, languages, layers or pooling.

    Notes
    -----
    When the numbers mislead. Retrieval depends on the number of candidate sentences: compare only equal numbers. "embed" and early
    layers mostly show shared tokens: compare with `overlap`. A high value with a high baseline is anisotropy, not alignment. The
    bootstrap draws sentences (documents, if there are at least 10), and keeps the candidates of a retrieval fixed. CCA and
    Procrustes are fitted on one part of the sentences and scored on the other.

    References
    ----------
    Kargaran et al. 2025, "MEXA: Multilingual Evaluation of English-Centric LLMs via Cross-Lingual Alignment", arXiv 2410.05873.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=20)
    >>> report = probes.measure_alignment(interp.capture(interp.load("bundled"), corpus), metrics=("mexa",), resamples=50)
    >>> report.summary()["layer"].tolist()
    ['embed', '0', '1', '2', '3', '4', '5', '6', '7']
    """
    scored = known_metrics(metrics)
    _check(acts, random_init, controls)
    pairs, documents = _pairs(acts, pivot), _documents(acts)
    # In random order, so that a shift pairs a sentence with none of its neighbours in the text.
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(acts.ids)))
    place = _place(device)
    columns: dict[str, np.ndarray] = _measure(acts, pairs, scored, order, documents, place)
    if random_init is not None:
        columns["random_init"] = _measure(random_init, pairs, scored, order, documents, place)["value"]
    if "length" in controls:
        columns["length_partialled"] = _measure(acts, pairs, scored, order, documents, place, without_length=True)["value"]
    if "lexical" in controls:
        columns["overlap"] = np.stack([overlap(acts, *pair) for pair in pairs])[:, None, None]
    return AlignmentReport(
        table=_tabulate(columns, pairs, list(map(name_of, scored)), acts, documents),
        signature=_sign(acts, pivot, scored, seed, resamples),
        settings={"resamples": resamples, "seed": seed},
        notes=_notes(acts, documents),
    )


def overlap(acts: Activations, language: str, pivot: str) -> Float[np.ndarray, " sentence"]:
    """The Jaccard index of the token sets of each sentence and its translation: shared tokens over all tokens of both.

    Parameters
    ----------
    acts
        Activations that hold their tokens. Raises `ValueError` if they hold none.
    language, pivot
        FLORES-200 codes of the two languages.
    """
    sides = ([set(ids.tolist()) for ids in acts.tokens(code)] for code in (language, pivot))
    return np.array([len(a & b) / max(1, len(a | b)) for a, b in zip(*sides, strict=True)])


def _measure(
    acts: Activations,
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[Known],
    order: Int[Tensor, " sentence"],
    documents: tuple[str, ...] | None,
    place: torch.device,
    without_length: bool = False,
) -> dict[str, np.ndarray]:
    """`value [pair metric layer sentence]`, and `baseline` and `p` of the same axes with one sentence; block by block of layers."""
    n = len(acts.ids)
    step = min(len(acts.layers), max(1, _MAX_ENTRIES // n**2))
    held = _languages_held(acts, step, place)
    blocks: list[list[dict[str, np.ndarray]]] = []
    largest: dict[str, np.ndarray] = {}
    for start in range(0, len(acts.layers), step):
        rows = range(start, min(start + step, len(acts.layers)))
        clouds = _clouds(acts.select(layers=list(rows)), order, documents, without_length, place, held)
        done = {(a, b): _measure_pair(Pair(clouds(a), clouds(b)), metrics, largest) for a, b in tiled(pairs, held)}
        blocks.append([done[pair] for pair in pairs])
    columns = {
        name: np.concatenate([np.stack([pair[name] for pair in block]) for block in blocks], axis=2) for name in blocks[0][0]
    }
    columns["value"][..., order] = columns["value"].copy()  # back into the order of the ids
    high = columns.pop("high")
    shuffles = [largest[name_of(metric)][:, None, None, None] for metric in metrics]
    above = np.stack([permutation_p(high[:, k], each) for k, each in enumerate(shuffles)], axis=1)
    return columns | {"p_max": above}


def _measure_pair(pair: Pair, metrics: Sequence[Known], largest: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One pair at some layers. `largest` keeps the largest standardised value of each shuffle over all pairs and layers so far."""
    scores = [measured(pair, metric) for metric in metrics]
    standardised = [score.standardised() for score in scores]
    for metric, (_, shuffled) in zip(map(name_of, metrics), standardised, strict=True):
        largest[metric] = np.maximum(largest.get(metric, -np.inf), shuffled.max(axis=1))
    return {
        "high": np.stack([observed for observed, _ in standardised])[..., None],
        "value": np.stack([score.values.cpu().numpy() for score in scores]),
        "baseline": np.stack([score.baseline[:, None].cpu().numpy() for score in scores]),
        "p": np.stack([score.p for score in scores])[..., None],
    }


def _clouds(
    acts: Activations,
    order: Tensor,
    documents: tuple[str, ...] | None,
    without_length: bool,
    place: torch.device,
    held: int,
) -> Clouds:
    """A function from a language to its vectors, in the order given, of which it keeps as many languages as may be `held`."""
    groups = np.unique(documents or acts.ids, return_inverse=True)[1][order]
    folds = np.empty(len(groups), dtype=np.int64)
    for number, (_, test) in enumerate(split(groups, min(_FOLDS, len(set(groups)) // 2), 0)):
        folds[test] = number
    fold, same = (torch.from_numpy(array).to(place) for array in (folds, groups[:, None] == groups))

    @lru_cache(maxsize=held)
    def cloud(code: str) -> Cloud:
        vectors = Cloud(acts[code][:, order].to(place), fold, same)
        if not without_length:
            return vectors
        return vectors.without(torch.tensor([float(len(ids)) for ids in acts.tokens(code)], device=place)[order])

    return cloud


def _place(device: str | None) -> torch.device:
    """Where to compute: on a CUDA GPU if it is the `device`, or is there; else on the CPU. Metal lacks double precision."""
    chosen = choose_device(device)
    return chosen if chosen.type == "cuda" else torch.device("cpu")


def _languages_held(acts: Activations, layers: int, place: torch.device) -> int:
    """How many languages, with what metrics derive from them, fit into a quarter of the free memory: at least three.

    That is twice the vectors (as they are, and centred), the whitened sentences of every fold, and eight tables of sentence pairs.
    """
    n = len(acts.ids)
    each = 4 * layers * (2 * n * acts.d_model + _FOLDS * n * n // 8 + 8 * n * n)
    held = min(max(3, free_memory(place) // 4 // each), max(3, len(acts.languages)))
    _log.info(
        "alignment on %s: %d layers at a time, at most %d of %d languages in memory, %.2f GiB",
        place, layers, held, len(acts.languages), held * each / 2**30,
    )  # fmt: skip
    return held


def tiled(pairs: Sequence[tuple[str, str]], held: int) -> list[tuple[str, str]]:
    """The `pairs` of languages in an order in which each language is read seldom, if `held` can be in memory at a time.

    They are taken tile by tile, all pairs of one half of what is held with another half.

    >>> tiled([("b", "a"), ("c", "a"), ("d", "a"), ("c", "b"), ("d", "b"), ("d", "c")], held=4)
    [('b', 'a'), ('c', 'a'), ('d', 'a'), ('c', 'b'), ('d', 'b'), ('d', 'c')]
    """
    number = {code: place for place, code in enumerate(dict.fromkeys(code for pair in pairs for code in reversed(pair)))}
    size = max(1, held // 2)
    return sorted(pairs, key=lambda pair: [number[code] // size for code in pair])


def _pairs(acts: Activations, pivot: str | Sequence[str]) -> list[tuple[str, str]]:
    """(language, pivot) for every language but the pivot; every two languages once for "all"."""
    if pivot == "all":
        return [(b, a) for a, b in combinations(acts.languages, 2)]
    pivots = [language(spelling).code for spelling in ([pivot] if isinstance(pivot, str) else pivot)]
    for code in pivots:
        if code not in acts.languages:
            raise ValueError(
                f"got pivot {code}, expected a language of the activations: {', '.join(acts.languages)}."
                f"{in_other_script(code, acts.languages)}"
            )
    pairs = [(code, reference) for reference in pivots for code in acts.languages if code != reference]
    if not pairs:
        raise ValueError(f"got activations in {', '.join(acts.languages)} alone, expected a language beside the pivot.")
    return pairs


def _check(acts: Activations, random_init: Activations | None, controls: Sequence[str]) -> None:
    for name in controls:
        if name not in CONTROLS:
            raise ValueError(f"got control {name!r}, expected some of {', '.join(CONTROLS)}.{nearest(name, CONTROLS)}")
    if len(acts.ids) < 8:
        raise ValueError(f"got {len(acts.ids)} sentences, expected at least 8, to compare translations with other pairs.")
    check_random_init(acts, random_init)


def _documents(acts: Activations) -> tuple[str, ...] | None:
    """The document of each sentence, if there are enough documents to resample."""
    return acts.documents if acts.documents and len(set(acts.documents)) >= 2 * _FOLDS else None


def _tabulate(
    columns: dict[str, np.ndarray],
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    acts: Activations,
    documents: tuple[str, ...] | None,
) -> pd.DataFrame:
    """The tidy table. It can have millions of rows, so names are categories and numbers in single precision."""
    names = {
        "language": ([pair[0] for pair in pairs], 0), "pivot": ([pair[1] for pair in pairs], 0), "layer": (acts.layers, 2),
        "metric": (metrics, 1), "sentence": (acts.ids, 3), **({"document": (documents, 3)} if documents else {}),
    }  # fmt: skip
    shape = columns["value"].shape
    named = {}
    for name, (labels, axis) in names.items():
        codes, kinds = pd.factorize(np.asarray(labels, dtype=object))
        along = codes.astype(np.int32).reshape([-1 if dimension == axis else 1 for dimension in range(4)])
        named[name] = pd.Categorical.from_codes(np.broadcast_to(along, shape).ravel(), kinds)
    numbers = {name: np.broadcast_to(values, shape).astype(np.float32).ravel() for name, values in columns.items()}
    return pd.DataFrame(named | numbers)


def _sign(acts: Activations, pivot: str | Sequence[str], metrics: Sequence[Known], seed: int, resamples: int) -> Signature:
    pivots = pivot if isinstance(pivot, str) else "+".join(pivot)
    own = {"pivot": pivots, "metrics": "+".join(map(str, metrics)), "boot": resamples, "seed": seed}
    return dataclasses.replace(acts.signature, measure="alignment", settings={**acts.signature.settings, **own})


def _notes(acts: Activations, documents: tuple[str, ...] | None) -> tuple[str, ...]:
    unit = f"{len(set(documents))} documents" if documents else f"{len(acts.ids)} sentences"
    notes = [f"Confidence intervals resample {unit}. Retrieval is among {len(acts.ids)} candidates; values depend on their number."]
    if "embed" in acts.layers:
        notes.append("The embedding row mostly measures tokens that two languages share.")
    return (*notes, *describe_sinks(acts))
