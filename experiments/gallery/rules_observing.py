"""The rules of the entries that observe a model, applied to their committed summaries."""

from __future__ import annotations

import re

import pandas as pd

from experiments.gallery.entry import Outcome
from experiments.gallery.outcome import cell, ends, items, listed, most, name, unclear


def align(table: pd.DataFrame, verdict: str) -> Outcome:
    """Middle block above both ends, language by language."""
    arched, said = [], []
    for code, rows in table.groupby("language", sort=False):
        at = rows.set_index("layer")
        middle, ends = at.loc["11"], at.loc[["embed", "23"]]
        if middle["lower"] > ends["upper"].max():
            arched.append(name(code))
        said.append(f"{name(code)} {cell(middle)} (embedding {ends['estimate'].iloc[0]:.2f}, last {ends['estimate'].iloc[1]:.2f})")
    flat = [name(code) for code in table["language"].unique() if name(code) not in arched]
    return Outcome(
        f"MEXA with English at block 11: {'; '.join(said)}. n={items(table)}; shuffled pairs at most "
        f"{table['baseline'].max():.3f}.",
        most(len(arched), table["language"].nunique()),
        f"The middle block is above both ends in {listed(arched)}{f'; not in {listed(flat)}' if flat else ''}.",
    )


def lens(table: pd.DataFrame, verdict: str) -> Outcome:
    """English ahead before the target word, by the verdict's test; beside it, the intervals of the summary."""
    read = table[table["measure"] == "probability"]
    said, ahead, leads = [], [], []
    for code, rows in read.groupby("target", sort=False):
        english, target = (rows[rows["role"] == role].set_index("layer") for role in ("pivot", "target"))
        clear = english.index[(english["lower"] > target["upper"]) & (english["lower"] > english["baseline"])]
        best = english.loc[english["estimate"].idxmax()]
        said.append(
            f"{name(code)}: English at most {cell(best, 3)} at block {best.name}, where the target word has "
            f"{cell(target.loc[best.name], 3)} and unrelated English words {best['baseline']:.4f} (n={int(best['n'])})"
        )
        ahead += [name(code)] if len(clear) else []
        leads += [name(code)] if re.search(rf"{name(code)[:6]}[^;]*?: English", verdict) else []
    total = read["target"].nunique()
    result = most(len(leads), total)
    if result == "did not come out" and 2 * len(ahead) > total:
        result = "not distinguishable"
    return Outcome(
        f"{'; '.join(said)}.",
        result,
        f"English is above the target word, intervals apart, at some layer for {listed(ahead)}; the verdict's test, which also "
        f"asks that English beats the given French word and leaves out words that begin alike, finds that in {listed(leads)}.",
    )


def neurons(table: pd.DataFrame, verdict: str) -> Outcome:
    """What a language loses with its own neurons off, beyond what random neurons cost it."""
    own = table[(table["metric"] == "damage") & (table["language"] == table["text"])]
    hurt = [name(row["language"]) for _, row in own.iterrows() if row["excess_lower"] > 0]
    said = [
        f"{name(row['language'])} {cell(row, 3)} nats a token, random neurons {row['baseline']:.3f}, "
        f"difference {ends(row, 'excess')}"
        for _, row in own.iterrows()
    ]
    return Outcome(
        f"Rise of the loss with a language's own neurons off: {'; '.join(said)}. n={items(own)} sentences.",
        "came out" if len(hurt) == len(own) else unclear(own["excess_lower"], own["excess_upper"]),
        f"Beyond random neurons it is hurt in {listed(hurt)}. Where in the depth they lie: second figure.",
    )


def probe(table: pd.DataFrame, verdict: str) -> Outcome:
    """The trained model above the random one at the middle row."""
    at = table[table["layer"] == "14"]
    above = [name(row["target"]) for _, row in at.iterrows() if row["lower"] > row["random_init"]]
    below = (at["upper"] < at["random_init"]).any()
    said = [f"{name(row['target'])} {cell(row)}, random {row['random_init']:.2f}" for _, row in at.iterrows()]
    return Outcome(
        f"Accuracy at block 14: {'; '.join(said)}. Majority class {at['baseline'].mean():.2f}, n={items(at)}.",
        "came out" if 2 * len(above) > len(at) else "did not come out" if below else "not distinguishable",
        f"Above the random network's accuracy in {len(above)} of {len(at)} languages. At the embedding both read it: tokens tell.",
    )


def vocabulary(table: pd.DataFrame, verdict: str) -> Outcome:
    """Tokens relative to English."""
    paid = table[table["metric"] == "premium"]
    dear = [name(row["language"]) for _, row in paid.iterrows() if row["lower"] > 2]
    said = [f"{name(row['language'])} {cell(row)}" for _, row in paid.iterrows()]
    return Outcome(
        f"Tokens for one of English: {'; '.join(said)}. n={items(paid)}.",
        "came out" if "Burmese" in dear and len(dear) > 1 else "did not come out",
        f"More than twice the tokens of English in {listed(dear)}.",
    )


def atlas(table: pd.DataFrame, verdict: str) -> Outcome:
    """What is left of the correlation once length is partialled out, beside the random model's."""
    at = table[table["layer"].isin(["9", "19"])]
    clear = at["partialled_lower"] > at["random_init_partialled"]
    said = [
        f"{name(row['language'])}-{name(row['other'])} at block {row['layer']}: r {cell(row)}, without length "
        f"{row['partialled']:.2f} [{row['partialled_lower']:.2f}, {row['partialled_upper']:.2f}], random {row['random_init']:.2f} "
        f"and {row['random_init_partialled']:.2f}"
        for _, row in at.iterrows()
    ]
    return Outcome(
        f"{'; '.join(said)}. n={items(at)}.",
        "came out" if clear.all() else "not distinguishable" if clear.any() else "did not come out",
        f"Without length it is above the random model's in {clear.sum()} of {len(at)} pairs and rows.",
    )
