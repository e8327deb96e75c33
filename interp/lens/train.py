"""Training a tuned lens on the same amount of text in every language.

Every step reads the same number of sentences of each language and gives each language the same weight. The remaining divergence,
KL(final || lens) in bits per token, is measured in each language on held-out sentences, before and after training: a lens that
fits one language better than another shows that language at earlier layers.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import trange

from interp.activations.sinks import SinkDetector, sink_detector
from interp.files.cache import describe_differences, differences
from interp.files.sealed_tensors import load_tensors, save_tensors
from interp.lens.distributions import divergence
from interp.lens.logit_lens import Lens, log_probabilities, pieces, rows_of, stream, unembed
from interp.lens.tuned_lens import TunedLens, load_lens, translate
from interp.models.batches import pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.computation import computed_by, model_facts
from interp.models.load import TransformerBridge, identify
from interp.models.tokens import prompt_ids
from interp.provenance import ModelIdentity
from interp.text.corpus import ParallelCorpus

_log = logging.getLogger(__name__)
_MOMENTUM, _DECAY, _CLIP = 0.9, 1e-3, 1.0


def train_lens(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    path: str | Path,
    *,
    steps: int = 250,
    sentences: int = 8,
    tokens: int = 128,
    held_out: float = 0.1,
    learning_rate: float = 0.1,
    save_every: int = 25,
    seed: int = 0,
) -> TunedLens:
    """Train a tuned lens on all languages of a corpus equally, and save it.

    Parameters
    ----------
    model
        The model, from `interp.load`. Its weights do not change.
    corpus
        Parallel text. Every language gets the same weight, however many tokens it needs.
    path
        File to write (.safetensors). If it holds a lens trained with the same settings, that lens is returned.
    steps
        Number of training steps.
    sentences
        Number of sentences of each language in a step.
    tokens
        Length to which sentences are truncated.
    held_out
        Share of the items that is not trained on, to measure the divergence.
    learning_rate
        Initial learning rate. It falls linearly to zero. If the divergence after training is above that before, lower it.
    save_every
        Number of steps between checkpoints. An interrupted training continues from the last one, to the same result.
    seed
        Random seed of the split and of the order of sentences.

    Returns
    -------
    The `TunedLens`. Its `table()` has the divergence before and after training, by language and layer.

    Raises
    ------
    ValueError
        `path` holds a lens trained with other settings, or the corpus is too small to hold out an item.

    Notes
    -----
    Special tokens and attention sinks (`interp.activations.sinks`) are neither trained on nor measured.
    SGD with Nesterov momentum 0.9, weight decay 1e-3 and gradients clipped to norm 1, as published.

    References
    ----------
    Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens", arXiv 2303.08112.

    Example
    -------
    >>> import interp, tempfile
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lens = interp.train_lens(model, corpus, f"{folder}/lens.safetensors", steps=1, sentences=1)
    >>> lens.layers[0], lens.table().columns.tolist()
    ('embed', ['language', 'layer', 'before', 'after'])
    """
    path, identity = Path(path), identify(model)
    settings = {"corpus": corpus.identity.sha, "languages": list(corpus.languages), "steps": steps, "sentences": sentences,
                "tokens": tokens, "held_out": held_out, "learning_rate": learning_rate, "seed": seed, "sinks": "omit",
                **model_facts(model), **computed_by(model.cfg.device)}  # fmt: skip
    if path.exists():
        return _finished(load_lens(path, model), settings, path)
    train, test = _split(corpus, held_out, seed)
    partial = path.with_name(f"{path.stem}.partial.safetensors")
    tensors, start = _start(partial, model, settings, identity)
    detector = sink_detector(model)
    for step in trange(start, steps, initial=start, total=steps, desc="tuned lens", leave=False):
        hidden, owners = _rows(model, _draw(corpus, train, sentences, seed, step), tokens, detector)
        gradients = _gradients(model, hidden, _weights(owners // sentences, len(corpus.languages)), tensors)
        _descend(tensors, gradients, learning_rate * (1 - step / steps))
        if (step + 1) % save_every == 0:
            save_tensors(partial, tensors, {"model": identity.sha, "settings": settings, "step": step + 1})
    before, layers = _evaluate(model, corpus, test, tokens, None, detector), rows_of(model)[:-1]
    lens = TunedLens(tensors["weight"], tensors["bias"], layers, identity, before, before, settings)
    after = _evaluate(model, corpus, test, tokens, lens, detector)
    TunedLens(lens.weight, lens.bias, layers, identity, before, after, settings).save(path)
    partial.unlink(missing_ok=True)
    return load_lens(path, model)


def _finished(lens: TunedLens, settings: dict[str, object], path: Path) -> TunedLens:
    if different := differences(lens.settings, settings):
        raise ValueError(f"{path} holds a lens trained with {describe_differences(different)}. Choose another path, or delete it.")
    return lens


def _start(
    partial: Path, model: TransformerBridge, settings: dict[str, object], identity: ModelIdentity
) -> tuple[dict[str, Tensor], int]:
    """Translators and momentum at zero, or those of an interrupted training with the same settings."""
    rows, width = len(rows_of(model)) - 1, model.cfg.d_model
    start = {"weight": torch.zeros(rows, width, width), "bias": torch.zeros(rows, width)}
    start |= {f"{name}_momentum": torch.zeros_like(tensor) for name, tensor in start.items()}
    step = 0
    if partial.is_file():
        try:
            tensors, facts = load_tensors(partial)
        except ValueError as error:
            _log.warning("%s Training starts over.", error)
        else:
            fits = {name: each.shape for name, each in tensors.items()} == {name: each.shape for name, each in start.items()}
            other = differences({"model": facts.get("model"), **facts.get("settings", {})}, {"model": identity.sha, **settings})
            if fits and not other:
                start, step = tensors, int(facts["step"])
                _log.info("going on from step %d", step)
            else:
                _log.warning("%s is of %s. Training starts over.", partial, describe_differences(other) or "other shapes")
    return {name: tensor.to(model.cfg.device) for name, tensor in start.items()}, step


def _split(corpus: ParallelCorpus, held_out: float, seed: int) -> tuple[list[int], list[int]]:
    n = round(len(corpus) * held_out)
    if not 0 < n < len(corpus):
        raise ValueError(
            f"got held_out {held_out}, which is {n} of {len(corpus)} items, expected at least one to train on and one held out."
        )
    rows = random.Random(seed).sample(range(len(corpus)), len(corpus))
    return sorted(rows[n:]), sorted(rows[:n])


def _draw(corpus: ParallelCorpus, train: Sequence[int], sentences: int, seed: int, step: int) -> list[str]:
    draw = random.Random(f"{seed}/{step}")
    return [corpus.sentences[code][row] for code in corpus.languages for row in draw.choices(train, k=sentences)]


@torch.no_grad()
def _rows(
    model: TransformerBridge, texts: Sequence[str], tokens: int, detector: SinkDetector
) -> tuple[Float[Tensor, "layer token d_model"], Int[Tensor, " token"]]:
    """The states of every token of the texts, and the index of its text, without special tokens and attention sinks."""
    batch = pad(model, [ids[:tokens] for ids in prompt_ids(model.tokenizer, texts)])
    special = torch.tensor(model.tokenizer.all_special_ids or [-1], device=batch.ids.device)
    fitted = batch.mask.bool() & ~torch.isin(batch.ids, special)
    states = stream(model, batch, last_only=False)
    fitted &= ~detector.sinks(torch.linalg.vector_norm(states[1:].float(), dim=-1))
    hidden, owners = states[:, fitted], fitted.nonzero()[:, 0]
    names = rows_of(model)
    check_finite(
        hidden, lambda row, token, _: f"tuned lens: the state of layer {names[row]} in text {int(owners[token])}", is_half(model)
    )
    return hidden, owners


def _weights(owners: Int[Tensor, " token"], languages: int) -> Float[Tensor, " token"]:
    """The weight of each token: the same sum for every language, one in all."""
    tokens = owners.bincount(minlength=languages)
    return 1 / (tokens[owners] * (tokens > 0).sum())


def _gradients(
    model: TransformerBridge, hidden: Float[Tensor, "layer token d_model"], weights: Tensor, tensors: dict[str, Tensor]
) -> dict[str, Tensor]:
    gradients = {name: torch.zeros_like(tensors[name]) for name in ("weight", "bias")}
    for part in pieces(model, hidden.shape[1]):
        final = log_probabilities(model, hidden[-1, part], rows_of(model)[-1])
        for row in range(len(hidden) - 1):
            leaves = [tensors[name][row].clone().requires_grad_() for name in gradients]
            early = unembed(model, translate(hidden[row, part], *leaves), gradients=True).float().log_softmax(-1)
            loss = (torch.nn.functional.kl_div(early, final, reduction="none", log_target=True).sum(-1) * weights[part]).sum()
            for name, gradient in zip(gradients, torch.autograd.grad(loss, leaves), strict=True):
                gradients[name][row] += gradient
    return gradients


def _descend(tensors: dict[str, Tensor], gradients: dict[str, Tensor], rate: float) -> None:
    """One step of SGD with Nesterov momentum, in place."""
    norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    for name, gradient in gradients.items():
        step = gradient * _CLIP / norm.clamp(min=_CLIP) + _DECAY * tensors[name]
        tensors[f"{name}_momentum"].mul_(_MOMENTUM).add_(step)
        tensors[name].sub_(step + _MOMENTUM * tensors[f"{name}_momentum"], alpha=rate)


def _evaluate(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    rows: Sequence[int],
    tokens: int,
    lens: Lens | None,
    detector: SinkDetector,
) -> Float[Tensor, "language layer"]:
    """KL(final || lens) in bits, a mean over tokens, for each language and row but the last."""
    texts = {code: [corpus.sentences[code][row] for row in rows] for code in corpus.languages}
    return torch.stack([_divergence(model, texts[code], tokens, lens, detector) for code in corpus.languages])


def _divergence(
    model: TransformerBridge, texts: list[str], tokens: int, lens: Lens | None, detector: SinkDetector
) -> Float[Tensor, " layer"]:
    layers, n = rows_of(model), 0
    total = torch.zeros(len(layers) - 1)
    for start in range(0, len(texts), 8):
        hidden, _ = _rows(model, texts[start : start + 8], tokens, detector)
        n += hidden.shape[1]
        for part in pieces(model, hidden.shape[1]):
            final = log_probabilities(model, hidden[-1, part], layers[-1])
            early = (log_probabilities(model, hidden[row, part], layers[row], lens) for row in range(len(layers) - 1))
            total += torch.stack([divergence(final, reading).sum() for reading in early]).cpu()
    return total / n
