"""New pieces shorten their language, are all reached, and leave every kept text as it was, in each kind of tokenizer."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import LlamaTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer, XGLMTokenizer

import interp
from interp.models.checkpoints.folders import locate
from interp.models.checkpoints.parts import read_tokenizer
from interp.vocabulary.extension import extended, new_rows
from interp.vocabulary.new_pieces import learn_pieces
from interp.vocabulary.spelling import read_vocabulary
from tests.support.spelled import byte_fallback, byte_level

CORPUS = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "swh_Latn", "hin_Deva", "khm_Khmr"])
KHMER, SWAHILI = (list(CORPUS.sentences[code]) for code in ("khm_Khmr", "swh_Latn"))
OLD = [text for code in ("eng_Latn", "deu_Latn", "hin_Deva") for text in CORPUS.sentences[code]]


def with_ids_after_the_vocabulary() -> PreTrainedTokenizerFast:
    """Llama 3's kind: whole words before merges, and special tokens that are no part of the vocabulary."""
    state = json.loads(byte_level(*OLD).backend_tokenizer.to_str())
    pieces = [piece for piece in state["model"]["vocab"] if piece not in ("<s>", "</s>")]
    state["model"] |= {"vocab": {piece: place for place, piece in enumerate(pieces)}, "ignore_merges": True}
    state["added_tokens"] = []
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), eos_token="<|end|>")
    tokenizer.add_tokens(["<|call|>"])
    return tokenizer


def of_a_family(name: str):
    fallback, unigram, plain = (
        json.loads(each.backend_tokenizer.to_str())["model"]
        for each in (byte_fallback(), byte_fallback("unigram"), byte_level(*OLD))
    )
    if name == "llama":
        return LlamaTokenizer(vocab=fallback["vocab"], merges=[tuple(pair) for pair in fallback["merges"]])
    if name == "qwen":
        return Qwen2Tokenizer(vocab=plain["vocab"], merges=[tuple(pair) for pair in plain["merges"]])
    pieces = [(piece, score) for piece, score in unigram["vocab"] if piece[0] != "<"]
    return XGLMTokenizer(vocab=[("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces])


TOKENIZERS = {
    "byte fallback": byte_fallback,
    "unigram": lambda: byte_fallback("unigram"),
    "byte level": lambda: byte_level(*OLD),
    "ids after the vocabulary": with_ids_after_the_vocabulary,
    "bundled": lambda: read_tokenizer(locate("bundled", None), None),
    **{name: lambda name=name: of_a_family(name) for name in ("llama", "qwen", "xglm")},
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_new_pieces_shorten_their_language_and_leave_kept_text_alone(kind, tmp_path):
    tokenizer = TOKENIZERS[kind]()
    pieces = learn_pieces(tokenizer, KHMER, 90, keep=OLD)
    extended(tokenizer, pieces).save_pretrained(tmp_path)
    own, first = read_tokenizer(str(tmp_path), None), len(tokenizer)
    assert len(pieces) == 90
    assert own.convert_tokens_to_ids(list(pieces.parts)) == list(range(first, first + 90))
    assert len(own) == first + 90
    special = [f"{token} a" for token in tokenizer.get_added_vocab()]
    assert own(OLD + special)["input_ids"] == tokenizer(OLD + special)["input_ids"]
    assert own.get_added_vocab() == tokenizer.get_added_vocab()
    before, after = (each(KHMER, add_special_tokens=False)["input_ids"] for each in (tokenizer, own))
    assert {token for ids in after for token in ids if token >= first}
    if kind != "xglm":  # which writes a whole unknown word as one token
        assert sum(map(len, after)) < 0.6 * sum(map(len, before))
        assert own.batch_decode(after) == tokenizer.batch_decode(before)
        undone = [[old for token in ids for old in _parts(pieces, token, first)] for ids in after]
        assert undone == before


def _parts(pieces, token, first):
    return list(pieces.parts.values())[token - first] if token >= first else (token,)


@pytest.mark.parametrize("kind", ["byte level", "unigram", "ids after the vocabulary"])
def test_a_language_in_a_shared_script_gets_pieces_too_and_the_others_keep_theirs(kind):
    tokenizer = TOKENIZERS[kind]()
    pieces = learn_pieces(tokenizer, SWAHILI, 50, keep=OLD)
    own = extended(tokenizer, pieces)
    assert len(pieces) >= 20
    assert own(OLD)["input_ids"] == tokenizer(OLD)["input_ids"]
    assert sum(map(len, own(SWAHILI)["input_ids"])) < 0.98 * sum(map(len, tokenizer(SWAHILI)["input_ids"]))
    free = learn_pieces(tokenizer, SWAHILI, 50)
    assert extended(tokenizer, free)(OLD)["input_ids"] != tokenizer(OLD)["input_ids"]  # so keeping them is not idle


def test_more_pieces_write_less_and_the_first_ones_stay_the_same():
    tokenizer = byte_fallback()
    sizes = [learn_pieces(tokenizer, KHMER, size) for size in (60, 120, 240)]
    counts = [sum(map(len, extended(tokenizer, pieces)(KHMER)["input_ids"])) for pieces in sizes]
    assert counts == sorted(counts, reverse=True)
    assert list(sizes[2].parts)[:60] == list(sizes[0].parts)


def test_a_merge_is_made_of_the_commonest_pair():
    pieces = learn_pieces(byte_level(), ["xyz xyz xyz xy wxy"], 2)
    assert pieces.merges == (("x", "y"), ("Ġ", "xy"))
    spelled = read_vocabulary(byte_level()).spelling
    assert b"".join(spelled[token] for token in pieces.parts["xy"]) == b"xy"


def test_a_vocabulary_of_whole_words_gets_added_tokens():
    words = Tokenizer(models.WordPiece({"[UNK]": 0, "the": 1, "cat": 2, "s": 3, "##s": 4, "a": 5}, unk_token="[UNK]"))
    words.normalizer, words.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    pieces = learn_pieces(tokenizer, ["Paka paka cats", "paka the mbwa mbwa"], 5, keep=["the mbwa"])
    assert list(pieces.parts) == ["paka"]
    own = extended(tokenizer, pieces)
    assert own.tokenize("The paka cats") == ["the", "paka", "cat", "##s"]
    assert own("pakas the cats mbwa")["input_ids"] == tokenizer("pakas the cats mbwa")["input_ids"]


def test_rows_of_new_pieces():
    old = torch.arange(12.0).view(4, 3)
    parts = [(0, 1), (3,), (1, 1, 3)]
    assert torch.equal(new_rows(old, parts, "subword"), torch.stack([old[:2].mean(0), old[3], (2 * old[1] + old[3]) / 3]))
    assert torch.equal(new_rows(old, parts, "mean"), old.mean(0).expand(3, 3))
    noise = new_rows(old, [(0,)] * 4000, "random", seed=1, width=0.02)
    assert noise.std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(noise, new_rows(old, [(0,)] * 4000, "random", seed=1, width=0.02))


def test_what_gives_no_piece_is_said():
    with pytest.raises(ValueError, match="no new piece"):
        learn_pieces(byte_level(), ["abc"], 5)
    with pytest.raises(ValueError, match="got size 0"):
        learn_pieces(byte_level(), ["abc"], 0)
