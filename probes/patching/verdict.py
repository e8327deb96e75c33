"""What a patching report says in words: where the answer sits, where patching pushes the other way, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from probes.patching.claims import CARRIES, OPPOSES
from probes.statistics.layer_runs import Run, capitalised, runs_of, say_runs
from probes.statistics.significance import FEWEST, LEVEL

_PLACES = {"span": "on the subject word", "span_mean": "on the subject's words", "last": "at the last token"}
_SITES = {"head": "attention head", "attention": "attention of block", "mlp": "MLP of block"}
_MADE = {"denoise": ("Denoising restores", "help the answer"), "noise": ("Noising removes", "are needed for it")}
_LISTED = 4


def verdict(pooled: pd.DataFrame, summary: pd.DataFrame, site: str, last: int) -> str:
    """The verdict of a `PatchReport`.

    Parameters
    ----------
    pooled
        Its cells over all languages: `direction, anchor, layer, head, share, claim, n, pairs`.
    summary
        Its summary, for the languages one by one.
    site
        The activation that was patched.
    last
        Index of the model's last block. Its output at the last token carries the answer in any model.
    """
    directions = list(dict.fromkeys(pooled["direction"]))
    first = pooled[pooled["direction"] == directions[0]]
    items, pairs = int(first["n"].iloc[0]), int(first["pairs"].iloc[0])
    n = f"{items}, {pairs} pairs" if pairs > items else str(items)
    languages = list(dict.fromkeys(summary["language"]))
    if first["share"].isna().all():
        return f"Both prompts get the same answer, so there is nothing to carry (n={n})."
    if items < FEWEST:
        in_any_model = (first["anchor"] == "last") & (first["layer"] == last) & (site == "residual_post")
        best = first.loc[first.loc[~in_any_model if (~in_any_model).any() else in_any_model, "share"].abs().idxmax()]
        return (
            f"With n={items} items nothing is claimed: at least {FEWEST} are needed. The largest effect is {best['share']:+.2f} of "
            f"the difference, {_PLACES[best['anchor']]}, {_one(best, site)}."
        )
    opening = f"Over {len(languages)} languages, " if len(languages) > 1 else ""
    parts = {direction: pooled[pooled["direction"] == direction] for direction in directions}
    if site.startswith("residual"):
        certain = site == "residual_post" and bool(((first["anchor"] == "last") & (first["layer"] == last)).any())
        sentences = [_sits(first, n, opening, certain), *(_tested(rows, direction) for direction, rows in parts.items())]
        sentences += _each_language(summary, directions[0], languages)
        sentences += ["The last block's output at the last token carries all of the answer in any model."] if certain else []
    else:
        sentences = [_strongest(first, site, n, opening), *(_signs(rows, direction) for direction, rows in parts.items())]
    return " ".join(sentence for sentence in sentences if sentence)


def _sits(frame: pd.DataFrame, n: str, opening: str, certain: bool) -> str:
    """The first sentence for the residual stream. `certain`: the last block was patched at the last token."""
    blocks = _blocks(frame)
    carrying = {anchor: _runs(own, CARRIES, blocks) for anchor, own in frame.groupby("anchor", sort=False)}
    trivial = [(len(blocks) - 1,) * 2] if certain else []
    carrying = {anchor: runs for anchor, runs in carrying.items() if runs and not (anchor == "last" and runs == trivial)}
    if not carrying:
        before = " before the last block" if certain else ""
        return capitalised(f"{opening}no patched position carries the answer{before} (n={n}).")
    ordered = sorted(carrying, key=lambda anchor: (carrying[anchor][0], anchor == "last"))[:2]
    where = [f"{_PLACES[anchor]} {say_runs(carrying[anchor], blocks, 'block')}" for anchor in ordered]
    follows = len({carrying[anchor][0][0] for anchor in ordered}) > 1
    return capitalised(f"{opening}the answer sits {(', then ' if follows else ' and ').join(where)} (n={n}).")


def _tested(frame: pd.DataFrame, direction: str) -> str:
    """Where one direction carries more than half and where it pushes the other way, at every position."""
    carried, opposed = (_list(frame, claim) for claim in (CARRIES, OPPOSES))
    text = f"{_MADE[direction][0]} more than half of it {carried or 'nowhere'}"
    if opposed:
        text += f"; it pushes the other way {opposed}, by up to {-frame.loc[frame['claim'] == OPPOSES, 'share'].min():.2f}"
    return f"{text} (p < {LEVEL} over {_cells(frame)})."


def _list(frame: pd.DataFrame, claim: str) -> str:
    blocks = _blocks(frame)
    parts = [
        f"{_PLACES[anchor]} {say_runs(stretches, blocks, 'block')}"
        for anchor, own in frame.groupby("anchor", sort=False)
        if (stretches := _runs(own, claim, blocks))
    ]
    return ", ".join(parts)


def _each_language(summary: pd.DataFrame, direction: str, languages: Sequence[str]) -> list[str]:
    if len(languages) < 2:
        return []
    frame = summary[summary["direction"] == direction]
    texts = [
        f"{code}: {'too few pairs' if own['n'].iloc[0] < FEWEST else _list(own, CARRIES) or 'nowhere'}"
        for code, own in frame.groupby("language", sort=False)
    ]
    more = f"; and {len(texts) - _LISTED} more in summary.csv" if len(texts) > _LISTED else ""
    return [f"Each by itself ({direction}): {'; '.join(texts[:_LISTED])}{more}."]


def _strongest(frame: pd.DataFrame, site: str, n: str, opening: str) -> str:
    """The first sentence for the parts of a block."""
    sure = frame[frame["claim"] == CARRIES]
    if sure.empty:
        return capitalised(f"{opening}no single {_SITES[site].removesuffix(' of block')} helps the answer for certain (n={n}).")
    best = sure.loc[sure["share"].idxmax()]
    where = f"{_one(best, site)} {_PLACES[best['anchor']]}"
    return capitalised(f"{opening}{where} helps the answer most: {best['share']:.0%} of the difference (n={n}).")


def _signs(frame: pd.DataFrame, direction: str) -> str:
    """How many parts help and oppose, with the strongest of each."""
    texts: list[str] = []
    for claim, word in ((CARRIES, _MADE[direction][1]), (OPPOSES, "push the other way")):
        own = frame[frame["claim"] == claim]
        strongest = own.loc[own["share"].abs().sort_values(ascending=False).index].head(_LISTED)
        names = [
            f"{_short(int(row['layer']), int(row['head']))} {_PLACES[row['anchor']]} {row['share']:+.2f}"
            for row in strongest.to_dict("records")
        ]
        texts.append(f"{len(own)} {word}" + (f" ({', '.join(names)})" if names else ""))
    return f"Of {_cells(frame)} ({direction}), {' and '.join(texts)}, at p < {LEVEL} over all." + (
        " The strongest are chosen by these same numbers." if (frame["claim"] != "").any() else ""
    )


def _runs(frame: pd.DataFrame, claim: str, blocks: Sequence[str]) -> list[Run]:
    """Runs of patched blocks with one claim: a block that was not patched breaks none."""
    made = {str(int(block)) for block in frame.loc[frame["claim"] == claim, "layer"]}
    return runs_of(np.array([block in made for block in blocks]))


def _blocks(frame: pd.DataFrame) -> list[str]:
    """The blocks that were patched, in their order."""
    return [str(block) for block in sorted({int(block) for block in frame["layer"]})]


def _cells(frame: pd.DataFrame) -> str:
    return f"{len(frame)} cell{'' if len(frame) == 1 else 's'}"


def _short(layer: int, head: int) -> str:
    return f"{layer}" + (f".{head}" if head >= 0 else "")


def _one(row: pd.Series, site: str) -> str:
    return f"{_SITES.get(site, 'block')} {_short(int(row['layer']), int(row['head']))}"
