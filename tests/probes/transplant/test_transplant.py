"""The transplant report: its numbers are those of single grids, its controls are controls, its selection is honest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probes.report as report_module
import probes.transplant.measure as transplant_module
from experiments.__main__ import main
from interp.interventions.grid import items as grid_items
from interp.interventions.transplant import transplant_grid
from interp.progress import Progress
from interp.text.corpus import ParallelTask
from probes.report import Report
from probes.transplant.controls import derangement
from probes.transplant.measure import TransplantStudy, measure_transplant, right
from probes.transplant.options import pairs_of, questions
from probes.transplant.selection import choose, held_out, oracle, splits
from tests.support.tiny import LAYERS, tiny, tiny_folder

LISTED = "Q: {}\n\n(1) cat\xa0\n(2) dog \n(3) river\n\nA:"
WORDS = {
    "eng_Latn": ("the warm stone", "the cat sleeps", "a river looks", "the dog", "on the stone"),
    "deu_Latn": ("dem warmen Stein", "die Katze", "der Fluss", "der Hund", "auf dem Stein"),
}


def task(listed: bool = True) -> ParallelTask:
    form = LISTED if listed else 'Q: "{}" A: "'
    options = ("cat", "dog", "river")
    return ParallelTask(
        "animals",
        {code: tuple(form.format(word) for word in words) for code, words in WORDS.items()},
        {code: tuple((options[k % 3],) for k in range(5)) for code in WORDS},
        dict.fromkeys(WORDS, (options,) * 5),
    )


@pytest.fixture(scope="module")
def report():
    given = task()
    return measure_transplant(tiny("llama"), given, pairs_of(given, "eng_Latn", "to"), progress=False, resamples=100)


def test_every_cell_is_that_of_its_own_grid(report):
    given, asked = task(), questions(task(), "deu_Latn")[3]
    grid = transplant_grid(
        tiny("llama"), given.prompts["eng_Latn"][3], asked.prompt, "logit_difference", options=asked.options, gold=asked.gold
    )
    np.testing.assert_allclose(report.values()[3], grid.numpy(), atol=1e-4)
    shuffled = derangement(5, 0)[3]
    grid = transplant_grid(
        tiny("llama"), given.prompts["eng_Latn"][shuffled], asked.prompt, "logit_difference", options=asked.options, gold=asked.gold
    )
    np.testing.assert_allclose(report.values(condition="shuffled")[3], grid.numpy(), atol=1e-4)


def test_the_controls_are_what_they_are_called(report):
    same = report.values(condition="same_language")
    assert np.isnan(same[:, range(LAYERS), range(LAYERS)]).all()
    assert not np.isnan(same[:, 0, 1:]).any()
    own = questions(task(), "deu_Latn")[0]
    alone = transplant_grid(tiny("llama"), own.prompt, own.prompt, "logit_difference", options=own.options, gold=own.gold)
    np.testing.assert_allclose(same[0, 0, 1], alone[0, 1], atol=1e-4)
    assert all(k != place for place, k in enumerate(derangement(7, 3)))
    assert sorted(derangement(7, 3)) == list(range(7))
    assert not np.allclose(report.values(condition="random"), report.values())
    assert report.arrays["eng_Latn>deu_Latn|norm_ratio"].shape == (LAYERS, LAYERS)


def test_the_battery_pairs_every_run_with_its_yardstick(report):
    frame = report.summary().set_index(["metric", "run"])
    assert {"estimate", "lower", "upper", "n", "baseline", "difference"} <= set(frame)
    accuracy = frame.loc["accuracy"]
    assert accuracy.loc["upper_bound", "estimate"] >= accuracy.loc["best_cell", "estimate"] >= accuracy.loc["mean_cell", "estimate"]
    assert accuracy.loc["upper_bound", "baseline"] == accuracy.loc["upper_bound:shuffled", "estimate"]
    values = report.values() > 0
    assert accuracy.loc["upper_bound", "estimate"] == pytest.approx(values.any(axis=(1, 2)).mean())
    best = values.mean(axis=0).max()
    assert accuracy.loc["best_cell", "estimate"] == pytest.approx(best)
    plain = (report.untouched() > 0).mean()
    assert accuracy.loc["best_cell", "difference"] == pytest.approx(best - plain)
    assert accuracy.loc["best_cell:permuted", "against"] == "untouched:permuted"
    assert "source_run" in accuracy.index and "held_out:shuffled" in accuracy.index  # noqa: PT018
    assert report.verdict().startswith("With n=5 items or texts nothing can be claimed")
    assert "One cell chosen on other items changes accuracy by" in report.verdict()
    wrong = accuracy.loc["held_out:shuffled"]
    assert f"With another item's donor the same cells change it by {wrong['difference']:+.3f} [" in report.verdict()
    assert accuracy.loc["upper_bound", "by_chance"] == accuracy.loc["upper_bound:shuffled", "estimate"]
    assert accuracy.loc["best_cell", "by_chance"] >= plain


def test_a_saved_report_is_the_same_report(report, tmp_path):
    again = Report.load(report.save(tmp_path / "run"))
    assert type(again) is type(report)
    assert again.summary().equals(report.summary())
    assert again.best().equals(report.best())
    assert (tmp_path / "run" / "figure.svg").is_file()
    assert list(again.curves()["side"]) == ["source"] * LAYERS + ["target"] * LAYERS
    assert again.depths()["depth"].between(0, 1).all()


def test_selection_on_noise_promises_what_it_does_not_keep():
    values = np.random.default_rng(0).normal(size=(40, 12, 12))
    kept, promised, _ = held_out(values, "overall", splits(40, None, 5, None, 0))
    assert promised.mean() > 0.3
    assert abs(kept.mean()) < 0.25
    values[:, 7, 2] += 2
    kept, promised, cells = held_out(values, "overall", splits(40, None, 5, 20, 0))
    assert cells.tolist() == [[7, 2]]
    assert np.isnan(kept).sum() == 20
    assert np.nanmean(kept) == pytest.approx(2, abs=0.5)
    assert choose(values, "first_target")[1] == 0
    assert choose(values, "last_source")[0] == 11


def test_ties_fall_to_early_targets_and_late_sources():
    assert choose(np.zeros((3, 4, 5))) == (3, 0)
    assert oracle(np.array([[[np.nan, 1.0], [0.0, 2.0]]])).tolist() == [2.0]


def test_clusters_are_held_out_whole():
    clusters = np.repeat(np.arange(6), 3)
    for out in splits(18, clusters, 3, None, 0):
        assert len({*clusters[out]} & {*clusters[~out]}) == 0


def test_moving_the_listed_options_moves_the_right_mark():
    plain, moved = questions(task(), "eng_Latn"), questions(task(), "eng_Latn", shift=1)
    assert plain[0].options == (" (1", " (2", " (3")
    assert (plain[1].gold, plain[1].words) == (1, ("cat", "dog", "river"))
    assert (moved[1].gold, moved[1].words) == (2, ("river", "cat", "dog"))
    assert "(1) river" in moved[1].prompt and "(3) dog" in moved[1].prompt  # noqa: PT018
    assert right(moved[1], " (3) dog") and not right(moved[1], "(2)")  # noqa: PT018
    open_question = questions(task(listed=False), "eng_Latn")[1]
    assert (open_question.options, open_question.gold, open_question.marks) == (("cat", "dog", "river"), 1, ())


def test_matching_and_open_answers_are_measured_too():
    given = task(listed=False)
    pairs = pairs_of(given, "eng_Latn", "from")
    cells = {"sources": [1], "targets": [0, 2], "controls": ("permuted",), "progress": False}
    matched = measure_transplant(tiny("llama"), given, pairs, score="match", max_new_tokens=3, **cells)
    assert matched.pairs == ["deu_Latn>eng_Latn"]
    assert set(np.unique(matched.values())) <= {0.0, 1.0}
    assert "permuted" in matched.notes[0]
    said = measure_transplant(tiny("llama"), given, pairs, score="logprob", **cells)
    prompts = [given.prompts[code][0] for code in ("deu_Latn", "eng_Latn")]
    one = transplant_grid(tiny("llama"), *prompts, "logprob", options=["cat"], sources=[1], targets=[0, 2])
    np.testing.assert_allclose(said.values()[0], one[..., 0].numpy(), atol=1e-4)


def test_directions_of_giving():
    given = task()
    assert pairs_of(given, "eng_Latn", "both") == [(("eng_Latn",), "deu_Latn"), (("deu_Latn",), "eng_Latn")]
    assert len(pairs_of(given, "eng_Latn", "all")) == 2
    with pytest.raises(ValueError, match="direction"):
        pairs_of(given, "eng_Latn", "up")


def test_a_killed_measurement_resumes_to_the_same_table(tmp_path, monkeypatch):
    given = task()
    options = {"controls": ("shuffled",), "sources": [1, 3], "targets": [0], "progress": False}
    pairs = pairs_of(given, "eng_Latn", "to")
    truth = measure_transplant(tiny("llama"), given, pairs, **options)
    calls, measure = [], grid_items.measure_grids

    def dies(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*args, **kwargs)

    monkeypatch.setattr(grid_items, "measure_grids", dies)
    with pytest.raises(KeyboardInterrupt):
        TransplantStudy(tiny("llama"), given, pairs, **options).measure(tmp_path)
    kept = len(list(tmp_path.iterdir()))
    assert kept
    again = TransplantStudy(tiny("llama"), given, pairs, **options).measure(tmp_path)
    assert len(list(tmp_path.iterdir())) > kept
    np.testing.assert_allclose(again.values(), truth.values(), atol=1e-5)
    assert again.summary()["estimate"].to_numpy() == pytest.approx(truth.summary()["estimate"].to_numpy(), abs=1e-5)


def test_one_bar_counts_the_items_of_all_pairs_and_controls(tmp_path, monkeypatch):
    """What the folder holds is passed over, and is no part of the rate that the remaining time is estimated from."""
    bars = []

    class Seen(Progress):
        def __init__(self, **how):
            super().__init__(**how)
            bars.extend([] if self.disable else [self])

    monkeypatch.setattr(transplant_module, "Progress", Seen)
    monkeypatch.setattr(grid_items, "Progress", Seen)
    given = task()
    options = {"sources": [1], "targets": [0], "resamples": 20, "controls": ("shuffled", "random")}
    pairs = pairs_of(given, "eng_Latn", "both")
    TransplantStudy(tiny("llama"), given, pairs[:1], **options).measure(tmp_path)
    TransplantStudy(tiny("llama"), given, pairs, **options).measure(tmp_path)
    first, second = bars
    a_pair = 3 * len(given)
    assert (first.total, first.n, first.initial) == (a_pair, a_pair, 0)
    assert (second.total, second.n, second.initial) == (2 * a_pair, 2 * a_pair, a_pair)


def test_shares_measure_every_item_once_and_measure_none_again(tmp_path, monkeypatch):
    given = task()
    pairs = pairs_of(given, "eng_Latn", "both")
    study = TransplantStudy(
        model=tiny("llama"),
        task=given,
        pairs=pairs,
        controls=("shuffled", "random"),
        sources=[1, 3],
        targets=[0],
        resamples=20,
        progress=False,
    )
    truth = study.measure()
    for index in range(3):
        study.share(tmp_path, index, 3)
    monkeypatch.setattr(grid_items, "measure_grids", None)  # any further grid would be an error
    shared = study.measure(tmp_path)
    for name, values in truth.arrays.items():
        np.testing.assert_array_equal(shared.arrays[name], values)
    assert shared.signature == truth.signature
    assert truth.receipts  # the fast path was compared with plain forwards
    with pytest.raises(ValueError, match="got index 3 of 3 shares"):
        study.share(tmp_path, 3, 3)


def test_the_seed_of_a_study_draws_what_is_computed_again(monkeypatch):
    seeds, collected = [], report_module.collected
    monkeypatch.setattr(report_module, "collected", lambda seed: seeds.append(seed) or collected(seed))
    given = task()
    how = {"controls": (), "sources": [1], "targets": [0], "resamples": 20, "seed": 5}
    measure_transplant(tiny("llama"), given, pairs_of(given, "eng_Latn", "to"), progress=False, **how)
    assert seeds == [5]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="got site 'brain', expected"):
        measure_transplant(tiny("llama"), task(), pairs_of(task(), "eng_Latn", "to"), sites="brain")
    with pytest.raises(ValueError, match="a pilot of 5 items out of 5"):
        splits(5, None, 5, 5, 0)
    with pytest.raises(ValueError, match="5 items of one text"):
        splits(5, np.zeros(5), 5, None, 0)
    with pytest.raises(ValueError, match="without listed options"):
        questions(task(listed=False), "eng_Latn", shift=1)


@pytest.mark.parametrize("command", ["transplant", "patch"])
def test_the_commands_answer_and_resume(command, tmp_path, capsys):
    folder = tiny_folder("llama", tmp_path / "model")
    args = [command, "--model", folder, "--languages", "de", "--limit", "6", "--output", tmp_path / "run", "--device", "cpu"]
    args += ["--sources", "1", "--targets", "0", "--controls", "shuffled"] if command == "transplant" else ["--keep", "all"]
    assert main(list(map(str, args))) == 0, capsys.readouterr().err
    first = (tmp_path / "run" / "table.parquet").read_bytes()
    assert main([*map(str, args), "--resume"]) == 0
    assert (tmp_path / "run" / "table.parquet").read_bytes() == first
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "sites", [(("head", 1), ("head", 1)), (("head", 0), ("head", 3)), ("residual_mid", "attention"), "residual_post"]
)
def test_any_site_it_accepts_works_to_the_end(sites, tmp_path):
    given = task()
    found = measure_transplant(
        tiny("llama"), given, pairs_of(given, "eng_Latn", "to"), sites=sites, sources=[1], targets=[1, 2], progress=False,
        resamples=20,
    )  # fmt: skip
    assert found.verdict()
    assert len(found.summary()) > 5
    assert len(found.best()) == 1
    found.save(tmp_path)
    again = Report.load(tmp_path)
    assert str(again.signature) == str(found.signature)
    assert again.settings["site"] == found.settings["site"]
    assert again.verdict() == found.verdict()


@pytest.mark.parametrize(
    ("sites", "said"),
    [
        ((("head", 9), ("head", 9)), "heads 0 to 3"),
        (("head", "head"), "'head'"),
        ((("head", 1), "mlp"), "two heads"),
        ("everything", "everything"),
    ],
)
def test_a_site_it_cannot_have_is_refused_before_the_model_runs(sites, said, monkeypatch):
    given, model = task(), tiny("llama")
    monkeypatch.setattr(type(model), "forward", None)  # any run of the model would be another error
    with pytest.raises(ValueError, match=said):
        measure_transplant(model, given, pairs_of(given, "eng_Latn", "to"), sites=sites, progress=False)
    with pytest.raises(ValueError, match="sources"):
        measure_transplant(model, given, pairs_of(given, "eng_Latn", "to"), sources=[7], progress=False)


def test_an_oracle_over_cells_without_values_is_nan():
    values = np.full((2, 2, 2), np.nan)
    values[1, 0, 1] = -3
    np.testing.assert_array_equal(oracle(values), [np.nan, -3])
    with pytest.raises(ValueError, match="no cell"):
        choose(values[:1])
