"""Finished runs as one self-contained HTML page: verdict first, then figures, numbers, and the command to run it again."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

    from experiments.runs.finished import Finished

_MOST_ROWS = 500
"""Most rows of a table on the page; it says what is left out, and the run folder holds all."""

_CARDS = {"bundled": "a toy that knows names, dates and numbers and no prose: interp/bundled/README.md is its model card"}
_MOST_FIGURES, _FIRST_FIGURES = 6, 4
"""A run with more figures than the first number shows the second number of them, and the others behind a button."""


@dataclass(frozen=True)
class Part:
    """One run as the page shows it. Each table comes with a sentence on what is left out of it, empty where nothing is."""

    run: Finished
    name: str
    anchor: str
    figures: dict[str, Markup]
    brief: tuple[pd.DataFrame, str]
    whole: tuple[pd.DataFrame, str]
    examples: tuple[pd.DataFrame, str]


@dataclass(frozen=True)
class Section:
    """The runs of one question, side by side where `columns`.

    `figures` names, by the anchor of a run, those shown at once and the others; `differences` are the fields in which the
    signatures of the runs differ, with the value of each run.
    """

    question: str
    parts: list[Part]
    columns: bool
    figures: dict[str, tuple[list[str], list[str]]]
    differences: dict[str, list[str]]


def write_page(folders: Sequence[Path], path: Path, title: str = "") -> Path:
    """Write the page of finished run `folders` to `path`, which is returned; `title` is by default the question."""
    from experiments.runs.finished import read_finished
    from interp.files.atomic import write_text

    write_text(path, render([read_finished(folder) for folder in folders], title, path.parent))
    return path


def render(runs: Sequence[Finished], title: str = "", place: Path | None = None) -> str:
    """The page of `runs` as HTML; `title` is by default the question or the number of runs.

    `place` is the folder that the page will stand in, from which it links the files of the runs; None for no links.

    What a run holds is shown as text and never executed: the content security policy allows only the page's own script.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from experiments.pages.examples import language_name, written_in
    from experiments.pages.words import glossary, with_words
    from experiments.runs.finished import cell

    templates = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    used: dict[str, str] = {}
    environment.globals |= {"cell": cell, "language_name": language_name, "written_in": written_in, "glossary": glossary()}
    environment.globals |= {"words": lambda text: with_words(text, used), "used": used, "link": lambda path: _link(path, place)}
    script, style = (Markup(environment.get_template(name).render()) for name in ("page.js", "page.css"))
    parts = [_part(run, name, f"run{index}") for index, (run, name) in enumerate(zip(runs, _names(runs), strict=True))]
    questions = {run.manifest["question"] for run in runs}
    return environment.get_template("page.html.j2").render(
        title=title or (questions.pop() if len(questions) == 1 else f"{len(runs)} runs"),
        sections=_sections(parts),
        start=_start(runs),
        alone=len(runs) == 1,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _start(runs: Sequence[Finished]) -> dict[str, str]:
    """What was asked of which model, in what, when: the first lines of the page."""
    made = [run.manifest["signature"] for run in runs]
    models = {one["model"]["name"]: one["model"] for one in made if one["model"]["layers"] or len(made) == 1}
    sizes = [f"{name} ({one['layers']} layers, d_model {one['d_model']}, {one['dtype']})" for name, one in models.items()]
    cards = [_CARDS[name] for name in models if name in _CARDS]
    questions = list(dict.fromkeys(run.manifest["question"] for run in runs))
    texts = sorted({one["corpus"]["name"] for one in made})
    asked = questions[0] if len(questions) == 1 else f"{len(questions)} questions; below, each has its verdict, figures and numbers"
    return {
        "Asked": asked,
        "Of": "; ".join([*sizes, *cards]),
        "In": ", ".join(texts[:6]) + (f" and {len(texts) - 6} more texts" if len(texts) > 6 else ""),
        "Read": "[a, b] is a 95 % confidence interval, n the number of items; underlined words have their meaning on hover",
    }


def _link(path: Path, place: Path | None) -> str:
    """The address of a file of a run as seen from the page; empty where there is none."""
    from urllib.parse import quote

    try:
        return quote(Path(os.path.relpath(path, place)).as_posix()) if place is not None and path.is_file() else ""
    except ValueError:  # on another drive of Windows
        return ""


def differences(runs: Sequence[Finished]) -> dict[str, list[str]]:
    """The fields in which the signatures of `runs` differ, with the value of each; empty for runs of different questions."""
    from interp.provenance import Signature

    if len({run.manifest["report"] for run in runs}) > 1:
        return {}
    fields = [Signature.from_dict(run.manifest["signature"]).fields() for run in runs]
    rows = {key: [field.get(key, "") for field in fields] for field in fields for key in field}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def _sections(parts: Sequence[Part]) -> list[Section]:
    """Runs of one question together, and side by side where they have a figure in common."""
    sections = []
    for question in dict.fromkeys(part.run.manifest["question"] for part in parts):
        members = [part for part in parts if part.run.manifest["question"] == question]
        columns = len(members) > 1 and bool(set.intersection(*(set(part.figures) for part in members)))
        every = list(dict.fromkeys(name for part in members for name in part.figures))
        figures = {part.anchor: _first(every if columns else list(part.figures)) for part in members}
        sections.append(Section(question, members, columns, figures, differences([part.run for part in members])))
    return sections


def _first(names: list[str]) -> tuple[list[str], list[str]]:
    """The figures shown at once, and the others."""
    shown = len(names) if len(names) <= _MOST_FIGURES else _FIRST_FIGURES
    return names[:shown], names[shown:]


def _part(run: Finished, name: str, anchor: str) -> Part:
    from markupsafe import Markup

    from experiments.pages.examples import examples
    from experiments.pages.inline_svg import inline_svg

    drawn = {}
    for index, (kind, path) in enumerate(run.figures.items()):
        drawn[kind] = Markup(inline_svg(path, f"{anchor}-{index}-", f"{run.manifest['question']} ({kind})"))
    rows = len(run.summary)
    cut = f"the first {_MOST_ROWS} of {rows} rows; all in summary.csv" if rows > _MOST_ROWS else ""
    return Part(run, name, anchor, drawn, run.brief(), (run.summary.head(_MOST_ROWS), cut), examples(run.folder))


def _names(runs: Sequence[Finished]) -> list[str]:
    """The shortest paths that tell the run folders apart."""
    folders = [run.folder.absolute() for run in runs]
    short = [folder.name for folder in folders]
    if len(set(short)) == len(short):
        return short
    together = os.path.commonpath([folder.parent for folder in folders])
    return [Path(os.path.relpath(folder, together)).as_posix() for folder in folders]
