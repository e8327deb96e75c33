"""A model under PEFT adapters loads as what it computes at that moment, stays untouched, or is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import peft
import pytest
import torch
from torch import Tensor, nn

import interp
from interp.models import adapters
from interp.models.checks.verification import share_of_largest
from tests.support.tiny import inject, tiny_folder, tiny_hf, tiny_tokenizer

IDS = torch.tensor([[5, 6, 7, 8]])
QUERY = {"llama": "q_proj", "gpt2": "c_attn"}
TABLE = {"llama": "embed_tokens", "gpt2": "wte"}  # GPT-2 reads and writes with one table


@torch.no_grad()
def logits_of(model: nn.Module) -> Tensor:
    return model(IDS, use_cache=False).logits[0]


@torch.no_grad()
def loaded(model: nn.Module, family: str, **options: str) -> Tensor:
    return interp.load(model, tokenizer=tiny_tokenizer(family), **options)(IDS, use_cache=False)[0]


def wrapped(family: str, config: peft.PeftConfig) -> peft.PeftModel:
    """A tiny model with a trained adapter: every weight of it is away from where it began."""
    return trained(peft.get_peft_model(tiny_hf(family), config))


def trained(model: peft.PeftModel) -> peft.PeftModel:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def lora(family: str, *targets: str, **settings: object) -> peft.LoraConfig:
    """peft draws the first weights from torch's generator, whose state other tests leave behind: it is set here."""
    torch.manual_seed(0)
    return peft.LoraConfig(r=4, init_lora_weights=False, target_modules=list(targets or (QUERY[family],)), **settings)


def two_adapters(family: str, active: list[str]) -> peft.PeftModel:
    model = wrapped(family, lora(family))
    model.add_adapter("other", lora(family, "lm_head"))
    trained(model).base_model.set_adapter(active)
    return model


def weighted(family: str) -> peft.PeftModel:
    model = wrapped(family, lora(family))
    model.add_adapter("other", lora(family))
    model.add_weighted_adapter(["default", "other"], [0.7, -0.4], "sum", combination_type="linear")
    model.set_adapter("sum")
    return model


def injected(family: str) -> nn.Module:
    model = tiny_hf(family)
    inject(model, lora(family, "lm_head"))
    return trained(model)


def merged_by_hand(family: str) -> peft.PeftModel:
    model = wrapped(family, lora(family))
    model.merge_adapter()
    return model


KINDS: dict[str, Callable[[str], nn.Module]] = {
    "on the output": lambda f: wrapped(f, lora(f, "lm_head")),
    "on the input": lambda f: wrapped(f, lora(f, TABLE[f])),
    "on both tables": lambda f: wrapped(f, lora(f, "lm_head", TABLE[f])),
    "on both tables, tied": lambda f: wrapped(f, lora(f, "lm_head", TABLE[f], ensure_weight_tying=True)),
    "dora": lambda f: wrapped(f, lora(f, "lm_head", use_dora=True)),
    "rslora": lambda f: wrapped(f, lora(f, use_rslora=True)),
    "biases": lambda f: wrapped(f, lora(f, bias="all")),
    "whole output": lambda f: wrapped(f, lora(f, modules_to_save=["lm_head"])),
    "whole input": lambda f: wrapped(f, lora(f, modules_to_save=[TABLE[f]])),
    "some rows": lambda f: wrapped(f, lora(f, trainable_token_indices=[5, 6, 100])),
    "the first of two": lambda f: two_adapters(f, ["default"]),
    "the second of two": lambda f: two_adapters(f, ["other"]),
    "two at once": lambda f: two_adapters(f, ["default", "other"]),
    "a weighted sum": weighted,
    "injected": injected,
    "merged by hand": merged_by_hand,
    "ia3": lambda f: wrapped(f, peft.IA3Config(target_modules=[QUERY[f]], feedforward_modules=[])),
    "lokr": lambda f: wrapped(f, peft.LoKrConfig(target_modules=["lm_head"])),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "disabled"), [("llama", False), ("gpt2", False), ("gpt2", True)])
def test_what_loads_is_what_the_model_computes_at_that_moment(family: str, kind: str, disabled: bool) -> None:
    model = KINDS[kind](family)
    active = logits_of(model)
    if kind == "injected":
        (model.disable_adapters if disabled else model.enable_adapters)()
    with model.disable_adapter() if disabled and kind != "injected" else nullcontext():
        before = logits_of(model)
        weights = {name: each.clone() for name, each in model.state_dict().items()}
        assert share_of_largest(loaded(model, family), before) <= 1e-4
        assert torch.equal(logits_of(model), before)
        assert all(torch.equal(each, weights[name]) for name, each in model.state_dict().items())
    if disabled and kind != "biases":
        assert (active - before).abs().max() > 1e-3, "the adapter does something"


def test_parts_in_training_mode_stay_so() -> None:
    model = wrapped("llama", lora("llama"))
    model.base_model.model.model.layers[1].train()
    modes = [module.training for module in model.modules()]
    loaded(model, "llama")
    assert [module.training for module in model.modules()] == modes


def test_a_cast_comes_before_the_merge_so_that_nothing_of_the_adapter_is_rounded() -> None:
    model = peft.get_peft_model(tiny_hf("llama").to(torch.bfloat16), lora("llama"))
    assert {each.dtype for each in model.parameters()} == {torch.bfloat16, torch.float32}
    exact = peft.get_peft_model(tiny_hf("llama").to(torch.bfloat16).float(), lora("llama"))
    exact.load_state_dict({name: each.float() for name, each in model.state_dict().items()})
    torch.testing.assert_close(loaded(model, "llama", dtype="float32"), logits_of(exact.eval()), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2), "prompt-learning adapter"),
        (peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2), "prompt-learning adapter"),
        (peft.AdaptionPromptConfig(task_type="CAUSAL_LM", adapter_len=3, adapter_layers=2), "AdaptedAttention is no wrapped layer"),
        (lora("llama", task_type="CAUSAL_LM", alora_invocation_tokens=[7]), "the adapter at q_proj cannot be merged"),
        (lora("llama", lora_bias=True), "the adapter at q_proj cannot be merged .*no bias"),
    ],
)
def test_an_adapter_that_is_no_change_of_the_weights_is_refused_in_one_line(config: peft.PeftConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        loaded(wrapped("llama", config), "llama")
    assert "\n" not in str(caught.value)


def test_a_merge_that_is_not_the_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wrapped("gpt2", lora("gpt2"))
    monkeypatch.setattr(adapters, "_chain", lambda layer: [])  # the adapter falls off
    with pytest.raises(ValueError, match="merging the adapter changed the logits by"):
        loaded(model, "gpt2")


def test_an_adapters_folder_is_refused_with_advice_that_works(tmp_path: Path) -> None:
    base = tiny_folder("gpt2", tmp_path / "base")
    model = peft.get_peft_model(tiny_hf("gpt2"), lora("gpt2", "lm_head", task_type="CAUSAL_LM", base_model_name_or_path=str(base)))
    trained(model).peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ValueError, match=r"peft.AutoPeftModelForCausalLM.from_pretrained\(folder\).*tokenizer=") as caught:
        interp.load(tmp_path / "adapter")
    assert "\n" not in str(caught.value)
    advised = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    torch.testing.assert_close(loaded(advised, "gpt2"), logits_of(model), atol=1e-4, rtol=0)
