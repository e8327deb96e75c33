"""The fields that a question is asked with, in the names that files give them: `Question`, `PREMISE`, `question_stem`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from interp.text.notes import note
from interp.text.questions.options import by_folded, folded
from interp.text.questions.written_lists import listed
from interp.text.raw.rows import Row

_ASKED = ("question", "premise", "hypothesis", "sentence1", "sentence2", "context", "passage", "prompt", "flores_passage", "label",
          "label_en", "support", "background")  # fmt: skip
_OTHERS = {
    "question": ("question_text", "question_stem", "stem", "query", "q", "goal", "problem", "asks_for", "prompt_question"),
    "hypothesis": ("hypo",),
    "prompt": ("ctx",),
    "passage": ("paragraph", "article", "story"),
    "sentence1": ("sentence_1", "text1"),
    "sentence2": ("sentence_2", "text2"),
    "label": ("gold_label",),
}
PAIRS = (("premise", "hypothesis"), ("sentence1", "sentence2"))
"""The fields of two sentences that are asked about together."""


def named(row: Row) -> Row:
    """The `row` with the fields of its question also under their usual names, where they have others.

    A question that is an object with its options (`stem`, `choices`) becomes two fields.

    >>> named(Row("a:1", {"Question": "Who?", "Answer": "me"})).values["question"]
    'Who?'
    """
    values = dict(row.values)
    for field, value in row.values.items():
        inner = listed(value) if folded(field) == "question" else None
        if isinstance(inner, Mapping) and "stem" in inner:
            values |= {"question": inner["stem"]} | {key: own for key, own in inner.items() if key not in ("stem", *row.values)}
    for usual, field in _called(tuple(values)).items():
        values[usual] = values[field]
        if folded(field) != usual:
            note(f"{field} is read as {usual}")
    return Row(row.where, values)


@lru_cache(maxsize=256)
def _called(fields: tuple[str, ...]) -> dict[str, str]:
    """The field that stands for each usual name which is not there. Of pairs of sentences the gold label is the label."""
    names = by_folded(fields)
    spelled = {usual: next((name for name in (usual, *_OTHERS.get(usual, ())) if name in names), None) for usual in _ASKED}
    if spelled["label"] == "gold_label" and not any(spelled[first] and spelled[second] for first, second in PAIRS):
        spelled["label"] = None
    return {usual: names[name] for usual, name in spelled.items() if name is not None and usual not in fields}
