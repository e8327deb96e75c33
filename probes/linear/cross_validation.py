"""Cross-validated scores of linear probes for every pair of languages, and their controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped

from interp.activations.store import Activations
from probes.linear.erasure import Method, fit_erasers
from probes.statistics.folds import Parts

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Kind = Literal["language", "class", "number"]
Target = str | Sequence[str] | Mapping[str, Sequence[float]]
"""A name (`language`, `length` in tokens, a label of the corpus), a label per sentence, or a number per sentence and language."""
Clouds = Mapping[str, Float[np.ndarray, "sentence d_model"]]
Targets = Mapping[str, Shaped[np.ndarray, " sentence"]]


def targets_of(acts: Activations, target: Target, folds: int) -> tuple[Kind, Targets]:
    """The labels or numbers that the probes predict, for each sentence of each language.

    Parameters
    ----------
    acts
        Activations of the sentences, with the labels of their corpus.
    target
        `language`, `length` (in tokens), the name of a label of the corpus, a label per sentence, or for each language a number
        per sentence.
    folds
        Number of cross-validation folds. Every label must occur in at least so many sentences or documents.

    Returns
    -------
    The kind of the target (`language`, `class` or `number`), and its values by language.

    Raises
    ------
    ValueError
        The target cannot be probed: one language or label only, a rare label, a wrong number of labels, a constant number.
    """
    if isinstance(target, str):
        if target == "language":
            if len(acts.languages) < 2:
                raise ValueError(
                    f"got activations of {acts.languages[0]} only, expected at least 2 languages to probe for the language."
                )
            return "language", {code: np.full(len(acts.ids), code) for code in acts.languages}
        target = {code: lengths(acts, code) for code in acts.languages} if target == "length" else _label(acts, target)
    if isinstance(target, Mapping):
        return "number", {code: _numbers(acts, code, target) for code in acts.languages}
    return "class", dict.fromkeys(acts.languages, _classes(acts, target, folds))


def lengths(acts: Activations, code: str) -> list[float]:
    """The number of tokens of each sentence of `acts` in one language (`code`, FLORES-200), without special tokens."""
    return [float(len(tokens)) for tokens in acts.tokens(code)]


def _label(acts: Activations, name: str) -> tuple[str, ...]:
    if name not in acts.labels:
        targets = ", ".join(["language", "length", *sorted(acts.labels)])
        raise ValueError(
            f"got target {name!r}, expected one of {targets} for corpus {acts.signature.corpus.name!r}, or the labels themselves."
        )
    return acts.labels[name]


def _classes(acts: Activations, target: Sequence[str], folds: int) -> Shaped[np.ndarray, " sentence"]:
    if len(target) != len(acts.ids):
        raise ValueError(f"got {len(target)} labels for {len(acts.ids)} sentences, expected one per sentence.")
    texts: dict[str, set[str]] = {label: set() for label in target}
    for label, text in zip(target, acts.documents or acts.ids, strict=True):
        texts[label].add(text)
    if len(texts) < 2:
        raise ValueError(f"got label {target[0]!r} for every sentence, expected at least 2 different labels.")
    rare = min(texts, key=lambda label: len(texts[label]))
    if len(texts[rare]) < folds:
        raise ValueError(
            f"got {len(texts[rare])} sentences (or documents) with label {rare!r}, expected at least {folds}, one per fold. "
            "Use fewer folds, or leave the label out."
        )
    return np.asarray(target)


def _numbers(acts: Activations, code: str, target: Mapping[str, Sequence[float]]) -> np.ndarray:
    if code not in target or len(target[code]) != len(acts.ids):
        count = len(target[code]) if code in target else 0
        raise ValueError(f"got {count} numbers for the {len(acts.ids)} sentences of {code}, expected one per sentence.")
    numbers = np.asarray(target[code], dtype=float)
    if not numbers.std() > 0:
        raise ValueError(f"got the number {numbers[0]} for every sentence of {code}, expected numbers that differ.")
    return numbers


def shuffle(targets: Targets, kind: Kind, seed: int) -> Targets:
    """Shuffle the targets between sentences, for the control of Hewitt & Liang (2019).

    The order is the same in every language. A translation of a training sentence would therefore give its label away; the folds
    prevent this leak, because they keep translations together.

    Parameters
    ----------
    targets
        Values by language, `[sentence]`.
    kind
        For `language`, the language labels of each sentence are permuted.
    seed
        Random seed.
    """
    rng = np.random.default_rng(seed)
    n = len(next(iter(targets.values())))
    if kind == "language":
        mixed = rng.permuted(np.tile(np.asarray(list(targets)), (n, 1)), axis=1)
        return {code: mixed[:, index] for index, code in enumerate(targets)}
    order = rng.permutation(n)
    return {code: values[order] for code, values in targets.items()}


def cross_validate(
    clouds: Clouds, targets: Targets, kind: Kind, parts: Parts, erase: Method | None = None
) -> Float[np.ndarray, "source target item"]:
    """Held-out score of every sentence, for probes trained in each language (source) and tested in each language (target).

    Parameters
    ----------
    clouds
        Activations by language, `[sentence d_model]`.
    targets
        Labels or numbers by language, `[sentence]`.
    kind
        `language`: one probe trained on all languages (a single source). `class`: logistic regression. `number`: ridge regression.
    parts
        Pairs of training and test rows, one per fold.
    erase
        Method of language erasure, fitted on the training rows of each fold. Default: none.

    Returns
    -------
    1 if the predicted class is right, else 0. For a number, the sentence's contribution to R2, such that the mean over sentences is
    1 - MSE / variance of the target in the tested language.
    """
    sources = {"all": list(clouds)} if kind == "language" else {code: [code] for code in clouds}
    score = np.full((len(sources), len(clouds), len(next(iter(clouds.values())))), np.nan)
    for train, test in parts:
        erased = _without_language(clouds, train, erase) if erase else clouds
        for source, members in enumerate(sources.values()):
            probe = _fit([erased[code][train] for code in members], [targets[code][train] for code in members], kind)
            for target, code in enumerate(clouds):
                score[source, target, test] = _score(probe.predict(erased[code][test]), targets[code], test, kind)
    return score


def _without_language(clouds: Clouds, train: np.ndarray, erase: Method) -> Clouds:
    tensors = {code: torch.from_numpy(cloud) for code, cloud in clouds.items()}
    erasers = fit_erasers({code: cloud[train] for code, cloud in tensors.items()}, erase)
    return {code: erasers[code](cloud).numpy() for code, cloud in tensors.items()}


def _fit(clouds: list[np.ndarray], targets: list[np.ndarray], kind: Kind) -> Pipeline:
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
    """The score of always predicting the most frequent training class, or the mean of a number (R2 0).

    `targets`, their `kind` and the `parts` (folds) are those of `cross_validate`.
    """
    if kind != "class":
        return 1 / len(targets) if kind == "language" else 0.0
    labels = next(iter(targets.values()))
    hits = np.full((len(targets), len(targets), len(labels)), np.nan)
    for train, test in parts:
        classes, counts = np.unique(labels[train], return_counts=True)
        hits[:, :, test] = labels[test] == classes[counts.argmax()]
    return hits
