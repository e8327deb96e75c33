"""A measure of alignment of one's own has the baseline and the p of the others, and a bad one is named."""

from __future__ import annotations

import pytest
import torch

import interp
import probes
from probes.alignment.retrieval import cosines


def _acts(noise: float = 0.5) -> interp.Activations:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 20, 16, generator=generator)
    return interp.Activations.from_arrays({"eng_Latn": x, "deu_Latn": x + noise * torch.randn(2, 20, 16, generator=generator)})


def best_cosine(x, y):
    """P@1 written anew: whether the translation is the nearest of the other language."""
    table = cosines(x, y)
    others = table.masked_fill(torch.eye(len(table[0]), dtype=torch.bool), -torch.inf).amax(2, keepdim=True)
    return (table > others).float()


def test_it_finds_what_is_planted_beside_its_baseline():
    acts = _acts()
    report = probes.measure_alignment(acts, metrics=(best_cosine, "cosine_gap"), resamples=50)
    name = f"{__name__}:best_cosine"
    rows = report.summary()
    own = rows[rows["metric"] == name]
    assert (own["estimate"] > 0.8).all()
    assert (own["baseline"] < 0.1).all()
    assert (own["p_max"] < 0.01).all()
    assert f"metrics:{name}@" in str(report.signature)
    alone = probes.measure_alignment(_acts(noise=1e4), metrics=(best_cosine,), resamples=50).summary()
    assert (alone["p_max"] > 0.05).all()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (lambda x: x, r"got a function of \(x\), expected one of \(x, y\)"),
        (lambda x, y: x, r"got shape \(2, 20, 16\), expected a finite table \[layer source target\] of \(2, 20, 20\)"),
        (lambda x, y: torch.cdist(x, y).log() * torch.nan, "got numbers that are not finite"),
        (lambda x, y: x.nothing, "it failed with AttributeError"),
        ("mexaa", "expected some of mexa, .*, or a function of your own as module:function. Did you mean mexa"),
        ("mexa", "got metric 'mexa' twice"),
    ],
)
def test_a_bad_one_is_named(metric, words):
    with pytest.raises(ValueError, match=words):
        probes.measure_alignment(_acts(), metrics=(metric, "mexa"), resamples=10)
