"""Shorten the ids of text that a vocabulary spells byte by byte, by dropping the constant first byte(s) of its characters.

UTF-8 shows where a byte is missing: a continuation byte where a character should begin has lost its lead byte. So a scan restores
the dropped bytes without a table of characters (arXiv 2311.09071 keeps one per language, and loses other characters). Only one
prefix is dropped, so a text in two such scripts is still exact: the other script is spelled in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from interp.vocabulary.spelling import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Drop = Literal[1, 2]
"""How many bytes of a character are dropped: its lead byte, as published, or also the second, which only 64 letters share."""

_NOTHING = (False, 0, 0)  # the effect of a special or unknown token


class Split(NamedTuple):
    """A character that takes several tokens: its bytes, and each run of whole tokens that spells a beginning of it."""

    character: bytes
    beginnings: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Shortening:
    """The ids that are dropped: the tokens `dropped`, which spell `prefix`, before the rest of a character.

    In byte-level BPE a token may contain the lead byte together with the space before it, or parts of two characters. Such lead
    bytes are kept, so `after` shows the real saving, and `constancy` only an upper bound.

    Parameters
    ----------
    prefix
        The dropped bytes.
    dropped
        The dropped ids.
    spelling
        The bytes of every token of the tokenizer, or None for special ones (`Vocabulary.spelling`).
    before, after
        Number of tokens of the texts that it was planned on, before and after shortening.
    split, begun
        Number of characters of those texts that take several tokens, and how many of them begin with `prefix`.

    Raises
    ------
    ValueError
        The ids do not spell the prefix with this tokenizer, or the prefix begins no character of several bytes.
    """

    prefix: bytes
    dropped: tuple[int, ...]
    spelling: tuple[bytes | None, ...] = field(repr=False, compare=False)
    before: int = field(default=0, compare=False)
    after: int = field(default=0, compare=False)
    split: int = field(default=0, compare=False)
    begun: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        spelled = [self.spelling[token] if 0 <= token < len(self.spelling) else None for token in self.dropped]
        if not spelled or None in spelled or b"".join(part or b"" for part in spelled) != self.prefix:
            raise ValueError(
                f"shortening: got a tokenizer whose tokens {list(self.dropped)} spell {spelled}, expected "
                f"{self.prefix.hex().upper()}. Use the tokenizer it was planned for."
            )
        if not 0 < len(self.prefix) < character_length(self.prefix[0]):
            raise ValueError(
                f"shortening: got prefix {self.prefix.hex().upper()}, expected the beginning of a character of several bytes."
            )

    @property
    def saved(self) -> float:
        """The share of tokens that it saves on the texts it was planned on."""
        return 1 - self.after / self.before if self.before else 0.0

    @property
    def constancy(self) -> float:
        """The share of the characters of several tokens that begin with the prefix, at most 1."""
        return self.begun / self.split if self.split else 0.0

    def shorten(self, ids: Sequence[int]) -> list[int]:
        """Drop those of `ids` that `restore` can put back. Raises `ValueError` if a lead byte is missing already."""
        return [ids[index] for index in self.kept(ids)]

    def restore(self, ids: Sequence[int]) -> list[int]:
        """Restore the ids dropped from `ids`, before every continuation byte where a character should begin.

        Unshortened ids are returned unchanged. No ids raise an error, so any output of a model can be restored.
        """
        restored: list[int] = []
        for token, bare in zip(ids, self._bare(ids), strict=True):
            restored += [*self.dropped, token] if bare else [token]
        return restored

    def kept(self, ids: Sequence[int]) -> list[int]:
        """The indices of those of `ids` that `shorten` keeps. Raises `ValueError` if a lead byte is missing already."""
        effects, bare, n = [self._effects.get(token, _NOTHING) for token in ids], self._bare(ids), len(self.dropped)
        if True in bare:
            index = bare.index(True)
            raise ValueError(
                f"got ids with a bare continuation byte at index {index} ({list(ids[max(0, index - 3) : index + 1])}), expected "
                "the ids of a text that is not shortened yet."
            )
        indices, missing, index, first = [], 0, 0, self.dropped[0]
        while index < len(ids):
            after = index + n
            starts = missing == 0 and after < len(ids) and ids[index] == first
            if starts and effects[after][0] and tuple(ids[index:after]) == self.dropped:
                missing, index = self._rest, after
            indices.append(index)
            _, length, fixed = effects[index]
            missing = max(0, missing - length) if fixed is None else fixed
            index += 1
        return indices

    def spell(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes of each token of a shortened text (`ids`), including the bytes dropped before it."""
        spellings = [self.spelling[token] if token < len(self.spelling) else None for token in ids]
        return [(self.prefix if bare else b"") + (spelled or b"") for spelled, bare in zip(spellings, self._bare(ids), strict=True)]

    def bytes_of(self, text: str) -> bytes:
        """The bytes of `text` without the dropped ones."""
        return b"".join(letter.encode().removeprefix(self.prefix) for letter in text)

    def _bare(self, ids: Sequence[int]) -> list[bool]:
        """Whether each token begins with a continuation byte where a character should begin."""
        bare, missing = [], 0
        for token in ids:
            opens, length, fixed = self._effects.get(token, _NOTHING)
            bare.append(opens and missing == 0)
            missing = fixed if fixed is not None else max(0, (self._rest if bare[-1] else missing) - length)
        return bare

    @cached_property
    def _rest(self) -> int:
        """The number of bytes of a character after the prefix."""
        return character_length(self.prefix[0]) - len(self.prefix)

    @cached_property
    def _effects(self) -> dict[int, tuple[bool, int, int | None]]:
        return {token: _effect(spelled) for token, spelled in enumerate(self.spelling) if spelled is not None}


def plan_shortening(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], drop: Drop | None = 1) -> Shortening:
    """Find the constant first byte(s) of a language's characters that can be dropped, and how many tokens this saves.

    It works with byte fallback, where each byte is a token, and with byte-level BPE, where a byte can only be dropped if it is a
    token of its own. It checks that every text is restored exactly.

    Parameters
    ----------
    tokenizer
        A Hugging Face tokenizer whose tokens spell bytes.
    texts
        Texts of one language. In a mixture of languages the most frequent lead byte is dropped, and `constancy` is low.
    drop
        1: the lead byte, as published (arXiv 2311.09071). 2: also the most frequent second byte; other characters are then spelled
        in full. None: whichever saves most.

    Raises
    ------
    ValueError
        There is nothing to shorten, the tokens do not separate the bytes, or the tokenizer is shortened already.

    Example
    -------
    >>> import interp
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> plan = plan_shortening(tokenizer, ["ባባባ", "በበበ"])
    >>> plan.prefix.hex(), plan.before > plan.after
    ('e1', True)
    """
    if hasattr(tokenizer, "shortening"):
        raise ValueError(
            f"got a tokenizer that is shortened already (it drops {tokenizer.shortening.prefix.hex().upper()}), "
            "expected the original."
        )
    vocabulary = read_vocabulary(tokenizer)
    sequences = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    characters = [character for ids in sequences for character in split_characters(vocabulary, ids)]
    if not characters:
        raise ValueError(f"got {len(texts)} texts in which no character takes several tokens, so there is nothing to shorten.")
    lead = Counter(character.character[0] for character in characters).most_common(1)[0][0]
    own = [character for character in characters if character.character[0] == lead]
    runs = Counter(run for character in own for run in character.beginnings)
    gains = {run: n * len(run) for run, n in runs.items() if len(_spelled(vocabulary, run)) <= 2}
    fit = [run for run in gains if drop is None or len(_spelled(vocabulary, run)) == drop]
    if not fit:
        raise ValueError(_unfit(vocabulary, lead, gains, drop))
    best = max(fit, key=lambda run: (gains[run], [-token for token in run]))
    prefix = _spelled(vocabulary, best)
    begun = sum(character.character.startswith(prefix) for character in characters)
    plan = Shortening(prefix, best, vocabulary.spelling)
    after = 0
    for text, ids in zip(texts, sequences, strict=True):
        short = plan.shorten(ids)
        if plan.restore(short) != ids:
            raise ValueError(f"text {text[:60]!r} is not restored from its shortened ids: this tokenizer cannot be shortened.")
        after += len(short)
    return Shortening(prefix, best, vocabulary.spelling, sum(map(len, sequences)), after, len(characters), begun)


def split_characters(vocabulary: Vocabulary, ids: Sequence[int]) -> list[Split]:
    """The characters of `ids` that take several tokens of the `vocabulary`, in order.

    A beginning must start at the start of a token.

    >>> import interp
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> from interp.vocabulary.spelling import read_vocabulary
    >>> len(split_characters(read_vocabulary(tokenizer), tokenizer("aባ").input_ids))
    1
    """
    starts: dict[int, int] = {}
    text = bytearray()
    for index, token in enumerate(ids):
        starts.setdefault(len(text), index)
        text += vocabulary.spelling[token] or b""
    characters, begin = [], 0
    while begin < len(text):
        end = min(begin + _LENGTHS[text[begin]], len(text))
        if cuts := [position for position in range(begin + 1, end) if position in starts]:
            first = starts.get(begin)
            runs = tuple(tuple(ids[first : starts[cut]]) for cut in cuts) if first is not None else ()
            characters.append(Split(bytes(text[begin:end]), runs))
        begin = end
    return characters


def character_length(lead: int) -> int:
    """The number of bytes in UTF-8 of the character that begins with the byte `lead`.

    >>> character_length("日".encode()[0])
    3
    """
    return 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


_LENGTHS = tuple(map(character_length, range(256)))


def _effect(spelled: bytes) -> tuple[bool, int, int | None]:
    """Of a token: whether it begins inside a character, its length, and how many continuation bytes are missing at its end (None:
    it ends in the character it begins in)."""
    last = max((index for index, byte in enumerate(spelled) if not 0x80 <= byte < 0xC0), default=None)
    fixed = None if last is None else max(0, character_length(spelled[last]) - (len(spelled) - last))
    return bool(spelled) and 0x80 <= spelled[0] < 0xC0, len(spelled), fixed


def _spelled(vocabulary: Vocabulary, run: Sequence[int]) -> bytes:
    return b"".join(vocabulary.spelling[token] or b"" for token in run)


def _unfit(vocabulary: Vocabulary, lead: int, gains: dict[tuple[int, ...], int], drop: int | None) -> str:
    beginning = {1: "the lead", 2: "the first two bytes", None: "a beginning"}[drop]
    problem = f"no run of tokens spells {beginning} of the characters that begin with {lead:02X} and nothing else"
    if not gains:
        return f"{problem}: it is merged with its neighbours. Shortening is not possible here; use a vocabulary extension."
    best = max(gains, key=lambda run: gains[run])
    return f"{problem}. drop={len(_spelled(vocabulary, best))} (or None) would save {gains[best]} tokens."
