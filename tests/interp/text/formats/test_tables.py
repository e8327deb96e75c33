"""TSV, CSV and JSON with a column for each language give one corpus; a faulty row is an error that names its line."""

import json
from pathlib import Path

import pytest

from interp.text.raw.file_names import column_language
from interp.text.read import read
from tests.support.texts import jsonl, put

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
    path = put(tmp_path / "t", {"t.tsv": "en\tde\tauthor\nhello\thallo\tJo Do\n"}) / "t.tsv"
    assert dict(read(path).labels) == {"author": ("Jo Do",)}
    corpus = read(path, languages=["de"])
    assert (corpus.languages, dict(corpus.labels)) == (("deu_Latn",), {"author": ("Jo Do",)})


def test_a_column_id_is_indonesian_only_where_indonesian_is_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.tsv": "en\tid\nhello\thalo\n"}) / "t.tsv"
    with pytest.raises(ValueError, match=r"words in column 'id', which may be Indonesian or ids.*--columns indonesian=id.*ids=id"):
        read(path)
    assert read(path, columns={"indonesian": "id"}).languages == ("ind_Latn", "eng_Latn")
    assert read(path, columns={"ids": "id"}).ids == ("halo",)
    coded = put(tmp_path / "c", {"t.tsv": "en\tid\nhello\tdoc-a\nbye\tdoc-b\n"}) / "t.tsv"
    assert (read(coded).languages, read(coded).ids) == (("eng_Latn",), ("doc-a", "doc-b"))
    assert read(path, languages=["Indonesian", "en"]).sentences == {"ind_Latn": ("halo",), "eng_Latn": ("hello",)}


def test_ids_that_begin_anew_in_every_document_are_ids_with_it(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.csv": "doc_id,sent_id,en,de\na,1,x,y\na,2,v,w\nb,1,t,u\n"}) / "t.csv"
    assert (read(path).ids, read(path).documents) == (("a-1", "a-2", "b-1"), ("a", "a", "b"))


BAD_TABLES = {
    "cells": ("t.tsv", "en\tde\na\tb\nc\n", r"t.tsv:3: got 1 cells, expected 2, as"),
    "empty cell": ("t.tsv", "en\tde\na\t \n", r"t.tsv:2, column 'de' is empty"),
    "column twice": ("t.tsv", "en\ten\na\tb\n", r"t.tsv:1: got column 'en' twice"),
    "language twice": ("t.tsv", "en\teng_Latn\na\tb\n", r"columns 'en' and 'eng_Latn' that both mean eng_Latn"),
    "id twice": ("t.tsv", "id\ten\n1\ta\n1\tb\n", r"t.tsv:3: got id '1', which is also at .*t.tsv:2"),
    "header only": ("t.tsv", "en\tde\n", "no row"),
    "nothing": ("t.tsv", "", "no row"),
    "quote": ("t.csv", 'en,de\n"a,b\n', "not CSV: unexpected end of data"),
    "quote inside": ("t.csv", 'en,de\n"a"x,b\n', "t.csv:2: not CSV"),
    "field": ("t.csv", "en,de\n" + "x" * 200_000 + ",b\n", "field larger than field limit"),
    "json": ("t.jsonl", '{"en": "a", "de": "b"}\n{"en": "a", \n', r"t.jsonl:2: got text that is not JSON"),
    "json list": ("t.jsonl", "[1]\n", r"t.jsonl:1: got .1., expected a JSON object"),
    "json key twice": ("t.jsonl", '{"en": "a", "en": "b"}\n', "key 'en' occurs twice"),
    "json deep": ("t.jsonl", '{"en": ' + "[" * 200_000 + "\n", "not JSON"),
    "json half": ("t.jsonl", '{"en": "\\ud83d"}\n', "half of a surrogate pair"),
    "json number": ("t.jsonl", '{"en": "a", "de": 3}\n', "got column 'de', which is named after a language and holds numbers"),
    "json number among text": ("t.jsonl", '{"en": "a", "de": "b"}\n{"en": "a", "de": 3}\n', r"column 'de': got 3, expected text"),
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


@pytest.mark.parametrize("name", ["ID", "Id", "sentence_id", "Key"])
def test_an_id_column_is_one_in_any_case_and_no_language(tmp_path, name):
    (tmp_path / "a.tsv").write_text(f"{name}\tEnglish\tGerman\nx1\tone\teins\nx2\ttwo\tzwei\n", encoding="utf-8")
    corpus = read(tmp_path / "a.tsv")
    assert corpus.languages == ("eng_Latn", "deu_Latn")
    assert corpus.ids == ("x1", "x2")


LABELS = {
    "ht_de": ("Hallo Welt", "Die Katze"),
    "tr_de": ("Hallo Welt", "Die Katze"),
    "nr": ("I", "II"),
    "no": ("yes", "no"),
    "cat": ("animal", "animal"),
    "he": ("low", "high"),
    "Russian": ("animal", "animal"),
}


@pytest.mark.parametrize("column", LABELS)
def test_a_column_called_by_a_language_that_holds_no_text_of_it_is_a_label(tmp_path: Path, column: str) -> None:
    one, two = LABELS[column]
    table = f"en\tde\t{column}\nHello world\tHallo Welt\t{one}\nThe cat\tDie Katze\t{two}\n"
    corpus = read(put(tmp_path / "t", {"t.tsv": table}) / "t.tsv")
    assert (corpus.languages, dict(corpus.labels)) == (("eng_Latn", "deu_Latn"), {column: (one, two)})


@pytest.mark.parametrize("column", ["ru", "Russian", "text_ru"])
def test_a_language_in_other_letters_is_read_and_told_whatever_its_column_is_called(tmp_path: Path, column: str) -> None:
    table = f"en\t{column}\nA cat is here\tKoshka zdes\nA dog is there\tSobaka tam\n"
    corpus = read(put(tmp_path / "t", {"t.tsv": table}) / "t.tsv")
    assert corpus["ru"] == ("Koshka zdes", "Sobaka tam")
    assert f"'{column}' is rus_Cyrl, and holds no letter of its script: is it that language?" in corpus.notes


@pytest.mark.parametrize("column", ["mt_de", "male", "seg_id", "sid"])
def test_a_column_named_like_a_language_and_something_else_is_refused(tmp_path: Path, column: str) -> None:
    table = f"en\tde\t{column}\nHello world\tHallo Welt\tnews a b\nThe cat\tDie Katze\tnews a c\n"
    with pytest.raises(ValueError, match=rf"column '{column}', which (is no clear language|may be \w+ or ids)"):
        read(put(tmp_path / "t", {"t.tsv": table}) / "t.tsv")


@pytest.mark.parametrize(
    ("column", "code"), [("no", "nob_Latn"), ("pt_br", "por_Latn"), ("zh_tw", "zho_Hant"), ("sr_rs", "srp_Cyrl")]
)
def test_a_short_code_with_text_and_a_usual_locale_are_languages(tmp_path: Path, column: str, code: str) -> None:
    table = f"en\tde\t{column}\nHello world\tHallo Welt\tHei verden\nThe cat\tDie Katze\tKatten\n"
    if code[4:] == "Latn":
        assert read(put(tmp_path / "t", {"t.tsv": table}) / "t.tsv").languages == ("eng_Latn", "deu_Latn", code)
    else:
        assert column_language(column) == code


def test_an_object_a_line_is_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    """pandas and `datasets` write JSON Lines into files called .json."""
    rows = jsonl({"en": "a.", "de": "b."}, {"en": "c.", "de": "d."})
    corpus = read(put(tmp_path / "t", {"t.json": rows}) / "t.json")
    assert corpus.sentences == {"eng_Latn": ("a.", "c."), "deu_Latn": ("b.", "d.")}
    assert any("JSON Lines" in told for told in corpus.notes)


@pytest.mark.parametrize("column", ["Speaker", "Dataset", "Summary", "Votes", "Pinyin"])
def test_a_heading_that_looks_a_little_like_a_language_is_a_label(tmp_path: Path, column: str) -> None:
    table = f"en\tde\t{column}\nHello world.\tHallo Welt.\tone a\nThe cat.\tDie Katze.\ttwo b\n"
    corpus = read(put(tmp_path / "t", {"t.tsv": table}) / "t.tsv")
    assert (corpus.languages, dict(corpus.labels)) == (("eng_Latn", "deu_Latn"), {column: ("one a", "two b")})
