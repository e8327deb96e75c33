"""How a question is put: templates given as data, with field names in braces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.files.sealed_json import parsed
from interp.languages import languages as several
from interp.text.formats.aligned import value
from interp.text.formats.lines import at, text_of, whole_text
from interp.text.formats.rows import Row

Template = str | Mapping[str, str]

_FIELD = re.compile(r"\{(\w+)\}")
_USUAL = (
    (("prompt",), "{prompt}"),
    (("premise", "hypothesis"), "{premise}\n{hypothesis}\n"),
    (("sentence1", "sentence2"), "{sentence1}\n{sentence2}\n"),
    (("premise",), "{premise}\n"),
    (("context", "question"), "{context}\n\n{question}\n"),
    (("question",), "{question}\n"),
)


class Wording(NamedTuple):
    """How one language asks: a template, and the word for every label where the labels are codes."""

    template: str
    words: Mapping[str, str]


def wordings(template: Template | None, folder: Path, sample: Row, codes: Iterable[str]) -> dict[str, Wording]:
    """How each language asks: by the template given, or `templates.json` in the folder, or else by the item's fields, a line each.

    `templates.json` is `{"eng_Latn": {"template": "...", "label_words": {"1": "Entail", ...}}, ...}`. No template puts a
    word of any language between the fields, unless you give one that does.
    """
    own_templates = (folder / "templates.json").is_file()
    told = _told(folder / "templates.json") if own_templates else {}
    usual = next((text for fields, text in _USUAL if all(field in sample.values for field in fields)), None)
    given = _keyed(template, "template") if isinstance(template, Mapping) else {}
    found: dict[str, Wording] = {}
    for code in codes:
        own: object = (told[code].template if code in told else None) if own_templates else usual
        if template is not None:
            own = template if isinstance(template, str) else given.get(code)
        if not isinstance(own, str) or not _FIELD.search(own):
            raise ValueError(
                f"{sample.where}: no template for {code}{'' if own is None else f', but {short_repr(own)}'}. "
                f"Needed: text with fields in braces, from {short_repr(list(sample.values))}."
            )
        found[code] = Wording(own, told[code].words if code in told else {})
    return found


def fill(template: str, row: Row) -> str:
    """The prompt of one item. Fields are put in as they stand; braces around anything else stay."""
    parts = _FIELD.split(template)
    parts[1::2] = [_content(row, field) for field in parts[1::2]]
    return text_of("".join(parts), f"{row.where}: the prompt")


def _content(row: Row, field: str) -> str:
    content = value(row, field)
    if isinstance(content, bool) or not isinstance(content, str | int | float):
        raise ValueError(f"{row.where}: field {field!r} is {short_repr(content)}. Needed: text, to put into a prompt.")
    return str(content)


def _told(path: Path) -> dict[str, Wording]:
    content = parsed(whole_text(path), at(path))
    found: dict[str, Wording] = {}
    for code, own in _keyed(content, at(path)).items():
        own = own if isinstance(own, dict) else {}
        template, words = own.get("template"), own.get("label_words", {})
        if (
            not isinstance(template, str)
            or not isinstance(words, dict)
            or not all(isinstance(word, str) for word in words.values())
        ):
            raise ValueError(
                f"{at(path)}: {code} has no template. Needed: template (text) and, perhaps, label_words (text by label)."
            )
        found[code] = Wording(template, words)
    return found


def _keyed(content: object, where: str) -> dict[str, object]:
    if not isinstance(content, Mapping):
        raise ValueError(f"{where}: {short_repr(content)} came. Needed: a template for each language.")
    try:
        return {found.code: own for found, own in zip(several(content), content.values(), strict=True)}
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
