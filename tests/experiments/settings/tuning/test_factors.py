"""A combination of levels becomes the mixture and the recipe that its levels name, and no other."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from experiments.settings.settings import RECIPES, read_recipe
from experiments.settings.tuning.arms import tuned_arms
from experiments.settings.tuning.factors import FACTORS, read_factors
from experiments.sweep import SweepSettings

PLAIN = SweepSettings(languages=("deu_Latn", "fra_Latn"), samples=8, steps=4, limit=6, seeds=1)


def arms(changes=(), **factors):
    settings = dataclasses.replace(
        PLAIN, factors={name: list(levels) for name, levels in factors.items()}, **dict(changes)
    ).resolved()
    return {arm.cell.name.rpartition("/seed")[0]: arm for arm in tuned_arms(settings, settings.read_test())}


def counts(arm):
    return arm.cell.mixture.counts()


def test_every_factor_is_a_setting():
    assert set(FACTORS.values()) <= {field.name for field in dataclasses.fields(SweepSettings)}


def test_languages_sizes_and_seeds_are_what_is_trained_on():
    found = arms(languages=[["de"], ["de", "fr"]], size=[4, 8])
    assert counts(found["languages=deu_Latn/size=4"]) == {"eng_Latn>deu_Latn": 4}
    assert counts(found["languages=deu_Latn+fra_Latn/size=8"]) == {"eng_Latn>deu_Latn": 8, "eng_Latn>fra_Latn": 8}
    assert {arm.cell.directions for arm in found.values()} == {(("eng_Latn", "deu_Latn"), ("eng_Latn", "fra_Latn"))}
    small, large = ({each.id for each in found[f"languages=deu_Latn/size={size}"].cell.mixture.examples} for size in (4, 8))
    assert small < large, "a smaller set is part of a larger one"


def test_a_total_is_the_same_amount_however_many_languages_there_are():
    found = arms({"samples": None}, languages=[["de"], ["de", "fr"]], total=[10, 20])
    assert [len(arm.cell.mixture) for arm in found.values()] == [10, 20, 10, 20]


def test_directions_mixtures_and_controls_are_what_is_trained_on():
    found = arms(direction=["from_pivot", "to_pivot", "without_pivot"], mixture=["translation", "translation+generation"])
    assert counts(found["direction=to_pivot/mixture=translation"]) == {"deu_Latn>eng_Latn": 8, "fra_Latn>eng_Latn": 8}
    both = counts(found["direction=without_pivot/mixture=translation+generation"])
    assert both == {"deu_Latn>fra_Latn": 8, "fra_Latn>deu_Latn": 8, "deu_Latn>deu_Latn": 8, "fra_Latn>fra_Latn": 8}
    copied = arms(control=["none", "copy"])
    assert counts(copied["control=copy"]) == {"eng_Latn>eng_Latn": 8}


def test_paraphrases_are_as_many_wordings():
    found = arms(paraphrases=[1, 4])
    wordings = [
        len({each.instruction for each in arm.cell.mixture.examples if each.target == "deu_Latn"}) for arm in found.values()
    ]
    assert wordings == [1, 4]


def test_methods_templates_and_rates_are_in_the_recipe():
    found = arms({"rates": {"lora": 0.5}}, method=["embed", "lora"], template=["quoted", "mfti-1"])
    recipe = found["method=lora/template=mfti-1"].cell.recipe
    assert (recipe.scope, recipe.form, recipe.learning_rate) == ("lora", "mfti-1", 0.5)
    assert found["method=embeddings/template=quoted"].cell.recipe.learning_rate == PLAIN.learning_rate
    with pytest.raises(ValueError, match="Did you mean lora"):
        arms({"rates": {"lorra": 0.5}}, size=[4, 8])


def test_a_file_of_factors_runs_no_code():
    with pytest.raises(ValueError, match="runs none"):
        read_factors(SweepSettings, {"corpus": ["cldr:dates", "os:getcwd"]})


@pytest.mark.parametrize("path", sorted(RECIPES.glob("sweep-*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_sweep_crosses_what_it_lists(path):
    settings, given = read_recipe(SweepSettings, path).resolved(), yaml.safe_load(path.read_text(encoding="utf-8"))["factors"]
    crossed = {name: len(levels) for name, levels in given.items() if name != "seed"}
    assert {name: len(levels) for name, levels in settings.levels.items()} == crossed
    assert len(settings.training_seeds) == 3, "one seed would claim nothing"
    assert settings.resolved() == settings
