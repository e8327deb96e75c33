"""The studies of tuned models have one shape: a frozen plan whose jobs are shared without one being lost or done twice."""

import dataclasses

import pandas as pd
import pytest

import probes
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.tuning import Recipe, plain_text

WORDS = {"eng_Latn": "the cat {}", "deu_Latn": "die Katze {}", "rus_Cyrl": "кошка {}", "fra_Latn": "le chat {}"}
TRAIN, TEST = (
    ParallelCorpus(name, {code: tuple(form.format(n) for n in numbers) for code, form in WORDS.items()})
    for name, numbers in (("train", range(12)), ("test", range(20, 26)))
)
RECIPE = Recipe(form="bare", steps=2, batch=4, device_batch=4, held_out=0.0)
PAIRS = {code: TRAIN.select(["eng_Latn", code]) for code in ("deu_Latn", "rus_Cyrl")}
GENERAL = plain_text(TRAIN, list(WORDS))
TASK = ParallelTask("asked", TEST.sentences, {code: tuple((str(n),) for n in range(6)) for code in WORDS})
SAME = {"parent": "nowhere", "test": TEST, "seeds": 2, "seed": 5}
STUDIES = {
    "quadrants": lambda **how: probes.QuadrantStudy(
        **SAME | {"train": PAIRS, "probes": ("fra_Latn",), "recipes": {"full": RECIPE}, "sizes": (4, 8)} | how
    ),
    "scaling": lambda **how: probes.ScalingStudy(**SAME | {"train": PAIRS, "recipe": RECIPE, "sizes": (2, 4, 8)} | how),
    "directions": lambda **how: probes.DirectionStudy(
        **SAME
        | {"train": TRAIN, "roles": probes.Roles(("eng_Latn",), ("deu_Latn",), ("fra_Latn",), ("rus_Cyrl",)), "recipe": RECIPE}
        | how
    ),
}
"""Plans of models that no test tunes: there is no such parent."""
ALL = STUDIES | {
    "extrapolation": lambda **how: probes.ExtrapolationStudy(
        **SAME | {"train": PAIRS, "general": GENERAL, "task": TASK, "text": TEST, "recipe": RECIPE} | how
    )
}
"""The same, with the one that asks its models more than to translate."""


def _cells(job) -> list:
    """The cells of a job, of whichever study."""
    return list(getattr(job, "cells", None) or [getattr(job, "cell", job)])


@pytest.mark.parametrize("study", ALL.values(), ids=ALL)
def test_shares_are_all_jobs_each_once_and_a_share_too_many_does_nothing(study, tmp_path, monkeypatch):
    plan, done = study(), []
    monkeypatch.setattr(type(plan), "scores", lambda self, jobs, folder: done.append((folder, list(jobs))))
    names = [cell.name for job in plan.jobs() for cell in _cells(job)]
    count = len(plan.jobs()) + 1
    for index in reversed(range(count)):
        plan.share(tmp_path, index, count)
    assert len(done) == count - 1, "the last share has nothing to do"
    assert {folder for folder, _ in done} == {tmp_path}
    assert sorted(cell.name for _, jobs in done for job in jobs for cell in _cells(job)) == sorted(names)
    assert len(set(names)) == len(names)
    with pytest.raises(ValueError, match="got index 2 of 2 shares, expected 0 to 1"):
        plan.share(tmp_path, 2, 2)


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_models_are_tuned_with_seeds_from_the_first_on_and_asked_in_the_prompt_they_were_tuned_in(study, tmp_path, monkeypatch):
    plan, asked = study(), []
    tuned = [cell for job in plan.jobs() for cell in _cells(job) if cell.mixture is not None]
    assert {cell.recipe.seed for cell in tuned} == {5, 6}

    def measure_cells(parent, cells, corpus, folder, *, form, **how):
        asked.append((parent, corpus, folder, form))
        return pd.DataFrame({"target": ["deu_Latn"]})

    monkeypatch.setattr(f"{type(plan).__module__}.measure_cells", measure_cells)
    plan.scores(plan.jobs(), tmp_path)
    assert {form for *_, form in asked} == {"bare"}
    assert {parent for parent, *_ in asked} == {"nowhere"}
    assert {folder for *_, folder, _ in asked} == {tmp_path / "sweep"}


@pytest.mark.parametrize("study", ALL.values(), ids=ALL)
def test_a_plan_is_frozen_and_has_a_seed_at_least(study):
    with pytest.raises(dataclasses.FrozenInstanceError):
        study().pivot = "deu_Latn"
    with pytest.raises(ValueError, match="got 0 seeds"):
        study(seeds=0)


def test_the_format_control_of_a_changed_tokenizer_is_that_of_full_tuning():
    """Also where full tuning itself is not among the methods."""
    jobs = STUDIES["quadrants"](recipes={"shorten": RECIPE}).jobs()
    assert [(job.method, job.language) for job in jobs] == [
        ("", ""), ("full", ""), ("shorten", "deu_Latn"), ("shorten", "rus_Cyrl")
    ]  # fmt: skip
    assert {cell.tags["role"] for cell in jobs[1].cells} == {"format"}


def test_what_cannot_be_planned_is_named():
    other = dataclasses.replace(RECIPE, form="quoted")
    with pytest.raises(ValueError, match="got prompt forms bare, quoted, expected one"):
        STUDIES["quadrants"](recipes={"full": RECIPE, "lora": dataclasses.replace(other, scope="lora")})
    with pytest.raises(ValueError, match="pivot eng_Latn is among the languages"):
        STUDIES["quadrants"](probes=("eng_Latn",))
    with pytest.raises(ValueError, match="got no language to tune on"):
        STUDIES["scaling"](train={})
    with pytest.raises(ValueError, match="no budget, so there is no plan to try"):
        STUDIES["scaling"](validate=True)


def test_shots_that_leave_no_item_to_test_are_refused_before_anything_is_tuned():
    with pytest.raises(ValueError, match="got 6 shots of 6 items, expected 0 to 5"):
        STUDIES["directions"](shots=6)
