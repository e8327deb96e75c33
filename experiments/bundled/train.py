"""Train the bundled model from scratch: `python -m experiments.bundled.train --output runs/bundled`.

A Llama with untied embeddings and a byte-level BPE, on the text of `experiments.bundled.text`. Every batch is a function
of the seed and its step, so a killed run resumes to the same weights. The learning rate is constant until the last fifth, so
a run can be extended by asking for more tokens, up to that fifth with the same weights.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from experiments.bundled.text import Text
from interp.files.atomic import whole, write_json

log = logging.getLogger(__name__)

_PIECES = r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]|\s"


@dataclass(frozen=True)
class BundledModel:
    """Settings of the training; the defaults are those of the bundled model."""

    output: Path
    """Folder for checkpoints and the finished model."""
    tokens: int = 16_000_000
    """Tokens to train on in all."""
    vocabulary: int = 5000
    layers: int = 8
    width: int = 192
    heads: int = 4
    inner: int = 512
    rows: int = 64
    """Sequences a step."""
    length: int = 128
    """Tokens a sequence."""
    rate: float = 3e-3
    warmup: int = 200
    seed: int = 0
    every: int = 200
    """Steps between checkpoints."""
    compiled: bool = True

    @property
    def steps(self) -> int:
        return self.tokens // (self.rows * self.length)


def train_tokenizer(settings: BundledModel, documents: int = 30_000) -> PreTrainedTokenizerFast:
    """A byte-level BPE, trained on `documents` documents.

    Letters with their combining marks are one word; every digit and sign is a token of its own.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    text = Text(settings.seed)
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator((text.document() for _ in range(documents)), trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=2 * settings.length,
        clean_up_tokenization_spaces=False,
    )


def build(settings: BundledModel, vocabulary: int) -> LlamaForCausalLM:
    """The untrained model with a `vocabulary` of tokens; embeddings are untied, so that the input embedding can be tuned alone."""
    torch.manual_seed(settings.seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=settings.width,
        intermediate_size=settings.inner,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=2 * settings.length,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    config.architectures = ["LlamaForCausalLM"]
    # at 128 tokens the fused CPU kernel's backward is four times slower
    return LlamaForCausalLM._from_config(config, attn_implementation="eager")


def batch(settings: BundledModel, tokenizer: PreTrainedTokenizerFast, step: int) -> Tensor:
    """The token ids of one step, `[rows length]`: a BOS and text in every row, without padding."""
    text = Text(settings.seed + 1_000_003 * (step + 1))
    encoded = tokenizer([text.document() for _ in range(settings.rows)], truncation=True, max_length=settings.length)["input_ids"]
    for row, ids in enumerate(encoded):
        while len(ids) < settings.length:
            ids = ids + tokenizer("\n" + text.document(), add_special_tokens=False)["input_ids"]
        encoded[row] = ids[: settings.length]
    return torch.tensor(encoded)


def optimizers(model: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".layers." in name)]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def rate_at(settings: BundledModel, step: int) -> float:
    """The learning rate at a step: linear warm-up, constant, and linear decay over the last fifth."""
    down = max(1, settings.steps // 5)
    return settings.rate * min(1.0, (step + 1) / settings.warmup, (settings.steps - step) / down)


def learn(settings: BundledModel) -> Path:
    """Train, or resume training, and write an ordinary Hugging Face folder `model/`; returns its path."""
    settings.output.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(settings)
    model = build(settings, len(tokenizer)).train()
    steppers = optimizers(model, settings.rate)
    first = _resume(settings, model, steppers)
    loss_of = torch.compile(_loss) if settings.compiled else _loss
    recent, began = [], time.monotonic()
    for step in range(first, settings.steps):
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = rate_at(settings, step)
        loss = loss_of(model, batch(settings, tokenizer, step))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if not math.isfinite(norm):
            raise RuntimeError(f"the loss is no longer finite at step {step}. Lower --rate and resume from the last checkpoint.")
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        recent.append(loss.item())
        if (step + 1) % settings.every == 0 or step + 1 == settings.steps:
            speed = len(recent) * settings.rows * settings.length / (time.monotonic() - began)
            log.info("step %d of %d: loss %.4f, %.0f tokens/s", step + 1, settings.steps, sum(recent) / len(recent), speed)
            with open(settings.output / "losses.jsonl", "a") as losses:
                losses.write(json.dumps({"step": step + 1, "loss": sum(recent) / len(recent), "speed": speed}) + "\n")
            _checkpoint(settings, model, steppers, step + 1)
            recent, began = [], time.monotonic()
    return _finish(settings, model, tokenizer)


def _loss(model: LlamaForCausalLM, ids: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(ids, use_cache=False).logits
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())


def _tokenizer(settings: BundledModel) -> PreTrainedTokenizerFast:
    folder = settings.output / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        train_tokenizer(settings).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _states(model: nn.Module, steppers: list[torch.optim.Optimizer]) -> Iterator[tuple[str, Tensor]]:
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    for name, tensor in model.state_dict().items():
        yield f"model/{name}", tensor
    for stepper in steppers:
        for parameter, state in stepper.state.items():
            for key, tensor in state.items():
                yield f"state/{names[parameter]}/{key}", tensor


def _checkpoint(settings: BundledModel, model: nn.Module, steppers: list[torch.optim.Optimizer], step: int) -> None:
    with whole(settings.output / "checkpoint.safetensors") as path:
        save_file({name: tensor.contiguous() for name, tensor in _states(model, steppers)}, path, metadata={"step": str(step)})


def _resume(settings: BundledModel, model: nn.Module, steppers: list[torch.optim.Optimizer]) -> int:
    path = settings.output / "checkpoint.safetensors"
    if not path.is_file():
        return 0
    tensors = load_file(path)
    model.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model/")})
    parameters = dict(model.named_parameters())
    owner = {parameter: stepper for stepper in steppers for group in stepper.param_groups for parameter in group["params"]}
    for name, tensor in tensors.items():
        if name.startswith("state/"):
            _, parameter, key = name.split("/")
            owner[parameters[parameter]].state[parameters[parameter]][key] = tensor
    with safe_open(path, "pt") as file:
        return int(file.metadata()["step"])


def _finish(settings: BundledModel, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Path:
    folder = settings.output / "model"
    model.eval().to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    recipe = {key: value for key, value in vars(settings).items() if key != "output"}
    last = json.loads((settings.output / "losses.jsonl").read_text().splitlines()[-1])
    counted = {"steps": settings.steps, "loss": last["loss"], "parameters": sum(p.numel() for p in model.parameters())}
    write_json(folder / "training.json", recipe | counted)
    return folder


if __name__ == "__main__":
    import tyro

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    learn(tyro.cli(BundledModel, description=__doc__))
