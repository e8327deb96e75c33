"""The rule of each entry, applied to its committed summary: what came out, in numbers, and whether it did."""

from __future__ import annotations

import re

import pandas as pd

from experiments.gallery.entry import Outcome, Result
from interp.languages import language


def align(table: pd.DataFrame, verdict: str) -> Outcome:
    """Middle block above both ends, language by language."""
    arched, said = [], []
    for code, rows in table.groupby("language", sort=False):
        at = rows.set_index("layer")
        middle, ends = at.loc["11"], at.loc[["embed", "23"]]
        if middle["lower"] > ends["upper"].max():
            arched.append(_name(code))
        said.append(
            f"{_name(code)} {_cell(middle)} (embedding {ends['estimate'].iloc[0]:.2f}, last {ends['estimate'].iloc[1]:.2f})"
        )
    flat = [_name(code) for code in table["language"].unique() if _name(code) not in arched]
    return Outcome(
        f"MEXA with English at block 11: {'; '.join(said)}. n={_n(table)}; shuffled pairs at most {table['baseline'].max():.3f}.",
        _most(len(arched), table["language"].nunique()),
        f"The middle block is above both ends in {_list(arched)}{f'; not in {_list(flat)}' if flat else ''}.",
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
            f"{_name(code)}: English at most {_cell(best, 3)} at block {best.name}, where the target word has "
            f"{_cell(target.loc[best.name], 3)} and unrelated English words {best['baseline']:.4f} (n={int(best['n'])})"
        )
        ahead += [_name(code)] if len(clear) else []
        leads += [_name(code)] if re.search(rf"{_name(code)[:6]}[^;]*?: English", verdict) else []
    total = read["target"].nunique()
    result = _most(len(leads), total)
    if result == "did not come out" and 2 * len(ahead) > total:
        result = "not distinguishable"
    return Outcome(
        f"{'; '.join(said)}.",
        result,
        f"English is above the target word, intervals apart, at some layer for {_list(ahead)}; the verdict's test, which also asks "
        f"that English beats the given French word and leaves out words that begin alike, finds it in the lead in {_list(leads)}.",
    )


def neurons(table: pd.DataFrame, verdict: str) -> Outcome:
    """What a language loses with its own neurons off, beyond what random neurons cost it."""
    own = table[(table["metric"] == "damage") & (table["language"] == table["text"])]
    hurt = [_name(row["language"]) for _, row in own.iterrows() if row["excess_lower"] > 0]
    said = [
        f"{_name(row['language'])} {_cell(row, 3)} nats a token, random neurons {row['baseline']:.3f}, "
        f"difference {_ends(row, 'excess')}"
        for _, row in own.iterrows()
    ]
    return Outcome(
        f"Rise of the loss with a language's own neurons off: {'; '.join(said)}. n={_n(own)} sentences.",
        "came out" if len(hurt) == len(own) else _unclear(own["excess_lower"], own["excess_upper"]),
        f"Beyond random neurons it is hurt in {_list(hurt)}. Where in the depth they lie is in the figure and the verdict.",
    )


def probe(table: pd.DataFrame, verdict: str) -> Outcome:
    """The trained model above the random one at the middle row."""
    at = table[table["layer"] == "14"]
    above = [_name(row["target"]) for _, row in at.iterrows() if row["lower"] > row["random_init"]]
    below = (at["upper"] < at["random_init"]).any()
    said = [f"{_name(row['target'])} {_cell(row)}, random {row['random_init']:.2f}" for _, row in at.iterrows()]
    return Outcome(
        f"Accuracy at block 14: {'; '.join(said)}. Majority class {at['baseline'].mean():.2f}, n={_n(at)}.",
        "came out" if 2 * len(above) > len(at) else "did not come out" if below else "not distinguishable",
        f"Above the random network's accuracy in {len(above)} of {len(at)} languages. At the embedding both read it: tokens tell.",
    )


def vocabulary(table: pd.DataFrame, verdict: str) -> Outcome:
    """Tokens relative to English."""
    paid = table[table["metric"] == "premium"]
    dear = [_name(row["language"]) for _, row in paid.iterrows() if row["lower"] > 2]
    said = [f"{_name(row['language'])} {_cell(row)}" for _, row in paid.iterrows()]
    return Outcome(
        f"Tokens for one of English: {'; '.join(said)}. n={_n(paid)}.",
        "came out" if "Burmese" in dear and len(dear) > 1 else "did not come out",
        f"More than twice the tokens of English in {_list(dear)}.",
    )


def atlas(table: pd.DataFrame, verdict: str) -> Outcome:
    """What is left of the correlation once length is partialled out, beside the random model's."""
    at = table[table["layer"].isin(["9", "19"])]
    clear = at["partialled_lower"] > at["random_init_partialled"]
    said = [
        f"{_name(row['language'])}-{_name(row['other'])} at block {row['layer']}: r {_cell(row)}, without length "
        f"{row['partialled']:.2f} [{row['partialled_lower']:.2f}, {row['partialled_upper']:.2f}], random {row['random_init']:.2f} "
        f"and {row['random_init_partialled']:.2f}"
        for _, row in at.iterrows()
    ]
    return Outcome(
        f"{'; '.join(said)}. n={_n(at)}.",
        "came out" if clear.all() else "not distinguishable" if clear.any() else "did not come out",
        f"Without length it is above the random model's in {clear.sum()} of {len(at)} pairs and rows.",
    )


def steer(table: pd.DataFrame, verdict: str) -> Outcome:
    """Texts in the target language at the chosen strength, beyond random directions."""
    row = table[(table["metric"] == "language") & (table["alpha"] > 0) & table["random"].notna()].iloc[0]
    return Outcome(
        f"Texts in Chinese under the edit ({row['edit']}): {_cell(row)}; under random directions {row['baseline']:.2f}; difference "
        f"{_ends(row, 'excess')}. n={int(row['n'])}.",
        "came out" if row["excess_lower"] > 0 else _unclear(row["excess_lower"], row["excess_upper"]),
        "The difference of means writes Chinese more often than random directions do."
        if row["excess_lower"] > 0
        else "The difference of means does not write Chinese clearly more often than random directions.",
    )


def transplant(table: pd.DataFrame, verdict: str) -> Outcome:
    """The pair of layers chosen on other questions, and the oracle beside the same oracle over wrong donors."""
    runs = table.set_index("run")
    return Outcome(runs.to_string(), "not distinguishable", "")


def patch(table: pd.DataFrame, verdict: str) -> Outcome:
    """The subject's token at the first block, the last token at the last."""
    rows = table[table["direction"] == "denoise"].set_index(["anchor", "layer"])
    early, late = ((rows.loc[("span", layer)], rows.loc[("last", layer)]) for layer in ("0", "23"))
    moved = early[0]["lower"] > early[1]["upper"] and late[1]["lower"] > late[0]["upper"]
    subject, last = rows.loc["span"]["estimate"], rows.loc["last"]["estimate"]
    crossing = next((layer for layer in last.index if last[layer] > subject[layer]), "none")
    return Outcome(
        f"Share of the answer restored: at block 0 the subject's token {_cell(early[0])}, the last token {_cell(early[1])}; at "
        f"block 23 {_cell(late[0])} and {_cell(late[1])}. n={_n(rows)} pairs that the model answers right.",
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
        f"Probability of the English run's concept in Chinese: {_cell(best, 3)} at block {best.name}, the best; unpatched "
        f"{best['baseline']:.3f}, another concept {_cell(other.loc[best.name], 3)}, a Chinese donor at most "
        f"{bound:.3f}. n={int(best['n'])}.",
        "came out" if near else "not distinguishable" if clear else "did not come out",
        f"Above both at blocks {_list([str(layer) for layer in clear])}; the Chinese donor shows how little room there is. "
        f"What moves first is the language: at block {moved} the prompt's own concept is said in English ({asked[moved]:.2f}) and "
        f"the donor's not yet ({carried[moved]:.2f}); it follows at block {carried.idxmax()} ({carried.max():.2f}).",
    )


def quadrants(table: pd.DataFrame, verdict: str) -> Outcome:
    """The gain in the tuned language over the format-tuned model."""
    rows = table[(table["gain"] == "bilingual") & (table["against"] == "format")]
    gained = [_name(row["language"]) for _, row in rows.iterrows() if row["lower"] > 0]
    other = table[(table["gain"] == "multilingual") & (table["against"] == "format")]
    said = [f"{_name(row['language'])} {_cell(row, 1)}" for _, row in rows.iterrows()]
    beside = [f"{_name(row['language'])} {_cell(row, 1)}" for _, row in other.iterrows()]
    return Outcome(
        f"Gain in chrF++ over the format-tuned model, in the tuned language: {'; '.join(said)}; in Romanian and Turkish: "
        f"{'; '.join(beside)}. n={_n(rows)}.",
        "came out" if len(gained) == len(rows) else _unclear(rows["lower"], rows["upper"]),
        f"The tuned language gains, interval above zero, for {_list(gained)}.",
    )


def questions(table: pd.DataFrame, verdict: str) -> Outcome:
    """The paired change of accuracy in languages tuned on and not."""
    rows = table[table["measure"] == "accuracy"].set_index("language")
    unseen = rows.loc[["spa_Latn", "ita_Latn"]]
    said = [f"{_name(code)} {row['baseline']:.2f} to {row['after']:.2f}, {_cell(row)}" for code, row in rows.iterrows()]
    return Outcome(
        f"Accuracy before and after, and the difference: {'; '.join(said)}. n={_n(rows)}, chance 0.10.",
        "came out" if (unseen["lower"] > 0).all() else _unclear(unseen["lower"], unseen["upper"]),
        "Spanish and Italian were never tuned on.",
    )


def _unclear(lower: pd.Series | float, upper: pd.Series | float) -> Result:
    """Not distinguishable where some interval holds zero; else what came out is the opposite."""
    held = (pd.Series(lower).to_numpy() <= 0) & (pd.Series(upper).to_numpy() >= 0)
    return "not distinguishable" if held.any() else "did not come out"


def _ends(row: pd.Series, name: str) -> str:
    """A difference with its interval, from the columns that begin with its name."""
    return f"{row[name]:+.3f} [{row[f'{name}_lower']:+.3f}, {row[f'{name}_upper']:+.3f}]"


def _most(hits: int, total: int) -> Result:
    return "came out" if 2 * hits > total else "did not come out"


def _cell(row: pd.Series, digits: int = 2) -> str:
    """An estimate with its interval."""
    return f"{row['estimate']:.{digits}f} [{row['lower']:.{digits}f}, {row['upper']:.{digits}f}]"


def _name(code: object) -> str:
    return language(str(code)).name.split(" (")[0]


def _n(table: pd.DataFrame) -> int:
    return int(table["n"].max())


def _list(names: list[str]) -> str:
    return ", ".join(names) if names else "none"
