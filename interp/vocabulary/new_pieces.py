"""New pieces for a language, learned on top of a vocabulary: BPE goes on from the tokens that the old tokenizer writes.

A merge learned so comes after every old merge, so it changes a text only where its two halves stood side by side in the old
segmentation. Pairs that stand so in the texts to be kept are never merged: those texts keep their ids for certain.
(The released code of arXiv 2311.09071 gives new pieces a better score than all old ones, which changes old text as well.)
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer, models, trainers

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_FIRST_SIGN = 0x10000  # for the trainer every old token is one character, from here on
_TWICE = 2

Word = tuple[str, ...]


@dataclass(frozen=True)
class Pieces:
    """New pieces in the order learned: `parts[piece]` are the old ids that wrote it so far, `merges` the pairs they come from.

    Spelled as the vocabulary spells its own. Characters without an old piece come first and need no merge.
    """

    parts: Mapping[str, tuple[int, ...]]
    merges: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.parts)


def learn_pieces(tokenizer: Any, texts: Sequence[str], size: int, keep: Sequence[str] = ()) -> Pieces:
    """At most `size` new pieces for the language of `texts`, such that the ids of `keep` stay as they are.

    First the characters that are spelled in bytes or unknown, commonest first, then the commonest pairs (BPE). Fewer come out
    where no pair stands twice. In a tokenizer without merges or scores (WordPiece, words) a piece is a whole common word.

    When it misleads: what is not in `keep` may be segmented anew; the more of the other languages is in it, the less. Where
    BPE shares a script with them, few pairs are left to merge.
    """
    if size < 1:
        raise ValueError(f"learn_pieces: size {size} came. Needed: at least 1.")
    reader = Reader(tokenizer)
    if reader.kind not in ("BPE", "Unigram"):
        found = _whole_words(reader, texts, size, keep)
    else:
        words, kept = reader.words(texts), reader.words(keep)
        parts = _letters(reader, words, kept, size)
        fragments = _fragments(words, {*reader.vocabulary, *parts})
        found, more = Pieces(parts, ()), size - len(parts)
        while more > 0:
            trained = _train(fragments, more)
            found = _accept(trained, parts, reader, kept, size)
            more = 2 * more if len(found) < size and len(trained) == more else 0
    if not found.parts:
        raise ValueError("no new piece: no character lacks one and no pair of tokens stands twice in these texts. Give more text.")
    return found


class Reader:
    """A tokenizer's segmentation as what merges join: its own pieces, and single characters that have none."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.is_fast:
            raise ValueError(f"new pieces need a fast tokenizer; this is a {type(tokenizer).__name__}.")
        if hasattr(tokenizer, "shortening"):
            raise ValueError("this tokenizer is shortened. Extend its parent first, then shorten.")
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
        """How often each word stands in the texts, a word being what merges never reach across."""
        found: Counter[Word] = Counter()
        for text, encoding in zip(texts, self.backend.encode_batch(list(texts), add_special_tokens=False), strict=True):
            word: list[str] = []
            before = None
            for symbol, ids, place in self._symbols(text, encoding):
                if symbol is None or place != before or symbol.startswith("▁"):
                    found[tuple(word)] += 1
                    word = []
                before = place
                if symbol is not None:
                    self.parts.setdefault(symbol, ids)
                    word.append(symbol)
            found[tuple(word)] += 1
        del found[()]
        return found

    def _symbols(self, text: str, encoding: Any) -> Iterator[tuple[str | None, tuple[int, ...], int | None]]:
        """Each symbol with the ids that write it and the place of its word; None for what is no text."""
        run: list[int] = []
        spelled = b""
        for token, number, place, (start, end) in zip(
            encoding.tokens, encoding.ids, encoding.word_ids, encoding.offsets, strict=True
        ):
            if self.model.get("byte_fallback") and (byte := _BYTE.fullmatch(token)):
                run, spelled = [*run, number], spelled + bytes([int(byte[1], 16)])
                if letter := _letter(spelled):
                    yield letter, tuple(run), place
                    run, spelled = [], b""
            elif token == self.model.get("unk_token"):
                yield from ((letter, (number,), place) for letter in text[start:end])
            elif self.vocabulary.get(token) != number:  # Unigram names what is unknown by its own letters
                yield from ((letter, (number,), place) for letter in token)
            else:
                yield (None if number in self.added else token), (number,), place


def _letters(reader: Reader, words: Counter[Word], kept: Counter[Word], size: int) -> dict[str, tuple[int, ...]]:
    """The commonest characters without a piece, none of which stands in the texts to be kept."""
    counts: Counter[str] = Counter()
    for word, n in words.items():
        for symbol in word:
            counts[symbol] += n
    present = {symbol for word in kept for symbol in word}
    new = [symbol for symbol, _ in counts.most_common() if symbol not in reader.vocabulary and symbol not in present]
    return {symbol: reader.parts[symbol] for symbol in new[:size]}


def _fragments(words: Counter[Word], known: set[str]) -> Counter[Word]:
    """The stretches of every word that pieces can be made of."""
    found: Counter[Word] = Counter()
    for word, n in words.items():
        cuts = [-1, *(place for place, symbol in enumerate(word) if symbol not in known), len(word)]
        for left, right in pairwise(cuts):
            if right - left > _TWICE:
                found[word[left + 1 : right]] += n
    return found


def _train(fragments: Counter[Word], most: int) -> list[tuple[Word, Word]]:
    """The commonest pairs in the order of merging, each half as the old symbols it is made of."""
    symbols = sorted({symbol for word in fragments for symbol in word})
    signs = {symbol: chr(_FIRST_SIGN + place) for place, symbol in enumerate(symbols)}
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
    trained: Sequence[tuple[Word, Word]], letters: Mapping[str, tuple[int, ...]], reader: Reader, kept: Counter[Word], size: int
) -> Pieces:
    """The trained merges that make a new piece and touch no text to be kept.

    BPE needs both halves, and a kept pair must not melt. Unigram takes any piece that no kept text contains, and all the
    merges, as a piece is scored by its halves.
    """
    scored = reader.kind == "Unigram"
    pairs = {pair for word in kept for pair in pairwise(word)}
    whole = {"".join(word) for word in kept} if reader.model.get("ignore_merges") else set()
    running = "\0".join("".join(word) for word in kept)
    parts, made = dict(letters), set()
    merges: dict[tuple[str, str], None] = {}
    for left, right in trained:
        halves, piece = ("".join(left), "".join(right)), "".join(left + right)
        if len(parts) == size:
            break
        if scored:
            merges[halves] = None
            refused = piece in running
        else:
            refused = halves in pairs or piece in whole or any(len(half) > 1 and half not in made for half in (left, right))
        if not refused and piece not in reader.vocabulary:
            made.add(left + right)
            merges[halves] = None
            parts.setdefault(piece, tuple(number for symbol in left + right for number in reader.parts[symbol]))
    return Pieces(parts, tuple(merges))


def _whole_words(reader: Reader, texts: Sequence[str], size: int, keep: Sequence[str]) -> Pieces:
    """The commonest words that take several tokens or are unknown, of those that the texts to be kept do not have."""
    counts = Counter(word for text in texts for word in _split(reader.backend, text))
    present = {word for text in keep for word in _split(reader.backend, text)}
    common = [word for word, n in counts.most_common() if n >= _TWICE and word not in reader.vocabulary and word not in present]
    ids = (reader.backend.encode(word, add_special_tokens=False).ids for word in common[:size])
    return Pieces({word: tuple(found) for word, found in zip(common, ids, strict=False) if found}, ())


def _split(backend: Tokenizer, text: str) -> list[str]:
    plain = backend.normalizer.normalize_str(text) if backend.normalizer else text
    return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(plain)] if backend.pre_tokenizer else plain.split()


def _letter(spelled: bytes) -> str | None:
    try:
        return spelled.decode()
    except UnicodeDecodeError:
        return None
