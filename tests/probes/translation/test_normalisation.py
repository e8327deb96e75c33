"""Answers that a reader of the language takes for the same are the same, and those that differ are not."""

import unicodedata

import pytest

from interp.languages import FLORES200
from probes.translation.normalisation import normalise, units
from probes.translation.text_scores import contains, exact_match, f1


def test_normalisation_forgets_width_case_and_punctuation_and_keeps_vowel_signs():
    assert normalise("  Ｅuro, 'STRASSE'!  ") == "euro strasse" == normalise("euro straße")
    assert normalise("नमस्ते।") == "नमस्ते"
    assert units("天天 向上。", "zho_Hans") == ["天", "天", "向", "上"]
    assert units("สวัสดี", "tha_Thai") == ["ส", "วั", "ส", "ดี"]
    assert units("don't stop", "eng_Latn") == ["don", "t", "stop"]


@pytest.mark.parametrize(
    ("text", "code", "parts"),
    [
        ("1954年", "zho_Hans", ["1954", "年"]),
        ("iPhone12を買う", "jpn_Jpan", ["iphone12", "を", "買", "う"]),
        ("ปี2019 COVID", "tha_Thai", ["ปี", "2019", "covid"]),
        ("ปี๒๕๖๒", "tha_Thai", ["ปี", "2562"]),
        ("၂၀၁၉ ခု", "mya_Mymr", ["2019", "ခု"]),
        ("ឆ្នាំ២០១៩", "khm_Khmr", ["ឆ្", "នាំ", "2019"]),
        ("ປີ 2019", "lao_Laoo", ["ປີ", "2019"]),
        ("ལོ་༢༠༡༩", "bod_Tibt", ["ལོ", "2019"]),
        ("３．５公里", "zho_Hant", ["3.5", "公", "里"]),
        ("Ａ・Ｂコーヒー", "jpn_Jpan", ["a", "b", "コ", "ー", "ヒ", "ー"]),
    ],
)
def test_numbers_and_words_of_other_scripts_stay_whole_where_a_language_writes_no_spaces(text, code, parts):
    assert units(text, code) == parts


@pytest.mark.parametrize(
    ("typed", "gold", "code"),
    [
        ("น\u0e4d\u0e49า", "น้ำ", "tha_Thai"),
        ("น\u0e33\u0e49", "น้ำ", "tha_Thai"),
        ("ท\u0e48\u0e35", "ที่", "tha_Thai"),
        ("เเม่", "แม่", "tha_Thai"),
        ("ນ\u0ecd\u0ec9າ", "ນ້ຳ", "lao_Laoo"),
        ("ເເມ່", "ແມ່", "lao_Laoo"),
        ("\u00d0à Nẵng", "Đà Nẵng", "vie_Latn"),
        ("\u00d0ura\u00f0", "Đurađ", "hrv_Latn"),
    ],
)
def test_a_word_typed_with_the_same_signs_in_another_order_or_letter_is_the_same(typed, gold, code):
    assert (exact_match(typed, [gold], code), f1(typed, [gold], code)) == (1.0, 1.0)
    assert exact_match("ð", ["đ"], "isl_Latn") == 0.0 == exact_match("ที", ["ที่"], "tha_Thai")


def test_another_number_is_another_answer_in_every_language():
    for code in FLORES200:
        assert f1("1954", ["1945"], code) == 0, code
        assert not contains("18", ["8"], code), code
        assert f1("In 1954", ["1945"], code) == 0, code
    assert f1("1954年", ["1945年"], "zho_Hans") == 0.5
    assert f1("AIDS", ["SIDA"], "zho_Hans") == 0
    assert not contains("AIDS", ["AI"], "jpn_Jpan")


def test_digits_of_every_script_are_digits():
    tens = [chr(point) for point in range(0x110000) if unicodedata.decimal(chr(point), None) == 1]
    assert len(tens) > 60
    for one in tens:
        assert exact_match(one + chr(ord(one) + 7), ["18"], "arb_Arab") == 1
    assert contains("العمر ١٨ سنة", ["18"], "arb_Arab")


UNSEEN = ["\u200b", "\u200c", "\u200d", "\u200e", "\u202b", "\u2067", "\ufeff", "\u00ad", "\ufe0f", "\u2060", "\u061c", "\u034f"]


@pytest.mark.parametrize("mark", UNSEEN)
def test_what_is_not_seen_is_not_compared(mark):
    assert exact_match(f"{mark}Ber{mark}lin{mark}", ["Berlin"], "deu_Latn") == 1
    assert exact_match(f"1{mark}8", ["18"], "zho_Hans") == 1
    assert contains(f"in Ber{mark}lin.", ["Berlin"], "deu_Latn")


@pytest.mark.parametrize(
    ("said", "gold", "code"),
    [
        ("محـــمد", "محمد", "arb_Arab"),  # tatweel
        ("مُحَمَّد", "محمد", "arb_Arab"),  # points that writers leave out
        ("שָׁלוֹם", "שלום", "heb_Hebr"),
        ("می‌خواهم", "میخواهم", "pes_Arab"),
        ("İSTANBUL", "istanbul", "tur_Latn"),
        ("IĞDIR", "ığdır", "tur_Latn"),
        ("BAKI", "Bakı", "azj_Latn"),
        ("İstanbul", "Istanbul", "eng_Latn"),
        ("İstanbul".lower(), "istanbul", "eng_Latn"),
        ("€18", "18", "eng_Latn"),
        ("18 %", "18%", "fra_Latn"),
        ("１８％", "18", "jpn_Jpan"),
        ("₹१,००,०००", "100000", "hin_Deva"),
        ("1,234.5", "1234.5", "eng_Latn"),
        ("1.234,5", "1234,5", "deu_Latn"),
        ("10\u202f000", "10000", "fra_Latn"),
        ("10 000", "10000", "rus_Cyrl"),
        ("١٬٢٣٤٫٥", "1234.5", "arb_Arab"),
        ("１，０００人", "1000人", "jpn_Jpan"),
        ("1’000", "1000", "deu_Latn"),
        ("3,5", "3.5", "deu_Latn"),
        ("CO₂", "CO2", "eng_Latn"),
        ("cafe\u0301", "café", "fra_Latn"),
        ("ｶﾞｽ", "ガス", "jpn_Jpan"),
        ("Ⅷ", "VIII", "eng_Latn"),
        ("ΟΔΥΣΣΕΥΣ", "Οδυσσευς", "ell_Grek"),
        ("1954 年", "1954年", "zho_Hans"),
        ("−5", "-5", "eng_Latn"),
        ("–5 °C", "(-5 ℃)", "deu_Latn"),
        ("－５", "-5", "jpn_Jpan"),
        ("-$5", "$-5", "eng_Latn"),
        ("1990–1995", "1990-1995", "eng_Latn"),
        ("10-5", "10 5", "eng_Latn"),
        ("10 -5", "10–5", "eng_Latn"),
        ("F-16", "F 16", "eng_Latn"),
        ("﷼۵۰۰", "500", "pes_Arab"),
        ("₨500", "500", "eng_Latn"),
        ("iPhone™", "iPhone", "eng_Latn"),
        ("№5", "5", "rus_Cyrl"),
        ("l´eau", "l'eau", "fra_Latn"),
        ("5㎏", "5kg", "jpn_Jpan"),
        ("5 ℃", "5 °C", "eng_Latn"),
        ("ⓐ", "a", "eng_Latn"),
        ("2.50", "2.5", "eng_Latn"),
        ("2,50 €", "2,5", "deu_Latn"),
        ("$1,000.00", "1000", "eng_Latn"),
        ("-0.50", "−0.5", "eng_Latn"),
        ("**-5**", "-5", "eng_Latn"),
        ("x=-5", "x = -5", "eng_Latn"),
        ("~-5", "-5", "eng_Latn"),
        ("≈-5", "-5", "eng_Latn"),
        ("答え：-5", "答え -5", "jpn_Jpan"),
        ("、-5", "-5", "jpn_Jpan"),
        ("答えは-5", "答えは −5", "jpn_Jpan"),
        ("10⁻⁵", "10^-5", "eng_Latn"),
        (".5", "0.5", "eng_Latn"),
        ("-$.50", "-0.5", "eng_Latn"),
        ("٫٥", "0.5", "arb_Arab"),
        ("1,500.50", "1500,5", "deu_Latn"),
        ("1,234,567", "1234567", "deu_Latn"),
        ("1.000,5", "1000.5", "arb_Arab"),
        ("1.234.567", "1234567", "eng_Latn"),
        ("12,34,567", "1234567", "hin_Deva"),
        ("3.5 4.5", "3.50 4.50", "eng_Latn"),
        ("3.10.", "3. 10.", "deu_Latn"),
        ("It is 3.10.", "it is 3.1", "eng_Latn"),
        ("علي", "علی", "pes_Arab"),
        ("كتاب", "کتاب", "urd_Arab"),
        ("مکة", "مكة", "arb_Arab"),
        ("București, Timişoara", "București, Timișoara", "ron_Latn"),
        ("п'ять", "пʼять", "ukr_Cyrl"),
        ("അവന്‍", "അവൻ", "mal_Mlym"),
        ("5 km", "5km", "eng_Latn"),
        ("5 км", "5км", "rus_Cyrl"),
        ("7 سنوات", "٧سنوات", "arb_Arab"),
        ("5 ‰", "5‰", "eng_Latn"),
        (">=5", "≥ 5", "eng_Latn"),
        ("<b>Paris</b>", "Paris", "eng_Latn"),
        ("> Paris", "-> Paris", "eng_Latn"),
        ("+5", "5", "eng_Latn"),
        ("½", "1/2", "eng_Latn"),
        ("3*4", "3 × 4", "eng_Latn"),
        ("F♯", "F#", "eng_Latn"),
        ("10⁵", "10^5", "eng_Latn"),
        ("1½", "1 1/2", "eng_Latn"),
        ("20°", "20", "eng_Latn"),
    ],
)
def test_two_ways_of_writing_an_answer_are_the_same_answer(said, gold, code):
    assert exact_match(said, [gold], code) == f1(said, [gold], code) == 1
    assert contains(f"x {said} y", [gold], code)


@pytest.mark.parametrize(
    ("said", "gold", "code"),
    [
        ("10²", "102", "eng_Latn"),
        ("3½", "31/2", "eng_Latn"),
        ("3.14", "314", "eng_Latn"),
        ("1.234", "1234", "eng_Latn"),
        ("1,234", "1234", "deu_Latn"),
        ("ISTANBUL", "istanbul", "tur_Latn"),
        ("मन", "मान", "hin_Deva"),
        ("ma", "má", "vie_Latn"),
        ("+", "-", "eng_Latn"),
        ("-5 °C", "5 °C", "eng_Latn"),
        ("(−5)", "5", "eng_Latn"),
        ("from -5", "from 5", "eng_Latn"),
        ("-1,000.50", "1000.5", "eng_Latn"),
        ("-5度", "5度", "zho_Hans"),
        ("1990\n-5", "1990 5", "eng_Latn"),
        ("1.05", "1.5", "eng_Latn"),
        ("100", "1", "eng_Latn"),
        ("C", "", "eng_Latn"),
        ("the cat", "cat", "eng_Latn"),
        ("**-5**", "5", "eng_Latn"),
        ("答えは-5", "答えは5", "jpn_Jpan"),
        ("10⁻⁵", "10⁵", "eng_Latn"),
        (".5", "5", "eng_Latn"),
        ("3.10.", "3.1.", "deu_Latn"),
        ("70,000", "70000", "deu_Latn"),
        ("70.000", "70000", "eng_Latn"),
        ("C++", "C#", "eng_Latn"),
        ("C++", "C", "eng_Latn"),
        ("Rh+", "Rh-", "eng_Latn"),
        ("Rh阳性", "Rh−", "zho_Hans"),
        ("A+", "A", "eng_Latn"),
        ("<5", ">5", "eng_Latn"),
        ("<5", "5", "eng_Latn"),
        ("5‰", "5%", "eng_Latn"),
        ("5‰", "5", "deu_Latn"),
        ("€18", "$18", "eng_Latn"),
        ("18%", "18 €", "deu_Latn"),
        ("3×4", "3+4", "eng_Latn"),
        ("2/3", "2-3", "eng_Latn"),
        ("5″", "5′", "eng_Latn"),
        ("B♭", "B", "eng_Latn"),
        ("1/2", "2/1", "eng_Latn"),
        ("10⁵", "10-5", "eng_Latn"),
        ("-∞", "∞", "eng_Latn"),
        ("5°", "5%", "eng_Latn"),
        ("علي", "على", "arb_Arab"),
    ],
)
def test_what_differs_to_a_reader_differs(said, gold, code):
    assert exact_match(said, [gold], code) == 0
    assert f1(said, [gold], code) < 1
