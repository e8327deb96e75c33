"""What each part of a tuned model is worth: it is put into the base, or taken out of the tuned model, and the loss is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from interp.models.batches import context_limit
from interp.models.finite import check_finite
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


def measure_entry(
    base: TransformerBridge,
    tuned: TransformerBridge,
    mixture: Mixture,
    *,
    form: str = "quoted",
    resamples: int = 1000,
    seed: int = 0,
) -> EntryReport:
    """Where does the gain enter: what is left of it when the other model takes over at each layer of the residual stream?

    "tuned below": the base reads, at one row of the stream, what the tuned model holds there. "base below": the tuned model
    reads the base's. Both at every position, so the two are whole models joined at that row. Where "tuned below" has all of
    the gain and "base below" none, everything that matters happened before that row.

    When it misleads: an upper half may not understand another model's stream; a loss below the base's own shows it.
    """
    data, languages = _data(base, tuned, mixture, form)
    names = layer_names("residual", base.cfg.n_layers)
    lines = {"tuned below": stitched_losses(tuned, base, data), "base below": stitched_losses(base, tuned, data)}
    cells = {(line, name): losses[place] for line, losses in lines.items() for place, name in enumerate(names)}
    return _report(EntryReport, base, tuned, mixture, data, languages, cells, {"form": form, "boot": resamples, "seed": seed})


def measure_blocks(
    base: TransformerBridge, tuned: TransformerBridge, mixture: Mixture, *, form: str = "quoted",
    alphas: Sequence[float] = (0.5, 1.0), resamples: int = 1000, seed: int = 0,
) -> BlocksReport:  # fmt: skip
    """Which part's weights carry the gain: one part at a time moved from base to tuned, and from tuned back to base?

    "base + a": the share a of one part's change is added to the base. "tuned - part": the tuned model with that part as it
    was before. A part is sufficient where the first gains, necessary where the second loses; parts work together, so the
    gains need not add up.
    """
    data, languages = _data(base, tuned, mixture, form)
    cells = {}
    for part in parts(base):
        for alpha in alphas:
            with blended(base, tuned, part, alpha):
                cells[f"base + {alpha:g}", part] = answer_losses(base, data)
        with blended(tuned, base, part):
            cells["tuned - part", part] = answer_losses(tuned, data)
    return _report(BlocksReport, base, tuned, mixture, data, languages, cells, {"form": form, "boot": resamples, "seed": seed})


def measure_rows(
    base: TransformerBridge, tuned: TransformerBridge, mixture: Mixture, *, form: str = "quoted",
    doses: Sequence[float] = _DOSES, resamples: int = 1000, seed: int = 0,
) -> RowsReport:  # fmt: skip
    """How many embedding rows carry the gain: the base with the tuned rows of nested token sets (arXiv 2311.09071, appendix)?

    Sets are the first share `doses` of the rows that moved and stand in the text: by how often they stand there, by how
    far they moved, and in random order, which is the control of equal size. Then every token group of `group_tokens` whole.
    """
    data, languages = _data(base, tuned, mixture, form)
    distance = (input_table(tuned) - input_table(base)).float().norm(dim=1).cpu().numpy()
    check_finite(distance, lambda token: f"the embedding row of token {token}")
    counts = token_frequencies(data.ids, len(distance))
    moved = np.flatnonzero((distance > 0) & (counts > 0))
    if not len(moved):
        raise ValueError("no embedding row of this text moved. Needed: a model whose input embedding was tuned.")
    orders = {"most frequent": moved[np.argsort(-counts[moved], kind="stable")],
              "moved farthest": moved[np.argsort(-distance[moved], kind="stable")],
              "random rows": np.random.default_rng(seed).permutation(moved)}  # fmt: skip
    sets = {(line, f"{dose:.0%}"): order[: max(1, round(dose * len(moved)))] for line, order in orders.items() for dose in doses}
    groups = group_tokens(base, mixture, template(form))
    sets |= {("group", name): moved[groups[moved] == place] for place, name in enumerate(GROUPS)}
    cells = {}
    for key, tokens in sets.items():
        if len(tokens):
            with with_rows(base, tuned, tokens.tolist()):
                cells[key] = answer_losses(base, data)
    how = {"form": form, "boot": resamples, "seed": seed}
    sizes = {f"{line}|{place}": len(tokens) for (line, place), tokens in sets.items()}
    return _report(RowsReport, base, tuned, mixture, data, languages, cells, how, sizes)


def _data(base: TransformerBridge, tuned: TransformerBridge, mixture: Mixture, form: str) -> tuple[Encoded, pd.DataFrame]:
    """The answers' tokens without end-of-text: a base model never ends a line so, and learning that would swamp the gain."""
    check_pair(base, tuned)
    data = encode_examples(base.tokenizer, mixture.examples, template(form), context_limit(base) or 10**6)
    end = base.tokenizer.eos_token_id
    data = replace(data, labels=tuple((*labels[:-1], IGNORED) if labels[-1] == end else labels for labels in data.labels))
    known = {each.id: each for each in mixture.examples}
    kept = [known[name] for name in data.kept]
    return data, pd.DataFrame({"item": [each.item for each in kept], "language": [f"{each.source}>{each.target}" for each in kept]})


def _report(
    kind: type[HybridReport], base: TransformerBridge, tuned: TransformerBridge, mixture: Mixture, data: Encoded,
    who: pd.DataFrame, cells: Mapping[tuple[str, str], np.ndarray], how: Mapping[str, object],
    sizes: Mapping[str, int] | None = None,
) -> HybridReport:  # fmt: skip
    ends = {"base": answer_losses(base, data), "tuned": answer_losses(tuned, data)}
    frames = [who.assign(line=line, place=place, loss=losses, **ends) for (line, place), losses in cells.items()]
    signed = {**how, "before": str(identify(base))}
    return kind(
        table=pd.concat(frames, ignore_index=True),
        signature=Signature(kind.measure, identify(tuned), mixture.identity, signed),
        settings={"resamples": how["boot"], "seed": how["seed"], "sizes": dict(sizes or {})},
        notes=(f"{len(data.dropped)} examples did not fit the context",) if data.dropped else (),
    )
