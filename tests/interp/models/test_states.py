"""Models that keep a state in place of keys and values: nothing they have read is shared, so every number is a plain forward's."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version

import interp
from interp.generation.generate import generate
from interp.generation.score import score
from interp.interventions.patching import Edit, run_edits
from interp.models.checks import receipts
from interp.models.checks.verification import VerificationError
from interp.models.states import keeps_state
from tests.support.tiny import D_MODEL, HEADS, LAYERS, VOCAB, tiny, tiny_tokenizer

_COMMON = {"vocab_size": VOCAB, "hidden_size": D_MODEL, "num_hidden_layers": LAYERS, "eos_token_id": 1, "pad_token_id": 2}
_ATTENTION = {"num_attention_heads": HEADS, "num_key_value_heads": 2, "intermediate_size": 48}
_STATES = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 8, "attn_layer_indices": [1]}
_LINEAR = {
    "head_dim": 8, "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "num_experts": 4, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "num_experts_per_tok": 2,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "Mamba": {"state_size": 4},
    "Mamba2": {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "Bamba": _ATTENTION | _STATES,
    "Qwen3Next": _ATTENTION | _LINEAR,
}
PROMPTS = ["The cat sleeps on the warm stone, and the", "Die", "Le chat dort sur"]


@cache
def hugging_face(family: str) -> Any:
    config = getattr(transformers, f"{family}Config")(**_COMMON, **FAMILIES[family])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hf = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
        for parameter in hf.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    return hf


@cache
def bridged(family: str) -> Any:
    try:
        return interp.load(hugging_face(family), tokenizer=tiny_tokenizer("gemma3"))
    except VerificationError as error:
        if family != "Qwen3Next" or Version(transformers.__version__) < Version("5.24"):
            raise
        pytest.skip(f"the load check refuses Qwen3-Next on transformers 5.24: {error}")


def ids_of(text: str) -> torch.Tensor:
    return torch.tensor([tiny_tokenizer("gemma3")(text)["input_ids"]])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_said_is_what_hugging_face_says(family: str) -> None:
    assert keeps_state(bridged(family))
    expected = []
    for prompt in PROMPTS:
        ids = ids_of(prompt)
        out = hugging_face(family).generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        expected.append(tiny_tokenizer("gemma3").decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    with receipts.collected() as found:
        assert generate(bridged(family), PROMPTS, max_new_tokens=8) == expected
    assert [receipt.what for receipt in found] == ["generated texts"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_continuation_has_the_log_probability_of_one_forward(family: str) -> None:
    rest = " dog looks at the river"
    start, whole = (ids_of(text) for text in (PROMPTS[0], PROMPTS[0] + rest))
    with torch.no_grad():
        said = hugging_face(family)(whole, use_cache=False).logits[0].log_softmax(-1)
    expected = sum(float(said[place - 1, whole[0, place]]) for place in range(start.shape[1], whole.shape[1]))
    assert score(bridged(family), [PROMPTS[0]], [rest])[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_patched_run_reads_what_stands_before_the_edit(family: str) -> None:
    model, ids = bridged(family), ids_of(PROMPTS[0])
    place, vector = ids.shape[1] - 2, torch.linspace(-1, 1, D_MODEL)

    def write(activation: torch.Tensor, hook: object) -> torch.Tensor:
        return activation.index_copy(1, torch.tensor([place]), vector[None, None])

    with torch.no_grad():
        hooks = [("blocks.2.hook_out", write)]
        plain = model.run_with_hooks(ids, attention_mask=torch.ones_like(ids), use_cache=False, fwd_hooks=hooks)
    found = run_edits(model, ids[0].tolist(), [Edit(2, (place,), vector)], "residual_post")
    torch.testing.assert_close(found, plain[:, -1:], atol=1e-4, rtol=0)


def test_cells_are_plain_forwards() -> None:
    model, site = bridged("Qwen3Next"), {"source_site": "residual_post", "target_site": "residual_post"}
    found = interp.transplant_grid(model, PROMPTS[0], PROMPTS[2], **site)
    torch.testing.assert_close(found, interp.transplant_grid(model, PROMPTS[0], PROMPTS[2], method="naive", **site))
    with pytest.raises(ValueError, match="keeps a state"):
        interp.transplant_grid(model, PROMPTS[0], PROMPTS[2], method="batched", **site)


def test_keys_and_values_are_no_state() -> None:
    assert not any(keeps_state(tiny(family)) for family in ("llama", "mistral", "bloom"))
