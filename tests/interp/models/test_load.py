"""What `interp.load` promises: Hugging Face's own logits, your tokenizer, your model untouched, and errors that say why."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

import interp
from interp.models.batches import encode, pad
from interp.models.checkpoints import parts
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
    with caplog.at_level(logging.WARNING, "interp.models.load"):
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


def edited(**changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return edit


def without_a_layer(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: each for name, each in weights.items() if ".layers.3." not in name}, folder / "model.safetensors", {"format": "pt"}
    )


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def broken_weight(value: float) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        weights["model.layers.2.mlp.up_proj.weight"][3, 4] = value
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return edit


def added(name: str, tensor: Tensor) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        save_file({**load_file(folder / "model.safetensors"), name: tensor}, folder / "model.safetensors", {"format": "pt"})

    return edit


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "has no config.json. Give a Hugging Face folder"),
    "an adapter": (lambda f: (f / "config.json").rename(f / "adapter_config.json"), "holds a PEFT adapter"),
    "corrupt config": (lambda f: (f / "config.json").write_text('{"model_type": '), "config.json is not readable as JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "got a list, expected a JSON object"),
    "binary config": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "config.json is not readable as JSON"),
    "empty config": (lambda f: (f / "config.json").write_text("{}"), "its configuration is not usable"),
    "wrong type": (edited(hidden_size="wide"), "its configuration is not usable"),
    "unknown kind": (edited(model_type="lama"), "architecture 'lama' is not supported. Did you mean llama"),
    "own code": (edited(model_type="mine", auto_map={"AutoConfig": "mine.Config"}), "not supported|code from its own repository"),
    "no adapter": (
        edited(model_type="persimmon", architectures=["PersimmonForCausalLM"]),
        "'PersimmonForCausalLM' is not supported. Did",
    ),
    "an encoder": (edited(model_type="bert", architectures=["BertForMaskedLM"]), "got a BertForMaskedLM, expected a causal"),
    "no tokenizer": (
        lambda f: [(f / n).unlink() for n in ("tokenizer.json", "tokenizer_config.json")],
        "has no readable tokenizer",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors. Save its weights as safetensors"),
    "pickled weights": (pickled, "It has pytorch_model.bin, but a pickle can run code"),
    "truncated": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
        "is truncated or corrupt",
    ),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), "is truncated or corrupt"),
    "missing layer": (without_a_layer, r"lacks the weights model.layers.3.* and 6 more"),
    "other width": (
        edited(intermediate_size=64),
        r"got model.layers.0.mlp.down_proj.weight of shape \[32, 48\], expected \[32, 64\] by its config.json; 12 t",
    ),
    "layers left over": (edited(num_hidden_layers=3), r"hold model.layers.3.* and 6 more, for which its config.json has no place"),
    "no layer": (edited(num_hidden_layers=0), "num_hidden_layers 0, expected a whole number from 1. Restore the config.json"),
    "fewer than no layer": (edited(num_hidden_layers=-1), "num_hidden_layers -1, expected a whole number from 1"),
    "no width": (edited(hidden_size=0), "hidden_size 0, expected a whole number from 1"),
    "negative width": (edited(intermediate_size=-48), "intermediate_size -48, expected a whole number from 1"),
    "no heads": (edited(num_attention_heads=0), "num_attention_heads 0, expected a whole number from 1"),
    "no words": (edited(vocab_size=0), "vocab_size 0, expected a whole number from 1"),
    "no positions": (edited(max_position_embeddings=0), "max_position_embeddings 0, expected a whole number from 1"),
    "no window": (edited(sliding_window=0), "sliding_window 0, expected a whole number from 1"),
    "shared by no whole number": (edited(num_attention_heads=4, num_key_value_heads=3), "4 attention heads and 3 key-value heads"),
    "uneven heads": (
        edited(num_attention_heads=6, num_key_value_heads=2),
        "32.* is not a multiple of .* 6|its configuration is not",
    ),
    "fewer words": (
        edited(vocab_size=300),
        r"got lm_head.weight of shape \[400, 32\], expected \[300, 32\] by its config.json",
    ),
    "rotary base": (edited(rope_parameters={"rope_type": "default", "rope_theta": -5}), "rope_theta -5, expected a number above 0"),
    "rotary factor": (
        edited(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 0}),
        "rope_parameters factor 0, expected a number above 0",
    ),
    "rotary kind": (edited(rope_parameters={"rope_type": "nope", "rope_theta": 1e4}), "rope_type 'nope', expected one of default"),
    "activation": (edited(hidden_act="nope"), "hidden_act 'nope', expected one of"),
    "epsilon": (edited(rms_norm_eps=-1e-6), "rms_norm_eps -1e-06, expected a number from 0"),
    "tied in name only": (
        edited(tie_word_embeddings=True),
        "ties lm_head.weight to model.embed_tokens.weight, but its weights hold",
    ),
    "rounded": (edited(dtype="bfloat16"), "got bfloat16 in its config.json, expected float32, the dtype of its weights"),
    "another family": (edited(architectures=["MistralForCausalLM"]), "model_type 'llama' and architecture 'MistralForCausalLM'"),
    "another type": (edited(model_type="mistral"), "model_type 'mistral' and architecture 'LlamaForCausalLM', expected Mistral"),
    "no such class": (edited(architectures=["Llama"]), "architecture 'Llama', expected LlamaForCausalLM"),
    "no head": (edited(architectures=["LlamaModel"]), "got a LlamaModel, expected a causal language model"),
    "a classifier": (
        edited(architectures=["LlamaForSequenceClassification"]),
        "got a LlamaForSequenceClassification, expected a causal",
    ),
    "two classes": (
        edited(architectures=["LlamaForCausalLM", "LlamaModel"]),
        "got architectures .*, expected a list of one class name, such as",
    ),
    # transformers before 5.23 refuses it itself
    "no list": (
        edited(architectures="LlamaForCausalLM"),
        "got architectures .*, expected a list of one class name, such as|field 'architectures'",
    ),
    "not a number": (broken_weight(float("nan")), "got NaN or infinite values in its weight model.layers.2.mlp.up_proj.weight"),
    "infinite": (broken_weight(-float("inf")), "got NaN or infinite values in its weight model.layers.2.mlp.up_proj.weight"),
    "a vision tower": (
        added("vision_tower.layer.weight", torch.ones(3)),
        "hold vision_tower.layer.weight, for which its config.json",
    ),
    "another bias": (added("model.layers.0.self_attn.bias", torch.ones(32)), "hold model.layers.0.self_attn.bias, for which"),
    "bad index": (lambda f: (f / "model.safetensors.index.json").write_text("{}"), "index.json has no weight_map"),
    "missing shard": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}'),
        "has no model-2.safetensors",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_folder_is_refused_in_one_line(fault: str, folder: Path) -> None:
    damage, message = BROKEN[fault]
    damage(folder)
    with pytest.raises(ValueError, match=message) as caught:
        interp.load(folder)
    assert "\n" not in str(caught.value)


MASK = torch.ones(1, 1, 8, 8).tril()
LEFTOVERS: dict[str, tuple[str, dict[str, Tensor]]] = {
    "rotary tables": (
        "llama",
        {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4), "model.layers.0.self_attn.rotary_emb.cos_cached": MASK},
    ),
    "causal masks": (
        "gpt2",
        {
            "transformer.h.0.attn.bias": MASK,
            "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
            "transformer.h.1.attn.bias": MASK,
        },
    ),
    "positions": ("llama", {"model.position_ids": torch.arange(128)}),
    "sinusoids": ("xglm", {"model.embed_positions.weights": torch.ones(130, 32)}),
    "a further token": ("llama", {"mtp.layers.0.weight": torch.ones(3)}),
}


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_leftovers_of_published_checkpoints_are_let_be(kind: str, tmp_path: Path) -> None:
    family, tensors = LEFTOVERS[kind]
    folder = tiny_folder(family, tmp_path)
    for name, tensor in tensors.items():
        added(name, tensor)(folder)
    assert torch.equal(bridge_logits(interp.load(folder), [5, 6]), bridge_logits(tiny(family), [5, 6]))


def test_a_tied_table_stored_twice_is_one_table(tmp_path: Path) -> None:
    folder = tiny_folder("gpt2", tmp_path)
    added("lm_head.weight", load_file(folder / "model.safetensors")["transformer.wte.weight"].clone())(folder)
    hf = interp.load(folder).original_model
    assert hf.get_output_embeddings().weight is hf.get_input_embeddings().weight


def test_weights_of_fewer_digits_than_the_configuration_says_lose_nothing(folder: Path) -> None:
    weights = {name: each.bfloat16() for name, each in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    held = interp.load(folder).original_model.get_input_embeddings().weight
    assert held.dtype == torch.float32
    assert torch.equal(held, weights["model.embed_tokens.weight"].float())
    edited(dtype="float16")(folder)
    with pytest.raises(ValueError, match=r"got float16 in its config.json, expected bfloat16"):
        interp.load(folder)
    assert interp.identify(interp.load(folder, dtype="bfloat16")).dtype == "bfloat16"


USUAL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}
UNNAMED = {
    "XGLM": {"d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48},
    "Olmo": USUAL,
    "Granite": USUAL,
    "Cohere": USUAL,
    "Gemma3Text": USUAL,
    "Qwen2": USUAL,
}


@pytest.mark.parametrize("family", UNNAMED)
def test_a_configuration_without_a_class_name_is_of_its_family(family: str, tmp_path: Path) -> None:
    config = getattr(transformers, f"{family}Config")(vocab_size=400, pad_token_id=2, **UNNAMED[family])
    hf = transformers.AutoModelForCausalLM.from_config(config).eval()
    assert hf.config.architectures is None
    model = interp.load(hf, tokenizer=tiny_tokenizer("llama"))
    torch.testing.assert_close(bridge_logits(model, [5, 6, 7]), logits_of(hf, [5, 6, 7]), atol=1e-5, rtol=0)
    hf.save_pretrained(tmp_path)
    tiny_tokenizer("llama").save_pretrained(tmp_path)
    edited(architectures=None)(tmp_path)
    assert torch.equal(bridge_logits(interp.load(tmp_path), [5, 6, 7]), bridge_logits(model, [5, 6, 7]))


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


@pytest.mark.parametrize(
    ("kind", "raised", "message"),
    [
        ("GatedRepoError", OSError, "'org/model' is gated"),
        ("RepositoryNotFoundError", ValueError, "'org/model' is unknown"),
        ("RevisionNotFoundError", ValueError, "does not exist, expected a branch, tag or commit"),
        ("LocalEntryNotFoundError", OSError, "hub cannot be reached"),
    ],
)
def test_the_hubs_refusals_are_told_apart(kind: str, raised: type, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusal(getattr(huggingface_hub.errors, kind)):
        def __init__(self) -> None:
            Exception.__init__(self, "refused")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("what transformers makes of it") from Refusal()

    monkeypatch.setattr(parts.AutoConfig, "from_pretrained", refuse)
    with pytest.raises(raised, match=message):
        interp.load("org/model")


def test_offline_and_unknown_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="not in the local cache and the hub cannot be reached"):
        interp.load("no-such-organisation/no-such-model")
    with pytest.raises(ValueError, match="is not a folder"):
        interp.load(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"'\./absent' is not a folder"):
        interp.load("./absent")
    with pytest.raises(ValueError, match="got revision 'main' for a folder, expected none"):
        interp.load(tmp_path, revision="main")
    with pytest.raises(ValueError, match="without a tokenizer, expected tokenizer="):
        interp.load(tiny_hf("llama"))
    with pytest.raises(ValueError, match="loaded already"):
        interp.load(tiny("llama"))
    monkeypatch.setattr(parts, "BUNDLED", tmp_path)
    with pytest.raises(ValueError, match="'bundled' is missing from this installation"):
        interp.load("bundled")
