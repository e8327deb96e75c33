"""Small random models of every family, built from configurations in memory: the real code paths at no cost.

Weights are drawn wide (std 0.2), so that a hook, an edit or a mistake shows in the logits.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

import interp

LAYERS, D_MODEL, HEADS, VOCAB, CONTEXT = 4, 32, 4, 400, 128

_ROTARY = {
    "hidden_size": D_MODEL, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": 2, "head_dim": 8,
    "intermediate_size": 48, "max_position_embeddings": CONTEXT, "tie_word_embeddings": False,
}  # fmt: skip
_SLIDING = {**_ROTARY, "sliding_window": CONTEXT}
_GEMMA = {**_SLIDING, "query_pre_attn_scalar": 8, "tie_word_embeddings": True}
_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", _ROTARY),
    "mistral": ("Mistral", _SLIDING),
    "qwen2": ("Qwen2", _ROTARY),
    "qwen3": ("Qwen3", _ROTARY),
    "gemma2": ("Gemma2", _GEMMA),
    "gemma3": ("Gemma3", {**_GEMMA, "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2)}),
    "gpt2": ("GPT2", {"n_embd": D_MODEL, "n_layer": LAYERS, "n_head": HEADS, "n_positions": CONTEXT}),
    "bloom": ("Bloom", {"hidden_size": D_MODEL, "n_layer": LAYERS, "n_head": HEADS}),
    "xglm": ("XGLM", {"d_model": D_MODEL, "num_layers": LAYERS, "attention_heads": HEADS, "ffn_dim": 48,
                      "max_position_embeddings": CONTEXT}),
}  # fmt: skip
FAMILIES = tuple(_FAMILIES)

_LINES = (
    "The cat sleeps on the warm stone, and the dog looks at the river.",
    "Die Katze schläft auf dem warmen Stein, und der Hund schaut auf den Fluss.",
    "Le chat dort sur la pierre chaude, et le chien regarde la rivière.",
    "Кошка спит на тёплом камне, а собака смотрит на реку.",
    "القطة تنام على الحجر الدافئ والكلب ينظر إلى النهر.",
    "猫在温暖的石头上睡觉，狗看着河。",
    "Paka analala juu ya jiwe lenye joto, na mbwa anatazama mto.",
)


@cache
def tiny(family: str, **changes: Any) -> interp.models.load.TransformerBridge:
    """A small random model as `interp.load` gives it; `changes` go to its configuration. One object per arguments: do not alter."""
    return interp.load(tiny_hf(family, **changes), tokenizer=tiny_tokenizer(family))


def tiny_hf(family: str, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """The same model as a fresh Hugging Face object, float32, eager attention."""
    name, settings = _FAMILIES[family]
    config = getattr(transformers, "Gemma3TextConfig" if family == "gemma3" else f"{name}Config")(
        vocab_size=VOCAB, initializer_range=0.2, pad_token_id=2, bos_token_id=0, eos_token_id=1, **{**settings, **changes}
    )
    kind = getattr(transformers, "GPT2LMHeadModel" if family == "gpt2" else f"{name}ForCausalLM")
    config.architectures = [kind.__name__]
    config.name_or_path = f"tiny-{family}"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind._from_config(config, attn_implementation="eager", dtype=torch.float32).eval()


def tiny_folder(family: str, path: Path, **changes: Any) -> Path:
    """The same model saved as a Hugging Face folder with its tokenizer."""
    tiny_hf(family, **changes).save_pretrained(path)
    tiny_tokenizer(family).save_pretrained(path)
    return path


@cache
def tiny_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE with each family's own habit: BOS in front, nothing in front, or XGLM's `</s>` in front."""
    tokenizer = Tokenizer.from_str(_trained())
    front = {"xglm": "</s>"}.get(family, None if family in ("qwen2", "qwen3", "gpt2", "bloom") else "<s>")
    if front:
        template = processors.TemplateProcessing(f"{front} $A", special_tokens=[(front, tokenizer.token_to_id(front))])
        tokenizer.post_processor = template
    special = {"eos_token": "</s>"} if family == "gpt2" else {"eos_token": "</s>", "pad_token": "<pad>"}
    if family not in ("qwen2", "qwen3"):
        special["bos_token"] = "</s>" if family == "gpt2" else "<s>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=CONTEXT, **special)


@cache
def _trained() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=["<s>", "</s>", "<pad>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(_LINES, trainer)
    return tokenizer.to_str()


def inject(model: PreTrainedModel, config: Any) -> None:
    """Put an adapter into a model in place; the test is skipped where transformers asks for a later PEFT than is installed."""
    try:
        model.add_adapter(config)
    except ValueError as error:
        if "version of PEFT" not in str(error):
            raise
        pytest.skip(str(error))
