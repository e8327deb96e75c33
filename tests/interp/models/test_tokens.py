"""How many special tokens stand before a text is asked at every tokenization, so it must not cost what the vocabulary weighs."""

from __future__ import annotations

import pytest

import interp
from interp.models.tokens import read_texts, tokens_in_front


def test_the_vocabulary_is_listed_only_where_no_plain_text_has_a_token_of_its_own(monkeypatch):
    """151,000 pieces take half a second to list: a plan of 40,000 cells, which tokenizes often, took minutes with them."""
    tokenizer = interp.load("bundled").tokenizer

    def listed():
        raise AssertionError("the vocabulary was listed")

    expected = tokens_in_front(tokenizer)
    monkeypatch.setattr(tokenizer, "get_vocab", listed)
    assert tokens_in_front(tokenizer) == expected
    assert read_texts(tokenizer, ["a word"])[0].start == expected


def test_a_tokenizer_that_knows_no_common_character_is_asked_for_its_own(monkeypatch):
    """Its vocabulary holds a text that it can encode, here the only one."""
    tokenizer = interp.load("bundled").tokenizer
    monkeypatch.setattr("interp.models.tokens._PROBES", ())
    assert tokens_in_front(tokenizer) == tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"].index(0)
    monkeypatch.setattr(tokenizer, "get_vocab", dict)
    with pytest.raises(ValueError, match="tokens are all special"):
        tokens_in_front(tokenizer)
