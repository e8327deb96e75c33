"""Tune a model on a mixture, check which weights changed, and save an ordinary Hugging Face folder with a manifest."""

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
from interp.models.checkpoints.folders import locate
from interp.models.checkpoints.parts import read_tokenizer
from interp.models.checkpoints.weights import read_weights
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
    """Tune a model, and check that no weights changed but those that the recipe trains.

    Parameters
    ----------
    parent
        The model to tune: a name on the Hub, a folder, "bundled", or a model in memory. It is not changed.
    mixture
        The training examples.
    recipe
        How to tune.
    folder
        Where to save the tuned model. It loads like any other model.
    tokenizer
        Tokenizer of the model. Required for a model in memory; default: that of `parent`.
    held_out
        Examples that are not trained on, for the held-out loss. Default: `recipe.held_out` of the items of `mixture`.
    device
        "cpu" to train on the CPU. Default: the GPU, if there is one. For several GPUs run the program with `accelerate launch`;
        each holds the whole model (data parallel), because the check of what changed needs all of it.
    resume
        Continue an interrupted run from its last complete checkpoint, with the same result. A finished run is returned, unless a
        file of it was altered.

    Returns
    -------
    TunedModel
        The folder, and the facts of the run. Weights are trained in float32 and saved in the dtype of the parent. Held-out losses
        are those of the parent and of the saved model, read back.

    Raises
    ------
    ValueError
        The model cannot be tuned with this scope (before anything is written), or `folder` holds another run.
    FloatingPointError
        The loss or a weight is not finite. The message has the last good checkpoint.
    RuntimeError
        Weights changed that the recipe does not train.

    Example
    -------
    >>> import interp, tempfile
    >>> from interp.tuning import Recipe, translations, tune
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"])
    >>> mixture = translations(corpus, [("eng_Latn", "deu_Latn")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuned = tune("bundled", mixture, Recipe(scope="embeddings", tie="untie", steps=1, batch=4), f"{folder}/tuned")
    ...     interp.load(tuned.folder).cfg.n_layers
    8
    """
    folder = Path(folder)
    if (folder / MANIFEST).is_file() and not resume:
        raise ValueError(f"{folder} holds a finished tuned model. Choose another --output, or use it as it is with --resume.")
    state, began = PartialState(cpu=(device or "cuda") == "cpu" or not torch.cuda.is_available()), environment()
    model, tokenizer = _open(parent, tokenizer)
    check_scope(model, recipe.scope, recipe.tie, recipe.adapter)
    bridge = load(model, tokenizer=tokenizer)
    identity, by = identify(bridge), {**model_facts(bridge), **computed_by(state.device)}
    longest = min(recipe.max_length, context_limit(bridge) or recipe.max_length)
    del bridge  # it holds the weights as they were
    splits = held_out is None and recipe.held_out > 0
    train, held_out_part = mixture.split(recipe.held_out, recipe.seed) if splits else (mixture, held_out)
    if (folder / MANIFEST).is_file() and (finished := _finished(folder, identity, train.identity, recipe, by, state)):
        return finished
    form = template(recipe.form)
    data = encode_examples(tokenizer, train.examples, form, longest, recipe.mask)
    tested = encode_examples(tokenizer, held_out_part.examples, form, longest, recipe.mask) if held_out_part else None
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
                "held_out": _held_out(held_out_part, tested, before, after), "device": str(state.device), "made_by": by,
                "environment": began, "files": files,
            }).save()  # fmt: skip
            clear(folder)
        state.wait_for_everyone()
    return TunedModel.load(folder)


def _train(
    model: PreTrainedModel, data: Encoded, tested: Encoded | None, recipe: Recipe, folder: Path
) -> tuple[PreTrainedModel, Fitted, dict[str, Any]]:
    before, table = fingerprints(model), model.get_input_embeddings().get_parameter("weight").detach().cpu().clone()
    losses = example_losses(model, tested).tolist() if tested else []
    seen = sorted({token for ids in data.ids for token in ids})
    if seen[-1] >= len(table):
        raise ValueError(f"got token id {seen[-1]}, expected less than {len(table)}. Use the tokenizer of this model.")
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
    rows = moved_rows(table, model.get_input_embeddings().get_parameter("weight").detach().cpu()).nonzero().flatten().tolist()
    if recipe.scope == "embeddings" and (strays := set(rows) - set(seen)):
        raise RuntimeError(f"{len(strays)} embedding rows changed of tokens that are not in the data, {min(strays)} among them.")
    row_counts = {"moved_rows": len(rows), "seen_rows": len(seen), "rows": len(table)}
    return model, fitted, {**facts, "moved": list(moved), **row_counts, "before": losses}


def _free(model: Any, seen: Sequence[int], recipe: Recipe) -> tuple[Any, set[str], dict[str, object]]:
    """The model with the scope applied, the names of the tensors that may change, and facts for the manifest."""
    if recipe.scope == "embeddings":
        treated = free_embeddings(model, seen, recipe.tie)
        table = model.get_input_embeddings().get_parameter("weight")
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
    """A copy of the model to train, in its stored dtype, and its tokenizer, unchanged."""
    if isinstance(parent, nn.Module):
        if tokenizer is None:
            raise ValueError("got a model in memory without its tokenizer, expected both. Give tokenizer=.")
        return copy.deepcopy(parent), tokenizer
    name = locate(parent, None)
    return read_weights(name, None, AutoModelForCausalLM, {"dtype": "auto"}), tokenizer or read_tokenizer(name, None)


def _held_out(
    held_out: Mixture | None, tested: Encoded | None, before: list[float], after: list[float]
) -> dict[str, list[str] | list[float]]:
    """The held-out examples with their losses before and after, in nats per token."""
    if held_out is None or tested is None:
        return {}
    by_id = {example.id: example for example in held_out.examples}
    examples = [by_id[name] for name in tested.kept]
    columns = {name: [getattr(example, name) for example in examples] for name in ("item", "source", "target")}
    return {"id": list(tested.kept), **columns, "before": before, "after": after}


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> dict[str, str]:
    """Write the model as an ordinary folder; the checksum of each of its files."""
    with writing(folder):
        model.save_pretrained(folder)
        of_tokenizer = tokenizer.save_pretrained(folder)
    written = [*folder.glob("model*.safetensors*"), folder / "config.json", *map(Path, of_tokenizer)]
    return {path.name: checksum(path) for path in sorted(written) if path.is_file()}


def _saved_losses(folder: Path, tested: Encoded, device: torch.device) -> list[float]:
    """The held-out losses of the saved model: with the adapter merged, and rounded to the dtype of the checkpoint."""
    saved: Any = read_weights(str(folder), None, AutoModelForCausalLM, {"dtype": "auto"})
    return example_losses(saved.to(device), tested).tolist()


def _finished(
    folder: Path, parent: ModelIdentity, data: CorpusIdentity, recipe: Recipe, by: dict[str, str], state: PartialState
) -> TunedModel | None:
    """The finished model in `folder`; None, with a warning, if a file of it was altered. Raises if it was made otherwise."""
    tuned = TunedModel.load(folder)
    for name, saved, expected in (("parent", tuned.parent.sha, parent.sha), ("data", tuned.data.sha, data.sha),
                               ("recipe", tuned.recipe, recipe)):  # fmt: skip
        if saved != expected:
            raise ValueError(f"{folder} holds a model tuned with {name} {saved}, expected {expected}. Choose another --output.")
    for name, (saved, expected) in differences(tuned.details.get("made_by", {}), by).items():
        raise ValueError(
            f"{folder} holds a model tuned with {name} {saved!r}, and now it is {expected!r}. Choose another --output."
        )
    fault = tuned.fault()
    state.wait_for_everyone()
    if state.is_main_process:
        if fault:
            _log.warning("%s. The model is tuned again.", fault)
            (folder / MANIFEST).unlink()
        clear(folder)
    return None if fault else tuned
