"""A number has one spelling, whatever its digits, groups, decimal sign and language."""

import pytest
from babel import Locale
from babel.numbers import format_decimal

from interp.languages import FLORES200, language
from interp.text.numbers import convention, number_of


@pytest.mark.parametrize(
    "tag", ["de", "fr", "ar", "fa", "hi", "ru", "sr", "pt", "gsw", "br", "hsb", "sv", "se", "bn", "mfe", "ff-Adlm"]
)
@pytest.mark.parametrize("value", ["1234567.5", "70000.25", "-12345678", "0.5", "12", "-0.75"])
def test_a_number_as_the_cldr_writes_it_in_any_language_is_that_number(tag, value):
    written = format_decimal(value, locale=Locale.parse(tag, sep="-"), decimal_quantization=False, numbering_system="default")
    assert number_of(written, language(tag).code) == value


def test_a_sign_before_three_digits_is_what_the_cldr_says_of_the_language():
    assert number_of("70,000", "deu_Latn") == number_of("70.000", "eng_Latn") == "70"
    assert number_of("70.000", "deu_Latn") == number_of("70,000", "eng_Latn") == number_of("70,000", "hin_Deva") == "70000"
    assert number_of("70,000", None) == number_of("70,000", "xyz_Latn") == "70000"


@pytest.mark.parametrize("code", FLORES200)
def test_what_can_be_read_in_one_way_is_that_number_in_every_language(code):
    for written in ("1,234,567.5", "1.234.567,5", "1'234'567.5", "1 234 567,5", "1٬234٬567٫5"):
        assert number_of(written, code) == "1234567.5"
    assert number_of("0.500", code) == number_of("0,500", code) == number_of(".5", code) == "0.5"
    assert number_of("-12,34,567", code) == "-1234567"
    assert number_of("1234.567", code) == number_of("1234,567", code) == "1234.567"


@pytest.mark.parametrize(
    "written", ["3.10.2020", "1.2.3", "1990-1995", "5'10", "1,23,45", "12 euros", "", "10 -5", "1 2 345", "3.5 4.5"]
)
def test_what_is_no_number_is_none(written):
    assert number_of(written, "eng_Latn") is None


def test_the_decimal_sign_is_known_of_languages_outside_flores():
    assert [convention(code).comma for code in ("bre_Latn", "hsb_Latn", "fry_Latn", "gsw_Latn")] == [True, True, True, False]
