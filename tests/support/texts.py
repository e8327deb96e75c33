"""Small text files for tests of readers."""

from __future__ import annotations

import json
from pathlib import Path


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write `files` into `folder`, which is made if it is not there."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def text(sentences: tuple[str, ...]) -> str:
    """One line for each of `sentences`."""
    return "".join(f"{line}\n" for line in sentences)


def jsonl(*rows: dict) -> str:
    """One JSON object for each of `rows`."""
    return text(tuple(json.dumps(row, ensure_ascii=False) for row in rows))
