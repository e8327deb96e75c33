"""Planted gains give their quadrant, noise gives none, and every number is that of a ten-line oracle."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.quadrants.agreement import agreement, target_gains
from probes.quadrants.causes import regress, stagnant_routes
from probes.quadrants.classes import QUADRANTS, UNDETERMINED, classify, membership, read_scores
from probes.quadrants.guideline import check_guideline
from probes.quadrants.report import QuadrantReport, report_quadrants
from probes.report import Report
from probes.statistics.resampling import draws

PROBES = ("afr_Latn", "ron_Latn", "deu_Latn")
PLANTED = {"deu_Latn": (0.3, 0.2), "zho_Hans": (-0.1, 0.2), "nld_Latn": (0.3, -0.2), "khm_Khmr": (-0.1, -0.2)}
KIND = dict(zip(PLANTED, QUADRANTS, strict=True))


def _rows(role, language, targets, rates, hard, method="embeddings", size=100, seed=0):
    """One model's exact matches: an item is right where the model's rate is above its difficulty."""
    tags = {"role": role, "language": language, "method": method, "size": size, "seed": seed}
    name = "/".join(map(str, tags.values()))
    return [
        pd.DataFrame(
            {"cell": name, **tags, "source": "eng_Latn", "target": target, "item": [f"i{k:03}" for k in range(len(hard))],
             "exact": (hard < rates(target)).astype(float), "exact_baseline": 0.0, "first_loss": 2.0, "final_loss": 0.5}
        ) for target in targets
    ]  # fmt: skip


def _table(planted=PLANTED, n=200, format_rate=0.6, hard=None, seeds=(0, 1)):
    """An untuned model right on half of the items, a format-tuned one on more, and tuned models with planted gains over it."""
    hard = (np.arange(n) + 0.5) / n if hard is None else hard
    every, parts = tuple(dict.fromkeys((*PROBES, *planted))), []
    for seed in seeds:
        parts += _rows("base", "", every, lambda _: 0.5, hard, "", 0, seed)
        parts += _rows("format", "", every, lambda _: format_rate, hard, seed=seed)
        for code, (own, others) in planted.items():
            asked = tuple(dict.fromkeys((*PROBES, code)))
            parts += _rows("tuned", code, asked, lambda y, c=code, a=own, b=others: 0.5 + (a if y == c else b), hard, seed=seed)
    return pd.concat(parts, ignore_index=True)


def _classes(table, probes=PROBES, resamples=300, **how):
    return classify(read_scores(table, "exact", resamples), probes, **how)


def _against(classes, name):
    return classes[classes["against"] == name].set_index("language")


def test_planted_gains_give_their_quadrant_against_the_raw_base_and_another_against_the_format():
    found = _classes(_table())
    assert _against(found, "base")["quadrant"].to_dict() == KIND
    assert _against(found, "base").loc["nld_Latn", ["bilingual", "multilingual"]].tolist() == pytest.approx([30, -20])
    stricter = _against(_classes(_table(format_rate=0.85)), "format")
    assert stricter.loc["deu_Latn", ["bilingual", "multilingual"]].tolist() == pytest.approx([-5, -15])
    assert stricter["quadrant"].eq("stagnant").all()
    assert (found[list(QUADRANTS)].sum(axis=1) == 1).all()


def test_noise_is_undetermined_and_its_shares_are_those_of_the_draws():
    rng = np.random.default_rng(0)
    noisy = _table({"deu_Latn": (0.02, 0.02)}, hard=rng.random(30))
    tuned = noisy["role"] == "tuned"
    noisy.loc[tuned, "exact"] = (rng.random(tuned.sum()) < 0.52).astype(float)
    (row,) = _against(_classes(noisy), "base").to_dict("records")
    assert row["quadrant"] == UNDETERMINED
    assert row["nearest"] in QUADRANTS
    assert max(row[name] for name in QUADRANTS) < 0.95
    bilingual, multilingual = np.array([1.0, 1, -1, 2, -2]), np.array([1.0, 1, 1, -2, -2])
    assert membership(bilingual, multilingual, 0.0) == {
        "reciprocal": 0.25, "altruistic": 0.25, "selfish": 0.25, "stagnant": 0.25, "nearest": "reciprocal",
    }  # fmt: skip


def test_gains_and_intervals_are_those_of_an_oracle():
    rng = np.random.default_rng(1)
    table = _table(n=40, seeds=(0,))
    table["exact"] = (rng.random(len(table)) < 0.5).astype(float)
    right = {(c, t): part.sort_values("item")["exact"].to_numpy() for (c, t), part in table.groupby(["cell", "target"])}
    weights, base = draws(40, 300, 0), "base///0/0"
    for code in PLANTED:
        tuned = f"tuned/{code}/embeddings/100/0"
        own = 100 * (right[tuned, code] - right[base, code])
        others = 100 * np.mean([right[tuned, y] - right[base, y] for y in PROBES if y != code], axis=0)
        row = _against(_classes(table), "base").loc[code]
        for axis, each in (("bilingual", own), ("multilingual", others)):
            half = stats.t.ppf(0.975, 39) * np.std(weights @ each / 40) * np.sqrt(40 / 39)
            ends = each.mean() - half, each.mean() + half
            assert row[[axis, f"{axis}_lower", f"{axis}_upper"]].tolist() == pytest.approx([each.mean(), *ends])
        both = (weights @ own > 1e-6) & (weights @ others > 1e-6)
        assert row["reciprocal"] == pytest.approx(both.mean())


def test_what_is_learned_over_the_base_is_format_plus_transfer():
    table = _table(format_rate=0.62)
    found, scores = _classes(table), read_scores(table, "exact", 10)
    for code in PLANTED:
        base, control = (_against(found, name).loc[code] for name in ("base", "format"))
        learned = [
            (scores.of("format", "", "embeddings", 100, y) - scores.of("base", "", "", 0, y))[0] for y in PROBES if y != code
        ]
        assert base["multilingual"] == pytest.approx(control["multilingual"] + np.mean(learned))


def test_threshold_relative_gain_and_probe_languages_decide_the_class():
    table = _table({"nld_Latn": (0.3, 0.1)}, n=800)
    assert _against(_classes(table), "base")["quadrant"].item() == "reciprocal"
    assert _against(_classes(table, threshold=15.0), "base")["quadrant"].item() == "selfish"
    assert _against(_classes(table, relative=True, threshold=15.0), "base")["quadrant"].item() == "reciprocal"
    mixed = _table({"deu_Latn": (0.3, -0.2)})
    mixed.loc[(mixed["role"] == "tuned") & (mixed["target"] == "ron_Latn"), "exact"] = 1.0
    assert _against(_classes(mixed, ("afr_Latn",)), "base")["quadrant"].item() == "selfish"
    assert _against(_classes(mixed, ("ron_Latn", "deu_Latn")), "base")["quadrant"].item() == "reciprocal"
    with pytest.raises(ValueError, match="only probe language"):
        _classes(mixed, ("deu_Latn",))


def test_a_gain_relative_to_nothing_is_undetermined():
    table = _table({"nld_Latn": (0.3, 0.1)})
    table.loc[(table["role"] == "base") & (table["target"] == "nld_Latn"), "exact"] = 0.0
    row = _against(_classes(table, relative=True), "base").iloc[0]
    assert (row["quadrant"], row["nearest"]) == (UNDETERMINED, UNDETERMINED)
    assert np.isnan(row["bilingual"])


def test_seeds_that_disagree_widen_the_interval():
    alike, apart = (_table({"nld_Latn": (0.1, 0.1)}, seeds=(0, 1)) for _ in range(2))
    apart.loc[(apart["role"] == "tuned") & (apart["seed"] == 1), "exact"] = apart["exact"][
        (apart["role"] == "base") & (apart["seed"] == 0) & (apart["target"] == "afr_Latn")
    ].to_numpy().repeat(4)  # fmt: skip
    wide, narrow = (_against(_classes(table), "base").iloc[0] for table in (apart, alike))
    assert wide["multilingual_upper"] - wide["multilingual_lower"] > narrow["multilingual_upper"] - narrow["multilingual_lower"]


def test_gains_that_one_factor_makes_agree_and_independent_ones_do_not():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(40, 1))
    alike = agreement(pd.DataFrame(factor + 0.2 * rng.normal(size=(40, 5)), columns=list("abcde")))
    apart = agreement(pd.DataFrame(rng.normal(size=(40, 5)), columns=list("abcde")))
    assert alike.share > 0.9 > 2 * apart.share
    assert alike.share > alike.chance
    assert apart.share < 1.2 * apart.chance
    assert alike.stability.min() > 0.95 > apart.stability.max()
    assert alike.stability.mean() > alike.stability_chance > apart.stability.mean() - 0.05
    gains = target_gains(read_scores(_table(), "exact", 10), PROBES, "embeddings", 100)
    assert gains.loc["deu_Latn"].isna().tolist() == [False, False, True]
    assert gains.loc["khm_Khmr", "ron_Latn"] == pytest.approx(-20)
    with pytest.raises(ValueError, match="3 languages"):
        agreement(gains.iloc[:3])


def test_the_column_that_makes_the_gains_is_found_and_the_other_is_not():
    rng = np.random.default_rng(0)
    codes = [f"l{k:02}" for k in range(30)]
    columns = pd.DataFrame(
        {"language": codes, "fertility": rng.normal(size=30), "byte_rate": rng.normal(size=30), "overlap_pivot": 1.0}
    )
    classes = pd.DataFrame(
        {"language": codes, "bilingual": 3 * columns["fertility"] + rng.normal(size=30), "multilingual": rng.normal(size=30)}
    )
    found = regress(classes, columns, resamples=200).set_index(["axis", "column"])
    assert len(found) == 4  # a constant column explains nothing and is left out
    cause = found.loc[("bilingual", "fertility")]
    assert cause["lower"] > 0.5
    assert cause["p"] < 0.01
    assert cause["predicted"] > 0.7
    assert found.loc[("bilingual", "byte_rate"), "lower"] < 0 < found.loc[("bilingual", "byte_rate"), "upper"]
    assert found.loc["multilingual", "predicted"].max() < 0.1
    with pytest.raises(ValueError, match="5 at least"):
        regress(classes.head(3), columns)


def test_the_roads_to_no_gain_are_told_apart():
    planted = {"khm_Khmr": (-0.1, -0.2), "tha_Thai": (-0.1, 0.1), "fra_Latn": (0.0, 0.1), "nld_Latn": (0.2, 0.1)}
    table = _table(planted)
    table.loc[table["language"] == "khm_Khmr", "final_loss"] = 1.9
    table.loc[(table["role"] == "base") & (table["target"] == "fra_Latn"), "exact"] = 1.0
    routes = stagnant_routes(table, _classes(table, against=["base"])).set_index("language")
    assert routes["route"].to_dict() == {"khm_Khmr": "output", "tha_Thai": "data", "fra_Latn": "ceiling"}
    assert routes.loc["khm_Khmr", "fit"] == pytest.approx(1.9 / 0.5)
    freed = table.assign(method=table["method"].replace("embeddings", "full"))
    assert stagnant_routes(freed, _classes(freed, against=["base"])).set_index("language")["route"]["khm_Khmr"] == "unlearned"
    alone = stagnant_routes(table, _classes(table[table["language"] != "nld_Latn"], against=["base"]))
    assert set(alone["route"]) == {"unknown", "ceiling"}


def test_advice_is_held_against_another_way_of_tuning():
    hard = (np.arange(200) + 0.5) / 200
    table = _table()
    arms = [("khm_Khmr", "shorten", 0.3), ("khm_Khmr", "full", 0.1), ("zho_Hans", "full", -0.3), ("deu_Latn", "full", 0.2)]
    for code, method, own in arms:
        asked = (*PROBES, *([] if code in PROBES else [code]))
        for seed in (0, 1):
            parts = _rows("tuned", code, asked, lambda _, a=own: 0.5 + a, hard, method, seed=seed)
            table = pd.concat(
                [table, *parts, *_rows("format", "", asked, lambda _: 0.5, hard, "full", seed=seed)], ignore_index=True
            )
    table = table.drop_duplicates(["cell", "target", "item"])
    found = check_guideline(table, "exact", PROBES, resamples=200).set_index("language")
    assert found["holds"].to_dict() == {"khm_Khmr": "yes", "zho_Hans": "no", "deu_Latn": "not distinguishable"}
    assert found.loc["khm_Khmr", ["arm", "than", "axis"]].tolist() == ["shorten", "full", "bilingual"]
    assert found.loc["khm_Khmr", "estimate"] == pytest.approx(20, abs=6)
    assert check_guideline(table[table["seed"] == 0], "exact", PROBES).empty  # one seed cannot both choose and test


def test_equal_ways_of_tuning_do_not_prove_the_advice_that_they_chose():
    """Where all arms are alike but for training noise, a language that looks altruistic by chance must not confirm its advice."""
    rng, hold = np.random.default_rng(0), []
    for _ in range(4):
        table = _table(dict.fromkeys(("khm_Khmr", "tha_Thai", "zho_Hans"), (0.0, 0.2)), n=60, hard=rng.random(60), seeds=range(4))
        full = table[table["role"] == "tuned"].assign(method="full")
        table = pd.concat([table, full.assign(cell=full["cell"].str.replace("embeddings", "full"))], ignore_index=True)
        cells = table["cell"].where(table["role"] == "tuned")
        shift = cells.map(dict(zip(cells.dropna().unique(), 0.05 * rng.normal(size=cells.nunique()), strict=True)))
        table["exact"] = (table["exact"] + shift.fillna(0.0)).clip(0, 1)
        hold += check_guideline(table, "exact", PROBES, resamples=100)["holds"].tolist()
    assert len(hold) >= 4
    assert set(hold) == {"not distinguishable"}


def test_the_report_tells_both_baselines_and_comes_back_from_disk(tmp_path):
    table = _table()
    signature = Signature("quadrants", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("cldr:x", "1" * 64, 200), {})
    told = {"methods": ["embeddings"], "probes": list(PROBES), "metric": "exact", "against": ["base", "format"], "threshold": 0.0,
            "relative": False, "level": 0.95, "resamples": 100, "seed": 0, "caption": "others: a", "tie": "refuse",
            "tokenization": None}  # fmt: skip
    report = report_quadrants(table, signature, told)
    first = "Tuning helps the language itself in 2 and others in 2 of 4 languages, beyond the format-tuned model"
    assert report.verdict().startswith(first)
    assert "against the untuned model 1 of 4 languages reciprocal, 1 altruistic, 1 selfish, 1 stagnant" in report.verdict()
    assert set(report.figures()) == {"quadrants", "consistency"}
    single = report_quadrants(_table(seeds=(0,)), signature, told)
    assert any("One seed" in note for note in single.notes)
    assert "none of 4 languages is classed" in single.verdict().split(". ")[0]
    assert set(single.classes()["quadrant"]) == {UNDETERMINED}
    assert any("same quadrant against both baselines for 4 of 4 languages" in note for note in report.notes)
    assert not any("not the published" in note for note in report.notes)
    assert any("one table" in note for note in report_quadrants(table, signature, {**told, "tie": "both"}).notes)
    report.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, QuadrantReport)
    pd.testing.assert_frame_equal(loaded.summary(), report.summary())
    assert {"estimate", "lower", "upper", "n", "baseline", "quadrant"} <= set(loaded.summary())
    with pytest.raises(ValueError, match="survey of the tokenizer"):
        loaded.causes()
