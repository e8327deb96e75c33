"""Shorter ids for text that a vocabulary spells byte by byte: what its characters begin with is left out, and put back.

UTF-8 itself tells where a byte is missing: a continuation byte where a character should begin has lost its lead. So a scan
puts back what was left out, without a table of characters (arXiv 2311.09071 keeps one for each language, and loses what is
not in it). Exactly one prefix is ever dropped, so a text in two such scripts stays exact: the other one is spelled in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from interp.vocabulary.spelling import Vocabulary, read_vocabulary

Drop = Literal[1, 2]
"""How many bytes of a character are dropped: its lead, as published, or also its second, which is constant in 64 letters only."""

_NOTHING = (False, 0, 0)  # a control token, or none at all


class Split(NamedTuple):
    """A character that no single token holds: its bytes, and each run of whole tokens that spells a beginning of it."""

    character: bytes
    beginnings: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Shortening:
    """What is left out of a language's ids: the tokens `dropped`, which spell `prefix`, before the rest of a character.

    `before` and `after` are the tokens of the texts it was planned on, `split` their characters spelled by several tokens and
    `begun` those of them that begin with `prefix`. On byte-level BPE a token may hold the lead together with the space before it,
    or parts of two characters; such leads stay, so `after` tells what is gained and `constancy` only what could be.
    """

    prefix: bytes
    dropped: tuple[int, ...]
    spelling: tuple[bytes | None, ...] = field(repr=False, compare=False)
    before: int = field(default=0, compare=False)
    after: int = field(default=0, compare=False)
    split: int = field(default=0, compare=False)
    begun: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        known = [self.spelling[token] if 0 <= token < len(self.spelling) else None for token in self.dropped]
        if not known or None in known or b"".join(part or b"" for part in known) != self.prefix:
            raise ValueError(
                f"shortening: tokens {list(self.dropped)} spell {known}, not {self.prefix.hex().upper()}. "
                "Needed: the tokenizer it was planned for."
            )
        if not 0 < len(self.prefix) < character_length(self.prefix[0]):
            raise ValueError(f"shortening: {self.prefix.hex().upper()} is no beginning of a character of several bytes.")

    @property
    def saved(self) -> float:
        """The share of tokens it saves on the texts it was planned on."""
        return 1 - self.after / self.before if self.before else 0.0

    @property
    def constancy(self) -> float:
        """The share of characters spelled in parts that begin with the prefix: 1 where the language has no other."""
        return self.begun / self.split if self.split else 0.0

    def shorten(self, ids: Sequence[int]) -> list[int]:
        """The ids without what can be put back. Raises `ValueError` for ids that spell no text (a lead is missing already)."""
        return [ids[place] for place in self.kept(ids)]

    def restore(self, ids: Sequence[int]) -> list[int]:
        """The ids with what was left out: before every continuation byte that stands where a character begins.

        Whole ids come back as they are, and what a model makes up never raises.
        """
        found: list[int] = []
        for token, bare in zip(ids, self._bare(ids), strict=True):
            found += [*self.dropped, token] if bare else [token]
        return found

    def kept(self, ids: Sequence[int]) -> list[int]:
        """The places of the ids that stay."""
        effects, bare, n = [self._effects.get(token, _NOTHING) for token in ids], self._bare(ids), len(self.dropped)
        if True in bare:
            place = bare.index(True)
            raise ValueError(
                f"ids with a bare continuation byte at place {place} ({list(ids[max(0, place - 3) : place + 1])}) spell no text, "
                "so what is left out could not be told apart. Needed: the ids of a text, not yet shortened."
            )
        places, wanted, place, first = [], 0, 0, self.dropped[0]
        while place < len(ids):
            after = place + n
            starts = wanted == 0 and after < len(ids) and ids[place] == first
            if starts and effects[after][0] and tuple(ids[place:after]) == self.dropped:
                wanted, place = self._rest, after
            places.append(place)
            _, length, fixed = effects[place]
            wanted = max(0, wanted - length) if fixed is None else fixed
            place += 1
        return places

    def spell(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes each token of a shortened text stands for, what was left out before it among them."""
        known = [self.spelling[token] if token < len(self.spelling) else None for token in ids]
        return [(self.prefix if bare else b"") + (spelled or b"") for spelled, bare in zip(known, self._bare(ids), strict=True)]

    def bytes_of(self, text: str) -> bytes:
        """The bytes of a text without the dropped ones."""
        return b"".join(letter.encode().removeprefix(self.prefix) for letter in text)

    def _bare(self, ids: Sequence[int]) -> list[bool]:
        """Whether each token begins with a continuation byte where a character should begin."""
        found, wanted = [], 0
        for token in ids:
            opens, length, fixed = self._effects.get(token, _NOTHING)
            found.append(opens and wanted == 0)
            wanted = fixed if fixed is not None else max(0, (self._rest if found[-1] else wanted) - length)
        return found

    @cached_property
    def _rest(self) -> int:
        """How many bytes of a character follow the prefix."""
        return character_length(self.prefix[0]) - len(self.prefix)

    @cached_property
    def _effects(self) -> dict[int, tuple[bool, int, int | None]]:
        return {token: _effect(spelled) for token, spelled in enumerate(self.spelling) if spelled is not None}


def plan_shortening(tokenizer: Any, texts: Sequence[str], drop: Drop | None = 1) -> Shortening:
    """Which constant first byte(s) of a language's byte-spelled characters can be left out, and how many tokens that saves.

    `drop=1` is the published lead byte; 2 the lead and the second byte where that is the commonest one (other characters are
    then spelled in full); None whatever saves most. Works wherever tokens spell bytes: byte fallback, where each byte is a
    token, and byte-level BPE, where only what the tokens keep apart can go. Every text is proved to come back.

    When it misleads: the texts should be of one language; in a mixture the commonest lead is taken and the others stay, which
    `constancy` tells.
    """
    if hasattr(tokenizer, "shortening"):
        raise ValueError(
            f"this tokenizer is shortened already: it drops {tokenizer.shortening.prefix.hex().upper()}. Give its own."
        )
    vocabulary = read_vocabulary(tokenizer)
    sequences = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    characters = [each for ids in sequences for each in split_characters(vocabulary, ids)]
    if not characters:
        raise ValueError(f"no character of these {len(texts)} texts is spelled by several tokens, so there is nothing to shorten.")
    lead = Counter(each.character[0] for each in characters).most_common(1)[0][0]
    own = [each for each in characters if each.character[0] == lead]
    runs = Counter(run for each in own for run in each.beginnings)
    gains = {run: n * len(run) for run, n in runs.items() if len(_spelled(vocabulary, run)) <= 2}
    fit = [run for run in gains if drop is None or len(_spelled(vocabulary, run)) == drop]
    if not fit:
        raise ValueError(_unfit(vocabulary, lead, gains, drop))
    best = max(fit, key=lambda run: (gains[run], [-token for token in run]))
    prefix = _spelled(vocabulary, best)
    begun = sum(each.character.startswith(prefix) for each in characters)
    plan = Shortening(prefix, best, vocabulary.spelling)
    after = 0
    for text, ids in zip(texts, sequences, strict=True):
        short = plan.shorten(ids)
        if plan.restore(short) != ids:
            raise ValueError(f"text {text[:60]!r} does not come back from its shortened ids: this tokenizer cannot be shortened.")
        after += len(short)
    return Shortening(prefix, best, vocabulary.spelling, sum(map(len, sequences)), after, len(characters), begun)


def split_characters(vocabulary: Vocabulary, ids: Sequence[int]) -> list[Split]:
    """Every character that takes several tokens, in order. A run that begins inside a token is no beginning of it."""
    starts: dict[int, int] = {}
    text = bytearray()
    for place, token in enumerate(ids):
        starts.setdefault(len(text), place)
        text += vocabulary.spelling[token] or b""
    found, begin = [], 0
    while begin < len(text):
        end = min(begin + _LENGTHS[text[begin]], len(text))
        if cuts := [place for place in range(begin + 1, end) if place in starts]:
            first = starts.get(begin)
            runs = tuple(tuple(ids[first : starts[cut]]) for cut in cuts) if first is not None else ()
            found.append(Split(bytes(text[begin:end]), runs))
        begin = end
    return found


def character_length(lead: int) -> int:
    """How many bytes the character has that begins with this byte."""
    return 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


_LENGTHS = tuple(map(character_length, range(256)))


def _effect(spelled: bytes) -> tuple[bool, int, int | None]:
    """Of a token: whether it begins inside a character, its length, and how many continuation bytes its end still wants (None:
    it never leaves the character it begins in)."""
    last = max((place for place, byte in enumerate(spelled) if not 0x80 <= byte < 0xC0), default=None)
    fixed = None if last is None else max(0, character_length(spelled[last]) - (len(spelled) - last))
    return bool(spelled) and 0x80 <= spelled[0] < 0xC0, len(spelled), fixed


def _spelled(vocabulary: Vocabulary, run: Sequence[int]) -> bytes:
    return b"".join(vocabulary.spelling[token] or b"" for token in run)


def _unfit(vocabulary: Vocabulary, lead: int, gains: dict[tuple[int, ...], int], drop: int | None) -> str:
    what = {1: "the lead", 2: "the first two bytes", None: "a beginning"}[drop]
    problem = f"no run of tokens spells {what} of the characters that begin with {lead:02X} and nothing else"
    if not gains:
        return f"{problem}: it is merged with its neighbours. Shortening cannot help here; a vocabulary extension can."
    best = max(gains, key=lambda run: gains[run])
    return f"{problem}. drop={len(_spelled(vocabulary, best))} (or None) would save {gains[best]} tokens."
