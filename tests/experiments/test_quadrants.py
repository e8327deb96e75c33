"""`interp quadrants` on a tiny model: shared or killed and resumed it gives one table, and every way of tuning runs."""

import multiprocessing
import os
import signal
from dataclasses import replace

import pandas as pd
import pytest
import torch

import interp.tuning.fit
from experiments.ask import answer, answer_shared
from experiments.quadrants import QuadrantsSettings
from experiments.runs.shards import Shard
from experiments.settings.settings import RECIPES, parse, read_recipe
from interp.text import cldr
from probes.quadrants.report import QuadrantReport
from tests.support.tiny import tiny_folder


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    torch.set_num_threads(1)
    return tiny_folder("llama", tmp_path_factory.mktemp("parent"), max_position_embeddings=512)


def settings(parent, output, *flags) -> QuadrantsSettings:
    words = ["--model", str(parent), "--output", str(output), "--languages", "de", "khm_Khmr", "--probes", "af", "de",
             "--sizes", "8", "--limit", "4", "--steps", "2", "--batch", "4", "--max-new-tokens", "3",
             "--seeds", "1", "--device", "cpu"]  # fmt: skip
    return parse(QuadrantsSettings, [*words, *flags])


def _die(asked):
    """Answer, and be killed in the middle of the second tuning."""
    steps, inner = [], interp.tuning.fit._Trainer.training_step

    def dying(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(self, *args, **kwargs)

    interp.tuning.fit._Trainer.training_step = dying
    torch.set_num_threads(1)
    answer(asked)


def test_shared_or_killed_and_resumed_the_table_is_the_same(parent, tmp_path):
    for index in (0, 1):
        answer_shared(settings(parent, tmp_path / "shared"), Shard(index, 2))
    report = QuadrantReport.load(tmp_path / "shared")
    assert report.table["role"].value_counts().to_dict() == {"base": 12, "format": 12, "tuned": 20}
    assert set(report.classes()["against"]) == {"base", "format"}
    process = multiprocessing.get_context("fork").Process(target=_die, args=(settings(parent, tmp_path / "killed"),))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    finished = len(list((tmp_path / "killed" / "sweep" / "cells").glob("*.json")))
    assert finished == 2  # the base and the format control
    answer(settings(parent, tmp_path / "killed", "--resume"))
    again = QuadrantReport.load(tmp_path / "killed")
    pd.testing.assert_frame_equal(again.table, report.table)
    pd.testing.assert_frame_equal(again.summary(), report.summary())


def test_every_way_of_tuning_runs_and_is_held_against_the_base(parent, tmp_path):
    flags = ("--methods", "embeddings", "full", "lora", "shorten", "extend", "--languages", "khm_Khmr", "--controls",
             "--pieces", "5", "--survey", "cldr:phrases")  # fmt: skip
    answer(settings(parent, tmp_path, *flags))
    report = QuadrantReport.load(tmp_path)
    assert set(report.classes()["method"]) == {"embeddings", "full", "lora", "shorten", "extend"}
    assert set(report.figures()) == {"quadrants", "arms"}
    tuned = report.table[report.table["role"] == "tuned"].groupby("method")["moved_rows"].first()
    assert tuned["lora"] == 0 < tuned["embeddings"]
    assert len(report.guideline()) in (0, 2)  # shorten and extend are the advice for a stagnant language alone
    with pytest.raises(ValueError, match="of 1 languages, expected 7 at least"):
        report.causes()  # one language


@pytest.mark.parametrize(
    ("methods", "controls"),
    [(("shorten",), ("format",)), (("extend",), ("format", "shuffled")), (("lora", "shorten"), ("format", "shuffled"))],
)
def test_any_methods_work_without_full_tuning_among_them(parent, tmp_path, methods, controls):
    flags = ("--methods", *methods, "--languages", "khm_Khmr", "--controls", *controls, "--pieces", "5")
    answer(settings(parent, tmp_path, *flags))
    report = QuadrantReport.load(tmp_path)
    found = report.classes()
    assert set(found["method"]) == set(methods)
    assert set(found["against"]) == {"base", *controls}
    assert report.verdict().startswith("One training seed cannot tell a gain from training noise")
    assert f"Tuning ({methods[0]}" in report.verdict()
    arms = {method if method == "lora" else "full" for method in methods}
    for control in controls:
        assert set(report.table.loc[report.table["role"] == control, "method"]) == arms


def test_shortening_what_cannot_be_shortened_is_refused_before_anything_is_tuned(parent, tmp_path):
    with pytest.raises(ValueError, match="no language can be shortened"):
        answer(settings(parent, tmp_path, "--methods", "shorten", "--languages", "nl", "--probes", "af"))
    assert not list(tmp_path.glob("sweep/cells/*.json"))


def test_what_cannot_be_asked_is_named(parent, tmp_path):
    with pytest.raises(ValueError, match="to train on and to test on, expected two texts"):
        answer(settings(parent, tmp_path / "a", "--test-split", "train"))
    with pytest.raises(ValueError, match="pivot eng_Latn is among"):
        answer(settings(parent, tmp_path / "b", "--probes", "en"))


def test_the_recipes_are_what_they_say():
    published, bundled = (read_recipe(QuadrantsSettings, RECIPES / f"quadrants-{name}.yaml") for name in ("llama", "bundled"))
    recipe = published.recipes()["embeddings"]
    assert (recipe.scope, recipe.form, recipe.learning_rate, recipe.epochs, recipe.batch) == (
        "embeddings",
        "parrot",
        2e-5,
        3.0,
        128,
    )
    assert (published.sizes, published.beams, published.metric, published.probes) == (
        (10_000,),
        4,
        "spbleu_flores101",
        ("afr_Latn", "ron_Latn"),
    )
    assert replace(published, methods=("lora",)).recipes()["lora"].learning_rate == 1e-4
    assert len(set(bundled.languages)) == 101
    assert set(bundled.languages) | set(bundled.probes) <= set(cldr.available())
    study = bundled.study()
    assert len(study.jobs()) == 1 + 1 + 101
    assert len(study.test) >= 30
    assert {code for code in bundled.languages if not cldr.entries("phrases", code)} == set()
