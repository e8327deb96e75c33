"""A model against plain Hugging Face and plain forward passes: every fact holds, and a planted fault is one that fails."""

from __future__ import annotations

import math

import pytest
import torch

from interp.models.bridge import bridge_unchecked
from interp.models.checks.verification import CannotAskError, WrongError, run_check
from probes.verification import computation, numerics, tokenization
from probes.verification.measure import tabulate, verify
from tests.support.tiny import tiny, tiny_hf, tiny_tokenizer


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


def test_the_library_says_what_the_library_says():
    """The table's own oracle: plain logits of the bridge and of Hugging Face, without any of our helpers."""
    hf, ids = tiny_hf("llama"), torch.tensor([[3, 5, 7]])
    with torch.no_grad():
        torch.testing.assert_close(tiny("llama")(ids), hf(ids).logits, atol=1e-5, rtol=0)
