"""The partition of directions: the published counts, what rotation does, what is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from interp.tuning import seen_pairs
from probes.directions.roles import CLASSES, ROLES, Roles

PUBLISHED = Roles(
    mix=("en", "ko", "sw"), read_only=("zh", "fi"), write_only=("de", "hi"), unseen=("ru", "fr", "bg", "ar", "ca", "ta")
)


def test_the_published_thirteen_languages_give_the_published_counts():
    counts = Counter(PUBLISHED.classes().values())
    assert [counts[kind] for kind in CLASSES] == [22, 16, 4, 42, 42, 30]
    assert counts.total() == 156


def test_seen_is_what_is_tuned_on_and_reversed_is_its_mirror():
    seen = {pair for pair, kind in PUBLISHED.classes().items() if kind == "seen"}
    assert seen == set(seen_pairs(PUBLISHED.mix, PUBLISHED.read_only, PUBLISHED.write_only))
    for (source, target), kind in PUBLISHED.classes().items():
        if kind == "reversed":
            assert PUBLISHED.kind(target, source) == "seen"
        if kind == "one side reversed":
            assert PUBLISHED.of[source] == PUBLISHED.of[target] != "mix"
        assert ("unseen" in kind) == ("unseen" in (PUBLISHED.of[source], PUBLISHED.of[target]))


def test_all_rotations_give_every_language_every_part_equally_often():
    rotations = PUBLISHED.rotations(13)
    assert rotations[0] == PUBLISHED
    for code in PUBLISHED.languages:
        parts = Counter(roles.of[code] for roles in rotations)
        assert parts == {role: len(getattr(PUBLISHED, role)) for role in ROLES}
    assert all(Counter(roles.classes().values()) == Counter(PUBLISHED.classes().values()) for roles in rotations)


def test_few_rotations_are_evenly_spread_and_different():
    three = PUBLISHED.rotations(3)
    assert len(set(three)) == 3
    assert {roles.of["eng_Latn"] for roles in three} > {"mix"}
    with pytest.raises(ValueError, match="1 to 13"):
        PUBLISHED.rotations(14)


def test_roles_that_contradict_or_teach_nothing_are_refused():
    with pytest.raises(ValueError, match="more than one for deu_Latn"):
        Roles(mix=("en", "de"), unseen=("German",))
    with pytest.raises(ValueError, match="no direction is tuned on"):
        Roles(mix=("en",), unseen=("de",))
    with pytest.raises(ValueError, match="no direction is tuned on"):
        Roles(read_only=("en", "de"))
    assert Roles(read_only=("en",), write_only=("de",)).seen == (("eng_Latn", "deu_Latn"),)
