"""The rules of the entries that tune a model, applied to their committed summaries."""

from __future__ import annotations

import pandas as pd

from experiments.gallery.entry import Outcome
from experiments.gallery.outcome import cell, items, listed, name, unclear


def quadrants(table: pd.DataFrame, verdict: str) -> Outcome:
    """The gain in the tuned language over the format-tuned model."""
    rows = table[(table["gain"] == "bilingual") & (table["against"] == "format")]
    gained = [name(row["language"]) for _, row in rows.iterrows() if row["lower"] > 0]
    other = table[(table["gain"] == "multilingual") & (table["against"] == "format")]
    said = [f"{name(row['language'])} {cell(row, 1)}" for _, row in rows.iterrows()]
    beside = [f"{name(row['language'])} {cell(row, 1)}" for _, row in other.iterrows()]
    return Outcome(
        f"Gain in chrF++ over the format-tuned model, in the tuned language: {'; '.join(said)}; in Romanian and Turkish: "
        f"{'; '.join(beside)}. n={items(rows)}.",
        "came out" if len(gained) == len(rows) else unclear(rows["lower"], rows["upper"]),
        f"The tuned language gains, interval above zero, for {listed(gained)}.",
    )


def questions(table: pd.DataFrame, verdict: str) -> Outcome:
    """The paired change of accuracy in languages tuned on and not."""
    rows = table[table["measure"] == "choice"].set_index("language")
    untuned = rows.drop("eng_Latn")["baseline"].mean()
    beside = f". Untuned, accuracy in the four languages beside English is {untuned:.2f}: little that could carry over."
    return _in_unseen(rows, "before and after", "to", beside)


def copies(table: pd.DataFrame, verdict: str) -> Outcome:
    """The paired difference of accuracy between a model tuned on translations of questions and one tuned on copies of them."""
    rows = table[table["measure"] == "choice"].set_index("language")
    return _in_unseen(rows, "tuned on copies and on translations", "and", ", by either model.")


def _in_unseen(rows: pd.DataFrame, which: str, between: str, beside: str) -> Outcome:
    """Whether accuracy is higher in both languages that neither model was tuned on."""
    unseen = rows.loc[["spa_Latn", "ita_Latn"]]
    said = [f"{name(code)} {row['baseline']:.2f} {between} {row['after']:.2f}, {cell(row)}" for code, row in rows.iterrows()]
    return Outcome(
        f"Accuracy {which}, and the difference: {'; '.join(said)}. n={items(rows)}, chance 0.10.",
        "came out" if (unseen["lower"] > 0).all() else unclear(unseen["lower"], unseen["upper"]),
        f"Spanish and Italian were never tuned on{beside}",
    )
