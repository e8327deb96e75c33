"""What programs write where there is no text is refused as an empty cell is, and a word that looks like it is read."""

from pathlib import Path

import pytest

from interp.text.read import read
from tests.support.texts import jsonl, put

MISSING = [
    "nan",
    "NaN",
    "N/A",
    "n/a",
    "NULL",
    "null",
    "None",
    "NA",
    "<NA>",
    "#REF!",
    "#N/A",
    "#VALUE!",
    "#NAME?",
    "#DIV/0!",
    " nan ",
]


@pytest.mark.parametrize("cell", MISSING)
def test_a_cell_without_text_is_refused_where_it_stands(tmp_path: Path, cell: str) -> None:
    files = {"t.tsv": f"en\tde\nGood morning.\tGuten Morgen.\nThank you.\t{cell}\n"}
    with pytest.raises(
        ValueError, match=r"t.tsv:3, column 'de': got '.*', which stands for a missing value, expected text. Fill it"
    ):
        read(put(tmp_path / "t", files) / "t.tsv")
    with pytest.raises(ValueError, match=r"de.txt:2: got .*, which stands for a missing value"):
        read(put(tmp_path / "f", {"en.txt": "Good morning.\nThank you.\n", "de.txt": f"Guten Morgen.\n{cell}\n"}))
    rows = jsonl({"id": 1, "text": cell})
    with pytest.raises(ValueError, match=r"de.jsonl:1, text: got .*, which stands for a missing value"):
        read(put(tmp_path / "r", {"en.jsonl": jsonl({"id": 1, "text": "Good morning."}), "de.jsonl": rows}))


def test_in_a_list_of_words_they_are_words_but_no_fault_of_a_spreadsheet_is(tmp_path: Path) -> None:
    words = "en\tde\tzh\nzero\tnull\t零\none\teins\t一\ntwo\tzwei\t二\n"
    path = put(tmp_path / "t", {"t.tsv": words}) / "t.tsv"
    assert read(path)["de"] == ("null", "eins", "zwei")
    for old, new in (("null", "#N/A"), ("零", "None")):
        put(tmp_path / "t", {"t.tsv": words.replace(old, new)})
        with pytest.raises(ValueError, match=f"t.tsv:2, .*got '{new}', which stands for a missing value"):
            read(path)


def test_a_sentence_with_such_a_word_in_it_is_text(tmp_path: Path) -> None:
    path = put(tmp_path / "t", {"t.tsv": "en\tde\nNone of them.\tNull Bock.\nNan came.\tNA ja.\n"}) / "t.tsv"
    assert read(path)["en"] == ("None of them.", "Nan came.")
