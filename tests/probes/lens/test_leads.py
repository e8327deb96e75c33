"""Who leads at which layers: planted tables, copying told from thinking, and tables without any lead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.lens.latent_language_report import LatentLanguageReport
from probes.lens.leads import Reading, find_leads, role_of, step_down
from probes.statistics.layer_runs import say_runs
from probes.statistics.significance import FEWEST, LEVEL

DEPTH = 25
LAYERS = ("embed", *map(str, range(DEPTH - 1)))
SIGNED = Signature("lens", ModelIdentity("made", "a" * 8, DEPTH - 1, 8, "float32"), CorpusIdentity("made", "c" * 8, 30))
Curve = dict[int, float]


def words(curve: Curve, items: int, seed: int) -> np.ndarray:
    """P of a word an item, `[item layer]`: as high as planted at the named rows, in every item another share of it."""
    rng = np.random.default_rng(seed)
    heights = np.array([curve.get(row, 0.0) for row in range(DEPTH)])
    return heights * rng.uniform(0.5, 1.5, (items, 1)) + rng.exponential(1e-3, (items, DEPTH))


def planted(
    curves: dict[str, Curve], *, items: int = 30, source: str = "fra_Latn", targets: tuple[str, ...] = ("zho_Hans",), seed: int = 0
) -> LatentLanguageReport:
    """A report whose words have the planted probabilities for every target; `target` stands for the target's own word."""
    ids, frames = [f"i{k}" for k in range(items)], []
    for place, target in enumerate(targets):
        for number, (series, curve) in enumerate(curves.items()):
            code = target if series == "target" else series
            for weights, drawn in (
                ("trained", words(curve, items, seed + 7 * number + 100 * place)),
                ("random", words({}, items, 9)),
            ):
                rows = {"item": np.tile(ids, DEPTH), "source": source, "target": target, "weights": weights,
                        "layer": np.repeat(LAYERS, items), "measure": "probability", "series": code,
                        "role": role_of(code, source, target, "eng_Latn"), "value": drawn.T.ravel(),
                        "baseline": words({}, items, seed + number + 31).T.ravel()}  # fmt: skip
                frames.append(pd.DataFrame(rows))
    settings = {"pivot": "eng_Latn", "resamples": 50, "seed": 0, "task": "translation", "layers": list(LAYERS), "of": items,
                "items": dict.fromkeys(targets, ids), "left_out": {}}  # fmt: skip
    return LatentLanguageReport(table=pd.concat(frames, ignore_index=True), signature=SIGNED, settings=settings)


def over(first: int, last: int, height: float) -> Curve:
    """A height over blocks, whose row is one higher."""
    return {block + 1: height for block in range(first, last + 1)}


TURN = {"fra_Latn": {}, "eng_Latn": over(18, 19, 0.4), "target": over(18, 19, 0.1) | over(20, 23, 0.7)}


def test_english_first_and_chinese_later_are_named_with_their_layers():
    report = planted(TURN)
    assert report.leads().leader[19:] == ("pivot", "pivot", *["target"] * 4)
    verdict = report.verdict()
    assert verdict.startswith(
        "Asked for Chinese, the model favours English at layers 18-19 and Chinese from 20 (n=30, above chance)."
    )
    assert "English leads at layers 18-19 (probability" in verdict
    assert "Chinese leads from layer 20 (probability" in verdict


def test_a_source_word_that_is_copied_is_no_english_first():
    """English .46 at a layer where the word given has .71: that layer is copying, whatever English has beyond chance."""
    report = planted({"fra_Latn": over(10, 16, 0.71), "eng_Latn": over(10, 16, 0.46), "target": over(20, 23, 0.7)})
    verdict = report.verdict()
    assert report.leads().runs("pivot") == []
    assert verdict.startswith(
        "Asked for Chinese, the model copies the given French word at layers 10-16 and favours Chinese from 20 (n=30"
    )
    assert "English never leads" in verdict
    assert "that one is being copied" in verdict


def test_where_the_source_is_the_pivot_its_lead_may_be_copying():
    report = planted({"eng_Latn": over(10, 16, 0.7), "target": over(20, 23, 0.7)}, source="eng_Latn")
    assert set(report.summary()["role"]) == {"source and pivot", "target"}
    assert report.leads().roles == ("pivot", "target")
    assert "The prompt gives the English word itself" in report.verdict()


def test_a_given_word_that_is_never_apart_from_the_others_leaves_copying_open():
    report = planted({"eng_Latn": over(18, 19, 0.4), "target": over(20, 23, 0.7)}, source="deu_Latn")
    assert "copying is not ruled out" in report.verdict()


def test_where_two_words_are_level_neither_leads():
    level = over(5, 23, 0.3)
    report = planted({"fra_Latn": {}, "eng_Latn": level, "target": level})
    assert not any(report.leads().leader)
    assert "no language clearly leads at any layer, though English and Chinese are above chance (n=30)" in report.verdict()


def test_a_lead_of_far_less_than_a_hundredth_is_not_spoken_of():
    assert not any(planted({"fra_Latn": {}, "eng_Latn": over(3, 9, 0.004), "target": {}}).leads().leader)


def test_too_few_words_are_said_to_be_too_few():
    report = planted(TURN, items=FEWEST - 1)
    assert "too few words" in report.verdict()
    assert planted(TURN, items=12).leads().runs("target") == [(21, 24)]


def test_several_targets_are_told_apart():
    report = planted(TURN, targets=("zho_Hans", "rus_Cyrl"))
    verdict = report.verdict()
    assert verdict.startswith("Asked for 2 languages, the model favours English at layers 18-19 and the target language from 20")
    assert "Russian (n=30): English at 18-19, itself from 20" in verdict


def test_an_item_whose_words_begin_alike_is_left_out_of_the_comparison_and_counted():
    report = planted(TURN)
    shared = report.table["item"].isin(["i0", "i1"]) & (report.table["series"] == "fra_Latn")
    report.table.loc[shared, "value"] = np.nan
    assert report.leads().n == 28
    assert "2 of these are not compared" in report.verdict()


@pytest.mark.parametrize("depth", [9, 81])
def test_a_sure_lead_is_found_at_thirty_items_and_any_depth(depth):
    rng = np.random.default_rng(1)
    low = lambda: rng.exponential(1e-3, (30, depth))  # noqa: E731
    high = low()
    high[:, depth // 2] += rng.uniform(0.1, 0.9, 30)
    readings = {
        "source": Reading(low(), low(), low()),
        "pivot": Reading(high, low(), low()),
        "target": Reading(low(), low(), low()),
    }
    assert find_leads({"x": readings})["x"].runs("pivot") == [(depth // 2, depth // 2)]


def test_a_null_is_called_a_finding_in_at_most_one_of_twenty_studies():
    """Random tables of 3 words, 2 targets and their layers, words skewed as probabilities are: anything said counts as found."""
    found, studies = 0, 120
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        sizes = np.exp(rng.normal(0, 1.5, (20, 1)))  # some items are likelier in every language and layer
        draw = lambda: np.clip(0.03 * sizes * np.exp(rng.normal(0, 1.2, (20, 12))), 0, 1)  # noqa: B023, E731
        groups = {
            target: {role: Reading(draw(), draw(), draw()) for role in ("source", "pivot", "target")} for target in ("a", "b")
        }
        leads = find_leads(groups, seed=seed)
        found += any(any(one.leader) or any(above.any() for above in one.above.values()) for one in leads.values())
    assert found / studies <= LEVEL


def test_the_step_down_finds_what_a_single_step_finds_and_never_less():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (20, 2, 30))
    values[:, 0, :10] += 3
    p = step_down(values)
    assert (p[0, :10] < LEVEL).all()
    assert (p[1] >= LEVEL).all()


def test_runs_are_said_in_words():
    layers = ("embed", *map(str, range(9)))
    assert say_runs([(4, 6), (8, 8)], layers) == "at layers 3-5 and 7"
    assert say_runs([(2, 2), (7, 9)], layers) == "at layer 1 and from 6"
    assert say_runs([(9, 9)], layers) == "at layer 8"
    assert say_runs([(0, 9)], layers) == "at every layer"
    assert say_runs([(0, 0)], ["5"]) == "at layer 5"
    assert say_runs([(0, 0)], layers) == "at embed"
    assert say_runs([(0, 3)], layers) == "up to layer 2"
    assert say_runs([(7, 9)], layers, "") == "from 6"


@pytest.mark.parametrize(
    "curves",
    [
        TURN,
        {"fra_Latn": over(1, 2, 0.5) | over(5, 6, 0.5) | over(9, 9, 0.5),
         "eng_Latn": over(3, 3, 0.4) | over(8, 8, 0.4) | over(12, 13, 0.3),
         "target": over(7, 7, 0.5) | over(15, 15, 0.5) | over(20, 23, 0.7)},
        {"fra_Latn": {}, "eng_Latn": {}, "target": {}},
        {"fra_Latn": {}, "eng_Latn": over(3, 20, 0.3), "target": over(3, 20, 0.3)},
    ],
)  # fmt: skip
@pytest.mark.parametrize("targets", [("zho_Hans",), ("zho_Hans", "rus_Cyrl", "arb_Arab")])
def test_the_first_sentence_is_short_and_has_its_n(curves, targets):
    verdict = planted(curves, targets=targets).verdict()
    sentence = verdict[: verdict.index("). ") + 2]
    assert len(sentence.split()) <= 25
    assert "n=30" in sentence
    assert "chance" in sentence
