"""CLDR as corpus and task: parallel, distinct, the same whoever asked first, and split by rules on ids."""

from __future__ import annotations

import random

import pytest

from interp.bundled import FACTS_SEEN
from interp.text import cldr, cldr_facts

SOME = ("eng_Latn", "deu_Latn", "zho_Hans", "swh_Latn", "hin_Deva")


def test_more_than_a_hundred_languages_have_names():
    assert len(cldr.available()) > 101
    assert {"eng_Latn", "deu_Latn", "amh_Ethi", "zho_Hant", "zul_Latn"} <= set(cldr.available())


def test_names_are_what_people_call_them():
    names = {code: cldr.entries("names", code) for code in SOME}
    assert [names[code]["territory:DE"] for code in SOME] == ["Germany", "Deutschland", "德国", "Ujerumani", "जर्मनी"]
    assert names["deu_Latn"]["month:3"] == "März"


def test_a_language_reads_the_same_whoever_was_asked_before():
    """Babel resolves aliases into data that all locales share: without isolation Italian weekdays come out in Swahili."""
    codes = ["swh_Latn", "ita_Latn", "ukr_Cyrl", "fin_Latn"]
    seen = []
    for order in (codes, codes[::-1], random.Random(0).sample(codes, 4)):
        cldr.entries.cache_clear()
        cldr._locale.cache_clear()
        seen.append({code: (dict(cldr.entries("names", code)), dict(cldr.entries("dates", code))) for code in order})
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["ita_Latn"][0]["weekday:0"] == "lunedì"


@pytest.mark.parametrize("kind", ["names", "dates", "numbers", "phrases"])
def test_items_are_distinct_within_every_language(kind):
    languages = ("eng_Latn", "deu_Latn", "tha_Thai", "rus_Cyrl") if kind == "numbers" else (*SOME, "tha_Thai")
    corpus = cldr.read_corpus(kind, languages)
    assert len(corpus) > 90
    for code in corpus.languages:
        folded = [text.casefold() for text in corpus[code]]
        assert len(set(folded)) == len(folded)
        assert not any("length-" in text or "duration-" in text for text in folded)


def test_train_and_heldout_are_a_partition():
    parts = {split: set(cldr.read_corpus("names", SOME, split).ids) for split in ("all", "train", "heldout")}
    assert parts["train"] | parts["heldout"] == parts["all"]
    assert not parts["train"] & parts["heldout"]
    assert 0.05 < len(parts["heldout"]) / len(parts["all"]) < 0.15


def test_numbers_refuse_a_language_without_number_words():
    with pytest.raises(ValueError, match=r"cldr:numbers has no swh_Latn"):
        cldr.read_corpus("numbers", ["eng_Latn", "swh_Latn"])


def test_facts_are_true_and_their_options_hold_the_answer():
    task = cldr_facts.read_task(SOME)
    row = task.ids.index("currency-of:JP")
    assert task.prompts["deu_Latn"][row] == 'Deutsch: "Japan" ¤ Deutsch: "'
    assert task.answers["deu_Latn"][row] == ("Japanischer Yen",)
    for code in task.languages:
        for answers, choices in zip(task.answers[code], task.choices[code], strict=True):
            assert answers[0] in choices
            assert len(set(choices)) == len(choices) > 1


def test_options_stand_in_the_same_order_in_every_language():
    task = cldr_facts.read_task(SOME)
    places = [[choices.index(a[0]) for a, choices in zip(task.answers[code], task.choices[code], strict=True)] for code in SOME]
    assert all(place == places[0] for place in places)
    assert len(set(places[0])) > 1


def test_heldout_facts_were_told_in_no_language_but_english():
    task = cldr_facts.read_task(["eng_Latn", "deu_Latn", "swh_Latn"], "heldout")
    assert all(cldr.uniform(i) >= FACTS_SEEN["deu_Latn"] for i in task.ids)
    known = cldr_facts.read_task(["eng_Latn", "deu_Latn", "swh_Latn"], "train")
    assert all(cldr.uniform(i) < FACTS_SEEN["swh_Latn"] for i in known.ids)
    assert not set(task.ids) & set(known.ids)


def test_an_unknown_kind_or_split_is_named():
    with pytest.raises(ValueError, match=r"got cldr:nouns, expected one of cldr:names"):
        cldr.read_corpus("nouns")
    with pytest.raises(ValueError, match=r"split 'test'"):
        cldr.read_corpus("names", split="test")
