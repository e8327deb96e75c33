"""Attention sinks: tokens whose norm in the residual stream is far above that of the others, and which say little of their text.

Where a tokenizer adds a BOS, the BOS is the sink and no pooling sees it. Where it adds none (Qwen, SmolLM), the first token of the
text is: on Qwen2.5-0.5B-Instruct its norm reaches 81 to 119 times the median of a layer (`SinkDetector.ratios` of the reference
sentences), so that a mean over the sentence is mostly that one token. A later token can be a second sink, often the first comma,
full stop or blank. Sun et al. 2024, "Massive Activations in Large Language Models", arXiv 2402.17762; Xiao et al. 2023,
"Efficient Streaming Language Models with Attention Sinks", arXiv 2309.17453.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from interp.models.batches import Batch, context_limit, pad
from interp.models.hooks import Hooks
from interp.models.plain.runner import runner
from interp.models.sites import row_hook
from interp.models.tokens import Tokens, read_texts
from interp.text.sentences import SENTENCES

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from interp.activations.store import Activations
    from interp.models.load import TransformerBridge

SinkRule = Literal["omit", "keep"]
SINK = 5.0
"""A token is an attention sink if its norm is more than this multiple of the median of a layer, at any layer behind a block.

Measured on FLORES in eleven languages with Qwen2.5-0.5B and SmolLM2-135M: first tokens reach 64 to 190 times the median, second
sinks 10 to 140, all but 2 in 1000 of the other tokens at most 2. In between, 3 to 12, lie a few blanks and commas of early layers.
"""
_REFERENCE = ("eng_Latn", "rus_Cyrl", "arb_Arab", "zho_Hans")


@dataclass(frozen=True)
class SinkDetector:
    """Finds the attention sinks of one model.

    Attributes
    ----------
    medians
        Median norm of a token behind each block, over reference sentences in four scripts, `[layer]`. So what is a sink depends
        neither on the corpus nor on the batch.
    first
        Whether a text of the model's tokenizer begins with a sink that is a token of its own.
    """

    medians: Float[Tensor, " layer"]
    first: bool

    def ratios(self, norms: Float[Tensor, layer * token]) -> Float[Tensor, "*token"]:
        """The largest norm of each token over the layers, as a multiple of the layer's median. `norms` are those behind blocks."""
        return (norms / self.medians.to(norms.device).view(-1, *[1] * (norms.ndim - 1))).amax(dim=0)

    def sinks(self, norms: Float[Tensor, layer * token]) -> Bool[Tensor, "*token"]:
        """Which tokens are attention sinks, by their `norms` behind each block."""
        return self.ratios(norms) > SINK


def norm_hooks(
    model: TransformerBridge,
    norms: Float[Tensor, "layer item token"],
    done: Callable[[int, Tensor], object] | None = None,
) -> list[tuple[str, Callable[[Tensor, HookPoint], None]]]:
    """Hooks on `model` that write the norm of every token behind every block into `norms`, then call `done` with row and state."""

    def keep(row: int) -> Callable[[Tensor, HookPoint], None]:
        def hook(state: Tensor, hook: HookPoint) -> None:
            norms[row] = torch.linalg.vector_norm(state, dim=-1, dtype=torch.float32).to(norms.device)
            if done is not None:
                done(row, state)

        return hook

    return [(row_hook("residual", str(block)), keep(block)) for block in range(model.cfg.n_layers)]


@torch.no_grad()
def token_norms(model: TransformerBridge, batch: Batch) -> Float[Tensor, "layer item token"]:
    """The norm of the residual stream of `model` at every token of `batch`, padding included, behind every block."""
    norms = torch.zeros(model.cfg.n_layers, *batch.ids.shape, device=batch.ids.device)

    def stop(row: int, state: Tensor) -> None:
        if row == len(norms) - 1:
            raise StopAtLayerException(state)

    hooks: Hooks = [*norm_hooks(model, norms, stop)]
    running = runner(model, [str(name) for name, _ in hooks])
    running.run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=hooks, use_cache=False)
    return norms


def reference_texts(model: TransformerBridge) -> list[Tokens]:
    """The sentences on which `sink_detector` measures, one in each of four scripts, tokenized and cut to the context of `model`."""
    limit = context_limit(model)
    texts = read_texts(model.tokenizer, [SENTENCES[code] for code in _REFERENCE])
    return [text._replace(ids=text.ids[: text.stop][:limit]) for text in texts if text.stop > text.start]


def sink_detector(model: TransformerBridge) -> SinkDetector:
    """Measure what norms a model gives to ordinary tokens, on one sentence in each of four scripts.

    Parameters
    ----------
    model
        A model from `interp.load`. Hooks on it apply.

    Example
    -------
    >>> import interp
    >>> from interp.activations.sinks import sink_detector
    >>> sink_detector(interp.load("bundled")).first  # its tokenizer adds a BOS
    False
    """
    texts = reference_texts(model)
    batch = pad(model, [text.ids for text in texts])
    norms, real = token_norms(model, batch), batch.mask.bool()
    medians = norms[:, real].median(dim=1).values.clamp_min(1e-12).cpu()
    detector = SinkDetector(medians, first=False)
    starts = (batch.mask.shape[1] - batch.mask.sum(1)).tolist()
    own = [text.start == 0 for text in texts]
    first = [bool(detector.sinks(norms[:, item, start])) for item, start in enumerate(starts)]
    return SinkDetector(medians, first=all(own) and 2 * sum(first) > len(first))


def describe_sinks(acts: Activations) -> tuple[str, ...]:
    """What a reader must know of the attention sinks of a capture: how many were left out, and what was put before the texts.

    Parameters
    ----------
    acts
        Activations from `interp.capture`.

    Returns
    -------
    At most two sentences; none where no token was left out and none put before.
    """
    texts = [positions for code in acts.languages for positions in acts.left_out(code)]
    first, later = sum(0 in positions for positions in texts), sum(any(positions) for positions in texts)
    notes = []
    if first or later:
        parts = [f"the first token of {first} of {len(texts)} texts"] * bool(first) + [f"a later token of {later}"] * bool(later)
        notes.append(
            f"Attention sinks left out of the pooling: {', '.join(parts)} (norm above {SINK:.0f} times the median behind a block)."
        )
    if start := acts.signature.settings.get("start"):
        notes.append(f"Every text was read behind the token {start}, which takes the place of the attention sink.")
    return tuple(notes)
