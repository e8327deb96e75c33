"""What a tokenizer's tokens spell: which of them begin a word, and in which script each is written.

The bytes of a token are found by trial: each known way of writing tokens (byte-level BPE, SentencePiece with `<0xHH>`
bytes) must spell a probe text back. A vocabulary that has no word-initial space (WordPiece) or ends words by a suffix is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from interp.languages import language

TokenRule = Literal["first", "prefix"]
"""Which tokens stand for a word: the first token of the word and of space + word (Dumas et al. 2025), or every token
that spells a beginning of either (Wendler et al. 2024)."""

_PROBE = "a cat and the dog"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_WRITTEN_WITH = {"Hans": {"Hani"}, "Hant": {"Hani"}, "Jpan": {"Hani", "Hira", "Kana"}, "Kore": {"Hang", "Hani"}}
_CARRIERS = ('"', "\n", "")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Every token of a model by what it spells: `spelling[id]` is bytes, or None for control and unused tokens."""

    tokenizer: Any
    spelling: tuple[bytes | None, ...]

    def __len__(self) -> int:
        return len(self.spelling)

    def tokens(self, word: str, rule: TokenRule = "first") -> frozenset[int]:
        """The tokens that stand for a word at its beginning.

        `prefix`: their bytes are a non-empty prefix of the word or of space + word, a lone space excepted; one-letter and
        lead-byte tokens are among them, which inflates the probability of every word with that beginning. `first`: the one
        or two tokens the tokenizer itself would write first. Raises `ValueError` where no token stands for the word.
        """
        if rule not in ("first", "prefix"):
            raise ValueError(f"token rule {rule!r}: needed 'first' or 'prefix'.")
        if not word.strip() or word != word.strip():
            raise ValueError(f"word {word!r}: needed a word without space around it.")
        found = self._first(word) if rule == "first" else self._prefixes(word)
        if not found:
            raise ValueError(
                f"word {word!r}: no token of this tokenizer spells its beginning ({self.tokenizer.tokenize(word)[:4]}). "
                "Leave the word out, or choose a model whose tokenizer covers the script."
            )
        return found

    def _prefixes(self, word: str) -> frozenset[int]:
        shortening = getattr(self.tokenizer, "shortening", None)
        forms = {word.encode(), shortening.bytes_of(word) if shortening else word.encode()}
        whole = [space + form for form in forms for space in (b"", b" ")]
        return frozenset(token for text in whole for n in range(1, len(text) + 1) for token in self._by_spelling.get(text[:n], ()))

    def _first(self, word: str) -> frozenset[int]:
        plain, spaced = self._at_start(word), self._at_start(" " + word)
        return frozenset(token for token in (plain, spaced) if token is not None)

    def _at_start(self, text: str) -> int | None:
        """The first token of a text that spells more than space, written after a quote or a line end where it can be told apart."""
        for carrier in _CARRIERS:
            ids = self.tokenizer(carrier + text, add_special_tokens=False)["input_ids"]
            spelled = self._spell(ids)
            whole = b"".join(spelled)
            if not whole.endswith(text.encode()):
                continue  # an unknown character
            end, starts = 0, len(whole) - len(text.encode()) if carrier else 0
            for token, part in zip(ids, spelled, strict=True):
                at, end = end, end + len(part)
                if at < starts < end:
                    break  # one token spells the end of the carrier and the beginning of the word
                if at >= starts and part.strip(b" "):
                    return token
        return None

    def _spell(self, ids: Sequence[int]) -> list[bytes]:
        """What each token of a text spells, with the bytes a shortened tokenizer left out before it."""
        shortening = getattr(self.tokenizer, "shortening", None)
        return shortening.spell(ids) if shortening else [self.spelling[token] or b"" for token in ids]

    @cached_property
    def _by_spelling(self) -> Mapping[bytes, list[int]]:
        found: dict[bytes, list[int]] = {}
        for token, spelled in enumerate(self.spelling):
            if spelled and spelled.strip(b" "):
                found.setdefault(spelled, []).append(token)
        return found

    @cached_property
    def scripts(self) -> tuple[str, ...]:
        """The class of every token: an ISO 15924 script, `common`, `mixed`, `bytes` (part of a character) or `special`."""
        return tuple(_script(spelled) for spelled in self.spelling)

    def written(self, token: int) -> str:
        """A token as text; parts of letters as hexadecimal bytes, control tokens by their name."""
        spelled = self.spelling[token]
        if spelled is None:
            return str(self.tokenizer.convert_ids_to_tokens(token)) if token < len(self.tokenizer) else f"‹{token}›"
        try:
            return spelled.decode()
        except UnicodeDecodeError:
            return f"‹{spelled.hex().upper()}›"

    def script_classes(self) -> tuple[tuple[str, ...], Int[Tensor, " vocab"]]:
        """The classes that occur, in order of size, and the row number of each token's class."""
        counts: dict[str, int] = {}
        for name in self.scripts:
            counts[name] = counts.get(name, 0) + 1
        names = tuple(sorted(counts, key=lambda name: (-counts[name], name)))
        return names, torch.tensor([names.index(name) for name in self.scripts])


def read_vocabulary(tokenizer: Any, size: int | None = None) -> Vocabulary:
    """What each token of a tokenizer spells. `size` is the model's own vocabulary where it has unused rows.

    Raises `ValueError` for tokenizers that do not spell the text they read (WordPiece, lower-casing ones).
    """
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    probe = tokenizer.convert_ids_to_tokens(tokenizer(_PROBE, add_special_tokens=False)["input_ids"])
    for spell in (_spell_byte_level, _spell_sentencepiece):
        if b"".join(spell(piece) or b"" for piece in probe).removeprefix(b" ") == _PROBE.encode():
            break
    else:
        raise ValueError(
            f"tokenizer {type(tokenizer).__name__}: its tokens {probe} do not spell {_PROBE!r}. Needed: byte-level BPE or "
            "SentencePiece, whose tokens carry the space before a word; WordPiece and lower-casing tokenizers do not."
        )
    added = {token: str(content) for token, content in tokenizer.added_tokens_decoder.items()}
    special = set(tokenizer.all_special_ids) | {t for t, c in tokenizer.added_tokens_decoder.items() if c.special}
    spelled = [
        None if token in special or piece is None else added[token].encode() if token in added else spell(piece)
        for token, piece in enumerate(pieces)
    ]
    return Vocabulary(tokenizer, (*spelled, *[None] * max((size or 0) - len(spelled), 0)))


def scripts_of(spelling: str) -> frozenset[str]:
    """The script classes a language is written in: Japanese in three, Chinese in `Hani`."""
    script = language(spelling).script
    return frozenset(_WRITTEN_WITH.get(script, {script}))


@lru_cache(maxsize=1)
def _byte_alphabet() -> Mapping[str, int]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others follow from U+0100 in order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


def _spell_byte_level(piece: str) -> bytes | None:
    alphabet = _byte_alphabet()
    return bytes(alphabet[letter] for letter in piece) if all(letter in alphabet for letter in piece) else None


def _spell_sentencepiece(piece: str) -> bytes | None:
    byte = _BYTE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()


def _script(spelled: bytes | None) -> str:
    if spelled is None:
        return "special"
    try:
        text = spelled.decode()
    except UnicodeDecodeError:
        return "bytes"
    found = {_letter_script(letter) for letter in text} - {"Zyyy", "Zinh", "Zzzz"}
    return "common" if not found else found.pop() if len(found) == 1 else "mixed"


@lru_cache(maxsize=65536)
def _letter_script(letter: str) -> str:
    from fontTools.unicodedata import script

    return script(letter)


def keep_apart(
    sets: Sequence[Mapping[str, frozenset[int]]], first: str, second: str, on_collision: Literal["drop", "raise"] = "drop"
) -> list[int]:
    """The items whose words in two languages share no token: only for those does a probability belong to one language."""
    kept = [row for row, words in enumerate(sets) if not words[first] & words[second]]
    if on_collision == "raise" and len(kept) < len(sets):
        row = next(row for row in range(len(sets)) if row not in set(kept))
        raise ValueError(
            f"item {row}: the words in {first} and {second} share tokens {sorted(sets[row][first] & sets[row][second])[:5]}. "
            "Needed: words that begin differently; use on_collision='drop' to leave such items out."
        )
    return kept
