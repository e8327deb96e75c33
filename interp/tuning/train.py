"""Tune a model on a mixture and prove what moved: out comes an ordinary Hugging Face folder that says where it came from."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from interp.files.atomic import checksum, writing
from interp.files.cache import differences
from interp.files.lock import locked
from interp.models.batches import context_limit
from interp.models.checkpoints import locate, read_tokenizer, read_weights
from interp.models.computation import computed_by, model_facts
from interp.models.load import identify, load
from interp.provenance import CorpusIdentity, ModelIdentity, environment
from interp.tuning.checkpoints import FOLDER, clear, last_whole, start_run
from interp.tuning.fit import Fitted, example_losses, fit
from interp.tuning.mixtures import Mixture
from interp.tuning.recipe import Recipe
from interp.tuning.scopes import (
    adapter_targets,
    attach_adapter,
    check_moved,
    check_scope,
    fingerprints,
    free_embeddings,
    moved_rows,
    moved_tensors,
    narrow,
    widen,
)
from interp.tuning.templates import Encoded, encode_examples, template
from interp.tuning.tuned_model import MANIFEST, TunedModel

_log = logging.getLogger(__name__)


def tune(
    parent: str | Path | PreTrainedModel,
    mixture: Mixture,
    recipe: Recipe,
    folder: str | Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    held_out: Mixture | None = None,
    device: str | None = None,
    resume: bool = False,
) -> TunedModel:
    """Tune `parent` on `mixture` into `folder`, and check afterwards that only what the scope allows has moved.

    `held_out` examples are scored and never trained on; without them `recipe.held_out` of the items are set aside.
    With `resume`, a finished folder is returned as it is, unless a file of it was altered, and an unfinished one goes on
    from its last whole checkpoint to the same weights. The parent is never changed. Weights are trained in float32 and saved in
    the dtype of the parent; the held-out losses before and after are of the parent and of the saved folder, read back. Several
    devices: start the same program with `accelerate launch`; every device holds the whole model (data parallel), as the proof of
    what moved needs all of it.

    Raises `ValueError`, before anything is written, for a scope that the model cannot have.
    """
    folder = Path(folder)
    if (folder / MANIFEST).is_file() and not resume:
        raise ValueError(f"{folder} holds a finished tuned model. Choose another --output, or --resume to take it as it is.")
    state, began = PartialState(cpu=(device or "cuda") == "cpu" or not torch.cuda.is_available()), environment()
    model, tokenizer = _open(parent, tokenizer)
    check_scope(model, recipe.scope, recipe.tie, recipe.adapter)
    bridge = load(model, tokenizer=tokenizer)
    identity, by = identify(bridge), {**model_facts(bridge), **computed_by(state.device)}
    longest = min(recipe.max_length, context_limit(bridge) or recipe.max_length)
    del bridge  # it holds the weights as they were
    splits = held_out is None and recipe.held_out > 0
    train, held = mixture.split(recipe.held_out, recipe.seed) if splits else (mixture, held_out)
    if (folder / MANIFEST).is_file() and (found := _finished(folder, identity, train.identity, recipe, by, state)):
        return found
    form = template(recipe.template)
    data = encode_examples(tokenizer, train.examples, form, longest, recipe.mask)
    tested = encode_examples(tokenizer, held.examples, form, longest, recipe.mask) if held else None
    with locked(folder / FOLDER) if state.is_main_process else nullcontext():
        if state.is_main_process:
            start_run(folder, {"parent": identity.sha, "data": train.identity.sha, "recipe": asdict(recipe), **by}, resume)
        state.wait_for_everyone()
        model, fitted, facts = _train(model.to(state.device), data, tested, recipe, folder)
        if state.is_main_process:
            files = _save(model, tokenizer, folder)
            before = facts.pop("before")
            del model
            after = _saved_losses(folder, tested, state.device) if tested else []
            TunedModel(folder, identity, recipe, recipe.scope, train.identity, fitted.steps, fitted.loss, {
                **facts, "max_length": longest, "directions": train.counts(), "history": list(fitted.history),
                "truncated": data.truncated, "dropped": list(data.dropped), "seams": data.seams, "processes": state.num_processes,
                "held_out": _held_out(held, tested, before, after), "device": str(state.device), "made_by": by,
                "environment": began, "files": files,
            }).save()  # fmt: skip
            clear(folder)
        state.wait_for_everyone()
    return TunedModel.load(folder)


def _train(model: Any, data: Encoded, tested: Encoded | None, recipe: Recipe, folder: Path) -> tuple[Any, Fitted, dict[str, Any]]:
    before, table = fingerprints(model), model.get_input_embeddings().weight.detach().cpu().clone()
    losses = example_losses(model, tested).tolist() if tested else []
    seen = sorted({token for ids in data.ids for token in ids})
    if seen[-1] >= len(table):
        raise ValueError(f"token {seen[-1]}, but the model has {len(table)}. Needed: the tokenizer of this model.")
    stored = widen(model)
    trained, allowed, facts = _free(model, seen, recipe)
    cached = model.config.use_cache
    fitted = fit(trained, data, tested, recipe, folder, last_whole(folder))
    model.config.use_cache = cached
    if recipe.scope == "lora":
        if PartialState().is_main_process:
            with writing(folder / "adapter"):
                trained.save_pretrained(folder / "adapter", save_embedding_layers=False)
        model = trained.merge_and_unload()
    narrow(model, stored)
    moved = moved_tensors(before, fingerprints(model))
    check_moved(moved, allowed)
    rows = moved_rows(table, model.get_input_embeddings().weight.detach().cpu()).nonzero().flatten().tolist()
    if recipe.scope == "embeddings" and (strays := set(rows) - set(seen)):
        raise RuntimeError(f"{len(strays)} embedding rows moved that were never seen, {min(strays)} among them.")
    rows_told = {"moved_rows": len(rows), "seen_rows": len(seen), "rows": len(table)}
    return model, fitted, {**facts, "moved": list(moved), **rows_told, "before": losses}


def _free(model: Any, seen: Sequence[int], recipe: Recipe) -> tuple[Any, set[str], dict[str, Any]]:
    """The model with the scope applied, the names of the tensors that may move, and what is to be written down."""
    if recipe.scope == "embeddings":
        treated = free_embeddings(model, seen, recipe.tie)
        table = model.get_input_embeddings().weight
        names = {name for name, tensor in model.state_dict(keep_vars=True).items() if tensor is table}
        return model, names, {"tie": treated}
    if recipe.scope == "lora":
        targets = adapter_targets(model, recipe.adapter.targets)
        names = {name for name in model.state_dict() if name.removesuffix(".weight").rpartition(".")[2] in targets}
        return attach_adapter(model, recipe.adapter, recipe.seed), names, {"targets": list(targets)}
    return model, set(model.state_dict()), {}


def _open(
    parent: str | Path | PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model of our own to train, as it is stored, and the tokenizer exactly as given."""
    if isinstance(parent, nn.Module):
        if tokenizer is None:
            raise ValueError("got a model in memory without its tokenizer, expected both. Give tokenizer=.")
        return copy.deepcopy(parent), tokenizer
    name = locate(parent, None)
    return read_weights(name, None, AutoModelForCausalLM, {"dtype": "auto"}), tokenizer or read_tokenizer(name, None)


def _held_out(held: Mixture | None, tested: Encoded | None, before: list[float], after: list[float]) -> dict[str, Any]:
    """The held-out examples with their losses before and after, in nats a token."""
    if held is None or tested is None:
        return {}
    known = {each.id: each for each in held.examples}
    kept = [known[name] for name in tested.kept]
    return {"id": list(tested.kept), "item": [each.item for each in kept], "source": [each.source for each in kept],
            "target": [each.target for each in kept], "before": before, "after": after}  # fmt: skip


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> dict[str, str]:
    """Write the model as an ordinary folder; the checksum of each of its files."""
    with writing(folder):
        model.save_pretrained(folder)
        of_tokenizer = tokenizer.save_pretrained(folder)
    written = [*folder.glob("model*.safetensors*"), folder / "config.json", *map(Path, of_tokenizer)]
    return {path.name: checksum(path) for path in sorted(written) if path.is_file()}


def _saved_losses(folder: Path, tested: Encoded, device: torch.device) -> list[float]:
    """The held-out losses of the model as anyone who reads the folder gets it: merged, and rounded to the checkpoint's dtype."""
    saved: Any = read_weights(str(folder), None, AutoModelForCausalLM, {"dtype": "auto"})
    return example_losses(saved.to(device), tested).tolist()


def _finished(
    folder: Path, parent: ModelIdentity, data: CorpusIdentity, recipe: Recipe, by: dict[str, str], state: PartialState
) -> TunedModel | None:
    """The model that is there, if it is the one asked for; None, with a warning, where a file of it was altered."""
    found = TunedModel.load(folder)
    for what, theirs, ours in (("parent", found.parent.sha, parent.sha), ("data", found.data.sha, data.sha),
                               ("recipe", found.recipe, recipe)):  # fmt: skip
        if theirs != ours:
            raise ValueError(f"{folder} holds a model tuned with {what} {theirs}, but {ours} is asked. Choose another --output.")
    for what, (theirs, ours) in differences(found.details.get("made_by", {}), by).items():
        raise ValueError(f"{folder} holds a model tuned with {what} {theirs!r}, and now it is {ours!r}. Choose another --output.")
    fault = found.fault()
    state.wait_for_everyone()
    if state.is_main_process:
        if fault:
            _log.warning("%s. The model is tuned again.", fault)
            (folder / MANIFEST).unlink()
        clear(folder)
    return None if fault else found
