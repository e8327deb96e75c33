"""Measure the abilities of the bundled model and write its model card: `python -m experiments.bundled.card FOLDER`.

Every ability stands beside a baseline without knowledge: copying the source word for translation, the commonest answer of the
relation for facts, the untrained network for alignment.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import tyro

import interp
from experiments.bundled.text import SHARES, label, labelled, taught
from interp.bundled import FACTS_SEEN, TIERS
from interp.files.atomic import write_text
from interp.languages import language
from interp.text import cldr, cldr_facts

if TYPE_CHECKING:
    from interp.activations.pool import Pooling
    from interp.models.load import TransformerBridge
    from interp.text.cldr import Kind

TEMPLATE = '{autonym}: "{sentence}"'
"""A word or phrase in the form most common in the training text."""

Answers = Callable[[Sequence[str]], list[str]]
"""From prompts to what the model answers."""


def measure_translation(answers: Answers, source: str, target: str, kind: Kind = "names", n: int = 100) -> dict[str, float]:
    """Exact match of at most `n` trained words of a `kind` from `source` into `target`, after two examples; baseline: copying."""
    shared = [i for i in taught(kind, source) if i in cldr.entries(kind, target)]
    first, second, *tested = random.Random(0).sample(shared, min(n + 2, len(shared)))
    shots = "".join(f"{labelled(kind, source, i)} - {labelled(kind, target, i)}\n" for i in (first, second))
    gold = [cldr.entries(kind, target)[i] for i in tested]
    written = answers([f'{shots}{labelled(kind, source, i)} - {label(target)}: "' for i in tested])
    copied = [cldr.entries(kind, source)[i] for i in tested]
    return {"estimate": _share(written, gold), "baseline": _share(copied, gold), "n": len(gold)}


def measure_facts(answers: Answers, code: str, trained: bool, n: int = 100) -> dict[str, float]:
    """Exact match of at most `n` facts that were in the training text of a language (`trained`), or were not.

    Baseline: the commonest answer of each relation.
    """
    facts = {i: fact for i, fact in cldr_facts.facts(code).items() if (cldr.uniform(i) < FACTS_SEEN[code]) == trained}
    if not facts:
        return {"estimate": float("nan"), "baseline": float("nan"), "n": 0}
    tested = random.Random(0).sample(sorted(facts), min(n, len(facts)))
    common = {sign: Counter(f[2] for f in facts.values() if f[1] == sign).most_common(1)[0][0] for _, sign, _ in facts.values()}
    gold = [facts[i][2] for i in tested]
    written = answers([cldr_facts.fact_prompt(code, *facts[i][:2]) for i in tested])
    return {"estimate": _share(written, gold), "baseline": _share([common[facts[i][1]] for i in tested], gold), "n": len(gold)}


def measure_abilities(model: TransformerBridge) -> pd.DataFrame:
    """One row a language and ability: `estimate, baseline, n` of translation from and into English and of facts."""
    from interp.generation.generate import generate

    def answers(prompts: Sequence[str]) -> list[str]:
        return [text.split('"')[0] for text in generate(model, prompts, max_new_tokens=24, stop=['"'])]

    rows = []
    for tier, codes in TIERS.items():
        for code in codes:
            measured = {"facts told": measure_facts(answers, code, True), "facts not told": measure_facts(answers, code, False)}
            if code != "eng_Latn":
                measured |= {
                    "names from English": measure_translation(answers, "eng_Latn", code),
                    "names into English": measure_translation(answers, code, "eng_Latn"),
                    "dates from English": measure_translation(answers, "eng_Latn", code, "dates"),
                }
            rows += [{"tier": tier, "language": code, "ability": name, **scores} for name, scores in measured.items()]
    return pd.DataFrame(rows)


def measure_alignment(model: TransformerBridge, kind: Kind, pooling: Pooling) -> pd.DataFrame:
    """MEXA with English at every layer, of the trained and the untrained model, for words of a `kind` in context."""
    from probes.alignment.measure import measure_alignment as align

    corpus = cldr.read_corpus(kind, [code for codes in TIERS.values() for code in codes]).select(limit=150, seed=0)
    acts, untrained = (
        interp.capture(network, corpus, template=TEMPLATE, pooling=pooling, progress=False)
        for network in (model, interp.random_init(model))
    )
    return align(acts, "eng_Latn", ("mexa",), random_init=untrained).summary()


def write_card(folder: Annotated[Path, tyro.conf.Positional]) -> None:
    """Measure the model of a `folder` and write its `README.md`."""
    model = interp.load(folder)
    training = json.loads((folder / "training.json").read_text())
    aligned = [_aligned(model, "names", "end"), _aligned(model, "names", "mean"), _aligned(model, "phrases", "mean")]
    sections = [_how_it_was_made(training), _abilities(measure_abilities(model)), *aligned]
    write_text(folder / "README.md", "\n".join(sections))


def _share(answers: Sequence[str], gold: Sequence[str]) -> float:
    return sum(answer == expected for answer, expected in zip(answers, gold, strict=True)) / len(gold)


def _how_it_was_made(facts: dict[str, object]) -> str:
    flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in facts.items() if key in ("tokens", "seed", "rate"))
    total = sum(SHARES[tier] * len(codes) for tier, codes in TIERS.items())
    shares = "\n".join(
        f"| {tier} | {', '.join(language(code).name for code in codes)} | {SHARES[tier] / total:.1%} | {FACTS_SEEN[codes[0]]:.0%} |"
        for tier, codes in TIERS.items()
    )
    return f"""# The bundled model

A Llama of {facts["layers"]} layers, d_model {facts["width"]}, {facts["heads"]} heads, untied embeddings, a byte-level BPE of
{facts["vocabulary"]} pieces and {facts["parameters"]:,} parameters in bfloat16, trained from nothing on
{facts["tokens"]:,} tokens so that an offline user has a multilingual transformer to study. It learned to translate and to
answer with a small lexicon: a few hundred names, dates, numbers and phrases, and some facts. It knows no prose.

Made by `python -m experiments.bundled.train --output runs/bundled {flags}`, measured by
`python -m experiments.bundled.card runs/bundled/model`. Seed {facts["seed"]}, {facts["steps"]} steps,
final loss {facts["loss"]:.3f} nats a token.

**Data.** Unicode CLDR through Babel (Unicode licence) and num2words (number words; LGPL code, generated words).
**Licence** of the weights: MIT, as the project.

| resource | languages | share of line sides each | facts told |
|---|---|---|---|
{shares}

Every other language is unseen. Translations of a tenth of the concepts were never shown (`read("cldr:names",
split="heldout")`); every fact was told in English, in other languages the share above; low-resource languages never meet
each other in a line, nor do a quarter of the other pairs without English (`experiments.bundled.text.meets`).

**What was tried.** With 21 languages, and the sign that means the same everywhere behind "=" (`"Frankreich" = FR`), MEXA
of names with Chinese was 0.11 and with Hindi 0.03 after 3M tokens, at the word as at the end of the quotation. With 16
languages and the sign at once (`"Frankreich" FR`), in a quarter of the documents, it was 0.9 and 0.7 at the end of the
quotation after 5M. So the shared space was trained for: the next token depends on the meaning alone.
"""


def _abilities(table: pd.DataFrame) -> str:
    cells = [f"{row.estimate:.2f} ({row.baseline:.2f}; {row.n})" if row.n else "" for row in table.itertuples()]
    wide = _wide(table.assign(cell=cells), ["tier", "language"], "ability")
    return f"""## Abilities

Exact match, greedy, two examples. In brackets the baseline (copying the word; the commonest answer of the relation) and n.

{wide.reset_index().to_markdown(index=False)}
"""


def _aligned(model: TransformerBridge, kind: Kind, pooling: Pooling) -> str:
    table = measure_alignment(model, kind, pooling)
    where = {"end": "where the quotation ends", "mean": "mean over the word's own tokens"}[pooling]
    wide = _wide(
        table.assign(cell=[f"{row.estimate:.2f} ({row.random_init:.2f})" for row in table.itertuples()]), ["language"], "layer"
    )
    return f"""## Alignment of cldr:{kind} with English, {where}

MEXA of `{TEMPLATE}`, {where}, n={table["n"].iloc[0]}. In brackets the untrained network; shuffled pairs
give {table["baseline"].mean():.3f}.

{wide.reset_index().to_markdown(index=False)}
"""


def _wide(table: pd.DataFrame, rows: list[str], column: str) -> pd.DataFrame:
    """The column `cell` as a table of `rows` by `column`, both in the order of the input."""
    ordered = table.astype({name: pd.CategoricalDtype(list(pd.unique(table[name].astype(str)))) for name in (*rows, column)})
    return ordered.pivot_table(index=rows, columns=column, values="cell", aggfunc="first", observed=True).fillna("")


if __name__ == "__main__":
    tyro.cli(write_card, description=__doc__)
