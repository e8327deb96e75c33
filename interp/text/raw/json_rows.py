"""Rows of a file of JSON: a list of objects, an object a line, or the paragraphs and questions of a published form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from interp.files.checks import short_repr
from interp.files.sealed_json import parsed
from interp.text.notes import note
from interp.text.raw.lines import at, lines, printable_name, whole_text

Fields = tuple[str, Mapping[str, object]]
"""Where a row stands, and its values by key."""
_OBJECTS = re.compile(r"\s*\{.*\}[ \t]*\r?\n\s*\{")
"""A line that is an object, and the beginning of another: JSON Lines, whatever the file is called."""


def json_lines(path: Path) -> Iterator[Fields]:
    """The objects of the file `path`, one a line. Raises `ValueError` at a line that is none."""
    name = at(path)
    for number, text in lines(path):
        where = f"{name}:{number}"
        if text.strip():
            yield from _in_languages(where, _mapping(parsed(text, where), where))
        else:
            note("blank lines were left out", printable_name(path))


def json_rows(path: Path) -> Iterator[Fields]:
    """The rows of the JSON file `path`.

    A list of objects; or an object a line; or the questions of SQuAD (`data`) or of TriviaQA (`Data`), each a row. One of MKQA is a
    row in each language. Raises `ValueError` for another form.
    """
    text = whole_text(path)
    if _OBJECTS.match(text):
        note("read as JSON Lines, an object a line", printable_name(path))
        yield from json_lines(path)
        return
    content = parsed(text, at(path))
    if isinstance(content, dict) and "data" in content:
        yield from _squad(content["data"], at(path))
        return
    listed = content["Data"] if isinstance(content, dict) and isinstance(content.get("Data"), list) else content
    for number, value in enumerate(_list(listed, f"{at(path)}: the file")):
        where = f"{at(path)}, item {number}"
        yield from _in_languages(where, _mapping(value, where))


def _in_languages(where: str, values: Mapping[str, object]) -> Iterator[Fields]:
    """The row itself; of MKQA, whose rows hold their question (`queries`) and answers in every language, a row for each."""
    queries, answers = values.get("queries"), values.get("answers")
    if not isinstance(queries, dict) or not isinstance(answers, dict) or queries.keys() != answers.keys():
        yield where, values
        return
    about = {key: value for key, value in values.items() if key not in ("query", "queries", "answers")}
    for tag, question in queries.items():
        yield where, {**about, "language": tag, "question": question, "answers": answers[tag]}


def _squad(articles: object, file: str) -> Iterator[Fields]:
    """One row per question, with its paragraph. `pid` is the number of the article and of the paragraph, from 0."""
    for a, article in enumerate(_list(articles, f"{file}: data")):
        article = _mapping(article, f"{file}: data[{a}]")
        for p, paragraph in enumerate(_list(article.get("paragraphs"), f"{file}: paragraphs of data[{a}]")):
            where = f"{file}: data[{a}].paragraphs[{p}]"
            paragraph = _mapping(paragraph, where)
            about = {"pid": f"{a}-{p}", "title": article.get("title", str(a)), "context": paragraph.get("context")}
            for q, question in enumerate(_list(paragraph.get("qas"), f"{where}.qas")):
                fields = _mapping(question, f"{where}.qas[{q}]")
                if "id" not in fields:
                    raise ValueError(f"{where}.qas[{q}]: got a question without an id, expected the same ids in every language.")
                yield f"{where}.qas[{q}]", {**fields, **about}


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{where}: got {short_repr(value)}, expected a JSON object with the fields of one item.")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: got {short_repr(value)}, expected a JSON list.")
    return value
