"""Every combination of levels is there once, and a line leaves out what it says and nothing else."""

import itertools

import pytest

from probes.factors.contrasts import contrasts
from probes.factors.design import amounts, cross, label

FACTORS = {"languages": (("deu_Latn",), ("deu_Latn", "fra_Latn")), "size": (16, 64, 256), "method": ("lora", "full")}


def test_all_levels_are_crossed():
    found = cross(FACTORS)
    assert len(found) == 2 * 3 * 2
    assert {tuple(each.values()) for each in found} == set(itertools.product(*FACTORS.values()))


def test_a_line_of_except_leaves_out_what_it_says_and_a_line_of_only_keeps_it():
    without = cross(FACTORS, leave_out=[{"method": "full", "size": [64, 256]}, {"languages": ["deu_Latn", "fra_Latn"], "size": 16}])
    assert len(without) == 12 - 4 - 2 + 0
    assert not [each for each in without if each["method"] == "full" and each["size"] > 16]
    assert [each["size"] for each in without if len(each["languages"]) == 2] == [64, 256]
    with_line = cross(FACTORS, only=[{"method": "lora", "size": 16}])
    assert with_line == [{"languages": level, "size": 16, "method": "lora"} for level in FACTORS["languages"]]
    assert cross(FACTORS, [{"method": "full"}], [{"size": 16}]) == with_line


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([{"siz": 16}], "Did you mean size"),
        ([{"method": "ful"}], "Did you mean full"),
        ([{"size": 17}], "expected one of 16, 64, 256"),
        ([{"method": "lora"}, {"method": "full"}], "leave none"),
    ],
)
def test_a_line_that_means_nothing_is_refused(lines, says):
    with pytest.raises(ValueError, match=says):
        cross(FACTORS, leave_out=lines)


def test_a_line_about_no_combination_and_a_level_given_twice_are_refused():
    with pytest.raises(ValueError, match="fits no combination"):
        cross(FACTORS, leave_out=[{"method": []}])
    with pytest.raises(ValueError, match="16 twice"):
        cross({"size": (16, 16)})


def test_numbers_and_lists_of_different_lengths_are_amounts():
    assert amounts((16, 64)) == [16.0, 64.0]
    assert amounts(FACTORS["languages"]) == [1.0, 2.0]
    assert amounts((("deu_Latn",), ("fra_Latn",))) is None
    assert amounts((True, False)) is None


def test_a_difference_compares_combinations_that_are_alike_in_all_else():
    """Where full tuning was left out at large sizes, its difference to LoRA is that at the small size, not that of the sizes."""
    factors = {"size": ("16", "64"), "method": ("lora", "full")}
    every = [{name: label(level) for name, level in each.items()} for each in cross(factors, [{"method": "full", "size": "64"}])]
    scores = {("16", "lora"): 1.0, ("64", "lora"): 10.0, ("16", "full"): 3.0}
    values = [scores[each["size"], each["method"]] for each in every]
    found = {(each.kind, each.level): each.parts @ values for each in contrasts(factors, every)}
    assert found["difference", "full"].tolist() == [2.0]
    assert found["difference", "64"].tolist() == [9.0]
    assert ("interaction", "64 x full") not in found, "one of its corners was not measured"
