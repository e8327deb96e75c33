"""The load check: it holds for every family, and a fault planted in a model or in a library is one clear error."""

from __future__ import annotations

import re
import warnings

import pytest
import torch
import transformers
from transformers import DynamicCache

import interp
from interp.generation.generate import generate
from interp.interventions.grid.grid import shortest_window
from interp.models import bridge, sites
from interp.models.cache_argument import find_cache
from interp.models.checks.verification import VerificationError, check_model, plain_logits, share_of_largest, tolerance
from tests.support.tiny import CONTEXT, D_MODEL, FAMILIES, HEADS, LAYERS, VOCAB, tiny, tiny_hf, tiny_tokenizer

_COMMON = {
    "vocab_size": VOCAB, "initializer_range": 0.2, "pad_token_id": 2, "bos_token_id": 0, "eos_token_id": 1, "hidden_size": D_MODEL,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": 2, "intermediate_size": 48,
    "max_position_embeddings": CONTEXT,
}  # fmt: skip
MORE = {
    "Olmo": {},
    "Olmo2": {},
    "Granite": {"residual_multiplier": 0.22, "embedding_multiplier": 12.0, "logits_scaling": 8.0, "attention_multiplier": 0.2},
    "Cohere": {},
    "Cohere2": {"head_dim": 8, "sliding_window": CONTEXT},
    "Phi3": {},
    "GPTNeoX": {"num_key_value_heads": HEADS},
    "StableLm": {},
    "Falcon": {},
    "Mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "Qwen3Moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8},
}


def built(name: str):
    """A small random model of a family that `tiny` does not have."""
    config = getattr(transformers, f"{name}Config")(**{**_COMMON, **MORE[name]})
    kind = getattr(transformers, f"{name}ForCausalLM")
    config.architectures = [kind.__name__]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind._from_config(config, attn_implementation="eager", dtype=torch.float32).eval()


def bridged(hf):
    """The bridge over a model, with no fact checked."""
    return bridge.bridge_unchecked(hf, tiny_tokenizer("llama"), "planted")


@pytest.mark.parametrize("name", [*FAMILIES, *MORE])
def test_every_fact_is_asked_of_every_family_and_holds_by_a_wide_margin(name):
    hf = tiny_hf(name) if name in FAMILIES else built(name)
    checks = check_model(bridged(hf), plain_logits(hf))
    assert [check.name.split()[0] for check in checks] == ["logits", "two", "resid_pre", "an"]
    for check in checks:
        assert not check.skipped
        assert check.difference < check.tolerance / 20, check


def test_what_an_architecture_does_not_have_is_skipped_with_the_reason():
    config = transformers.MambaConfig(vocab_size=VOCAB, hidden_size=D_MODEL, num_hidden_layers=2, state_size=4)
    config.architectures = ["MambaForCausalLM"]
    hf = transformers.MambaForCausalLM._from_config(config, dtype=torch.float32).eval()
    found = {check.name: check for check in check_model(bridged(hf), plain_logits(hf))}
    assert "has a recurrent state" in found["two cached steps equal one forward"].skipped
    assert "has no blocks.0.hook_attn_out" in found["resid_pre + attention + mlp = resid_post"].skipped


def failed(model, plain=None) -> dict[str, str]:
    return {check.name: check.detail for check in check_model(model, plain) if not check.passed}


def test_a_cache_that_stays_empty_is_found():
    model = bridged(tiny_hf("llama"))

    def lose(module, args, kwargs):
        name = next((name for name in ("past_key_values", "cache") if kwargs.get(name) is not None), None)
        return None if name is None else (args, {**kwargs, name: DynamicCache()})

    for block in model.blocks:
        block.attn.register_forward_pre_hook(lose, with_kwargs=True)
    assert list(failed(model)) == ["two cached steps equal one forward"]


def test_a_site_that_is_not_what_is_added_is_found(monkeypatch):
    monkeypatch.setitem(sites._HOOKS, "mlp", "mlp.hook_out")  # before Gemma's norm behind the MLP
    assert "resid_pre + attention + mlp = resid_post" in failed(bridged(tiny_hf("gemma2")))


def test_a_write_without_effect_is_found(monkeypatch):
    model = bridged(tiny_hf("llama"))
    run = model.run_with_hooks

    def deaf(*args, fwd_hooks=(), **kwargs):
        return run(*args, fwd_hooks=[hook for hook in fwd_hooks if not hook[0].endswith("hook_z")], **kwargs)

    monkeypatch.setattr(model, "run_with_hooks", deaf)
    assert failed(model) == {
        "an edit changes what follows it and nothing else": "an edit at site 'head' of block 2 changes nothing"
    }


def test_a_write_that_leaks_backwards_is_found():
    model = bridged(tiny_hf("llama"))

    def mix(module, args, output):
        first = output[0] if isinstance(output, tuple) else output
        mixed = first + first.mean(1, keepdim=True)
        return (mixed, *output[1:]) if isinstance(output, tuple) else mixed

    model.blocks[3].register_forward_hook(mix)
    assert "an edit changes what follows it and nothing else" in failed(model)


def test_an_unequal_logit_and_nan_are_found():
    hf = tiny_hf("llama")
    plain = plain_logits(hf)
    plain[0, 3, 7] += 0.1
    assert list(failed(bridged(hf), plain)) == ["logits equal plain Hugging Face"]
    hf.model.layers[1].mlp.down_proj.weight.data[0, 0] = torch.nan
    assert failed(bridged(hf)) == {"the logits are finite": "they hold NaN or infinite values"}
    assert share_of_largest(torch.tensor([torch.nan]), torch.tensor([torch.nan])) == torch.inf


def test_the_error_names_what_was_expected_the_versions_and_what_to_install(monkeypatch):
    monkeypatch.setitem(sites._HOOKS, "mlp", "mlp.hook_out")
    hf = tiny_hf("gemma2", attn_logit_softcapping=41.0)  # a configuration that no other test has had verified
    with pytest.raises(VerificationError) as caught:
        interp.load(hf, tokenizer=tiny_tokenizer("gemma2"))
    said = str(caught.value)
    assert "\n" not in said
    assert "Expected that resid_pre + attention + mlp = resid_post; got a difference of" in said
    assert re.search(r"Installed: interp .*, torch .*, transformers .*, transformer-lens 4", said)
    assert "pip install transformers==" in said


def test_half_precision_has_its_own_tolerance():
    for dtype in (torch.bfloat16, torch.float16):
        hf = tiny_hf("qwen2").to(dtype)
        checks = check_model(bridged(hf), plain_logits(hf))
        assert all(check.passed and check.tolerance == tolerance(dtype) for check in checks)
    assert tolerance(torch.float32) < tolerance(torch.float16) < tolerance(torch.bfloat16)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])
def test_no_step_of_a_generation_warns_whatever_the_cache_is_called(family):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        generate(tiny(family), ["Die Katze"], max_new_tokens=3)


def test_the_cache_is_found_under_either_name():
    past = DynamicCache()
    assert find_cache({"cache": past}) is past
    assert find_cache({"past_key_values": past, "cache": None}) is past
    assert find_cache({"past_key_values": None}) is None


def test_a_window_is_known():
    assert shortest_window(tiny("mistral", sliding_window=8)) == 8
    assert shortest_window(bridge.bridge_unchecked(gpt_neo("local"), tiny_tokenizer("gpt2"), "planted")) == 8
    assert shortest_window(bridge.bridge_unchecked(gpt_neo("global"), tiny_tokenizer("gpt2"), "planted")) is None


def gpt_neo(kind: str):
    sizes = {"hidden_size": D_MODEL, "num_layers": 2, "num_heads": HEADS, "vocab_size": VOCAB, "max_position_embeddings": CONTEXT}
    config = transformers.GPTNeoConfig(attention_types=[[["global", kind], 1]], window_size=8, initializer_range=0.2, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.GPTNeoForCausalLM._from_config(config, attn_implementation="eager", dtype=torch.float32).eval()


@pytest.mark.parametrize("target", ["Die", "Le chat dort sur la pierre chaude"])
def test_a_local_window_that_counts_places_of_the_cache_leaves_the_batched_grid(target):
    model = bridge.bridge_unchecked(gpt_neo("local"), tiny_tokenizer("gpt2"), "planted")
    truth = interp.transplant_grid(model, "The cat sleeps", target, method="naive")
    torch.testing.assert_close(interp.transplant_grid(model, "The cat sleeps", target), truth, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="window of 8"):
        interp.transplant_grid(model, "The cat sleeps", target, method="wave")


@pytest.mark.parametrize("where", ["build_bridge_from_module", "rename_cache_argument"])
def test_an_error_inside_the_libraries_names_their_versions(where, monkeypatch):
    def stumble(*args, **kwargs):
        raise AttributeError("'Attention' object has no attribute 'embed_positions'")

    monkeypatch.setattr(bridge, where, stumble)
    with pytest.raises(
        VerificationError, match=r"wrap and run it; AttributeError: 'Attention'.*transformers .* Install the tested"
    ):
        interp.load(tiny_hf("llama", rms_norm_eps=1e-5), tokenizer=tiny_tokenizer("llama"))
