"""Is the concept represented separately from the language? Patch the concept, the language or both, and read four words.

A 2 x 2 design after Dumas et al. (2025, arXiv 2411.08745). The base prompt asks for concept B in language L. The donor prompts
are: concept A in the reference language P (`both`); A in L (`concept`, the upper bound); B in P (`language`); the mean of A over
all languages but L (`mean`); and a third concept in P (`other`, the control). Each time, the probability of four words is read:
A and B, in L and in P. If `both` and `mean` make A in L likely, the concept was transferred and the language was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from interp.generation.continuation import continuation
from interp.interventions.edits import check_blocks
from interp.interventions.patching import Edit, edits_of, run_edits
from interp.interventions.prompts import Anchor, Prompt, marked, untouched
from interp.models.load import identify
from interp.models.sites import EditSite
from interp.progress import Progress
from interp.provenance import Signature
from interp.text.corpus import ParallelTask
from probes.patching.claims import more_than
from probes.patching.contrasts import mark_difference, partners
from probes.patching.figures import concept_curves
from probes.report import Report, with_receipts
from probes.statistics.layer_runs import say_longest
from probes.statistics.resampling import bootstrap
from probes.statistics.significance import FEWEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.models.load import TransformerBridge

Donor = Literal["both", "mean", "concept", "language", "other"]
DONORS: tuple[Donor, ...] = get_args(Donor)
_CONTROLS = {"concept": "same language", "other": "another concept"}
READOUTS = ("A in own", "B in own", "A in donor's", "B in donor's")


@dataclass(frozen=True)
class _Item:
    """Row indices of three items: `a` is the donor's concept, `b` the one the base prompt asks for, `other` the control."""

    a: int
    b: int
    other: int


class ConceptReport(Report):
    """Probability of four words after patching, as `measure_concepts` measures it.

    `table` has one row per `item` (the donor's concept; `asked` is the concept of the base prompt), `language`, `donor`, `layer`
    (block index, 0 to N - 1) and `readout` (which concept in which language), with the probability as `value`. The donor `none`, at
    layer -1, is the unpatched run.

    Example
    -------
    >>> import interp, probes
    >>> task = interp.read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=6, seed=0)
    >>> report = probes.measure_concepts(interp.load("bundled"), task, "eng_Latn", donors=["both"], blocks=[7], resamples=10)
    >>> sorted(report.table["layer"].unique().tolist())
    [-1, 7]
    """

    question = "Is the concept represented separately from the language?"

    def summary(self) -> pd.DataFrame:
        """One row per language, donor, layer and readout: `estimate, lower, upper, n, baseline`.

        The estimate is the mean probability, with a 95 % bootstrap confidence interval over items. `baseline` is the unpatched run.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        keys, parts = ["language", "donor", "layer", "readout"], []
        for _, part in self.table.groupby("language", sort=False):
            n = part["item"].nunique()
            unpatched = part[part["donor"] == "none"].groupby("readout", sort=False)["value"].mean()
            part = part[part["donor"] != "none"]
            values = part["value"].to_numpy(dtype=float).reshape(n, -1)
            cells = part.iloc[: values.shape[1]][keys].reset_index(drop=True)
            lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"])
            cells = cells.assign(estimate=values.mean(axis=0), lower=lower, upper=upper, n=n)
            parts.append(cells.assign(baseline=cells["readout"].map(unpatched).to_numpy()))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def carried(self) -> np.ndarray:
        """The layers at which the donor's concept surely becomes more probable in the prompt's language, `[layer]` in their order.

        More than in the unpatched run, and more than with the donor of another concept where it was measured: item by item, under
        one max-statistic over all layers and both comparisons. None with fewer than six items.
        """
        table = self.table[self.table["readout"] == READOUTS[0]]
        wide = table.groupby(["item", "donor", "layer"])["value"].mean().unstack(["donor", "layer"])
        donors = set(wide.columns.get_level_values("donor"))
        main = next(donor for donor in ("mean", "both", *DONORS) if donor in donors)
        against = [wide["none"].to_numpy()]
        if "other" in donors and main != "other":
            against.append(wide["other"].sort_index(axis=1).to_numpy())
        return more_than(wide[main].sort_index(axis=1).to_numpy(), against, seed=self.settings["seed"])

    def finds(self) -> bool:
        """Whether the verdict claims that the donor's concept is carried at any layer."""
        return bool(self.carried.any())

    def _first(self) -> str:
        """At most 25 words: whether and where the concept is carried into the prompt's language."""
        n = self.table["item"].nunique()
        layers = [str(layer) for layer in sorted(self.table.loc[self.table["donor"] != "none", "layer"].unique())]
        if n < FEWEST:
            return f"With n={n} items nothing is claimed: at least {FEWEST} are needed."
        if not self.carried.any():
            return f"No patched layer is shown to carry the donor's concept into the prompt's language (n={n})."
        where = f"{say_longest(self.carried, layers)} (n={n}, above the unpatched run and controls)"
        return f"The donor's concept is carried into the prompt's language {where}."

    def verdict(self) -> str:
        """Whether the donor's concept is carried into the prompt's language; then how probable it becomes, beside the controls."""
        frame = self._summary[self._summary["readout"] == READOUTS[0]]
        means = frame.groupby(["donor", "layer"], sort=False)["estimate"].mean()
        curves = {donor: means[donor] for donor in DONORS if donor in means.index.get_level_values(0)}
        main = next(donor for donor in ("mean", "both", *curves) if donor in curves)
        layer, unpatched = curves[main].idxmax(), frame["baseline"].mean()
        compared = [f"unpatched {unpatched:.3f}"]
        compared += [f"{name} {curves[donor][layer]:.3f}" for donor, name in _CONTROLS.items() if donor in curves and donor != main]
        compared += [f"same language at most {curves['concept'].max():.3f}"] if "concept" in curves else []
        rows = self._summary[(self._summary["readout"] == READOUTS[2]) & (self._summary["donor"] == main)]
        other = rows.groupby("layer")["estimate"].mean()
        return (
            f"{self._first()} With donor {main!r}, the donor's concept in the prompt's language is most probable at layer {layer}: "
            f"{curves[main][layer]:.3f} ({', '.join(compared)}). In the donor's language it reaches {other.max():.3f}, at layer "
            f"{other.idxmax()}. The layers are chosen by these numbers (n={int(frame['n'].min())})."
        )

    def figures(self) -> dict[str, Figure]:
        """The probability of the four words over layers, a panel per donor, averaged over languages."""
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
    """Patch the concept, the language, or both, at one token position, layer by layer.

    Parameters
    ----------
    model
        A model from `interp.load`.
    task
        Questions with one-word answers, in the reference language and at least one other.
    pivot
        FLORES-200 code of the reference language, the language P of the donors.
    languages
        FLORES-200 codes of the languages L of the base prompts. Default: all but the reference language.
    donors
        The donors to use: `both, mean, concept, language, other` (see the module).
    site
        Activation to patch. `head` is not possible.
    anchor
        Token position to patch: `last`, `span` or `span_mean`.
    blocks
        Block indices, 0 to N - 1. Default: all.
    seed
        Random seed of the choice of partners and of the bootstrap.
    resamples
        Number of bootstrap resamples of the items.
    progress
        Show a progress bar.

    Returns
    -------
    `ConceptReport`. Items whose four words do not begin with four different tokens are left out and counted in its notes.

    Raises
    ------
    ValueError
        There is no language besides the reference language, or no item is left.

    References
    ----------
    Dumas et al. 2025, "Separating Tongue from Thought", arXiv 2411.08745.

    Example
    -------
    >>> import interp, probes
    >>> task = interp.read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=6, seed=0)
    >>> report = probes.measure_concepts(interp.load("bundled"), task, "eng_Latn", donors=["both"], blocks=[7], resamples=10)
    >>> sorted(report.table["donor"].unique())
    ['both', 'none']
    """
    languages = [code for code in languages or task.languages if code != pivot]
    if not languages:
        raise ValueError(f"got only the reference language {pivot}, expected at least one other language.")
    chosen = check_blocks(model, blocks, "blocks")
    rows, dropped = [], 0
    asked = [(code, item) for code in languages for item in _items(task, code, seed)]
    with Progress(total=len(asked), desc="concepts", unit="item", disable=None if progress else True) as bar:
        for code, item in asked:
            bar.set_postfix_str(code)
            bar.update()
            words = _words(model, task, item, code, pivot)
            if len(set(words)) < len(words):
                dropped += 1
                continue
            rows += _measure(model, task, item, code, pivot, words, donors, site, anchor, chosen)
    if not rows:
        raise ValueError(
            f"none of {len(task)} items is left: their words begin with the same tokens in {', '.join([pivot, *languages])}."
        )
    settings = {"site": site, "anchor": anchor, "pivot": pivot, "seed": seed, "boot": resamples}
    return ConceptReport(
        table=pd.DataFrame(rows),
        signature=Signature("concepts", identify(model), task.identity, settings),
        settings={**settings, "resamples": resamples},
        notes=(f"{dropped} items are left out: their four words do not begin with four different tokens.",) if dropped else (),
    )


def _items(task: ParallelTask, code: str, seed: int) -> Iterator[_Item]:
    pairs = partners(task, code, seed)
    for index, (a, b) in enumerate(pairs):
        answers = {task.answers[code][a][0], task.answers[code][b][0]}
        for row, _ in [*pairs[index + 1 :], *pairs[:index]]:
            if task.answers[code][row][0] not in answers:
                yield _Item(a, b, row)
                break


def _words(model: TransformerBridge, task: ParallelTask, item: _Item, code: str, pivot: str) -> list[int]:
    """The first token of A and B after the base prompt: in its own language, then in the reference language."""
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
    patched = _probabilities(run_edits(model, base.ids, edits, site), words)
    unpatched = _probabilities(untouched(model, base.ids), words)
    cells = [("none", -1, unpatched[0])] + [
        (donor, block, patched[k]) for k, (donor, block) in enumerate((donor, block) for donor in donors for block in blocks)
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
    edits = [edits_of(model, _prompt(model, task, *source, item.b), base, site, [anchor], blocks) for source in sources]
    return [
        Edit(same[0].block, same[0].positions, torch.stack([edit.vector.float() for edit in same]).mean(0))
        for same in zip(*edits, strict=True)
    ]


def _prompt(model: TransformerBridge, task: ParallelTask, code: str, row: int, against: int) -> Prompt:
    """A prompt with the part that differs from another item's prompt marked."""
    if row == against:
        against = next(k for k in range(len(task)) if k != row)
    return marked(model, mark_difference(task.prompts[code][row], task.prompts[code][against])[0])
