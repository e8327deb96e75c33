"""Languages and their codes: every common spelling is resolved to one `Language`.

Corpora, papers and tokenizers spell languages differently ("zh", "zho_Hans", "zh-CN", "Chinese"). This toolkit uses FLORES-200
codes throughout: ISO 639-3 and ISO 15924, joined by an underscore, such as `zho_Hans`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import langcodes

from interp.spellings import is_unclear, meant_by
from interp.tags import macrolanguage, parse_tag, scripts

Value = TypeVar("Value")

_FLORES200 = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab
ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng
bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn cym_Latn
dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn fij_Latn fin_Latn
fon_Latn fra_Latn fur_Latn fuv_Latn gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva
hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn
kan_Knda kas_Arab kas_Deva kat_Geor kaz_Cyrl kbp_Latn kea_Latn khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn
knc_Arab knc_Latn kon_Latn kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn
luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab min_Latn mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn
mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab
pes_Arab plt_Latn pol_Latn por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Olck scn_Latn shn_Mymr
sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn
swh_Latn szl_Latn tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn tso_Latn
tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn
xho_Latn ydd_Hebr yor_Latn yue_Hant zho_Hans zho_Hant zsm_Latn zul_Latn
"""
FLORES200: tuple[str, ...] = tuple(_FLORES200.split())
"""The 204 language codes of FLORES-200 (NLLB team 2022)."""

# FLORES-200 names one individual language where BCP 47 prefers the macrolanguage, and Tagalog what BCP 47 calls Filipino.
_INDIVIDUAL = {
    "ar": "arb", "ay": "ayr", "az": "azj", "fa": "pes", "ff": "fuv", "fil": "tgl", "kr": "knc", "ku": "kmr", "lv": "lvs",
    "mg": "plt", "mn": "khk", "ms": "zsm", "nb": "nob", "ne": "npi", "om": "gaz", "or": "ory", "ps": "pbt", "sq": "als",
    "sw": "swh", "uz": "uzn", "yi": "ydd",
}  # fmt: skip
_MACRO = {individual: macro for macro, individual in _INDIVIDUAL.items()}
_INDIVIDUAL |= {"no": "nob", "qu": "quy", "cmn": "zho", "ekk": "est"}
_FLORES101 = {"zho_simpl": "zho_Hans", "zho_trad": "zho_Hant"}
_SCRIPTS = {alpha3: [code[4:] for code in FLORES200 if code[:3] == alpha3] for alpha3 in {code[:3] for code in FLORES200}}
_RIGHT_TO_LEFT = frozenset({"Arab", "Hebr", "Thaa", "Nkoo", "Syrc", "Adlm"})
_WRITTEN_WITH = {"Hans": {"Hani"}, "Hant": {"Hani"}, "Jpan": {"Hani", "Hira", "Kana"}, "Kore": {"Hang", "Hani"}}
_NO_LANGUAGE = frozenset({"und", "mul", "mis", "zxx"})
_LONGEST = 100
_SHORTEST_NAME = 3
"""Fewest letters of a name in Latin script: two are a code, or the name of a language that hardly anybody means, "Ua"."""
_MOST_WORDS = 6
_OTHER_NAMES = {
    "western punjabi": "pnb_Arab", "پنجابی": "pan_Arab", "ދިވެހިބަސް": "div_Thaa", "ᐃᓄᒃᑎᑐᑦ": "iku_Cans",
    "汉语": "zho_Hans", "华语": "zho_Hans", "漢語": "zho_Hant", "華語": "zho_Hant", "國語": "zho_Hant",
    "正體中文": "zho_Hant", "粵語": "yue_Hant", "粤语": "yue_Hant", "廣東話": "yue_Hant",
    "ภาษาไทย": "tha_Thai", "xitsonga": "tso_Latn",
}  # fmt: skip
"""Names that the registry gives to another language or lacks, the latter mostly in the language itself."""


@dataclass(frozen=True, order=True)
class Language:
    """A language in a script, identified by its FLORES-200 code.

    Parameters
    ----------
    code
        ISO 639-3 language and ISO 15924 script, "zho_Hans". Use `language` to make one from any other spelling.

    Example
    -------
    >>> language("Chinese")
    Language(code='zho_Hans')
    >>> language("ar").name, language("ar").script, language("ar").rtl
    ('Arabic', 'Arab', True)
    """

    code: str

    @property
    def script(self) -> str:
        """ISO 15924 code of the script, "Hans"."""
        return self.code[4:]

    @cached_property
    def tag(self) -> str:
        """BCP 47 tag, "zh-Hans", without the script if that is the usual one ("de"). `language(tag)` gives the same language."""
        short = _subtag(self.code[:3])
        usual = _likely(short, None) == self.script != "Hans" or self.code == "kor_Hang"
        return short if usual else f"{short}-{self.script}"

    @cached_property
    def name(self) -> str:
        """English name, with the script only if the language has several: "Chinese (Simplified)", "German"."""
        return _langcode(self).display_name("en")

    @cached_property
    def autonym(self) -> str:
        """Name of the language in itself, without the script: "Deutsch", "中文". The English name if CLDR has no other."""
        return re.sub(r"\s*[(（].*", "", _langcode(self).autonym())

    @property
    def letter_scripts(self) -> frozenset[str]:
        """The scripts that Unicode gives its letters: `Hani` for Chinese, three for Japanese."""
        return frozenset(_WRITTEN_WITH.get(self.script, {self.script}))

    @property
    def rtl(self) -> bool:
        """Whether the script is written from right to left."""
        return self.script in _RIGHT_TO_LEFT

    def __str__(self) -> str:
        return self.code


@lru_cache(maxsize=8192)
def language(spelling: str | Language) -> Language:
    """Resolve a code, tag or English name to a language.

    Parameters
    ----------
    spelling
        A FLORES-200 code ("zho_Hans"), a FLORES-101 code ("zho_simpl"), a BCP 47 tag ("zh", "zh-CN", "zh-yue"), a POSIX locale
        ("sr_RS.UTF-8@latin"), an English name ("Chinese") or its own ("中文"). Without a script, it is
        that of FLORES-200, or else the likely one of CLDR. A region is only used to find the script: "pt-BR" is `por_Latn`.

    Raises
    ------
    ValueError
        The language is unknown, or its script is. The message names the nearest languages.

    Example
    -------
    >>> [language(spelling).code for spelling in ("zh-CN", "de", "Swahili")]
    ['zho_Hans', 'deu_Latn', 'swh_Latn']
    """
    if isinstance(spelling, Language):
        return spelling
    stripped = spelling.strip()
    if len(stripped) > _LONGEST:
        raise ValueError(f"unknown language {stripped[:40]!r}...: got {len(stripped)} characters, expected at most {_LONGEST}.")
    code = resolve(stripped)
    if code is None:
        raise ValueError(_unknown(stripped))
    return Language(code)


def resolve(spelling: str) -> str | None:
    """The code of the language that `language(spelling)` gives, or None if there is none.

    It does not search for the nearest language, so it is fast enough to look up every column of a table.
    """
    code_or_name = _FLORES101.get(spelling, spelling)
    if code_or_name in FLORES200:
        return code_or_name
    if len(code_or_name) > _LONGEST or is_unclear(code_or_name):
        return None
    tag = parse_tag(code_or_name)
    code = _of_tag(*tag) if tag else None
    spoken = code_or_name.replace("_", " ")
    return code or _names().get(spoken.casefold()) or _of_name(spoken)


def languages(spellings: Iterable[str | Language]) -> tuple[Language, ...]:
    """Resolve several `spellings`, in their order. Raises `ValueError` if one is unknown, or if two mean the same language."""
    spelled: dict[Language, str | Language] = {}
    for spelling in spellings:
        resolved = language(spelling)
        if resolved in spelled:
            raise ValueError(
                f"languages {str(spelled[resolved])!r} and {str(spelling)!r} both mean {resolved.code} ({resolved.name}). "
                "Give each language once."
            )
        spelled[resolved] = spelling
    return tuple(spelled)


def by_code(values: Mapping[str, Value]) -> dict[str, Value]:
    """The same `values` by FLORES-200 code instead of by a language in any spelling. Raises `ValueError` as `languages`.

    >>> by_code({"de": 3, "English": 4})
    {'deu_Latn': 3, 'eng_Latn': 4}
    """
    return {lang.code: value for lang, value in zip(languages(values), values.values(), strict=True)}


def nearest(word: str, known: Iterable[str], n: int = 3) -> str:
    """ " Did you mean ...?" for an error message, or an empty text if nothing is similar.

    Parameters
    ----------
    word
        The unknown word.
    known
        The known words.
    n
        Number of suggestions.

    Example
    -------
    >>> nearest("aling", ["align", "lens", "probe"])
    ' Did you mean align?'
    """
    matches = difflib.get_close_matches(word[:_LONGEST], list(known), n=n, cutoff=0.5)
    return f" Did you mean {', '.join(matches)}?" if matches else ""


def in_other_script(code: str, known: Iterable[str]) -> str:
    """ " Did you mean ...?" for an error message: the `known` codes of the language of `code` in another script; empty if none.

    Codes that are alike in letters are other languages, so they are no suggestion.

    >>> in_other_script("srp_Cyrl", ["srp_Latn", "hrv_Latn", "sro_Latn"])
    ' Did you mean srp_Latn?'
    """
    same = [other for other in known if other[:3] == code[:3] and other != code]
    return f" Did you mean {', '.join(sorted(same))}?" if same else ""


def _of_tag(subtag: str, script: str | None, region: str | None) -> str | None:
    """The code of a language subtag with an optional script and region; None if there is no such language."""
    subtag = subtag.lower()
    parsed = langcodes.Language.get(subtag)
    if subtag in _SCRIPTS:
        alpha3 = subtag
    elif subtag in ("qu", "que") and script:
        alpha3 = "que"  # XCOPA's que_Latn is not the Quechua of Ayacucho, which a bare "qu" means
    elif subtag in _NO_LANGUAGE or not (parsed.is_valid() or _likely(subtag, None)):
        return None
    else:
        short = parsed.language or subtag
        alpha3 = _INDIVIDUAL.get(short) or langcodes.Language.make(language=short).to_alpha3()
        script, region = script or parsed.script, region or parsed.territory  # "sh" is Serbian in Latin script, "cnr" in Montenegro
        if alpha3 == "pes" and region == "AF":
            alpha3 = "prs"
    if script and script not in scripts().values():
        return None
    script = script or _usual(alpha3, region)
    return f"{alpha3}_{'Hang' if (alpha3, script) == ('kor', 'Kore') else script}" if script else None


def _of_name(name: str) -> str | None:
    """The code of an English name, with a script, a region or a variety before, behind or in brackets: "Serbian (Latin)".

    Every word must be understood: "English notes" is no language. A short word is no name, nor is a list: "en (US)" is not the
    language En, and "en, de" not Ende.
    """
    if _is_short(name.strip()):
        return None
    if not set(name) & set(",;/|") and (found := _named("language", name.removesuffix(" language"))):
        return _of_tag(found.language or "und", found.script, found.territory)
    words = re.findall(r"[^\s,()（）\[\]]+", name)
    for cut in range(len(words) - 1, 0, -1) if len(words) <= _MOST_WORDS else ():
        for spoken, about in ((words[:cut], words[cut:]), (words[-cut:], words[:-cut])):
            own = None if _is_short(" ".join(spoken)) else _named("language", " ".join(spoken))
            if own and (code := _with_words(own, " ".join(spoken), " ".join(about))):
                return code
    return None


def _is_short(name: str) -> bool:
    """Whether a `name` is too short for one; in other scripts a name has few letters, "中文"."""
    return len(name) < (_SHORTEST_NAME if name.isascii() else 2)


def _with_words(own: langcodes.Language, spoken: str, about: str) -> str | None:
    """The code of a language, `own`, called `spoken`, in the script or region or of the variety that `about` says."""
    subtag, script = own.language or "und", scripts().get(about.casefold())
    same = _named("language", about)
    itself = _of_tag(same.language or "und", same.script, same.territory) if same else None
    if same and (itself == _of_tag(subtag, None, own.territory) or same.language == own.language):
        return itself  # "Filipino (Tagalog)" names the language twice, though Tagalog is a script too
    if script or (about.title() in scripts().values()):
        return _of_tag(subtag, script or about.title(), own.territory)
    if variety := _named("language", f"{about} {spoken}") or (not about.isascii() and _named("language", about + spoken)) or None:
        return _of_tag(variety.language or "und", variety.script or own.script, variety.territory)
    region = _named("territory", about, "en")
    tag = parse_tag(f"{subtag}-{about}") if region is None and re.fullmatch("[A-Z]{2}", about) else None
    territory = region.territory if region else tag and tag.region
    return _of_tag(subtag, own.script, territory) if territory else None


def _named(kind: str, name: str, spoken: str = "und") -> langcodes.Language | None:
    """The language or territory (`kind`) of exactly this `name`, in the language `spoken`; langcodes alone cuts words off."""
    from language_data.names import TRIES, name_to_code, normalize_name

    try:
        code = name_to_code(kind, name, spoken)
        exact = code is not None and normalize_name(name) in TRIES[f"{spoken}/name_to_{kind}"]
    except UnicodeError:
        return None
    if not exact or code is None:
        return None
    return langcodes.Language.get(code) if kind == "language" else langcodes.Language.make(territory=code)


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Code by casefolded English name, for the languages of FLORES-200, and by names that the registry does not know so."""
    return {Language(code).name.casefold(): code for code in FLORES200} | _OTHER_NAMES


def _likely(subtag: str, region: str | None) -> str | None:
    """The likely script of a language by CLDR, "Latn"; None if CLDR does not know the language."""
    from babel.core import get_global

    likely = get_global("likely_subtags")
    for key in (f"{subtag}_{(region or '').upper()}", subtag):
        if key in likely:
            return likely[key].split("_")[1]
    return None


def _usual(alpha3: str, region: str | None) -> str | None:
    """The script of a language whose spelling gives none; that of its macrolanguage where CLDR does not know it."""
    macro = macrolanguage(_subtag(alpha3))
    likely = _likely(_subtag(alpha3), region) or (_likely(macro, region) if macro else None)
    scripts = _SCRIPTS.get(alpha3)
    return likely if scripts is None or likely in scripts or (region and likely) else scripts[0]


def _subtag(alpha3: str) -> str:
    """The BCP 47 subtag from which `language` gives this ISO 639-3 code: "deu" -> "de", "arb" -> "ar", "prs" -> "prs"."""
    short = _MACRO.get(alpha3) or langcodes.Language.get(alpha3).language or alpha3
    back = _INDIVIDUAL.get(short) or langcodes.Language.make(language=short).to_alpha3()
    return short if back == alpha3 else alpha3


def _langcode(lang: Language) -> langcodes.Language:
    alpha3 = lang.code[:3]
    usual = lang.script == _usual(alpha3, None) and lang.script not in ("Hans", "Hant")
    subtag = "qu" if alpha3 == "que" else _subtag(alpha3)
    return langcodes.Language.make(language=subtag, script=None if usual else lang.script)


def _unknown(spelling: str) -> str:
    from babel import Locale

    names = {name: tag for tag, name in Locale("en").languages.items() if tag not in _NO_LANGUAGE}
    tags = {name.casefold(): tag for name, tag in names.items()} | {tag: tag for tag in names.values()}
    if meaning := meant_by(spelling) or _of_country(spelling):
        return f"got language {spelling!r}, expected a clear one: {meaning}."
    if tag := tags.get(spelling.replace("_", " ").casefold()):
        return f"got language {spelling!r}, whose script is not known, expected a code with the script, such as {tag}_Latn."
    suggestion = _in_known_script(spelling) or _alike(spelling, names)
    return (
        f"unknown language {spelling!r}: expected a FLORES-200 code (deu_Latn), a BCP 47 tag (de, zh-CN), with the script for a "
        f"rare language (xal-Cyrl), or an English name (German).{suggestion}"
    )


def _of_country(spelling: str) -> str:
    """The language most used in the country whose code a spelling is, by CLDR, for a message; empty if it is none."""
    from babel.core import get_global

    likely = get_global("likely_subtags").get(f"und_{spelling.upper()}") if re.fullmatch("[A-Za-z]{2}", spelling) else None
    code = resolve(likely) if likely else None
    return f"{spelling!r} is no code of a language: write {code} for {Language(code).name}" if code else ""


def _alike(spelling: str, names: Iterable[str]) -> str:
    """The name of which a spelling is a word, or a slip of the pen. Codes that are alike in letters are other languages."""
    if "_" in spelling:
        known = [code for code in FLORES200 if code[3:] == spelling[-5:]]
        return nearest(spelling, difflib.get_close_matches(spelling, known, n=1, cutoff=0.85), n=1)
    word = spelling.casefold()
    parts = [name for name in names if len(word) >= _SHORTEST_NAME + 1 and word in name.casefold().split()]
    if len(parts) == 1:
        return f" Did you mean {parts[0]}?"
    close = difflib.get_close_matches(word[:_LONGEST].title(), names, n=1, cutoff=0.75) if len(word) > _SHORTEST_NAME else []
    return f" Did you mean {close[0]}?" if close else ""


def _in_known_script(spelling: str) -> str:
    """The codes of the language that a misspelt code begins with, "kor_Hangl" -> kor_Hang; empty if it begins with none."""
    known = resolve(re.split("[_-]", spelling)[0]) if re.fullmatch(r"[A-Za-z]{2,3}[_-]\w+", spelling) else None
    return f" Did you mean {', '.join(code for code in FLORES200 if code[:3] == known[:3]) or known}?" if known else ""
