"""Any usual spelling of a language becomes one code, and the code, tag and name of a language all lead back to it."""

import csv
import re

import pytest
from babel import Locale, localedata
from langcodes.registry_parser import parse_registry

from interp.languages import FLORES200, Language, language, languages, resolve
from interp.text.corpus import ParallelCorpus
from tests.support.shared import SHARED

DATA = SHARED / "data" / "LANGUAGES.tsv"


def test_flores_has_204_codes_and_each_means_itself() -> None:
    assert len(set(FLORES200)) == 204
    assert [language(code).code for code in FLORES200] == list(FLORES200)


@pytest.mark.parametrize("spelled", ["tag", "name"])
def test_the_tag_and_the_name_of_every_flores_language_lead_back_to_it(spelled: str) -> None:
    assert [language(getattr(Language(code), spelled)).code for code in FLORES200] == list(FLORES200)


def test_case_and_hyphen_do_not_matter_to_a_code() -> None:
    for code in FLORES200:
        assert language(code.lower()).code == language(code.replace("_", "-")).code == code


def test_a_bare_iso_639_3_code_finds_a_script_that_flores_writes() -> None:
    for code in FLORES200:
        found = language(code[:3]).code
        assert found in FLORES200
        assert found[:3] == code[:3]


@pytest.mark.parametrize(
    ("code", "spellings"),
    {
        "zho_Hans": [
            "zh",
            "zho_Hans",
            "zh-CN",
            "zh_Hans_CN",
            "Chinese",
            "chinese",
            "zho_simpl",
            "cmn",
            "zho",
            "chi",
            "Mandarin",
            "中文",
        ],
        "zho_Hant": ["zh-TW", "zh-Hant", "zho_trad", "Chinese (Traditional)", "zh_Hant_HK", "chinese_traditional", "中文（繁體）"],
        "eng_Latn": ["en", "eng", "ENG", "en_US_POSIX", "English", " en ", "en_US.UTF-8", "en_XX", "en-UK"],
        "arb_Arab": ["ar", "ara", "arb", "Arabic", "ar-EG", "AR-XY"],
        "pes_Arab": ["fa", "fas", "per", "Farsi", "Persian"],
        "prs_Arab": ["prs", "fa-AF", "Dari", "Persian (Dari)"],
        "tgl_Latn": ["tl", "fil", "tgl", "fil_Latn", "Tagalog", "Filipino", "Filipino (Tagalog)"],
        "kor_Hang": ["ko", "ko-KR", "kor_Kore", "Korean", "kor_Hangul"],
        "crh_Latn": ["crh", "Crimean Tatar"],
        "srp_Cyrl": ["sr", "Serbian"],
        "srp_Latn": [
            "sr_Latn_RS",
            "Serbian (Latin)",
            "sh",
            "hbs",
            "cnr",
            "Montenegrin",
            "sr@latin",
            "sr_RS.UTF-8@latin",
            "sr-ME",
            "serbian_latin",
        ],
        "zho_Latn": ["zh-pinyin", "zh-Latn-pinyin"],
        "gom_Deva": ["gom"],
        "apc_Arab": ["apc_Arab", "apc_Arab_nort3139"],
        "pan_Arab": ["pa-PK", "Punjabi (Pakistan)", "pa@shahmukhi"],
        "uzn_Cyrl": ["uz@cyrillic", "Uzbek (Cyrillic)", "Uzbek Cyrillic", "uz_UZ.utf8@cyrillic", "uz-Cyrl"],
        "twi_Latn": ["tw", "twi"],
        "aka_Latn": ["ak", "aka"],
        "nob_Latn": ["no", "nb", "nor"],
        "por_Latn": ["pt-BR", "pt_PT", "Brazilian Portuguese"],
        "quy_Latn": ["qu", "que"],
        "deu_Latn": ["de-1901", "ger", "Deutsch", "de_DE@euro", "de-DE-u-co-phonebk", "deu_Latin"],
        "yue_Hant": ["zh-yue", "zh-yue-HK", "zho-yue", "Cantonese"],
        "arz_Arab": ["ar-arz", "arz", "Egyptian Arabic", "Arabic (Egyptian)"],
        "ckb_Arab": ["ku-ckb", "ckb", "Sorani"],
        "nan_Hans": ["zh-min-nan"],
        "nno_Latn": ["no-nyn", "nn_NO.UTF-8"],
        "ltz_Latn": ["i-lux"],
        "kmr_Latn": ["Kurdish (Kurmanji)", "Northern Kurdish"],
        "pnb_Arab": ["pnb", "Western Punjabi"],
        "gla_Latn": ["scottish_gaelic"],
        "zsm_Latn": ["msa", "ms"],
    }.items(),
)
def test_spellings(code: str, spellings: list[str]) -> None:
    assert {spelling: language(spelling).code for spelling in spellings} == dict.fromkeys(spellings, code)


@pytest.mark.skipif(not DATA.exists(), reason="shared data not here")
def test_every_language_of_the_shared_data_means_itself() -> None:
    with DATA.open(encoding="utf-8") as file:
        codes = [row["code"] for row in csv.DictReader(file, delimiter="\t")]
    assert len(codes) > 150
    assert [language(code).code for code in codes] == codes


def test_every_locale_of_babel_is_a_language_in_the_script_it_names() -> None:
    for locale in localedata.locale_identifiers():
        found = language(locale)
        scripts = [part for part in locale.split("_") if len(part) == 4 and part.isalpha()]
        assert not scripts or found.script == scripts[0], locale


def test_the_name_of_a_language_in_a_script_of_its_own_means_it_and_no_other() -> None:
    found = {}
    for own in map(Locale.parse, localedata.locale_identifiers()):
        name = own.languages.get(own.language)
        if name and own.territory is None and not re.search("[A-Za-z]", name):
            found[own.language] = language(own.language).code[:3], (resolve(name) or "unknown")[:3]
    assert {want for want, got in found.values() if got not in (want, "unk")} == set()
    assert {tag for tag, (_, got) in found.items() if got == "unk"} <= {"wal", "ms", "cu", "vai", "kk"}


def test_words_of_a_language() -> None:
    chinese, german, hebrew = language("zh"), language("de"), language("he")
    assert (chinese.name, chinese.tag, chinese.script) == ("Chinese (Simplified)", "zh-Hans", "Hans")
    assert (german.name, german.autonym, german.tag, german.rtl) == ("German", "Deutsch", "de", False)
    assert hebrew.rtl
    assert language("uzn_Arab").rtl
    assert str(german) == "deu_Latn"
    assert language(german) == german


@pytest.mark.parametrize(
    "nonsense",
    ["", "Germn", "xx", "und", "mul_Latn", "eng_Xxxx", "eng_Zzzz", "../eng", "a\nb", "é" * 500, "\ud800", "is_ok",
     "en-deu", "zh-arz", "en-foobar", "en.txt", "English notes", "German POS", "Serbian (old)", "pa@foo", "de@", "C.UTF-8"],
)  # fmt: skip
def test_what_means_no_language_is_refused_in_one_line(nonsense: str) -> None:
    with pytest.raises(ValueError, match="unknown language") as refused:
        language(nonsense)
    assert len(str(refused.value).splitlines()) == 1


def test_a_misspelt_language_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean German"):
        language("Germn")
    with pytest.raises(ValueError, match=r"Did you mean.* deu_Latn"):
        language("deuu_Latn")


@pytest.mark.parametrize(
    ("asked", "there", "told"),
    [
        ("kor_Hang", ("zho_Hant", "tur_Latn", "som_Latn"), ""),
        ("srp_Cyrl", ("srp_Latn", "sro_Latn"), " Did you mean srp_Latn?"),
        ("zho_Hans", ("zho_Hant", "hne_Deva", "yue_Hant"), " Did you mean zho_Hant?"),
    ],
)
def test_a_missing_language_is_answered_with_itself_in_another_script_and_never_with_another(asked, there, told) -> None:
    corpus = ParallelCorpus("c", dict.fromkeys(there, ("a",)))
    with pytest.raises(ValueError, match=re.escape(f"it has {', '.join(sorted(there))}.{told}") + "$"):
        corpus[asked]


def test_the_misspelt_script_of_a_language_is_answered_with_its_own() -> None:
    for misspelt, told in {"kor_Hangl": "kor_Hang", "zho_Hanss": "zho_Hans, zho_Hant", "xx": ""}.items():
        with pytest.raises(ValueError, match=r"\(German\)\." + (f" Did you mean {told}\\?" if told else "") + "$"):
            language(misspelt)


@pytest.mark.parametrize(
    ("spelling", "told"),
    [
        ("MSA", r"Modern Standard Arabic \(arb_Arab\) or Malay \(zsm_Latn\)"),
        ("Egyptian", r"Egyptian Arabic \(arz_Arab\) or Ancient Egyptian"),
        ("pidgin", r"Nigerian Pidgin \(pcm_Latn\) or Tok Pisin"),
        ("isiNdebele", r"North Ndebele \(nde_Latn\) or South Ndebele"),
        ("pinyin", "'pinyin' is a way to write Chinese: write zho_Latn"),
        ("cn", "'cn' is no code of a language: write zho_Hans for Chinese"),
        ("JP", "write jpn_Jpan for Japanese"),
        ("cz", "write ces_Latn for Czech"),
        ("ua", "write ukr_Cyrl for Ukrainian"),
        ("pk", "write urd_Arab for Urdu"),
        ("klingon", "expected a code with the script, such as tlh_Latn"),
    ],
)
def test_a_spelling_that_means_another_language_than_its_letters_is_refused_with_what_it_may_mean(spelling, told) -> None:
    with pytest.raises(ValueError, match=told):
        language(spelling)


def test_every_extended_subtag_of_the_registry_is_read_as_the_language_itself() -> None:
    registered = [one for one in parse_registry() if one["Type"] == "extlang" and one["Prefix"] != ["sgn"]]
    assert len(registered) > 80
    for one in registered:
        assert resolve(f"{one['Prefix'][0]}-{one['Subtag']}") == resolve(one["Subtag"])


def test_a_language_without_a_known_script_asks_for_one() -> None:
    with pytest.raises(ValueError, match=r"whose script is not known.*tlh_Latn"):
        language("Klingon")


@pytest.mark.parametrize("spelling", ["en (US)", "__en__", "en US", "en,de", "en, de", "de;en"])
def test_codes_with_something_else_are_no_names_of_small_languages(spelling: str) -> None:
    """There are languages called En, Ende and De."""
    assert resolve(spelling) is None


def test_one_language_spelt_twice_is_refused() -> None:
    assert [found.code for found in languages(["de", "English"])] == ["deu_Latn", "eng_Latn"]
    with pytest.raises(ValueError, match="'zh' and 'Chinese' both mean zho_Hans"):
        languages(["zh", "de", "Chinese"])


def test_a_name_is_looked_up_once() -> None:
    assert language("Chinese") is language("Chinese")
    assert language("Chinese").name is language("Chinese").name
