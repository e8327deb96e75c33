"""A list that the cell of a table holds as text: JSON, a Python list, or an array as NumPy and pandas print it."""

from __future__ import annotations

import ast
import json
import re

_LONGEST = 1 << 20
_ARRAY = re.compile(r"\barray\(\s*(?=\[)|(?<=\])\s*,\s*dtype=\w+\s*\)|(?<=\])\s*\)")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


def listed(value: object) -> object:
    """The list or dictionary that a `value` holds as text; the value itself where it holds none.

    >>> listed('["a", "b"]'), listed("['a' 'b']"), listed("a, b")
    (['a', 'b'], ['a', 'b'], 'a, b')
    """
    if not isinstance(value, str) or len(value) > _LONGEST or not re.fullmatch(r"\s*(\[.*\]|\{.*\})\s*", value, re.DOTALL):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = _python(value)
    return found if isinstance(found, list | dict) else value


def _python(value: str) -> object:
    """A Python literal. Strings that only a space parts are two, which Python would join."""
    if re.fullmatch(r"\s*\[[\s\d.+-]*\]\s*", value) and "," not in value:
        value = f"[{', '.join(value.strip(' []').split())}]"
    texts = [*_TEXT.finditer(value)]
    between = [value[a:b] for a, b in zip([0, *(t.end() for t in texts)], [*(t.start() for t in texts), len(value)], strict=True)]
    between = [_ARRAY.sub("", part) if part.strip() else part for part in between]
    between[1:-1] = ["," if part.isspace() else part for part in between[1:-1]]
    source = "".join(part + text[0] for part, text in zip(between, texts, strict=False)) + between[-1]
    try:
        found: object = ast.literal_eval(source.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return found
