"""Which tokens begin a word and what script they are in, on byte-level BPE and on SentencePiece with byte fallback."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from interp.vocabulary.spelling import keep_apart, read_vocabulary, scripts_of
from tests.support.tiny import tiny_tokenizer

WORDS = ("cat", "the", "Katze", "猫", "Кошка", "القطة", "résumé")


def sentencepiece() -> PreTrainedTokenizerFast:
    """Llama 2's kind: ▁ for space, in front of every text too; what no token spells becomes `<0xHH>`."""
    written = ["▁", "C", "c", "a", "t", '"', "ca", "▁c", "▁ca", "▁cat", "水"]
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), *written]
    merges = [("▁", "c"), ("▁c", "a"), ("▁ca", "t"), ("c", "a")]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>")


def spelled(vocabulary, tokens) -> set[bytes]:
    return {vocabulary.spelling[token] for token in tokens}


def test_every_token_spells_what_the_tokenizer_decodes_it_to():
    tokenizer = tiny_tokenizer("llama")
    vocabulary = read_vocabulary(tokenizer)
    text = 'The Кошка schläft 猫 "x" $ 7.'
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert b"".join(vocabulary.spelling[token] for token in ids) == text.encode()
    for token in range(len(tokenizer)):
        if "�" not in tokenizer.decode([token]) and vocabulary.spelling[token] is not None:
            assert vocabulary.spelling[token].decode() == tokenizer.decode([token])


@pytest.mark.parametrize("word", WORDS)
def test_the_prefix_rule_takes_exactly_the_tokens_that_begin_the_word(word):
    vocabulary = read_vocabulary(tiny_tokenizer("llama"))
    whole = (word.encode(), b" " + word.encode())
    oracle = {
        token
        for token, spelling in enumerate(vocabulary.spelling)
        if spelling and spelling != b" " and any(text.startswith(spelling) for text in whole)
    }
    assert vocabulary.tokens(word, "prefix") == oracle


@pytest.mark.parametrize("word", WORDS)
def test_the_first_rule_takes_what_the_tokenizer_writes_first(word):
    tokenizer = tiny_tokenizer("llama")
    vocabulary = read_vocabulary(tokenizer)
    plain = tokenizer(word, add_special_tokens=False)["input_ids"][0]
    spaced = [token for token in tokenizer(" " + word, add_special_tokens=False)["input_ids"] if vocabulary.spelling[token] != b" "]
    assert vocabulary.tokens(word, "first") == {plain, spaced[0]}
    assert vocabulary.tokens(word, "first") <= vocabulary.tokens(word, "prefix")


def test_sentencepiece_words_begin_with_a_piece_a_spaced_piece_or_a_byte():
    vocabulary = read_vocabulary(sentencepiece())
    assert spelled(vocabulary, vocabulary.tokens("cat", "prefix")) == {b"c", b"ca", b" c", b" ca", b" cat"}
    assert spelled(vocabulary, vocabulary.tokens("cat", "first")) == {b"ca", b" cat"}
    assert spelled(vocabulary, vocabulary.tokens("水", "first")) == {"水".encode()}
    lead = vocabulary.tokens("猫", "prefix")
    assert spelled(vocabulary, lead) == {b"\xe7"}
    assert [vocabulary.scripts[token] for token in lead] == ["bytes"]


def test_tokenizers_without_a_space_before_words_are_refused():
    pieces = {piece: place for place, piece in enumerate(["[UNK]", "a", "cat", "and", "the", "dog", "##s"])}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ValueError, match="WordPiece"):
        read_vocabulary(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]"))


def test_a_word_no_token_begins_is_an_error_that_names_it():
    tokenizer = Tokenizer(models.BPE({piece: place for place, piece in enumerate("Ġabcdeghnotu")}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary = read_vocabulary(PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    assert vocabulary.tokens("cat", "prefix")
    for rule in ("first", "prefix"):
        with pytest.raises(ValueError, match=r"猫.*no token"):
            vocabulary.tokens("猫", rule)
    with pytest.raises(ValueError, match="without space"):
        vocabulary.tokens(" cat")


def test_scripts_have_classes_of_their_own_for_bytes_digits_and_unused_rows():
    tokenizer = tiny_tokenizer("llama")
    tokenizer_size = len(tokenizer)
    vocabulary = read_vocabulary(tokenizer, tokenizer_size + 5)
    of = dict(zip(vocabulary.spelling, vocabulary.scripts, strict=True))
    assert (of[b"the"], of[" н".encode()], of["ر".encode()], of[b"7"], of[b"\xe7"]) == ("Latn", "Cyrl", "Arab", "common", "bytes")
    assert vocabulary.scripts[-5:] == ("special",) * 5
    names, classes = vocabulary.script_classes()
    assert [names[place] for place in classes] == list(vocabulary.scripts)
    assert scripts_of("Japanese") == {"Hani", "Hira", "Kana"}
    assert scripts_of("zh-TW") == {"Hani"}


def test_words_that_share_a_token_are_dropped_or_refused():
    vocabulary = read_vocabulary(tiny_tokenizer("llama"))
    words = [("cat", "chat"), ("cat", "猫"), ("river", "rivière")]
    sets = [{"eng_Latn": vocabulary.tokens(one, "prefix"), "fra_Latn": vocabulary.tokens(other, "prefix")} for one, other in words]
    assert keep_apart(sets, "eng_Latn", "fra_Latn") == [1]
    with pytest.raises(ValueError, match="item 0"):
        keep_apart(sets, "eng_Latn", "fra_Latn", "raise")
