"""Every format gives the text exactly as it stands, and what is not parallel is an error that names file and line."""

import json
import logging
from pathlib import Path

import pytest

from interp.text.formats.file_names import language_code, parse_file_name
from interp.text.read import read, read_task
from tests.support.shared import DATA

ENGLISH = ("A line.", "A second,\u2028still the second\x0b\x85 line\u3000", ' "third" ')
GERMAN = ("Eine Zeile.", "Eine zweite\rZeile", "die dritte\ufeff")


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def text(sentences: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in sentences)


def jsonl(*rows: dict) -> str:
    return text(tuple(json.dumps(row, ensure_ascii=False) for row in rows))


# Folders -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("eng_Latn.txt", "deu_Latn.txt"),
        ("eng.devtest", "deu.devtest"),
        ("en.txt", "de-DE.txt"),
        ("English.dev", "German.dev"),
        ("corpus.en-de.en", "corpus.en-de.de"),
        ("deu_Latn.eng_Latn.txt", "deu_Latn.txt"),
    ],
)
def test_a_folder_of_lines_is_split_at_line_feeds_only_and_not_altered(tmp_path: Path, names: tuple[str, str]) -> None:
    folder = put(tmp_path / "flores", {names[0]: text(ENGLISH), names[1]: text(GERMAN).rstrip("\n")})
    corpus = read(folder, languages=["German", "en"])
    assert corpus.sentences == {"deu_Latn": GERMAN, "eng_Latn": ENGLISH}
    assert corpus.identity.sha == read(folder).identity.sha


def test_flores_101_spellings_and_splits(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "f", {"zho_simpl.dev": "一\n", "zho_trad.dev": "壹\n", "zho_simpl.devtest": "二\n", "zho_trad.devtest": "貳\n"}
    )
    corpus = read(folder, split="devtest")
    assert corpus.name == "f/devtest"
    assert corpus.sentences == {"zho_Hans": ("二",), "zho_Hant": ("貳",)}
    with pytest.raises(ValueError, match=r"several corpora.*split= chooses one of 'dev', 'devtest'"):
        read(folder)


def test_a_split_may_be_a_folder_inside_but_never_a_way_out(tmp_path: Path) -> None:
    put(tmp_path / "secret", {"en.txt": "secret\n", "de.txt": "geheim\n"})
    put(tmp_path / "f", {})
    put(tmp_path / "f" / "dev", {"en.txt": "a\n", "de.txt": "b\n"})
    assert read(tmp_path / "f", split="dev").sentences == {"eng_Latn": ("a",), "deu_Latn": ("b",)}
    assert read(tmp_path / "f" / "dev").name == "f/dev"
    for way in ("../secret", "/etc", "..", "dev/../../secret"):
        with pytest.raises(ValueError, match="no file named after a language"):
            read(tmp_path / "f", split=way)


def test_side_files_give_ids_documents_and_labels(tmp_path: Path) -> None:
    files = {
        "en.txt": text(ENGLISH),
        "de.txt": text(GERMAN),
        "ids.txt": "a\nb\nc\n",
        "meta.tsv": 'URL\ttopic\nu\tx\nu\t"y\nv\t\n',
        "README.txt": "x",
    }
    folder = put(tmp_path / "f", files)
    corpus = read(folder)
    assert (corpus.ids, corpus.documents, dict(corpus.labels)) == (("a", "b", "c"), ("u", "u", "v"), {"topic": ("x", '"y', "")})
    assert read(folder, limit=2).documents == ("u", "u")
    put(folder, {"keys.tsv": "key\tcodepoints\nk1\tU+1\nk2\tU+2\nk3\tU+3\n"})
    (folder / "ids.txt").unlink()
    assert read(folder).ids == ("k1", "k2", "k3")
    put(folder, {"meta.tsv": "URL\nu\nu\n"})
    with pytest.raises(ValueError, match=r"meta.tsv:2: got 2 rows for 3 sentences"):
        read(folder)
    put(folder, {"meta.tsv": "URL\nu\nu\nv\n", "ids.txt": "a\nb\na\n"})
    with pytest.raises(ValueError, match=r"ids.txt:3: got id 'a', which is also at line 1"):
        read(folder)


def test_the_limit_reads_no_further(tmp_path: Path) -> None:
    bad = b"one\ntwo\n\xff\n\n\n"
    folder = put(tmp_path / "f", {"en.txt": bad, "de.txt": bad})
    assert read(folder, limit=2)["en"] == ("one", "two")
    with pytest.raises(ValueError, match=r":3: got byte 1 .0xff., expected UTF-8"):
        read(folder)
    table = put(tmp_path / "t", {"t.jsonl": '{"en": "a", "de": "b"}\n{broken\n'}) / "t.jsonl"
    assert read(table, limit=1)["de"] == ("b",)


def test_pairs_must_be_named(tmp_path: Path) -> None:
    folder = put(tmp_path / "tatoeba", {"de.txt": "a\nb\n", "de.en.txt": "c\nd\n", "fr.txt": "e\n", "fr.en.txt": "f\n"})
    assert read(folder, languages=["en", "fr"]).sentences == {"eng_Latn": ("f",), "fra_Latn": ("e",)}
    with pytest.raises(ValueError, match="expected one of its 2 pairs"):
        read(folder)
    with pytest.raises(ValueError, match="got deu_Latn and fra_Latn, expected one of its"):
        read(folder, languages=["de", "fr"])
    words = put(
        tmp_path / "panlex", {"bul_Cyrl-cat_Latn.tsv": "азот\tnitrogen\nмол\tmol\n", "bul_Cyrl-deu_Latn.tsv": "азот\tStickstoff\n"}
    )
    assert read(words, languages=["ca", "bg"]).sentences == {"cat_Latn": ("nitrogen", "mol"), "bul_Cyrl": ("азот", "мол")}
    assert read(words / "bul_Cyrl-cat_Latn.tsv").identity.sha == read(words, languages=["bg", "ca"]).identity.sha


BAD_FOLDERS = {
    "unequal": (
        {"en.txt": "a\nb\nc\n", "fr.txt": "a\nb\n", "de.txt": "a\nb\nc\n"},
        r"corpus 'f': got 3 sentences in deu_Latn but 2 in fra_Latn, expected the same number in every "
        r"language; line 3 of fra_Latn is missing.*fr.txt:3",
    ),
    "too long": (
        {"de.txt": "a\n", "en.txt": "a\n", "fr.txt": "a\nb\n"},
        "1 sentences in deu_Latn but 2 in fra_Latn.*line 2 of fra_Latn is extra",
    ),
    "empty line": (
        {"en.txt": "a\nb\nc\n", "fr.txt": "a\n\nc\n", "de.txt": "a\nb\nc\n"},
        "3 sentences in deu_Latn but 2 in fra_Latn.*; line 2 of fra_Latn is empty.*fr.txt:2",
    ),
    "blank line": ({"en.txt": "a\nb\n", "fr.txt": "a\n \u3000\n"}, "line 2 of fra_Latn is empty"),
    "empty everywhere": ({"en.txt": "a\n\n", "fr.txt": "a\n\n"}, "line 2 of eng_Latn is empty"),
    "invalid": ({"en.txt": b"a\n\xe9\xff\n", "fr.txt": "a\nb\n"}, r"en.txt:2: got byte 1 .0xe9., expected UTF-8.*iconv"),
    "mark": ({"en.txt": b"\xef\xbb\xbfa\n", "fr.txt": "a\n"}, "en.txt:1: got a byte order mark .UTF-8."),
    "utf-16": ({"en.txt": "a\n".encode("utf-16"), "fr.txt": "a\n"}, "byte order mark .UTF-16."),
    "NUL": ({"en.txt": "a\n".encode("utf-16-le"), "fr.txt": "a\n"}, "a NUL character"),
    "crlf": ({"en.txt": "a\nb\r\n", "fr.txt": "a\nb\n"}, "en.txt:2: got the line end CR LF.*dos2unix"),
    "twice": ({"en.txt": "a\n", "eng_Latn.txt": "a\n"}, "got two files of eng_Latn, en.txt and eng_Latn.txt"),
    "unknown": (
        {"en.txt": "a\n", "fr.txt": "a\n", "Germn.txt": "a\n"},
        r"Germn.txt: got the file name 'Germn', expected a clear language: unknown.*Did you mean German",
    ),
    "rare": (
        {"en.txt": "a\n", "fr.txt": "a\n", "key.txt": "a\n"},
        "got the file name 'key', expected a clear language: a rare language; name its script too, key_Telu",
    ),
    "empty": ({}, "got no file named after a language, expected one file per language, such as eng_Latn.txt"),
    "empty files": ({"en.txt": "", "fr.txt": ""}, "'f': got no item"),
    "one empty file": ({"en.txt": "a\n", "fr.txt": ""}, "line 1 of fra_Latn is missing"),
}


@pytest.mark.parametrize("fault", BAD_FOLDERS)
def test_a_faulty_folder_says_where_and_what_to_do(tmp_path: Path, fault: str) -> None:
    files, message = BAD_FOLDERS[fault]
    folder = put(tmp_path / "f", files)
    with pytest.raises(ValueError, match=message) as refused:
        read(folder)
    assert len(str(refused.value).splitlines()) == 1


def test_a_fault_in_a_language_not_asked_for_does_no_harm(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", {"en.txt": "a\n", "de.txt": "b\n", "fr.txt": b"\xff", "Germn.txt": "x\n"})
    assert read(folder, languages=["de", "en"]).languages == ("deu_Latn", "eng_Latn")
    with pytest.raises(ValueError, match=r"has no ita_Latn .Italian."):
        read(folder, languages=["it"])


def test_what_is_not_there_is_an_oserror_that_finds_the_nearest(tmp_path: Path) -> None:
    put(tmp_path / "flores200", {})
    with pytest.raises(FileNotFoundError, match="Did you mean flores200"):
        read(tmp_path / "flores20")
    for bad in (0, -1):
        with pytest.raises(ValueError, match="expected at least 1"):
            read(tmp_path / "flores200", limit=bad)


def test_names_of_files_and_columns() -> None:
    assert {name: language_code(name) for name in ("key", "ids", "doc", "de", "xal", "xal_Cyrl", "label", "en-GB")} == {
        "key": None,
        "ids": None,
        "doc": None,
        "de": "deu_Latn",
        "xal": None,
        "xal_Cyrl": "xal_Cyrl",
        "label": None,
        "en-GB": "eng_Latn",
    }
    assert parse_file_name(Path("pt-br.txt")).code == "por_Latn"
    assert parse_file_name(Path("de-en.jsonl")) is None
    assert parse_file_name(Path("xquad.en.json")) == ("eng_Latn", None, "xquad", "json")


# Tables, JSON and TMX ----------------------------------------------------------------------------------------------------

TABLES = {
    "t.tsv": 'id\teng_Latn\tGerman\ttopic\tURL\n7\t"a" \tb\u2028\tx\tu\n8\tc\td,\ty\tu\n',
    "t.csv": 'id,eng_Latn,German,topic,URL\r\n7,"""a"" ",b\u2028,x,u\r\n8,c,"d,",y,u\r\n',
    "t.jsonl": jsonl(
        *(
            {"id": i, "en": e, "de-DE": d, "topic": t, "URL": "u"}
            for i, e, d, t in ((7, '"a" ', "b\u2028", "x"), (8, "c", "d,", "y"))
        )
    ),
    "n.jsonl": jsonl(
        *(
            {"id": i, "translation": {"en": e, "de": d}, "topic": t, "URL": "u"}
            for i, e, d, t in ((7, '"a" ', "b\u2028", "x"), (8, "c", "d,", "y"))
        )
    ),
    "l.json": json.dumps(
        [{"id": i, "en": e, "de": d, "topic": t, "URL": "u"} for i, e, d, t in ((7, '"a" ', "b\u2028", "x"), (8, "c", "d,", "y"))]
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_gives_the_same_corpus(tmp_path: Path, name: str) -> None:
    corpus = read(put(tmp_path / "t", {name: TABLES[name]}) / name)
    assert corpus.sentences == {"eng_Latn": ('"a" ', "c"), "deu_Latn": ("b\u2028", "d,")}
    assert (corpus.ids, corpus.documents, dict(corpus.labels)) == (("7", "8"), ("u", "u"), {"topic": ("x", "y")})


def test_languages_choose_columns_and_the_rest_become_labels(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.tsv": "en\tde\tnote\nhello\thallo\tn\n"}) / "t.tsv"
    with pytest.raises(ValueError, match="got column 'note', which is no known language"):
        read(path)
    corpus = read(path, languages=["de"])
    assert (corpus.languages, dict(corpus.labels)) == (("deu_Latn",), {"note": ("n",)})


def test_a_column_id_is_indonesian_only_where_indonesian_is_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.tsv": "en\tid\nhello\thalo\n"}) / "t.tsv"
    assert (read(path).languages, read(path).ids) == (("eng_Latn",), ("halo",))
    assert read(path, languages=["Indonesian", "en"]).sentences == {"ind_Latn": ("halo",), "eng_Latn": ("hello",)}


BAD_TABLES = {
    "cells": ("t.tsv", "en\tde\na\tb\nc\n", r"t.tsv:3: got 1 cells, expected 2, as"),
    "blank": ("t.tsv", "en\tde\na\tb\n\n", r"t.tsv:3: got an empty line"),
    "empty cell": ("t.tsv", "en\tde\na\t \n", r"t.tsv:2, column 'de' is empty"),
    "column twice": ("t.tsv", "en\ten\na\tb\n", r"t.tsv:1: got column 'en' twice"),
    "language twice": ("t.tsv", "en\teng_Latn\na\tb\n", r"columns 'en' and 'eng_Latn' that both mean eng_Latn"),
    "id twice": ("t.tsv", "id\ten\n1\ta\n1\tb\n", r"t.tsv:3: got id '1', which is also at .*t.tsv:2"),
    "header only": ("t.tsv", "en\tde\n", "no row"),
    "nothing": ("t.tsv", "", "no row"),
    "crlf": ("t.tsv", "en\tde\r\na\tb\r\n", "CR LF"),
    "quote": ("t.csv", 'en,de\n"a,b\n', "not CSV: unexpected end of data"),
    "quote inside": ("t.csv", 'en,de\n"a"x,b\n', "t.csv:2: not CSV"),
    "field": ("t.csv", "en,de\n" + "x" * 200_000 + ",b\n", "field larger than field limit"),
    "json": ("t.jsonl", '{"en": "a", "de": "b"}\n{"en": "a", \n', r"t.jsonl:2: got text that is not JSON"),
    "json blank": ("t.jsonl", '{"en": "a"}\n\n', r"t.jsonl:2: got nothing"),
    "json list": ("t.jsonl", "[1]\n", r"t.jsonl:1: got .1., expected a JSON object"),
    "json key twice": ("t.jsonl", '{"en": "a", "en": "b"}\n', "key 'en' occurs twice"),
    "json deep": ("t.jsonl", '{"en": ' + "[" * 200_000 + "\n", "not JSON"),
    "json half": ("t.jsonl", '{"en": "\\ud83d"}\n', "half of a surrogate pair"),
    "json number": ("t.jsonl", '{"en": "a", "de": 3}\n', r"column 'de': got 3, expected text"),
    "json null": ("t.jsonl", '{"en": "a", "de": null}\n', "got None, expected text"),
    "json field": (
        "t.jsonl",
        '{"en": "a", "de": "b"}\n{"en": "a"}\n',
        r"t.jsonl:2: got field 'de' in only one of this row and the first",
    ),
    "json id": ("t.jsonl", '{"id": [1], "en": "a"}\n', r"got id .1., expected"),
    "nested twice": (
        "t.jsonl",
        '{"translation": {"en": "a", "English": "b"}}\n',
        "t.jsonl:1: translation: languages 'en' and 'English' both mean",
    ),
    "nested unknown": ("t.jsonl", '{"translation": {"en": "a", "xx": "b"}}\n', "translation: unknown language 'xx'"),
    "no languages": ("t.tsv", "code\tname\nx\ty\n", "got column 'code', which is no known language.*recognised: none"),
    "ending": ("t.docx", "x", "got .docx, expected .tsv"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_a_faulty_table_says_where_and_what_to_do(tmp_path: Path, fault: str) -> None:
    name, content, message = BAD_TABLES[fault]
    with pytest.raises(ValueError, match=message) as refused:
        read(put(tmp_path / "t", {name: content}) / name)
    assert len(str(refused.value).splitlines()) == 1


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
    put(tmp_path / "t", {"m.tmx": TMX.encode("utf-16")[:-200]})
    assert (
        read(put(tmp_path / "t", {"m.tmx": TMX.replace("UTF-8", "UTF-16").encode("utf-16")}) / "m.tmx").sentences
        == corpus.sentences
    )


ENTITIES = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
BOMB = HEAD + ENTITIES + '<tmx><body><tu><tuv xml:lang="en"><seg>&b;</seg></tuv></tu></body></tmx>'
BAD_TMX = {
    "bomb": (BOMB, r"m.tmx:2: got a document type or entity declaration"),
    "external": (HEAD + '<!DOCTYPE tmx SYSTEM "file:///etc/passwd"><tmx/>', "a document type or entity"),
    "cut": (TMX[:-40], r"m.tmx:6: not well-formed XML"),
    "cut after a unit": (TMX[: TMX.index("<tu>")], "m.tmx:5: not well-formed XML: no element found"),
    "unknown entity": (TMX.replace("&amp;", "&x;"), "undefined entity"),
    "other": ("<html/>", "got root element <html>, expected <tmx>"),
    "language": (TMX.replace('lang="de"', 'lang="xx"', 1), "m.tmx:4: unknown language 'xx'"),
    "lacking": (
        TMX.replace('<tuv xml:lang="en"><seg>Two</seg></tuv>', ""),
        "m.tmx:5: got field 'eng_Latn' in only one of this row and the first",
    ),
    "twice": (TMX.replace('lang="de"', 'lang="en"', 1), "eng_Latn twice in one unit"),
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


# The hub -----------------------------------------------------------------------------------------------------------------


def test_a_hub_dataset_is_streamed_by_language_columns_or_a_nested_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []
    wide = datasets.Dataset.from_dict(
        {"id": [1, 2], "sentence_deu_Latn": ["a", "b"], "sentence_eng_Latn": ["c", "d"], "URL": ["u", "v"]}
    )
    nested = datasets.Dataset.from_list([{"translation": {"de": "a", "id": "b"}}])
    known = {
        "org/wide": datasets.IterableDatasetDict({"devtest": wide.to_iterable_dataset()}),
        "org/nested": nested.to_iterable_dataset(),
        "org/two": datasets.IterableDatasetDict({"dev": wide, "test": wide}),
    }

    def load_dataset(path: str, name: str | None, split: str | None, streaming: bool):
        asked.append((path, name, split, streaming))
        return known[path]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    corpus = read("org/wide:all", languages=["en", "German"])
    assert corpus.sentences == {"eng_Latn": ("c", "d"), "deu_Latn": ("a", "b")}
    assert (corpus.name, corpus.ids, corpus.documents) == ("org/wide:all/devtest", ("1", "2"), ("u", "v"))
    assert read("hub:org/nested", split="train").sentences == {"deu_Latn": ("a",), "ind_Latn": ("b",)}
    assert asked == [("org/wide", "all", None, True), ("org/nested", None, "train", True)]
    with pytest.raises(ValueError, match=r"has splits dev, test. Choose one"):
        read("org/two")


def test_a_hub_dataset_without_a_network_is_a_clear_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match=r"hub dataset 'no-org/no-set' cannot be read: .*Check the network, or download") as refused:
        read("no-org/no-set")
    assert len(str(refused.value).splitlines()) == 1


def test_word_lists_keep_the_words_that_all_have_and_say_how_many_they_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = "lang,word_original,word_translation\n"
    folder = put(
        tmp_path / "words", {"de.clean.csv": head + "de,book,Buch\nde,cloud,Wolke\n", "fr.clean.csv": head + "fr,cloud,nuage\n"}
    )
    with caplog.at_level(logging.INFO):
        corpus = read(folder)
    assert (corpus.sentences, corpus.ids) == ({"deu_Latn": ("Wolke",), "fra_Latn": ("nuage",)}, ("cloud",))
    assert "1 of 2 items of deu_Latn left out" in caplog.text


# CLDR and the shared data ------------------------------------------------------------------------------------------------


def test_cldr_needs_no_file() -> None:
    names = read("cldr:names", languages=["de", "zh"], limit=20)
    assert (len(names), names.languages) == (20, ("deu_Latn", "zho_Hans"))
    task = read_task("cldr:facts", languages=["de", "en"], limit=3)
    facts = read("cldr:facts", languages=["de", "en"], limit=3)
    assert facts["de"][0] == task.prompts["deu_Latn"][0] + task.answers["deu_Latn"][0][0]
    with pytest.raises(ValueError, match="got cldr:names, which has no questions"):
        read_task("cldr:names")
    with pytest.raises(ValueError, match=r"got cldr:nonsense, expected one of cldr:names"):
        read("cldr:nonsense")


SHARED = pytest.mark.skipif(not DATA.exists(), reason="shared data not here")
CORPORA = {
    "flores200": (None, 62),
    "pud": (None, 17),
    "udhr": (None, 132),
    "mgsm": (None, 11),
    "xcopa": (None, 11),
    "xquad": ("questions", 12),
    "cldr_names": ("emoji", 78),
    "flagged/snli20": (None, 20),
}


@SHARED
@pytest.mark.parametrize("name", CORPORA)
def test_the_shared_corpora_load(name: str) -> None:
    split, languages = CORPORA[name]
    corpus = read(DATA / name, split=split, limit=5)
    assert (len(corpus.languages), len(corpus)) == (languages, 5)


@SHARED
def test_flores_keeps_its_documents() -> None:
    corpus = read(DATA / "flores200", languages=["en", "zh"])
    raw = (DATA / "flores200" / "zho_Hans.txt").read_bytes().decode()
    assert "".join(f"{line}\n" for line in corpus["zh"]) == raw
    assert len(set(corpus.documents)) == 139
    assert set(corpus.labels["domain"]) >= {"wikinews"}
