"""A dozen tokenizers of every kind, built in memory with pieces chosen by hand, so that the right ids can be stated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

SPECIAL = ("<s>", "</s>", "<unk>", "deu_Latn")
_WORDS = ("Answer", "Answer:", "un", "kind", "unkind", "4", "14", ":", ".")
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))


def _pieces(word_start: str, letters: list[str], more: tuple[str, ...] = ()) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of single letters and of some words, with and without a word start, and the merges that spell them."""
    vocabulary, merges = [*SPECIAL, *more, *letters], []
    for word in _WORDS:
        for start in ("", word_start):
            piece = start
            for letter in word:
                if piece and (piece, letter) not in merges:
                    merges.append((piece, letter))
                piece += letter
                vocabulary.append(piece)
    return {piece: place for place, piece in enumerate(dict.fromkeys(vocabulary))}, merges


def _wrap(tokenizer: Tokenizer, frame: str = "$A") -> PreTrainedTokenizerFast:
    """The tokenizer for transformers, with what it sets around a text."""
    if frame != "$A":
        around = [(name, tokenizer.token_to_id(name)) for name in dict.fromkeys(frame.split()) if name != "$A"]
        tokenizer.post_processor = processors.TemplateProcessing(frame, special_tokens=around)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _byte_level(frame: str = "$A", add_prefix_space: bool = False) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(*_pieces("Ġ", sorted(pre_tokenizers.ByteLevel.alphabet()), ("ĠĊ",))))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    return _wrap(tokenizer, frame)


def _letters() -> list[str]:
    return ["▁", *sorted({letter for word in _WORDS for letter in word}), "\n", "a", "1", '"']


def _metaspace(scheme: str, frame: str = "$A") -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(*_pieces("▁", _letters()), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return _wrap(tokenizer, frame)


def _byte_fallback() -> PreTrainedTokenizerFast:
    """Llama 2's: the mark is set by the normalizer, there is no pre-tokenizer, unknown letters become bytes."""
    vocabulary, merges = _pieces("▁", [letter for letter in _letters() if letter != "\n"], _BYTES)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return _wrap(tokenizer, "<s> $A")


def _unigram() -> PreTrainedTokenizerFast:
    """XGLM's: every line end is a space, spaces are drawn together, `</s>` stands in front."""
    pieces = list(_pieces("▁", [letter for letter in _letters() if letter != "\n"])[0])
    scores = [(piece, 0.0 if piece in SPECIAL else -1.0 - 1 / len(piece)) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=SPECIAL.index("<unk>")))
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    return _wrap(tokenizer, "</s> $A")


def _word_piece() -> PreTrainedTokenizerFast:
    words = ["answer", "un", "kind", "4", ":", ".", *"abcdefghijklmnopqrstuvwxyz1"]
    vocabulary = {piece: place for place, piece in enumerate(dict.fromkeys([*SPECIAL, *words, *(f"##{word}" for word in words)]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return _wrap(tokenizer, "<s> $A </s>")


def _words() -> PreTrainedTokenizerFast:
    """Whole words, and no token for what it does not know: to it, "a" is an empty text."""
    vocabulary = {piece: place for place, piece in enumerate([*SPECIAL, "Answer", "un", "kind", "unkind", "4", ":"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Split("a", "removed")])
    return _wrap(tokenizer, "$A </s> deu_Latn")


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "byte-level": _byte_level,
    "byte-level, space in front": lambda: _byte_level(add_prefix_space=True),
    "byte-level, BOS": lambda: _byte_level("<s> $A"),
    "byte-level, BOS and EOS": lambda: _byte_level("<s> $A </s>"),
    "byte-level, EOS": lambda: _byte_level("$A </s>"),
    "byte-level, EOS and language": lambda: _byte_level("$A </s> deu_Latn"),
    "metaspace always": lambda: _metaspace("always", "<s> $A"),
    "metaspace first": lambda: _metaspace("first", "<s> $A </s>"),
    "metaspace never": lambda: _metaspace("never"),
    "byte fallback": _byte_fallback,
    "unigram": _unigram,
    "wordpiece": _word_piece,
    "words": _words,
    "bytes, slow": ByT5Tokenizer,
}
"""By name; what is set around a text is in each."""
