"""A checkpoint is read whole or refused in one line: broken folders, harmless leftovers, names that the Hub refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

import interp
from interp.models.checkpoints import folders
from tests.interp.models.test_load import bridge_logits, logits_of
from tests.support.tiny import tiny, tiny_folder, tiny_tokenizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder("llama", tmp_path_factory.mktemp("models") / "whole")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


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

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
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
    with pytest.raises(ValueError, match="got an empty model name, expected a Hub name"):
        interp.load("")
    with pytest.raises(ValueError, match="got revision 'main' for a folder, expected none"):
        interp.load(tmp_path, revision="main")
    monkeypatch.setattr(folders, "BUNDLED", tmp_path)
    with pytest.raises(ValueError, match="'bundled' is missing from this installation"):
        interp.load("bundled")
