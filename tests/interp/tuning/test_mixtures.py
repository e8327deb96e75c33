"""What a model is tuned on: nested subsets, exact counts, honest controls."""

import json

import pytest

from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.tuning import (
    Mixture,
    answered_questions,
    coit,
    copies,
    directed,
    generations,
    muit,
    ordered_pairs,
    plain_text,
    question_translations,
    read_instructions,
    sampled,
    seen_pairs,
    shuffle_answers,
    translations,
    union,
)

WORDS = {"eng_Latn": "word", "deu_Latn": "Wort", "swh_Latn": "neno", "zho_Hans": "词"}
CORPUS = ParallelCorpus("made", {code: tuple(f"{word} {n}" for n in range(30)) for code, word in WORDS.items()})
TASK = ParallelTask(
    "asked",
    {"eng_Latn": tuple(f"What is {n}?" for n in range(6)), "deu_Latn": tuple(f"Was ist {n}?" for n in range(6))},
    {code: tuple((f"secret{n}", "other") for n in range(6)) for code in ("eng_Latn", "deu_Latn")},
)


def test_a_small_data_set_is_inside_a_larger_one_of_the_same_seed():
    mixture = translations(CORPUS, [("en", "de")])
    small, large = (set(mixture.prefix(n, seed=3).examples) for n in (5, 12))
    assert small < large
    assert mixture.prefix(5, seed=4).identity != mixture.prefix(5, seed=3).identity


def test_limited_translations_take_the_same_items_in_every_direction():
    mixture = translations(CORPUS, [("en", "de"), ("en", "sw")], limit=7, seed=1)
    items = {target: [each.item for each in mixture.examples if each.target == target] for target in ("deu_Latn", "swh_Latn")}
    assert items["deu_Latn"] == items["swh_Latn"]
    assert mixture.counts() == {"eng_Latn>deu_Latn": 7, "eng_Latn>swh_Latn": 7}
    larger = translations(CORPUS, [("en", "de"), ("en", "sw")], limit=8, seed=1)
    assert set(items["deu_Latn"]) < {each.item for each in larger.examples}


def test_a_translation_example_reads_the_source_and_writes_the_target_of_one_item():
    for each in translations(CORPUS, [("zh", "sw")]).examples:
        number = each.input.split()[-1]
        assert (each.input, each.answer) == (f"词 {number}", f"neno {number}")
        assert "Chinese (Simplified)" in each.instruction
        assert "Swahili" in each.instruction


def test_question_translation_never_shows_an_answer():
    mixture = question_translations(TASK, ["de"])
    assert mixture.counts() == {"deu_Latn>eng_Latn": 6}
    assert not any("secret" in each.input + each.answer + each.instruction for each in mixture.examples)


def test_the_directions_of_the_mfti_study_are_156_and_22_of_them_are_seen():
    everyone = ["en", "de", "fr", "ca", "fi", "ru", "bg", "zh", "ko", "ar", "sw", "hi", "ta"]
    assert len(ordered_pairs(everyone)) == 156
    seen = seen_pairs(mix=["en", "ko", "sw"], source=["zh", "fi"], target=["de", "hi"])
    assert len(set(seen)) == 22
    assert ("zho_Hans", "deu_Latn") in seen
    assert ("deu_Latn", "zho_Hans") not in seen


def test_the_directions_of_a_kind_are_those_that_it_names():
    out, into = directed("from_pivot", ["de", "sw"]), directed("to_pivot", ["de", "sw"])
    assert out == (("eng_Latn", "deu_Latn"), ("eng_Latn", "swh_Latn"))
    assert into == tuple((b, a) for a, b in out)
    assert set(directed("both", ["de", "sw"])) == {*out, *into}
    every, without = set(directed("all", ["de", "sw", "zh"])), set(directed("without_pivot", ["de", "sw", "zh"]))
    assert (len(every), len(without)) == (12, 6)
    assert without == {pair for pair in every if "eng_Latn" not in pair}
    few, more = (directed("all", ["de", "sw", "zh"], count=count, seed=3) for count in (4, 9))
    assert set(few) < set(more) < every
    with pytest.raises(ValueError, match="Did you mean to_pivot"):
        directed("topivot", ["de"])
    with pytest.raises(ValueError, match="1 languages beside the pivot"):
        directed("without_pivot", ["de"])
    with pytest.raises(ValueError, match="expected 1 to 2"):
        directed("from_pivot", ["de", "sw"], count=3)


def test_an_instruction_to_generate_gives_nothing_to_translate_and_can_stand_beside_translations_of_its_sentences():
    written, translated = generations(CORPUS, ["de"], limit=4), translations(CORPUS, [("en", "de"), ("de", "en")], limit=4)
    assert {each.input for each in written.examples} == {""}
    assert {each.instruction for each in written.examples} == {"Write a sentence in German."}
    together = union("both", [written, translated])
    train, held_out = together.split(0.5, seed=0)
    assert not {each.item for each in train.examples} & {each.item for each in held_out.examples}, "a sentence is held out in both"
    assert len(held_out) == 2 * 3


def test_coit_is_the_union_of_its_three_parts():
    parts = answered_questions(TASK, ["en"]), answered_questions(TASK, ["de"]), translations(CORPUS, [("en", "de")])
    assert coit(*parts).examples == union("all", parts).examples
    assert parts[0].examples[0].answer.startswith("secret")


def test_muit_keeps_budgets_ratios_and_says_what_is_missing():
    parts = {"de": translations(CORPUS, [("en", "de")]), "sw": translations(CORPUS, [("en", "sw")])}
    assert muit(parts, budgets={"German": 4, "sw": 9}).counts() == {"eng_Latn>deu_Latn": 4, "eng_Latn>swh_Latn": 9}
    assert muit(parts, total=20, ratios={"de": 3.0, "sw": 1.0}).counts() == {"eng_Latn>deu_Latn": 15, "eng_Latn>swh_Latn": 5}
    assert len(muit(parts)) == 60
    with pytest.raises(ValueError, match="budget for hin_Deva"):
        muit(parts, budgets={"hi": 4})
    with pytest.raises(ValueError, match="'de' and 'German' both mean deu_Latn"):
        muit(parts, budgets={"de": 4, "German": 5})


def test_sampling_by_size_and_temperature_and_a_part_that_runs_dry():
    parts = {"big": translations(CORPUS, [("en", "de")]), "small": translations(CORPUS, [("en", "sw")], limit=10)}
    assert _sizes(sampled(parts, 20, seed=0)) == [15, 5]
    assert _sizes(sampled(parts, 20, seed=0, temperature=1e9)) == [10, 10]
    assert _sizes(sampled(parts, 36, seed=0, temperature=1e9)) == [26, 10]
    with pytest.raises(ValueError, match="got 41 examples to sample, expected 1 to 40"):
        sampled(parts, 41, seed=0)


def test_the_copy_control_teaches_the_format_and_nothing_else():
    mixture = copies(CORPUS, "en")
    assert all(each.input == each.answer and each.source == each.target == "eng_Latn" for each in mixture.examples)


def test_shuffled_answers_keep_direction_and_words_but_never_the_right_answer():
    mixture = translations(CORPUS, [("en", "de"), ("en", "sw")])
    shuffled = shuffle_answers(mixture, seed=0)
    assert shuffled.counts() == mixture.counts()
    assert sorted(each.answer for each in shuffled.examples) == sorted(each.answer for each in mixture.examples)
    pairs = list(zip(mixture.examples, shuffled.examples, strict=True))
    assert all(a.input == b.input and a.answer != b.answer and a.answer[:4] == b.answer[:4] for a, b in pairs)


def test_held_out_items_are_held_out_in_every_language():
    train, held = translations(CORPUS, ordered_pairs(["en", "de", "sw"])).split(0.2, seed=0)
    assert len(held) == 6 * 6
    assert not {each.item for each in train.examples} & {each.item for each in held.examples}


def test_plain_text_is_the_sentences_themselves():
    assert [each.answer for each in plain_text(CORPUS, ["de"], limit=30).examples] != list(CORPUS["de"])  # shuffled
    assert {each.answer for each in plain_text(CORPUS, ["de"]).examples} == set(CORPUS["de"])


def test_instruction_files_are_read_in_alpaca_and_question_form(tmp_path):
    lines = [
        {"instruction": "Say hi", "input": "", "output": "hi"},
        {"input": "Hallo\nTranslate:", "answer": "Hello", "source": "de"},
    ]
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    first, second = read_instructions(path).examples
    assert (first.instruction, first.input, first.answer, first.target) == ("Say hi", "", "hi", "eng_Latn")
    assert (second.answer, second.source, second.target) == ("Hello", "deu_Latn", "eng_Latn")


@pytest.mark.parametrize("line", ["{", '["list"]', '{"input": "no answer"}', '{"output": 3}', '{"output": "x", "input": 0}'])
def test_a_broken_instruction_line_is_named(tmp_path, line):
    path = tmp_path / "some.jsonl"
    path.write_text('{"output": "fine"}\n' + line, encoding="utf-8")
    with pytest.raises(ValueError, match=r"some.jsonl:2: "):
        read_instructions(path)


def test_an_empty_mixture_and_a_language_without_data_are_refused():
    with pytest.raises(ValueError, match="is empty"):
        Mixture("nothing", ())
    with pytest.raises(ValueError, match="no hin_Deva"):
        translations(CORPUS, [("en", "hi")])
    with pytest.raises(ValueError, match="got 31 items to take from 'made', expected 1 to 30"):
        translations(CORPUS, [("en", "de")], limit=31)
    with pytest.raises(ValueError, match="more than once"):
        union("twice", [copies(CORPUS), copies(CORPUS)])


def _sizes(mixture: Mixture) -> list[int]:
    return list(mixture.counts().values())
