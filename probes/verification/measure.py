"""Does a model compute what plain Hugging Face computes, and what should a user know about it?

A check passes or fails within a tolerance, is skipped with a reason, or only informs: which tokens the tokenizer adds, where
attention sinks are, how much half precision changes. `interp.load` runs the first checks for every model; here are the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from interp.models.checks.verification import Check, check_model, plain_logits, run_check
from interp.provenance import TESTED, versions
from probes.verification.computation import computation_facts
from probes.verification.numerics import numeric_facts
from probes.verification.tokenization import tokenizer_facts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from interp.models.load import TransformerBridge


def verify(model: TransformerBridge, plain: PreTrainedModel | None = None) -> Iterator[Check]:
    """Check a model, one fact at a time.

    Parameters
    ----------
    model
        A model from `interp.load`.
    plain
        The Hugging Face model with the same weights, not bridged (`interp.models.load.load_hf_model`). None if it cannot be held
        beside the bridge, such as a model that is split over devices: comparisons with it are then skipped.

    Yields
    ------
    A `Check` for each fact.
    """
    yield from check_model(model, None if plain is None else plain_logits(plain))
    for name, allowed, fact in (*computation_facts(model, plain), *tokenizer_facts(model), *numeric_facts(model, plain)):
        yield run_check(name, allowed, fact)
    yield run_check("the tested versions are installed", math.inf, _versions)


def _versions() -> tuple[float, str]:
    have = versions()
    other = [f"{name} {have[name].partition('+')[0]} (tested: {number})" for name, number in TESTED.items()
             if have[name].partition("+")[0] != number]  # fmt: skip
    return 0.0, f"no: {', '.join(other)}" if other else ", ".join(f"{name} {have[name]}" for name in TESTED)


def tabulate(checks: list[Check]) -> pd.DataFrame:
    """Tabulate `checks`, one row each.

    Columns: `fact`, `result` ("ok", "FAILED", "skipped" or "info"), `difference` and `allowed` as shares of the largest value
    (NaN if nothing is compared), and `detail`.
    """
    rows = []
    for check in checks:
        judged = not check.skipped and math.isfinite(check.tolerance)
        result = "skipped" if check.skipped else ("ok" if check.passed else "FAILED") if judged else "info"
        numbers = (check.difference, check.tolerance) if judged else (math.nan, math.nan)
        rows.append((check.name, result if check.passed else "FAILED", *numbers, check.skipped or check.detail))
    return pd.DataFrame(rows, columns=["fact", "result", "difference", "allowed", "detail"])
