"""A damaged file loads as what it now says, or is refused in one line: never half of it, never another exception.

What a file says is worked out here a second time, in a few lines for each format that share no code with the readers.
"""

import csv
import json
import os
import random
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from interp.languages import language, resolve
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.text.read import read, read_task
from tests.support.mutate import no_longer_than, spoil

MUTANTS, STRUCTURED = 110, 40
JUNK = [
    b"\n", b"\n\n", b"\r\n", b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\0", b'"', b"\t", b",", b"{", b"[" * 40, b"}", b"\\ud800", b"<x>",
    b"&a;", b"<!DOCTYPE a>", "\u2028".encode(), b" ", b"null", b"1", b"-1", b"en", b"de", b"id", b"../", b"\x1b", b"NaN", b"true",
]  # fmt: skip
Files = dict[str, bytes]


class Format(NamedTuple):
    """The files of a format, which of them is read (the folder, if none), by what, and what they say."""

    files: Files
    source: str
    reader: Callable[..., ParallelCorpus | ParallelTask]
    says: Callable[[Files], dict[str, list[str]]]


def jsonl(*rows: dict) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def unmarked(data: bytes) -> str:
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")


def plain(data: bytes) -> str:
    """The text without its byte order mark, and with LF as the end of lines: CR LF is one, and so is CR where there is no LF."""
    text = unmarked(data)
    text = text.removesuffix("\r") if "\r\n" in text else text
    return text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")


def lines(data: bytes) -> list[str]:
    """The lines without blank ones at the end."""
    kept = plain(data).split("\n")
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


def loaded_lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in lines(data) if line.strip()]


def csv_rows(data: bytes) -> list[dict]:
    text = unmarked(data)
    text = text if "\n" in text else text.replace("\r", "\n")
    return named(list(csv.reader(line + "\n" for line in text.removesuffix("\n").split("\n"))))


def folder_says(files: Files) -> dict:
    return {"eng_Latn": lines(files["en.txt"]), "deu_Latn": lines(files["de.txt"]), "ids": lines(files["ids.txt"])}


def table_says(rows: list[dict]) -> dict:
    rows = [row for row in rows if any(str(cell).strip() for cell in row.values())]
    said: dict[str, list[str]] = {}
    for column in rows[0]:
        if column.strip().casefold() != "id" and (code := resolve(column.strip())):
            said[code] = [row[column] for row in rows]
    return said | {"ids": ids_of(rows)}


def ids_of(rows: list[dict]) -> list[str]:
    """The column of ids, in any case; the number of the row where there is none."""
    name = next((column for wanted in ("id", "") for column in rows[0] if column.strip().casefold() == wanted), None)
    return [str(number) if name is None else str(row[name]) for number, row in enumerate(rows)]


def named(cells: list[list[str]]) -> list[dict]:
    """The rows by the names in the first, less what has no width, without empty rows; a row number before them has no name."""
    head, *rows = (row for row in cells if any(cell.strip() for cell in row))
    head = ["".join(letter for letter in cell if unicodedata.category(letter) != "Cf") for cell in head]
    head = ["", *head] if rows and len(rows[0]) == len(head) + 1 else head
    return [dict(zip(head, row, strict=True)) for row in rows]


def tsv_says(files: Files) -> dict:
    return table_says(named([line.split("\t") for line in lines(files["t.tsv"])]))


def tmx_says(files: Files) -> dict:
    rows = []
    for number, unit in enumerate(ElementTree.fromstring(files["t.tmx"]).iter("tu")):
        row = {"id": unit.get("tuid") or number}
        for tuv in unit:
            spoken = tuv.get("{http://www.w3.org/XML/1998/namespace}lang") or tuv.get("lang")
            row[language(spoken).code] = "".join(tuv.find("seg").itertext())
        rows.append(row)
    return table_says(rows)


def questions_say(files: Files) -> dict:
    english, german = ({str(row["id"]): row for row in loaded_lines(files[name])} for name in ("en.jsonl", "de.jsonl"))
    return {
        "eng_Latn": [english[i]["question"] + "\n" for i in german],
        "deu_Latn": [row["question"] + "\n" for row in german.values()],
        "answers": [str(english[i]["answer"]) for i in german],
        "ids": list(german),
    }


def first_answer(answers: object) -> str:
    """A text or a number is an answer, of a list the first."""
    while isinstance(answers, list | dict):
        answers = answers[0] if isinstance(answers, list) else answers["text"]
    assert isinstance(answers, str | int | float)
    return str(int(answers) if isinstance(answers, float) and answers.is_integer() else answers)


def squad_says(files: Files) -> dict:
    said: dict[str, list[str]] = {"eng_Latn": [], "answers": [], "ids": []}
    for article in json.loads(files["x.en.json"])["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                said["eng_Latn"].append(f"{paragraph['context']}\n\n{asked['question']}\n")
                said["answers"].append(asked["answers"][0]["text"])
                said["ids"].append(str(asked["id"]))
    return said


def xnli_says(files: Files) -> dict:
    rows = loaded_lines(files["en.jsonl"])
    told = {code.strip(): own for code, own in json.loads(files["templates.json"]).items()}["en"]
    words = told.get("label_words") or {str(row["label"]): str(row["label"]) for row in rows}
    blanks = [told["template"].replace("{hypothesis}", "\1").replace("{premise}", str(row["premise"])) for row in rows]
    return {
        "eng_Latn": [blank.replace("\1", str(row["hypothesis"])) for blank, row in zip(blanks, rows, strict=True)],
        "answers": [words[str(row["label"])] for row in rows],
        "ids": ids_of(rows),
    }


def opinions_say(files: Files) -> dict:
    rows = loaded_lines(files["de.jsonl"])
    return {
        "deu_Latn": [row["prompt"] for row in rows],
        "eng_Latn": [row["prompt_en"] for row in rows],
        "answers": [f"({'ABC'[row['label'].index(max(row['label']))]})" for row in rows],
        "ids": [str(row["id"]) for row in rows],
    }


def words_say(files: Files) -> dict:
    german, english = (
        {row["word_original"]: row["word_translation"] for row in csv_rows(files[name])}
        for name in ("de.clean.csv", "en.clean.csv")
    )
    ids = [i for i in german if i in english]
    return {"deu_Latn": [german[i] for i in ids], "eng_Latn": [english[i] for i in ids], "ids": ids}


def unit(number: int, english: str, german: str) -> str:
    both = f'<tuv xml:lang="en"><seg>{english}</seg></tuv><tuv xml:lang="de"><seg>{german}</seg></tuv>'
    return f'<tu tuid="{number}">{both}</tu>\n'


TMX = f'<?xml version="1.0"?>\n<tmx version="1.4"><header/><body>\n{unit(0, "a &lt;", "ä")}{unit(1, "b", "ß")}</body></tmx>'
ASKED = jsonl(*({"id": i, "question": f"{i}é?", "answer": str(i)} for i in (1, 2)))
PARAGRAPH = {"context": "Ich.", "qas": [{"id": "q", "question": "Wer?", "answers": [{"text": "Ich"}]}]}
XNLI = jsonl(*({"id": i, "premise": "Páramo", "hypothesis": "h", "label": str(i)} for i in (1, 2)))
TEMPLATES = json.dumps({"en": {"template": "{premise}|{hypothesis}:", "label_words": {"1": "Yes", "2": "No"}}}).encode()
OPINIONS = jsonl(*({"id": i, "prompt": f"é{i}", "prompt_en": f"e{i}", "label": [0.2, 0.8]} for i in (1, 2)))
WORDS = b"lang,word_original,word_translation\n"
FORMATS = {
    "folder": Format(
        {"en.txt": "one\ntwo é\nthree\n".encode(), "de.txt": b"eins\nzwei\ndrei\n", "ids.txt": b"a\nb\nc\n"}, "", read, folder_says
    ),
    "tsv": Format({"t.tsv": 'id\ten\tde\n1\ta\tä\n2\t"b\tß\n'.encode()}, "t.tsv", read, tsv_says),
    "csv": Format(
        {"t.csv": 'id,en,de\n1,"a, b",ä\n2,"c ""d""",ß\n'.encode()},
        "t.csv",
        read,
        lambda files: table_says(csv_rows(files["t.csv"])),
    ),
    "jsonl": Format(
        {"t.jsonl": jsonl({"id": 1, "en": "a", "de": "ä"}, {"id": 2, "en": "b", "de": "ß"})},
        "t.jsonl",
        read,
        lambda files: table_says(loaded_lines(files["t.jsonl"])),
    ),
    "tmx": Format({"t.tmx": TMX.encode()}, "t.tmx", read, tmx_says),
    "questions": Format({"en.jsonl": ASKED, "de.jsonl": ASKED}, "", read_task, questions_say),
    "squad": Format({"x.en.json": json.dumps({"data": [{"paragraphs": [PARAGRAPH]}]}).encode()}, "", read_task, squad_says),
    "xnli": Format({"en.jsonl": XNLI, "templates.json": TEMPLATES}, "", read_task, xnli_says),
    "opinions": Format({"de.jsonl": OPINIONS}, "", read_task, opinions_say),
    "words": Format(
        {"de.clean.csv": WORDS + b"de,book,Buch\nde,bag,Tasche\n", "en.clean.csv": WORDS + b"en,bag,bag\nen,book,book\n"},
        "",
        read,
        words_say,
    ),
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` with one to three faults of the kinds that transfers, editors and programs make."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        start, end = sorted(chance.choices(range(len(data) + 1), k=2))
        shuffled = data.split(b"\n")
        chance.shuffle(shuffled)
        junk = chance.choice(JUNK)
        data = chance.choice(
            [
                data[:start],
                data[:start] + junk + data[start:],
                data[:start] + junk + data[min(end, start + 3) :],
                data[:start] + data[min(end, start + 4) :],
                data[:start] + bytes([chance.randrange(256)]) + data[start + 1 :],
                data[:start] + bytes([chance.randrange(97, 123)]) + data[start + 1 :],
                data[:end] + data[start:end] + data[end:],
                b"\n".join(shuffled),
                data.replace(b"\n", b"\r\n"),
            ]
        )
    return data


def said_by(loaded: ParallelCorpus | ParallelTask) -> dict[str, list[str]]:
    texts = loaded.sentences if isinstance(loaded, ParallelCorpus) else loaded.prompts
    said = {code: list(column) for code, column in texts.items()} | {"ids": list(loaded.ids)}
    if isinstance(loaded, ParallelTask):
        said["answers"] = [answers[0] for answers in loaded.answers["eng_Latn"]]
    return said


def outcome(name: str, files: Files, folder: Path) -> dict[str, list[str]] | str:
    """What was read, or the refusal."""
    for file, data in files.items():
        (folder / file).write_bytes(data)
    try:
        return said_by(FORMATS[name].reader(folder / FORMATS[name].source, languages=["de", "en"] if name == "opinions" else None))
    except (ValueError, OSError) as error:
        return str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_rightly_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    files, _, _, says = FORMATS[name]
    chance = random.Random(name)
    whole = outcome(name, files, tmp_path)
    assert isinstance(whole, dict), whole
    assert {key: says(files)[key] for key in whole} == whole
    read_well = refused = 0
    for _ in range(MUTANTS):
        target = chance.choice(sorted(files))
        damaged = {**files, target: mutated(files[target], chance)}
        found = outcome(name, damaged, tmp_path)
        if isinstance(found, str):
            assert len(found.splitlines()) == 1, damaged
            refused += 1
        else:
            expected = says(damaged)
            assert {key: expected[key] for key in found} == found, damaged
            read_well += 1
    assert min(read_well, refused) >= 3, "mutants too mild or too wild to tell"


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_damaged_in_its_structure_is_read_rightly_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    """Values of another kind, keys gone or twice, other encodings, deep nesting, files swapped, linked, or pipes."""
    chance, folder, counts = random.Random(f"{name}/structure"), tmp_path / "in" / "corpus", {dict: 0, str: 0}
    asked = ["de", "en"] if name == "opinions" else None
    for _ in range(STRUCTURED):
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True)
        for file, data in FORMATS[name].files.items():
            (folder / file).write_bytes(data)
        how = spoil(folder, chance)
        with no_longer_than():
            try:
                found: dict | str = said_by(FORMATS[name].reader(folder / FORMATS[name].source, languages=asked))
            except (ValueError, OSError) as error:
                found = str(error)
        counts[type(found)] += 1
        if isinstance(found, str):
            assert len(found.splitlines()) == 1, how
        elif all((folder / file).is_file() for file in FORMATS[name].files):
            expected = FORMATS[name].says({file: (folder / file).read_bytes() for file in FORMATS[name].files})
            assert {key: expected[key] for key in found} == found, how
    assert min(counts.values()) >= 2, counts


def test_more_than_a_thousand_damaged_files_are_tried() -> None:
    assert MUTANTS * len(FORMATS) > 1000


def test_a_line_without_end_and_brackets_without_end_are_refused_soon(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_bytes(b"x" * ((1 << 24) + 2))
    (tmp_path / "de.txt").write_bytes(b"x\n")
    with no_longer_than(), pytest.raises(ValueError, match=r"en.txt:1: got a line longer than 16 MiB"):
        read(tmp_path)
    (tmp_path / "t.jsonl").write_text('{"en": ' * 100_000)
    with no_longer_than(), pytest.raises(ValueError, match="not JSON"):
        read(tmp_path / "t.jsonl")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.tsv")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        read(tmp_path / "t.tsv")
