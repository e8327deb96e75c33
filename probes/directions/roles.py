"""Which directions a model was tuned on, and how far every other one is from them: the partition of mFTI (arXiv 2305.15083).

Languages have roles: read and written in tuning (mix), only read, only written, or absent. A direction is then seen, the
reverse of a seen one, reversed at one side, or has languages that tuning never read or wrote. Unseen means unseen in tuning:
what pre-training saw of a language or a direction is another matter.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from interp.languages import language
from interp.tuning import ordered_pairs, seen_pairs

Role = Literal["mix", "read_only", "write_only", "unseen"]
Class = Literal["seen", "reversed", "one side reversed", "source unseen", "target unseen", "both unseen"]
ROLES: tuple[Role, ...] = get_args(Role)
CLASSES: tuple[Class, ...] = get_args(Class)


@dataclass(frozen=True)
class Roles:
    """The part each language plays in tuning. At least one direction must be tuned on.

    Parameters
    ----------
    mix
        Languages read and written in tuning.
    read_only, write_only
        Languages only read, and only written, in tuning.
    unseen
        Languages that are not in the tuning data.

    Raises
    ------
    ValueError
        Where a language has two roles, or no direction is tuned on.

    Example
    -------
    >>> import probes
    >>> roles = probes.Roles(mix=("en",), read_only=("de",), write_only=("fr",), unseen=("es",))
    >>> roles.seen
    (('deu_Latn', 'fra_Latn'), ('deu_Latn', 'eng_Latn'), ('eng_Latn', 'fra_Latn'))
    >>> roles.kind("fra_Latn", "deu_Latn"), roles.kind("spa_Latn", "eng_Latn")
    ('reversed', 'source unseen')
    """

    mix: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    write_only: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for role in ROLES:
            object.__setattr__(self, role, tuple(language(spelling).code for spelling in getattr(self, role)))
        codes = [code for role in ROLES for code in getattr(self, role)]
        if twice := [code for code, n in Counter(codes).items() if n > 1]:
            raise ValueError(f"roles: got more than one for {', '.join(twice)}, expected one role per language.")
        if not self.seen:
            raise ValueError(
                "roles: no direction is tuned on, expected one or more. Give two mix languages, or some to read and some to write."
            )

    @cached_property
    def of(self) -> dict[str, Role]:
        """The role of each language."""
        return {code: role for role in ROLES for code in getattr(self, role)}

    @property
    def languages(self) -> tuple[str, ...]:
        """All of them: mix, read only, written only, unseen."""
        return (*self.mix, *self.read_only, *self.write_only, *self.unseen)

    @property
    def seen(self) -> tuple[tuple[str, str], ...]:
        """The directions tuned on."""
        return seen_pairs(self.mix, self.read_only, self.write_only)

    @property
    def directions(self) -> tuple[tuple[str, str], ...]:
        """Every ordered direction."""
        return ordered_pairs(self.languages)

    def kind(self, source: str, target: str) -> Class:
        """How far the direction from `source` to `target` is from those tuned on.

        The classes of `evaluate_partition_score.py` in the published code.
        """
        read, written = self.of[source], self.of[target]
        if "unseen" in (read, written):
            return "both unseen" if read == written else "source unseen" if read == "unseen" else "target unseen"
        if read != "write_only" and written != "read_only":
            return "seen"
        return "one side reversed" if read == written else "reversed"

    def classes(self) -> dict[tuple[str, str], Class]:
        """Every ordered direction with its class."""
        return {pair: self.kind(*pair) for pair in self.directions}

    def rotated(self, steps: int) -> Roles:
        """The same partition with every language `steps` further on, so that each gets another role."""
        codes, sizes = self.languages, [len(getattr(self, role)) for role in ROLES]
        steps %= len(codes)
        turned, parts = (*codes[steps:], *codes[:steps]), []
        for size in sizes:
            parts.append(turned[:size])
            turned = turned[size:]
        return Roles(*parts)

    def rotations(self, count: int) -> tuple[Roles, ...]:
        """`count` partitions, this one first, the languages evenly turned: what a class owes to its languages averages out.

        With as many rotations as languages every language plays every part equally often.
        """
        n = len(self.languages)
        if not 1 <= count <= n:
            raise ValueError(f"got {count} rotations of {n} languages, expected 1 to {n}.")
        return tuple(self.rotated(round(turn * n / count)) for turn in range(count))
