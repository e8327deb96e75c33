"""A measure of alignment of your own: a table of scores, from which its value, its baseline and its p follow as for the others."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from interp.own_code import Group, OwnCode, names_or_code
from probes.alignment.clouds import METRICS, Pair, measure
from probes.alignment.shuffles import Scores, score_pairs

GROUP: Group = "interp.alignment_metrics"


@runtime_checkable
class AlignmentMetric(Protocol):
    """A measure of alignment of your own: any function of two clouds of vectors that gives a table of scores.

    Example
    -------
    >>> import torch, interp, probes
    >>> def nearness(x, y):
    ...     return -torch.cdist(x, y)
    >>> vectors = torch.randn(1, 20, 16, generator=torch.Generator().manual_seed(0))  # layer, sentence, d_model
    >>> same = interp.Activations.from_arrays({"eng_Latn": vectors, "deu_Latn": vectors})
    >>> report = probes.measure_alignment(same, metrics=[nearness], resamples=50)
    >>> abs(report.summary()["estimate"].item()) < 0.01, report.summary()["baseline"].item() < -1
    (True, True)
    """

    def __call__(
        self, x: Float[Tensor, "layer sentence d_model"], y: Float[Tensor, "layer sentence d_model"], /
    ) -> Float[Tensor, "layer source target"]:
        """Score every sentence of one language with every sentence of another.

        It is called for each pair of languages and some layers at a time, with float32 vectors. Row `i` of `y` is the translation
        of row `i` of `x`.

        Parameters
        ----------
        x, y
            The sentence vectors of two languages.

        Returns
        -------
        A table whose entry `[i, j]` is what sentence `i` would score if `j` were its translation; more is better. Its diagonal is
        the value of each sentence, and wrong pairs its baseline.
        """
        ...


Metric = str | AlignmentMetric | OwnCode
Known = str | OwnCode


def known_metrics(metrics: Sequence[Metric]) -> list[Known]:
    """Each of `metrics` as a name among `METRICS`, or as code of your own.

    Raises `ValueError` for none, a name that is neither, a metric given twice, and a function that does not take two arguments.
    """
    if not metrics:
        raise ValueError(f"got no metric, expected some of {', '.join(METRICS)}.")
    return names_or_code(metrics, METRICS, GROUP, _check_arguments)


def measured(pair: Pair, metric: Known) -> Scores:
    """The scores of a `pair` of languages by a `metric`.

    Raises `ValueError` where code of your own fails, or gives no finite table of the right shape.
    """
    if isinstance(metric, str):
        return measure(pair, metric)
    layers, sentences, _ = pair.x.x.shape
    try:
        table = torch.as_tensor(metric.call(pair.x.x, pair.y.x))
    except Exception as error:  # whatever the function raises
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"metric {metric.name!r}: it failed with {type(error).__name__}: {said}.") from error
    expected = (layers, sentences, sentences)
    if tuple(table.shape) != expected or not torch.isfinite(table).all():
        got = f"shape {tuple(table.shape)}" if tuple(table.shape) != expected else "numbers that are not finite"
        raise ValueError(f"metric {metric.name!r}: got {got}, expected a finite table [layer source target] of {expected}.")
    return score_pairs(table.to(pair.x.x))


def _check_arguments(own: OwnCode) -> None:
    try:
        signature = inspect.signature(own.call)
    except (TypeError, ValueError):  # some functions written in C tell none
        return
    try:
        signature.bind(None, None)
    except TypeError:
        raise ValueError(f"metric {own.name!r}: got a function of {signature}, expected one of (x, y).") from None
