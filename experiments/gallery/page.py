"""The page of the gallery, written from the committed summaries and manifests alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.gallery.entry import Entry
from interp.files.atomic import write_text
from interp.files.sealed_json import read_sealed
from probes.spreadsheet import read_spreadsheet

_HEAD = """\
# Gallery: every question once on a published model

Each entry is a run whose settings and rule were decided before its numbers were seen; they stand in `experiments/gallery` with
their reasons, and what was changed afterwards is said at the entry. A finding that did not come out is a result and stays.
Where the statistics of the toolkit have changed since a run, its intervals and verdict were computed again from the same
measurements.

Models: Qwen2.5-Coder-0.5B-Instruct (24 blocks, several languages) and SmolLM2-135M-Instruct (30 blocks, mostly English), **both
read from 4-bit files and written back as bfloat16**, so numbers differ a little from those of the hub's weights. One processor
core, bfloat16. Small models and small n: an entry shows what the instrument says of such a model, and is no replication of a
paper at its size.

Intervals are 95 %, each by itself. This page is written from the committed `summary.csv` and `manifest.json` of each entry. Made
again, an entry at a time and resumed where it was killed:

```bash
python -m experiments.gallery --qwen PATH --smollm2 PATH --data PATH
python -m experiments.gallery --qwen PATH --data PATH --only align
```
"""


def write_page(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the page `README.md` into the gallery's `folder`, of those of `entries` that are there."""
    write_text(folder / "README.md", page(folder, entries))


def _pictures(entry: Entry) -> str:
    return "\n\n".join(f"![{entry.name}]({entry.name}/{name})" for name in entry.parts if name.endswith(".svg"))


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) and value else ["None."]


def page(folder: Path, entries: Sequence[Entry]) -> str:
    """The text of the page, from the summaries and manifests in `folder`, of those of `entries` that are there."""
    there = [entry for entry in entries if all((folder / entry.name / part).is_file() for part in entry.parts)]
    rows, parts = ["| entry | finding | result |", "|---|---|---|"], []
    for entry in there:
        manifest = read_sealed(folder / entry.name / "manifest.json")
        outcome = entry.judge(read_spreadsheet(folder / entry.name / "summary.csv"), str(manifest["verdict"]))
        rows.append(f"| [{entry.name}](#{entry.name}) | {entry.finding} | **{outcome.result}** |")
        parts.append(
            f"## {entry.name}\n\n**{manifest['question']}**\n\n{_pictures(entry)}\n\n"
            f"- **Finding.** {entry.finding}\n- **Model.** {entry.model}. **Text.** {entry.data}.\n"
            f"- **Control.** {entry.control}\n- **Settings, and why.** {entry.reasons}\n"
            f"- **Rule, written before the numbers were seen.** {entry.rule}\n"
            + (f"- **Changed after numbers were seen.** {entry.changed}\n" if entry.changed else "")
            + f"- **What came out.** {outcome.numbers}\n- **Result: {outcome.result}.** {outcome.because}\n"
            f"- **The run's own verdict.** {manifest['verdict']}\n- **Its notes.** {' '.join(_texts(manifest['notes']))}\n"
        )
    missing = [f"{entry.name} ({entry.finding})" for entry in entries if entry not in there]
    waiting = [f"Written down and not run yet: {'; '.join(missing)}\n"] if missing else []
    return "\n".join([_HEAD, *rows, "", *waiting, *parts])
