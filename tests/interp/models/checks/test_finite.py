"""NaN and infinity are refused by every reader of a model, by name; hooks in force stand in the signature."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

import interp
from interp.generation.generate import generate
from interp.generation.loss import sentence_losses
from interp.generation.score import choose, score
from interp.interventions.attribution import attribute
from interp.interventions.patching import patch
from interp.interventions.prompts import marked, question
from interp.interventions.steering import steered
from interp.interventions.transplant import record_donor, transplant_grid
from interp.lens.logit_lens import read_positions, read_prompts
from interp.lens.train import train_lens
from interp.models.checks.finite import check_finite
from interp.models.hooks import hooks_in_force
from interp.neurons import count_neurons
from interp.text.corpus import ParallelCorpus
from tests.support.tiny import VOCAB, tiny, tiny_hf, tiny_tokenizer

CORPUS = ParallelCorpus(
    "two", {"eng_Latn": ("The cat sleeps.", "the dog", "a river"), "zho_Hans": ("石头", "看着河", "猫睡觉")}, ids=("a", "b", "c")
)
CLASSES = (torch.zeros(VOCAB, dtype=torch.long), 1)


def broken() -> Any:
    """A model whose block 2 leaves NaN wherever "猫" stands, of which no other text here has the last token."""
    tokenizer = tiny_tokenizer("llama")
    model = interp.load(tiny_hf("llama"), tokenizer=tokenizer)
    token = tokenizer("猫", add_special_tokens=False)["input_ids"][-1]
    assert sum(token in ids for ids in tokenizer([*CORPUS["eng_Latn"], *CORPUS["zho_Hans"]])["input_ids"]) == 1

    def plant(x: torch.Tensor, hook: object, ids: list[Any]) -> torch.Tensor:
        x = x.clone()
        x[ids[-1] == token] = torch.nan
        return x

    seen: list[torch.Tensor] = []
    model.embed.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.add_hook("blocks.2.hook_resid_post", partial(plant, ids=seen), is_permanent=True)
    return model


def test_capture_names_language_sentence_and_layer() -> None:
    with pytest.raises(ValueError, match=r"layer 2 of sentence 'c' in zho_Hans is NaN, expected a finite number"):
        interp.capture(broken(), CORPUS, progress=False)
    states = interp.capture(broken(), CORPUS, layers=["embed", "1"], progress=False)
    assert states["zho_Hans"].isfinite().all()


READERS: dict[str, Callable[[Any], Any]] = {
    "generate": lambda model: generate(model, ["the dog", "猫"], max_new_tokens=2),
    "beams": lambda model: generate(model, ["the dog", "猫"], max_new_tokens=2, beams=2),
    "score": lambda model: score(model, ["the dog", "猫"], [" sleeps", " sleeps"]),
    "score behind": lambda model: score(model, ["the dog"], [" 猫 sleeps"]),
    "choose": lambda model: choose(model, ["猫"], [[" sleeps", " the"]]),
    "losses": lambda model: sentence_losses(model, ["the dog", "猫 sleeps"]),
    "neurons": lambda model: count_neurons(model, CORPUS, shards=2),
    "lens": lambda model: read_prompts(model, ["猫"], torch.zeros(1, 1, 1, dtype=torch.long), CLASSES),
    "lens at positions": lambda model: read_positions(model, "a 猫", CLASSES),
    "donor": lambda model: record_donor(model, "猫", "mlp"),
    "transplant": lambda model: transplant_grid(model, "the dog", "猫", "logits"),
    "transplant, choice": lambda model: transplant_grid(model, "the dog", "猫", "choice", options=[" the", " a"]),
    "transplant, text": lambda model: transplant_grid(model, "the dog", "猫", "generate", max_new_tokens=2),
    "patch": lambda model: _patch(model, patch),
    "attribution": lambda model: _patch(model, attribute),
}


def _patch(model: Any, how: Any) -> Any:
    clean, corrupt = marked(model, "the [[dog]]"), marked(model, "the [[猫]]")
    return how(model, clean, corrupt, question(model, clean, "logit_difference", " the", " a"))


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_nan(name: str) -> None:
    with pytest.raises(ValueError, match=r"is NaN, expected a finite number"):
        READERS[name](broken())


def test_a_lens_is_not_trained_on_nan(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=r"tuned lens: the state of layer 2 in text \d+ is NaN"):
        train_lens(broken(), CORPUS, tmp_path / "lens.safetensors", steps=2, held_out=0.34)


def test_an_overflow_in_float16_names_bfloat16() -> None:
    model = interp.load(tiny_hf("llama").half(), tokenizer=tiny_tokenizer("llama"))
    with torch.no_grad():
        model.blocks[2].mlp.out.original_component.weight.fill_(6e4)
    for read in (lambda: interp.capture(model, CORPUS, progress=False), lambda: generate(model, ["the dog"], max_new_tokens=1)):
        with pytest.raises(ValueError, match=r"float16 ends at 65504: load the model with dtype=\"bfloat16\""):
            read()


def test_what_is_not_finite_is_named_by_its_place() -> None:
    values = torch.zeros(2, 3)
    check_finite(values, "nothing")
    values[1, 2] = torch.inf
    with pytest.raises(ValueError, match="row 1, column 2 is infinite"):
        check_finite(values, lambda row, column: f"row {row}, column {column}")
    with pytest.raises(ValueError, match="all of it is NaN"):
        check_finite(values.numpy() * float("nan"), "all of it")


def _double(x: torch.Tensor, hook: object) -> torch.Tensor:
    return x * 2


def test_states_under_hooks_say_so_and_are_not_the_clean_ones(tmp_path: Any) -> None:
    model = interp.load(tiny_hf("llama"), tokenizer=tiny_tokenizer("llama"))
    read = partial(interp.capture, model, CORPUS, progress=False)
    clean = read(folder=tmp_path / "states")
    assert "hooks" not in clean.signature.settings
    model.add_hook("blocks.2.hook_mlp_out", _double, is_permanent=True)
    hooked = read()
    assert "hooks:blocks.2.hook_mlp_out" in str(hooked.signature)
    with pytest.raises(ValueError, match="hooks"):
        read(folder=tmp_path / "states")
    assert not torch.equal(hooked["eng_Latn"], clean["eng_Latn"])
    model.reset_hooks(including_permanent=True)
    with steered(model, {"1": torch.ones(32)}):
        assert "hooks" in read().signature.settings
        counts = count_neurons(model, CORPUS, shards=2, folder=tmp_path / "counts")
    assert counts.hooks
    with pytest.raises(ValueError, match="another hooks"):
        count_neurons(model, CORPUS, shards=2, folder=tmp_path / "counts")
    handle = model.original_model.register_forward_hook(lambda module, args, out: None)
    assert hooks_in_force(model) == {"hooks": "model"}
    handle.remove()
    assert read().signature == clean.signature


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "bloom", "xglm"])
def test_a_model_at_rest_has_no_hooks_in_force(family: str) -> None:
    assert hooks_in_force(tiny(family)) == {}
