"""What `interp.load` promises: Hugging Face's own logits, your tokenizer, your model untouched, and errors that say why."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import peft
import pytest
import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

import interp
from interp.models.batches import encode, pad
from interp.models.load import TransformerBridge
from tests.support.tiny import FAMILIES, inject, tiny, tiny_folder, tiny_hf, tiny_tokenizer

TEXTS = ["The cat sleeps on the warm stone.", "Der Hund", "猫在温暖的石头上"]


@torch.no_grad()
def logits_of(model: PreTrainedModel | peft.PeftModel, ids: list[int]) -> Tensor:
    return model(torch.tensor([ids]), use_cache=False).logits[0]


@torch.no_grad()
def bridge_logits(model: TransformerBridge, ids: list[int]) -> Tensor:
    return model(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), use_cache=False)[0]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder("llama", tmp_path_factory.mktemp("models") / "fine-tuned")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_hugging_faces_and_padding_changes_nothing(family: str) -> None:
    hf, model = tiny_hf(family), tiny(family)
    sequences = encode(model, TEXTS)
    batch = pad(model, sequences)
    assert batch.mask.sum() < batch.mask.numel()
    with torch.no_grad():
        padded = model(batch.ids, attention_mask=batch.mask, use_cache=False)
    for row, ids in enumerate(sequences):
        torch.testing.assert_close(bridge_logits(model, ids), logits_of(hf, ids), atol=1e-5, rtol=0)
        torch.testing.assert_close(padded[row, -len(ids) :], logits_of(hf, ids), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])
def test_your_model_is_left_as_it_was_and_its_memory_is_shared(family: str, tmp_path: Path) -> None:
    hf = tiny_hf(family)
    hf.config._attn_implementation = "eager" if family == "bloom" else "sdpa"
    before = (type(hf.base_model), list(hf.state_dict()), hf.config._attn_implementation, hf.training)
    model = interp.load(hf, tokenizer=tiny_tokenizer(family))
    assert (type(hf.base_model), list(hf.state_dict()), hf.config._attn_implementation, hf.training) == before
    hf.save_pretrained(tmp_path)
    weight = hf.get_input_embeddings().weight
    with torch.no_grad():
        weight[7] += 1
    torch.testing.assert_close(bridge_logits(model, [7, 8]), logits_of(hf, [7, 8]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokenizer_stays_exactly_as_given(family: str) -> None:
    tokenizer = tiny_tokenizer(family)
    model = tiny(family)
    assert model.tokenizer is tokenizer
    if tokenizer.pad_token is not None:
        for text in TEXTS:
            assert model.to_tokens(text).tolist() == [tokenizer(text)["input_ids"]]
    else:
        assert family == "gpt2"


def test_tokens_added_in_memory_are_kept() -> None:
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer("llama")._tokenizer, bos_token="<s>", pad_token="<pad>"
    )
    tokenizer.add_tokens(["<lang:de>"])
    hf = tiny_hf("llama")
    hf.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model = interp.load(hf, tokenizer=tokenizer)
    assert encode(model, ["<lang:de>cat"])[0][1] == tokenizer.convert_tokens_to_ids("<lang:de>") == len(tokenizer) - 1


def test_a_tokenizer_larger_than_the_embedding_is_told(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer("llama")._tokenizer)
    tokenizer.add_tokens([f"<{n}>" for n in range(30)])
    with caplog.at_level(logging.WARNING, "interp.models.bridge"):
        interp.load(tiny_hf("llama"), tokenizer=tokenizer)
    assert "ids from 400 on will fail" in caplog.text


def test_a_folder_loads_as_the_model_that_was_saved(saved: Path) -> None:
    model = interp.load(saved, device="cpu")
    live = interp.load(tiny_hf("llama"), tokenizer=tiny_tokenizer("llama"))
    assert torch.equal(bridge_logits(model, [5, 6, 7]), bridge_logits(live, [5, 6, 7]))
    assert interp.identify(model).sha == interp.identify(live).sha
    assert interp.identify(model).name == "fine-tuned"
    assert encode(model, TEXTS) == encode(live, TEXTS)


def test_dtype_follows_the_checkpoint_unless_named(folder: Path) -> None:
    tiny_hf("llama").to(torch.bfloat16).save_pretrained(folder)
    assert interp.identify(interp.load(folder, dtype="auto")).dtype == "bfloat16"
    assert interp.identify(interp.load(folder, dtype="float32")).dtype == "float32"
    hf = tiny_hf("llama")
    assert interp.identify(interp.load(hf, tokenizer=tiny_tokenizer("llama"), dtype="bf16")).dtype == "bfloat16"
    assert hf.dtype == torch.float32
    with pytest.raises(ValueError, match="got dtype 'int8', expected auto"):
        interp.load(folder, dtype="int8")


def test_a_device_that_is_not_there_is_refused_and_auto_says_why(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match=f"expected one of this machine, which has {torch.cuda.device_count()} of that kind"):
        interp.load(saved, device=f"cuda:{torch.cuda.device_count()}")
    with pytest.raises(ValueError, match="got device 'gpu', expected auto"):
        interp.load(saved, device="gpu")
    with caplog.at_level(logging.INFO, "interp.models.devices"):
        interp.load(saved, device="auto")
    assert "device c" in caplog.text or "device mps" in caplog.text


@pytest.mark.parametrize("how", ["wrapped", "injected", "embedding"])
@pytest.mark.parametrize(("family", "target"), [("llama", "q_proj"), ("gpt2", "c_attn"), ("bloom", "query_key_value")])
def test_an_adapter_is_seen_and_stays_live_in_your_model(family: str, target: str, how: str) -> None:
    hf = tiny_hf(family)
    embedding = {"llama": "embed_tokens", "gpt2": "wte", "bloom": "word_embeddings"}[family]
    lora = peft.LoraConfig(
        target_modules=[target],
        r=4,
        init_lora_weights=False,
        modules_to_save=[embedding] if how == "embedding" else None,
        fan_in_fan_out=family == "gpt2",
    )
    if how == "injected":
        inject(hf, lora)
        tuned = hf.eval()
    else:
        tuned = peft.get_peft_model(hf, lora).eval()
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "modules_to_save" in name:
                parameter += torch.linspace(-0.5, 0.5, parameter.numel()).view_as(parameter)
    before, weights = logits_of(tuned, [5, 6, 7, 8]), {name: each.clone() for name, each in tuned.state_dict().items()}
    assert (before - logits_of(tiny_hf(family), [5, 6, 7, 8])).abs().max() > 0.01
    model = interp.load(tuned, tokenizer=tiny_tokenizer(family))
    torch.testing.assert_close(bridge_logits(model, [5, 6, 7, 8]), before, atol=2e-5, rtol=0)
    assert torch.equal(logits_of(tuned, [5, 6, 7, 8]), before)
    assert all(torch.equal(each, weights[name]) for name, each in tuned.state_dict().items())
    merged = tuned.merge_and_unload() if how == "wrapped" else None
    if merged is not None:
        assert interp.identify(interp.load(merged, tokenizer=tiny_tokenizer(family))).sha == interp.identify(model).sha


def test_a_prompt_adapter_is_refused() -> None:
    tuned = peft.get_peft_model(tiny_hf("llama"), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    with pytest.raises(ValueError, match="prompt-learning adapter"):
        interp.load(tuned, tokenizer=tiny_tokenizer("llama"))


@pytest.mark.parametrize("edit", ["in place", "data", "assigned"])
def test_identity_follows_every_change_of_a_weight(edit: str) -> None:
    model = interp.load(tiny_hf("gpt2"), tokenizer=tiny_tokenizer("gpt2"))
    first = interp.identify(model)
    assert interp.identify(model) == first
    assert (first.layers, first.d_model, first.dtype) == (4, 32, "float32")
    weight = model.blocks[2].ln1.weight
    with torch.no_grad():
        if edit == "in place":
            weight[3] += 1e-3
        elif edit == "data":
            weight.data[3] += 1e-3
        else:
            weight.data = weight.data + 1e-3
    assert interp.identify(model).sha != first.sha


def test_random_init_is_the_same_architecture_knowing_nothing() -> None:
    model = tiny("qwen3")
    state = torch.random.get_rng_state()
    control, again, other = (interp.random_init(model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    shas = {interp.identify(each).sha for each in (model, control, other)}
    assert len(shas) == 3
    assert interp.identify(control) == interp.identify(again)
    assert interp.identify(control).name == "tiny-qwen3+random"
    assert control.tokenizer is model.tokenizer
    shapes = {name: each.shape for name, each in model.original_model.named_parameters()}
    assert {name: each.shape for name, each in control.original_model.named_parameters()} == shapes
    assert not torch.allclose(bridge_logits(control, [5, 6, 7]), bridge_logits(model, [5, 6, 7]))
    assert any("hook_pattern" in name for name in control.run_with_cache(torch.tensor([[5, 6]]))[1])


def test_a_live_model_is_known_by_its_class_whatever_its_configuration_says() -> None:
    hf = tiny_hf("llama")
    hf.config.architectures = ["MistralForCausalLM"]
    assert torch.equal(
        bridge_logits(interp.load(hf, tokenizer=tiny_tokenizer("llama")), [5, 6]), bridge_logits(tiny("llama"), [5, 6])
    )
    with pytest.raises(ValueError, match=r"got a LlamaModel, expected a supported causal language model"):
        interp.load(hf.model, tokenizer=tiny_tokenizer("llama"))


def test_a_live_model_that_holds_no_numbers_or_is_no_model_is_refused() -> None:
    hf = tiny_hf("gpt2")
    with torch.no_grad():
        hf.transformer.h[1].mlp.c_fc.bias[2] = float("nan")
    with pytest.raises(ValueError, match=r"got NaN or infinite values in its weight transformer.h.1.mlp.c_fc.bias"):
        interp.load(hf, tokenizer=tiny_tokenizer("gpt2"))
    with pytest.raises(ValueError, match=r"num_hidden_layers 0, expected a whole number from 1"):
        interp.load(tiny_hf("llama", num_hidden_layers=0), tokenizer=tiny_tokenizer("llama"))
    short = tiny_hf("llama")
    short.resize_token_embeddings(300)
    with pytest.raises(ValueError, match="got a tokenizer of 400 ids, expected at most 300, the rows of the embedding"):
        interp.load(short, tokenizer=tiny_tokenizer("llama"))
    narrow = tiny_hf("llama")
    narrow.config.vocab_size = 300
    with pytest.raises(ValueError, match="got vocab_size 300, expected 400, the rows of the embedding"):
        interp.load(narrow, tokenizer=tiny_tokenizer("llama"))


def test_what_is_given_in_memory_must_be_a_model_with_its_tokenizer() -> None:
    with pytest.raises(ValueError, match="without a tokenizer, expected tokenizer="):
        interp.load(tiny_hf("llama"))
    with pytest.raises(ValueError, match="loaded already"):
        interp.load(tiny("llama"))
