"""Tables for papers and notes: the summary of a report as Markdown or LaTeX, its interval in one cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
          "–": "--"}  # fmt: skip
_INTERVAL = ("lower", "upper")


def markdown_table(summary: pd.DataFrame, *, digits: int = 3) -> str:
    """The rows of a `summary` as a Markdown table, its numbers with so many `digits` behind the point.

    >>> print(markdown_table(pd.DataFrame({"layer": ["a|b"], "estimate": [0.5], "lower": [0.25], "upper": [0.75]}), digits=2))
    | layer | estimate | 95 % |
    | :--- | ---: | ---: |
    | a\\|b | 0.50 | [0.25, 0.75] |
    """
    cells, numeric = _cells(summary, digits)
    lines = [_row(cells), _row(["---:" if right else ":---" for right in numeric])]
    for number in range(len(summary)):
        lines.append(_row([column[number].replace("|", "\\|").replace("\n", " ") for column in cells.values()]))
    return "\n".join(lines)


def latex_table(summary: pd.DataFrame, *, digits: int = 3, caption: str = "", label: str = "") -> str:
    r"""The rows of a `summary` as a LaTeX table in the style of booktabs, which the document must load.

    `digits` are those behind the point; with a `caption` (and a `label`) the `tabular` stands in a `table`. Signs that LaTeX reads
    as commands are escaped in all three.

    >>> print(latex_table(pd.DataFrame({"language": ["deu_Latn"], "estimate": [0.5]}), digits=2))
    \begin{tabular}{lr}
    \toprule
    language & estimate \\
    \midrule
    deu\_Latn & 0.50 \\
    \bottomrule
    \end{tabular}
    """
    cells, numeric = _cells(summary, digits)
    lines = [rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}", r"\toprule"]
    lines += [f"{' & '.join(map(escaped, cells))} \\\\", r"\midrule"]
    lines += [f"{' & '.join(escaped(column[number]) for column in cells.values())} \\\\" for number in range(len(summary))]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if caption or label:
        named = ([rf"\caption{{{escaped(caption)}}}"] if caption else []) + ([rf"\label{{{label}}}"] if label else [])
        lines = [r"\begin{table}", r"\centering", *named, *lines, r"\end{table}"]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """A `text` in which LaTeX finds no command.

    >>> escaped("5 % of eng_Latn")
    '5 \\\\% of eng\\\\_Latn'
    """
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _cells(summary: pd.DataFrame, digits: int) -> tuple[dict[str, list[str]], list[bool]]:
    """The text of every cell by column, and which columns are numbers. `lower` and `upper` become one column behind `estimate`."""
    cells: dict[str, list[str]] = {}
    numeric = []
    both = set(_INTERVAL) <= set(summary)
    for name in summary:
        if both and name in _INTERVAL:
            continue
        cells[str(name)] = [_cell(value, digits) for value in summary[name]]
        numeric.append(summary[name].dtype.kind in "iuf")
        if both and name == "estimate":
            ends = zip(summary["lower"], summary["upper"], strict=True)
            cells["95 %"] = ["–" if pd.isna(low) and pd.isna(high) else f"[{_cell(low, digits)}, {_cell(high, digits)}]"
                             for low, high in ends]  # fmt: skip
            numeric.append(True)
    return cells, numeric


def _cell(value: object, digits: int) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:z.{digits}f}" if isinstance(value, float) else str(value)


def _row(cells: Sequence[str] | dict[str, list[str]]) -> str:
    return f"| {' | '.join(cells)} |"
