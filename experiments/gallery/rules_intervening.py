"""The rules of the entries that change a run, applied to their committed summaries."""

from __future__ import annotations

import pandas as pd

from experiments.gallery.entry import Outcome
from experiments.gallery.outcome import cell, ends, items, listed, unclear


def steer(table: pd.DataFrame, verdict: str) -> Outcome:
    """Texts in the target language at the chosen strength, beyond random directions."""
    row = table[(table["metric"] == "language") & (table["alpha"] > 0) & table["random"].notna()].iloc[0]
    return Outcome(
        f"Texts in Chinese under the edit ({row['edit']}): {cell(row)}; under random directions {row['baseline']:.2f}; difference "
        f"{ends(row, 'excess')}. n={int(row['n'])}.",
        "came out" if row["excess_lower"] > 0 else unclear(row["excess_lower"], row["excess_upper"]),
        "The difference of means writes Chinese more often than random directions do."
        if row["excess_lower"] > 0
        else "The difference of means does not write Chinese clearly more often than random directions.",
    )


def transplant(table: pd.DataFrame, verdict: str) -> Outcome:
    """The pair of layers chosen on other questions, and the oracle beside the same oracle over wrong donors."""
    runs = table[table["metric"] == table["metric"].iloc[0]].set_index("run")
    kept, wrong, most, most_wrong = (
        runs.loc[name] for name in ("held_out:overall", "held_out:shuffled", "upper_bound", "upper_bound:shuffled")
    )
    untouched, source = runs.loc["untouched"], runs.loc["source_run"]
    better, more = kept["difference_lower"] > 0, kept["difference_lower"] > wrong["difference_upper"]
    return Outcome(
        f"Log-probability of the capital: Swahili run {cell(untouched)}, English run {cell(source)}. The pair chosen on other "
        f"questions (mostly {kept['cell']}) changes it by {ends(kept, 'difference')}, the same pairs with another question's donor "
        f"by {ends(wrong, 'difference')}. Best pair for each question, knowing the answer: {cell(most)}; with wrong donors "
        f"{cell(most_wrong)}. n={int(kept['n'])}.",
        "came out" if better and more else "did not come out" if kept["difference_upper"] < 0 else "not distinguishable",
        f"The chosen pair {'improves' if better else 'does not clearly improve'} the other questions, and is "
        f"{'' if more else 'not '}clearly above wrong donors.",
    )


def patch(table: pd.DataFrame, verdict: str) -> Outcome:
    """The subject's token at the first block, the last token at the last."""
    rows = table[table["direction"] == "denoise"].set_index(["anchor", "layer"])
    early, late = ((rows.loc[("span", layer)], rows.loc[("last", layer)]) for layer in ("0", "23"))
    moved = early[0]["lower"] > early[1]["upper"] and late[1]["lower"] > late[0]["upper"]
    subject, last = rows.loc["span"]["estimate"], rows.loc["last"]["estimate"]
    crossing = next((layer for layer in last.index if last[layer] > subject[layer]), "none")
    return Outcome(
        f"Share of the answer restored: at block 0 the subject's token {cell(early[0])}, the last token {cell(early[1])}; at "
        f"block 23 {cell(late[0])} and {cell(late[1])}. n={items(rows)} pairs that the model answers right.",
        "came out" if moved else "did not come out",
        f"The last token carries more than the subject's from block {crossing} on.",
    )


def concept(table: pd.DataFrame, verdict: str) -> Outcome:
    """The donor's concept in the prompt's own language, beside unpatched and beside another concept."""
    own = table[table["readout"] == "A in own"]
    both, other = (own[own["donor"] == donor].set_index("layer") for donor in ("both", "other"))
    clear = [
        layer for layer in both.index if both.loc[layer, "lower"] > max(both.loc[layer, "baseline"], other.loc[layer, "upper"])
    ]
    near = [str(layer) for layer in clear if str(int(layer) + 1) in map(str, clear)]
    best = both.loc[both["estimate"].idxmax()]
    bound = own[own["donor"] == "concept"]["estimate"].max()
    english = table[table["donor"] == "both"].set_index(["readout", "layer"])["estimate"]
    asked, carried = english["B in donor's"], english["A in donor's"]
    moved = asked.idxmax()
    return Outcome(
        f"Probability of the English run's concept in Chinese: {cell(best, 3)} at block {best.name}, the best; unpatched "
        f"{best['baseline']:.3f}, another concept {cell(other.loc[best.name], 3)}, a Chinese donor at most "
        f"{bound:.3f}. n={int(best['n'])}.",
        "came out" if near else "not distinguishable" if clear else "did not come out",
        f"Above both at blocks {listed([str(layer) for layer in clear])}; the Chinese donor shows how little room there is. "
        f"What moves first is the language: at block {moved} the prompt's own concept is said in English ({asked[moved]:.2f}) and "
        f"the donor's not yet ({carried[moved]:.2f}); it follows at block {carried.idxmax()} ({carried.max():.2f}).",
    )
