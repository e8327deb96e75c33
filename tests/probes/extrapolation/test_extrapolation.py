"""CoIT, MuIT and English-only tuning: what is trained on is never tested, gains are paired, a killed study goes on."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import interp
import probes.extrapolation.measure
from experiments.ask import answer, answer_shared
from experiments.extrapolate import ExtrapolateSettings
from experiments.runs.shards import Shard
from experiments.settings.settings import parse
from interp.provenance import Signature
from interp.tuning import Recipe, answered_questions
from probes.extrapolation.report import ExtrapolationReport
from probes.report import Report
from tests.probes.scaling.test_scaling import CORPUS, MODEL
from tests.support.tiny import tiny_folder

ARMS = {"untuned": 0.2, "english": 0.3, "coit": 0.8, "muit": 0.32}
LAYERS = ("embed", "0", "1", "2", "3", "4", "5")


def planted(seeds=2, items=150, spread=0.0) -> ExtrapolationReport:
    """Answers that are right as often as their arm says, and alignment that every tuning lifts in the middle layers alone."""
    rng, rows = np.random.default_rng(0), []
    luck = rng.uniform(0, 1, items)
    for arm, rate in ARMS.items():
        for seed in range(1 if arm == "untuned" else seeds):
            for code in ("eng_Latn", "deu_Latn", "nld_Latn"):
                models = ("deu_Latn", "nld_Latn") if (arm, code) == ("coit", "eng_Latn") else (code,)
                for model in models:
                    right = (luck < rate + spread * (2 * seed - 1)).astype(float)
                    rows += [(f"{arm}-{model}/{seed}", arm, seed, "answers: exact", code, "", f"q{k}", value, 0.05)
                             for k, value in enumerate(right)]  # fmt: skip
                if code != "eng_Latn":
                    for layer in LAYERS:
                        height = (0.9 if layer in ("2", "3") and arm != "untuned" else 0.1) + rng.uniform(-0.05, 0.05, 20)
                        rows += [(f"{arm}-{code}/{seed}", arm, seed, "alignment: mexa", code, layer, f"s{k}", value, 0.01)
                                 for k, value in enumerate(height)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["cell", "arm", "seed", "measure", "language", "layer", "item", "value", "baseline"])
    how = {"pivot": "eng_Latn", "resamples": 200, "seed": 0}
    return ExtrapolationReport(table, Signature("extrapolate", MODEL, CORPUS, {}), settings=how)


@pytest.fixture(scope="module")
def report() -> ExtrapolationReport:
    return planted()


def test_gains_are_paired_with_the_untuned_and_the_english_only_model(report):
    rows = report.summary().query("measure == 'answers: exact'").set_index(["arm", "language"])
    for arm, rate in ARMS.items():
        assert rows.loc[(arm, "mean"), "estimate"] == pytest.approx(rate, abs=0.1)
    coit, english = rows.loc[("coit", "mean")], rows.loc[("english", "mean")]
    assert coit["over_english"] == pytest.approx(coit["estimate"] - english["estimate"])
    assert coit["over_english_lower"] > 0.3
    assert english["gain"] == pytest.approx(english["estimate"] - rows.loc[("untuned", "mean"), "estimate"])
    assert np.isnan(english["over_english"])
    assert np.isnan(rows.loc[("untuned", "mean"), "gain"])
    assert rows.loc[("coit", "eng_Latn"), "n"] == 150
    width = coit["over_english_upper"] - coit["over_english_lower"]
    assert width < (coit["upper"] - coit["lower"]) + (english["upper"] - english["lower"])


def test_the_mean_leaves_the_pivot_out_and_the_middle_is_the_middle_third(report):
    rows = report.summary()
    answers = rows.query("measure == 'answers: exact' and arm == 'coit'").set_index("language")["estimate"]
    assert answers["mean"] == pytest.approx(answers[["deu_Latn", "nld_Latn"]].mean())
    layers = rows.query("measure == 'alignment: mexa' and arm == 'muit' and language == 'mean'").set_index("layer")["estimate"]
    assert layers["middle"] == pytest.approx(layers[["2", "3"]].mean())
    assert list(layers.index) == [*LAYERS, "middle"]
    assert rows["language"].iloc[0] == "mean"


def test_the_verdict_says_what_is_shown_and_what_is_not(report):
    said = report.verdict()
    assert said.startswith("Tuning on coit carries answers into other languages better than English-only tuning (n=150")
    assert "In 2 languages, answers: exact (baseline 0.05, another question's answer): untuned 0." in said
    assert "coit 0." in said
    assert "over English-only)" in said
    assert "alignment: mexa in the middle layers" in said
    close = planted(items=10)
    assert "not distinguishable" in close.verdict()


def test_seeds_that_differ_widen_the_interval():
    calm, wild = (each.summary().query("measure == 'answers: exact' and arm == 'coit' and language == 'mean'").iloc[0]
                  for each in (planted(), planted(spread=0.15)))  # fmt: skip
    assert wild["upper"] - wild["lower"] > 1.3 * (calm["upper"] - calm["lower"])


def test_arms_of_other_items_are_refused(report):
    table = report.table
    lost = table[~((table["arm"] == "muit") & (table["item"] == "q3"))]
    with pytest.raises(ValueError, match="arm muit in"):
        dataclasses.replace(report, table=lost).summary()


def test_a_report_comes_back_from_disk_and_draws(report, tmp_path):
    report.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, ExtrapolationReport)
    assert loaded.verdict() == report.verdict()
    assert set(loaded.figures()) == {"exact", "mexa"}


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("parent"))


def settings(parent, output, *flags) -> ExtrapolateSettings:
    words = ["--languages", "de", "--arms", "english", "coit", "--seeds", "1", "--limit", "9", "--samples", "4", "--steps", "2",
             "--batch", "2", "--max-new-tokens", "4", "--device", "cpu", "--model", str(parent),
             "--output", str(output)]  # fmt: skip
    return parse(ExtrapolateSettings, [*words, *flags]).resolved()


def test_arms_have_their_mixtures_and_no_tested_question_is_trained_on(parent, tmp_path):
    asked = settings(parent, tmp_path, "--languages", "de", "nl", "--arms", "english", "coit", "muit", "--samples", "None")
    study = asked.study()
    cells = {cell.name: cell for cell in study.jobs()}
    assert set(cells) == {"untuned", "muit/0", "coit-deu_Latn/0", "coit-nld_Latn/0", "english/0"}
    assert set(cells["english/0"].mixture.counts()) == {"eng_Latn>eng_Latn"}
    assert set(cells["coit-nld_Latn/0"].mixture.counts()) == {"eng_Latn>eng_Latn", "nld_Latn>nld_Latn", "eng_Latn>nld_Latn"}
    assert len(cells["muit/0"].mixture.counts()) == 5
    assert cells["coit-nld_Latn/0"].directions == (("eng_Latn", "nld_Latn"),)
    tested = {f"cldr:facts/{item}" for item in study.task.ids}
    trained = {each.item for cell in cells.values() if cell.mixture for each in cell.mixture.examples}
    assert tested
    assert any(item.startswith("cldr:facts/") for item in trained)
    assert not tested & trained


def test_an_instruction_file_needs_every_language(parent, tmp_path):
    lines = ['{"instruction": "Say a.", "output": "a", "language": "eng_Latn"}',
             '{"instruction": "Sag b.", "output": "b", "language": "deu_Latn"}']  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    flags = ("--general", str(tmp_path / "a.jsonl"))
    cells = {cell.name: cell for cell in settings(parent, tmp_path, *flags).study().jobs()}
    assert cells["english/0"].mixture.counts() == {"eng_Latn>eng_Latn": 1}
    assert cells["coit-deu_Latn/0"].mixture.counts() == {"eng_Latn>eng_Latn": 1, "deu_Latn>deu_Latn": 1, "eng_Latn>deu_Latn": 4}
    with pytest.raises(ValueError, match="no example in nld_Latn"):
        settings(parent, tmp_path, *flags, "--languages", "de", "nl").study().jobs()
    with pytest.raises(ValueError, match="no language beside the pivot"):
        settings(parent, tmp_path, "--languages", "en").study()
    with pytest.raises(ValueError, match="held_out 0 of"):
        settings(parent, tmp_path, "--held-out", "0").study()


def test_questions_that_a_limit_leaves_untested_are_not_trained_on_either(parent, tmp_path):
    """Which items are tested may change with --limit, what is tuned on may not."""
    few, all_of_them = (settings(parent, tmp_path, "--samples", "None", "--limit", limit).study() for limit in ("9", "None"))
    assert len(few.task) == 9 < len(all_of_them.task)
    assert [cell.mixture for cell in few.jobs()] == [cell.mixture for cell in all_of_them.jobs()]


def test_from_python_a_tested_question_is_not_trained_on_even_if_given(parent, tmp_path):
    study = settings(parent, tmp_path).study()
    task = interp.read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"])
    given = dataclasses.replace(study, general=answered_questions(task, ["eng_Latn", "deu_Latn"]), samples=None)
    tested = {f"cldr:facts/{item}" for item in study.task.ids}
    trained = {each.item for cell in given.jobs() if cell.mixture for each in cell.mixture.examples}
    assert {f"cldr:facts/{item}" for item in task.ids} - trained == tested


def test_python_and_the_command_give_the_same_table(parent, tmp_path):
    languages = ["eng_Latn", "deu_Latn"]
    task = interp.read_task("cldr:facts", languages=languages)
    held = task.select(limit=round(0.5 * len(task)), seed=0)
    rest = {f"{task.name}/{item}" for item in task.ids if item not in held.ids}
    questions = answered_questions(task, languages, seed=0)
    study = probes.ExtrapolationStudy(
        parent=parent,
        train={"deu_Latn": interp.read("cldr:names", languages=languages, split="train")},
        general=dataclasses.replace(questions, examples=tuple(each for each in questions.examples if each.item in rest)),
        task=held.select(limit=9, seed=0),
        test=interp.read("cldr:names", languages=languages, split="heldout").select(limit=9, seed=0),
        text=interp.read("cldr:phrases", languages=languages).select(limit=9, seed=0),
        recipe=Recipe(form="quoted", learning_rate=1e-3, epochs=4.0, steps=2, batch=2, device_batch=2, held_out=0.0),
        arms=("english", "coit"),
        samples=4,
        max_new_tokens=4,
        device="cpu",
        seeds=1,
        train_name="cldr:names",
        general_name="cldr:facts",
    )
    from_python = study.measure(tmp_path / "python")
    from_command = ExtrapolationReport.load(answer(settings(parent, tmp_path / "command")))
    pd.testing.assert_frame_equal(from_python.table, from_command.table)
    assert from_python.signature == from_command.signature
    assert from_python.verdict() == from_command.verdict()


def test_killed_and_resumed_and_shared_it_gives_the_same_table(parent, tmp_path, monkeypatch):
    measure, calls = probes.extrapolation.measure.measure_abilities, []

    class Killed(BaseException):
        """Nothing catches it, as nothing catches a signal."""

    def counted(*given):
        calls.append(given)
        if len(calls) == 2:
            raise Killed
        return measure(*given)

    monkeypatch.setattr(probes.extrapolation.measure, "measure_abilities", counted)
    cut = settings(parent, tmp_path / "cut")
    with pytest.raises(Killed):
        answer(cut)
    found = ExtrapolationReport.load(answer(dataclasses.replace(cut, resume=True)))
    assert len(calls) == 3 + 1
    assert found.arms == ("untuned", "coit", "english")
    assert set(found.table["measure"]) == {"answers: exact", "translation: chrf", "alignment: mexa", "alignment: mexa_centred"}
    assert (found.table.groupby(["arm", "measure", "language", "layer"])["item"].count() == 9).all()
    for index in (1, 0):
        answer_shared(settings(parent, tmp_path / "shared"), Shard(index, 2))
    assert len(calls) == 4 + 3
    pd.testing.assert_frame_equal(found.table, pd.read_parquet(tmp_path / "shared" / "table.parquet"))
