"""`interp scale`: a nested series on a tiny model; killed, resumed and cut into shards it gives the same table."""

import dataclasses

import pandas as pd
import pytest

import probes.translation.measure
from experiments import scale
from experiments.ask import answer, answer_shared
from experiments.runs.shards import Shard
from experiments.scale import ScaleSettings
from experiments.settings.settings import parse
from probes.scaling.allocation_report import AllocationReport, measure_allocations, random_division
from probes.scaling.report import ScalingReport
from probes.scaling.study import ScalingStudy
from tests.probes.scaling.test_allocation import law as known_law
from tests.probes.scaling.test_scaling import CORPUS, GAMMAS, MODEL, sweep
from tests.support.tiny import tiny_folder


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("parent"))


def settings(parent, output, *flags) -> ScaleSettings:
    words = ["--languages", "de", "nl", "--sizes", "2", "4", "8", "--seeds", "1", "--limit", "6", "--steps", "2", "--batch", "2",
             "--max-new-tokens", "4", "--device", "cpu", "--model", str(parent), "--output", str(output)]  # fmt: skip
    return parse(ScaleSettings, [*words, *flags]).resolved()


@pytest.fixture
def growing(monkeypatch):
    """A tiny model cannot translate: as many of its answers are called right as one that grew with its pairs would give."""
    scores = ScalingStudy.scores

    def grown(study, cells, folder):
        found = scores(study, cells, folder)
        if "size" not in found:
            return found
        rank = found.groupby(["cell", "target"]).cumcount()
        return found.assign(exact=(rank < found["size"].map({0: 0, 2: 2, 4: 4, 8: 5})).astype(float))

    monkeypatch.setattr(ScalingStudy, "scores", grown)


def table(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "table.parquet")


def test_a_series_is_nested_its_report_has_the_law_and_its_plan_is_tried(parent, tmp_path, growing):
    flags = ("--gamma", "overlap", "--metric", "exact", "--budget", "12", "--validate", "--caps", "de", "7")
    asked = settings(parent, tmp_path / "run", *flags)
    cells = {cell.name: cell for cell in asked.study().jobs()}
    small, large = ({each.id for each in cells[f"deu_Latn/{n}/0"].mixture.examples} for n in (4, 8))
    assert small < large
    assert [cell.tags["size"] for cell in cells.values()] == [0, 8, 8, 4, 4, 2, 2]
    report = ScalingReport.load(answer(asked))
    assert len(report.table) == 6 * (2 + 6)
    assert report.law.form == "given"
    assert set(report.settings["similarity"]) == {"deu_Latn", "nld_Latn"}
    assert "train:cldr:dates" in str(report.signature)
    scores = report.summary().query("quantity == 'score'")
    assert len(scores) == 6
    assert (scores["estimate"] > scores["baseline"]).all()
    assert report.plan.pairs.sum() == 12
    assert report.plan.pairs[0] <= 7
    tried = AllocationReport.load(tmp_path / "run" / "validation")
    assert set(tried.table["arm"]) == {"uniform", "planned", "random"}
    assert any(note == f"Validation of the plan: {tried.verdict()}" for note in report.notes)
    with pytest.raises(ValueError, match="Give --budget"):
        scale.run(settings(parent, tmp_path / "other", "--validate"))


def test_killed_and_resumed_and_shared_it_gives_the_same_table(parent, tmp_path, monkeypatch, capsys):
    measured, calls = probes.translation.measure._translated, []

    class Killed(BaseException):
        """Nothing catches it, as nothing catches a signal."""

    def counted(*given):
        calls.append(given)
        if len(calls) == 3:
            raise Killed
        return measured(*given)

    monkeypatch.setattr(probes.translation.measure, "_translated", counted)
    cut = settings(parent, tmp_path / "cut", "--languages", "de")
    with pytest.raises(Killed):
        answer(cut)
    answer(dataclasses.replace(cut, resume=True))
    assert len(calls) == 4 + 1, "the untuned model, three tuned ones, and the one that was killed"
    for index in (1, 0):
        answer_shared(settings(parent, tmp_path / "shared", "--languages", "de"), Shard(index, 2))
    assert len(calls) == 5 + 4
    pd.testing.assert_frame_equal(table(tmp_path / "cut"), table(tmp_path / "shared"))
    assert "1 more to go" in capsys.readouterr().out


def test_each_language_may_have_text_of_its_own(parent, tmp_path):
    for code, lines in {"deu_Latn": 3, "nld_Latn": 5}.items():
        folder = tmp_path / "pairs" / code
        folder.mkdir(parents=True)
        for side in ("eng_Latn", code):
            (folder / f"{side}.txt").write_text("".join(f"{side} {k}\n" for k in range(lines)), encoding="utf-8")
    flags = ("--corpus", str(tmp_path / "pairs" / "{language}"), "--split", "None", "--test-corpus", "cldr:dates")
    study = settings(parent, tmp_path / "run", *flags).study()
    assert {code: len(each) for code, each in study.train.items()} == {"deu_Latn": 3, "nld_Latn": 5}
    assert len(study.test) == 6
    with pytest.raises(ValueError, match="to train on and to test on, expected two texts"):
        settings(parent, tmp_path / "run", "--test-split", "train").study()
    with pytest.raises(ValueError, match="no language beside the pivot"):
        dataclasses.replace(settings(parent, tmp_path / "run"), languages=()).study()


def arms(gain: float, seeds: int = 3) -> pd.DataFrame:
    """Models whose planned arm is right more often by `gain`, on the same items and seeds as the others."""
    base = sweep({name: GAMMAS[name] for name in ("deu_Latn", "arb_Arab")}, sizes=(400,), seeds=seeds)
    base = base[base["size"] > 0].drop(columns="size")
    frames = []
    for arm in ("uniform", "planned", "random"):
        part = base.assign(arm=arm, cell=arm + "/" + base["seed"].astype(str))
        frames.append(part.assign(exact=part["exact"].where(part["exact"] > 0, gain) if arm == "planned" else part["exact"]))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(("objective", "name"), [("sum", "mean"), ("maxmin", "lowest")])
def test_an_allocation_is_judged_by_its_paired_difference(objective, name, tmp_path):
    from probes.scaling.allocation import allocate

    plan = allocate(known_law(), 100, objective=objective)
    better = measure_allocations(arms(0.2), plan, MODEL, CORPUS, metric="exact", resamples=100)
    rows = better.summary().set_index(["arm", "language"])
    whole = rows.loc[("planned", name)]
    assert whole["difference_lower"] > 0
    assert rows.loc[("random", name), "difference"] == 0
    parts = rows.loc["planned"].drop(index=name)["estimate"]
    assert whole["estimate"] == pytest.approx(parts.mean() if objective == "sum" else parts.min())
    assert "planned minus uniform +" in better.verdict()
    same = measure_allocations(arms(0.0), plan, MODEL, CORPUS, metric="exact", resamples=100)
    assert "not shown to translate better or worse" in same.verdict()
    better.save(tmp_path)
    assert AllocationReport.load(tmp_path).verdict() == better.verdict()


def test_random_divisions_use_the_budget_and_respect_caps():
    from probes.scaling.allocation import allocate

    plan = allocate(known_law(), 1000)
    for seed in range(20):
        pairs = random_division(plan, {"deu_Latn": 20}, seed)
        assert sum(pairs.values()) == 1000
        assert pairs["deu_Latn"] <= 20
        assert min(pairs.values()) >= 1
    assert random_division(plan, {}, 1) != random_division(plan, {}, 2)


def test_training_settings_become_a_recipe_that_holds_nothing_out(parent, tmp_path):
    recipe = settings(parent, tmp_path, "--scope", "lora", "--learning-rate", "0.01").recipe(seed=7)
    assert (recipe.scope, recipe.learning_rate, recipe.seed, recipe.held_out, recipe.device_batch) == ("lora", 0.01, 7, 0.0, 2)
    with pytest.raises(ValueError, match="float16"):
        settings(parent, tmp_path, "--dtype", "float16").recipe()
