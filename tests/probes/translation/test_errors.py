"""Planted errors are found, and what only looks like one is not: the published rules' known faults beside the corrected ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import interp
from probes.translation.errors import ERRORS, NONE, Limits, classify, repeats
from probes.translation.language_id import by_identifier, by_script, learn_languages


def _flags(rules, source, target, text, reference, said, judge=by_script, limits=None):
    table = pd.DataFrame(
        {"source": [source], "target": [target], "text": [text], "reference": [reference], "hypothesis": [said]}, index=[7]
    )
    found = classify(table, rules, judge, limits)
    assert list(found.index) == [7]
    return {name for name in ERRORS if found.loc[7, name]}, found.loc[7, "first"]


def _both(*case, **how):
    return tuple(_flags(rules, *case, **how)[0] for rules in ("published", "corrected"))


ENGLISH, RUSSIAN = "the old bridge over the river is closed", "старый мост через реку закрыт"


@pytest.mark.parametrize(
    ("said", "planted"),
    [
        (ENGLISH, "copy"),
        ("the old bridge over the river stands", "off_target"),
        ("旧桥关闭 旧桥关闭", "off_target"),
        ("мост", "short"),
        ("старый мост через реку закрыт и никто не знает когда его снова откроют для нас", "long"),
        ("старый мост старый мост старый мост старый мост", "repeats"),
        ("мост [Russian]: закрыт [Russian]: закрыт", "pattern"),
        ("", "short"),
    ],
)
def test_every_planted_error_is_found(said, planted):
    found, _ = _flags("corrected", "eng_Latn", "rus_Cyrl", ENGLISH, RUSSIAN, said)
    assert planted in found


@pytest.mark.parametrize("said", [RUSSIAN, "Старый мост через реку закрыт.", "старая переправа у реки не работает"])
def test_a_translation_has_none_of_them_under_either_set_of_rules(said):
    case = ("eng_Latn", "rus_Cyrl", ENGLISH, RUSSIAN, said)
    assert _both(*case) == (set(), set())
    assert _flags("corrected", *case)[1] == NONE


def test_several_errors_stand_together_and_first_is_the_first_in_the_published_order():
    said = "bridge bridge bridge bridge bridge bridge bridge bridge bridge bridge bridge"
    found, first = _flags("corrected", "eng_Latn", "rus_Cyrl", ENGLISH, RUSSIAN, said)
    assert found == {"repeats", "off_target", "long"}
    assert first == "repeats"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("eng_Latn", "it is very very good"),
        ("eng_Latn", "that that is fine"),
        ("zho_Hans", "好好学习天天向上吧"),
        ("zho_Hans", "妈妈来了"),
        ("ind_Latn", "anak anak bermain di taman"),
        ("hin_Deva", "वह धीरे धीरे चलता है"),
    ],
)
def test_reduplication_is_a_hallucination_to_the_published_rules_alone(target, said):
    published, corrected = _both("fra_Latn", target, "c'est autre chose", said[::-1], said)
    assert "repeats" in published
    assert "repeats" not in corrected


def test_a_loop_without_an_end_escapes_the_published_rule_and_not_the_corrected_one():
    published, corrected = _both("fra_Latn", "eng_Latn", "la fin", "the end", "the end the end")
    assert "repeats" not in published | corrected
    assert "repeats" in _both("fra_Latn", "eng_Latn", "la fin", "the end", "the end the end the end")[1]


def test_what_the_reference_repeats_and_round_numbers_are_no_loops():
    assert repeats("ha ha ha", "eng_Latn") == {("ha",)}
    assert "repeats" not in _flags("corrected", "deu_Latn", "eng_Latn", "hi hi hi", "ha ha ha", "ha ha ha!")[0]
    assert not repeats("1,000,000,000", "eng_Latn")
    assert not repeats("1000000年", "zho_Hans")
    assert not repeats("Schifffahrt", "deu_Latn")
    assert repeats("lalalalalala", "eng_Latn") == {("l", "a")}


def test_indic_vowel_signs_and_chinese_halves_lose_the_published_language_check_only():
    published, corrected = _both("eng_Latn", "zho_Hans", "the weather is fine today", "今天天气很好", "今天天气非常好")
    assert "off_target" in published
    assert "off_target" not in corrected

    def needs_its_vowel_signs(texts, code):
        return ["नमस्ते" in text or "दुनिया" in text for text in texts]

    published, corrected = _both("eng_Latn", "hin_Deva", "hello world", "नमस्ते संसार", "नमस्ते दुनिया", judge=needs_its_vowel_signs)
    assert "off_target" in published
    assert "off_target" not in corrected


def test_the_published_check_lets_the_source_language_pass_and_knows_no_code_of_three_letters():
    case = ("eng_Latn", "rus_Cyrl", ENGLISH, RUSSIAN, "a bridge which nobody may cross")
    published, corrected = _both(*case)
    assert "off_target" not in published
    assert "off_target" in corrected
    cebuano = ("rus_Cyrl", "ceb_Latn", RUSSIAN, "sirado ang daang tulay", "sirado na ang tulay")
    assert [("off_target" in found) for found in _both(*cebuano)] == [True, False]


def test_the_published_pattern_fires_at_one_pair_of_brackets():
    for said in ("[de]: Hallo", "Hallo [sic]", "[]", "[a [b] c"):
        assert "pattern" in _flags("published", "eng_Latn", "deu_Latn", "hello", "Hallo", said)[0]
    for said in ("Hallo", "[Hallo", "Hallo] [", "[Hal\nlo]"):
        assert "pattern" not in _flags("published", "eng_Latn", "deu_Latn", "hello", "Hallo", said)[0]
    assert "pattern" not in _flags("corrected", "eng_Latn", "deu_Latn", "hello", "Hallo", "[de]: Hallo")[0]


def test_the_published_rules_count_the_spaces_of_chinese():
    reference = "好" * 12
    assert "short" in _flags("published", "eng_Latn", "zho_Hans", "x", reference, "天地人大")[0]
    assert "short" not in _flags("published", "eng_Latn", "zho_Hans", "x", reference, "天 地 人 大")[0]
    assert "repeats" in _flags("published", "eng_Latn", "zho_Hans", "x", "好", "天天向上")[0]
    assert "repeats" not in _flags("published", "eng_Latn", "zho_Hans", "x", "好", "天 天向上")[0]
    assert "repeats" not in _flags("published", "eng_Latn", "zho_Hans", "x", "好", "天天 ")[0], "lines are stripped"


def test_a_half_without_letters_is_english_to_the_published_language_check():
    def off(source, target, said):
        return "off_target" in _flags("published", source, target, "x", "y", said)[0]

    assert not off("rus_Cyrl", "eng_Latn", "bridge"), "the first half of one word is empty, and that is English"
    assert not off("rus_Cyrl", "eng_Latn", "")
    assert not off("rus_Cyrl", "eng_Latn", "16 2020")
    assert not off("eng_Latn", "rus_Cyrl", "16"), "English is the source"
    assert off("deu_Latn", "rus_Cyrl", "")
    assert off("deu_Latn", "rus_Cyrl", "16 июля")
    assert off("deu_Latn", "rus_Cyrl", "мост")
    assert not off("deu_Latn", "rus_Cyrl", "старый мост")
    assert off("eng_Latn", "zho_Hans", "今天天气很好"), "half English, half Chinese"


def test_thai_and_japanese_are_measured_in_characters_by_the_corrected_rules():
    case = ("eng_Latn", "jpn_Jpan", "the old bridge is closed", "古い橋は閉鎖されています", "橋")
    assert [("short" in found) for found in _both(*case)] == [False, True]


def test_a_name_that_is_the_same_in_both_languages_is_no_copy_and_a_date_in_the_wrong_language_is():
    assert _both("eng_Latn", "deu_Latn", "Berlin", "Berlin", "Berlin") == ({"copy"}, set())
    assert "copy" in _flags("corrected", "spa_Latn", "por_Latn", "5 de marzo", "5 de março", "5 de marzo")[0]


def test_thresholds_are_parameters():
    case = ("eng_Latn", "deu_Latn", "so so", "so", "na na na [x] [y]")
    assert _flags("corrected", *case)[0] == {"repeats", "pattern", "long"}
    assert not _flags("corrected", *case, limits=Limits(copies=4, brackets=2, longest=9.0))[0]


def test_the_second_half_alone_may_be_off_target():
    said = "старый и большой мост через реку and nobody knows why"
    assert "off_target" in _flags("corrected", "eng_Latn", "rus_Cyrl", "x", RUSSIAN, said)[0]
    assert "off_target" not in _flags("corrected", "eng_Latn", "rus_Cyrl", "x", RUSSIAN, said, limits=Limits(halves=99))[0]
    assert "off_target" not in _flags("corrected", "eng_Latn", "rus_Cyrl", "x", "WhatsApp", "WhatsApp Web")[0]


def test_languages_learned_from_the_text_are_told_apart_within_a_script_and_may_share_a_text():
    codes = ["eng_Latn", "deu_Latn", "fra_Latn", "tur_Latn", "rus_Cyrl", "jpn_Jpan"]
    known = learn_languages(interp.read("cldr:dates", languages=codes, split="train").sentences)
    held = interp.read("cldr:dates", languages=codes, split="heldout")
    for code in codes:
        passed = {other: np.mean(known.judge(held[other], code)) for other in codes}
        assert passed.pop(code) > 0.97
        assert max(passed.values()) < 0.3, "July is July in English alone, but 16 November is in two languages"
        assert np.mean([found == code for found in known.identify(held[code])]) > 0.8
    assert known.judge(["16 November"], "eng_Latn") == known.judge(["16 November"], "deu_Latn") == [True]
    assert known.identify(["12", ""]) == ["", ""]
    assert known.judge(["12"], "eng_Latn") == [False]
    case = ("eng_Latn", "deu_Latn", "July 12", "12. Juli", "12 juillet")
    assert "off_target" in _flags("corrected", *case, judge=known.judge)[0]
    assert "off_target" not in _flags("corrected", *case)[0]
    with pytest.raises(ValueError, match="expected one of those learned"):
        known.judge(["hola"], "spa_Latn")
    with pytest.raises(ValueError, match="got text in eng_Latn, expected two"):
        learn_languages({"eng_Latn": held["eng_Latn"]})


def test_an_identifier_of_ones_own_is_a_judge():
    judge = by_identifier(lambda texts: ["deu_Latn" if "ä" in text else "eng_Latn" for text in texts])
    assert judge(["März", "March"], "deu_Latn") == [True, False]
