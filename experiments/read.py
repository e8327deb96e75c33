"""`interp read`: what is understood of a text, before any model is run on it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.settings.bounds import check_bounds
from experiments.settings.flags import parse_flags
from experiments.settings.settings import read_choices
from experiments.settings.values import check_values

if TYPE_CHECKING:
    from interp.text.survey import LanguageSurvey, TextSurvey


@dataclass(frozen=True)
class ReadSettings:
    """What is understood of a text, before any model is run on it.

    Reads a corpus as every command reads it, and shows which column or file is which language, what was passed over, lengths,
    repeats, and what looks wrong: texts of another language's column, another script, lines out of step.

    Example: interp read path/to/table.tsv --columns english=en german=de
    """

    corpus: str
    """The text: a file or folder, a dataset of the Hugging Face Hub, or built-in text. May be given first, without --corpus."""
    languages: tuple[str, ...] = ()
    """Languages, as deu_Latn, de or German. Default: all languages of the corpus."""
    columns: tuple[str, ...] = ()
    """Where the corpus does not say it clearly, its columns: english=text_en german=text_de; a variant: eng_Latn=en-GB; ids=nr,
    documents=url or text=sentence. In a table without a header, their numbers: english=1 german=2."""
    split: str | None = None
    """Split of the corpus, if it has several."""
    limit: int | None = None
    """Read only the first items, at most so many."""
    questions: bool = False
    """Read it as questions with answers, as `interp answer` does, and show options, right answers and one example."""
    json: bool = False
    """Print JSON instead of a table."""
    debug: bool = False
    """On an error, show the full traceback."""


def main(args: Sequence[str]) -> int:
    """Print what was understood of the text on the command line. Returns the exit status, 0."""
    args = ["--corpus", *args] if args and not args[0].startswith("-") else list(args)
    settings = parse_flags(ReadSettings, args, "read")
    check_bounds(settings)
    check_values(settings)
    found = run(settings)
    if settings.json:
        print(json.dumps(dataclasses.asdict(found), ensure_ascii=False, indent=2))
    else:
        _show(found)
    return 0


def run(settings: ReadSettings) -> TextSurvey:
    """Read the text and describe it."""
    from interp.text.read import read, read_task
    from interp.text.survey import survey

    reader = read_task if settings.questions else read
    return survey(
        reader(
            settings.corpus,
            languages=settings.languages or None,
            limit=settings.limit,
            split=settings.split,
            columns=read_choices(settings.columns),
        )
    )


def _show(found: TextSurvey) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from experiments.runs.terminal import printable

    tables = []
    for columns in (_columns(found.languages), _example_columns(found)):
        table = Table(box=box.SIMPLE)
        for name, cells in columns.items():
            table.add_column(
                name, justify="right" if all(cell[:1].isdigit() or not cell for cell in cells) else "left", overflow="fold"
            )
        for row in zip(*columns.values(), strict=True):
            table.add_row(*(Text(printable(cell)) for cell in row))
        tables += [table] if columns else []
    console = Console(highlight=False)
    for table in tables:
        console.print(table)
    facts = [f"{found.name}: {found.items} items", f"{len(found.languages)} languages"]
    facts += [f"{found.documents} documents"] if found.documents is not None else ["no documents"]
    facts += [f"{' or '.join(map(str, found.options))} options"] if found.options else []
    facts += ["right answer: " + ", ".join(f"{place} ({count})" for place, count in found.gold.items())] if found.gold else []
    facts += [f"label {name} ({count} values)" for name, count in found.labels.items()]
    lines = [(", ".join(facts), ""), *((note, "dim") for note in found.notes), *((f"! {line}", "bold") for line in found.warnings)]
    for line, style in lines:
        console.print(Text(printable(line), style), soft_wrap=True)


def _columns(languages: Sequence[LanguageSurvey]) -> dict[str, list[str]]:
    """The cells of the table by column; a column that says nothing of any language is left out."""
    columns = {
        "language": [own.code for own in languages],
        "from": [own.origin for own in languages],
        "characters": [f"{own.characters:g} ({own.shortest} to {own.longest})" for own in languages],
        "repeated": [str(own.repeated or "") for own in languages],
        f"as {languages[0].code}": [str(own.copied or "") for own in languages],
        "other script": [f"{own.foreign:.0%}" if own.foreign >= 0.005 else "" for own in languages],
        "odd length": [str(len(own.far) or "") for own in languages],
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def _example_columns(found: TextSurvey) -> dict[str, list[str]]:
    """One question in every language, with its options and its right answer; nothing for sentences."""
    columns = {
        "language": [own.code for own in found.examples],
        f"item {found.examples[0].item if found.examples else ''}": [_short(own.prompt, 100) for own in found.examples],
        "options": [" | ".join(_short(option, 30) for option in own.options) for own in found.examples],
        "gold": [" or ".join(_short(answer, 30) for answer in own.answers[:3]) for own in found.examples],
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def _short(text: str, most: int) -> str:
    """A text on one line, its end where that is too long: an answer follows the end of a prompt."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"…{line[1 - most :]}"
