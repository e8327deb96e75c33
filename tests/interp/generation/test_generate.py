"""What a model says and how probable it finds a text: the same in a batch as alone, the same as Hugging Face, hooks included."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GenerationConfig, PreTrainedTokenizerFast

import interp
from interp.generation.generate import generate
from interp.generation.score import choose, score
from interp.interventions.transplant import record_donor
from interp.models.batches import encode
from tests.support.tiny import FAMILIES, tiny, tiny_hf, tiny_tokenizer

PROMPTS = ["Die Katze", "The dog looks at the river, and the cat sleeps on", "猫", "Кошка спит на тёплом камне"]
NEW = 6


def hf_says(family: str, prompt: str, **settings: Any) -> str:
    """The ten lines everyone writes: one prompt, Hugging Face's own generate, only the new tokens decoded."""
    tokenizer, model = tiny_tokenizer(family), tiny_hf(family)
    model.generation_config = GenerationConfig(eos_token_id=1, pad_token_id=2)
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False, **settings)
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True, clean_up_tokenization_spaces=False)


def whole_log_prob(model: Any, prompt: list[int], rest: list[int]) -> float:
    """One sequence, one forward, no cache, no padding."""
    with torch.no_grad():
        logits = model(torch.tensor([prompt + rest]), attention_mask=torch.ones(1, len(prompt + rest)).long(), use_cache=False)
    said = logits[0].log_softmax(-1)
    return sum(said[len(prompt) + k - 1, token].item() for k, token in enumerate(rest))


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_in_a_batch_says_what_hugging_face_says_one_by_one(family: str) -> None:
    assert generate(tiny(family), PROMPTS, max_new_tokens=NEW) == [hf_says(family, prompt) for prompt in PROMPTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_beams_in_a_batch_say_what_hugging_face_says_one_by_one(family: str) -> None:
    assert generate(tiny(family), PROMPTS, max_new_tokens=NEW, beams=3) == [hf_says(family, p, num_beams=3) for p in PROMPTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_over_the_cache_are_those_of_one_forward_each(family: str) -> None:
    model = tiny(family)
    rests = [" schläft auf dem warmen Stein.", " the", " die", " а"]
    scores = score(model, PROMPTS, rests)
    for prompt, rest, found, tokens in zip(PROMPTS, rests, scores, scores.tokens, strict=True):
        start, ids = encode(model, [prompt])[0], encode(model, [prompt + rest])[0]
        assert ids[: len(start)] == start
        assert tokens == len(ids) - len(start)
        assert found == pytest.approx(whole_log_prob(model, start, ids[len(start) :]), abs=2e-4)


@pytest.mark.parametrize("family", ["gemma3", "xglm"])
def test_small_batches_and_finished_rows_change_nothing(family: str) -> None:
    model = tiny(family)
    together = generate(model, PROMPTS, max_new_tokens=NEW)
    assert generate(model, PROMPTS, max_new_tokens=NEW, max_tokens=1) == together
    assert [generate(model, [prompt], max_new_tokens=NEW)[0] for prompt in PROMPTS] == together
    options = [[" auf", " auf dem Stein", " a"], [" the river"], ["在石头上", "河"], [" а собака", " ре"]]
    all_at_once = choose(model, PROMPTS, options).log_probs
    bit_by_bit = choose(model, PROMPTS, options, max_tokens=1).log_probs
    for some, others in zip(all_at_once, bit_by_bit, strict=True):
        assert some == pytest.approx(others, abs=1e-4)


def test_a_prompt_longer_than_a_sliding_window_is_scored_and_continued_rightly() -> None:
    model = tiny("mistral", sliding_window=6)
    prompts = [PROMPTS[1], "Die"]
    found = score(model, prompts, [" the warm stone, and", " Katze schläft auf dem warmen Stein"])
    for prompt, rest, one in zip(prompts, [" the warm stone, and", " Katze schläft auf dem warmen Stein"], found, strict=True):
        start, ids = encode(model, [prompt])[0], encode(model, [prompt + rest])[0]
        assert one == pytest.approx(whole_log_prob(model, start, ids[len(start) :]), abs=2e-4)
    assert generate(model, prompts, max_new_tokens=NEW) == [generate(model, [one], max_new_tokens=NEW)[0] for one in prompts]


def push(activation: torch.Tensor, hook: Any, token: int, rows: list[int]) -> torch.Tensor:
    rows.append(len(activation))
    activation[:, -1, token] += 1e4
    return activation


def test_a_row_that_has_ended_leaves_the_batch() -> None:
    model = tiny("llama")
    eos, rows = model.tokenizer.eos_token_id, []

    def end_two(activation: torch.Tensor, hook: Any) -> torch.Tensor:
        rows.append(len(activation))
        activation[: len(activation) // 2, -1, eos] += 1e4
        return activation

    with model.hooks(fwd_hooks=[("unembed.hook_out", end_two)]):
        ended = generate(model, PROMPTS, max_new_tokens=20)
    assert rows[:3] == [4, 2, 1]
    assert sorted(map(len, ended))[:2] == [0, 0]


def test_nothing_said_is_an_empty_answer_and_the_end_token_is_not_text() -> None:
    model = tiny("gpt2")
    rows: list[int] = []
    hook = partial(push, token=model.tokenizer.eos_token_id, rows=rows)
    with model.hooks(fwd_hooks=[("unembed.hook_out", hook)]):
        assert generate(model, PROMPTS, max_new_tokens=NEW) == [""] * 4
        assert generate(model, PROMPTS, max_new_tokens=NEW, beams=2) == [""] * 4
    assert rows[0] == 4


def test_answers_end_before_a_stop_string() -> None:
    model = tiny("qwen2")
    free = generate(model, PROMPTS, max_new_tokens=NEW)
    stops = [free[0][2:4], free[3][-1]]
    for beams in (1, 2):
        free = generate(model, PROMPTS, max_new_tokens=NEW, beams=beams)
        cut = generate(model, PROMPTS, max_new_tokens=NEW, beams=beams, stop=stops)
        assert cut == [text[: min(text.find(stop) % 1000 for stop in stops)] for text in free]
    assert generate(model, PROMPTS, max_new_tokens=NEW, stop="") == generate(model, PROMPTS, max_new_tokens=NEW)


def test_generating_and_scoring_stop_no_later_than_needed() -> None:
    model = tiny("llama")
    forwards: list[int] = []
    with model.hooks(fwd_hooks=[("embed.hook_out", lambda x, hook: forwards.append(x.shape[1]))]):
        generate(model, ["Die Katze"], max_new_tokens=3)
        prompt = len(encode(model, ["Die Katze"])[0])
        assert forwards == [prompt, 1, 1]
        forwards.clear()
        choose(model, ["Die Katze"] * 3, [[" schläft auf", " sitzt"]] * 3)
        assert forwards[0] == prompt
        assert len(forwards) == 2


@pytest.mark.parametrize("family", ["llama", "xglm"])
@pytest.mark.parametrize("beams", [1, 2])
def test_a_transplant_reads_the_prompts_of_every_batch(family: str, beams: int) -> None:
    model = tiny(family)
    say = partial(generate, model, max_new_tokens=NEW, beams=beams)
    with interp.transplanted(model, "The dog looks at the river", source=2, target=1):
        together = say(PROMPTS)
    alone = []
    for prompt in PROMPTS:
        with interp.transplanted(model, "The dog looks at the river", source=2, target=1):
            alone += say([prompt])
    assert together == alone != say(PROMPTS)


def test_a_transplant_into_the_prompts_end_counts_in_scores_as_in_one_forward() -> None:
    model = tiny("llama")
    start, ids = encode(model, [PROMPTS[0]])[0], encode(model, [PROMPTS[0] + " schläft auf dem"])[0]
    donor = record_donor(model, "The dog looks")
    with interp.transplanted(model, donor, source=2, target=1):
        found = score(model, [PROMPTS[0]], [" schläft auf dem"])[0]
    with interp.transplanted(model, donor, source=2, target=1, position=len(start) - 1):
        assert found == pytest.approx(whole_log_prob(model, start, ids[len(start) :]), abs=2e-4)
    assert abs(found - score(model, [PROMPTS[0]], [" schläft auf dem"])[0]) > 1e-2


def test_a_steering_vector_changes_scores_exactly_as_in_one_forward() -> None:
    model = tiny("gemma2")
    vector = torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(0))
    start, ids = encode(model, [PROMPTS[0]])[0], encode(model, [PROMPTS[0] + " schläft auf dem"])[0]
    with interp.steered(model, {"1": vector}, alpha=3.0):
        steered = score(model, [PROMPTS[0]], [" schläft auf dem"])[0]
        assert steered == pytest.approx(whole_log_prob(model, start, ids[len(start) :]), abs=2e-4)
    assert abs(steered - score(model, [PROMPTS[0]], [" schläft auf dem"])[0]) > 1e-2


def test_a_token_across_the_border_keeps_the_ids_of_the_prompt() -> None:
    model = tiny("llama")
    prompt, rest = "猫", "在温暖"
    start, whole = encode(model, [prompt])[0], encode(model, [prompt + rest])[0]
    assert whole[: len(start)] != start
    found = score(model, [prompt], [rest])
    alone = encode(model, [rest], special=False)[0]
    assert model.tokenizer.decode(start[1:] + alone) == prompt + rest
    assert found.tokens == (len(alone),)
    assert found[0] == pytest.approx(whole_log_prob(model, start, alone), abs=2e-4)


def test_a_tokenizer_that_sets_a_space_before_a_text_sets_none_inside_one() -> None:
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    pieces.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=60, initial_alphabet=["\n"], special_tokens=["<s>", "</s>", "<pad>"])
    pieces.train_from_iterator(["the then there these"] * 20, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    model = interp.load(tiny_hf("llama"), tokenizer=tokenizer)
    start, whole, alone = encode(model, ["the t", "the the", "he"])
    assert whole[: len(start)] != start
    inside = tokenizer.convert_tokens_to_ids(["he"])
    assert inside != alone
    found = score(model, ["the t"], ["he"])
    assert found.tokens == (1,)
    assert found[0] == pytest.approx(whole_log_prob(model, start, inside), abs=2e-4)


def test_an_end_token_that_the_tokenizer_sets_behind_a_prompt_is_taken_off() -> None:
    tokenizer = copy.deepcopy(tiny_tokenizer("llama"))
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    model = interp.load(tiny_hf("llama"), tokenizer=tokenizer)
    assert encode(model, PROMPTS[:1])[0][-1] == 1
    assert generate(model, PROMPTS, max_new_tokens=NEW) == generate(tiny("llama"), PROMPTS, max_new_tokens=NEW)
    assert score(model, ["Die"], [" Katze"])[0] == pytest.approx(score(tiny("llama"), ["Die"], [" Katze"])[0], abs=1e-5)


def test_choosing_takes_the_most_probable_option() -> None:
    model = tiny("qwen3")
    options = [["猫", " dog sleeps", "x"], ["das", "die Katze"]]
    found = choose(model, PROMPTS[:2], options)
    for item, each in enumerate(options):
        sums = score(model, [PROMPTS[item]] * len(each), each)
        assert found.log_probs[item] == pytest.approx(list(sums), abs=1e-4)
        assert found[item] == max(range(len(each)), key=lambda k: sums[k])
    first = choose(model, PROMPTS[:1], [["a", "x", "q"]], by="first_token")
    with torch.no_grad():
        logits = model(torch.tensor([encode(model, PROMPTS[:1])[0]]), use_cache=False)[0, -1].log_softmax(-1)
    tokens = [encode(model, [one], special=False)[0][0] for one in "axq"]
    assert first.log_probs[0] == pytest.approx(logits[tokens].tolist(), abs=1e-4)
    with pytest.raises(ValueError, match=r"'xa' and 'xb' of item 0 share their first token. Use by='whole'"):
        choose(model, PROMPTS[:1], [["a", "xa", "xb"]], by="first_token")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda m: generate(m, ["a"], max_new_tokens=0), "at least 1 of each"),
        (lambda m: generate(m, ["a"], max_new_tokens=500), r"prompt 0: got .* tokens with its continuation, expected at most 128"),
        (lambda m: generate(m, ["a", ""], max_new_tokens=1), "prompt 1: got no token"),
        (lambda m: score(m, ["a"], []), "1 prompts and 0 continuations"),
        (lambda m: score(m, ["a"], [""]), "item 0: got continuation '', which has no token"),
        (lambda m: choose(m, ["a"], [[]]), "expected at least one option for each"),
    ],
)
def test_what_cannot_be_asked_is_refused(fault: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fault(tiny("qwen2"))


def test_the_models_own_settings_do_not_bend_the_answer() -> None:
    bent = tiny_hf("qwen2")
    bent.generation_config.repetition_penalty = 5.0
    bent.generation_config.no_repeat_ngram_size = 1
    model = interp.load(bent, tokenizer=tiny_tokenizer("qwen2"))
    for beams in (1, 2):
        assert generate(model, PROMPTS, max_new_tokens=NEW, beams=beams) == generate(
            tiny("qwen2"), PROMPTS, max_new_tokens=NEW, beams=beams
        )
    assert model.original_model.generation_config.repetition_penalty == 5.0
