"""What the tokens of a tokenizer spell: which of them begin a word, and in which script each is written.

The spelling is detected: each known kind (byte-level BPE, SentencePiece with `<0xHH>` bytes) must reproduce a probe text.
Vocabularies without a space before a word (WordPiece) or with a suffix at its end are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from interp.languages import language

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TokenRule = Literal["first", "prefix"]
"""Which tokens count as a word. `first`: the first token of the word and of space + word (Dumas et al. 2025). `prefix`: every token
that spells a prefix of either (Wendler et al. 2024)."""

_PROBE = "a cat and the dog"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CARRIERS = ('"', "\n", "")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens of a model: `spelling[id]` is the bytes that a token spells, or None for special and unused tokens."""

    tokenizer: PreTrainedTokenizerBase
    spelling: tuple[bytes | None, ...]

    def __len__(self) -> int:
        return len(self.spelling)

    def tokens(self, word: str, rule: TokenRule = "first") -> frozenset[int]:
        """The ids of the tokens that count as the beginning of a word.

        Parameters
        ----------
        word
            The word, without space around it.
        rule
            `first`: the first token of the word and of space + word. `prefix`: all tokens whose bytes are a prefix of either,
            except a single space. These include single letters and lead bytes, which inflates the probability of every word with
            that beginning.

        Raises
        ------
        ValueError
            No token spells the beginning of the word, or the word or the rule is malformed.
        """
        if rule not in ("first", "prefix"):
            raise ValueError(f"got token rule {rule!r}, expected 'first' or 'prefix'.")
        if not word.strip() or word != word.strip():
            raise ValueError(f"got word {word!r}, expected a word without space around it.")
        tokens = self._first(word) if rule == "first" else self._prefixes(word)
        if not tokens:
            raise ValueError(
                f"word {word!r}: no token of this tokenizer spells its beginning ({self.tokenizer.tokenize(word)[:4]}). "
                "Leave the word out, or choose a model whose tokenizer covers the script."
            )
        return tokens

    def _prefixes(self, word: str) -> frozenset[int]:
        shortening = getattr(self.tokenizer, "shortening", None)
        forms = {word.encode(), shortening.bytes_of(word) if shortening else word.encode()}
        spaced_forms = [space + form for form in forms for space in (b"", b" ")]
        return frozenset(
            token for text in spaced_forms for n in range(1, len(text) + 1) for token in self._by_spelling.get(text[:n], ())
        )

    def _first(self, word: str) -> frozenset[int]:
        unspaced, spaced = self._at_start(word), self._at_start(" " + word)
        return frozenset(token for token in (unspaced, spaced) if token is not None)

    def _at_start(self, text: str) -> int | None:
        """The first token of a text that spells more than space, after a quote or a line end if the tokens separate there."""
        for carrier in _CARRIERS:
            ids = self.tokenizer(carrier + text, add_special_tokens=False)["input_ids"]
            spelled = self._spell(ids)
            joined = b"".join(spelled)
            if not joined.endswith(text.encode()):
                continue  # an unknown character
            end, starts = 0, len(joined) - len(text.encode()) if carrier else 0
            for token, part in zip(ids, spelled, strict=True):
                at, end = end, end + len(part)
                if at < starts < end:
                    break  # one token spells the end of the carrier and the beginning of the word
                if at >= starts and part.strip(b" "):
                    return token
        return None

    def _spell(self, ids: Sequence[int]) -> list[bytes]:
        """What each token of a text spells, including the bytes that a shortened tokenizer dropped before it."""
        shortening = getattr(self.tokenizer, "shortening", None)
        return shortening.spell(ids) if shortening else [self.spelling[token] or b"" for token in ids]

    @cached_property
    def _by_spelling(self) -> Mapping[bytes, list[int]]:
        tokens: dict[bytes, list[int]] = {}
        for token, spelled in enumerate(self.spelling):
            if spelled and spelled.strip(b" "):
                tokens.setdefault(spelled, []).append(token)
        return tokens

    @cached_property
    def scripts(self) -> tuple[str, ...]:
        """The class of every token: an ISO 15924 script, `common`, `mixed`, `bytes` (part of a character) or `special`."""
        return tuple(_script(spelled) for spelled in self.spelling)

    def written(self, token: int) -> str:
        """The `token` with this id as text: bytes that are part of a character as "<E4>", special tokens by their name."""
        spelled = self.spelling[token]
        if spelled is None:
            return str(self.tokenizer.convert_ids_to_tokens(token)) if token < len(self.tokenizer) else f"‹{token}›"
        text = spelled.decode(errors="surrogateescape")  # a byte that is no character becomes U+DC80 to U+DCFF
        return "".join(f"<{ord(letter) - 0xDC00:02X}>" if "\udc80" <= letter <= "\udcff" else letter for letter in text)

    def script_classes(self) -> tuple[tuple[str, ...], Int[Tensor, " vocab"]]:
        """The script classes, by size, and the index of the class of each token."""
        counts: dict[str, int] = {}
        for name in self.scripts:
            counts[name] = counts.get(name, 0) + 1
        names = tuple(sorted(counts, key=lambda name: (-counts[name], name)))
        return names, torch.tensor([names.index(name) for name in self.scripts])


def read_vocabulary(tokenizer: PreTrainedTokenizerBase, size: int | None = None) -> Vocabulary:
    """Read what each token of a tokenizer spells.

    Parameters
    ----------
    tokenizer
        A Hugging Face tokenizer: byte-level BPE or SentencePiece.
    size
        Vocabulary size of the model, if it has unused rows. Default: the length of the tokenizer.

    Raises
    ------
    ValueError
        The tokens do not spell the text (WordPiece, lower-casing tokenizers).

    Example
    -------
    >>> import interp
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> vocabulary = read_vocabulary(tokenizer)
    >>> len(vocabulary) == len(tokenizer)
    True
    """
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    probe = tokenizer.convert_ids_to_tokens(tokenizer(_PROBE, add_special_tokens=False)["input_ids"])
    for spell in (_spell_byte_level, _spell_sentencepiece):
        if b"".join(spell(piece) or b"" for piece in probe).removeprefix(b" ") == _PROBE.encode():
            break
    else:
        raise ValueError(
            f"got tokenizer {type(tokenizer).__name__}, whose tokens {probe} do not spell {_PROBE!r}, expected byte-level BPE or "
            "SentencePiece, whose tokens include the space before a word. WordPiece and lower-casing tokenizers do not work."
        )
    added = {token: str(content) for token, content in tokenizer.added_tokens_decoder.items()}
    special = set(tokenizer.all_special_ids) | {t for t, c in tokenizer.added_tokens_decoder.items() if c.special}
    spelled = [
        None if token in special or piece is None else added[token].encode() if token in added else spell(piece)
        for token, piece in enumerate(pieces)
    ]
    return Vocabulary(tokenizer, (*spelled, *[None] * max((size or 0) - len(spelled), 0)))


def scripts_of(spelling: str) -> frozenset[str]:
    """The script classes that a language, in any `spelling`, is written in: `Hani` for Chinese, three for Japanese.

    >>> sorted(scripts_of("ja"))
    ['Hani', 'Hira', 'Kana']
    """
    return language(spelling).letter_scripts


@lru_cache(maxsize=1)
def _byte_alphabet() -> Mapping[str, int]:
    """The byte of each letter of GPT-2's alphabet: printable bytes are themselves, the others follow from U+0100 in order."""
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
    scripts = {_letter_script(letter) for letter in text} - {"Zyyy", "Zinh", "Zzzz"}
    return "common" if not scripts else scripts.pop() if len(scripts) == 1 else "mixed"


@lru_cache(maxsize=65536)
def _letter_script(letter: str) -> str:
    from fontTools.unicodedata import script

    return script(letter)


def keep_apart(
    sets: Sequence[Mapping[str, frozenset[int]]], first: str, second: str, on_collision: Literal["drop", "raise"] = "drop"
) -> list[int]:
    """The items whose words in two languages share no token, so that a probability belongs to one language.

    Parameters
    ----------
    sets
        For each item, the ids that count as its word, by language.
    first, second
        The two languages.
    on_collision
        `drop` leaves out the other items, `raise` raises an error for them.

    Returns
    -------
    The indices of the items.

    Raises
    ------
    ValueError
        Words share a token and `on_collision` is `raise`.

    Example
    -------
    >>> ids = [{"eng": frozenset({1}), "deu": frozenset({2})}, {"eng": frozenset({3}), "deu": frozenset({3, 4})}]
    >>> keep_apart(ids, "eng", "deu")
    [0]
    """
    rows = [row for row, words in enumerate(sets) if not words[first] & words[second]]
    if on_collision == "raise" and len(rows) < len(sets):
        row = next(row for row in range(len(sets)) if row not in set(rows))
        raise ValueError(
            f"item {row}: got words in {first} and {second} that share tokens "
            f"{sorted(sets[row][first] & sets[row][second])[:5]}, expected words that begin differently. "
            "Use on_collision='drop' to leave such items out."
        )
    return rows
