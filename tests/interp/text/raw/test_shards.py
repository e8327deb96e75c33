"""Files as the Hub stores them: a table in pieces is read whole, and the folder says language, corpus and split."""

from pathlib import Path

import pandas as pd
import pytest

from interp.text.raw.json_rows import json_rows
from interp.text.read import read, read_task
from tests.support.texts import jsonl, put

TEXTS = {"de": ("eins", "zwei", "drei"), "en": ("one", "two", "three")}


def hub(folder: Path, name: str, pieces: int = 3) -> Path:
    """A clone: a folder per language, in each a table in pieces; German is in another order."""
    for code, texts in TEXTS.items():
        inner = folder / name.format(code)
        inner.mkdir(parents=True)
        for number in range(pieces):
            row = number if code == "en" else pieces - 1 - number
            table = pd.DataFrame({"id": [row], "text": [texts[row]]})
            table.to_parquet(inner / f"test-{number:05}-of-{pieces:05}.parquet")
    return folder


@pytest.mark.parametrize("name", ["{}", "xquad.{}", "MLQA.{0}.{0}"])
@pytest.mark.parametrize("split", [None, "test"])
def test_the_pieces_of_a_table_are_read_together(tmp_path: Path, name: str, split: str | None) -> None:
    corpus = read(hub(tmp_path / "hub", name), split=split)
    assert set(zip(corpus["en"], corpus["de"], strict=True)) == set(zip(TEXTS["en"], TEXTS["de"], strict=True))


def test_a_piece_that_is_missing_is_missed_and_one_by_itself_says_that_there_are_others(tmp_path: Path) -> None:
    folder = hub(tmp_path / "hub", "{}")
    one = read(folder / "en" / "test-00001-of-00003.parquet", columns={"en": "text"})
    assert (one["en"], "2 other files of the same table are not read: give their folder" in one.notes) == (("two",), True)
    (folder / "en" / "test-00001-of-00003.parquet").unlink()
    with pytest.raises(ValueError, match=r"test-\*-of-00003\.parquet: got 2 of 3 files"):
        read(folder)


def test_splits_of_the_hub_are_told_apart_without_their_numbers(tmp_path: Path) -> None:
    folder = hub(tmp_path / "hub", "{}", pieces=1)
    for code in TEXTS:
        pd.DataFrame({"id": [7], "text": ["x"]}).to_parquet(folder / code / "dev-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=r"several corpora.*split= chooses one of .*'dev'.*'test'"):
        read(folder)
    assert read(folder, split="dev").ids == ("7",)


def test_questions_may_be_in_a_folder_for_each_split(tmp_path: Path) -> None:
    put(tmp_path / "q", {})
    for split, answer in (("dev", "4"), ("test", "5")):
        row = {"id": 1, "question": "2+2?", "answer": answer}
        put(tmp_path / "q" / split, {"en.jsonl": jsonl(row), "de.jsonl": jsonl(row)})
    assert read_task(tmp_path / "q", split="dev").answers["deu_Latn"] == (("4",),)
    with pytest.raises(ValueError, match="split= chooses one of 'dev', 'test'"):
        read_task(tmp_path / "q")


def test_the_questions_of_trivia_qa_are_rows(tmp_path: Path) -> None:
    question = {"Question": "Who?", "QuestionId": "tc_1", "Answer": {"Value": "Me", "Aliases": ["Me", "I"]}}
    put(tmp_path / "t", {"en.json": jsonl({"Data": [question], "Domain": "Web", "Version": 1.0})})
    assert [values["QuestionId"] for _, values in json_rows(tmp_path / "t" / "en.json")] == ["tc_1"]
    task = read_task(tmp_path / "t" / "en.json")
    assert (task.ids, task.answers["eng_Latn"]) == (("tc_1",), (("Me", "I"),))


def test_a_table_of_all_languages_in_pieces_is_read_from_its_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "t", {})
    for number, row in enumerate(zip(TEXTS["en"], TEXTS["de"], strict=True)):
        pd.DataFrame([row], columns=["en", "de"]).to_parquet(folder / f"train-{number:05}-of-00003.parquet")
    assert read(folder)["de"] == TEXTS["de"]
    pd.DataFrame({"en": ["so be it"], "de": ["so sei es"]}).to_parquet(folder / "test-00000-of-00001.parquet")
    assert (read(folder, split="test")["de"], read(folder, split="train")["de"]) == (("so sei es",), TEXTS["de"])
    with pytest.raises(ValueError, match=r"Give one of its files: .*test-00000-of-00001\.parquet, .*train-\*-of-00003\.parquet"):
        read(folder)


def test_a_file_in_the_folder_of_a_language_is_in_it(tmp_path: Path) -> None:
    rows = jsonl({"id": 1, "context": "Kontext", "question": "Was?", "answers": {"text": ["Kon"], "answer_start": [0]}})
    folder = put(tmp_path / "xquad.de", {"validation.jsonl": rows})
    for source in (folder, folder / "validation.jsonl"):
        assert read_task(source).answers == {"deu_Latn": (("Kon",),)}
        assert read(source).sentences == {"deu_Latn": ("Kontext",)}
