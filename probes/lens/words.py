"""Reading words at every layer: their tokens, the items that can be used, and unrelated words as baseline.

An item is used for a target language if its words in the reference and in the target language share no token and the target word
does not contain the reference word: only then does a probability belong to one language. Unrelated words are words of other items
in the same language, with the most similar numbers of tokens, that share no token with the item.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from interp.files.cache import Cache, digest
from interp.lens.distributions import PADDING, pad_sets
from interp.lens.logit_lens import Lens, LensReading, read_prompts, rows_of
from interp.models.computation import computed_by, model_facts
from interp.models.load import TransformerBridge
from interp.progress import Progress
from interp.vocabulary.spelling import TokenRule, Vocabulary, keep_apart
from probes.lens.leads import WORD_MEASURES, role_of
from probes.lens.word_prompts import WordPrompts

COLUMNS = ("item", "source", "target", "weights", "layer", "measure", "series", "role", "value", "baseline")
_LEAST = 0.01  # a script below this mean mass at every layer is put into "other"


@dataclass(frozen=True)
class WordSets:
    """The items used for one target language, with the tokens of their words `own[i][language]` and of `unrelated[i][language]`."""

    prompts: WordPrompts
    rows: tuple[int, ...]
    languages: tuple[str, ...]
    own: tuple[tuple[frozenset[int], ...], ...]
    unrelated: tuple[tuple[tuple[frozenset[int], ...], ...], ...]
    left_out: Mapping[str, int]


def word_sets(
    vocabulary: Vocabulary, prompts: WordPrompts, pivot: str, *, rule: TokenRule = "first", unrelated: int = 20, seed: int = 0
) -> WordSets:
    """Find the tokens of every word in every language, leave out unsuitable items, and draw unrelated words.

    Parameters
    ----------
    vocabulary
        The vocabulary of the model.
    prompts
        Prompts and words of one target language.
    pivot
        Reference language.
    rule
        Which tokens count as a word: `first` or `prefix`.
    unrelated
        Number of unrelated words for each word.
    seed
        Random seed of the unrelated words.

    Raises
    ------
    ValueError
        No item is left. The message says how many were left out for which reason.
    """
    languages = (pivot, prompts.target, *(code for code in prompts.words if code not in (pivot, prompts.target)))
    tokens = [_tokens(vocabulary, {code: prompts.words[code][row] for code in languages}, rule) for row in range(len(prompts.ids))]
    spelled = [row for row in range(len(tokens)) if tokens[row][pivot] and tokens[row][prompts.target]]
    apart = [spelled[at] for at in keep_apart([tokens[row] for row in spelled], pivot, prompts.target)]
    fair = [row for row in apart if prompts.words[pivot][row].casefold() not in prompts.words[prompts.target][row].casefold()]
    counts = {"unspelled": len(tokens) - len(spelled), "collided": len(spelled) - len(apart), "contained": len(apart) - len(fair)}
    if not fair:
        raise ValueError(
            f"{pivot} -> {prompts.target}: none of {len(tokens)} items is left ({_said(counts)}), expected words that begin with "
            "different tokens in the two languages. Try the other token rule, other languages or longer words."
        )
    own = [tuple(_exclusive(tokens[row], code, pivot, prompts.target) for code in languages) for row in fair]
    draw = random.Random(f"{seed}/{prompts.source}/{prompts.target}")
    others = [tuple(_unrelated(tokens, row, code, (pivot, prompts.target), unrelated, draw) for code in languages) for row in fair]
    return WordSets(prompts, tuple(fair), languages, tuple(own), tuple(others), counts)


def read_words(
    model: TransformerBridge,
    sets: WordSets,
    vocabulary: Vocabulary,
    weights: str,
    lens: Lens | None = None,
    folder: str | Path | None = None,
    bar: Progress | None = None,
) -> pd.DataFrame:
    """Read words at every layer: a table with one row per item, layer, measure and series (a language, a script, or nothing).

    `role` says what the word of a language is in the prompts: `target`, `pivot`, `source` (the word given), or `other`.

    Rows of one measure and series have all layers, and in each layer all items, in the same order. A word that shares tokens with
    the word in the reference or the target language is NaN.

    Parameters
    ----------
    model
        The model, trained or randomly initialised.
    sets
        Items and words of one target language.
    vocabulary
        The vocabulary of the model.
    weights
        Label of the model in the table: `trained` or `random`.
    lens
        A tuned lens. Default: the logit lens.
    folder
        Where the reading is kept and found again. Default: nowhere.
    bar
        The bar of all readings, which is moved on by one a prompt.
    """
    names, classes = vocabulary.script_classes()
    k = len(sets.languages)
    wide = [[*own, *(word for words in others for word in words)] for own, others in zip(sets.own, sets.unrelated, strict=True)]
    padded = pad_sets(wide)
    prompts = [sets.prompts.prompts[row] for row in sets.rows]
    reading = _read(model, prompts, padded, (classes, len(names)), k, lens, folder, bar)
    known = (padded != PADDING).any(-1)
    mass = torch.where(known, reading.mass, torch.nan)
    own, others = mass[:, :, :k], mass[:, :, k:].unflatten(2, (k, -1)).nanmean(-1)
    rank = torch.where(known[:, :k], (reading.rank[:, :, :k] + 1).log10(), torch.nan)
    blocks: dict[tuple[str, str], tuple[np.ndarray, np.ndarray | None]] = {}
    for column, code in enumerate(sets.languages):
        blocks["probability", code] = own[:, :, column].numpy(), others[:, :, column].numpy()
        blocks["corrected", code] = (own - others)[:, :, column].numpy(), torch.zeros_like(others[:, :, column]).numpy()
        blocks["rank", code] = rank[:, :, column].numpy(), None
    for measure in ("entropy", "energy", "divergence"):
        blocks[measure, ""] = getattr(reading, measure).numpy(), None
    blocks |= {("script", name): (values, None) for name, values in script_shares(reading, names).items()}
    ids = [sets.prompts.ids[row] for row in sets.rows]
    same = {"source": sets.prompts.source, "target": sets.prompts.target, "weights": weights}
    roles = {code: role_of(code, sets.prompts.source, sets.prompts.target, sets.languages[0]) for code in sets.languages}
    return _tidy(blocks, ids, reading.layers, same, roles)


def _read(
    model: TransformerBridge,
    prompts: Sequence[str],
    sets: Tensor,
    classes: tuple[Tensor, int],
    ranked: int,
    lens: Lens | None,
    folder: str | Path | None,
    bar: Progress | None,
) -> LensReading:
    def read() -> dict[str, Tensor]:
        reading = read_prompts(model, prompts, sets, classes, ranked=ranked, lens=lens, top=1, bar=bar)
        return {field.name: getattr(reading, field.name) for field in fields(reading) if field.name != "layers"}

    if folder is None:
        return LensReading(rows_of(model), **read())
    asked = {"prompts": list(prompts), "words": digest(sets.tolist()), "scripts": digest(classes[0].tolist()), "ranked": ranked}
    facts = {**model_facts(model), "lens": str(lens or "logit"), **asked}
    cache: Cache[dict[str, Tensor]] = Cache(Path(folder), computed_by(model.cfg.device))
    kept = cache.find(facts)
    if kept is not None and bar is not None:
        bar.found(len(prompts))
    if kept is None:
        kept = read()
        cache.keep(facts, kept)
    return LensReading(rows_of(model), **kept)


def script_shares(reading: LensReading, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The probability of each script (`names`) in a `reading`, `[layer sentence]`, with rare scripts together as `other`."""
    shares = {name: reading.scripts[:, :, column].numpy() for column, name in enumerate(names)}
    rare = [name for name, values in shares.items() if values.mean(1).max() < _LEAST]
    frequent = {name: values for name, values in shares.items() if name not in rare}
    return frequent | ({"other": np.sum([shares[name] for name in rare], axis=0)} if rare else {})


def _tokens(vocabulary: Vocabulary, words: Mapping[str, str], rule: TokenRule) -> dict[str, frozenset[int]]:
    tokens: dict[str, frozenset[int]] = {}
    for code, word in words.items():
        try:
            tokens[code] = vocabulary.tokens(word, rule)
        except ValueError:
            tokens[code] = frozenset()
    return tokens


def _exclusive(tokens: Mapping[str, frozenset[int]], code: str, pivot: str, target: str) -> frozenset[int]:
    """The tokens of a third language's word, or none where the pivot's or the target's word shares one of them."""
    rivals = [tokens[other] for other in (pivot, target) if other != code]
    return frozenset() if any(tokens[code] & rival for rival in rivals) else tokens[code]


def _unrelated(
    tokens: Sequence[Mapping[str, frozenset[int]]], row: int, code: str, near: Sequence[str], n: int, draw: random.Random
) -> tuple[frozenset[int], ...]:
    own = frozenset().union(*(tokens[row][other] for other in (*near, code)))
    size = len(tokens[row][code])
    others = [words[code] for at, words in enumerate(tokens) if at != row and words[code] and not words[code] & own]
    draw.shuffle(others)
    nearest = sorted(others, key=lambda other: abs(len(other) - size))[:n]
    return (*nearest, *[frozenset[int]()] * (n - len(nearest)))


def _tidy(
    blocks: Mapping[tuple[str, str], Any],
    ids: Sequence[str],
    layers: Sequence[str],
    same: Mapping[str, str],
    roles: Mapping[str, str],
) -> pd.DataFrame:
    frames = []
    for (measure, series), (values, baseline) in blocks.items():
        empty = np.full(values.shape, np.nan)
        columns = {
            "item": pd.Categorical.from_codes(np.tile(np.arange(len(ids)), len(layers)), list(ids)),
            "layer": pd.Categorical.from_codes(np.repeat(np.arange(len(layers)), len(ids)), list(layers)),
            "measure": measure,
            "series": series,
            "role": roles.get(series, "") if measure in WORD_MEASURES else "",
            "value": values.reshape(-1).astype(float),
            "baseline": (empty if baseline is None else baseline).reshape(-1).astype(float),
        }
        frames.append(pd.DataFrame({**same, **columns})[list(COLUMNS)])
    return pd.concat(frames, ignore_index=True)


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {why}" for why, n in counts.items())
