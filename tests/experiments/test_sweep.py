"""`interp sweep`: factors of a YAML file on a tiny model; killed, resumed, shared and in another file no cell is tuned twice."""

from __future__ import annotations

import dataclasses
import json
import os

import pandas as pd
import pytest
import yaml

import probes.sweep.models
from experiments.__main__ import main
from experiments.ask import answer, answer_shared
from experiments.costs.plan import count
from experiments.runs.shards import Shard
from experiments.settings.settings import parse
from experiments.sweep import SweepSettings
from probes.factors.report import SweepReport
from tests.support.tiny import tiny_folder

PLAIN = {
    "languages": ["de", "nl"], "steps": 2, "batch": 2, "limit": 6, "max_new_tokens": 4, "seeds": 1, "device": "cpu",
    "factors": {"size": [2, 8], "method": ["embed", "full"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("parent"))


@pytest.fixture
def tuned(monkeypatch):
    """What was tuned since the test began, by the name of its mixture and its scope."""
    tune, calls = probes.sweep.models.tune, []

    def counted(parent, mixture, recipe, *given, **how):
        calls.append((mixture.name, recipe.scope, recipe.seed))
        return tune(parent, mixture, recipe, *given, **how)

    monkeypatch.setattr(probes.sweep.models, "tune", counted)
    return calls


def written(folder, parent, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "factors.yaml"
    path.write_text(yaml.safe_dump({**PLAIN, "model": str(parent), **changes}, sort_keys=False), encoding="utf-8")
    return path


def settings(folder, parent, *flags, **changes) -> SweepSettings:
    path = written(folder / "yaml", parent, **changes)
    return parse(SweepSettings, ["--config", str(path), "--output", str(folder / "run"), *flags]).resolved()


def table(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "run" / "table.parquet")


def test_a_file_of_factors_becomes_a_table_a_figure_and_a_verdict(parent, tmp_path, tuned, capsys):
    path = written(tmp_path, parent, factors={**PLAIN["factors"], "seed": [0, 1]})
    assert main(["sweep", str(path), "--output", str(tmp_path / "run")]) == 0
    report = SweepReport.load(tmp_path / "run")
    assert len(tuned) == 2 * 2 * 2
    assert report.factors == {"size": ["2", "8"], "method": ["embeddings", "full"]}
    assert len(report.table) == 6 * 2 * (1 + 8)
    assert set(report.table.loc[report.table["role"] == "untuned", "steps"]) == {0}
    assert (tmp_path / "run" / "figure.svg").stat().st_size > 1000
    assert len(report.verdict().split(". ")[0].split()) <= 25
    assert "seeds: 2" in capsys.readouterr().out


def test_what_is_left_out_is_not_tuned(parent, tmp_path, tuned):
    found = settings(tmp_path, parent, **{"except": [{"size": 8, "method": "embed"}]})
    assert [each["method"] for each in found.combinations] == ["embeddings", "full", "full"]
    report = SweepReport.load(answer(found))
    assert len(tuned) == 3
    rows = report.summary().query("kind == 'difference'").set_index("level")
    assert rows.loc["8", "combinations"] == 1, "compared in full tuning alone"


def test_killed_and_resumed_and_shared_it_gives_the_same_table(parent, tmp_path, monkeypatch, tuned):
    from probes.sweep.sweep import Sweep

    asked, calls = Sweep._asked, []

    class Killed(BaseException):
        """Nothing catches it, as nothing catches a signal."""

    def counted(*given):
        calls.append(given)
        if len(calls) == 3:
            raise Killed
        return asked(*given)

    monkeypatch.setattr(Sweep, "_asked", counted)
    cut = settings(tmp_path / "cut", parent)
    with pytest.raises(Killed):
        answer(cut)
    answer(dataclasses.replace(cut, resume=True))
    assert len(calls) == 1 + 4 + 1, "the untuned model, four tuned ones, and the one that was killed"
    for index in (1, 0):
        answer_shared(settings(tmp_path / "shared", parent), Shard(index, 2))
    assert len(calls) == 6 + 5
    pd.testing.assert_frame_equal(table(tmp_path / "cut"), table(tmp_path / "shared"))


def test_two_files_with_one_store_share_their_cells(parent, tmp_path, tuned):
    store = ("--store", str(tmp_path / "store"))
    answer(settings(tmp_path / "one", parent, *store))
    assert len(tuned) == 4
    answer(settings(tmp_path / "two", parent, *store, factors={"method": ["full", "lora"], "size": [8, 4]}))
    assert len(tuned) == 4 + 3, "full tuning on 8 pairs was there"
    one, two = (table(tmp_path / name).query("factor_method == 'full' and factor_size == '8'") for name in ("one", "two"))
    assert one["hypothesis"].tolist() == two["hypothesis"].tolist()


def test_two_workers_that_submitit_starts_share_the_cells(parent, tmp_path, monkeypatch, capfd):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]))
    path, output = written(tmp_path, parent, workers=2), tmp_path / "run"
    assert main(["sweep", str(path), "--output", str(output)]) == 0, capfd.readouterr()
    assert {each.name for each in (output / "shards").glob("*-of-*")} == {"1-of-2", "2-of-2"}
    names = [json.loads(note.read_text())["name"] for note in (output / "sweep" / "cells").glob("*.json")]
    assert len(names) == len(set(names)) == 5
    answer(alone := settings(tmp_path / "alone", parent))
    pd.testing.assert_frame_equal(table(tmp_path), pd.read_parquet(alone.output / "table.parquet"))


def test_the_plan_says_what_will_be_tuned(parent, tmp_path, tuned):
    found = settings(
        tmp_path, parent, factors={**PLAIN["factors"], "seed": [0, 1, 2]}, **{"except": [{"size": 2, "method": "full"}]}
    )
    assert found.counted() == ["9 models to tune: 2 size x 2 method x 3 seeds, 1 combination left out"]
    cost, _ = count(found)
    updates = sum(work.forwards for work in cost.works if work.passes > 1)
    answer(found)
    assert len(tuned) == 9
    assert updates == 9 * PLAIN["steps"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"factors": {}}, "got no factors"),
        ({"factors": {"methods": ["full"]}}, "Did you mean method?"),
        ({"factors": {"method": ["ful", "lora"]}}, "Did you mean full?"),
        ({"factors": {"size": ["16", 8]}}, "size: got level '16'"),
        ({"factors": {"size": [0, 8]}}, "got 0, expected a whole number from 1"),
        ({"factors": {"languages": [["de"], ["xx"]]}}, "xx"),
        ({"factors": {"mixture": ["translation", "translation+txt"]}}, "Did you mean text?"),
        ({"factors": {"objective": ["text"], "mixture": ["copy"]}}, "which mean the same"),
        ({"except": [{"siz": 2}]}, "Did you mean size?"),
        ({"except": [{"seed": 0}]}, "every combination has the same seeds"),
        ({"metrc": "exact"}, "Did you mean metric?"),
        ({"metric": "exat"}, "exat"),
        ({"test_directions": ["eng_Latn-deu_Latn"]}, "expected source>target"),
        ({"factors": {"template": ["quoted", "mfti-9"]}}, "mfti-9"),
        ({"factors": {"size": [2, 10**6]}}, "Take fewer"),
    ],
)
def test_what_means_nothing_is_one_line_before_a_model_is_loaded(changes, says, parent, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("interp.load", lambda *_, **__: pytest.fail("a model was loaded"))
    path = written(tmp_path, parent, **{"seeds": 2, **changes})
    assert main(["sweep", str(path), "--output", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_models_templates_languages_and_directions_are_factors(parent, tmp_path, tuned):
    other = tiny_folder("llama", tmp_path / "other", seed=3)
    factors = {"model": [str(parent), str(other)], "template": ["quoted", "mfti-1"], "direction": ["from_pivot", "both"]}
    report = SweepReport.load(answer(settings(tmp_path, parent, factors=factors, samples=2)))
    bare = report.table[report.table["role"] == "untuned"]
    assert bare["cell"].nunique() == 4, "every model in every template"
    means = report.summary().query("kind == 'mean'").set_index(["factor", "level"])
    of = report.table[report.table["untuned"].str.contains("mfti-1")]["untuned"].unique()
    assert len(of) == 2
    assert means.loc[("template", "mfti-1"), "n"] == 6
    assert len(tuned) == 8


def test_questions_are_a_score_and_none_that_is_asked_is_trained_on(parent, tmp_path):
    how = {"task": "answers", "metric": "exact", "mixture": "instructions", "factors": {"languages": ["eng", ["eng", "de"]]}}
    found = settings(tmp_path, parent, **how)
    asked = set(found.read_questions().ids)
    trained = {each.item.rpartition("/")[2] for arm in found.study().arms for each in arm.cell.mixture.examples}
    assert len(asked) == 6
    assert not asked & trained
    report = SweepReport.load(answer(found))
    assert set(report.table["target"]) == {"eng_Latn", "deu_Latn", "nld_Latn"}


def test_scores_of_an_outside_judge_take_the_place_of_the_metric(parent, tmp_path):
    store = ("--store", str(tmp_path / "store"))
    answer(settings(tmp_path, parent, *store))
    judged = table(tmp_path)[["cell", "source", "target", "item"]].assign(score=0.25)
    judged["direction"] = judged["source"] + ">" + judged["target"]
    path = tmp_path / "comet.csv"
    judged[["cell", "direction", "item", "score"]].to_csv(path, index=False)
    again = settings(tmp_path / "judged", parent, *store, "--scores", str(path))
    report = SweepReport.load(answer(again))
    assert report.settings["metric"] == "comet"
    assert report.summary().query("kind == 'mean'")["estimate"].tolist() == [0.25] * 4
    judged.drop(index=[3]).to_csv(path, index=False)
    with pytest.raises(ValueError, match="1 of 60 items have no score"):
        answer(settings(tmp_path / "missing", parent, *store, "--scores", str(path)))
    pd.concat([judged, judged.head(1)]).to_csv(path, index=False)
    with pytest.raises(ValueError, match="1 items are scored twice"):
        answer(settings(tmp_path / "double", parent, *store, "--scores", str(path)))
