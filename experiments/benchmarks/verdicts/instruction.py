"""`interp instruction`: patches that change nothing carry nothing, a tag that carries the language up to a block is found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import Budget, Row, null, power
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.instruction.report import CHANGES, PLACES, InstructionReport
from probes.report import Report


def checks(budget: Budget) -> Iterator[Row]:
    """Nulls at no effect and at exactly half of it, and a tag with nearly all of it at one block."""
    for n in (30,) if budget.quick else (12, 30, 100):
        for height in (0.0, 0.5):
            found = [_report(n, 32, seed, height).finds() for seed in budget.seeds()]
            yield null(f"instruction, 32 blocks, effect {height} at all", n, found)
    for blocks in (32,) if budget.quick else (12, 32, 80):
        found = [_report(30, blocks, seed, 0.0, planted=True).finds() for seed in budget.seeds(0.5)]
        yield power(f"instruction, one of {blocks} blocks, 1 sd above half", 30, found)


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _report(30, 32, seed, 0.0), "planted": _report(30, 32, seed, 0.0, planted=True)}


def _report(n: int, blocks: int, seed: int, height: float, planted: bool = False) -> InstructionReport:
    """Effects of the tag of this `height` at all blocks, with an sd of .3 over items; `planted`: .8 at one."""
    rng = np.random.default_rng(seed)
    frames = []
    for place in PLACES:
        effect = height * (place == "tag") + 0.25 * rng.normal(size=(n, blocks)) + 0.17 * rng.normal(size=(n, 1))
        if planted and place == "tag":
            effect[:, blocks // 2] += 0.8
        frames.append(pd.DataFrame({
            "kind": "patched", "item": np.repeat(np.arange(n).astype(str), blocks), "place": place,
            "layer": np.tile(np.arange(blocks), n), "effect": effect.ravel(), "flipped": effect.ravel() > 0.5,
        }))  # fmt: skip
    for change in CHANGES:
        frames.append(pd.DataFrame({
            "kind": "written", "item": np.arange(n).astype(str), "change": change, "in_target": rng.random(n) < 0.7,
            "in_other": False, "in_source": False,
        }))  # fmt: skip
    model, text = ModelIdentity("none", "0" * 8, blocks, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    return InstructionReport(
        pd.concat(frames, ignore_index=True), Signature("instruction", model, text), settings={"resamples": 100, "seed": seed}
    )
