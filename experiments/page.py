"""Finished runs as one HTML file that needs nothing else: verdict first, then figures, numbers and how to ask again."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from markupsafe import Markup

    from experiments.finished import Finished


@dataclass(frozen=True)
class PageSettings:
    """Finished runs as one self-contained HTML page, several side by side."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Finished run folders."""
    output: Path | None = None
    """The file to write; none given means page.html in the run folder, or in the folder that holds them all."""
    debug: bool = False
    """Show the traceback of an error."""


def main(args: Sequence[str]) -> None:
    settings = tyro.cli(PageSettings, args=list(args), prog="interp page", config=(tyro.conf.FlagCreatePairsOff,))
    if not settings.runs:
        raise ValueError("no run came. Needed: at least one finished run folder, `interp page runs/align`.")
    together = Path(os.path.commonpath([run.absolute() for run in settings.runs]))
    print(write_page(settings.runs, settings.output or Path(os.path.relpath(together)) / "page.html"))


def write_page(folders: Sequence[Path], path: Path, title: str = "") -> Path:
    """Write the page of some finished run folders; returns its path."""
    from experiments.finished import read_finished
    from interp.storage import write_text

    write_text(path, render([read_finished(folder) for folder in folders], title))
    return path


def render(runs: Sequence[Finished], title: str = "") -> str:
    """The page as HTML. Whatever a run holds is shown as text and never run: the policy allows this page's own script alone."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from experiments.finished import cell

    here = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=here, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = cell
    questions = {run.manifest["question"] for run in runs}
    script = Markup(environment.get_template("page.js").render())
    return environment.get_template("page.html.j2").render(
        title=title or (questions.pop() if len(questions) == 1 else f"{len(runs)} runs"),
        runs=runs,
        figures=[_figures(run, f"run{place}") for place, run in enumerate(runs)],
        differences=differences(runs),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _figures(run: Finished, prefix: str) -> dict[str, Markup]:
    from markupsafe import Markup

    from experiments.inline_svg import inline_svg

    drawn = {}
    for place, (name, path) in enumerate(run.figures.items()):
        drawn[name] = Markup(inline_svg(path, f"{prefix}-{place}-", f"{run.manifest['question']} ({name})"))
    return drawn


def differences(runs: Sequence[Finished]) -> dict[str, list[str]]:
    """The fields in which the signatures of several runs of one question differ; empty where they ask different questions."""
    from interp.provenance import Signature

    if len({run.manifest["report"] for run in runs}) > 1:
        return {}
    fields = [Signature.from_dict(run.manifest["signature"]).fields() for run in runs]
    rows = {key: [field.get(key, "") for field in fields] for field in fields for key in field}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}
