"""What holds on the toy holds on published models: only where they are at hand (CONTRIBUTING.md, "Published models").

`INTERP_REAL_MODELS` is a folder with `qwen` (Qwen2.5-0.5B, 24 layers, no BOS) and `smollm2` (SmolLM2-135M, 30 layers);
`INTERP_REAL_TEXT` a folder of parallel sentences, one file a language, such as FLORES-200 devtest.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import interp
import probes
from interp.activations.sinks import describe_sinks, sink_detector
from interp.generation.generate import generate
from interp.models.load import TransformerBridge

MODELS, TEXT = os.environ.get("INTERP_REAL_MODELS", ""), os.environ.get("INTERP_REAL_TEXT", "")


@pytest.fixture(scope="module", params=["qwen", "smollm2"])
def model(request: pytest.FixtureRequest) -> TransformerBridge:
    return published(request.param)


@pytest.fixture(scope="module")
def qwen() -> TransformerBridge:
    return published("qwen")


def published(name: str) -> TransformerBridge:
    folder = Path(MODELS, name)
    if not MODELS or not (folder / "config.json").is_file():
        pytest.skip(f"INTERP_REAL_MODELS holds no {name}")
    return interp.load(str(folder), dtype="bfloat16")


def sentences(*languages: str) -> interp.ParallelCorpus:
    if not TEXT:
        pytest.skip("INTERP_REAL_TEXT is not set")
    return interp.read(TEXT, languages=languages, limit=40)


def test_a_published_model_knows_capitals(model: TransformerBridge) -> None:
    (text,) = generate(model, ["The capital of France is"], max_new_tokens=6)
    assert "Paris" in text


def test_the_first_token_of_a_model_without_bos_is_a_sink(model: TransformerBridge) -> None:
    corpus = interp.ParallelCorpus("two", {"eng_Latn": ("The cat sleeps on the mat.", "It rained for a whole week.")})
    acts = interp.capture(model, corpus)
    assert all(0 in positions for positions in acts.left_out("eng_Latn"))
    assert "sink" in " ".join(describe_sinks(acts))
    assert sink_detector(model).first


def test_names_of_one_token_or_several_are_read_behind_a_start_that_serves(model: TransformerBridge) -> None:
    corpus = interp.ParallelCorpus("names", {"eng_Latn": ("Brazil", "Indian Rupee"), "deu_Latn": ("Brasilien", "Indische Rupie")})
    acts = interp.capture(model, corpus, progress=False)
    assert acts.signature.settings["start"] == "<|endoftext|>"
    assert acts.left_out("eng_Latn") == [(), ()]


def test_without_its_sink_a_multilingual_model_aligns_in_the_middle(qwen: TransformerBridge) -> None:
    """MEXA of Italian is an inverted U over layers; with the sink in every mean, it is flat and low."""
    corpus = sentences("eng_Latn", "ita_Latn")
    curves = {}
    for sinks in ("omit", "keep"):
        report = probes.measure_alignment(
            interp.capture(qwen, corpus, sinks=sinks, progress=False), metrics=("mexa",), resamples=20
        )
        table = report.summary()
        curves[sinks] = table[table["language"] == "ita_Latn"].set_index("layer")["estimate"]
    assert curves["omit"][["10", "11", "12"]].min() > 0.75
    assert curves["omit"][["embed", "23"]].max() < 0.4
    assert curves["keep"].max() < 0.5


def test_a_grid_of_a_published_model_is_the_plain_one(qwen: TransformerBridge) -> None:
    how = {"sources": (0, 11, 23), "targets": (0, 11, 23)}
    grids = [
        interp.transplant_grid(
            qwen, "The capital of France is", "Die Hauptstadt von Frankreich ist", "logits", method=method, **how
        )
        for method in ("naive", "auto")
    ]
    plain, fast = (torch.as_tensor(grid).float() for grid in grids)
    assert (plain - fast).abs().max() < 0.05 * plain.abs().max()  # bfloat16
    assert (plain.argmax(-1) == fast.argmax(-1)).float().mean() >= 8 / 9


def test_in_chat_the_model_answers_as_the_assistant(qwen: TransformerBridge) -> None:
    from interp.text.chat import in_chat

    prompt = in_chat(qwen.tokenizer, "What is the capital of Germany? One word.")
    assert prompt.endswith("<|im_start|>assistant\n")
    (text,) = generate(qwen, [prompt], max_new_tokens=5)
    assert text.strip().startswith("Berlin")
