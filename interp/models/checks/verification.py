"""Does a model compute what plain Hugging Face computes? Checked on a few tokens when it is loaded.

TransformerLens, transformers and torch change independently of one another, and a mismatch rarely raises: with transformers
5.24 and TransformerLens 4.3.0 every key-value cache stayed empty, and all cached numbers were wrong without an error. So six short
forward passes (one of them plain Hugging Face) check that

- the logits are those of the plain Hugging Face model (if it is available),
- reading the last two tokens over the cache gives what one forward pass gives,
- the activations add up: `resid_pre + attention + mlp = resid_post` in every block, and `resid_pre + attention = resid_mid` in
  architectures that run attention before the MLP,
- an edit at each site changes what comes after it and nothing before it, and an edit of the MLP output changes the residual stream
by
  the same amount.

Limits: six tokens do not fill a sliding window, and only one block is edited. `interp check` does more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.models.hooks import Hook, Hooks
from interp.models.sites import EditSite, hook_name
from interp.provenance import TESTED, versions

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import Cache, PreTrainedModel

_log = logging.getLogger(__name__)
_TOKENS, _FEW = 6, 3
"""How many tokens are read, and in the rows that are written to: one before the token written to, and one behind it."""
_WRITTEN = 1
_STREAM: tuple[EditSite, ...] = ("residual_pre", "attention", "residual_mid", "mlp", "residual_post")
_SHARE = {torch.float64: 1e-8, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 6e-2}
"""Largest difference between two ways to compute the same values, as a share of the largest value."""


@dataclass(frozen=True)
class Check:
    """The result of one check. `difference` and `tolerance` are shares of the largest value compared; `skipped` is the reason why
    the check does not apply to this model, or empty."""

    name: str
    difference: float
    tolerance: float
    detail: str = ""
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance, or the check was skipped."""
        return bool(self.skipped) or self.difference <= self.tolerance


class VerificationError(RuntimeError):
    """A model does not compute what plain Hugging Face computes."""


def tolerance(dtype: torch.dtype, layers: int = 1) -> float:
    """How far two ways to compute the same values in `dtype` may differ, as a share of the largest value.

    float32: 1e-4 (measured: 2e-6). bfloat16: 6e-2 and float16: 2e-2, as they keep 8 and 11 bits. The rounding errors of a residual
    stream add up like a random walk, so more is allowed of a model of many `layers`: twice the dtype's epsilon times their square
    root (0.09 for bfloat16 and 32 layers, where 0.05 was measured on an H100).
    """
    rounding = 2 * torch.finfo(dtype).eps * layers**0.5 if dtype.is_floating_point else 0.0
    return max(_SHARE.get(dtype, 6e-2), rounding)


def tolerance_of(model: TransformerBridge) -> float:
    """The tolerance for the precision in which `model` computes."""
    return tolerance(next(model.original_model.parameters()).dtype, model.cfg.n_layers)


def share_of_largest(values: Tensor, expected: Tensor) -> float:
    """The largest difference of `values` from `expected`, as a share of the largest value expected (of 1 if that is smaller).

    Infinite if either contains NaN or an infinite value, so that no comparison passes on such values.
    """
    values, expected = values.detach().double().cpu(), expected.detach().double().cpu()
    if not bool(values.isfinite().all() and expected.isfinite().all()):
        return float("inf")
    return float((values - expected).abs().max() / expected.abs().max().clamp_min(1.0)) if expected.numel() else 0.0


def share_of_norm(values: Tensor, expected: Tensor) -> float:
    """The norm of the differences of `values` from `expected`, as a share of the norm expected (of 1 if that is smaller).

    For many values of very different size, such as those of all neurons of a block, among which the largest difference of two right
    computations in half precision is large by chance. Infinite as `share_of_largest`.
    """
    values, expected = values.detach().double().cpu(), expected.detach().double().cpu()
    if not bool(values.isfinite().all() and expected.isfinite().all()):
        return float("inf")
    return float((values - expected).norm() / expected.norm().clamp_min(1.0))


def probe_ids(hf: Any) -> Int[Tensor, "1 token"]:
    """Six different token ids, spread over the embedding of the Hugging Face model `hf`."""
    rows = hf.get_input_embeddings().weight.shape[0]
    return torch.tensor([[(3 + index * max(1, rows // 7)) % rows for index in range(_TOKENS)]])


@torch.no_grad()
def plain_logits(hf: Any) -> Float[Tensor, "item token vocab"]:
    """Logits of the plain Hugging Face model `hf` for the tokens of `probe_ids`. Call it before the model is bridged."""
    embedding = hf.get_input_embeddings().weight
    ids = probe_ids(hf)
    device = "cpu" if embedding.is_meta else embedding.device
    training = hf.training
    hf.eval()
    try:
        ids = ids.to(device)
        return hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    finally:
        hf.train(training)


@torch.no_grad()
def check_model(model: TransformerBridge, plain: Tensor | None = None) -> tuple[Check, ...]:
    """Run every check of `interp.load` on a model.

    Parameters
    ----------
    model
        The bridge.
    plain
        `plain_logits` of the same weights, if available.

    Returns
    -------
    One `Check` each. A check that fails is returned, not raised.
    """
    allowed = tolerance_of(model)
    ids = probe_ids(model.original_model).to(model.cfg.device)
    clean: Tensor = model(ids, attention_mask=torch.ones_like(ids), use_cache=False)
    if not bool(clean.isfinite().all()):
        remedy = ": float16 ends at 65504, load with dtype='bfloat16'" if clean.dtype == torch.float16 else ""
        return (Check("the logits are finite", float("inf"), 0.0, f"they hold NaN or infinite values{remedy}"),)
    sites = lru_cache(lambda: _written_to(model, ids[:, :_FEW]))  # one forward, two facts
    facts: dict[str, Callable[[], float]] = {
        "two cached steps equal one forward": lambda: _cached(model, ids, clean),
        "resid_pre + attention + mlp = resid_post": lambda: _residual_sums(model, sites()),
        "an edit changes what follows it and nothing else": lambda: _writes(model, sites(), clean[:, :_FEW]),
    }
    if plain is not None:
        facts = {"logits equal plain Hugging Face": lambda: share_of_largest(clean, plain), **facts}
    return tuple(run_check(name, allowed, fact) for name, fact in facts.items())


class CannotAskError(Exception):
    """A check that does not apply to this model; the text says why."""


class WrongError(Exception):
    """A check fails, whatever the size of a difference."""


def run_check(name: str, allowed: float, fact: Callable[[], float | tuple[float, str]]) -> Check:
    """Run one check.

    Parameters
    ----------
    name
        What is checked.
    allowed
        The largest difference allowed, as a share of the largest value.
    fact
        Computes the difference, with or without a detail. It may raise `CannotAskError` (the check is skipped) or `WrongError` (it
        fails). Other errors of a library also mean that it fails.
    """
    try:
        result = fact()
    except CannotAskError as error:
        return Check(name, 0.0, allowed, skipped=str(error))
    except WrongError as error:
        return Check(name, float("inf"), allowed, str(error))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:  # a library's own
        return Check(name, float("inf"), allowed, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Check(name, result, allowed) if isinstance(result, float) else Check(name, result[0], allowed, result[1])


def _cached(model: TransformerBridge, ids: Tensor, clean: Tensor) -> float:
    """The last two tokens read one by one over a cache, against one forward."""
    if getattr(model.cfg, "is_stateful", False):
        raise CannotAskError("the model has a recurrent state instead of keys and values")
    before, past, steps = ids.shape[1] - 2, None, []
    for start, stop in ((0, before), (before, before + 1), (before + 1, before + 2)):
        cache_arguments: dict[str, Cache] = {} if past is None else {"past_key_values": past}
        mask = torch.ones_like(ids[:, :stop])
        logits, past = model(
            ids[:, start:stop], attention_mask=mask, return_type="logits_and_cache", use_cache=True, **cache_arguments
        )
        steps.append(logits[:, -1])
    return share_of_largest(torch.stack(steps[1:], dim=1), clean[:, before:])


class _Sites(NamedTuple):
    """One forward of a batch: row 0 as it is, each other row written to at another site of one block, at one token.

    `held` are the activations by hook name, and the logits; `added` what each write changed at its site `[d]`.
    """

    block: int
    written: list[EditSite]
    added: dict[EditSite, Tensor]
    recorded: dict[str, Tensor]


def _written_to(model: TransformerBridge, ids: Tensor) -> _Sites:
    block = model.cfg.n_layers // 2
    sites = [site for site in get_args(EditSite) if hook_name(site, block) in model.hook_dict]
    added: dict[EditSite, Tensor] = {}

    def write(site: EditSite, row: int) -> Hook:
        def hook(activation: Tensor, hook: object) -> Tensor:
            changed = activation.clone()
            changed[row, _WRITTEN] = activation[row, _WRITTEN].roll(1, -1) - 2 * activation[row, _WRITTEN]
            added[site] = (changed[row, _WRITTEN] - activation[row, _WRITTEN]).float()
            return changed

        return hook

    recorded: dict[str, Tensor] = {}

    def keep(activation: Tensor, hook: object, name: str) -> None:
        recorded[name] = activation.clone()

    hooks: Hooks = [(hook_name(site, block), write(site, row)) for row, site in enumerate(sites, start=1)]
    names = [hook_name(site, row_block) for row_block in range(model.cfg.n_layers) for site in _STREAM]
    hooks += [(name, partial(keep, name=name)) for name in names if name in model.hook_dict]
    rows = ids.expand(len(sites) + 1, -1)
    recorded["logits"] = model.run_with_hooks(rows, attention_mask=torch.ones_like(rows), use_cache=False, fwd_hooks=hooks)
    return _Sites(block, sites, added, recorded)


def _residual_sums(model: TransformerBridge, sites: _Sites) -> float:
    """The largest difference between what enters a block plus what its halves add, and what leaves it."""
    differences = []
    for block in range(model.cfg.n_layers):
        names = {site: hook_name(site, block) for site in _STREAM}
        if missing := [name for site, name in names.items() if name not in sites.recorded and site != "residual_mid"]:
            raise CannotAskError(f"the architecture has no {missing[0]}")
        states = {site: sites.recorded[name][0].double().cpu() for site, name in names.items() if name in sites.recorded}
        middle = states["residual_pre"] + states["attention"]
        differences.append(share_of_largest(middle + states["mlp"], states["residual_post"]))
        if "residual_mid" in states:  # parallel halves have no middle
            differences.append(share_of_largest(middle, states["residual_mid"]))
    return max(differences)


def _writes(model: TransformerBridge, sites: _Sites, clean: Tensor) -> float:
    """How much an edit changes what it must not: the row beside it, the tokens and blocks before it. At the MLP also how far the
    change of the residual stream is from the edit."""
    recorded, block = sites.recorded, sites.block
    logits, stream = recorded["logits"], recorded[hook_name("residual_post", block)].float()
    before = clean[:, :_WRITTEN].expand(len(sites.written), -1, -1)
    moved = [share_of_largest(logits[:1], clean), share_of_largest(logits[1:, :_WRITTEN], before)]
    if block:
        below = recorded[hook_name("residual_post", block - 1)]
        moved.append(share_of_largest(below, below[:1].expand_as(below)))
    for row, site in enumerate(sites.written, start=1):
        change = stream[row, _WRITTEN] - stream[0, _WRITTEN]
        same = bool((logits[row, _WRITTEN:] == logits[0, _WRITTEN:]).all())
        if site not in sites.added or not bool(change.any()) or same:
            raise WrongError(f"an edit at site {site!r} of block {block} changes nothing")
        if site in ("mlp", "residual_post"):
            moved.append(share_of_largest(stream[0, _WRITTEN] + sites.added[site].to(change), stream[row, _WRITTEN]))
    return max(moved)


_VERIFIED: set[tuple[str, ...]] = set()


def configuration_key(hf: PreTrainedModel) -> tuple[str, ...]:
    """A model `hf` as far as these facts go: its configuration, dtype, device and the versions of the libraries."""
    where = getattr(hf, "hf_device_map", None) or hf.device
    return (hf.config.to_json_string(), str(hf.dtype), str(where), *(f"{name}=={number}" for name, number in versions().items()))


def verify_bridge(hf: PreTrainedModel, bridged: Callable[[], TransformerBridge], name: str) -> TransformerBridge:
    """Bridge a Hugging Face model with `bridged()`, and check that it computes what `hf` computes.

    `name` is for the errors. A configuration is checked once in a process, for a dtype, device and set of library versions.

    Raises
    ------
    VerificationError
        A check of `check_model` fails. The message names the check, the versions and what to install.
    ValueError
        The Hugging Face model itself does not run.
    """
    key = configuration_key(hf)
    if key in _VERIFIED:
        return bridged()
    try:
        plain = plain_logits(hf)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, IndexError, TypeError, ZeroDivisionError) as error:  # a size that its parts do not agree on
        why = " ".join(str(error).split())[:200]
        raise ValueError(
            f"model {name!r} does not run ({why}). Restore the configuration that its weights were saved with."
        ) from error
    try:
        model = bridged()
        checks = check_model(model, plain)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AttributeError, TypeError, LookupError) as error:  # TransformerLens knows another version of this family
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise VerificationError(_refusal(name, Check("TransformerLens can wrap and run it", float("inf"), 0.0, detail))) from error
    for check in checks:
        if not check.passed:
            raise VerificationError(_refusal(name, check))
        if check.skipped:
            _log.info("model %s: not checked whether %s: %s", name, check.name, check.skipped)
    _VERIFIED.add(key)
    return model


def _refusal(name: str, check: Check) -> str:
    allowed = f"at most {check.tolerance:.0e} is allowed"
    detail = check.detail or f"got a difference of {check.difference:.1e} of the largest value, {allowed}"
    if "finite" in check.name:
        return f"model {name!r}: expected that {check.name}, but {detail}."
    installed = ", ".join(f"{library} {number}" for library, number in versions().items())
    tested = " ".join(f"{library}=={number}" for library, number in TESTED.items())
    return (
        f"model {name!r} does not compute what plain Hugging Face computes. Expected that {check.name}; {detail}. "
        f"Installed: {installed}. Install the tested versions: pip install {tested}. If they are installed, this architecture "
        "is not supported."
    )
