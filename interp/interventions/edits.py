"""What a transplant copies: the activation of one site at one token, and how it replaces another.

A site is one of `interp.models.sites`, or one attention head, `("head", 3)`: its output before the output projection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.models.batches import context_limit, pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.hooks import Hooks
from interp.models.plain.runner import runner
from interp.models.sites import EditSite, hook_name
from interp.models.tokens import prompt_ids

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Place = EditSite | tuple[Literal["head"], int]

SITE_PAIRS: dict[str, tuple[Place, Place]] = {
    "mlp": ("mlp", "mlp"),
    "attention": ("attention", "attention"),
    "residual_pre": ("residual_pre", "residual_pre"),
    "residual_mid": ("residual_mid", "residual_mid"),
    "residual_post": ("residual_post", "residual_post"),
    "attention_as_released": ("residual_mid", "attention"),
}
"""Source and target site by name. `attention_as_released` is what the released XTransplant code does for attention: it adds the
residual stream in place to the recorded tensor, so the whole residual stream of the source is copied."""


@dataclass(frozen=True)
class Transplant:
    """How a donor activation replaces another.

    Attributes
    ----------
    source_site, target_site
        Site that is read, and site that is written to.
    alpha
        1 replaces, 0 leaves unchanged, values between interpolate.
    norm_match
        Rescale the donor to the norm of what it replaces. MLP outputs of late blocks are many times longer than those of early
        blocks, so without it a copy from late to early changes the length as much as the direction.
    """

    source_site: Place = "mlp"
    target_site: Place = "mlp"
    alpha: float = 1.0
    norm_match: bool = False

    def __post_init__(self) -> None:
        if (kind(self.source_site) == "head") != (kind(self.target_site) == "head"):
            raise ValueError(
                f"got source_site {self.source_site!r} into {self.target_site!r}, expected two heads or two other sites: "
                "the output of a head has another width."
            )

    def blend(self, old: Tensor, donor: Tensor) -> Tensor:
        """The activations that replace `old` `[..., d]`, given those of the `donor`."""
        new = donor.to(old)
        if self.norm_match:
            scale = old.float().norm(dim=-1, keepdim=True) / new.float().norm(dim=-1, keepdim=True).clamp_min(1e-12)
            new = new * scale.to(old.dtype)
        return new if self.alpha == 1 else old + self.alpha * (new - old)

    def write(self, activation: Tensor, where: tuple[Tensor, Tensor], donor: Tensor) -> Tensor:
        """A copy of `activation` `[b token ...]` with `donor` at `where`, rows and tokens. Caches share its storage."""
        activation, where = activation.clone(), beside(activation, where)
        view = at(activation, self.target_site)
        view[where] = self.blend(view[where], donor)
        return activation


def kind(place: Place) -> EditSite:
    """The site of `place`, without the index of a head."""
    return place if isinstance(place, str) else place[0]


def place_name(place: Place) -> str:
    """The name of `place` in one word: "mlp", "head3"."""
    return place if isinstance(place, str) else f"{place[0]}{place[1]}"


def check_place(model: TransformerBridge, place: Place) -> None:
    """Raise `ValueError` if `model` has no site or head `place`. Nothing is run."""
    site, heads = kind(place), model.cfg.n_heads
    in_model = site != "head" if isinstance(place, str) else site == "head" and 0 <= place[1] < heads
    if not in_model:
        raise ValueError(
            f"got site {place!r}, expected a site such as 'mlp', or ('head', n); this model has heads 0 to {heads - 1}."
        )
    if hook_of(place, 0) not in model.hook_dict:
        raise ValueError(f"got site {place!r}, but {model.cfg.model_name} has no {hook_of(place, 0)}. Choose another site.")


def hook_of(place: Place, block: int) -> str:
    """The name of the hook of `place` in one `block`."""
    return hook_name(kind(place), block)


def at(activation: Tensor, place: Place) -> Tensor:
    """The part of a hooked `activation` that belongs to `place`, `[b token d]`, a view."""
    if isinstance(place, str):
        return activation
    if not 0 <= place[1] < activation.shape[2]:
        raise ValueError(f"got head {place[1]}, expected 0 to {activation.shape[2] - 1}.")
    return activation[:, :, place[1]]


def beside(activation: Tensor, where: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Rows and tokens (`where`) on the device of `activation`."""
    return where[0].to(activation.device), where[1].to(activation.device)


def tokens_of(model: TransformerBridge, prompt: str | Sequence[int] | Int[Tensor, " token"]) -> list[int]:
    """The token ids of a `prompt` given as text or ids. Raises `ValueError` if it has none, or more than the context of `model`."""
    ids = prompt_ids(model.tokenizer, [prompt])[0] if isinstance(prompt, str) else [int(token) for token in prompt]
    if not ids:
        raise ValueError(f"got prompt {prompt!r}, which has no token, expected at least one token.")
    limit = context_limit(model)
    if limit is not None and len(ids) > limit:
        raise ValueError(f"got a prompt of {len(ids)} tokens ({str(prompt)[:40]!r}...), expected at most {limit}. Shorten it.")
    return ids


def check_blocks(model: TransformerBridge, blocks: Sequence[int] | range | None, name: str) -> list[int]:
    """The `blocks`, or all. Raises `ValueError`, which calls them `name`, if `model` lacks one or one is repeated."""
    n = model.cfg.n_layers
    chosen = list(range(n)) if blocks is None else [int(block) for block in blocks]
    outside = [block for block in chosen if not 0 <= block < n]
    if outside or not chosen or len(set(chosen)) != len(chosen):
        raise ValueError(f"got {name} {outside or chosen}, expected at least one block of 0 to {n - 1}, each once.")
    return chosen


def token_rows(mask: Int[Tensor, "item token"], position: int) -> Int[Tensor, " item"]:
    """The column of the token at `position` in each row of a left-padded `mask`: `-1` is the last token, `0` the first real one.

    Raises `ValueError` if the batch is padded on the right, or a row has no such token.
    """
    if not bool(mask[:, -1].all()):
        raise ValueError(
            "got a batch padded on the right, expected the last token of every prompt in the last column. "
            'Pad on the left (tokenizer.padding_side = "left") and pass the attention mask.'
        )
    lengths = mask.sum(1)
    if not bool(((position < lengths) & (position >= -lengths)).all()):
        raise ValueError(
            f"got position {position}, expected one of the {int(lengths.min())} tokens of the batch's shortest prompt."
        )
    return (position % lengths) + (mask.shape[1] - lengths)


@torch.no_grad()
def record(
    model: TransformerBridge, prompts: Sequence[Sequence[int]], place: Place, blocks: Sequence[int], position: int = -1
) -> Float[Tensor, "item source d_model"]:
    """Record the activations of one site at one token of each prompt, in some blocks, in one forward pass.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompts
        Token ids of each prompt.
    place
        Site to record. For a head, the last axis is as wide as the head.
    blocks
        Blocks, 0 to N-1.
    position
        Token to record. Negative positions count from the end.

    Raises
    ------
    ValueError
        A prompt has no such token, or an activation is not finite.
    """
    batch = pad(model, prompts)
    where = (torch.arange(len(prompts), device=batch.ids.device), token_rows(batch.mask, position))
    recorded: dict[int, Tensor] = {}

    def keep(block: int) -> Callable[[Tensor, object], None]:
        def hook_fn(activation: Tensor, hook: object) -> None:
            recorded[block] = at(activation, place)[beside(activation, where)].clone()

        return hook_fn

    above = max(blocks) + 1
    hooks: Hooks = [(hook_of(place, block), keep(block)) for block in blocks]
    runner(model, [str(name) for name, _ in hooks]).run_with_hooks(
        batch.ids,
        attention_mask=batch.mask,
        fwd_hooks=hooks,
        stop_at_layer=above if above < model.cfg.n_layers else None,
        use_cache=False,
        logits_to_keep=1,
    )
    states = torch.stack([recorded[block].to(model.cfg.device) for block in blocks], dim=1)
    check_finite(states, lambda item, row, _: f"donor {item}: what block {blocks[row]} holds at {place!r}", is_half(model))
    return states
