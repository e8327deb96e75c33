"""What `interp.capture` promises: Hugging Face's states, pooled as said, whatever the batch, and never from a stale file."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

import interp
from interp.activations import folder as state_folder
from interp.activations.store import Activations
from interp.files.lock import locked
from interp.models.batches import encode
from interp.text.corpus import ParallelCorpus
from tests.support.tiny import FAMILIES, LAYERS, tiny, tiny_hf, tiny_tokenizer

SENTENCES = {
    "eng_Latn": ("The cat sleeps on the warm stone.", "a", "The dog looks at the river, and the cat sleeps."),
    "deu_Latn": ("Die Katze schläft auf dem warmen Stein.", "ein", "Der Hund schaut auf den Fluss, und die Katze schläft."),
    "zho_Hans": ("猫在温暖的石头上睡觉。", "一", "狗看着河，猫睡觉。"),
}
CORPUS = ParallelCorpus("toy", SENTENCES, ids=("x", "y", "z"), documents=("d1", "d1", "d2"), labels={"topic": ("a", "b", "a")})
GERMAN = CORPUS.select(languages=["deu_Latn"])
FRONT = {family: 0 if family in ("qwen2", "qwen3", "gpt2", "bloom") else 1 for family in FAMILIES}


@cache
def hf_model(family: str) -> PreTrainedModel:
    return tiny_hf(family)


@torch.no_grad()
def hf_states(family: str, ids: Sequence[int]) -> Tensor:
    """`[layer token d_model]` of one unpadded sequence, the last row before the final norm, by Hugging Face alone."""
    hf = hf_model(family)
    final = next(each for name, each in hf.base_model.named_children() if name in ("norm", "ln_f", "layer_norm"))
    seen: list[Tensor] = []
    watch = final.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    states = hf(torch.tensor([list(ids)]), output_hidden_states=True, use_cache=False).hidden_states
    watch.remove()
    return torch.stack([*states[:-1], seen[0]])[:, 0]


def pooled(states: Tensor, pooling: str) -> Tensor:
    """MEXA's equation and its neighbours, written out over `[layer token d_model]`."""
    n = states.shape[1]
    if pooling == "mean":
        return sum(states[:, t] for t in range(n)) / n
    if pooling == "weighted":
        return sum((t + 1) * states[:, t] for t in range(n)) / sum(range(1, n + 1))
    return states[:, -1]


@pytest.mark.parametrize("family", FAMILIES)
def test_states_are_hugging_faces_whatever_the_batch(family: str) -> None:
    model = tiny(family)
    expected = [hf_states(family, ids)[:, FRONT[family] :] for ids in encode(model, SENTENCES["deu_Latn"])]
    for pooling, bound in (("mean", 10_000), ("last", 10_000), ("weighted", 10_000), ("mean", 1)):
        acts = interp.capture(model, GERMAN, pooling=pooling, max_tokens=bound, progress=False)
        assert acts.layers == ("embed", "0", "1", "2", "3")
        for row, states in enumerate(expected):
            torch.testing.assert_close(acts["deu_Latn"][:, row], pooled(states, pooling), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_is_the_sum_of_what_the_halves_add(family: str) -> None:
    residual, attention, mlp = (
        interp.capture(tiny(family), GERMAN, site=site, progress=False)["de"] for site in ("residual", "attention", "mlp")
    )
    torch.testing.assert_close(residual[1:], residual[:-1] + attention + mlp, atol=1e-5, rtol=0)


def test_bos_swamps_only_when_asked_in() -> None:
    model = tiny("llama")
    states = hf_states("llama", encode(model, SENTENCES["eng_Latn"])[0])
    for pooling in ("mean", "weighted"):
        acts = interp.capture(model, CORPUS, pooling=pooling, include_bos=True, progress=False)
        torch.testing.assert_close(acts["eng_Latn"][:, 0], pooled(states, pooling), atol=1e-5, rtol=0)
        assert "bos:True" in str(acts.signature)


def test_a_template_pools_over_the_sentence_alone() -> None:
    model = tiny("llama")
    template = "{language}: {sentence}\nEnglish:"
    before, after = "German: ", "\nEnglish:"
    ids = encode(model, [before + SENTENCES["deu_Latn"][0] + after])[0]
    states = hf_states("llama", ids)
    inside = slice(len(encode(model, [before])[0]), len(ids) - len(encode(model, [after], special=False)[0]))
    assert model.tokenizer.decode(ids[inside]) == SENTENCES["deu_Latn"][0]
    for pooling in ("mean", "last", "weighted"):
        acts = interp.capture(model, CORPUS, pooling=pooling, template=template, progress=False)
        torch.testing.assert_close(acts["deu_Latn"][:, 0], pooled(states[:, inside], pooling), atol=1e-5, rtol=0)
    acts = interp.capture(model, CORPUS, pooling="end", template=template, progress=False)
    torch.testing.assert_close(acts["deu_Latn"][:, 0], states[:, -1], atol=1e-5, rtol=0)
    assert r"template:\"{language}: {sentence}\nEnglish:\"".replace('\\"', '"') in str(acts.signature)
    with pytest.raises(ValueError, match="include_bos and a template"):
        interp.capture(model, CORPUS, template=template, include_bos=True)


@pytest.mark.parametrize("site", ["residual", "mlp"])
def test_some_layers_are_the_same_rows_and_no_later_block_runs(site: str) -> None:
    model = tiny("gemma2")
    everything = interp.capture(model, CORPUS, site=site, progress=False)
    ran: list[int] = []
    with model.hooks(fwd_hooks=[(f"blocks.{n}.hook_resid_pre", lambda state, hook, n=n: ran.append(n)) for n in range(LAYERS)]):
        some = interp.capture(model, CORPUS, site=site, layers=["1", 0], sinks="keep", progress=False)
    assert max(ran) == 1
    rows = [everything.layers.index(name) for name in some.layers]
    assert some.layers == ("1", everything.layers[0])
    assert torch.equal(some["deu"], everything["deu"][rows])
    assert torch.equal(everything.select(layers=["1", 0])["deu"], some["deu"])
    assert "layers:1," in str(some.signature)
    assert torch.equal(interp.capture(model, CORPUS, site=site, layers=["1", 0], progress=False)["deu"], some["deu"])
    with pytest.raises(ValueError, match="got layer 'embedding', expected one of"):
        interp.capture(model, CORPUS, layers=["embedding"])


def test_the_head_never_runs_and_hooks_never_stay() -> None:
    model = tiny("llama")
    ran: list[str] = []
    with model.hooks(fwd_hooks=[("unembed.hook_in", lambda state, hook: ran.append(hook.name))]):
        interp.capture(model, CORPUS, progress=False)
        assert not ran
        model(torch.tensor([[5, 6]]))
        assert ran
    assert not any(point.fwd_hooks for point in model.hook_dict.values())


def test_bfloat16_is_pooled_in_float32() -> None:
    model = interp.load(tiny_hf("llama"), tokenizer=tiny_tokenizer("llama"), dtype="bfloat16")
    acts = interp.capture(model, CORPUS, progress=False)["eng"]
    seen: list[Tensor] = []
    ids = torch.tensor([encode(model, SENTENCES["eng_Latn"])[2]])
    with (
        torch.no_grad(),
        model.hooks(fwd_hooks=[("blocks.1.hook_resid_post", lambda state, hook: seen.append(state[0, 1:].clone()))]),
    ):
        model(ids, attention_mask=torch.ones_like(ids))
    assert acts.dtype == torch.float32
    torch.testing.assert_close(acts[2, 2], seen[0].double().mean(0).float(), atol=0.02, rtol=0)
    assert not torch.equal(acts[2, 2], acts[2, 2].bfloat16().float())


def test_a_sentence_that_is_empty_or_too_long_is_named(caplog: pytest.LogCaptureFixture) -> None:
    model = tiny("llama")
    long = ParallelCorpus("toy", {"eng_Latn": ("a", "The cat " * 100), "deu_Latn": ("b", "c")}, ids=("x", "y"))
    count = len(encode(model, ["The cat " * 100])[0])
    with pytest.raises(ValueError, match=f"got {count} tokens in sentence 'y' in eng_Latn, expected at most 128"):
        interp.capture(model, long, progress=False)
    with caplog.at_level(logging.WARNING, "interp.activations.capture"):
        cut = interp.capture(model, long, pooling="end", truncate=True, progress=False)
    assert "1 of 2 sentences in eng_Latn truncated to 128 tokens" in caplog.text
    states = hf_states("llama", encode(model, ["The cat " * 100])[0][:128])
    torch.testing.assert_close(cut["eng"][:, 1], states[:, -1], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="sentence 'x' in eng_Latn is empty or was truncated"):
        interp.capture(model, long, template="The cat " * 100 + "{sentence}", truncate=True)


def test_a_folder_gives_back_what_memory_holds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = tiny("qwen3")
    memory = interp.capture(model, CORPUS, progress=False)
    with caplog.at_level(logging.INFO, "interp.activations.folder"):
        stored = interp.capture(model, CORPUS, folder=tmp_path, progress=False)
    assert "3 languages" in caplog.text
    again = Activations.load(tmp_path)
    for acts in (stored, again):
        assert all(torch.equal(acts[code], memory[code]) for code in CORPUS.languages)
        assert (acts.ids, acts.documents, dict(acts.labels)) == (CORPUS.ids, CORPUS.documents, {"topic": ("a", "b", "a")})
        assert acts.signature == memory.signature
    few = again.select(languages=["zh"], layers=["embed", -1])
    assert few.languages == ("zho_Hans",)
    assert torch.equal(few["zho_Hans"], memory["zho_Hans"][[0, -1]])
    with pytest.raises(ValueError, match="got language deu_Latn, expected one of"):
        few["deu_Latn"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == [
        "deu_Latn.safetensors",
        "eng_Latn.safetensors",
        "manifest.json",
        "zho_Hans.safetensors",
    ]


def test_a_killed_capture_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("qwen3")
    whole = interp.capture(model, CORPUS, progress=False)
    write = state_folder.write_states

    def killed(path: Path, *states: object) -> str:
        if path.stem == "zho_Hans":
            raise KeyboardInterrupt
        return write(path, *states)

    monkeypatch.setattr(state_folder, "write_states", killed)
    with pytest.raises(KeyboardInterrupt):
        interp.capture(model, CORPUS, folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match="holds no finished capture"):
        Activations.load(tmp_path)
    written: list[str] = []
    monkeypatch.setattr(state_folder, "write_states", lambda path, *states: (written.append(path.stem), write(path, *states))[1])
    resumed = interp.capture(model, CORPUS, folder=tmp_path, progress=False)
    assert written == ["zho_Hans"]
    assert all(torch.equal(resumed[code], whole[code]) for code in CORPUS.languages)


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_language_is_never_used_and_computed_again(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = tiny("qwen3")
    whole = interp.capture(model, CORPUS, folder=tmp_path, progress=False)["deu"]
    path = tmp_path / "deu_Latn.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink() if damage == "missing" else path.write_bytes(content if damage == "altered" else content[:-40])
    with pytest.raises(ValueError, match=r"deu_Latn.safetensors is (truncated|missing)"):
        Activations.load(tmp_path)["deu"]
    with caplog.at_level(logging.WARNING, "interp.activations.folder"):
        again = interp.capture(model, CORPUS, folder=tmp_path, progress=False)
    assert "deu_Latn.safetensors is" in caplog.text
    assert "eng_Latn" not in caplog.text
    assert torch.equal(again["deu"], whole)


@pytest.mark.parametrize("change", ["model", "corpus", "pool", "template"])
def test_another_making_is_refused_by_the_name_of_what_differs(change: str, tmp_path: Path) -> None:
    interp.capture(tiny("qwen3"), CORPUS, folder=tmp_path, progress=False)
    model = interp.random_init(tiny("qwen3"), seed=3) if change == "model" else tiny("qwen3")
    corpus = ParallelCorpus("toy", {**SENTENCES, "deu_Latn": ("x", "y", "z")}, ids=CORPUS.ids) if change == "corpus" else CORPUS
    with pytest.raises(ValueError, match=rf"holds a capture with {change} .* and now {change} is"):
        interp.capture(
            model, corpus, folder=tmp_path, progress=False,
            pooling="last" if change == "pool" else "mean", template="x {sentence}" if change == "template" else None,
        )  # fmt: skip


def test_a_full_disk_or_a_busy_folder_stops_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 100})())
    with pytest.raises(OSError, match=r"0\.0 MB are free"):
        interp.capture(tiny("qwen3"), CORPUS, folder=tmp_path, progress=False)
    with locked(tmp_path), pytest.raises(RuntimeError, match="is in use"):
        interp.capture(tiny("qwen3"), CORPUS, folder=tmp_path, progress=False)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"layers": ["0"]', "\x00"])
def test_a_manifest_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="not readable as a capture's manifest"):
        Activations.load(tmp_path)


def test_planted_arrays_are_activations(tmp_path: Path) -> None:
    arrays = {"fr": torch.arange(24.0).view(2, 3, 4), "eng_Latn": torch.zeros(2, 3, 4)}
    acts = Activations.from_arrays(arrays, site="mlp", ids=["a", "b", "c"], documents=["d", "d", "e"])
    assert acts.languages == ("fra_Latn", "eng_Latn")
    assert acts.layers == ("0", "1")
    assert torch.equal(acts.select(layers=[-1])["French"], arrays["fr"][1:])
    assert (len(acts), acts.d_model) == (3, 4)
    with pytest.raises(ValueError, match=r"expected one \[layer sentence d_model\]"):
        Activations.from_arrays({"fr": torch.zeros(2, 3, 4), "eng_Latn": torch.zeros(2, 2, 4)})
    with pytest.raises(ValueError, match="2 ids for arrays"):
        Activations.from_arrays(arrays, ids=["a", "b"])
    assert json.loads(json.dumps(acts.signature.to_dict()))["measure"] == "capture"
