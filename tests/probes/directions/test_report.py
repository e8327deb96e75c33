"""A study of directions: planted scores come back as class means, differences are paired, and the figures can be drawn."""

from __future__ import annotations

import itertools
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import Recipe
from probes.directions.cells import direction_cells, untuned_cell, with_errors
from probes.directions.companions import _additivity
from probes.directions.means import ALL, DirectionMeans, common_items
from probes.directions.report import DirectionReport
from probes.directions.roles import CLASSES, Roles
from probes.report import Report

ROLES = Roles(mix=("en", "ru"), read_only=("de", "sv"), write_only=("fr", "it"), unseen=("es", "tr", "pt"))
DROP = dict(zip(CLASSES, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
SIGNATURE = Signature("directions", ModelIdentity("m", "0" * 8, 1, 1, "float32"), CorpusIdentity("c", "0" * 8, 1))


def _table(rotations, seeds=(0,), items=6, seed=0):
    """0.9 less what a class loses, on top of what languages and items bring; base gets nothing, copy a constant 0.1."""
    rng = np.random.default_rng(seed)
    codes = ROLES.languages
    read, written = (dict(zip(codes, 0.05 * rng.normal(size=len(codes)), strict=True)) for _ in range(2))
    rows = []
    for (turn, roles), run in itertools.product(enumerate(rotations), seeds):
        for (source, target), kind in roles.classes().items():
            level = 0.85 - DROP[kind] + read[source] + written[target]
            rows += [_row("tuned", turn, run, source, target, item, level + 0.05 * rng.normal()) for item in range(items)]
    for system, level in (("copy", 0.1), ("base", 0.0)):
        rows += [_row(system, -1, -1, source, target, item, level) for source, target in ROLES.directions for item in range(items)]
    return pd.DataFrame(rows)


def _row(system, turn, run, source, target, item, value):
    said = "old bridges are closed" if value < 0.4 else f"мост {item}"
    return {"cell": f"{system}/{turn}/{run}", "system": system, "rotation": turn, "seed": run, "source": source, "target": target,
            "item": f"{item:03}", "text": f"bridge {item}", "reference": f"мост {item}", "hypothesis": said,
            "exact": min(max(value, 0.0), 1.0), "exact_baseline": 0.02}  # fmt: skip


def _report(rotations, **how):
    table = with_errors(_table(rotations, **how))
    settings = {"metrics": ["exact"], "roles": [asdict(roles) for roles in rotations], "resamples": 150, "seed": 0}
    return DirectionReport(table, SIGNATURE, settings=settings)


@pytest.fixture(scope="module")
def turned():
    return _report(ROLES.rotations(9))


def test_rotation_takes_the_languages_out_of_the_classes(turned):
    rows = turned.summary()
    own = rows[(rows["metric"] == "exact") & (rows["system"] == "tuned")].set_index(["class", "against"])
    for kind in CLASSES[1:]:
        row = own.loc[(kind, "seen")]
        assert row["estimate"] == pytest.approx(-DROP[kind], abs=0.02)
        assert row["lower"] <= -DROP[kind] <= row["upper"] < 0
    assert own.loc[(ALL, ""), ["n", "directions", "languages"]].tolist() == [6, 72, 9]
    assert own.xs("", level="against")["baseline"].to_numpy() == pytest.approx(0.02)


def test_one_partition_is_less_sure_of_classes_than_all_rotations(turned):
    one = _report((ROLES,)).summary()
    both = [frame[(frame["metric"] == "exact") & (frame["against"] == "seen")] for frame in (one, turned.summary())]
    widths = [(frame["upper"] - frame["lower"]).mean() for frame in both]
    assert widths[0] > 2 * widths[1]


def test_a_class_of_one_language_has_no_interval_and_the_verdict_says_so():
    roles = Roles(mix=("en", "ru"), read_only=("de",), write_only=("fr",), unseen=("es",))
    table, codes = _table((ROLES,)), set(roles.languages)
    table = with_errors(table[table["source"].isin(codes) & table["target"].isin(codes)])
    settings = {"metrics": ["exact"], "roles": [asdict(roles)], "resamples": 20, "seed": 0}
    said = DirectionReport(table, SIGNATURE, settings=settings).verdict()
    assert "(no interval: one language)" in said.partition("source unseen")[2].partition(",")[0]
    assert "nan" not in said


def test_equal_scores_have_no_variance_for_additivity_to_explain():
    table = with_errors(_table((ROLES,)).assign(exact=0.5))
    settings = {"metrics": ["exact"], "roles": [asdict(ROLES)], "resamples": 20, "seed": 0}
    report = DirectionReport(table, SIGNATURE, settings=settings)
    assert _additivity(report) == []
    assert "explains" in _additivity(_report((ROLES,)))[0]


def test_a_constant_lead_is_estimated_exactly_and_shows_no_spread_for_an_interval():
    table = _table((ROLES,))
    better = table[table["system"] == "tuned"].assign(system="copy", cell="copy/-1/-1", rotation=-1, seed=-1)
    table = pd.concat([table[table["system"] != "copy"], better.assign(exact=better["exact"] - 0.125)])
    rows = pd.DataFrame(DirectionMeans(table.reset_index(drop=True), (ROLES,), 100, 0).levels("exact"))
    gaps = rows[rows["against"] == "copy"]
    assert gaps["estimate"].to_numpy() == pytest.approx(0.125)
    assert gaps[["lower", "upper"]].isna().all().all()
    levels = rows[(rows["system"] == "tuned") & (rows["against"] == "")]
    assert (levels["upper"] - levels["lower"]).min() > 0.05


def test_the_interval_of_a_metric_of_ones_own_is_not_cut_at_the_ends_of_a_share():
    """It may be of any size, and below nothing, as a share never is."""
    table = _table((ROLES,))
    table["my_code:score"] = 20 * table["exact"] - 30
    shares, own = (
        pd.DataFrame(DirectionMeans(table, (ROLES,), 100, 0).levels(metric, differences=False)).query("system == 'tuned'")
        for metric in ("exact", "my_code:score")
    )
    assert own["estimate"].to_numpy() == pytest.approx(20 * shares["estimate"] - 30)
    assert (own["lower"] < own["estimate"]).all()
    assert (own["estimate"] < own["upper"]).all()


def test_seeds_and_rotations_find_their_own_counterparts():
    table = _table(ROLES.rotations(2), seeds=(0, 1))
    twin = table[table["system"] == "tuned"].assign(system="shuffled")
    twin["cell"] = "shuffled" + twin["cell"].str.removeprefix("tuned")
    rows = pd.DataFrame(DirectionMeans(pd.concat([table, twin], ignore_index=True), ROLES.rotations(2), 50, 0).levels("exact"))
    assert rows.loc[rows["against"] == "shuffled", "estimate"].abs().max() < 1e-12


def test_additive_scores_leave_nothing_for_classes_and_a_class_effect_beyond_its_languages_is_seen(turned):
    flat = _table((ROLES,))
    flat["exact"] = flat["source"].map(dict(zip(ROLES.languages, range(9), strict=True))) / 20
    report = DirectionReport(with_errors(flat), SIGNATURE, settings={**turned.settings, "roles": [asdict(ROLES)]})
    found = report.additivity().iloc[0]
    assert found["explained"] == pytest.approx(1)
    assert found[list(CLASSES)].abs().max() < 1e-9
    own = turned.additivity()
    assert len(own) == 9
    assert (own["predicted"] < own["explained"]).all()


def test_error_rates_stand_beside_the_scores_under_both_rules(turned):
    rows = turned.summary().set_index(["system", "class", "against", "metric"])
    into_russian = turned.table["target"] == "rus_Cyrl"
    lost = turned.table[into_russian & (turned.table["hypothesis"] == "old bridges are closed")]
    assert lost["corrected_off_target"].all()
    assert (lost["corrected"] == "off_target").all()
    assert not lost.loc[lost["source"] == "eng_Latn", "published_off_target"].any(), "English for English passes there"
    assert 0 < rows.loc[("base", ALL, "", "corrected_off_target"), "estimate"] < 1
    assert rows.loc[("base", ALL, "", "published_repeats"), "estimate"] == 0


def test_the_report_says_what_it_shows_and_comes_back_from_disk(turned, tmp_path):
    said = turned.verdict()
    assert "clearly below seen: reversed, one side reversed, source unseen, target unseen, both unseen" in said
    assert "clearly above copy in seen, reversed" in said
    assert turned.matrix().loc["deu_Latn", "fra_Latn"] == pytest.approx(0.85, abs=0.3)
    assert np.isnan(turned.matrix().loc["fra_Latn", "fra_Latn"])
    turned.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, DirectionReport)
    pd.testing.assert_frame_equal(loaded.summary(), turned.summary())
    assert (tmp_path / "figure-errors.svg").is_file()


def test_items_that_one_model_was_not_tested_on_are_left_out_for_all():
    table = _table((ROLES,), items=5)
    shown = (table["system"] == "base") & table["item"].isin(["000", "003"])
    assert sorted(common_items(table[~shown])["item"].unique()) == ["001", "002", "004"]


def test_every_model_of_a_study_makes_as_many_updates_and_knows_only_its_directions():
    words = {code: tuple(f"{code} {n}" for n in range(8)) for code in ROLES.languages}
    recipe = Recipe(form="mfti-1", epochs=2.0, steps=None, batch=8, held_out=0.0)
    corpus = ParallelCorpus("made", words)
    cells = direction_cells(lambda source, target: corpus, ROLES.rotations(2), recipe, seeds=(0, 1), samples=4,
                            controls=("copy", "shuffled", "all"))  # fmt: skip
    assert len({cell.name for cell in cells}) == len(cells) == 2 * (2 * 2 + 2)
    assert {cell.recipe.steps for cell in cells} == {len(ROLES.seen) * 4 * 2 // 8}
    assert {cell.recipe.seed for cell in cells} == {0, 1}
    by_system = {cell.tags["system"]: cell for cell in cells}
    first = cells[0]
    assert first.tags == {"system": "tuned", "rotation": 0, "seed": 0}
    assert set(first.mixture.counts()) == {f"{source}>{target}" for source, target in ROLES.seen}
    assert by_system["shuffled"].mixture.counts().keys() == cells[2].mixture.counts().keys()
    assert set(by_system["copy"].mixture.counts()) == {"eng_Latn>eng_Latn"}
    assert len(by_system["all"].mixture.counts()) == 72
    assert all(cell.directions == ROLES.directions for cell in [*cells, untuned_cell("base", recipe, ROLES)])
