"""Prompt templates of questions, with field names in braces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.files.sealed_json import parsed
from interp.languages import by_code
from interp.text.formats.aligned import value
from interp.text.notes import note
from interp.text.questions.fields import PAIRS
from interp.text.questions.gold import gold_fields
from interp.text.questions.options import folded, options_of
from interp.text.raw.lines import at, text_of, whole_text
from interp.text.raw.rows import Row

Template = str | Mapping[str, str]

_FIELD = re.compile(r"\{(\w+)\}")
_ABOUT_IT = re.compile(
    r"(?:^|_)(?:parse|tokenized|tokens?|id|ids|title|subject|category|topic|domain|source|url|link|explanation|rationale|comment|"
    r"notes?|knowledge|culture|country|region|reference|solution|answers?|alias(?:es)?|label|language|author|license)(?:_|$)"
)
"""Names of fields that describe a question, its source or its answer, and are no part of it."""
_ABOUT = ("context", "background", "support", "passage", "flores_passage")
"""The fields of the text that a question is about."""


class Wording(NamedTuple):
    """The template of one language, and the word for each label if the labels are codes."""

    template: str
    words: Mapping[str, str]


def wordings(template: Template | None, folder: Path, sample: Row, codes: Iterable[str]) -> dict[str, Wording]:
    """The template of each language: the one given, or that of `templates.json`, or the fields of the item, one per line.

    `templates.json` is `{"eng_Latn": {"template": "...", "label_words": {"1": "Entail", ...}}, ...}`. The default templates add no
    words of any language between the fields.

    Parameters
    ----------
    template
        A template for all languages, or one per language in any spelling.
    folder
        The folder that may have `templates.json`.
    sample
        A row, whose fields decide the default template.
    codes
        FLORES-200 codes of the languages.

    Raises
    ------
    ValueError
        A language has no template, or a template has no field.
    """
    own_templates = (folder / "templates.json").is_file()
    from_file = _read_templates(folder / "templates.json") if own_templates else {}
    usual = None if own_templates or template is not None else _usual(sample.values)
    if usual is not None:
        _note_unused(usual, sample)
    by_language = _keyed(template, "template") if isinstance(template, Mapping) else {}
    chosen: dict[str, Wording] = {}
    for code in codes:
        own: object = (from_file[code].template if code in from_file else None) if own_templates else usual
        if template is not None:
            own = template if isinstance(template, str) else by_language.get(code)
        if not isinstance(own, str) or not _FIELD.search(own):
            raise ValueError(
                f"{sample.where}: got {'no template' if own is None else f'template {short_repr(own)}'} for {code}, expected text "
                f"with fields in braces, from {short_repr(list(sample.values))}. A table needs a header: question, answer."
            )
        chosen[code] = Wording(own, from_file[code].words if code in from_file else {})
    return chosen


def _usual(values: Mapping[str, object]) -> str | None:
    """The template of the fields that a question is asked with, one per line, an empty line behind what it is about."""
    about = [field for field in _ABOUT if field in values]
    if "prompt" in values:
        if about:
            note(f"the prompt is the field prompt alone, without {', '.join(about)}: a template puts them in")
        return "{prompt}"
    for first, second in PAIRS:
        if first in values and second in values:
            return f"{{{first}}}\n{{{second}}}\n"
    asked = [field for field in ("premise", "question") if field in values]
    if len(asked) > 1:
        note(f"the question ({short_repr(values['question'])}) follows the premise as it stands: a template gives it other words")
    return "".join([*(f"{{{field}}}\n\n" for field in about), *(f"{{{field}}}\n" for field in asked)]) if asked else None


def _note_unused(template: str, sample: Row) -> None:
    """Note the fields of words that the default `template` leaves out of a `sample`: a part of the question may be there."""
    used = {str(sample.values[field]) for field in _FIELD.findall(template)}
    options = options_of(sample)
    others = {*gold_fields(sample), *(options.fields if options else ())}
    words = [
        field
        for field, own in sample.values.items()
        if isinstance(own, str) and re.search(r"\S\s+\S", own) and own not in used and field not in others
    ]
    left = [field for field in words if not _ABOUT_IT.search(folded(field))]
    if left:
        note(f"not in the prompt: {', '.join(map(short_repr, left[:4]))}; a template puts them in")


def fill(template: str, row: Row) -> str:
    """The prompt of one item: fields in braces in `template` are replaced by their values in `row`; other braces are kept.

    Empty lines of a first field without text are left out.
    """
    parts = _FIELD.split(template)
    parts[1::2] = [_content(row, field) for field in parts[1::2]]
    prompt = "".join(parts)
    return text_of(prompt if template[:1].isspace() else prompt.lstrip("\n"), f"{row.where}: the prompt")


def _content(row: Row, field: str) -> str:
    content = value(row, field)
    if content is None:
        raise ValueError(f"{row.where}, {field}: got null, expected text. Fill it, or remove the item from every language.")
    if isinstance(content, bool) or not isinstance(content, str | int | float):
        raise ValueError(f"{row.where}: got {short_repr(content)} in field {field!r}, expected text to put into the prompt.")
    return str(content)


def _read_templates(path: Path) -> dict[str, Wording]:
    content = parsed(whole_text(path), at(path))
    templates: dict[str, Wording] = {}
    for code, own in _keyed(content, at(path)).items():
        own = own if isinstance(own, dict) else {}
        template, words = own.get("template"), own.get("label_words", {})
        if (
            not isinstance(template, str)
            or not isinstance(words, dict)
            or not all(isinstance(word, str) for word in words.values())
        ):
            raise ValueError(
                f"{at(path)}: got no template for {code}, expected `template` (text) and, optionally, "
                "`label_words` (text by label)."
            )
        templates[code] = Wording(template, words)
    return templates


def _keyed(content: object, where: str) -> dict[str, object]:
    if not isinstance(content, Mapping):
        raise ValueError(f"{where}: got {short_repr(content)}, expected a template for each language.")
    try:
        return by_code(content)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
