"""Ids, batches and the sentence's own tokens."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.activations.spans import Template, spans
from interp.languages import language
from interp.models.batches import batches, context_limit, encode, pad
from tests.support.tiny import CONTEXT, FAMILIES, tiny, tiny_tokenizer


@pytest.mark.parametrize(("family", "front"), [("llama", [0]), ("xglm", [1]), ("qwen2", []), ("gpt2", []), ("bloom", [])])
def test_each_family_keeps_its_own_special_tokens(family: str, front: list[int]) -> None:
    model = tiny(family)
    with_special, without = encode(model, ["The cat"])[0], encode(model, ["The cat"], special=False)[0]
    assert with_special == front + without
    assert model.tokenizer.decode(without) == "The cat"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_aligned_at_the_last_token(family: str) -> None:
    sequences = [[5, 6, 7], [8], [9, 10]]
    batch = pad(tiny(family), sequences)
    assert batch.mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
    for row, ids in enumerate(sequences):
        assert batch.ids[row][batch.mask[row].bool()].tolist() == ids


def test_nothing_to_pad_is_an_error() -> None:
    for sequences in ([], [[1], []]):
        with pytest.raises(ValueError, match="empty sequence"):
            pad(tiny("llama"), sequences)
    assert encode(tiny("llama"), []) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 100))
def test_every_index_stands_in_one_batch_within_its_bound(lengths: list[int], bound: int) -> None:
    groups = batches(lengths, bound)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    sizes = [[lengths[index] for index in group] for group in groups]
    assert all(len(each) * max(each) <= bound or len(each) == 1 for each in sizes)
    flat = [size for each in sizes for size in each]
    assert flat == sorted(flat, reverse=True)
    for earlier, later in itertools.pairwise(sizes):
        assert max(earlier) * (len(earlier) + 1) > bound, (earlier, later)


def test_the_context_is_the_configurations() -> None:
    assert {family: context_limit(tiny(family)) for family in FAMILIES} == dict.fromkeys(FAMILIES, CONTEXT) | {"bloom": None}


TEMPLATES = ["{sentence}", "Translate to {language}: {sentence}\nEnglish:", '"{sentence}"', "{{x}} ({autonym}) {sentence}"]


@pytest.mark.parametrize("text", TEMPLATES)
@pytest.mark.parametrize("family", ["llama", "qwen2", "xglm"])
def test_the_span_is_the_sentence(family: str, text: str) -> None:
    tokenizer = tiny_tokenizer(family)
    sentences = ["The cat sleeps. ", "猫在温暖的石头上"]
    around = Template(text).around(language("deu_Latn"))
    assert "Deutsch" in around[0] or "autonym" not in text
    for sentence, span in zip(sentences, spans(tokenizer, sentences, around), strict=True):
        assert tokenizer.decode(span.ids[span.start : span.stop]) == sentence
        assert list(span.ids) == tokenizer(around[0] + sentence + around[1])["input_ids"]


def test_a_token_across_the_border_counts_as_inside() -> None:
    tokenizer = tiny_tokenizer("llama")
    whole = tokenizer("The cat", add_special_tokens=False)["input_ids"]
    pieces = [tokenizer.decode([each]) for each in whole]
    assert "cat" in pieces[-1]
    assert len(pieces[-1]) >= 3
    span = spans(tokenizer, ["at"], ("The c", ""))[0]
    assert tokenizer.decode(span.ids[span.start : span.stop]).strip() == "cat"
    span = spans(tokenizer, ["The c"], ("", "at"))[0]
    assert tokenizer.decode(span.ids[span.start : span.stop]) == "The cat"


def test_bos_is_in_when_asked_for() -> None:
    assert [(span.start, span.stop) for span in spans(tiny_tokenizer("llama"), ["a", "ab"], include_bos=True)] == [(0, 2), (0, 3)]
    assert [(span.start, span.stop) for span in spans(tiny_tokenizer("llama"), ["a", "ab"])] == [(1, 2), (1, 3)]


@pytest.mark.parametrize("text", ["no place", "{sentence} {sentence}", "{sentence} {lang}", "{sentence} {", "{}", "{sentence} {0}"])
def test_a_template_without_one_place_for_the_sentence_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="template"):
        Template(text)


def test_a_template_needs_tokens_that_know_their_characters() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ValueError, match="expected a fast tokenizer"):
        spans(Slow(), ["a"], ("x", ""))
