"""The training data: instruction examples in a fixed order, how to combine, subsample and split them, and a shuffled control."""

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
    """One training example: an instruction, an input, and the answer to learn.

    Parameters
    ----------
    id
        Unique name of the example.
    instruction, input
        What the model reads. A template (`interp.tuning.TEMPLATES`) makes the prompt of both; either can be empty.
    answer
        What the model is to write.
    source, target
        Languages of the input and the answer, in any spelling; they become FLORES-200 codes.
    item
        What the example is about. Translations of one sentence have the same item, and are held out together.

    Raises
    ------
    ValueError
        The answer is empty, or a language is unknown.

    Example
    -------
    >>> from interp.tuning import Example
    >>> Example("1", "Translate to German.", "The cat sleeps.", "Die Katze schläft.", "en", "de", item="cat").target
    'deu_Latn'
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
            raise ValueError(f"example {self.id!r} has an empty answer, expected the text that the model is to write.")
        object.__setattr__(self, "source", language(self.source).code)
        object.__setattr__(self, "target", language(self.target).code)


@dataclass(frozen=True)
class Mixture:
    """Training examples in a fixed order.

    Parameters
    ----------
    name
        Name, for signatures and messages.
    examples
        The examples, with unique ids. At least one.

    Raises
    ------
    ValueError
        There is no example, or an id occurs twice.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import translations
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=20)
    >>> mixture = translations(corpus, [("eng_Latn", "deu_Latn")])
    >>> len(mixture.prefix(5, seed=0)), mixture.counts()
    (5, {'eng_Latn>deu_Latn': 20})
    """

    name: str
    examples: tuple[Example, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "examples", tuple(self.examples))
        if not self.examples:
            raise ValueError(f"mixture {self.name!r} is empty, expected at least one example. Check its languages and limits.")
        twice = next((name for name, n in Counter(example.id for example in self.examples).items() if n > 1), None)
        if twice:
            raise ValueError(f"mixture {self.name!r} has id {twice!r} more than once, expected unique ids.")

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def identity(self) -> CorpusIdentity:
        """Name, size and a hash over all examples in order: equal for equal training data."""
        digest = hashlib.sha256()
        for example in self.examples:
            digest.update(repr(example).encode())
        return CorpusIdentity(self.name, digest.hexdigest(), len(self))

    def counts(self) -> dict[str, int]:
        """Number of examples by direction ("eng_Latn>deu_Latn")."""
        return dict(Counter(f"{example.source}>{example.target}" for example in self.examples))

    def shuffled(self, seed: int) -> Mixture:
        """The same examples in the random order of `seed`."""
        order = random.Random(seed).sample(range(len(self)), len(self))
        return replace(self, examples=tuple(self.examples[row] for row in order))

    def prefix(self, n: int, seed: int) -> Mixture:
        """The first `n` examples in the random order of `seed`: with one seed, subsets of different sizes are nested.

        Raises `ValueError` if `n` is less than 1 or more than the number of examples.
        """
        if not 1 <= n <= len(self):
            raise ValueError(f"got {n} examples to take from mixture {self.name!r}, expected 1 to {len(self)}.")
        return Mixture(f"{self.name}[:{n}]", self.shuffled(seed).examples[:n])

    def split(self, fraction: float, seed: int) -> tuple[Mixture, Mixture]:
        """Training and held-out part, split by item, so that no sentence is in both, in whatever language.

        `fraction` is the share of items to hold out, drawn with `seed`. Raises `ValueError` if a part would be empty.
        """
        items = sorted({example.item for example in self.examples})
        count = round(fraction * len(items))
        if not 0 < count < len(items):
            raise ValueError(
                f"mixture {self.name!r}: got {fraction:g} of {len(items)} items to hold out, which is {count}, "
                f"expected 1 to {len(items) - 1}."
            )
        held_out = set(random.Random(seed).sample(items, count))
        return (
            replace(self, examples=tuple(example for example in self.examples if example.item not in held_out)),
            Mixture(f"{self.name}/held-out", tuple(example for example in self.examples if example.item in held_out)),
        )


def union(name: str, mixtures: Iterable[Mixture]) -> Mixture:
    """Concatenate mixtures. Training shuffles the examples, so the order of the mixtures has no effect on it.

    Parameters
    ----------
    name
        Name of the result.
    mixtures
        The mixtures. Raises `ValueError` if two have an example with the same id.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import copies, translations, union
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> len(union("both", [copies(corpus), translations(corpus, [("eng_Latn", "deu_Latn")])]))
    8
    """
    return Mixture(name, tuple(example for mixture in mixtures for example in mixture.examples))


def sampled(
    parts: Mapping[str, Mixture], total: int, seed: int, ratios: Mapping[str, float] | None = None, temperature: float = 1.0
) -> Mixture:
    """Sample examples from several mixtures, without replacement.

    Parameters
    ----------
    parts
        The mixtures by name. If one has too few examples for its ratio, all of it is taken, and the others fill up.
    total
        Number of examples of the result.
    seed
        Random seed of the sample.
    ratios
        Sampling ratio of each part. Default: its size to the power `1 / temperature`.
    temperature
        1 samples in proportion to size, a large value uniformly. Without effect if `ratios` are given.

    Raises
    ------
    ValueError
        A ratio is for no part, or the parts have fewer than `total` examples.

    References
    ----------
    Conneau et al. 2020, "Unsupervised Cross-lingual Representation Learning at Scale", section 3.1, with alpha = 1 / temperature.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import copies, sampled
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=40)
    >>> parts = {code: copies(corpus, code) for code in corpus.languages}
    >>> sampled(parts, total=20, seed=0, ratios={"eng_Latn": 3, "deu_Latn": 1}).counts()
    {'eng_Latn>eng_Latn': 15, 'deu_Latn>deu_Latn': 5}
    """
    weights = {name: (ratios or {}).get(name, 0.0) if ratios else len(part) ** (1 / temperature) for name, part in parts.items()}
    if unknown := set(ratios or {}) - set(parts):
        raise ValueError(f"got ratios for {', '.join(sorted(unknown))}, expected some of the parts: {', '.join(parts)}.")
    available = sum(len(part) for name, part in parts.items() if weights[name] > 0)
    if not 1 <= total <= available:
        raise ValueError(f"got {total} examples to sample, expected 1 to {available}, which the parts with a ratio above 0 have.")
    counts = dict.fromkeys(parts, 0)
    open_parts = {name for name in parts if weights[name] > 0}
    while (left := total - sum(counts.values())) and open_parts:
        mass = sum(weights[name] for name in open_parts)
        shares = {name: left * weights[name] / mass for name in parts if name in open_parts}
        grant = {name: int(share) for name, share in shares.items()}
        for name in sorted(shares, key=lambda key: grant[key] - shares[key])[: left - sum(grant.values())]:
            grant[name] += 1
        for name, n in grant.items():
            counts[name] = min(counts[name] + n, len(parts[name]))
        open_parts = {name for name in open_parts if counts[name] < len(parts[name])}
    return union("+".join(parts), [parts[name].prefix(n, seed) for name, n in counts.items() if n])


def shuffle_answers(mixture: Mixture, seed: int) -> Mixture:
    """Permute the answers within each direction: a control with the same format, languages and words, but without meaning.

    Parameters
    ----------
    mixture
        The examples, at least two in each direction (else `ValueError`).
    seed
        Random seed of the permutation. It is one cycle, so no example keeps its own answer.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import shuffle_answers, translations
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=4)
    >>> mixture = translations(corpus, [("eng_Latn", "deu_Latn")])
    >>> pairs = zip(mixture.examples, shuffle_answers(mixture, seed=0).examples)
    >>> any(before.answer == after.answer for before, after in pairs)
    False
    """
    rows: dict[str, list[int]] = {}
    for row, example in enumerate(mixture.examples):
        rows.setdefault(f"{example.source}>{example.target}", []).append(row)
    answers = [""] * len(mixture)
    for direction, members in rows.items():
        if len(members) < 2:
            raise ValueError(f"mixture {mixture.name!r} has one example of {direction}, expected two or more to shuffle answers.")
        order = random.Random(seed).sample(members, len(members))
        for row, other in zip(order, [*order[1:], order[0]], strict=True):
            answers[row] = mixture.examples[other].answer
    examples = [replace(example, answer=answer) for example, answer in zip(mixture.examples, answers, strict=True)]
    return Mixture(f"{mixture.name}/shuffled", tuple(examples))
