"""Which part of a tuned model carries its gain? Parts are put into the base, or taken out of the tuned model, and the loss read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from interp.models.batches import context_limit
from interp.models.checks.finite import check_finite
from interp.models.load import TransformerBridge, identify
from interp.models.sites import layer_names
from interp.models.tokens import IGNORED
from interp.provenance import Signature
from interp.tuning import Mixture, encode_examples, template
from interp.tuning.hybrids import answer_losses, blended, check_pair, input_table, parts, stitched_losses, with_rows
from interp.tuning.templates import Encoded
from probes.tuning.hybrids_report import BlocksReport, EntryReport, HybridReport, RowsReport
from probes.tuning.token_groups import GROUPS, group_tokens, token_frequencies

_DOSES = (0.01, 0.05, 0.25, 0.5, 1.0)
_Kind = TypeVar("_Kind", bound=HybridReport)


def measure_entry(
    base: TransformerBridge,
    tuned: TransformerBridge,
    mixture: Mixture,
    *,
    form: str = "quoted",
    resamples: int = 1000,
    seed: int = 0,
) -> EntryReport:
    """At which layer does the gain of tuning enter the residual stream?

    The lower layers of one model are joined to the upper layers of the other at each row of the residual stream, at every position.
    "tuned below": the base continues from the tuned model's stream. "base below": the tuned model continues from the base's. Where
    "tuned below" has all of the gain and "base below" none, all that matters happened before that row.

    Parameters
    ----------
    base
        The model before tuning.
    tuned
        The tuned model, of the same architecture and vocabulary.
    mixture
        Examples whose answers' loss is measured (`interp.tuning.translations`), best ones that tuning never saw.
    form
        Prompt form, one of `interp.tuning.TEMPLATES`; take that of the tuning.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval.
    seed
        Of the resamples.

    Returns
    -------
    EntryReport
        One row per example, joint and line. The end of text after the answer does not count: see Notes.

    Raises
    ------
    ValueError
        Where the two models do not fit together.

    Notes
    -----
    Upper layers may not read another model's stream; a loss above the base's own shows that. A base model never ends a line with
    the end of text, and learning that would swamp every other gain, so its loss is left out.

    Examples
    --------
    A model gains nothing over itself, wherever it is joined:

    >>> import interp, probes
    >>> from interp.tuning import translations
    >>> model = interp.load("bundled", dtype="float32")
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=3, seed=0)
    >>> report = probes.measure_entry(model, model, translations(corpus, [("eng_Latn", "deu_Latn")]), resamples=10)
    >>> bool(report.summary()["estimate"].abs().max() < 1e-4)
    True
    """
    pair = _Pair(base, tuned, mixture, form, resamples, seed)
    names = layer_names("residual", base.cfg.n_layers)
    lines = {"tuned below": stitched_losses(tuned, base, pair.data), "base below": stitched_losses(base, tuned, pair.data)}
    cells = {(line, name): losses[row] for line, losses in lines.items() for row, name in enumerate(names)}
    return pair.report(EntryReport, cells)


def measure_blocks(
    base: TransformerBridge, tuned: TransformerBridge, mixture: Mixture, *, form: str = "quoted",
    alphas: Sequence[float] = (0.5, 1.0), resamples: int = 1000, seed: int = 0,
) -> BlocksReport:  # fmt: skip
    """Which part's weights carry the gain of tuning?

    "base + a": the share a of one part's change is added to the base. "tuned - part": the tuned model with that part as it
    was before. A part is sufficient where the first gains, necessary where the second loses.

    Parameters
    ----------
    base
        The model before tuning.
    tuned
        The tuned model, of the same architecture and vocabulary.
    mixture
        Examples whose answers' loss is measured (`interp.tuning.translations`), best ones that tuning never saw.
    form
        Prompt form, one of `interp.tuning.TEMPLATES`; take that of the tuning.
    alphas
        Shares of a part's change to add to the base; 1 is the whole change.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval.
    seed
        Of the resamples.

    Returns
    -------
    BlocksReport
        One row per example, part (`embed`, each block, `head`) and line.

    Raises
    ------
    ValueError
        Where the two models do not fit together.

    Notes
    -----
    Parts work together, so the gains of single parts need not add up.

    Examples
    --------
    >>> import interp, probes
    >>> from interp.tuning import translations
    >>> model = interp.load("bundled", dtype="float32")
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=2, seed=0)
    >>> mixture = translations(corpus, [("eng_Latn", "deu_Latn")])
    >>> report = probes.measure_blocks(model, model, mixture, alphas=(1.0,), resamples=10)
    >>> sorted(report.table["line"].unique())
    ['base + 1', 'tuned - part']
    """
    pair, cells = _Pair(base, tuned, mixture, form, resamples, seed), {}
    for part in parts(base):
        for alpha in alphas:
            with blended(base, tuned, part, alpha):
                cells[f"base + {alpha:g}", part] = answer_losses(base, pair.data)
        with blended(tuned, base, part):
            cells["tuned - part", part] = answer_losses(tuned, pair.data)
    return pair.report(BlocksReport, cells)


def measure_rows(
    base: TransformerBridge, tuned: TransformerBridge, mixture: Mixture, *, form: str = "quoted",
    doses: Sequence[float] = _DOSES, resamples: int = 1000, seed: int = 0,
) -> RowsReport:  # fmt: skip
    """How many embedding rows carry the gain of tuning?

    The base gets the tuned input embedding rows of a set of tokens. Sets are nested: the first share of the rows that moved
    and occur in the text, ordered by how often they occur, by how far they moved, and at random, which is the control of equal
    size. Then each group of tokens whole (in the instruction, in both languages, in one).

    Parameters
    ----------
    base
        The model before tuning.
    tuned
        The tuned model, of the same architecture and vocabulary; its input embedding must have been tuned.
    mixture
        Examples whose answers' loss is measured (`interp.tuning.translations`), best ones that tuning never saw.
    form
        Prompt form, one of `interp.tuning.TEMPLATES`; take that of the tuning.
    doses
        Shares of the moved rows, from 0 to 1.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval.
    seed
        Of the resamples and the random order.

    Returns
    -------
    RowsReport
        One row per example and set; `settings["sizes"]` has the number of rows of each set.

    Raises
    ------
    ValueError
        Where no embedding row of the text moved, or the two models do not fit together.

    References
    ----------
    arXiv 2311.09071, appendix.

    Examples
    --------
    >>> import interp, probes
    >>> from interp.tuning import translations
    >>> model = interp.load("bundled")
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=2, seed=0)
    >>> probes.measure_rows(model, model, translations(corpus, [("eng_Latn", "deu_Latn")]))
    Traceback (most recent call last):
    ValueError: got a tuned model in which no embedding row of this text moved, expected one whose input embedding was tuned.
    """
    pair = _Pair(base, tuned, mixture, form, resamples, seed)
    distance = (input_table(tuned) - input_table(base)).float().norm(dim=1).cpu().numpy()
    check_finite(distance, lambda token: f"the embedding row of token {token}")
    counts = token_frequencies(pair.data.ids, len(distance))
    moved = np.flatnonzero((distance > 0) & (counts > 0))
    if not len(moved):
        raise ValueError(
            "got a tuned model in which no embedding row of this text moved, expected one whose input embedding was tuned."
        )
    orders = {"most frequent": moved[np.argsort(-counts[moved], kind="stable")],
              "moved farthest": moved[np.argsort(-distance[moved], kind="stable")],
              "random rows": np.random.default_rng(seed).permutation(moved)}  # fmt: skip
    sets = {(line, f"{dose:.0%}"): order[: max(1, round(dose * len(moved)))] for line, order in orders.items() for dose in doses}
    groups = group_tokens(base, mixture, template(form))
    sets |= {("group", name): moved[groups[moved] == index] for index, name in enumerate(GROUPS)}
    cells = {}
    for key, tokens in sets.items():
        if len(tokens):
            with with_rows(base, tuned, tokens.tolist()):
                cells[key] = answer_losses(base, pair.data)
    sizes = {f"{line}|{dose}": len(tokens) for (line, dose), tokens in sets.items()}
    return pair.report(RowsReport, cells, sizes)


@dataclass(frozen=True)
class _Pair:
    """The two models, the examples that both are asked, and how; the arguments that the three measures share."""

    base: TransformerBridge
    tuned: TransformerBridge
    mixture: Mixture
    form: str
    resamples: int
    seed: int

    def __post_init__(self) -> None:
        check_pair(self.base, self.tuned)

    @cached_property
    def data(self) -> Encoded:
        """The tokens of the answers without the end of text."""
        tokenizer, room = self.base.tokenizer, context_limit(self.base) or 10**6
        data = encode_examples(tokenizer, self.mixture.examples, template(self.form), room)
        end = tokenizer.eos_token_id
        return replace(data, labels=tuple((*labels[:-1], IGNORED) if labels[-1] == end else labels for labels in data.labels))

    def report(
        self, kind: type[_Kind], cells: Mapping[tuple[str, str], np.ndarray], sizes: Mapping[str, int] | None = None
    ) -> _Kind:
        """The report of the losses `[example]` of every line and place, beside those of the two models whole."""
        examples = {each.id: each for each in self.mixture.examples}
        kept = [examples[name] for name in self.data.kept]
        items = pd.DataFrame({"item": [each.item for each in kept], "language": [f"{each.source}>{each.target}" for each in kept]})
        whole = {"base": answer_losses(self.base, self.data), "tuned": answer_losses(self.tuned, self.data)}
        frames = [items.assign(line=line, place=place, loss=losses, **whole) for (line, place), losses in cells.items()]
        signed = {"form": self.form, "boot": self.resamples, "seed": self.seed, "before": str(identify(self.base))}
        return kind(
            table=pd.concat(frames, ignore_index=True),
            signature=Signature(kind.measure, identify(self.tuned), self.mixture.identity, signed),
            settings={"resamples": self.resamples, "seed": self.seed, "sizes": dict(sizes or {})},
            notes=(f"{len(self.data.dropped)} examples did not fit the context",) if self.data.dropped else (),
        )
