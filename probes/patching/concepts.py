"""Does a layer hold the concept apart from the language? Patch one, the other, or both, and read all four words.

A 2 x 2 design after Dumas et al. (2025): the base run asks for concept B in language L. Donors carry concept A from language P
(`both`), A from the same language (`concept`: the ceiling), B from P (`language`), A averaged over all other languages
(`mean`), or a third concept (`other`: the floor). Each time the probability of four words is read: A and B, in L and in P. If
`both` and `mean` make A in L likely, the concept moved and the language stayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from interp.generation.continuation import continuation
from interp.interventions.edits import check_blocks
from interp.interventions.patching import Edit, edits_of, run_edits
from interp.interventions.prompts import Anchor, Prompt, marked, untouched
from interp.models.load import identify
from interp.models.sites import EditSite
from interp.provenance import Signature
from interp.text.corpus import ParallelTask
from probes.patching.contrasts import mark_difference, partners
from probes.patching.figures import concept_curves
from probes.report import Report, with_receipts
from probes.statistics.resampling import bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.models.load import TransformerBridge

Donor = Literal["both", "mean", "concept", "language", "other"]
DONORS: tuple[Donor, ...] = get_args(Donor)
_YARDSTICKS = {"concept": "same language", "other": "another concept"}
READOUTS = ("A in own", "B in own", "A in donor's", "B in donor's")


@dataclass(frozen=True)
class _Item:
    """Two items and a third, by row: A gives its concept, B is asked."""

    a: int
    b: int
    other: int


class ConceptReport(Report):
    """Probability of four words after patching. `table`: one row an item (the donor's concept; `asked` is the base run's),
    language, donor, layer and readout; donor `none` is the untouched run."""

    question = "Is the concept carried apart from the language?"

    def summary(self) -> pd.DataFrame:
        """One row a language, donor, layer and readout: mean probability, its interval, and the untouched run as `baseline`."""
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        keys, parts = ["language", "donor", "layer", "readout"], []
        for _, part in self.table.groupby("language", sort=False):
            n = part["item"].nunique()
            plain = part[part["donor"] == "none"].groupby("readout", sort=False)["value"].mean()
            part = part[part["donor"] != "none"]
            values = part["value"].to_numpy(dtype=float).reshape(n, -1)
            cells = part.iloc[: values.shape[1]][keys].reset_index(drop=True)
            lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"])
            cells = cells.assign(estimate=values.mean(axis=0), lower=lower, upper=upper, n=n)
            parts.append(cells.assign(baseline=cells["readout"].map(plain).to_numpy()))
        return pd.concat(parts, ignore_index=True)

    def verdict(self) -> str:
        """How far the concept moves across languages at its best layer, beside the untouched run, the ceiling and the floor."""
        frame = self._summary[self._summary["readout"] == READOUTS[0]]
        by = frame.groupby(["donor", "layer"], sort=False)["estimate"].mean()
        held = {donor: by[donor] for donor in DONORS if donor in by.index.get_level_values(0)}
        main = next(donor for donor in ("mean", "both", *held) if donor in held)
        layer, plain = held[main].idxmax(), frame["baseline"].mean()
        beside = [f"untouched {plain:.3f}"]
        beside += [f"{name} {held[donor][layer]:.3f}" for donor, name in _YARDSTICKS.items() if donor in held and donor != main]
        beside += [f"same language at most {held['concept'].max():.3f}"] if "concept" in held else []
        rows = self._summary[(self._summary["readout"] == READOUTS[2]) & (self._summary["donor"] == main)]
        other = rows.groupby("layer")["estimate"].mean()
        return (
            f"With donor {main!r} its concept, said in the run's own language, is most probable at layer {layer}: "
            f"{held[main][layer]:.3f} ({', '.join(beside)}); said in the donor's language it reaches {other.max():.3f} at layer "
            f"{other.idxmax()}. Layers are chosen by these numbers, n={int(frame['n'].min())}."
        )

    def figures(self) -> dict[str, Figure]:
        """The four words over layers, a panel a donor, mean over languages."""
        frame = (
            self._summary.groupby(["donor", "layer", "readout"], sort=False)[["estimate", "lower", "upper"]].mean().reset_index()
        )
        return {"concepts": concept_curves(frame, "probability", self.question, str(self.signature))}


@with_receipts
def measure_concepts(
    model: TransformerBridge,
    task: ParallelTask,
    pivot: str,
    *,
    languages: Sequence[str] | None = None,
    donors: Sequence[Donor] = DONORS,
    site: EditSite = "residual_post",
    anchor: Anchor = "last",
    blocks: Sequence[int] | None = None,
    seed: int = 0,
    resamples: int = 1000,
    progress: bool = True,
) -> ConceptReport:
    """Patch concept and language apart, at one anchor, layer by layer; the donor's language P is the pivot.

    Items whose four words do not begin with four different tokens are left out and counted: they could not be told apart.
    """
    languages = [code for code in languages or task.languages if code != pivot]
    if not languages:
        raise ValueError(f"only {pivot} came. Needed: at least one language beside the pivot.")
    chosen = check_blocks(model, blocks, "blocks")
    rows, dropped = [], 0
    for code in languages:
        items = list(_items(task, code, seed))
        for item in tqdm(items, desc=f"concepts {code}", unit="item", disable=None if progress else True):
            words = _words(model, task, item, code, pivot)
            if len(set(words)) < len(words):
                dropped += 1
                continue
            rows += _measure(model, task, item, code, pivot, words, donors, site, anchor, chosen)
    if not rows:
        raise ValueError(
            f"no item is left of {len(task)}: their words begin with the same tokens in {', '.join([pivot, *languages])}."
        )
    settings = {"site": site, "anchor": anchor, "pivot": pivot, "seed": seed, "boot": resamples}
    return ConceptReport(
        table=pd.DataFrame(rows),
        signature=Signature("concepts", identify(model), task.identity, settings),
        settings={**settings, "resamples": resamples},
        notes=(f"{dropped} items are left out: their four words do not begin with four tokens.",) if dropped else (),
    )


def _items(task: ParallelTask, code: str, seed: int) -> Iterator[_Item]:
    found = partners(task, code, seed)
    for place, (a, b) in enumerate(found):
        answers = {task.answers[code][a][0], task.answers[code][b][0]}
        for row, _ in [*found[place + 1 :], *found[:place]]:
            if task.answers[code][row][0] not in answers:
                yield _Item(a, b, row)
                break


def _words(model: TransformerBridge, task: ParallelTask, item: _Item, code: str, pivot: str) -> list[int]:
    """The first token of A and B in the run's own language, then in the donor's, as they stand behind the base prompt."""
    prompt = task.prompts[code][item.b]
    return [
        continuation(model, prompt, task.answers[language][row][0])[0] for language in (code, pivot) for row in (item.a, item.b)
    ]


def _measure(
    model: TransformerBridge, task: ParallelTask, item: _Item, code: str, pivot: str, words: Sequence[int], donors: Sequence[Donor],
    site: EditSite, anchor: Anchor, blocks: Sequence[int],
) -> list[dict[str, object]]:  # fmt: skip
    base = _prompt(model, task, code, item.b, item.a)
    edits = [edit for donor in donors for edit in _edits(model, task, item, code, pivot, donor, base, site, anchor, blocks)]
    said = _probabilities(run_edits(model, base.ids, edits, site), words)
    plain = _probabilities(untouched(model, base.ids), words)
    cells = [("none", -1, plain[0])] + [
        (donor, block, said[k]) for k, (donor, block) in enumerate((donor, block) for donor in donors for block in blocks)
    ]
    name, asked = task.ids[item.a], task.ids[item.b]
    return [
        {"item": name, "asked": asked, "language": code, "donor": donor, "layer": block, "readout": readout, "value": value}
        for donor, block, values in cells
        for readout, value in zip(READOUTS, values, strict=True)
    ]


def _probabilities(logits: Tensor, words: Sequence[int]) -> list[list[float]]:
    return torch.softmax(logits[:, 0].float(), dim=-1)[:, list(words)].cpu().tolist()


def _edits(
    model: TransformerBridge, task: ParallelTask, item: _Item, code: str, pivot: str, donor: Donor, base: Prompt, site: EditSite,
    anchor: Anchor, blocks: Sequence[int],
) -> list[Edit]:  # fmt: skip
    others = [language for language in task.languages if language != code]
    sources = {
        "both": [(pivot, item.a)],
        "mean": [(language, item.a) for language in others],
        "concept": [(code, item.a)],
        "language": [(pivot, item.b)],
        "other": [(pivot, item.other)],
    }[donor]
    found = [edits_of(model, _prompt(model, task, *source, item.b), base, site, [anchor], blocks) for source in sources]
    return [
        Edit(same[0].block, same[0].positions, torch.stack([edit.vector.float() for edit in same]).mean(0))
        for same in zip(*found, strict=True)
    ]


def _prompt(model: TransformerBridge, task: ParallelTask, code: str, row: int, against: int) -> Prompt:
    """A prompt with what tells it from another item's prompt marked."""
    if row == against:
        against = next(k for k in range(len(task)) if k != row)
    return marked(model, mark_difference(task.prompts[code][row], task.prompts[code][against])[0])
