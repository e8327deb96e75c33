"""What a run cannot show is said before it begins."""

from __future__ import annotations

from importlib import import_module

import pytest

from experiments.commands import COMMANDS
from experiments.costs.foresight import unprovable
from experiments.settings.settings import parse, settings_of


def said(command: str, *options: str) -> str:
    return " ".join(unprovable(parse(settings_of(import_module(COMMANDS[command][0])), options)))


@pytest.mark.parametrize("command", ["align", "answer", "lens", "neurons", "patch", "probe", "translate", "transplant"])
def test_too_few_items_are_told_in_advance(command):
    assert "at least 6 are needed" in said(command, "--limit", "5")
    assert said(command, "--limit", "6") == ""


def test_steering_tests_on_part_of_its_items():
    assert "leaves 5 items" in said("steer", "--limit", "15")
    assert said("steer", "--limit", "64") == ""
    assert "random directions" in said("steer", "--draws", "3")


@pytest.mark.parametrize("command", ["quadrants", "scale", "extrapolate", "directions"])
def test_one_training_seed_is_told_in_advance(command):
    assert "at least 2 are needed (--seeds)" in said(command, "--seeds", "1")
    assert "seed" not in said(command, "--seeds", "2")


def test_a_command_that_claims_nothing_of_items_says_nothing():
    assert said("align", "--limit", "3")
    assert said("vocabulary", "--limit", "3") == said("atlas", "--limit", "3") == ""


def test_few_flips_are_told_in_advance():
    assert "--flips 19 gives none below 0.05" in said("compare", "--flips", "19")
    assert said("compare", "--flips", "20") == ""
