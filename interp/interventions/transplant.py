"""XTransplant: carry the feed-forward output of layer i of one run into layer j of another, and see what is said.

Layers are blocks, 0 to N-1 (the embedding is not counted). What is carried is what the site ADDS to the residual stream: on
models with a norm behind the MLP (Gemma 2/3) the output of that norm. By default the last token of both prompts, at the
first forward only; later tokens feel it through the cached keys and values above the target block. The first token may be
unchanged and the continuation still differ. Source: arXiv 2412.12686.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.interventions.edits import Place, Transplant, check_blocks, check_place, hook_of, token_rows
from interp.interventions.grid.grid import Method
from interp.interventions.grid.items import Donor, recorded, transplant_items
from interp.interventions.grid.scores import Score
from interp.models.cache_argument import cache_in


@contextmanager
def transplanted(
    model: TransformerBridge,
    donor: Donor,
    *,
    source: int,
    target: int,
    source_site: Place = "mlp",
    target_site: Place = "mlp",
    position: int = -1,
    alpha: float = 1.0,
    norm_match: bool = False,
) -> Iterator[TransformerBridge]:
    """Run the model with one activation of another prompt in place of its own.

    `position` counts in both prompts, from their ends where negative. Only a forward that reads a prompt is changed: the first
    in the block, and every later one without a cache. So around a generation the change lasts through the cache; generate
    with the cache on, or every step counts as a prompt of its own. A batch must be padded on the left.

    A donor may also be recorded activations (`record_donor`): `[source d_model]`, or the one vector `[d_model]`.
    """
    transplant = Transplant(source_site, target_site, alpha, norm_match)
    check_place(model, source_site)
    check_place(model, target_site)
    check_blocks(model, [source], "source")
    check_blocks(model, [target], "target")
    vector = _vector(model, donor, source, transplant, position)
    state: dict[str, Any] = {"calls": 0, "where": None}

    def before(module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        past = cache_in(kwargs)
        fresh = state["calls"] == 0 or past is None or past.get_seq_length() == 0
        state["calls"] += 1
        state["where"] = _where(args, kwargs, position) if fresh else None

    def write(activation: Tensor, hook: object) -> Tensor | None:
        return None if state["where"] is None else transplant.write(activation, state["where"], vector)

    handle = model.original_model.register_forward_pre_hook(before, with_kwargs=True)
    try:
        with model.hooks(fwd_hooks=[(hook_of(target_site, target), write)]):
            yield model
    finally:
        handle.remove()


def _vector(model: TransformerBridge, donor: Donor, source: int, transplant: Transplant, position: int) -> Tensor:
    if isinstance(donor, Tensor) and donor.ndim == 1 and donor.is_floating_point():
        donor = donor.expand(model.cfg.n_layers, -1)
    return recorded(model, [donor], [source], transplant, position)[0, 0]


def _where(args: tuple, kwargs: dict[str, Any], position: int) -> tuple[Tensor, Tensor]:
    given: Any = kwargs["input_ids"] if kwargs.get("input_ids") is not None else kwargs.get("inputs_embeds")
    ids: Tensor = args[0] if args else given
    mask = kwargs.get("attention_mask")
    if mask is None or mask.ndim != 2:
        mask = torch.ones(ids.shape[:2], dtype=torch.long, device=ids.device)
    return torch.arange(len(ids), device=ids.device), token_rows(mask[:, -ids.shape[1] :].long(), position)


def record_donor(
    model: TransformerBridge, prompts: Donor | Sequence[str], site: Place = "mlp", position: int = -1
) -> Float[Tensor, "source d_model"]:
    """What one place holds at one token of a prompt, in every block; of several prompts the mean (Dumas et al. 2025).

    For an attention head the last axis is as wide as the head.
    """
    check_place(model, site)
    return recorded(model, [prompts], range(model.cfg.n_layers), Transplant(site, site), position)[0]


def transplant_grid(
    model: TransformerBridge,
    source_prompt: Donor | Sequence[str],
    target_prompt: str | Sequence[int],
    score: Score | str = "logits",
    *,
    sources: Sequence[int] | None = None,
    targets: Sequence[int] | None = None,
    source_site: Place = "mlp",
    target_site: Place = "mlp",
    options: Sequence[str] | None = None,
    gold: int | None = None,
    max_new_tokens: int = 20,
    alpha: float = 1.0,
    norm_match: bool = False,
    method: Method = "auto",
    max_cells: int | None = None,
) -> Shaped[Tensor, "source target ..."]:
    """Every source layer into every target layer, at the last token of both prompts, exactly.

    `score` is one of `"logits"` (next-token logits, last axis the vocabulary), `"logprob"` (of each answer in `options`, whole),
    `"choice"` and `"choice_whole"` (which of `options`, by first token or by the whole), `"logit_difference"` (`options[gold]`
    against the best other), `"kl"` (from the untouched run, nats), `"generate"` (greedy ids, up to `max_new_tokens`).

    `method` "auto" takes the fastest that is exact for the model, the prompt and the score; all give the same numbers.
    """
    found = transplant_items(
        model, [source_prompt], [target_prompt], score, options=None if options is None else [options],
        gold=None if gold is None else [gold], sources=sources, targets=targets, source_site=source_site, target_site=target_site,
        max_new_tokens=max_new_tokens, alpha=alpha, norm_match=norm_match, method=method, max_cells=max_cells, progress=False,
    )  # fmt: skip
    return found[0].values
