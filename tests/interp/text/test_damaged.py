"""Text whose letters were lost on the way is read as it stands, and the reader says so with an example."""

from pathlib import Path

import pytest

from interp.text.corpus import ParallelTask
from interp.text.damaged import DAMAGED, damage
from interp.text.read import read, read_task
from interp.text.survey import survey
from tests.support.shared import SHARED
from tests.support.texts import jsonl, put

WHOLE = ("Schüler", "l’été", "“x”", "Привет", "你好", "مرحبا", "हिन्दी", "ελληνικά", "zażółć", "Łódź", "ภาษา", "שלום", "20 °C", "😀")
CAPITALS = ("“CAFÉ»", "AMANHÃ»", "IRMÃ”", "OLÉ”", "À «", "ÇOÇ…", "NÃO", "AT&T", "Союз РСФСР", "СРЈ")


def shown(text: str, encoding: str) -> str:
    """A text whose UTF-8 was read in another encoding; a byte that this lacks is a control character."""
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode())


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("text", WHOLE)
def test_utf_8_read_in_another_encoding_is_seen_and_what_is_whole_is_not(tmp_path: Path, text: str, encoding: str) -> None:
    corpus = read(put(tmp_path / "t", {"en.txt": "One\nTwo\n", "de.txt": f"Eins\n{shown(text, encoding)}\n"}))
    assert corpus["de"][1] == shown(text, encoding)
    (note,) = corpus.notes
    assert note.startswith(f"deu_Latn: 1 of 2 {DAMAGED}")
    assert "item '1'" in note
    assert note in survey(corpus).warnings
    assert not read(put(tmp_path / "t", {"de.txt": f"Eins\n{text}\n"})).notes


@pytest.mark.parametrize(
    ("text", "told"), [("Sch�ler", "encoding"), ("It\x92s", "encoding"), ("Tom &amp; I", "HTML"), ("it&#39;s", "HTML")]
)
def test_lost_letters_and_entities_are_told(tmp_path: Path, text: str, told: str) -> None:
    (note,) = read(put(tmp_path / "t", {"en.txt": f"{text}\n", "de.txt": "Eins\n"})).notes
    assert note.startswith(f"eng_Latn: 1 of 1 {DAMAGED}")
    assert told in note


@pytest.mark.parametrize("text", CAPITALS)
def test_capitals_beside_quotes_are_no_damage(tmp_path: Path, text: str) -> None:
    assert not read(put(tmp_path / "t", {"en.txt": "One\n", "de.txt": f"{text}\n"})).notes


def test_questions_are_looked_at_with_their_options(tmp_path: Path) -> None:
    row = {"question": "Who?", "choices": ["MÃ¼ller", "Meier"], "answer": "Meier"}
    task = read_task(put(tmp_path / "t", {"de.jsonl": jsonl(row)}) / "de.jsonl")
    assert isinstance(task, ParallelTask)
    assert list(damage(task)) == ["deu_Latn"]
    assert any("MÃ¼ller" in note for note in task.notes)


@pytest.mark.skipif(not (SHARED / "data" / "flores200").exists(), reason="shared data not here")
def test_flores_200_is_damaged_in_two_languages() -> None:
    """The Indonesian and the Catalan of the release have been so since 2022."""
    assert set(damage(read(SHARED / "data" / "flores200"))) - {"hat_Latn"} == {"ind_Latn", "cat_Latn"}
