"""Models that one device does not hold: over two devices, partly on disk, quantised, in bfloat16; and what is refused."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
import transformers
from accelerate import dispatch_model
from packaging.version import Version
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.integrations.bitnet import pack_weights

import interp
from interp.generation.loss import sentence_losses
from interp.interventions.steering import ablated, steered
from interp.interventions.transplant import transplant_grid, transplanted
from interp.lens.logit_lens import read_prompts
from interp.models import devices as placement
from interp.models.checkpoints.device_map import plan_placement, weight_bytes
from interp.models.checks.verification import VerificationError
from interp.models.load import TransformerBridge
from interp.models.plain import runner
from interp.neurons import count_neurons
from interp.text.corpus import ParallelCorpus
from interp.vocabulary.spelling import read_vocabulary
from tests.support.tiny import D_MODEL, LAYERS, tiny, tiny_folder, tiny_hf, tiny_tokenizer
from tests.support.two_devices import two_devices

SOURCE, TARGET = "The cat sleeps", "Die Katze"
CORPUS = ParallelCorpus(
    "animals", {"eng_Latn": ("The cat", "a dog sleeps", "river"), "deu_Latn": ("Die Katze", "der Hund", "Fluss")}
)


def measured(model: interp.models.load.TransformerBridge) -> dict[str, torch.Tensor]:
    """Some number of everything that looks into a model or changes it."""
    vocabulary = read_vocabulary(model.tokenizer, model.cfg.d_vocab)
    names, classes = vocabulary.script_classes()
    lens = read_prompts(model, [SOURCE, TARGET], torch.tensor([[[3, 4], [5, -1]]] * 2), (classes, len(names)))
    counts = count_neurons(model, CORPUS, shards=2)
    found = {
        "identity": torch.tensor(list(bytes.fromhex(interp.identify(model).sha))),
        "capture": interp.capture(model, CORPUS, progress=False)["deu_Latn"],
        "capture last": interp.capture(model, CORPUS, site="mlp", pooling="last", progress=False)["deu_Latn"],
        "lens": torch.cat([lens.mass.flatten(), lens.divergence.flatten(), lens.energy.flatten()]),
        "neurons": torch.cat([counts.rate["deu_Latn"], counts.mean["deu_Latn"]]),
        "losses": sentence_losses(model, [SOURCE, TARGET])[0],
    }
    for site in ("mlp", "residual_mid"):
        found[f"grid {site}"] = transplant_grid(model, SOURCE, TARGET, source_site=site, target_site=site, norm_match=True).cpu()
    found["grid written"] = transplant_grid(model, SOURCE, TARGET, "generate", method="batched", max_new_tokens=2).cpu()
    found["grid answers"] = transplant_grid(model, SOURCE, TARGET, "logprob", options=[" the dog", " cat"]).cpu()
    with steered(model, {"0": torch.ones(D_MODEL), "3": torch.ones(D_MODEL)}), ablated(model, {1: [0], 3: [5]}):
        found["edited"] = sentence_losses(model, [TARGET])[0]
    with transplanted(model, SOURCE, source=3, target=1):
        found["transplanted"] = sentence_losses(model, [TARGET])[0]
    return found


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> list[str]:
    return [name for name in wanted if not torch.equal(found[name], wanted[name])]


def bridge_alone(model: TransformerBridge) -> TransformerBridge:
    """The model without the plain one beside it, whose fused attention rounds differently: as it runs over several devices."""
    runner._PLAIN.pop(model, None)
    return model


FIRST, SECOND = ("toy:0", "toy:1")
MAPS = {
    "llama": {
        "model.embed_tokens": FIRST,
        "model.rotary_emb": FIRST,
        "model.norm": SECOND,
        "lm_head": SECOND,
        "layers": "model.layers",
    },
    "gpt2": {
        "transformer.wte": FIRST,
        "transformer.wpe": FIRST,
        "transformer.ln_f": SECOND,
        "lm_head": FIRST,
        "layers": "transformer.h",
    },
}


@pytest.mark.parametrize("family", MAPS)
def test_over_two_devices_every_number_is_that_of_one(family):
    """The devices are pretended ones that refuse to mix tensors as CUDA does; GPT-2's tied head lies before its last norm."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_differences, (family,)) == []


def _differences(family: str) -> list[str]:
    torch.set_grad_enabled(False)
    wanted = measured(bridge_alone(tiny(family)))
    modules = dict(MAPS[family])
    layers = modules.pop("layers")
    modules |= {f"{layers}.{block}": FIRST if block < LAYERS // 2 else SECOND for block in range(LAYERS)}
    with two_devices():
        split = dispatch_model(tiny_hf(family), modules, main_device=FIRST, force_hooks=True)
        model = interp.load(split, tokenizer=tiny_tokenizer(family))
        assert {str(each.device) for each in model.original_model.parameters()} == {FIRST, SECOND}
        return same(measured(model), wanted)


def test_what_memory_cannot_hold_is_read_from_disk_and_gives_the_same_numbers(tmp_path, monkeypatch, caplog):
    folder = tiny_folder("gpt2", tmp_path)
    wanted = measured(interp.load(folder, device="cpu"))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=120_000))
    if Version(transformers.__version__) < Version("5.17"):  # older ones leave on disk what TransformerLens must read at once
        with pytest.raises(VerificationError, match="Expected that TransformerLens can wrap and run it"):
            interp.load(folder, device="auto")
        return
    model = interp.load(folder, device="auto")
    monkeypatch.undo()
    assert "every forward reads the rest from disk" in caplog.text
    assert any(each.is_meta for each in model.original_model.parameters())
    assert same(measured(model), wanted) == []
    with pytest.raises(ValueError, match="lies partly on disk, and random weights"):
        interp.random_init(model)


@pytest.fixture
def gpus(monkeypatch):
    """So many GPUs with so much free, as far as the arithmetic can see."""

    def there(*free: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(free))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "a GPU")
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (free[gpu], free[gpu]))

    return there


CONFIG = LlamaConfig(vocab_size=1000, hidden_size=64, num_hidden_layers=2, intermediate_size=128, num_attention_heads=4)


def _placed(**changes: Any) -> dict[str, Any]:
    return plan_placement(AutoModelForCausalLM, CONFIG, None, "auto", **changes)


def test_the_weights_are_counted_without_making_them():
    true = sum(each.numel() for each in AutoModelForCausalLM.from_config(CONFIG).parameters())
    assert weight_bytes(AutoModelForCausalLM, CONFIG, None) == 4 * true
    assert weight_bytes(AutoModelForCausalLM, CONFIG, torch.bfloat16) == 2 * true


def test_a_model_goes_to_one_gpu_to_several_or_nowhere(gpus):
    needed = weight_bytes(AutoModelForCausalLM, CONFIG, None)
    gpus(2 * needed, 3 * needed)
    assert _placed() == {}
    assert placement.choose_device("auto") == torch.device("cuda:1"), "the freest"
    gpus(int(0.7 * needed), int(0.7 * needed))
    assert _placed() == {"device_map": "auto", "max_memory": dict.fromkeys((0, 1), int(0.95 * int(0.7 * needed)))}
    gpus(needed // 3, needed // 3)
    with pytest.raises(ValueError, match="cannot run a model that is partly on a GPU and partly in memory"):
        _placed()
    gpus(int(1.1 * needed))
    assert _placed() == {}, "the only one, and it fits"


def test_a_mixture_of_gpu_and_memory_is_refused():
    hf = tiny_hf("llama")
    hf.hf_device_map = {"model": 0, "lm_head": "cpu"}
    with pytest.raises(ValueError, match="expected only GPUs or no GPU"):
        interp.load(hf, tokenizer=tiny_tokenizer("llama"))


def test_in_bfloat16_states_are_averaged_in_float32():
    model = bridge_alone(interp.load(tiny_hf("llama"), tokenizer=tiny_tokenizer("llama"), dtype="bfloat16"))
    text = "the cat and the dog look at the river " * 5
    corpus = ParallelCorpus("one", {"eng_Latn": (text,)})
    pooled = interp.capture(model, corpus, include_bos=True, progress=False)["eng_Latn"][:, 0]
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        _, cache = model.run_with_cache(ids, attention_mask=torch.ones_like(ids))
    states = torch.stack([cache["resid_pre", 0], *(cache["resid_post", block] for block in range(LAYERS))])[:, 0]
    assert states.dtype == torch.bfloat16
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, states.float().mean(1), atol=1e-5, rtol=1e-5)
    assert (pooled - states.mean(1).float()).abs().max() > 1e-3, "a mean in bfloat16 is another number"


def test_bfloat16_carries_through():
    """Three digits: a model's own float32 numbers come back within a few units of the last."""
    wide = tiny("llama")
    model = interp.load(tiny_hf("llama"), tokenizer=tiny_tokenizer("llama"), dtype="bfloat16")
    found, wanted = measured(model), measured(wide)
    for name in ("capture", "losses", "grid mlp", "edited", "transplanted"):
        scale = wanted[name].abs().max()
        assert (found[name].float() - wanted[name]).abs().max() < 0.1 * scale, name
    lens = [torch.as_tensor(each["lens"][:4]) for each in (found, wanted)]
    torch.testing.assert_close(*lens, atol=0.05, rtol=0)


def _quantised(folder: Path, config: dict[str, Any], change: Any, family: str = "llama", maps: str = "_proj") -> Path:
    """A checkpoint whose linear maps are quantised as `change` says."""
    tiny_folder(family, folder)
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**written, "quantization_config": config}))
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        tensors |= change(name, weight) if re.search(rf"{maps}\S*\.weight$", name) else {name: weight}
    save_file({name: each.contiguous() for name, each in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


def _fp8(name: str, weight: torch.Tensor, block: int = 16) -> dict[str, torch.Tensor]:
    blocks = weight.unflatten(1, (-1, block)).unflatten(0, (-1, block))
    scale = blocks.abs().amax((1, 3)) / 448
    return {name: (blocks / scale[:, None, :, None]).reshape(weight.shape).to(torch.float8_e4m3fn), f"{name}_scale_inv": scale}


def _ternary(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    scale = weight.abs().mean()
    packed = pack_weights((weight / scale).round().clamp(-1, 1))
    return {name: packed, name.replace(".weight", ".weight_scale"): (1 / scale).reshape(1)}


def test_an_fp8_checkpoint_is_opened_as_numbers_on_a_cpu(tmp_path):
    model = interp.load(_quantised(tmp_path, {"quant_method": "fp8", "weight_block_size": [16, 16]}, _fp8), device="cpu")
    true, found = tiny("llama"), interp.capture(model, CORPUS, progress=False)["deu_Latn"]
    wanted = interp.capture(true, CORPUS, progress=False)["deu_Latn"]
    assert 0 < (found - wanted).abs().max() < 0.2 * wanted.abs().max()


TERNARY = {"quant_method": "bitnet", "linear_class": "bitlinear", "quantization_mode": "offline"}


def test_a_quantised_joint_projection_is_refused_with_the_reason(tmp_path):
    folder = _quantised(tmp_path, TERNARY, _ternary, "bloom", "(query_key_value|dense)")
    with pytest.raises(ValueError, match="got weights quantized by bitnet, expected unquantized weights"):
        interp.load(folder, device="cpu")


def test_a_bitnet_checkpoint_runs_packed_and_its_packed_weights_are_its_identity(tmp_path):
    folder = _quantised(tmp_path, TERNARY, _ternary)
    torch._dynamo.config.disable = True  # its kernels are compiled, which takes a minute
    try:
        model = interp.load(folder, device="cpu")
        assert {each.dtype for each in model.original_model.buffers()} >= {torch.uint8}
        grid, states = transplant_grid(model, SOURCE, TARGET), interp.capture(model, CORPUS, progress=False)["deu_Latn"]
        assert bool(grid.isfinite().all() and states.isfinite().all())
        identity = interp.identify(model)
        assert identity.dtype == "float32+bitnet"
        next(each for each in model.original_model.buffers() if each.dtype == torch.uint8)[0, 0] ^= 1
        assert interp.identify(model).sha != identity.sha
        assert interp.identify(interp.random_init(model)).dtype == "float32"
    finally:
        torch._dynamo.config.disable = False


@pytest.mark.parametrize(("method", "package"), [("bitsandbytes", "bitsandbytes"), ("gptq", "gptqmodel")])
def test_a_quantised_checkpoint_without_its_package_is_refused_by_name(method, package, tmp_path):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    config = {"quant_method": method, **({"load_in_4bit": True} if method == "bitsandbytes" else {"bits": 4})}
    folder = _quantised(tmp_path, config, lambda name, weight: {name: weight})
    with pytest.raises(ValueError, match=f"quantised by {method}, but the library that reads it is not installed: "):
        interp.load(folder, device="cpu")
