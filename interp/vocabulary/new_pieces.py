"""Learn new vocabulary pieces for a language, by continuing BPE from the tokens of the old tokenizer.

Such a merge comes after all old merges, so it changes a text only where its two halves are adjacent in the old segmentation. Pairs
that are adjacent in the texts to keep are never merged, so those texts are certain to keep their ids. (The released code of arXiv
2311.09071 gives new pieces a better score than all old ones, which also changes other text.)
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tokenizers import Encoding, Tokenizer, models, trainers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_FIRST_SIGN = 0x10000  # the trainer sees every old token as one character, from this code point on
_TWICE = 2

Word = tuple[str, ...]


@dataclass(frozen=True)
class Pieces:
    """New vocabulary pieces, in the order in which they were learned.

    `parts[piece]` are the old ids that spelled the piece, and `merges` the pairs of pieces that are merged. Pieces have the
    spelling of the vocabulary (byte letters, "▁"). Characters without an old piece come first and need no merge.
    """

    parts: Mapping[str, tuple[int, ...]]
    merges: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.parts)


def learn_pieces(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], size: int, keep: Sequence[str] = ()) -> Pieces:
    """Learn new pieces for the language of some texts, without changing the ids of other texts.

    First come the characters that are spelled in bytes or unknown, by frequency, then the most frequent pairs (BPE). For a
    tokenizer without merges or scores (WordPiece, words) a piece is a frequent whole word.

    Parameters
    ----------
    tokenizer
        A fast Hugging Face tokenizer.
    texts
        Texts in the language.
    size
        Maximum number of pieces. There are fewer if no pair occurs twice.
    keep
        Texts whose ids must not change, typically in the other languages.

    Raises
    ------
    ValueError
        The tokenizer is slow or shortened, `size` is less than 1, or there is nothing to learn.

    Notes
    -----
    When it misleads: text that is not in `keep` may be segmented differently, so put much of the other languages in it. If they
    share a script with the new language, few pairs are left to merge.

    Example
    -------
    >>> import interp
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> pieces = learn_pieces(tokenizer, ["Ὀδυσσεύς", "Ὀδυσσεύς"], size=3)
    >>> len(pieces)
    3
    """
    if size < 1:
        raise ValueError(f"learn_pieces: got size {size}, expected at least 1.")
    reader = Reader(tokenizer)
    if reader.kind not in ("BPE", "Unigram"):
        pieces = _whole_words(reader, texts, size, keep)
    else:
        words, kept_words = reader.words(texts), reader.words(keep)
        parts = _letters(reader, words, kept_words, size)
        fragments = _fragments(words, {*reader.vocabulary, *parts})
        pieces, more = Pieces(parts, ()), size - len(parts)
        while more > 0:
            trained = _train(fragments, more)
            pieces = _accept(trained, parts, reader, kept_words, size)
            more = 2 * more if len(pieces) < size and len(trained) == more else 0
    if not pieces.parts:
        raise ValueError(
            "no new piece: every character has one, and no pair of tokens occurs twice in these texts. Give more text."
        )
    return pieces


class Reader:
    """Segments text into the symbols that merges join: pieces of the tokenizer, and single characters that have no piece."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise ValueError(f"got the slow tokenizer {type(tokenizer).__name__}, expected a fast one to learn new pieces.")
        if hasattr(tokenizer, "shortening"):
            raise ValueError("got a shortened tokenizer, expected its parent. Extend the parent first, then shorten.")
        self.backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self.backend.no_padding()
        self.backend.no_truncation()
        state = json.loads(self.backend.to_str())
        self.model: dict[str, Any] = state["model"]
        self.kind: str = self.model["type"]
        self.vocabulary: dict[str, int] = self.backend.get_vocab(with_added_tokens=True)
        self.added = {token["id"] for token in state["added_tokens"]}
        self.parts: dict[str, tuple[int, ...]] = {}

    def words(self, texts: Sequence[str]) -> Counter[Word]:
        """Count the words of `texts`, as tuples of symbols. Merges do not cross words."""
        counts: Counter[Word] = Counter()
        for text, encoding in zip(texts, self.backend.encode_batch(list(texts), add_special_tokens=False), strict=True):
            word: list[str] = []
            before = None
            for symbol, ids, index in self._symbols(text, encoding):
                if symbol is None or index != before or symbol.startswith("▁"):
                    counts[tuple(word)] += 1
                    word = []
                before = index
                if symbol is not None:
                    self.parts.setdefault(symbol, ids)
                    word.append(symbol)
            counts[tuple(word)] += 1
        del counts[()]
        return counts

    def _symbols(self, text: str, encoding: Encoding) -> Iterator[tuple[str | None, tuple[int, ...], int | None]]:
        """Each symbol with the ids that spell it and the index of its word. The symbol is None for special tokens."""
        run: list[int] = []
        spelled = b""
        for token, number, index, (start, end) in zip(
            encoding.tokens, encoding.ids, encoding.word_ids, encoding.offsets, strict=True
        ):
            if self.model.get("byte_fallback") and (byte := _BYTE.fullmatch(token)):
                run, spelled = [*run, number], spelled + bytes([int(byte[1], 16)])
                if letter := _letter(spelled):
                    yield letter, tuple(run), index
                    run, spelled = [], b""
            elif token == self.model.get("unk_token"):
                yield from ((letter, (number,), index) for letter in text[start:end])
            elif self.vocabulary.get(token) != number:  # Unigram spells an unknown token by its letters
                yield from ((letter, (number,), index) for letter in token)
            else:
                yield (None if number in self.added else token), (number,), index


def _letters(reader: Reader, words: Counter[Word], kept_words: Counter[Word], size: int) -> dict[str, tuple[int, ...]]:
    """The most frequent characters without a piece that do not occur in the texts to keep."""
    counts: Counter[str] = Counter()
    for word, n in words.items():
        for symbol in word:
            counts[symbol] += n
    present = {symbol for word in kept_words for symbol in word}
    new = [symbol for symbol, _ in counts.most_common() if symbol not in reader.vocabulary and symbol not in present]
    return {symbol: reader.parts[symbol] for symbol in new[:size]}


def _fragments(words: Counter[Word], symbols: set[str]) -> Counter[Word]:
    """The parts of words that consist of known symbols, between unknown ones."""
    fragments: Counter[Word] = Counter()
    for word, n in words.items():
        cuts = [-1, *(index for index, symbol in enumerate(word) if symbol not in symbols), len(word)]
        for left, right in pairwise(cuts):
            if right - left > _TWICE:
                fragments[word[left + 1 : right]] += n
    return fragments


def _train(fragments: Counter[Word], most: int) -> list[tuple[Word, Word]]:
    """The most frequent pairs in the order of merging, each half as the old symbols that it consists of."""
    symbols = sorted({symbol for word in fragments for symbol in word})
    signs = {symbol: chr(_FIRST_SIGN + index) for index, symbol in enumerate(symbols)}
    lines = ("".join(signs[symbol] for symbol in word) for word, n in fragments.items() for _ in range(n))
    trainer = trainers.BpeTrainer(
        vocab_size=len(symbols) + most, min_frequency=_TWICE, initial_alphabet=sorted(signs.values()), show_progress=False
    )
    bpe = Tokenizer(models.BPE())
    bpe.train_from_iterator(lines, trainer)
    merges = json.loads(bpe.to_str())["model"]["merges"]
    return [(_read(left, symbols), _read(right, symbols)) for left, right in merges]


def _read(signs: str, symbols: Sequence[str]) -> Word:
    return tuple(symbols[ord(sign) - _FIRST_SIGN] for sign in signs)


def _accept(
    trained: Sequence[tuple[Word, Word]],
    letters: Mapping[str, tuple[int, ...]],
    reader: Reader,
    kept_words: Counter[Word],
    size: int,
) -> Pieces:
    """The trained merges that make a new piece and change no text to keep.

    In BPE both halves must exist, and a pair that is adjacent in a text to keep must not be merged. In Unigram any piece that no
    text to keep contains is accepted, with all merges, because a piece is scored by its halves.
    """
    scored = reader.kind == "Unigram"
    pairs = {pair for word in kept_words for pair in pairwise(word)}
    whole_words = {"".join(word) for word in kept_words} if reader.model.get("ignore_merges") else set()
    running = "\0".join("".join(word) for word in kept_words)
    parts, new_pieces = dict(letters), set()
    merges: dict[tuple[str, str], None] = {}
    for left, right in trained:
        halves, piece = ("".join(left), "".join(right)), "".join(left + right)
        if len(parts) == size:
            break
        if scored:
            merges[halves] = None
            refused = piece in running
        else:
            refused = (
                halves in pairs or piece in whole_words or any(len(half) > 1 and half not in new_pieces for half in (left, right))
            )
        if not refused and piece not in reader.vocabulary:
            new_pieces.add(left + right)
            merges[halves] = None
            parts.setdefault(piece, tuple(number for symbol in left + right for number in reader.parts[symbol]))
    return Pieces(parts, tuple(merges))


def _whole_words(reader: Reader, texts: Sequence[str], size: int, keep: Sequence[str]) -> Pieces:
    """The most frequent words that are unknown or take several tokens and that do not occur in the texts to keep."""
    counts = Counter(word for text in texts for word in _split(reader.backend, text))
    present = {word for text in keep for word in _split(reader.backend, text)}
    common = [word for word, n in counts.most_common() if n >= _TWICE and word not in reader.vocabulary and word not in present]
    ids = (reader.backend.encode(word, add_special_tokens=False).ids for word in common[:size])
    return Pieces({word: tuple(old) for word, old in zip(common, ids, strict=False) if old}, ())


def _split(backend: Tokenizer, text: str) -> list[str]:
    normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
    return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)] if backend.pre_tokenizer else normal.split()


def _letter(spelled: bytes) -> str | None:
    try:
        return spelled.decode()
    except UnicodeDecodeError:
        return None
