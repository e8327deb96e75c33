"""Which rows of a long summary are shown: the best layer of each group, whatever was claimed of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from experiments.runs.finished import Finished


def patched(layers: int = 24) -> pd.DataFrame:
    """A patching summary: the subject's token carries the answer in the first half, the last token in the second."""
    subject = np.linspace(1, 0, layers)
    rows = []
    for direction in ("denoise", "noise"):
        for anchor, carried in (("span", subject), ("last", 1 - subject)):
            values = carried if direction == "denoise" else 1 - carried
            start = 0.0 if direction == "denoise" else 1.0
            rows += [
                {"direction": direction, "anchor": anchor, "layer": str(layer), "estimate": value, "lower": value - 0.01,
                 "upper": value + 0.01, "n": 20, "baseline": start, "claim": "carries" if carried[layer] > 0.5 else np.nan}
                for layer, value in enumerate(values)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def test_where_nothing_is_claimed_the_layers_shown_of_a_patch_are_those_that_move_the_answer_most():
    """Noising takes away: there the lowest row is the best."""
    rows, note = Finished(Path("run"), {}, "", patched().assign(claim=np.nan)).brief()
    shown = rows.set_index(["direction", "anchor"])
    assert shown["layer"].to_dict() == {
        ("denoise", "span"): "0", ("denoise", "last"): "23", ("noise", "span"): "0", ("noise", "last"): "23",
    }  # fmt: skip
    assert shown["estimate"].to_dict()["noise", "span"] == 0.0
    assert "lowest noise" in note


def test_the_rows_that_a_verdict_speaks_of_are_shown():
    """Of claims that layers make, the ends of each run of them; of several metrics, the first that is tested."""
    rows, note = Finished(Path("run"), {}, "", patched()).brief()
    ends = {"span": ["0", "11"], "last": ["12", "23"]}
    for direction in ("denoise", "noise"):
        own = rows[rows["direction"] == direction]
        assert {anchor: list(own.loc[own["anchor"] == anchor, "layer"]) for anchor in ends} == ends
    assert note.startswith("Shown: first and last layer of each claim.")
    metrics = [{"metric": metric, "language": str(code), "estimate": 0.5, "n": 9, "p": 0.01 if metric == "damage" else np.nan}
               for metric in ("stability", "damage") for code in range(8)]  # fmt: skip
    rows, note = Finished(Path("run"), {}, "", pd.DataFrame(metrics)).brief()
    assert len(rows) == 8
    assert note.startswith("Shown: damage only.")


def test_of_metrics_with_a_control_the_rows_compared_with_it_are_shown():
    """Of neurons, what switching them off does; of steering, every score of the strength that was chosen."""
    neurons = [{"metric": metric, "language": str(code), "text": str(text), "estimate": 0.5, "n": 9,
                "excess": 0.1 if metric == "damage" else np.nan,
                "p": 0.01 if metric == "damage" and code == text else np.nan}
               for metric in ("stability", "damage") for code in range(7) for text in range(7)]  # fmt: skip
    rows, note = Finished(Path("run"), {}, "", pd.DataFrame(neurons)).brief()
    assert list(rows["language"]) == list(rows["text"]) == [str(code) for code in range(7)]
    assert note.startswith("Shown: what is compared with its control.")
    steering = [{"metric": metric, "edit": f"alpha {alpha}", "estimate": 0.5, "n": 9, "excess": 0.1 if alpha == 1 else np.nan}
                for metric in ("language", "plausible", "repetition", "fidelity", "surprise") for alpha in range(4)]  # fmt: skip
    rows, _ = Finished(Path("run"), {}, "", pd.DataFrame(steering)).brief()
    assert list(rows["metric"]) == ["language", "plausible", "repetition", "fidelity", "surprise"]


def test_neurons_that_are_not_switched_off_are_shown_with_stability_and_number():
    table = [{"metric": metric, "language": str(code), "estimate": 0.5, "n": 9} for metric in ("stability", "count")
             for code in range(7)]  # fmt: skip
    rows, note = Finished(Path("run"), {}, "", pd.DataFrame(table)).brief()
    assert (len(rows), note) == (14, "")
