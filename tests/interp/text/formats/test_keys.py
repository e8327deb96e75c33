"""Rows of several languages are paired by what identifies them, never by what counts or answers, and whatever their order."""

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest

from interp.text.read import read
from interp.text.survey import survey
from tests.support.texts import jsonl, put

KEYED = {
    "link + question_number": [{"link": u, "question_number": n} for u, n in (("u", 1), ("u", 2), ("v", 1))],
    "doc + no": [{"doc": u, "no": n} for u, n in (("u", 1), ("u", 2), ("v", 1))],
    "split + id": [{"split": u, "id": n} for u, n in (("dev", 1), ("dev", 2), ("test", 1))],
    "ID": [{"ID": n} for n in (7, 8, 9)],
    "pairID": [{"pairID": n, "promptID": 1} for n in ("7n", "8e", "9c")],
}


@pytest.mark.parametrize("key", KEYED)
def test_rows_are_paired_by_their_key_whatever_their_order(tmp_path: Path, key: str) -> None:
    english = [{**own, "question": f"q{place}"} for place, own in enumerate(KEYED[key])]
    german = [{**own, "question": f"f{place}"} for place, own in enumerate(KEYED[key])]
    folder = put(tmp_path / "k", {"eng_Latn.jsonl": jsonl(*english), "deu_Latn.jsonl": jsonl(german[2], german[0], german[1])})
    corpus = read(folder, languages=["en", "de"])
    assert corpus.sentences == {"eng_Latn": ("q0", "q1", "q2"), "deu_Latn": ("f0", "f1", "f2")}
    assert corpus.notes == (f"rows are paired by key {key}",)
    put(folder, {"deu_Latn.jsonl": jsonl(german[2], german[0])})
    with pytest.raises(ValueError, match=rf"deu_Latn has no item '.*' \(key {key.replace('+', '.')}\), which eng_Latn has at .*:2"):
        read(folder, languages=["en", "de"])


def test_a_key_may_be_chosen_and_one_that_only_some_rows_have_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "k", {"en.jsonl": jsonl({"sha": "x", "text": "a"}, {"sha": "y", "text": "b"}),
                                  "de.jsonl": jsonl({"sha": "y", "text": "B"}, {"sha": "x", "text": "A"})})  # fmt: skip
    assert read(folder, columns={"ids": "sha"}).sentences == {"deu_Latn": ("B", "A"), "eng_Latn": ("b", "a")}
    assert read(folder).notes == ("rows are paired by key sha",)
    plain = put(tmp_path / "p", {"en.jsonl": jsonl({"text": "a"}), "de.jsonl": jsonl({"text": "A"})})
    assert read(plain).notes == ("rows are paired by position: no field is a key",)
    put(folder, {"en.jsonl": jsonl({"id": 1, "text": "a"}, {"id": 2, "text": "b"})})
    with pytest.raises(ValueError, match=r"en.jsonl:1: got rows with the key id, which those of deu_Latn lack"):
        read(folder)


def test_rows_that_say_their_language_are_a_corpus(tmp_path: Path) -> None:
    rows = [{"id": i, "lang": code, "text": f"{code}{i}"} for i, code in ((1, "en"), (2, "en"), (2, "de"), (1, "de"))]
    assert read(put(tmp_path / "t", {"all.jsonl": jsonl(*rows)}) / "all.jsonl").sentences == {
        "eng_Latn": ("en1", "en2"),
        "deu_Latn": ("de1", "de2"),
    }
    with pytest.raises(ValueError, match=r"'all' has no fra_Latn; .* has eng_Latn, deu_Latn"):
        read(put(tmp_path / "t", {"all.jsonl": jsonl(*rows)}) / "all.jsonl", languages=["fr"])


def test_the_address_of_a_sentence_is_its_document(tmp_path: Path) -> None:
    files = {
        f"{code}_Latn.jsonl": jsonl(
            *({"id": i, "iso_639_3": code, "iso_15924": "Latn", "text": str(i), "url": f"u{i // 2}"} for i in range(4))
        )
        for code in ("eng", "deu")
    }
    corpus = read(put(tmp_path / "dev", files))
    assert corpus.documents == ("u0", "u0", "u1", "u1")


def test_rows_without_a_named_key_are_paired_by_what_is_the_same_in_every_language(tmp_path: Path) -> None:
    rows = [{"story": f"s{n}", "kind": "x", "text": f"t{n}"} for n in range(3)]
    german = [{**row, "text": row["text"].upper()} for row in reversed(rows)]
    corpus = read(put(tmp_path / "k", {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*german)}))
    assert corpus.sentences == {"deu_Latn": ("T2", "T1", "T0"), "eng_Latn": ("t2", "t1", "t0")}
    assert corpus.notes == ("rows are paired by key story",)


@pytest.mark.parametrize("fields", ["doc sent", "doc position", "chapter verse", "book chapter verse", "story_id sent_no"])
def test_fields_that_are_only_together_a_key_pair_the_rows(tmp_path: Path, fields: str) -> None:
    places = [*itertools.product(*[(1, 2)] * len(fields.split()))]
    rows = [dict(zip(fields.split(), place, strict=True)) | {"score": n, "text": f"t{n}"} for n, place in enumerate(places)]
    german = [{**row, "score": n, "text": row["text"].upper()} for n, row in enumerate(reversed(rows))]
    corpus = read(put(tmp_path / "k", {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*german)}))
    assert [text.lower() for text in corpus["de"]] == list(corpus["en"])
    assert corpus.notes == (f"rows are paired by key {' + '.join(fields.split())}",)


@pytest.mark.parametrize("field", ["answer", "label", "score", "n_words", "question"])
def test_an_answer_or_a_measure_is_no_key_and_pairing_by_position_is_a_warning(tmp_path: Path, field: str) -> None:
    rows = [{field: str(n), "text": f"t{n}"} for n in range(3)]
    corpus = read(put(tmp_path / "k", {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*reversed(rows))}))
    found = survey(corpus)
    assert found.warnings[0] == "rows are paired by position: no field is a key"
    assert found.notes == ()


def test_ids_that_begin_anew_late_are_a_key_with_their_document_whatever_the_limit(tmp_path: Path) -> None:
    rows = [{"doc": doc, "id": n, "text": f"{doc}{n}"} for doc in "abc" for n in range(150)]
    folder = put(tmp_path / "k", {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*reversed(rows))})
    for limit in (5, None):
        corpus = read(folder, limit=limit)
        assert corpus["en"] == corpus["de"]
        assert corpus.notes == ("rows are paired by key doc + id",)


@pytest.mark.parametrize(
    "field",
    ["answer_number", "answerNumber", "word_num", "char_number", "n_words", "topic_id", "size", "rank", "label_id", "author_id"],
)
def test_what_counts_or_sorts_items_identifies_none(tmp_path: Path, field: str) -> None:
    rows = [{field: n, "text": f"t{n}"} for n in range(3)]
    folder = put(tmp_path / "k", {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*reversed(rows))})
    assert read(folder).notes == ("rows are paired by position: no field is a key",)
    named = [{**row, "sentence_id": row[field]} for row in rows]
    put(folder, {"en.jsonl": jsonl(*named), "de.jsonl": jsonl(*reversed(named))})
    assert (read(folder)["en"], read(folder).notes) == (read(folder)["de"], ("rows are paired by key sentence_id",))
    wide = put(tmp_path / "w", {"t.tsv": f"en\tde\t{field}\na\tb\t7\nc\td\t8\n"}) / "t.tsv"
    assert (read(wide).ids, dict(read(wide).labels)) == (("0", "1"), {field: ("7", "8")})


def test_whole_numbers_that_a_program_made_decimal_are_ids(tmp_path: Path) -> None:
    wide = put(tmp_path / "w", {"t.jsonl": jsonl({"id": 1.0, "en": "a", "de": "b"})}) / "t.jsonl"
    assert read(wide).ids == ("1",)
    corpus = read(put(tmp_path / "k", {"en.csv": "id,text\n1.0,a\n2.0,b\n", "de.csv": "id,text\n2,B\n1,A\n"}))
    assert (corpus["de"], corpus["en"], corpus.ids) == (("B", "A"), ("b", "a"), ("2", "1"))
    assert "ids such as 1.0 are read as whole numbers" in corpus.notes
    for none in ("nan", "NULL", "#N/A"):
        with pytest.raises(ValueError, match=f"got id '{none}', expected text or a whole number"):
            read(put(tmp_path / "w", {"t.jsonl": jsonl({"id": none, "en": "a", "de": "b"})}) / "t.jsonl")
    with pytest.raises(ValueError, match=r"got id 1.5, expected text or a whole number"):
        read(put(tmp_path / "w", {"t.jsonl": jsonl({"id": 1.5, "en": "a", "de": "b"})}) / "t.jsonl")


@pytest.mark.parametrize("outer", ["split", "chapter", "Part", "doc_id", "story", "volume"])
def test_ids_that_begin_anew_are_ids_with_what_they_stand_in(tmp_path: Path, outer: str) -> None:
    rows = "".join(f"{place},{n},English {n}.,Deutsch {n}.\n" for place in "xy" for n in (1, 2))
    corpus = read(put(tmp_path / "w", {"t.csv": f"{outer},id,en,de\n{rows}"}) / "t.csv")
    assert corpus.ids == ("x-1", "x-2", "y-1", "y-2")
    assert f"ids begin anew: '{outer}' and 'id' together are the id" in corpus.notes
    if outer != "volume":
        files = {"en.csv": f"{outer},id,text\nx,1,a\ny,1,b\n", "de.csv": f"{outer},id,text\ny,1,B\nx,1,A\n"}
        assert read(put(tmp_path / "k", files)).sentences == {"deu_Latn": ("B", "A"), "eng_Latn": ("b", "a")}


@pytest.mark.parametrize("field", ["url", "sent_id", "doc", "subject", "source_id"])
def test_a_field_that_pairs_the_rows_otherwise_than_their_key_is_an_error(tmp_path: Path, field: str) -> None:
    one = "".join(json.dumps({"id": i, "text": text, field: own}) + "\n" for i, text, own in ((0, "one", "u1"), (1, "two", "u2")))
    other = "".join(
        json.dumps({"id": i, "text": text, field: own}) + "\n" for i, text, own in ((0, "zwei", "u2"), (1, "eins", "u1"))
    )
    folder = put(tmp_path / "t", {"en.jsonl": one, "de.jsonl": other})
    with pytest.raises(ValueError, match=r"got 'u1' in .* but 'u2' at .*, expected the same: the rows are paired by"):
        read(folder)
    assert read(folder, columns={"ids": field})["en"] == ("two", "one")


def test_the_index_of_a_data_frame_pairs_its_rows(tmp_path: Path) -> None:
    folder = put(tmp_path / "t", {})
    for code, texts, index in (("en", ["one", "two"], [5, 9]), ("de", ["zwei", "eins"], [9, 5])):
        pd.DataFrame({"text": texts}, index=index).to_parquet(folder / f"{code}.parquet")
    assert (read(folder)["de"], read(folder)["en"]) == (("zwei", "eins"), ("two", "one"))


@pytest.mark.parametrize("ids", [("S.1", "S.2"), ("1", "2")])
def test_lines_of_an_id_and_a_text_are_not_paired_by_place(tmp_path: Path, ids: tuple[str, str]) -> None:
    lines = {"data_en.txt": f"{ids[0]}\tOne\n{ids[1]}\tTwo\n", "data_de.txt": f"{ids[1]}\tZwei\n{ids[0]}\tEins\n"}
    folder = put(tmp_path / "t", lines)
    with pytest.raises(ValueError, match=r"a tab and more in every line, expected text alone\. Such ids .*--columns ids=1 text=2"):
        read(folder)
    assert read(folder, columns={"ids": "1", "text": "2"}).sentences == {"deu_Latn": ("Zwei", "Eins"), "eng_Latn": ("Two", "One")}
