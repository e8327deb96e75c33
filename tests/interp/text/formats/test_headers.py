"""A table without a header: what is advised reads every line of it, and nothing of it is read in silence as something else."""

import re
import shlex
from pathlib import Path

import pytest

from interp.text.read import read
from tests.support.texts import put

ENGLISH, GERMAN = ("Go.", "one thing is", "Hi"), ("Geh.", "eins ist da", "Hi")


def table(*columns: tuple, mark: str = "\t", end: str = "\n") -> str:
    return "".join(mark.join(row) + end for row in zip(*columns, strict=True))


def advised(message: str) -> dict[str, str]:
    """The last `--columns` that a message advises."""
    return dict(word.split("=") for word in shlex.split(re.findall(r"\(--columns ([^)]*)\)", message)[-1]))


HEADLESS = {
    "tsv": ("t.tsv", table(ENGLISH, GERMAN)),
    "scores": ("en-de.tsv", table(ENGLISH[1:], GERMAN[1:], ("1.05", "1.1"))),
    "ids first": ("t.tsv", table(("7", "9", "12"), ENGLISH, GERMAN)),
    "Tatoeba": ("pairs - 2023-05-01.tsv", table(("7", "9", "12"), ENGLISH, ("20", "21", "22"), GERMAN)),
    "csv": ("t.csv", table(("Hello, you.", "Bye"), ("Hallo, du.", "Tschüs"), mark='","').replace("\n", '"\n"')[:-1]),
    "repeated": ("t.tsv", table(ENGLISH[::-1], GERMAN[::-1])),
    "codes": ("tatoeba.eng-deu.tsv", table(("eng",) * 3, ("deu",) * 3, ENGLISH, GERMAN)),
    "scores first": ("CCMatrix.en-de.tsv", table(("1.2", "1.1", "1.05"), ENGLISH, GERMAN)),
    "No.": ("t.tsv", table(("No.", "Yes."), ("Nein.", "Ja."))),
    "one line": ("t.tsv", table(("Go there.",), ("Geh hin.",))),
    "words": ("t.tsv", table(("dog", "cow"), ("Hund", "Kuh"))),
}


@pytest.mark.parametrize("kind", HEADLESS)
def test_what_is_advised_for_a_table_without_a_header_keeps_every_line(tmp_path: Path, kind: str) -> None:
    name, content = HEADLESS[kind]
    content = '"' + content if kind == "csv" else content
    path = put(tmp_path / "t", {name: content}) / name
    with pytest.raises(ValueError, match="by number") as refused:
        read(path)
    corpus = read(path, columns=advised(str(refused.value)))
    assert corpus.languages == ("eng_Latn", "deu_Latn")
    assert len(corpus) == len(content.splitlines())
    assert all(english in content.splitlines()[row] for row, english in enumerate(corpus["en"]))
    assert any("the first row is text" in note for note in corpus.notes)


@pytest.mark.parametrize("rest", [(), (("CC-BY 2.0 (France) Attribution: tatoeba.org #28 (CM)",) * 3,)])
@pytest.mark.parametrize("name", ["deu.txt", "deu-eng/deu.txt", "eng.txt"])
def test_two_languages_in_a_line_are_not_read_as_one(tmp_path: Path, name: str, rest: tuple) -> None:
    """The lists of Tatoeba that Anki takes."""
    put(tmp_path / "deu-eng", {"_about.txt": "About."})
    put((tmp_path / name).parent, {Path(name).name: table(ENGLISH, GERMAN, *rest)})
    source = tmp_path / Path(name).parts[0]
    with pytest.raises(ValueError, match=r"a tab and more in every line.*--columns eng_Latn=1 deu_Latn=2\).*--columns text=NUMBER"):
        read(source)
    both = {"eng_Latn": "1", "deu_Latn": "2"}
    assert read(source, columns=both).sentences == {"eng_Latn": ENGLISH, "deu_Latn": GERMAN}
    assert [*read(source, columns={"text": "2"}).sentences.values()] == [GERMAN]


def test_files_of_one_language_without_a_header_are_paired_by_the_column_of_ids(tmp_path: Path) -> None:
    ids = ("1", "2", "3")
    folder = put(tmp_path / "t", {"eng_Latn.tsv": table(ids, ENGLISH), "deu_Latn.tsv": table(ids[::-1], GERMAN[::-1])})
    with pytest.raises(ValueError, match="expected the names of the columns") as refused:
        read(folder)
    assert advised(str(refused.value)) == {"ids": "1", "text": "2"}
    corpus = read(folder, columns={"ids": "1", "text": "2"})
    assert dict(zip(corpus["en"], corpus["de"], strict=True)) == dict(zip(ENGLISH, GERMAN, strict=True))


def test_a_number_is_the_place_of_a_column_also_where_columns_have_names(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.txt": "Nr\tTexte\tEnglish\tGerman\n5\ta\tone\teins\n"}) / "t.txt"
    corpus = read(path, columns={"en": "3", "de": "4"})
    assert (corpus.sentences, corpus.ids) == ({"eng_Latn": ("one",), "deu_Latn": ("eins",)}, ("5",))
    with pytest.raises(ValueError, match=r"got column 5, expected 1 to 4"):
        read(path, columns={"en": "3", "de": "5"})


def test_the_names_that_pandas_gives_columns_without_names_are_names(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.csv": "0,1\none,eins\n"}) / "t.csv"
    assert read(path, columns={"en": "0", "de": "1"}).sentences == {"eng_Latn": ("one",), "deu_Latn": ("eins",)}


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u00a0", "\u2060", "\u00ad"])
def test_what_cannot_be_seen_in_the_name_of_a_column_is_no_part_of_it(tmp_path: Path, unseen: str) -> None:
    path = put(tmp_path / "t", {"t.csv": f"{unseen}en,de{unseen},{unseen}id\none,eins,7\n"}) / "t.csv"
    corpus = read(path)
    assert (corpus.sentences, corpus.ids) == ({"eng_Latn": ("one",), "deu_Latn": ("eins",)}, ("7",))


def test_lines_in_a_file_named_after_no_language_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected the language as the name of the file, such as eng_Latn\.txt"):
        read(put(tmp_path / "t", {"corpus.txt": "Hello.\nBye.\n"}) / "corpus.txt")
