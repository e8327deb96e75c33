"""What a report shows of itself in a notebook: verdict, notes, main figure, a short table, and how it was measured."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import pandas as pd

_ROWS = 10
_STYLE = "font-family:system-ui,sans-serif;max-width:60em;line-height:1.45"


def report_html(question: str, verdict: str, notes: Sequence[str], picture: bytes, summary: pd.DataFrame, signature: str) -> str:
    """A report as HTML that Jupyter, VS Code and Colab show as it is: no script, no widget, nothing to fetch.

    `question`, `verdict`, `notes`, `summary` and `signature` are those of the report, `picture` is its figure as PNG.
    """
    shown, left_out = short_table(summary)
    finding, _, more = verdict.partition(". ")
    told = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    image = base64.b64encode(picture).decode()
    parts = (
        f'<p style="font-size:1.1em"><b>{html.escape(finding.removesuffix("."))}.</b> {html.escape(more)}</p>',
        f"<ul>{told}</ul>" if told else "",
        f'<img alt="{html.escape(question)}" style="max-width:100%" src="data:image/png;base64,{image}">',
        shown.to_html(index=False, border=0, na_rep="–", float_format=_number),
        f'<p style="opacity:.75;font-size:.85em">{html.escape(left_out)}<br><code>{html.escape(signature)}</code></p>',
    )
    return f'<div style="{_STYLE}">{"".join(parts)}</div>'


def short_table(summary: pd.DataFrame, rows: int = _ROWS) -> tuple[pd.DataFrame, str]:
    """At most `rows` rows of a `summary`, and a sentence on what is left out.

    Of a long one with layers, the layer of each group of rows where the estimate is farthest from its baseline; then the first.
    """
    table, told = summary, []
    keys = [str(key) for key in table if not pd.api.types.is_numeric_dtype(table[key]) and key not in ("layer", "claim")]
    if len(table) > rows and "layer" in table and keys:
        far = (table["estimate"] - table["baseline"].fillna(0)).abs().dropna()
        groups = far.groupby([table.loc[far.index, key].astype(str) for key in keys], sort=False)
        table = table.loc[groups.idxmax()]
        told.append("the layer farthest from the baseline in each group of rows")
    if len(table) > rows:
        table = table.head(rows)
        told.append(f"the first {rows}")
    columns = [key for key in table if table[key].notna().any()]
    return table[columns], f"Shown: {'; '.join(told)}. All {len(summary)} rows: report.summary()." if told else ""


def _number(value: float) -> str:
    return f"{value:z.3f}" if abs(value) < 1000 else f"{value:.3g}"
