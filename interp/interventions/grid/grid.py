"""The transplant grid of an item: the choice of the method, and near ties.

The untouched run is a cell of its own (`block` -1), so it is computed in the same way as all others.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

import torch
from torch import Tensor

from interp.interventions.edits import Place, Transplant, kind, record
from interp.interventions.grid.cells import Cells, Method, Prefix, Scored, read_prefix
from interp.interventions.grid.memory import fitting_cells, tell_memory
from interp.interventions.grid.naive import naive, naive_generate
from interp.interventions.grid.packed import packed, packed_generate
from interp.interventions.grid.scores import NEAR_TIE, Ask, check_length, reduce
from interp.interventions.grid.wave import wave
from interp.models.batches import pad
from interp.models.checks.verification import share_of_largest, tolerance_of
from interp.models.original import original
from interp.models.states import keeps_state
from interp.models.tokens import end_tokens

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_log = logging.getLogger(__name__)

FAST: tuple[Method, ...] = ("wave", "packed", "batched")
"""Methods that are used only if they agree with `naive` on this model, the fastest first."""

_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size", "attention_window_size")
_LOCAL = "local"
"""GPT-Neo's name for a layer with a window."""


@dataclass(frozen=True)
class Item:
    """One target prompt, its donor activations `[source d]`, and the score of every cell."""

    prompt: tuple[int, ...]
    donors: Tensor
    ask: Ask


class Grid(NamedTuple):
    """The scores `values` `[source target ...]`, that of the `untouched` run `[...]`, and the number of cells near a tie."""

    values: Tensor
    untouched: Tensor
    near_ties: int


@torch.no_grad()
def measure_grids(
    model: TransformerBridge,
    items: Sequence[Item],
    targets: Sequence[int],
    transplant: Transplant,
    method: Method = "auto",
    max_cells: int | None = None,
) -> list[Grid]:
    """Measure the grids of several items in one batch.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    items
        Items with the same score and number of source blocks.
    targets
        Target blocks.
    transplant
        Sites, `alpha` and `norm_match`.
    method, max_cells
        As in `transplant_grid`.

    Raises
    ------
    ValueError
        The items differ in score or number of source blocks, or as in `transplant_grid`.
    """
    asks = [item.ask for item in items]
    if len({ask.score for ask in asks}) > 1 or len({len(item.donors) for item in items}) > 1:
        raise ValueError(
            "got items with different scores or numbers of source layers in one batch, expected the same. Run them separately."
        )
    for item in items:
        _check_donors(model, item.donors, transplant)
        check_length(model, item.prompt, item.ask)
    method = choose(model, [item.prompt for item in items], asks, method, transplant.target_site)
    order = sorted(range(len(targets)), key=lambda index: targets[index])
    cells = _cells(torch.stack([item.donors for item in items]), [targets[index] for index in order], transplant)
    values, margins = _run(model, items, cells, method, max_cells)
    input_order = torch.tensor(order).argsort()
    grids = []
    for value, margin in zip(values, margins, strict=True):
        body = value[1:].unflatten(0, (len(targets), -1)).transpose(0, 1)[:, input_order.to(value.device)]
        grids.append(Grid(body, value[0], int((margin[1:] < NEAR_TIE).sum())))
    return grids


def _cells(donors: Tensor, targets: Sequence[int], transplant: Transplant) -> Cells:
    n = donors.shape[1]
    source = torch.tensor([0, *[index for _ in targets for index in range(n)]])
    block = torch.tensor([-1, *[target for target in targets for _ in range(n)]])
    return Cells(donors, source, block, transplant)


def _check_donors(model: TransformerBridge, donors: Tensor, transplant: Transplant) -> None:
    width = model.cfg.d_head if kind(transplant.target_site) == "head" else model.cfg.d_model
    if donors.ndim != 2 or donors.shape[1] != width or not bool(donors.isfinite().all()):
        raise ValueError(
            f"got donor activations of shape {tuple(donors.shape)}{'' if donors.isfinite().all() else ' with NaN or infinity'}, "
            f"expected finite values, [source {width}], recorded from this model at {transplant.source_site!r}."
        )


def choose(
    model: TransformerBridge,
    prompts: Sequence[Sequence[int]],
    asks: Sequence[Ask],
    method: Method = "auto",
    site: Place = "mlp",
) -> Method:
    """The fastest method that is exact for a model, prompts, scores and target site, with the reason in the log.

    Each fast method is compared with `naive` on a few tokens of the model. If none agrees, `naive` is used.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompts
        Token ids of each prompt.
    asks
        Score of each item.
    method
        `auto`, or one method.
    site
        Target site.

    Raises
    ------
    ValueError
        The method is unknown or not exact here, or the site cannot be transplanted in this model.
    """
    if method not in get_args(Method):
        raise ValueError(f"got method {method!r}, expected one of {', '.join(get_args(Method))}.")
    several = asks[0].score == "generate" or any(len(tail) > 1 for ask in asks for tail in ask.tails)
    if method == "wave" and several:
        raise ValueError("method 'wave' gives first-token scores only. Use 'packed' or 'auto' for generation and longer answers.")
    refused: dict[Method, str] = {}
    for fast in FAST if method == "auto" else [method] if method in FAST else []:
        if not (fast == "wave" and several):
            refused[fast] = _refusal(model, prompts, asks, fast, site)
            if not refused[fast]:
                break
    if method != "auto":
        if refused.get(method):
            raise ValueError(f"method {method!r}: {refused[method]}. Use 'auto' or 'naive'.")
        return method
    chosen: Method = next((fast for fast, why in refused.items() if not why), "naive")
    reason = next((why for why in refused.values() if why), "several tokens a cell" if several else "first-token score")
    line = f"{chosen}: {reason}"
    if _TOLD.get(model) != line:
        _TOLD[model] = line
        (_log.warning if chosen == "naive" else _log.info)("transplant method %s", line)
    return chosen


def _refusal(model: TransformerBridge, prompts: Sequence[Sequence[int]], asks: Sequence[Ask], method: Method, site: Place) -> str:
    """The reason why a fast method is not exact here; empty if it is."""
    if keeps_state(model):
        return "this model keeps a state of what it reads, which cells cannot share"
    window = shortest_window(model)
    more = max(ask.steps if ask.score == "generate" else max(map(len, ask.tails), default=1) for ask in asks)
    longest = max(map(len, prompts)) + more
    if method != "batched" and window is not None and longest > window:
        return f"{longest} tokens are more than the sliding window of {window}"
    if method != "batched" and _LOCAL in (getattr(model.original_model.config, "attention_layers", None) or ()):
        return f"the window of {window} counts places of the cache, and cells as positions of one sequence fill them"
    reasons = _PROBED.setdefault(model, {})
    if (key := (method, kind(site))) not in reasons:
        reasons[key] = _probe(model, method, site)
    return reasons[key]


def shortest_window(model: TransformerBridge) -> int | None:
    """The shortest sliding, local or chunked attention window of the layers of `model`; None if all attend to everything."""
    config = model.original_model.config
    config = getattr(config, "get_text_config", lambda: config)()
    kinds = getattr(config, "layer_types", None) or getattr(config, "attention_layers", None)
    if kinds and set(kinds) <= {"full_attention", "global"}:
        return None
    spans = [getattr(config, name, None) for name in _WINDOWS]
    return min((span for span in spans if span), default=None)


_PROBED: weakref.WeakKeyDictionary[TransformerBridge, dict[tuple[Method, str], str]] = weakref.WeakKeyDictionary()
_TOLD: weakref.WeakKeyDictionary[TransformerBridge, str] = weakref.WeakKeyDictionary()


def _probe(model: TransformerBridge, method: Method, site: Place) -> str:
    """Try a method on a few tokens and compare with plain forward passes: the reason why it is not exact; empty if it is.

    Raises `ValueError` if plain forward passes fail, too.
    """
    rows = cast(Tensor, original(model).get_input_embeddings().weight).shape[0]
    prompts, tails = [[1 + index * 5 % (rows - 2) for index in range(length)] for length in (5, 3)], [((3, 5), (3, 6, 2))] * 2
    last = model.cfg.n_layers - 1
    blocks, transplant = [0, last] if last else [0], Transplant(site, site)
    try:
        donors = record(model, [prompt[::-1] for prompt in prompts], site, blocks)
        truth = naive(model, prompts, _cells(donors, blocks, transplant), tails)
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        raise ValueError(
            f"{model.cfg.model_name}: {site!r} cannot be transplanted in this architecture, not even by plain forwards "
            f"({type(error).__name__}: {str(error)[:200]}). Choose another site or another model."
        ) from error
    cells = _cells(donors, blocks, transplant)
    try:
        prefix = read_prefix(model, prompts, windows=method == "batched")
        read = (prefix.last[:, None], torch.ones_like(prefix.last[:, None]))
        scored = _score(model, prompts, prefix, read, cells, tails, method)
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        cannot = "continue many copies of a prompt" if method == "batched" else "read cells as positions of one sequence"
        return f"this architecture cannot {cannot} ({type(error).__name__}: {str(error)[:200]})"
    off = share_of_largest(scored.logits, truth.logits)
    if method != "wave":
        scale = float(truth.logits.abs().max().clamp_min(1))
        off = max(
            off,
            *(
                float((tails_of_item - true).abs().max()) / scale
                for tails_of_item, true in zip(scored.tails, truth.tails, strict=True)
            ),
        )
    return "" if off <= tolerance_of(model) else f"cells differ from plain forwards by {off:.1e} of the largest logit"


def _run(
    model: TransformerBridge, items: Sequence[Item], cells: Cells, method: Method, max_cells: int | None
) -> tuple[list[Tensor], list[Tensor]]:
    prompts, asks = [item.prompt for item in items], [item.ask for item in items]
    size = max_cells or fitting_cells(model, prompts, asks, len(cells), method)
    tell_memory(model, prompts, asks, len(cells), size, method)
    batch = pad(model, prompts)
    one_pass = method == "wave" and size >= len(cells)
    empty = Prefix(None, batch.mask[:, :0], batch.ids[:, -1])
    prefix = empty if method == "naive" or one_pass else read_prefix(model, prompts, windows=method == "batched")
    read = (batch.ids, batch.mask) if one_pass else (batch.ids[:, -1:], batch.mask[:, -1:])
    parts: list[tuple[Tensor | tuple[Tensor, ...], ...]] = []
    clean: Tensor | None = None
    for start in range(0, len(cells), size):
        part = cells.part(start, start + size)
        if asks[0].score == "generate":
            parts.append(_generate(model, prompts, prefix, part, asks[0].steps, method))
            continue
        scored = _score(model, prompts, prefix, read, part, [ask.tails for ask in asks], method)
        clean = scored.logits[:, 0] if clean is None else clean
        reduced = [reduce(ask, scored.logits[i], scored.tails[i], clean[i]) for i, ask in enumerate(asks)]
        parts.append(tuple(zip(*reduced, strict=True)))
    values, margins = ([torch.cat([part[field][i] for part in parts]) for i in range(len(items))] for field in (0, 1))
    return values, margins


def _score(
    model: TransformerBridge,
    prompts: Sequence[Sequence[int]],
    prefix: Prefix,
    read: tuple[Tensor, Tensor],
    cells: Cells,
    tails: Sequence[Sequence[Sequence[int]]],
    method: Method,
) -> Scored:
    if method == "naive":
        return naive(model, prompts, cells, tails)
    if method == "wave":
        logits = wave(model, prefix, read, cells)
        return Scored(logits, [logits.new_zeros(len(cells), 0)] * len(prompts))
    return packed(model, prefix, cells, tails, batched=method == "batched")


def _generate(
    model: TransformerBridge, prompts: Sequence[Sequence[int]], prefix: Prefix, cells: Cells, steps: int, method: Method
) -> tuple[Tensor, Tensor]:
    stops = list(end_tokens(model))
    if method == "naive":
        return naive_generate(model, prompts, cells, steps, stops)
    return packed_generate(model, prefix, cells, steps, stops, batched=method == "batched")
