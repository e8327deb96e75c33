"""What is lost without a language's neurons: every mask language by every text language, beside random neurons as busy.

A cell is the rise in log-perplexity (nats a token) of one language's text while one language's neurons are off. `zero` sets
them to 0 (Tang et al. 2024); `mean` to their mean over languages, which leaves the next layers an input they know.

When the number misleads: a rise in every language is a broken model, not a language lost; read the diagonal against its row and
against the random neurons. Find the neurons on other sentences than these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from tqdm.auto import tqdm

from interp.files.cache import Cache
from interp.generation.loss import sentence_losses
from interp.interventions.steering import ablated
from interp.models.computation import computed_by, model_facts
from interp.models.load import identify
from interp.text.corpus import ParallelCorpus
from probes.statistics.resampling import bootstrap

if TYPE_CHECKING:
    from probes.neurons.find import NeuronReport

Mode = Literal["zero", "mean"]
Sets = Mapping[int, list[int]]


class Mask(NamedTuple):
    """Neurons by block that are switched off together, and to what."""

    mode: Mode
    neurons: Sets


def measure_damage(
    model: Any,
    corpus: ParallelCorpus,
    report: NeuronReport,
    *,
    modes: tuple[Mode, ...] = ("zero", "mean"),
    draws: int = 2,
    seed: int = 0,
    resamples: int = 1000,
    folder: str | Path | None = None,
) -> NeuronReport:
    """Switch each language's neurons off and see which languages suffer; gives the report with the losses in it.

    `corpus` should hold sentences the neurons were not found on. Random neurons come from the same blocks, none of them any
    language's own, as near as can be in how often they fire in their busiest language; `draws` of them are averaged. The
    losses under each mask are kept in `folder` and found again.
    """
    texts = _texts(model, corpus, report, modes)
    clean = [sentence_losses(model, texts[code]) for code in texts.languages]
    masks = _masks(report, modes, draws, seed)
    lost = np.stack([_losses(model, texts, report, mask, folder) for mask in tqdm(masks, desc="off", unit="mask")])
    lost = lost.reshape(len(modes), len(texts.languages), 1 + draws, *lost.shape[1:])
    arrays = {
        "loss": lost[:, :, 0],
        "random_loss": lost[:, :, 1:].mean(axis=2),
        "clean_loss": np.stack([loss.numpy() for loss, _ in clean]),
        "text_tokens": np.stack([tokens.numpy() for _, tokens in clean]),
        "text_cluster": np.unique(texts.documents or texts.ids, return_inverse=True)[1],
    }
    more = {"modes": list(modes), "draws": draws, "resamples": resamples, "damage_seed": seed}
    shown = {**report.signature.settings, "off": "+".join(modes), "on": str(texts.identity), "boot": resamples}
    signature = replace(report.signature, settings=shown)
    return replace(report, arrays={**report.arrays, **arrays}, settings={**report.settings, **more}, signature=signature)


def share_damage(
    model: Any,
    corpus: ParallelCorpus,
    report: NeuronReport,
    share: Callable[[Sequence[Mask]], Sequence[Mask]],
    *,
    folder: str | Path,
    modes: tuple[Mode, ...] = ("zero", "mean"),
    draws: int = 2,
    seed: int = 0,
) -> None:
    """Measure some of the masks into `folder`, where `measure_damage` with the same arguments finds them."""
    texts = _texts(model, corpus, report, modes)
    for mask in tqdm(share(_masks(report, modes, draws, seed)), desc="off", unit="mask"):
        _losses(model, texts, report, mask, folder)


def _texts(model: Any, corpus: ParallelCorpus, report: NeuronReport, modes: Sequence[Mode]) -> ParallelCorpus:
    if (found := identify(model)).sha != report.signature.model.sha:
        raise ValueError(f"the neurons are of {report.signature.model}, the model is {found}. Count the neurons of this one.")
    if unknown := [mode for mode in modes if mode not in get_args(Mode)]:
        raise ValueError(f"mode {unknown[0]!r}: needed {', '.join(get_args(Mode))}.")
    return corpus.select(report.languages)


def _masks(report: NeuronReport, modes: Sequence[Mode], draws: int, seed: int) -> list[Mask]:
    """For every mode and language its own neurons, then `draws` times random ones."""
    found = []
    for mode in modes:
        rng = np.random.default_rng(seed)
        for own in map(report.neurons, report.languages):
            found += [Mask(mode, own), *(Mask(mode, matched(report, own, rng)) for _ in range(draws))]
    return found


def matched(report: NeuronReport, own: Sets, rng: np.random.Generator) -> dict[int, list[int]]:
    """For every neuron another of its block that is no language's own and whose highest rate of firing is among the ten nearest."""
    highest, taken = report.arrays["rate"].max(0), report.arrays["chosen"].max(0) > 0
    found: dict[int, list[int]] = {}
    for block, neurons in own.items():
        free = list(np.flatnonzero(~taken[block]))
        for neuron in neurons:
            near = np.argsort(np.abs(highest[block, free] - highest[block, neuron]), kind="stable")[:10]
            if len(near):
                found.setdefault(block, []).append(int(free.pop(int(rng.choice(near)))))
    return found


def _losses(
    model: Any, texts: ParallelCorpus, report: NeuronReport, mask: Mask, folder: str | Path | None
) -> Float[np.ndarray, "language sentence"]:
    values = None
    if mask.mode == "mean":
        means = torch.from_numpy(report.arrays["mean"]).mean(0)
        values = {block: means[block, index] for block, index in mask.neurons.items()}
    held = {block: each.tolist() for block, each in (values or {}).items()}

    def measure() -> dict[str, torch.Tensor]:
        with ablated(model, mask.neurons, values):
            return {"loss": torch.stack([sentence_losses(model, texts[code])[0] for code in texts.languages])}

    facts = {**model_facts(model), "texts": texts.identity.sha, "neurons": mask.neurons, "held": held}
    cache = Cache(Path(folder), computed_by(model.cfg.device)) if folder else None
    return (cache.get(facts, measure) if cache else measure())["loss"].numpy()


def damage(arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> pd.DataFrame:
    """One row a mode, mask `language` and `text` language: rise in log-perplexity, that of random neurons as `baseline`.

    `excess` is the one less the other, paired by sentence, with its own bounds.
    """
    tokens = arrays["text_tokens"].T
    rise = np.moveaxis(arrays["loss"] - arrays["clean_loss"], -1, 0)
    random = np.moveaxis(arrays["random_loss"] - arrays["clean_loss"], -1, 0)

    def a_token(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        total = np.einsum("ri,i...t->r...t", weights, values)
        shape = (len(weights), *[1] * (values.ndim - 2), -1)
        return total / (weights @ tokens).reshape(shape)

    once = np.ones((1, len(tokens)))
    how = {
        "resamples": settings["resamples"],
        "seed": settings["damage_seed"],
        "clusters": arrays["text_cluster"],
        "statistic": a_token,
    }
    (lower, upper), (below, above) = bootstrap(rise, **how), bootstrap(rise - random, **how)
    codes = settings["languages"]
    index = pd.MultiIndex.from_product([settings["modes"], codes, codes], names=["mode", "language", "text"])
    columns = {"estimate": a_token(rise, once)[0], "lower": lower, "upper": upper, "baseline": a_token(random, once)[0],
               "excess": a_token(rise - random, once)[0], "excess_lower": below, "excess_upper": above}  # fmt: skip
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index).reset_index().assign(n=len(tokens))


def say_damage(rows: pd.DataFrame) -> str:
    """The damage in half a sentence, for the first mode; empty where none was measured."""
    if rows.empty:
        return ""
    rows = rows[rows["mode"] == rows["mode"].iloc[0]]
    own = rows[rows["language"] == rows["text"]]
    other = rows[rows["language"] != rows["text"]]
    sure = int((own["excess_lower"] > 0).sum())
    said = (
        f"; switched off ({rows['mode'].iloc[0]}), they raise their own language's log-perplexity by {own['estimate'].mean():+.3f}"
    )
    said += f" and other languages' by {other['estimate'].mean():+.3f}, random neurons their own by {own['baseline'].mean():+.3f}"
    return f"{said}: more than random in {sure} of {len(own)} languages"
