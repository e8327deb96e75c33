"""`interp directions`: roles on a command line to one table, the same after a kill, in shares, and read again."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

import probes.directions.study
import probes.sweep.sweep
from experiments.ask import answer
from experiments.directions import DirectionsSettings, run, share
from experiments.runs.shards import Shard
from experiments.settings.settings import RECIPES, parse, read_recipe
from probes.directions.alignment import PairAlignmentReport
from probes.directions.report import DirectionReport
from probes.report import Report
from tests.support.tiny import tiny_folder

WORDS = (
    "--mix en --read-only de --write-only fr --languages es --limit 3 --samples 4 --steps 2 --batch 4 --device-batch 4 --shots 1 "
    "--form mfti-2 --max-new-tokens 3 --max-length 100 --align-limit 9 --judge script --device cpu "
    "--learning-rate 0.001 --metrics exact --seeds 1"
)


def _settings(parent, output, *more: str) -> DirectionsSettings:
    return parse(DirectionsSettings, [*WORDS.split(), "--model", str(parent), "--output", str(output), *more]).resolved()


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("parent"))


@pytest.fixture(scope="module")
def done(parent, tmp_path_factory):
    folder = tmp_path_factory.mktemp("directions") / "run"
    return answer(_settings(parent, folder))


def test_roles_are_what_the_flags_say_and_the_rest_is_unseen(parent, tmp_path):
    roles = _settings(parent, tmp_path).roles
    assert (roles.mix, roles.read_only, roles.write_only, roles.unseen) == (
        ("eng_Latn",), ("deu_Latn",), ("fra_Latn",), ("spa_Latn",),
    )  # fmt: skip
    assert _settings(parent, tmp_path, "--mix", "it", "fr", "--write-only").roles.unseen == ("eng_Latn", "spa_Latn")


def test_every_model_is_tested_on_the_same_items_in_every_direction_with_its_errors(done):
    report = Report.load(done)
    assert isinstance(report, DirectionReport)
    assert set(report.table["system"]) == {"tuned", "copy", "base", "few-shot"}
    assert report.table.groupby(["system", "source", "target"])["item"].nunique().unique().tolist() == [2]
    assert len(report.table) == 4 * 12 * 2
    assert {"corrected_copy", "published_off_target", "corrected", "published"} <= set(report.table)
    assert {"few-shot", "copy", "base", "seen"} <= set(report.summary()["against"])
    assert not any("additivity" in note for note in report.notes), "all scores are 0: nothing to explain"
    assert any("expected a value for at least 6 languages" in note for note in report.notes)
    assert isinstance(Report.load(done / "alignment"), PairAlignmentReport)


def test_a_killed_study_goes_on_to_the_same_table(parent, done, tmp_path, monkeypatch):
    settings, inner = _settings(parent, tmp_path / "run", "--no-align"), probes.sweep.sweep.measure_translation
    calls = []

    def dies(*args, **how):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return inner(*args, **how)

    monkeypatch.setattr(probes.sweep.sweep, "measure_translation", dies)
    with pytest.raises(KeyboardInterrupt):
        answer(settings)
    again = Report.load(answer(dataclasses.replace(settings, resume=True)))
    assert len(calls) == 5, "two before the kill, and the three that were left"
    pd.testing.assert_frame_equal(again.table, Report.load(done).table)
    pd.testing.assert_frame_equal(again.summary(), Report.load(done).summary())


def test_shares_measure_each_model_once_and_the_last_only_reads(parent, done, tmp_path, monkeypatch):
    settings, measured = _settings(parent, tmp_path, "--no-align"), []
    inner = probes.directions.study.measure_cells

    def noted(parent, cells, *args, **how):
        measured.append([cell.name for cell in cells])
        return inner(parent, cells, *args, **how)

    monkeypatch.setattr(probes.directions.study, "measure_cells", noted)
    for index in (1, 0):
        share(settings, Shard(index, 2))
    assert sorted(name for names in measured for name in names) == ["base", "copy/0", "few-shot", "tuned/0/0"]
    monkeypatch.setattr(probes.sweep.sweep, "measure_translation", lambda *args, **how: pytest.fail("measured again"))
    pd.testing.assert_frame_equal(run(settings).table, Report.load(done).table)


def test_each_pair_may_have_a_text_of_its_own(tmp_path):
    for pair in (("deu_Latn", "eng_Latn"), ("eng_Latn", "fra_Latn"), ("deu_Latn", "fra_Latn"), ("eng_Latn", "spa_Latn")):
        rows = ["\t".join(f"{code[:3]} {'+'.join(pair)} {n}" for code in pair) for n in range(5)]
        (tmp_path / f"{'-'.join(pair)}.tsv").write_text("\n".join(["\t".join(pair), *rows]), encoding="utf-8")
    settings = _settings("bundled", tmp_path, "--corpus", str(tmp_path / "{source}-{target}.tsv"), "--split", "None",
                         "--test-corpus", "cldr:dates")  # fmt: skip
    study = settings.study()
    tuned = study.jobs()[0].cell
    assert tuned.mixture.counts() == {"deu_Latn>fra_Latn": 4, "deu_Latn>eng_Latn": 4, "eng_Latn>fra_Latn": 4}
    german = [each for each in tuned.mixture.examples if each.source == "deu_Latn" and each.target == "eng_Latn"]
    assert all(each.input.startswith("deu deu_Latn+eng_Latn") and each.answer.startswith("eng deu_Latn+eng") for each in german)
    assert study.written()["spa_Latn"][0] == "spa eng_Latn+spa_Latn 0"
    assert len(study.test) == 3


def test_text_to_tune_on_is_not_translated(parent, tmp_path):
    with pytest.raises(ValueError, match="to train on and to test on, expected two texts"):
        _settings(parent, tmp_path, "--test-split", "train").study()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("directions-*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_one_the_command_takes(path):
    settings = read_recipe(DirectionsSettings, path).resolved()
    assert dataclasses.asdict(settings) != dataclasses.asdict(DirectionsSettings().resolved())
    if path.stem == "directions-xglm":
        assert len(settings.roles.languages) == 13
        assert len(settings.roles.seen) == 22
