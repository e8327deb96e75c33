"""The benchmark of commands: the settings it asks for, and what it reads in the text of a plan."""

from __future__ import annotations

import pytest

from experiments.__main__ import main
from experiments.benchmarks.commands import _TOLD, FIRST_LOOK, _between, flags
from tests.support.tiny import tiny_folder


@pytest.mark.parametrize("command", FIRST_LOOK)
def test_a_limit_stands_in_place_of_the_own_number_of_items(command):
    own, few = flags(command, "bundled"), flags(command, "bundled", limit=3)
    assert len(own) == len(few)
    assert [new for old, new in zip(own, few, strict=True) if old != new] in ([], ["3"])
    assert ("--limit" in own) == (few != own)


def test_the_times_and_the_memory_of_a_plan_are_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("experiments.costs.rates._SECONDS", 0.01)
    line = flags("align", str(tiny_folder("llama", tmp_path / "model", max_position_embeddings=2048)), limit=8)
    assert main([*line, "--output", str(tmp_path / "run"), "--plan"]) == 0
    said = capsys.readouterr().out.splitlines()
    forwards, start, memory = (_between(said, *ends) for ends in _TOLD)
    assert forwards.endswith("seconds")
    assert start.endswith("seconds")
    assert memory.endswith("B")
