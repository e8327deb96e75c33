"""A GGUF file is a model: dequantised, said so, and the same logits as the weights it was written from."""

from __future__ import annotations

import logging
from pathlib import Path

import gguf
import pytest
import torch

import interp
from interp.models.checkpoints import gguf as reading
from tests.support.tiny import CONTEXT, D_MODEL, HEADS, LAYERS, VOCAB, tiny_hf, tiny_tokenizer

_BLOCK = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip
_ELSEWHERE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def write(path: Path) -> Path:
    """A tiny Qwen2 as a GGUF file in float32, without a tokenizer."""
    hf = tiny_hf("qwen2")
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(D_MODEL)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(48)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(hf.config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(hf.config.rms_norm_eps)
    writer.add_vocab_size(VOCAB)
    weights = {name: tensor.detach().float().numpy() for name, tensor in hf.state_dict().items()}
    names = dict(_ELSEWHERE)
    for block in range(LAYERS):
        names |= {f"blk.{block}.{short}": f"model.layers.{block}.{name}" for short, name in _BLOCK.items()}
    for short, name in names.items():
        for part in ("weight", "bias"):
            if f"{name}.{part}" in weights:
                writer.add_tensor(f"{short}.{part}", weights[f"{name}.{part}"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_gguf_file_gives_the_logits_of_its_weights_and_says_that_it_is_dequantised(
    as_folder: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "tiny.gguf")
    with caplog.at_level(logging.WARNING):
        model = interp.load(tmp_path if as_folder else path, tokenizer=tiny_tokenizer("qwen2"))
    assert "GGUF weights are dequantised to float32" in caplog.text
    assert interp.identify(model).name == "tiny.gguf"
    ids = torch.tensor([[5, 6, 7, 30]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids), tiny_hf("qwen2")(ids).logits, atol=1e-4, rtol=0)


def test_the_tokenizer_beside_the_file_is_taken_and_a_file_without_one_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.gguf")
    with pytest.raises(ValueError, match=r"put tokenizer.json beside it, or give tokenizer=: its own is not readable"):
        interp.load(path)
    tiny_tokenizer("qwen2").save_pretrained(tmp_path)
    for given in (path, tmp_path):
        assert interp.load(given).tokenizer("The cat")["input_ids"] == tiny_tokenizer("qwen2")("The cat")["input_ids"]
    tiny_hf("qwen2").config.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"has no model.safetensors. It has tiny.gguf: give the path of that file"):
        interp.load(tmp_path)
    with pytest.raises(ValueError, match=r"'absent.gguf' is not a folder, expected a Hugging Face folder, a GGUF file"):
        interp.load("absent.gguf")


def test_two_files_no_library_and_a_broken_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "tiny.gguf")
    with pytest.raises(ValueError, match="got revision 'main' for a file"):
        interp.load(path, revision="main")
    (tmp_path / "other.gguf").write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"got 2 GGUF files, expected one. Name the file: .*other\.gguf"):
        interp.load(tmp_path)
    with pytest.raises(ValueError, match="cannot be read as GGUF"):
        interp.load(tmp_path / "other.gguf")
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install 'gguf>="):
        interp.load(path)
