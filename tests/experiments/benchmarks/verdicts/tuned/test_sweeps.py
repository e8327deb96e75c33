"""The simulated sweeps have the truth that they say: what is planted is there, and nothing else."""

import numpy as np
import pytest

from experiments.benchmarks.verdicts.rows import Budget
from experiments.benchmarks.verdicts.tuned.sweeps import checks, sweep_report


def test_what_is_planted_is_in_the_scores_of_its_level_alone():
    """With many items and no training noise a difference is what was planted."""
    rows = sweep_report(4000, 1, {"size": 10.0}, 0.0, 0).summary().query("kind == 'difference'").set_index(["factor", "level"])
    truth = {("size", "256"): 10.0}
    for key, estimate in rows["estimate"].items():
        assert estimate == pytest.approx(truth.get(key, 0.0), abs=1.0), key


def test_promises_hold_in_a_few_simulations():
    rows = list(checks(Budget(80, 0, quick=True)))
    assert {row.kind for row in rows} == {"null", "power", "coverage"}
    assert not [row for row in rows if not row.holds]
    assert all(np.isfinite(row.measured) for row in rows)
