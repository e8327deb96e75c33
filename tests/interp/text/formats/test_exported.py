"""Files as programs export them are read as what they are, and refused where they leave open which column is which language."""

import gzip
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from interp.text.read import read, read_task
from tests.support.shared import SHARED
from tests.support.texts import jsonl, put

ENGLISH = ("The train leaves, at noon.", 'She said "no"; twice.', "Our cat | sleeps.", "It rained.")
GERMAN = ("Der Zug fährt, mittags.", "Sie sagte „nein“; zweimal.", "Unsere Katze | schläft.", "Es regnete.")
BOTH = {"eng_Latn": ENGLISH, "deu_Latn": GERMAN}
NUMBERS = [1, 2, 3, 4]


def table(head: list[str], *columns: object, mark: str = "\t", end: str = "\n") -> str:
    return "".join(mark.join(map(str, row)) + end for row in [head, *zip(*columns, strict=True)])


def read_text(tmp_path: Path, name: str, content: str | bytes, **how):
    return read(put(tmp_path / "t", {name: content}) / name, **how)


ID_NAMES = [
    "ID",
    "id",
    "Sentence_ID",
    "no",
    "No.",
    "nr",
    "NR",
    "idx",
    "#",
    "index",
    "",
    "Unnamed: 0",
    "line_no",
    "pairID",
    "item id",
    "row",
]


@pytest.mark.parametrize("name", ID_NAMES)
def test_a_column_of_row_numbers_is_ids_and_no_language(tmp_path: Path, name: str) -> None:
    corpus = read_text(tmp_path, "t.tsv", table([name, "English", "German"], NUMBERS, ENGLISH, GERMAN))
    assert (corpus.sentences, corpus.ids, dict(corpus.labels)) == (BOTH, ("1", "2", "3", "4"), {})


NO_TEXT = {
    "numbers": NUMBERS, "prices": ["1,5", "2.000", "-3", "4 %"], "dates": ["2020-01-02", "3/4/2021", "4.5.2022", "2020-01-02"],
    "addresses": ["https://a.example/1", "http://b.example", "www.c.example", "https://a.example"],
    "codes": ["a1", "b2", "a1", "c3"],
    "yes": ["true", "false", "true", "true"], "same": ["ok", "ok", "ok", "ok"],
}  # fmt: skip


@pytest.mark.parametrize("name", ["to", "is", "my", "so", "kg", "se", "mt", "Run", "English", "swe_Latn"])
@pytest.mark.parametrize("kind", NO_TEXT)
def test_a_column_without_text_is_no_language_whatever_its_name(tmp_path: Path, name: str, kind: str) -> None:
    corpus = read_text(tmp_path, "t.tsv", table(["en", "de", name], ENGLISH, GERMAN, NO_TEXT[kind]))
    assert (corpus.languages, tuple(corpus.labels)) == (("eng_Latn", "deu_Latn"), (name,))
    assert f"'{name}' (" in corpus.notes[0]


def test_the_same_column_is_a_language_where_it_holds_text(tmp_path: Path) -> None:
    assert read_text(tmp_path, "t.tsv", table(["en", "no"], ENGLISH, GERMAN)).languages == ("eng_Latn", "nob_Latn")
    with pytest.raises(ValueError, match=r"words in column 'id', which may be Indonesian or ids.*--columns indonesian=id.*ids=id"):
        read_text(tmp_path, "t.tsv", table(["en", "id"], ENGLISH, GERMAN))
    chosen = {"en": "en", "Indonesian": "id"}
    assert read_text(tmp_path, "t.tsv", table(["en", "id"], ENGLISH, GERMAN), columns=chosen)["id"] == GERMAN


@pytest.mark.parametrize(
    "names",
    [("text_en", "text_de"), ("English ", " German"), ("sentence_eng_Latn", "sentence_deu_Latn"), ("EN", "DE"), ("en-US", "de_DE"),
     ("English (en)", "German (de)"), ("source_en", "target_de"), ("textEn", "textDe"), ("en.text", "translation de")],
)  # fmt: skip
def test_words_around_the_name_of_a_language_do_not_hide_it(tmp_path: Path, names: tuple[str, str]) -> None:
    corpus = read_text(tmp_path, "t.tsv", table([*names, "notes", "comment", "score"], ENGLISH, GERMAN, *[NUMBERS] * 3))
    assert corpus.sentences == BOTH
    assert corpus.origins == {"eng_Latn": f"column {names[0]!r}", "deu_Latn": f"column {names[1]!r}"}
    assert set(corpus.labels) == {"notes", "comment", "score"}


WORDS = {
    "Serbian (Latin)": "srp_Latn",
    "Serbian Latin": "srp_Latn",
    "Serbian (Latn)": "srp_Latn",
    "sr@latin": "srp_Latn",
    "sh": "srp_Latn",
    "Uzbek (Cyrillic)": "uzn_Cyrl",
    "Hindi (Latin)": "hin_Latn",
    "Azerbaijani (Arabic)": "azj_Arab",
    "Arabic (Egyptian)": "arz_Arab",
    "Chinese (Taiwan)": "zho_Hant",
    "Punjabi (Pakistan)": "pan_Arab",
    "pa@shahmukhi": "pan_Arab",
    "zh-min-nan": "nan_Hans",
}


@pytest.mark.parametrize("name", WORDS)
def test_what_stands_behind_a_language_is_understood_as_its_script_region_or_variety(tmp_path: Path, name: str) -> None:
    assert read_text(tmp_path, "t.tsv", table(["en", "de", name], ENGLISH, GERMAN, GERMAN)).languages[2:] == (WORDS[name],)
    lines = "".join(f"{line}\n" for line in GERMAN)
    assert WORDS[name] in read(put(tmp_path / "f", {"en.txt": lines, f"{name}.txt": lines})).languages


@pytest.mark.parametrize("name", ["English notes", "German POS", "Chinese pinyin", "English speaker", "My text"])
def test_a_language_with_another_word_is_none(tmp_path: Path, name: str) -> None:
    assert set(read_text(tmp_path, "t.tsv", table(["en", "de", name], ENGLISH, GERMAN, GERMAN)).labels) == {name}
    with pytest.raises(ValueError, match=f"got column '{name}', which is no (known|clear) language.*--columns"):
        read_text(tmp_path, "t.tsv", table(["en", name], ENGLISH, GERMAN))


@pytest.mark.parametrize("name", ["Serbian (old)", "gom"])
def test_a_language_that_is_not_clear_is_never_a_label(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"got column {name!r}, which is no known language")):
        read_text(tmp_path, "t.tsv", table(["en", "de", name], ENGLISH, GERMAN, GERMAN))


def test_a_choice_that_settles_one_language_keeps_the_others(tmp_path: Path) -> None:
    text = table(["en", "en-GB", "de"], ENGLISH, ENGLISH, GERMAN)
    with pytest.raises(ValueError, match=r"'en' and 'en-GB' that both mean eng_Latn.*--columns eng_Latn=en"):
        read_text(tmp_path, "t.tsv", text)
    corpus = read_text(tmp_path, "t.tsv", text, columns={"eng_Latn": "en-GB"})
    assert corpus.sentences == BOTH
    assert dict(corpus.labels) == {}
    assert corpus.origins["eng_Latn"] == "column 'en-GB'"


def test_a_bitext_without_languages_asks_for_them_and_takes_them_from_the_option_or_its_name(tmp_path: Path) -> None:
    for head in (["source", "target"], ["src", "tgt"]):
        text = table(head, ENGLISH, GERMAN)
        with pytest.raises(ValueError, match=f"--columns english={head[0]} german={head[1]}"):
            read_text(tmp_path, "t.tsv", text)
        assert read_text(tmp_path, "t.tsv", text, columns={"en": head[0], "German": head[1]}).sentences == BOTH
        assert read_text(tmp_path, "news.en-de.tsv", text).sentences == BOTH
        assert read_text(tmp_path, "en-de.csv", table(head, "ab", "cd", mark=";")).languages == tuple(BOTH)


def test_a_bitext_may_say_its_languages_in_two_columns_and_then_says_the_same_in_each_row(tmp_path: Path) -> None:
    head = ["sourceLang", "targetLang", "sourceString", "targetString"]
    assert read_text(tmp_path, "t.tsv", table(head, ["en"] * 4, ["de"] * 4, ENGLISH, GERMAN)).sentences == BOTH
    many = [f"{n} a" for n in range(200)]
    with pytest.raises(ValueError, match="got de and fr in column 'targetLang', expected one pair of languages"):
        read_text(tmp_path, "t.tsv", table(head, ["en"] * 200, ["de"] * 199 + ["fr"], many, many))


OPEN = {
    "one language and another text": (["en", "Translation"], "got column 'Translation', which is no known language"),
    "no language": (["a", "b"], r"recognised: none; columns: \['a', 'b'\].*--columns english=a german=b"),
    "a slip": (["en", "Germn"], "got column 'Germn', which is no known language.*--columns eng_Latn=en german=Germn"),
    "a source": (["source", "de"], "got column 'source', which is no known language.*--columns deu_Latn=de english=source"),
    "one twice": (["en", "text_en"], "columns 'en' and 'text_en' that both mean eng_Latn.*--columns eng_Latn=en"),
}


@pytest.mark.parametrize("kind", OPEN)
def test_what_a_table_leaves_open_is_refused_with_the_option_that_settles_it(tmp_path: Path, kind: str) -> None:
    head, message = OPEN[kind]
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path, "t.tsv", table(head, ENGLISH, GERMAN))
    assert read_text(tmp_path, "t.tsv", table(head, ENGLISH, GERMAN), columns={"en": head[0], "de": head[1]}).sentences == BOTH


@pytest.mark.parametrize("chosen", [{"en": "a", "de": "a"}, {"en": "a", "English": "b"}, {"en": "a", "ids": "a"}])
def test_a_language_or_a_column_chosen_twice_is_refused(tmp_path: Path, chosen: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected each language and each column once"):
        read_text(tmp_path, "t.tsv", table(["a", "b"], ENGLISH, GERMAN), columns=chosen)


def test_an_empty_row_is_left_out_but_an_empty_sentence_is_not(tmp_path: Path) -> None:
    assert read_text(tmp_path, "t.csv", "en,de\na,b\n\nc,d\n,\n")["en"] == ("a", "c")
    with pytest.raises(ValueError, match=r"t.csv:3: got an empty line between two sentences"):
        read_text(tmp_path, "t.csv", "en\na\n\nb\n")
    assert read_text(tmp_path, "t.csv", "en\na\nb\n\n")["en"] == ("a", "b")


def test_a_chosen_column_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got column 'text_e' for english, expected one of .*Did you mean text_en"):
        read_text(tmp_path, "t.tsv", table(["text_en"], ENGLISH), columns={"english": "text_e"})


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("index", [True, False])
def test_what_pandas_writes_is_read_as_pandas_reads_it(tmp_path: Path, mark: str, encoding: str, end: str, index: bool) -> None:
    frame = pd.DataFrame({"English": ENGLISH, "German": GERMAN})
    raw = frame.to_csv(sep=mark, index=index, lineterminator=end).encode(encoding)
    corpus = read_text(tmp_path, "t.csv", raw)
    again = pd.read_csv(io.BytesIO(raw), sep=mark, encoding=encoding)
    assert corpus.sentences == {"eng_Latn": tuple(again["English"]), "deu_Latn": tuple(again["German"])} == BOTH
    assert corpus.ids == ("0", "1", "2", "3")
    assert read_text(tmp_path, "t.csv.gz", gzip.compress(raw)).identity.sha == corpus.identity.sha


def test_a_tsv_is_quoted_where_only_quoting_explains_it(tmp_path: Path) -> None:
    written = pd.DataFrame({"en": ENGLISH, "de": GERMAN}).to_csv(sep="\t", index=False)
    corpus = read_text(tmp_path, "t.tsv", written)
    assert (corpus.sentences, corpus.notes[0]) == (BOTH, "t.tsv: cells are quoted as in CSV")
    for cell in ('"a" and "b"', '"a"', '"', 'a ""b""', '"a" '):
        assert read_text(tmp_path, "t.tsv", f"en\tde\n{cell}\tb\n")["en"] == (cell,)


QUOTED = {
    "Excel": ('en\tde\n"Hello, you"\t"Hallo, du"\nBye\tTschüs\n', ("Hallo, du", "Tschüs")),
    "R": ('"en"\t"de"\n"1"\t"Hello"\t"Hallo"\n"2"\t"Bye"\t"Sie sagt \\"nein\\"."\n', ("Hallo", 'Sie sagt "nein".')),
    "lines": ('en\tde\nHello\t"Hallo\ndu"\nBye\tTschüs\n', ("Hallo\ndu", "Tschüs")),
    "speech": ('en\tde\n"Hello, you"\t"Hallo, du"\nBye, you\tTschüs\n', ('"Hallo, du"', "Tschüs")),
    "first row": ('"en"\t"de"\nHello\t"Hallo"\n', None),
    "title": ('en\tde\n"Hello"\t"Hallo"\nBye\tTschüs\n', ('"Hallo"', "Tschüs")),
}


@pytest.mark.parametrize("kind", QUOTED)
def test_quotes_of_excel_and_r_are_no_text_and_others_are(tmp_path: Path, kind: str) -> None:
    text, german = QUOTED[kind]
    if german is None:
        with pytest.raises(ValueError, match="is no known language"):
            read_text(tmp_path, "t.tsv", text)
        return
    assert read_text(tmp_path, "t.tsv", text)["de"] == german


def test_a_line_break_within_quotes_is_text_and_at_the_end_of_a_line_it_is_not(tmp_path: Path) -> None:
    assert read_text(tmp_path, "t.csv", 'en,de\r\n"a\r\nb",c\r\n').sentences == {"eng_Latn": ("a\r\nb",), "deu_Latn": ("c",)}
    assert read_text(tmp_path, "t.tsv", "en\tde\ra\tb\r").sentences == {"eng_Latn": ("a",), "deu_Latn": ("b",)}
    corpus = read_text(tmp_path, "t.csv", "sep=;\r\nen;de;;\r\na;b;;\r\n;;;\r\n\r\n")
    assert (corpus["en"], dict(corpus.labels)) == (("a",), {})
    assert "t.csv: empty rows were left out" in corpus.notes
    assert read_text(tmp_path, "t.tsv", "en\tde\n1\ta\tb\n2\tc\td\n").ids == ("1", "2")


def test_parquet_holds_the_same_as_a_table(tmp_path: Path) -> None:
    for frame in (
        pd.DataFrame(BOTH),
        pd.DataFrame({"translation": [{"en": a, "de": b} for a, b in zip(*BOTH.values(), strict=True)]}),
    ):
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        assert read_text(tmp_path, "t.parquet", buffer.getvalue()).sentences == BOTH
    with pytest.raises(ValueError, match=r"t.parquet: not Parquet: .*Get the file again"):
        read_text(tmp_path, "t.parquet", b"PAR1")


@pytest.mark.parametrize(("name", "todo"), [("t.zip", "Unpack it first"), ("t.xlsx", "Save the sheet as CSV in UTF-8")])
def test_what_is_no_text_is_refused_with_what_to_do(tmp_path: Path, name: str, todo: str) -> None:
    with pytest.raises(ValueError, match=todo):
        read_text(tmp_path, name, b"PK")


def test_mgsm_has_its_language_in_a_word_and_no_header(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "mgsm",
        {"mgsm_de.tsv": "Was ist 1 + 1?\t2\nWie viel?\t1,250\n", "mgsm_en.tsv": "What is 1 + 1?\t2\nHow many?\t1250\n"},
    )
    assert read(folder)["en"] == ("What is 1 + 1?", "How many?")
    task = read_task(folder)
    assert (task.prompts["deu_Latn"][1], task.answers["deu_Latn"][1]) == ("Wie viel?\n", ("1,250", "1250"))
    assert read(folder / "mgsm_de.tsv").languages == ("deu_Latn",)
    swapped = put(tmp_path / "swapped", {"mgsm_de.tsv": "dQ1\t11\ndQ2\t13\n", "mgsm_en.tsv": "eQ1\t13\neQ2\t11\n"})
    with pytest.raises(ValueError, match="got gold label '13' for item '0', expected '11' as in deu_Latn"):
        read_task(swapped)
    put(folder, {"mgsm_en.tsv": "What is 1 + 1?\t2\nHow many?\t7\n"})
    with pytest.raises(ValueError, match=r"mgsm_en.tsv:2: got gold label '7' for item '1', expected '1250' as in deu_Latn"):
        read_task(folder)


# Questions -----------------------------------------------------------------------------------------------------------------

BELEBELE = {"link": "u", "question_number": 1, "flores_passage": "p", "question": "q", "correct_answer_num": "2",
            **{f"mc_answer{n}": f"a{n}" for n in (1, 2, 3, 4)}}  # fmt: skip
BAD_GOLD = {
    "other answer": ({"correct_answer_num": 3}, r"got gold label '3' for item 'u-1', expected '2' as in deu_Latn at .*de.jsonl:1"),
    "no answer": ({"correct_answer_num": None}, "got correct_answer_num None, which is no gold label"),
    "out of range": ({"correct_answer_num": 5}, "got correct_answer_num 5, expected 1 for mc_answer1, 2 for"),
    "same option": ({"mc_answer3": "a1"}, "got option 'a1' twice for item 'u-1' in eng_Latn"),
}


def test_belebele_is_a_task_with_four_options_and_a_corpus_of_documents(tmp_path: Path) -> None:
    folder = put(tmp_path / "b", {"en.jsonl": jsonl(BELEBELE), "de.jsonl": jsonl(BELEBELE)})
    task = read_task(folder)
    assert (task.prompts["eng_Latn"], task.answers["deu_Latn"], task.documents) == (("p\n\nq\n",), (("a2",),), ("u",))
    assert task.choices["eng_Latn"] == (("a1", "a2", "a3", "a4"),)
    assert read(folder).documents == ("u",)


NUMBERED = {
    "XStoryCloze": {"input": "q", "sentence_quiz1": "a", "sentence_quiz2": "b", "answer_right_ending": 2},
    "XWinograd": {"input": "q", "option1": "a", "option2": "b", "answer": "2"},
    "Global-MMLU": {"input": "q", "option_a": "a", "option_b": "b", "answer": "B"},
    "XCOPA": {"input": "q", "choice1": "a", "choice2": "b", "label": 1},
}


@pytest.mark.parametrize("kind", NUMBERED)
def test_numbered_and_lettered_options_are_options(tmp_path: Path, kind: str) -> None:
    folder = put(tmp_path / "o", {name: jsonl({"id": 1, **NUMBERED[kind]}) for name in ("en.jsonl", "de.jsonl")})
    task = read_task(folder, template="{input}")
    assert (task.choices["eng_Latn"], task.answers["deu_Latn"]) == ((("a", "b"),), (("b",),))


@pytest.mark.parametrize("fault", BAD_GOLD)
def test_a_gold_label_is_there_and_the_same_in_every_language(tmp_path: Path, fault: str) -> None:
    change, message = BAD_GOLD[fault]
    with pytest.raises(ValueError, match=message):
        read_task(put(tmp_path / "b", {"en.jsonl": jsonl({**BELEBELE, **change}), "de.jsonl": jsonl(BELEBELE)}))


def test_labels_that_are_words_or_codes_are_compared_too(tmp_path: Path) -> None:
    rows = [{"id": i, "premise": "p", "hypothesis": "h", "label": i % 2} for i in range(4)]
    folder = put(tmp_path / "x", {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*rows[:3], {**rows[3], "label": 0})})
    with pytest.raises(ValueError, match=r"got gold label '1' for item '3', expected '0' as in deu_Latn"):
        read_task(folder)
    put(folder, {"en.jsonl": jsonl(*rows[:3], {**rows[3], "label": -1})})
    with pytest.raises(ValueError, match=r"en.jsonl:4: got label -1, which is no gold label"):
        read_task(folder)
    put(folder, dict.fromkeys(("en.jsonl", "de.jsonl"), jsonl(rows[0], rows[2])))
    with pytest.raises(ValueError, match=r"got the single option '0' for item '0' in deu_Latn"):
        read_task(folder)


# The inputs beside the checkout ----------------------------------------------------------------------------------------------

CASES = SHARED / "cases"


@pytest.mark.skipif(not CASES.exists(), reason="shared cases not here")
def test_the_shared_cases_are_read_as_their_readme_says() -> None:
    ids = read(CASES / "ids.tsv")
    assert (ids.languages, ids.ids[0]) == (("eng_Latn", "deu_Latn"), "1")
    belebele = read(CASES / "belebele")
    assert belebele.sentences == {"eng_Latn": ("Who?", "Where?", "When?"), "fra_Latn": ("Qui ?", "Où ?", "Quand ?")}
    assert len(read_task(CASES / "belebele").choices["fra_Latn"][0]) == 4
    for name, rows in {"bomcsv.csv": 2, "crlf.tsv": 1, "semi.csv": 1, "blank.jsonl": 2, "doctype.tmx": 1}.items():
        corpus = read(CASES / name)
        assert (set(corpus.languages), len(corpus)) == ({"eng_Latn", "deu_Latn"}, rows), name
        assert [note for note in corpus.notes if not note.startswith("columns: ")], name
    assert read(CASES / "twins.tmx", languages=["de", "fr"])["fr"] == ("La couleur.",)
    with pytest.raises(ValueError, match=r"en-US and en-GB all mean eng_Latn. Choose one with columns="):
        read(CASES / "twins.tmx", languages=["en", "de"])
    assert read(CASES / "ptbr.tmx", languages=["en", "pt-BR"])["pt"] == ("ônibus",)
    assert len(read(CASES / "ntrex").languages) == 8
    assert len(set(read(CASES / "floresplus").documents or ())) < len(read(CASES / "floresplus"))


def test_a_json_list_and_a_nested_translation_are_tables_too(tmp_path: Path) -> None:
    rows = [{"translation": {"en": a, "de": b}, "no": n} for a, b, n in zip(ENGLISH, GERMAN, NUMBERS, strict=True)]
    assert read_text(tmp_path, "t.json", json.dumps(rows)).sentences == BOTH


LISTED = {
    "a list and a letter": {"choices": ["a", "b", "c"], "answer": "B"},
    "a list and a place": {"choices": ["a", "b", "c"], "answer": 1},
    "a list and a text": {"options": ["a", "b", "c"], "answer": "b"},
    "letters": {"A": "a", "B": "b", "C": "c", "answer": "B"},
}


@pytest.mark.parametrize("kind", LISTED)
def test_the_letter_of_an_option_is_its_place(tmp_path: Path, kind: str) -> None:
    rows = jsonl({"id": 1, "question": "q", **LISTED[kind]})
    task = read_task(put(tmp_path / "q", {"en.jsonl": rows, "de.jsonl": rows}))
    assert (task.choices["eng_Latn"], task.answers["eng_Latn"]) == ((("a", "b", "c"),), (("b",),))


def test_options_that_leave_the_answer_open_are_refused(tmp_path: Path) -> None:
    for own, message in (
        ({"choices": ["B", "A"], "answer": "A"}, "expected one that is not also the letter of another option"),
        ({"choices": ["x", "y"], "answer": "C"}, "got answer 'C', expected one of its options or their letter"),
        ({"choices": ["x", "y"], "answer": 3}, "got answer 3, expected one of its options"),
    ):
        with pytest.raises(ValueError, match=message):
            read_text_task(tmp_path, own, own)


def test_the_number_of_options_is_the_same_in_every_language(tmp_path: Path) -> None:
    three = {"mc_answer1": "a", "mc_answer2": "b", "mc_answer3": "c", "correct_answer_num": "1"}
    two = {field: three[field] for field in three if field != "mc_answer3"}
    with pytest.raises(ValueError, match=r"got 2 options for item '1', expected 3 as in deu_Latn"):
        read_text_task(tmp_path, three, two)


def read_text_task(tmp_path: Path, german: dict[str, object], english: dict[str, object]):
    about = {"id": 1, "question": "q"}
    return read_task(put(tmp_path / "q", {"de.jsonl": jsonl({**about, **german}), "en.jsonl": jsonl({**about, **english})}))
