"""A translation memory is read as it stands, and a hostile or cut one is refused."""

import gzip
from pathlib import Path

import pytest

from interp.text.read import read
from tests.support.texts import put

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
TMX = (
    HEAD
    + """<tmx version="1.4"><header srclang="en"/><body>
<tu tuid="a"><tuv xml:lang="EN-us"><seg>One &amp; <hi>only</hi> <ph>{1}</ph>\u2028line</seg></tuv>
<tuv lang="de"><seg> Eins</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Zwei
Zeilen</seg></tuv><tuv xml:lang="en"><seg>Two</seg></tuv></tu>
</body></tmx>"""
)


def test_a_translation_memory(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"m.tmx": TMX}) / "m.tmx"
    corpus = read(path)
    assert corpus.sentences == {"eng_Latn": ("One & only \u2028line", "Two"), "deu_Latn": (" Eins", "Zwei\nZeilen")}
    assert corpus.ids == ("a", "1")
    assert read(path, languages=["de"]).languages == ("deu_Latn",)
    assert (
        read(put(tmp_path / "t", {"m.tmx": TMX.replace("UTF-8", "UTF-16").encode("utf-16")}) / "m.tmx").sentences
        == corpus.sentences
    )


ENTITIES = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
BOMB = HEAD + ENTITIES + '<tmx><body><tu><tuv xml:lang="en"><seg>&b;</seg></tuv></tu></body></tmx>'
BAD_TMX = {
    "bomb": (BOMB, r"m.tmx:2: got a declaration or use of an entity"),
    "external": (HEAD + '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]><tmx/>', "a declaration or use of an entity"),
    "parameter": (
        HEAD + '<!DOCTYPE tmx [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><tmx/>',
        "a declaration or use of an entity",
    ),
    "entity of the document type": (
        TMX.replace("<tmx ", '<!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx ').replace("Two", "T&nbsp;o"),
        "a declaration or use of an entity",
    ),
    "segment in segment": (TMX.replace("Two", "T<seg>w</seg>o"), "m.tmx:6: got <seg> inside <seg>"),
    "unit in unit": (TMX.replace("<tu><tuv", "<tu><tu></tu><tuv"), "m.tmx:5: got <tu> inside <tu>"),
    "variant in variant": (
        TMX.replace("<seg>Two</seg>", '<tuv xml:lang="fr"><seg>x</seg></tuv>'),
        "m.tmx:6: got <tuv> inside <tuv>",
    ),
    "text outside": (TMX.replace("<seg>Two</seg>", "Two"), "m.tmx:6: got text 'Two' outside <seg>"),
    "not gz": (b"x", "not well-formed XML"),
    "cut": (TMX[:-40], r"m.tmx:6: not well-formed XML"),
    "cut after a unit": (TMX[: TMX.index("<tu>")], "m.tmx:5: not well-formed XML: no element found"),
    "unknown entity": (TMX.replace("&amp;", "&x;"), "undefined entity"),
    "other": ("<html/>", "got root element <html>, expected <tmx>"),
    "language": (TMX.replace('lang="de"', 'lang="xx"', 1), "m.tmx:3: unknown language 'xx'"),
    "lacking": (
        TMX.replace('<tuv xml:lang="en"><seg>Two</seg></tuv>', ""),
        "m.tmx:5: got field 'eng_Latn' in only one of this row and the first",
    ),
    "twice": (TMX.replace('lang="de"', 'lang="EN-us"', 1), "EN-us twice in one unit, expected one segment per language"),
    "empty": (TMX.replace("Two", ""), "m.tmx:5, column 'eng_Latn' is empty"),
    "no unit": (HEAD + "<tmx><body/></tmx>", "no row"),
    "deep": (HEAD + "<tmx>" + "<a>" * 1000, "nested deeper than 50"),
    "encoding": (TMX.replace("UTF-8", "x-none"), "not well-formed XML: unknown encoding"),
}


@pytest.mark.parametrize("fault", BAD_TMX)
def test_a_faulty_translation_memory_is_refused(tmp_path: Path, fault: str) -> None:
    content, message = BAD_TMX[fault]
    path = put(tmp_path / "t", {"m.tmx": content}) / "m.tmx"
    with pytest.raises(ValueError, match=message) as refused:
        read(path)
    assert len(str(refused.value).splitlines()) == 1


def test_a_unit_without_a_language_asked_for_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"m.tmx": TMX.replace('xml:lang="de"', 'xml:lang="tlh"')}) / "m.tmx"
    assert read(path, languages=["en"], limit=1)["en"] == ("One & only \u2028line",)
    with pytest.raises(ValueError, match=r"m.tmx:5: got a unit in .*, expected deu_Latn too"):
        read(path, languages=["de", "en"])


TWINS = """<tmx version="1.4"><header/><body>
<tu><tuv xml:lang="en-US"><seg>color</seg></tuv><tuv xml:lang="en-GB"><seg>colour</seg></tuv>
<tuv xml:lang="de"><seg>Farbe</seg></tuv>
<tuv xml:lang="fr"><seg>couleur</seg></tuv><tuv xml:lang="fr-CA"><seg>couleur!</seg></tuv></tu></body></tmx>"""


def test_two_variants_of_a_language_are_a_fault_only_where_it_is_asked_for_and_none_is_chosen(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"m.tmx": TWINS}) / "m.tmx"
    assert read(path, languages=["de", "fr"]).sentences == {"deu_Latn": ("Farbe",), "fra_Latn": ("couleur",)}
    for asked in (None, ["en", "de"]):
        with pytest.raises(ValueError, match=r"m.tmx:2: .*en-US and en-GB all mean eng_Latn.*--columns eng_Latn=en-US"):
            read(path, languages=asked)
    assert read(path, languages=["en-GB", "de"])["en"] == ("colour",)
    corpus = read(path, columns={"English": "en-US", "fr": "fr-CA"})
    assert (corpus["en"], corpus["fr"], corpus.languages) == (("color",), ("couleur!",), ("eng_Latn", "deu_Latn", "fra_Latn"))
    assert corpus.origins["eng_Latn"] == "xml:lang en-US"
    with pytest.raises(ValueError, match=r"got a unit in .*, expected en-AU too"):
        read(path, languages=["en", "de"], columns={"en": "en-AU"})


@pytest.mark.parametrize(
    "kind", ['SYSTEM "tmx14.dtd"', 'PUBLIC "-//LISA" "http://a.example/tmx14.dtd"', "[<!ELEMENT x ANY>]", 'SYSTEM "/etc/passwd" []']
)
def test_a_document_type_without_entities_is_passed_over_and_never_fetched(tmp_path: Path, kind: str) -> None:
    path = (
        put(tmp_path / "t", {"m.tmx.gz": gzip.compress(TMX.replace("<tmx ", f"<!DOCTYPE tmx {kind}>\n<tmx ").encode())})
        / "m.tmx.gz"
    )
    corpus = read(path)
    assert corpus.sentences == read(put(tmp_path / "t", {"m.tmx": TMX}) / "m.tmx").sentences
    assert corpus.notes[0] == "the document type is not looked at"
