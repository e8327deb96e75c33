"""Read instruction data from a file of JSON lines."""

from __future__ import annotations

from pathlib import Path

from interp.files.checks import short_repr
from interp.files.sealed_json import parsed
from interp.text.formats.keys import identifier
from interp.text.raw.lines import at, lines
from interp.tuning.mixtures import Example, Mixture
from interp.tuning.sources import ENGLISH


def read_instructions(path: str | Path, spelling: str = ENGLISH) -> Mixture:
    """Read instruction data in JSONL, as Alpaca's.

    Parameters
    ----------
    path
        The file. Each line is an object with `instruction`, `input`, and `output` (or `answer`). `id`, `item`, `source`, `target`,
        and `language` (for both source and target) are optional.
    spelling
        Language of the lines that have none.

    Raises
    ------
    ValueError
        A line is not such an object. The message has its number.

    Example
    -------
    >>> import pathlib, tempfile
    >>> from interp.tuning import read_instructions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "some.jsonl")
    ...     _ = path.write_text('{"instruction": "Name a colour.", "input": "", "output": "Blue."}')
    ...     read_instructions(path).examples[0].answer
    'Blue.'
    """
    path = Path(path)
    examples = [_from_line(path, number, line, spelling) for number, line in lines(path) if line.strip()]
    return Mixture(path.stem, tuple(examples))


def _from_line(path: Path, number: int, line: str, spelling: str) -> Example:
    where = at(path, number)
    record = parsed(line, where)
    if not isinstance(record, dict):
        raise ValueError(f"{where}: got {short_repr(record)}, expected a JSON object with instruction, input and output.")
    given = {name: record.get(name) for name in ("instruction", "input", "source", "target", "language", "item")}
    given = {name: "" if value is None else value for name, value in given.items()}
    given["answer"] = record.get("output", record.get("answer"))
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    if wrong := [name for name in given if name not in texts]:
        raise ValueError(
            f"{where}: got no text as {'output or answer' if wrong[0] == 'answer' else wrong[0]}, "
            "expected a JSON object with instruction, input and output, all text."
        )
    name, code = identifier(record.get("id", f"{path.stem}/{number}"), where), texts["language"] or spelling
    try:
        return Example(name, texts["instruction"], texts["input"], texts["answer"], texts["source"] or code,
                       texts["target"] or code, texts["item"] or name)  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
