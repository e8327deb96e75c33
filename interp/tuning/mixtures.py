"""What a model is tuned on: one stream of instruction examples, whatever it was made from, with its identity and its controls."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from interp.languages import language
from interp.provenance import CorpusIdentity


@dataclass(frozen=True)
class Example:
    """One thing to learn. `source` and `target` are the FLORES codes of what is read and what is written.

    `item` names what the example is about: translations of one sentence share it, so that they are held out together.
    """

    id: str
    instruction: str
    input: str
    answer: str
    source: str
    target: str
    item: str

    def __post_init__(self) -> None:
        if not self.answer.strip():
            raise ValueError(f"example {self.id!r} has an empty answer. Needed: the text the model is to write.")
        object.__setattr__(self, "source", language(self.source).code)
        object.__setattr__(self, "target", language(self.target).code)


@dataclass(frozen=True)
class Mixture:
    """Examples in a fixed order. Subsets are prefixes of one shuffled order, so a data-scale series is nested."""

    name: str
    examples: tuple[Example, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "examples", tuple(self.examples))
        if not self.examples:
            raise ValueError(f"mixture {self.name!r} is empty. Needed: at least one example; look at its languages and limits.")
        twice = next((name for name, n in Counter(each.id for each in self.examples).items() if n > 1), None)
        if twice:
            raise ValueError(f"mixture {self.name!r}: id {twice!r} stands more than once. Needed: one id an example.")

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def identity(self) -> CorpusIdentity:
        """Name, size and a hash of every example in order: equal for equal training data."""
        digest = hashlib.sha256()
        for each in self.examples:
            digest.update(repr(each).encode())
        return CorpusIdentity(self.name, digest.hexdigest(), len(self))

    def counts(self) -> dict[str, int]:
        """How many examples each direction has, `eng_Latn>deu_Latn`."""
        return dict(Counter(f"{each.source}>{each.target}" for each in self.examples))

    def shuffled(self, seed: int) -> Mixture:
        """The same examples in the order of one seed."""
        order = random.Random(seed).sample(range(len(self)), len(self))
        return replace(self, examples=tuple(self.examples[row] for row in order))

    def prefix(self, n: int, seed: int) -> Mixture:
        """The first `n` of the shuffled order: with one seed, 100 examples are among the 200. Raises where there are fewer."""
        if not 1 <= n <= len(self):
            raise ValueError(f"mixture {self.name!r} has {len(self)} examples but {n} were asked for. Ask for 1 to {len(self)}.")
        return Mixture(f"{self.name}[:{n}]", self.shuffled(seed).examples[:n])

    def split(self, fraction: float, seed: int) -> tuple[Mixture, Mixture]:
        """Training part and held-out part, split by item: no sentence is learned in one language and tested in another."""
        items = sorted({each.item for each in self.examples})
        held = round(fraction * len(items))
        if not 0 < held < len(items):
            raise ValueError(f"mixture {self.name!r}: {fraction:g} of {len(items)} items is {held}. Needed: 1 to {len(items) - 1}.")
        out = set(random.Random(seed).sample(items, held))
        return (
            replace(self, examples=tuple(each for each in self.examples if each.item not in out)),
            Mixture(f"{self.name}/held-out", tuple(each for each in self.examples if each.item in out)),
        )


def union(name: str, mixtures: Iterable[Mixture]) -> Mixture:
    """Several mixtures as one, in the order given (shuffling is training's business)."""
    return Mixture(name, tuple(each for mixture in mixtures for each in mixture.examples))


def sampled(
    parts: Mapping[str, Mixture], total: int, seed: int, ratios: Mapping[str, float] | None = None, temperature: float = 1.0
) -> Mixture:
    """A union of `total` examples by sampling ratios, without replacement.

    `ratios` default to the parts' sizes raised to `1 / temperature`: 1 is proportional, large is uniform (Conneau et al.
    2020, section 3.1 with alpha = 1 / temperature). A part that is too small gives all it has and the others fill up.
    """
    weights = {name: (ratios or {}).get(name, 0.0) if ratios else len(part) ** (1 / temperature) for name, part in parts.items()}
    if unknown := set(ratios or {}) - set(parts):
        raise ValueError(f"ratios for {', '.join(sorted(unknown))}, but the parts are {', '.join(parts)}.")
    if not 1 <= total <= sum(len(part) for name, part in parts.items() if weights[name] > 0):
        raise ValueError(f"{total} examples were asked for; the parts hold {sum(map(len, parts.values()))}.")
    counts = dict.fromkeys(parts, 0)
    open_parts = {name for name in parts if weights[name] > 0}
    while (left := total - sum(counts.values())) and open_parts:
        mass = sum(weights[name] for name in open_parts)
        shares = {name: left * weights[name] / mass for name in parts if name in open_parts}
        grant = {name: int(share) for name, share in shares.items()}
        for name in sorted(shares, key=lambda each: grant[each] - shares[each])[: left - sum(grant.values())]:
            grant[name] += 1
        for name, n in grant.items():
            counts[name] = min(counts[name] + n, len(parts[name]))
        open_parts = {name for name in open_parts if counts[name] < len(parts[name])}
    return union("+".join(parts), [parts[name].prefix(n, seed) for name, n in counts.items() if n])


def shuffle_answers(mixture: Mixture, seed: int) -> Mixture:
    """The control that keeps format, languages and words but breaks meaning: answers permuted within each direction.

    The permutation is one cycle, so no example keeps its own answer (two examples may of course share one).
    """
    rows: dict[str, list[int]] = {}
    for row, each in enumerate(mixture.examples):
        rows.setdefault(f"{each.source}>{each.target}", []).append(row)
    answers = [""] * len(mixture)
    for direction, places in rows.items():
        if len(places) < 2:
            raise ValueError(f"mixture {mixture.name!r} has one example of {direction}. Needed: two or more to shuffle answers.")
        order = random.Random(seed).sample(places, len(places))
        for place, other in zip(order, [*order[1:], order[0]], strict=True):
            answers[place] = mixture.examples[other].answer
    examples = [replace(each, answer=answer) for each, answer in zip(mixture.examples, answers, strict=True)]
    return Mixture(f"{mixture.name}/shuffled", tuple(examples))
