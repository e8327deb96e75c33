"""`interp check`: 0 where every fact holds, 1 where one does not; and receipts in manifest, page and terminal."""

from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import DynamicCache

from experiments.__main__ import main
from interp.files.sealed_json import read_sealed
from interp.generation import generate as generating
from interp.models.bridge import bridge_unchecked
from interp.models.cache_argument import NEW, OLD
from interp.models.checks.receipts import Receipt
from interp.models.checks.verification import CannotAskError, WrongError, run_check
from probes.report import Report
from probes.spreadsheet import read_spreadsheet
from probes.verification import computation, numerics, tokenization
from probes.verification.measure import tabulate, verify
from tests.support.tiny import tiny, tiny_folder, tiny_hf, tiny_tokenizer


def table_of(family: str, **changes):
    hf = tiny_hf(family, **changes)
    model = bridge_unchecked(hf, tiny_tokenizer(family), "own")
    return tabulate(list(verify(model, hf))).set_index("fact")


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "bloom", "xglm"])  # the load check is asked of all nine
def test_every_fact_holds_in_every_kind_of_family(family):
    table = table_of(family)
    assert "FAILED" not in set(table["result"]), table.to_string()
    judged = table[(table["result"] == "ok") & (table["allowed"] > 0)]
    assert (judged["difference"] < judged["allowed"] / 5).all()
    packs = ["skipped"] if family == "bloom" else ["ok"]
    assert table.loc["grid, wave equals naive: first-token logits"].tolist()[:1] == packs
    assert "4 of 4 texts token for token" in table.loc["greedy generation equals Hugging Face's generate", "detail"]


@pytest.mark.parametrize("family", ["mistral", "gemma3"])
def test_a_window_is_overrun_on_purpose(family):
    off, detail = computation._window(tiny(family, sliding_window=16))
    assert off < 1e-5
    assert detail == "window of 16 tokens, prompt of 22"
    with pytest.raises(CannotAskError, match="no layer has a sliding window"):
        computation._window(tiny("llama"))


def test_what_the_tokenizer_adds_and_lacks_is_told():
    checks = [run_check(*fact) for fact in tokenization.tokenizer_facts(tiny("xglm"))]
    table = tabulate(checks).set_index("fact")
    row = table.loc["tokens that the tokenizer adds to a text"]
    assert (row["result"], row["detail"]) == ("info", "in front: </s>")
    assert math.isnan(row["difference"])
    assert table.loc["chat template", "result"] == "skipped"


def test_a_chat_template_is_rendered_and_one_that_loses_the_words_is_a_fault():
    tokenizer = type(tiny_tokenizer("llama"))(tokenizer_object=tiny_tokenizer("llama").backend_tokenizer)
    tokenizer.chat_template = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    assert "<user>How many" in tokenization._chat(tokenizer)[1]
    tokenizer.chat_template = "hello"
    with pytest.raises(WrongError, match="drops the message of the user"):
        tokenization._chat(tokenizer)


def test_offsets_that_name_other_characters_are_a_fault():
    class Shifted:
        """A tokenizer whose offsets are one character late."""

        is_fast, unk_token_id = True, None

        def __call__(self, text, **how):
            found = tiny_tokenizer("llama")(text, **how)
            found["offset_mapping"] = [(start + 1, stop + 1) for start, stop in found["offset_mapping"]]
            return found

        def decode(self, ids, **how):
            return tiny_tokenizer("llama").decode(ids, **how)

    assert tokenization._offsets(tiny_tokenizer("llama"))[1] == "15 scripts"
    with pytest.raises(WrongError, match="wrong in 15 of 15 scripts"):
        tokenization._offsets(Shifted())


def test_a_planted_sink_is_found_at_its_position_and_layers():
    hf = tiny_hf("llama")
    hf.model.embed_tokens.weight.data[0] *= 300  # the BOS token
    model = bridge_unchecked(hf, tiny_tokenizer("llama"), "own")
    most, detail = numerics._sinks(model)
    assert most > 100
    assert detail.startswith("position 0 ('<s>') in 4 of 4 texts, layers embed to 3, up to ")


def broken(module, args, kwargs):
    name = next((name for name in (OLD, NEW) if kwargs.get(name) is not None), None)
    return None if name is None else (args, {**kwargs, name: DynamicCache()})


def test_an_empty_cache_fails_the_command_with_1_and_is_in_the_folder(tmp_path, monkeypatch, capsys):
    import interp.models.bridge as loading

    real = loading.rename_cache_argument

    def lose(model):
        real(model)
        for block in model.blocks:
            block.attn.register_forward_pre_hook(broken, with_kwargs=True)

    monkeypatch.setattr(loading, "rename_cache_argument", lose)
    folder = tiny_folder("llama", tmp_path / "model")
    assert main(["check", str(folder), "--device", "cpu", "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    kept = read_sealed(tmp_path / "out" / "check.json")
    assert "two cached steps equal one forward" in kept["failed"]
    assert "greedy generation equals Hugging Face's generate" in kept["failed"]
    assert kept["environment"]["transformers"]
    table = read_spreadsheet(tmp_path / "out" / "checks.csv")
    assert set(table["fact"][table["result"] == "FAILED"]) == set(kept["failed"])


def test_a_sound_model_gives_0_and_a_folder_in_use_is_refused(tmp_path, capsys):
    folder = tiny_folder("qwen3", tmp_path / "model")
    assert main(["check", "--model", str(folder), "--dtype", "float32", "--output", str(tmp_path / "out")]) == 0
    assert "0 FAILED" in capsys.readouterr().out
    assert main(["check", str(folder), "--output", str(tmp_path / "out")]) == 2
    assert "holds files already" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nothing")]) == 2


ASK = ["--corpus", "cldr:facts", "--languages", "deu_Latn", "--limit", "4", "--controls", "shuffled", "--device", "cpu"]


def test_a_run_tells_its_receipts_on_the_terminal_in_the_manifest_and_on_the_page(tmp_path, capsys):
    assert main(["transplant", *ASK, "--sources", "2", "--targets", "1", "3", "--page", "--output", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "checked against plain forwards: " in said
    assert "transplant cells, largest difference" in said
    (kept,) = json.loads((tmp_path / "run" / "manifest.json").read_text())["receipts"]
    assert kept["what"] == "transplant cells"
    assert 3 <= kept["n"] <= 6
    assert kept["difference"] <= kept["tolerance"] == 6e-2  # the bundled model is in bfloat16
    assert Report.load(tmp_path / "run").receipts == (Receipt(**kept),)
    assert "Checked against plain forwards: " in (tmp_path / "run" / "page.html").read_text()
    assert "receipts" not in Report.load(tmp_path / "run").signature.fields()


def test_a_run_that_plain_forwards_contradict_is_not_finished(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generating, "greedy", lambda model, starts, prompts, most, stops: [[5] * most for _ in starts])
    run = ["translate", "--corpus", "cldr:names", "--languages", "deu_Latn", "--limit", "4", "--output", str(tmp_path / "run")]
    assert main(run) == 2
    assert "generated texts computed again by a plain forward differ by" in capsys.readouterr().err
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_the_library_says_what_the_library_says():
    """The table's own oracle: plain logits of the bridge and of Hugging Face, without any of our helpers."""
    hf, ids = tiny_hf("llama"), torch.tensor([[3, 5, 7]])
    with torch.no_grad():
        torch.testing.assert_close(tiny("llama")(ids), hf(ids).logits, atol=1e-5, rtol=0)
