"""Whatever is asked of a text is used, or refused: no choice is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.text.asked import Asked
from interp.text.corpus import ParallelTask
from interp.text.read import read, read_task
from tests.support.texts import jsonl, put

TMX = '<tmx version="1.4"><header/><body><tu><tuv xml:lang="en"><seg>a</seg></tuv></tu></body></tmx>'
ROWS = {f"{code}.jsonl": jsonl({"id": 1, "text": code}) for code in ("en", "de")}


@pytest.mark.parametrize("columns", [{"en": "a", "English": "b"}, {"ids": "a", "IDS": "b"}, {"zh": "a", "zho_Hans": "b"}])
def test_a_language_or_role_that_is_chosen_twice_is_refused(columns: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"both mean .*, expected each language and each column once"):
        Asked(columns=columns)


UNUSED = {
    "a role of lines": ("f", {"ids": "x"}, "expected only eng_Latn, fra_Latn: it is lines of text"),
    "a language of lines": ("f", {"german": "x"}, "got columns={'deu_Latn': 'x'}.*it is lines of text"),
    "a role of a translation memory": ("m.tmx", {"documents": "x"}, "it is a translation memory"),
    "the text of a wide table": ("t.tsv", {"text": "en"}, "it is a table with a column for each language"),
    "a language of rows": ("rows", {"french": "x"}, r"got columns={'fra_Latn': 'x'}"),
    "a language of long rows": ("long.jsonl", {"french": "x"}, "it is a table whose rows say their language"),
    "built-in text": ("cldr:names", {"ids": "x"}, "it is built-in text"),
    "one file of lines": ("f/en.txt", {"text": "x"}, "it is lines of text"),
}


@pytest.mark.parametrize("kind", UNUSED)
def test_a_column_that_cannot_be_used_is_refused(tmp_path: Path, kind: str) -> None:
    source, columns, message = UNUSED[kind]
    long = jsonl(*({"id": 1, "lang": code, "text": code} for code in ("en", "de")))
    folder = put(tmp_path / "c", {"m.tmx": TMX, "t.tsv": "en\tde\na\tb\n", "long.jsonl": long})
    put(folder / "f", {"en.txt": "a\n", "fr.txt": "b\n"})
    put(folder / "rows", ROWS)
    with pytest.raises(ValueError, match=message) as refused:
        read(source if source.startswith("cldr") else folder / source, columns=columns)
    assert len(str(refused.value).splitlines()) == 1


def test_the_columns_of_questions_are_used_or_refused(tmp_path: Path) -> None:
    row = {"sha": "x", "topic": "t", "question": "q", "answer": "a"}
    folder = put(tmp_path / "q", {"en.jsonl": jsonl(row), "de.jsonl": jsonl(row)})
    task = read_task(folder, columns={"ids": "sha", "documents": "topic"})
    assert (task.ids, task.documents) == (("x",), ("t",))
    for columns in ({"text": "question"}, {"french": "x"}):
        with pytest.raises(ValueError, match="questions, whose texts the template names"):
            read_task(folder, columns=columns)


def test_a_column_of_a_file_named_after_its_language_may_be_chosen(tmp_path: Path) -> None:
    folder = put(tmp_path / "c", {"deu.csv": "nr,satz\n7,Hallo du\n"})
    assert read(folder / "deu.csv", columns={"german": "satz", "ids": "nr"}).sentences == {"deu_Latn": ("Hallo du",)}


def test_a_function_of_your_own_has_one_text_of_each_language_and_no_columns() -> None:
    def both(languages, split):
        return {"en": ["a"], "en-GB": ["b"]}

    def sums(languages, split):
        return ParallelTask("sums", {"en": ("1+1=",)}, {"en": (("2",),)})

    with pytest.raises(ValueError, match=r"reader .*: languages 'en' and 'en-GB' both mean eng_Latn"):
        read(both)
    with pytest.raises(ValueError, match=r"reader .*: got columns={'ids': 'x'}.*a function of your own, which has no columns"):
        read(both, columns={"ids": "x"})
    with pytest.raises(ValueError, match=r"task .*: got columns={'ids': 'x'}"):
        read_task(sums, columns={"ids": "x"})
