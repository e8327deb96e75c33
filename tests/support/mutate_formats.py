"""Damage that knows the format: values of another kind, keys gone or twice, headers and columns that do not fit, bombs."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import pandas as pd
import yaml

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>]]>\x1b[2J"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2.5, 10**30, -(10**30), 1e308, float("nan"), float("inf"), "", " ", "x" * 5000, "\0", "no", "1",
    HOSTILE, "../../../../etc/passwd", "/etc/passwd", "..", "=1+1", "\u202e", [], {}, [None], [[1]], {"": 1}, ["a", "a"],
)  # fmt: skip
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
Bytes = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, chance: random.Random) -> bytes:
    """Some bits the other way round."""
    changed = bytearray(data or b"x")
    for _ in range(chance.choice((1, 1, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def change_value(value: Any, chance: random.Random) -> Any:
    """A value of JSON or YAML with one of its parts gone, doubled, renamed or of another kind."""
    places = list(_places(value))
    if not places:
        return copy.deepcopy(chance.choice(VALUES))
    holder, key = chance.choice(places)
    how = chance.choice(("replace", "replace", "replace", "delete", "rename", "swap"))
    if how == "delete":
        del holder[key]
    elif how == "rename" and isinstance(holder, dict):
        holder[chance.choice(("x", "", "__class__", HOSTILE, f"{key} "))] = holder.pop(key)
    elif how == "swap":
        other, name = chance.choice(places)
        holder[key], other[name] = other[name], holder[key]
    else:
        holder[key] = copy.deepcopy(chance.choice(VALUES))
    return value


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _json(data: bytes, chance: random.Random) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return flip(data, chance)
    try:
        return json.dumps(change_value(value, chance)).encode()
    except ValueError:  # a part was put into itself
        return data


def _json_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    place = chance.randrange(len(lines))
    lines[place] = _json(lines[place], chance)
    return b"\n".join(lines)


def _json_text(data: bytes, chance: random.Random) -> bytes:
    deep = chance.choice((b"[" * 100_000, b'{"a":' * 100_000, b"[" * 300 + b"]" * 300, b"1" + b"0" * 5000, b"Infinity"))
    place = data.find(b": ", chance.randrange(len(data) + 1)) + 2
    doubled = b'"signature": 1, "report": "Report", "a": 1, "a": 2, '
    return data[:place] + deep + data[place:] if chance.random() < 0.6 else data.replace(b"{", b"{" + doubled, 1)


def _yaml(data: bytes, chance: random.Random) -> bytes:
    if b"&" in data:  # a bomb is none before somebody walks through it
        return flip(data, chance)
    try:
        value = yaml.safe_load(data)
        return yaml.safe_dump(change_value(value, chance), allow_unicode=True).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError, RecursionError):
        return flip(data, chance)


def _yaml_text(data: bytes, chance: random.Random) -> bytes:
    line = chance.choice((
        BOMB, "seed: 1\n", "seed: 0\nseed: 0\n", "<<: {limit: 3}\n", "limit: !!python/object/apply:os.system ['touch pwned']\n",
        "a: &a [*a]\n", "languages: &l [de]\nmetrics: *l\n", "limit: 0x10\n", "limit: 1:30\n", "pivot: no\n", "pivot: 2020-99-99\n",
        "limit: .inf\n", "limit: 1e5\n", "? [a, b]\n: c\n", "{" * 2000, "[" * 2000 + "\n", "output: /etc\n", "output: ../../x\n",
        "--- a\n--- b\n", "%YAML 9.9\n---\n", "limit: " + "9" * 5000 + "\n", "pivot: \"\\ud800\"\n", "pivot: \"\\x1b[2J\"\n",
    ))  # fmt: skip
    return line.encode() + data if chance.random() < 0.5 else data + line.encode()


def _csv(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    place = chance.randrange(len(lines))
    cells = lines[place].split(b",")
    cells[chance.randrange(len(cells))] = str(chance.choice(VALUES)).encode("utf-8", "replace")
    lines[place] = b",".join(chance.choice((cells, cells, cells[1:], [*cells, b"1"])))
    return b"\n".join(lines)


def _header(data: bytes, chance: random.Random) -> bytes:
    """Another length, or other facts and shapes, before the tensors of a safetensors file."""
    if len(data) < 8:
        return data
    size = struct.unpack("<Q", data[:8])[0]
    if chance.random() < 0.3 or size > len(data):
        return struct.pack("<Q", chance.choice((0, 1, size - 1, size + 1, len(data), 10**8, 2**40, 2**63, 2**64 - 1))) + data[8:]
    changed = _json(data[8 : 8 + size], chance)
    return struct.pack("<Q", len(changed)) + changed + data[8 + size :]


def _facts(data: bytes, chance: random.Random) -> bytes:
    """What the header of a safetensors file says in words, changed."""
    try:
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        told = header["__metadata__"]
        name = chance.choice(sorted(told))
        told[name] = _json(told[name].encode(), chance).decode("utf-8", "replace")
    except (struct.error, ValueError, LookupError, TypeError, RecursionError, AttributeError):
        return flip(data, chance)
    changed = json.dumps(header).encode()
    return struct.pack("<Q", len(changed)) + changed + data[8 + size :]


def _parquet(data: bytes, chance: random.Random) -> bytes:
    try:
        table = pd.read_parquet(io.BytesIO(data))
    except Exception:  # damaged before
        return flip(data, chance)
    column = chance.choice(list(table))
    how = chance.choice(("drop", "rename", "words", "numbers", "nothing", "nested", "hostile", "twice"))
    if how == "drop":
        table = table.drop(columns=column)
    elif how == "rename":
        table = table.rename(columns={column: chance.choice(("x", HOSTILE, "value"))})
        table = table.loc[:, ~table.columns.duplicated()]
    elif how == "nothing":
        table = table.iloc[:0]
    elif how == "twice":
        table = pd.concat([table, table])
    else:
        one = {"words": "x", "numbers": 1.5, "nested": [{"a": 1}], "hostile": HOSTILE}[how]
        table[column] = [one] * len(table)
    written = io.BytesIO()
    table.to_parquet(written, index=False)
    return written.getvalue()


PIECES = (
    "<script>alert(1)</script>", "<foreignObject><body onload='alert(1)'/></foreignObject>", "&lol;", "<!-- --><?php ?>",
    "<style>@import 'http://a.example'</style>", "<a href='javascript:alert(1)'><rect/></a>", "<g>" * 5000,
    "<image href='http://a.example/x.png' onerror='alert(1)'/>", "<desc><image src='http://a.example'/></desc>",
    "<rect onclick='alert(1)' style='position:fixed'/>", "<set attributeName='href' to='javascript:alert(1)'/>",
    "<use href='http://a.example/#x'/>", "<g id='u'><use href='#u'/></g>",
)  # fmt: skip


def _svg(data: bytes, chance: random.Random) -> bytes:
    piece = chance.choice(PIECES)
    place = data.find(b">", data.find(b"<svg")) + 1
    return data[:place] + piece.encode() + data[place:]


KNOWN: dict[str, dict[str, Bytes]] = {
    ".json": {"json value": _json, "json text": _json_text},
    ".jsonl": {"json line": _json_lines, "json text": _json_text},
    ".yaml": {"yaml value": _yaml, "yaml text": _yaml_text},
    ".svg": {"element": _svg, "element again": _svg},
    ".csv": {"cells": _csv},
    ".safetensors": {"header": _header, "facts": _facts, "facts again": _facts},
    ".parquet": {"table": _parquet},
}
