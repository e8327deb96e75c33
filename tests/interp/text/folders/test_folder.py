"""A folder with a file for each language gives the text exactly as it stands; a fault in it is an error that says where."""

import gzip
import logging
from pathlib import Path

import pytest

from interp.text.raw.file_names import language_code, parse_file_name
from interp.text.read import read
from tests.support.texts import put, text

ENGLISH = ("A line.", "A second,\u2028still the second\x0b\x85 line\u3000", ' "third" ')
GERMAN = ("Eine Zeile.", "Eine zweite\rZeile", "die dritte\ufeff")


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


@pytest.mark.parametrize("name", ["ID", "Key", "sentence_id"])
def test_an_id_column_of_a_side_file_is_one_in_any_case(tmp_path: Path, name: str) -> None:
    side = f"{name}\ttopic\nk1\tx\nk2\ty\nk3\tz\n"
    corpus = read(put(tmp_path / "f", {"en.txt": text(ENGLISH), "de.txt": text(GERMAN), "meta.tsv": side}))
    assert (corpus.ids, dict(corpus.labels)) == (("k1", "k2", "k3"), {"topic": ("x", "y", "z")})


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
        "corpus 'f': line 2 of fra_Latn is empty, expected a sentence in every line. Fill .*fr.txt:2, or remove that line",
    ),
    "blank line": ({"en.txt": "a\nb\n", "fr.txt": "a\n \u3000\n"}, "line 2 of fra_Latn is missing"),
    "empty everywhere": ({"en.txt": "a\n\nb\n", "fr.txt": "a\n\nb\n"}, "line 2 of eng_Latn is empty"),
    "invalid": ({"en.txt": b"a\n\xe9\xff\n", "fr.txt": "a\nb\n"}, r"en.txt:2: got byte 1 .0xe9., expected UTF-8.*iconv"),
    "cut utf-16": (
        {"en.txt": "a\n".encode("utf-16")[:-1], "fr.txt": "a\n"},
        "en.txt: got bytes that are not UTF-16 as its byte order",
    ),
    "NUL": ({"en.txt": "a\n".encode("utf-16-le"), "fr.txt": "a\n"}, "a NUL character"),
    "cut gz": ({"en.txt.gz": gzip.compress(b"a\n" * 999)[:30], "fr.txt": "a\n"}, "en.txt.gz: not a whole gzip file.*Get it again"),
    "no gz": ({"en.txt.gz": b"a\n", "fr.txt": "a\n"}, "en.txt.gz: not a whole gzip file"),
    "packed": ({"flores.zip": b"PK"}, "no file named after a language.* Unpack flores.zip first"),
    "variants": (
        {"x.eng-US.txt": "a\n", "x.eng-GB.txt": "a\n", "x.fra.txt": "a\n"},
        r"two files of eng_Latn, x.eng-GB.txt and x.eng-US.txt: eng-GB and eng-US all mean eng_Latn. Choose one with columns=.*"
        r"--columns eng_Latn=eng-GB. or languages=.'eng-GB'",
    ),
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
