"""Held-out scores of linear probes in every pair of languages, and of the labels that must not be readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped

from interp.activations.store import Activations
from probes.linear.erasure import Method, fit_erasers
from probes.statistics.folds import Parts

Kind = Literal["language", "class", "number"]
Target = str | Sequence[str] | Mapping[str, Sequence[float]]
"""A name (`language`, `length` in tokens, a label of the corpus), or a label a sentence, or a number a sentence and language."""
Clouds = Mapping[str, Float[np.ndarray, "sentence d_model"]]
Targets = Mapping[str, Shaped[np.ndarray, "sentence"]]


def targets_of(acts: Activations, target: Target, folds: int) -> tuple[Kind, Targets]:
    """What is to be predicted of each sentence of each language, and of which kind it is; refuses what cannot be probed."""
    if isinstance(target, str):
        if target == "language":
            if len(acts.languages) < 2:
                raise ValueError(f"language identity of {acts.languages}: needed at least 2 languages.")
            return "language", {code: np.full(len(acts.ids), code) for code in acts.languages}
        target = {code: lengths(acts, code) for code in acts.languages} if target == "length" else _label(acts, target)
    if isinstance(target, Mapping):
        return "number", {code: _numbers(acts, code, target) for code in acts.languages}
    return "class", dict.fromkeys(acts.languages, _classes(acts, target, folds))


def lengths(acts: Activations, code: str) -> list[float]:
    """How many tokens of its own each sentence has."""
    return [float(len(tokens)) for tokens in acts.tokens(code)]


def _label(acts: Activations, name: str) -> tuple[str, ...]:
    if name not in acts.labels:
        have = f"the labels {', '.join(sorted(acts.labels))}" if acts.labels else "no labels"
        raise ValueError(
            f"corpus {acts.signature.corpus.name!r} has {have}, not {name!r}. Probe for 'language' or 'length', or label it."
        )
    return acts.labels[name]


def _classes(acts: Activations, target: Sequence[str], folds: int) -> Shaped[np.ndarray, " sentence"]:
    if len(target) != len(acts.ids):
        raise ValueError(f"{len(target)} labels for {len(acts.ids)} sentences. Needed: one a sentence.")
    texts: dict[str, set[str]] = {label: set() for label in target}
    for label, text in zip(target, acts.documents or acts.ids, strict=True):
        texts[label].add(text)
    if len(texts) < 2:
        raise ValueError(f"every sentence has the label {target[0]!r}. Needed: at least 2 different labels.")
    rare = min(texts, key=lambda label: len(texts[label]))
    if len(texts[rare]) < folds:
        raise ValueError(
            f"label {rare!r} has {len(texts[rare])} sentences (or documents) for {folds} folds. "
            "Needed: one in each fold. Take fewer folds, or leave the label out."
        )
    return np.asarray(target)


def _numbers(acts: Activations, code: str, target: Mapping[str, Sequence[float]]) -> np.ndarray:
    if code not in target or len(target[code]) != len(acts.ids):
        got = f"{len(target[code])} numbers" if code in target else "nothing"
        raise ValueError(f"{got} for the {len(acts.ids)} sentences of {code}. Needed: one number a sentence.")
    numbers = np.asarray(target[code], dtype=float)
    if not numbers.std() > 0:
        raise ValueError(f"the number to predict is {numbers[0]} for every sentence of {code}. Needed: numbers that differ.")
    return numbers


def shuffle(targets: Targets, kind: Kind, seed: int) -> Targets:
    """Labels that say nothing about the sentence: moved between sentences, alike in every language, so that a translation of
    a training sentence WOULD give the label away (which is the leak that folds of sentences prevent)."""
    rng = np.random.default_rng(seed)
    n = len(next(iter(targets.values())))
    if kind == "language":
        mixed = rng.permuted(np.tile(np.asarray(list(targets)), (n, 1)), axis=1)
        return {code: mixed[:, place] for place, code in enumerate(targets)}
    order = rng.permutation(n)
    return {code: values[order] for code, values in targets.items()}


def cross_validate(
    clouds: Clouds, targets: Targets, kind: Kind, parts: Parts, erase: Method | None = None
) -> Float[np.ndarray, "source target item"]:
    """Held-out score of every sentence: 1 where the class is right; for a number the sentence's share in R2, so that the mean
    over sentences is 1 - MSE / variance of the target in the tested language.

    For language identity one probe sees all languages (source `all`). `erase` is fitted on the training part of each fold.
    """
    sources = {"all": list(clouds)} if kind == "language" else {code: [code] for code in clouds}
    score = np.full((len(sources), len(clouds), len(next(iter(clouds.values())))), np.nan)
    for train, test in parts:
        seen = _without_language(clouds, train, erase) if erase else clouds
        for source, members in enumerate(sources.values()):
            probe = _fit([seen[code][train] for code in members], [targets[code][train] for code in members], kind)
            for target, code in enumerate(clouds):
                score[source, target, test] = _score(probe.predict(seen[code][test]), targets[code], test, kind)
    return score


def _without_language(clouds: Clouds, train: np.ndarray, erase: Method) -> Clouds:
    tensors = {code: torch.from_numpy(cloud) for code, cloud in clouds.items()}
    erasers = fit_erasers({code: cloud[train] for code, cloud in tensors.items()}, erase)
    return {code: erasers[code](cloud).numpy() for code, cloud in tensors.items()}


def _fit(clouds: list[np.ndarray], targets: list[np.ndarray], kind: Kind) -> Any:
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = RidgeCV(np.logspace(-2, 5, 8)) if kind == "number" else LogisticRegression(C=1.0, max_iter=1000)
    return make_pipeline(StandardScaler(), model).fit(np.concatenate(clouds), np.concatenate(targets))


def _score(predicted: np.ndarray, target: np.ndarray, test: np.ndarray, kind: Kind) -> np.ndarray:
    if kind == "number":
        return 1 - (predicted - target[test]) ** 2 / target.var()
    return (predicted == target[test]).astype(float)


def majority(targets: Targets, kind: Kind, parts: Parts) -> float | Float[np.ndarray, "source target item"]:
    """The score of saying what is most frequent in training; for a number its mean, which has R2 0."""
    if kind != "class":
        return 1 / len(targets) if kind == "language" else 0.0
    labels = next(iter(targets.values()))
    hits = np.full((len(targets), len(targets), len(labels)), np.nan)
    for train, test in parts:
        classes, counts = np.unique(labels[train], return_counts=True)
        hits[:, :, test] = labels[test] == classes[counts.argmax()]
    return hits
