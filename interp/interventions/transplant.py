"""XTransplant: copy the MLP output of block i of one run into block j of another run, and read the prediction.

Layers are blocks, 0 to N-1, without the embedding. What is copied is what the site adds to the residual stream: in models with
a norm after the MLP (Gemma 2 and 3), the output of that norm. By default the last token of both prompts is used, in the forward
pass that reads the prompt. Later tokens are affected through the cached keys and values above the target block, so the first
token can be unchanged while the continuation differs. Source: arXiv 2412.12686.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.interventions.edits import Place, Transplant, check_blocks, check_place, hook_of, token_rows
from interp.interventions.grid.cells import Method
from interp.interventions.grid.items import Donor, recorded, transplant_items
from interp.interventions.grid.scores import Score
from interp.models.cache_argument import find_cache
from interp.models.hooks import Arguments, Positional


@dataclass
class _Reading:
    """How often the model was called, and the tokens that the running call changes, row and column; None where it changes none."""

    calls: int = 0
    where: tuple[Tensor, Tensor] | None = None


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
    """Run the model with one activation replaced by that of another prompt, inside a `with` block.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    donor
        The prompt to copy from, as text or token ids; or activations recorded by `record_donor`, `[source d_model]`, or one
        vector `[d_model]`.
    source, target
        Block that is copied from, and block that is written to, 0 to N-1.
    source_site, target_site
        Where in these blocks: `mlp`, `attention`, `residual_pre`, `residual_mid`, `residual_post`, or one attention head, as
        `("head", 3)`. A head goes with a head only.
    position
        Token that is copied and replaced, in both prompts. Negative positions count from the end; the default is the last token.
    alpha
        1 replaces the activation, 0 leaves it unchanged, values between interpolate.
    norm_match
        Rescale the donor to the norm of the activation that it replaces. MLP outputs of late blocks are many times longer than
        those of early blocks, so without it a copy from late to early changes the length as much as the direction.

    Yields
    ------
    The model. The change is undone at the end of the block, also after an error.

    Raises
    ------
    ValueError
        The model has no such block, site or head, the position is not in a prompt, or a batch is padded on the right.

    Notes
    -----
    Only forward passes that read a prompt are changed: the first one, and every later one without a cache. Generation must
    therefore use the cache, or every step is changed.

    References
    ----------
    Ye et al. 2024, "XTransplant", arXiv 2412.12686.

    Example
    -------
    >>> import interp
    >>> model = interp.load("bundled")
    >>> ids = model.tokenizer("Das Haus ist", return_tensors="pt")["input_ids"]
    >>> before = model(ids)[0, -1]
    >>> with interp.transplanted(model, "The house is", source=2, target=1):
    ...     during = model(ids)[0, -1]
    >>> bool((during != before).any()), bool((model(ids)[0, -1] == before).all())
    (True, True)
    """
    transplant = Transplant(source_site, target_site, alpha, norm_match)
    check_place(model, source_site)
    check_place(model, target_site)
    check_blocks(model, [source], "source")
    check_blocks(model, [target], "target")
    vector = _vector(model, donor, source, transplant, position)
    state = _Reading()

    def before(module: torch.nn.Module, args: Positional, kwargs: Arguments) -> None:
        past = find_cache(kwargs)
        fresh = state.calls == 0 or past is None or past.get_seq_length() == 0
        state.calls += 1
        state.where = _where(args, kwargs, position) if fresh else None

    def write(activation: Tensor, hook: object) -> Tensor | None:
        return None if state.where is None else transplant.write(activation, state.where, vector)

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


def _where(args: Positional, kwargs: Arguments, position: int) -> tuple[Tensor, Tensor]:
    named_input: Any = kwargs["input_ids"] if kwargs.get("input_ids") is not None else kwargs.get("inputs_embeds")
    ids: Tensor = args[0] if args else named_input
    mask = kwargs.get("attention_mask")
    if mask is None or mask.ndim != 2:
        mask = torch.ones(ids.shape[:2], dtype=torch.long, device=ids.device)
    return torch.arange(len(ids), device=ids.device), token_rows(mask[:, -ids.shape[1] :].long(), position)


def record_donor(
    model: TransformerBridge, prompts: Donor | Sequence[str], site: Place = "mlp", position: int = -1
) -> Float[Tensor, "source d_model"]:
    """Record the activation of one site at one token of a prompt, in every block.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompts
        A prompt as text or token ids, or several prompts as text, whose activations are averaged (Dumas et al. 2025).
    site
        What to record, as in `transplanted`. For an attention head, the last axis is as wide as the head.
    position
        Token to record. Negative positions count from the end.

    Raises
    ------
    ValueError
        The model has no such site, or a prompt has no such token.
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
    """Copy the last token's activation of every source block into every target block, and score every such cell.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    source_prompt
        The prompt to copy from, as text or token ids; several prompts as text, whose activations are averaged; or activations
        recorded by `record_donor`, `[source d_model]`.
    target_prompt
        The prompt whose run is changed, as text or token ids.
    score
        What to read in each cell. `logits`: of the next token. `logprob`: of each whole answer in `options` (nats). `choice`,
        `choice_whole`: the index of the most probable option, by its first token or by the whole. `logit_difference`: the logit
        of `options[gold]` minus that of the best other option. `kl`: KL divergence from the unchanged run (nats). `generate`:
        greedy token ids.
    sources, targets
        Source and target blocks, 0 to N-1. Default: all.
    source_site, target_site, alpha, norm_match
        As in `transplanted`.
    options, gold
        Answers to score, and the index of the right one.
    max_new_tokens
        Length of the continuation for `generate`.
    method
        How cells are computed. `naive` reads the whole prompt again for each cell; `batched`, `packed` and `wave` share work
        between cells and are checked against `naive`. All give the same numbers; `auto` takes the fastest one that is exact for
        the model, the prompt and the score.
    max_cells
        Number of cells computed at a time. Default: as many as fit into a quarter of the free memory.

    Returns
    -------
    The scores, `[source target]`, with a last axis for `logits` (vocabulary), `logprob` (option) and `generate` (token).

    Raises
    ------
    ValueError
        A block, site, score or method that the model does not have or that does not suit, or an input that is too long.

    References
    ----------
    Ye et al. 2024, "XTransplant", arXiv 2412.12686.

    Example
    -------
    >>> import interp
    >>> model = interp.load("bundled")
    >>> interp.transplant_grid(model, "The house is", "Das Haus ist", "kl", sources=[0, 1, 2], targets=[0, 1]).shape
    torch.Size([3, 2])
    """
    grids = transplant_items(
        model, [source_prompt], [target_prompt], score, options=None if options is None else [options],
        gold=None if gold is None else [gold], sources=sources, targets=targets, source_site=source_site, target_site=target_site,
        max_new_tokens=max_new_tokens, alpha=alpha, norm_match=norm_match, method=method, max_cells=max_cells, progress=False,
    )  # fmt: skip
    return grids[0].values
