"""`interp instruction`: from a command line to where the target-language tag is read."""

from __future__ import annotations

import pytest

from experiments.instruction import InstructionSettings, run
from experiments.settings.settings import parse
from tests.support.tiny import tiny_folder


def test_each_language_is_turned_into_the_next(tmp_path, monkeypatch):
    import probes.instruction.measure

    parent = tiny_folder("gpt2", tmp_path / "model")
    words = "--languages de fr ru --limit 3 --form mfti-4 --judge script --device cpu"
    settings = parse(InstructionSettings, [*words.split(), "--model", str(parent)]).resolved()
    monkeypatch.setattr(
        probes.instruction.measure, "_preference", lambda model, prompt, each: 1.0 if prompt == each.other_prompt else -1.0
    )
    table = run(settings).table
    turned = {tuple(row) for row in table[["target", "other"]].drop_duplicates().itertuples(index=False)}
    assert turned == {("deu_Latn", "fra_Latn"), ("fra_Latn", "rus_Cyrl"), ("rus_Cyrl", "deu_Latn")}
    assert set(table["source"]) == {"eng_Latn"}
    assert (table["kind"] == "written").sum() == 3 * 4 * 3


def test_one_language_cannot_be_turned_into_another():
    with pytest.raises(ValueError, match="1 languages beside the pivot"):
        run(parse(InstructionSettings, ["--languages", "de"]).resolved())
