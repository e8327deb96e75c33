"""Of two regional variants that one is read that was asked for, wherever they stand; another never stands in for it."""

from pathlib import Path

import pytest

from interp.text.read import read, read_task
from tests.support.texts import jsonl, put

LONG = jsonl(*({"id": n, "lang": tag, "text": f"{tag} {n}"} for n in (1, 2) for tag in ("pt-BR", "en", "pt-PT")))
WIDE = "en\tpt-BR\tpt-PT\nen 1\tpt-BR 1\tpt-PT 1\nen 2\tpt-BR 2\tpt-PT 2\n"
NESTED = jsonl(*({"translation": {tag: f"{tag} {n}" for tag in ("en", "pt-BR", "pt-PT")}} for n in (1, 2)))
FILES = {"t.jsonl": LONG, "t.tsv": WIDE, "n.jsonl": NESTED}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("tag", ["pt-BR", "pt-PT"])
def test_the_variant_that_was_asked_for_is_read(tmp_path: Path, name: str, tag: str) -> None:
    path = put(tmp_path / "t", FILES) / name
    expected = {"eng_Latn": ("en 1", "en 2"), "por_Latn": (f"{tag} 1", f"{tag} 2")}
    assert read(path, languages=["en", tag]).sentences == expected
    assert read(path, languages=["en", "pt"], columns={"pt": tag}).sentences == expected
    for asked in (None, ["en", "pt"]):
        with pytest.raises(ValueError, match=r"por_Latn.*columns=.*--columns por_Latn=pt-BR"):
            read(path, languages=asked)


@pytest.mark.parametrize("name", ["t.jsonl", "t.tsv", "pt-BR.txt", "a folder", "m.tmx"])
def test_another_variant_never_stands_in_for_one_that_is_not_there(tmp_path: Path, name: str) -> None:
    tmx = '<tmx version="1.4"><header/><body><tu><tuv xml:lang="pt-BR"><seg>a</seg></tuv></tu></body></tmx>'
    rows = jsonl({"id": 1, "lang": "pt-BR", "text": "a"}, {"id": 1, "lang": "en", "text": "b"})
    folder = put(tmp_path / "t", {"t.jsonl": rows, "t.tsv": "en\tpt-BR\nb\ta\n", "m.tmx": tmx, "pt-BR.txt": "a\n"})
    path = put(tmp_path / "f", {"pt-BR.txt": "a\n", "en.txt": "b\n"}) if name == "a folder" else folder / name
    with pytest.raises(ValueError, match=r"got 'pt-PT' for por_Latn, expected pt-BR. Ask for 'pt-BR', or leave the language out"):
        read(path, languages=["pt-PT"])
    for asked in ("pt-BR", "pt", "Portuguese"):
        assert read(path, languages=[asked]).sentences == {"por_Latn": ("a",)}


def test_a_region_in_brackets_is_one(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.tsv": "English (UK)\tEnglish (United States)\tGerman\na\tb\tc\n"}) / "t.tsv"
    assert read(path, languages=["en-GB", "de"])["en"] == ("a",)
    assert read(path, languages=["en-US", "de"])["en"] == ("b",)


def test_the_rows_of_questions_are_of_the_variant_that_was_asked_for(tmp_path: Path) -> None:
    rows = [{"lang": tag, "id": 1, "question": tag, "answer": "a"} for tag in ("pt-BR", "pt-PT", "de")]
    path = put(tmp_path / "t", {"t.jsonl": jsonl(*rows)}) / "t.jsonl"
    assert read_task(path, languages=["pt-PT", "de"], template="{question}").prompts["por_Latn"] == ("pt-PT",)
    with pytest.raises(ValueError, match="pt-BR and pt-PT all mean por_Latn"):
        read_task(path)


def test_two_spellings_of_a_language_in_rows_are_one_and_the_plain_one_is_taken_before_a_region(tmp_path: Path) -> None:
    rows = jsonl(*({"id": n, "lang": tag, "text": f"{n}"} for n, tag in ((1, "de"), (2, "German"), (3, "deu_Latn"), (1, "de-AT"))))
    corpus = read(put(tmp_path / "t", {"t.jsonl": rows}) / "t.jsonl")
    assert corpus.sentences == {"deu_Latn": ("1", "2", "3")}
    assert "de-AT was left out: deu_Latn is de" in corpus.notes
    assert corpus.origins["deu_Latn"] == "rows of t.jsonl with de, field text"


def test_the_varieties_of_flores_plus_in_one_table_are_told_apart(tmp_path: Path) -> None:
    rows = [{"id": 1, "iso_639_3": "apc", "iso_15924": "Arab", "glottocode": own, "text": own} for own in ("nort3139", "sout3123")]
    path = put(tmp_path / "t", {"t.jsonl": jsonl(*rows)}) / "t.jsonl"
    with pytest.raises(ValueError, match="apc_Arab_nort3139 and apc_Arab_sout3123 all mean apc_Arab"):
        read(path)
    assert read(path, columns={"apc_Arab": "apc_Arab_sout3123"})["apc_Arab"] == ("sout3123",)


@pytest.mark.parametrize("names", ["Language,Text,ID", "LANG,Sentence,Id", "language,text,id", "Locale,TEXT,Sentence_ID"])
def test_the_columns_of_rows_that_say_their_language_are_known_in_any_case(tmp_path: Path, names: str) -> None:
    path = put(tmp_path / "t", {"t.csv": f"{names}\nEnglish,Hello,1\nde,Tschüs,2\nde,Hallo,1\nEnglish,Bye,2\n"}) / "t.csv"
    assert read(path).sentences == {"eng_Latn": ("Hello", "Bye"), "deu_Latn": ("Hallo", "Tschüs")}


def test_a_row_without_a_language_or_in_an_unknown_one_is_refused_where_it_stands(tmp_path: Path) -> None:
    for said, message in {"nan": "'nan' in 'lang', which stands for a missing value", "xx": "unknown language 'xx'"}.items():
        path = put(tmp_path / "t", {"t.csv": f"lang,text\nen,Hello you\n{said},Hallo du\n"}) / "t.csv"
        with pytest.raises(ValueError, match=f"t.csv:3: .*{message}"):
            read(path)


def test_rows_that_say_their_language_in_a_column_of_another_name_are_not_read_as_one_language(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.tsv": "tongue\ttext\nen\tHello there\nde\tHallo du\n"}) / "t.tsv"
    with pytest.raises(ValueError, match=r"got de and en in column 'tongue'.*call the column 'language'.$"):
        read(path)


@pytest.mark.parametrize(
    ("name", "told"),
    [("kr", r"Korean \(kor_Hang\) or Kanuri"), ("mt", "Maltese .* or a machine translation"), ("MSA", "Modern Standard Arabic"),
     ("cn", "write zho_Hans for Chinese"), ("text_jp", "write jpn_Jpan"), ("CZ", "write ces_Latn")],
)  # fmt: skip
def test_a_code_that_is_used_for_two_languages_is_none_and_never_a_label(tmp_path: Path, name: str, told: str) -> None:
    path = put(tmp_path / "t", {"t.tsv": f"en\tde\t{name}\nHello you\tHallo du\tx y\n"}) / "t.tsv"
    with pytest.raises(
        ValueError, match=rf"got column '{name}', which is no .*{told}.*To leave it out.* --languages eng_Latn deu_Latn"
    ):
        read(path)
    assert read(path, columns={"Korean": name, "en": "en"}).languages == ("kor_Hang", "eng_Latn", "deu_Latn")
    assert read(path, languages=["en", "de"]).languages == ("eng_Latn", "deu_Latn")


def test_a_file_named_after_a_country_is_refused_with_the_code_of_the_language(tmp_path: Path) -> None:
    for name, told in {"cn": "write zho_Hans for Chinese", "kr": r"Korean \(kor_Hang\) or Kanuri"}.items():
        with pytest.raises(ValueError, match=rf"{name}.txt: got the file name '{name}', .*{told}"):
            read(put(tmp_path / name, {"en.txt": "a\n", f"{name}.txt": "b\n"}))
