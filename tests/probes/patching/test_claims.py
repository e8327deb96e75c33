"""The verdict of patching reads a table of known effects: which blocks carry the answer, and which push it the other way."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import interp
from interp.activations.store import Activations
from probes.patching.claims import claims
from probes.patching.contrasts import contrasts
from probes.patching.report import PatchReport

SIGNATURE = Activations.from_arrays({"eng_Latn": torch.zeros(25, 2, 4)}).signature  # 24 blocks
SPAN, LAST = [1.0] * 4 + [0.2] * 20, [0.0] * 16 + [-0.7] * 5 + [0.9] * 3
"""Shares of the difference that patching moves at each of 24 blocks: the word carries up to 3, the last token from 21."""


def reported(
    curves: dict[str, list[float]],
    n: int = 30,
    languages: tuple[str, ...] = ("eng_Latn",),
    direction: str = "denoise",
    site: str = "residual_post",
    blocks: range = range(24),
) -> PatchReport:
    """A report in which every anchor moves these shares of the difference at each block, with a little noise."""
    rng, rows = np.random.default_rng(0), []
    for language in languages:
        for item in range(n):
            whole = rng.uniform(0.5, 2)
            ends = {"clean": whole / 2, "corrupt": -whole / 2, "item": str(item), "language": language, "direction": direction}
            for block in blocks:
                for anchor, shares in curves.items():
                    moved = shares[block] * whole + 0.1 * rng.normal()
                    value = moved - whole / 2 if direction == "denoise" else whole / 2 - moved
                    rows.append({"layer": block, "head": -1, "anchor": anchor, "value": value, **ends})
    return PatchReport(pd.DataFrame(rows), SIGNATURE, settings={"site": site, "resamples": 50, "seed": 0})


@pytest.mark.parametrize("languages", [("eng_Latn",), ("eng_Latn", "deu_Latn")])
@pytest.mark.parametrize(("direction", "said"), [("denoise", "Denoising restores"), ("noise", "Noising removes")])
def test_the_verdict_tells_what_carries_from_what_pushes_the_other_way(languages, direction, said):
    report = reported({"span": SPAN, "last": LAST}, languages=languages, direction=direction)
    first, second = report.verdict().split(". ")[:2]
    n = "n=30" if len(languages) == 1 else "n=30, 60 pairs"
    assert first.lower().endswith(f"the answer sits on the subject word up to block 3, then at the last token from block 21 ({n})")
    assert len(first.split()) <= 25
    assert second.startswith(f"{said} more than half of it on the subject word up to block 3, at the last token from block 21")
    assert "it pushes the other way at the last token at blocks 16-20, by up to 0.7" in second
    claimed = report.summary().query("anchor == 'last'").groupby("language")["claim"]
    for _, own in claimed:
        assert own.tolist() == [""] * 16 + ["opposes"] * 5 + ["carries"] * 3


def test_the_figure_marks_what_the_verdict_claims():
    report = reported({"last": LAST})
    (axes,) = report.plot().axes
    dots, crosses = (sorted(points.get_offsets()[:, 0]) for points in axes.collections[1:3])
    assert (dots, crosses) == ([21, 22, 23], [16, 17, 18, 19, 20])


def test_blocks_that_carry_are_listed_with_their_holes():
    report = reported({"last": [1.0] * 4 + [0.0] * 17 + [1.0] * 3})
    assert report.verdict().startswith("The answer sits at the last token at blocks 0-3 and from 21 (n=30).")


def test_the_last_block_alone_is_no_finding():
    report = reported({"last": [0.0] * 23 + [1.0]})
    assert report.verdict().startswith("No patched position carries the answer before the last block (n=30).")


def test_only_the_models_own_last_block_proves_nothing():
    step = {"last": [0.0] * 7 + [1.0] * 17}
    assert reported(step, blocks=range(6, 8)).verdict().startswith("The answer sits at the last token at block 7 (n=30).")
    assert reported(step, blocks=range(7, 8)).verdict().startswith("The answer sits at the last token at block 7 (n=30).")
    assert reported(step, blocks=range(6, 7)).verdict().startswith("No patched position carries the answer (n=30).")
    assert "in any model" not in reported(step, blocks=range(6, 8)).verdict()
    before = reported({"last": [0.0] * 23 + [1.0]}, site="residual_pre").verdict()
    assert before.startswith("The answer sits at the last token at block 23 (n=30).")
    assert "in any model" not in before


def test_two_places_from_the_same_block_are_not_one_after_the_other():
    assert "on the subject word up to block 3 and at the last token up to block 3 (n=30)" in (
        reported(dict.fromkeys(("span", "last"), SPAN[:4] + [0.0] * 20)).verdict()
    )


def test_a_language_of_few_pairs_is_not_said_to_carry_nothing():
    report = reported({"last": LAST}, languages=("eng_Latn", "deu_Latn"))
    table = report.table[(report.table["language"] == "eng_Latn") | report.table["item"].isin(["0", "1"])]
    verdict = replace(report, table=table.reset_index(drop=True)).verdict()
    assert "eng_Latn: at the last token from block 21; deu_Latn: too few pairs" in verdict


def test_parts_of_a_block_help_or_push_the_other_way():
    report = reported({"last": [0.0] * 5 + [0.3] + [0.0] * 11 + [-0.2] + [0.0] * 6}, site="mlp")
    assert re.match(
        r"MLP of block 5 at the last token helps the answer most: (2|3)\d% of the difference \(n=30\)\.", report.verdict()
    )
    assert "1 push the other way (17 at the last token -0.2" in report.verdict()


def test_too_few_pairs_claim_nothing():
    assert reported({"last": LAST}, n=5).verdict().startswith("With n=5 items nothing is claimed: at least 6 are needed.")
    assert not reported({"last": LAST}, n=5).summary()["claim"].any()


def test_where_nothing_moves_a_claim_is_rare_and_a_sure_one_is_found_among_many_cells():
    rng = np.random.default_rng(0)
    false = [(claims(rng.normal(size=(20, 60)), np.ones(20), 0.0, seed=seed).claim != "").any() for seed in range(40)]
    assert np.mean(false) <= 0.15  # 5 % are expected
    moved = rng.normal(size=(40, 1000))
    moved[:, 7] += 3
    assert claims(moved, np.ones(40), 0.5).claim[7] == "carries"
    turned = claims(-moved, -np.ones(40), 0.5).claim
    assert turned[7] == "carries", "a metric that is lower in the clean run"


def test_a_question_with_two_answers_is_no_pair_of_itself():
    """Breton "Meurzh" is March and Tuesday: the same prompt twice has no part that differs."""
    answers = (("March",), ("Tuesday",), ("Monday",))
    task = interp.ParallelTask("two", {"bre_Latn": ("Meurzh?", "Meurzh?", "Lun?")}, {"bre_Latn": answers})
    pairs = contrasts(task, "bre_Latn")
    assert len(pairs) == 3
    assert all("[[" in pair.clean for pair in pairs)
