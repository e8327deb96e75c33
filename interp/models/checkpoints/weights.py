"""Read the weights of a model from safetensors, whole: nothing missing, left over, misshapen or rounded unasked."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from transformers import PreTrainedModel
from transformers.models.auto.auto_factory import _BaseAutoModelClass

from interp.models.checkpoints.configurations import RESTORE
from interp.models.checkpoints.device_map import quantisation
from interp.models.checkpoints.folders import weight_files
from interp.models.checkpoints.leftovers import Stored, real_leftovers, stored_tensors
from interp.models.checkpoints.unreachable import brief, unreachable

_FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_weights(
    name: str, revision: str | None, kind: type[_BaseAutoModelClass], options: Mapping[str, object]
) -> PreTrainedModel:
    """The model itself, and nothing half loaded: every weight from the checkpoint, and every tensor of the checkpoint in use.

    `name` and `revision` as `locate` gives them, `kind` one of transformers' AutoModel classes, `options` what its
    `from_pretrained` takes besides. Raises `ValueError` for weights that are missing (never drawn at random), misshapen, left over
    (but for harmless ones, see `leftovers`), tied by the configuration and not by the weights, and stored in more digits
    than a configuration that nobody overrode has.
    """
    try:
        with _without_report():
            model, report = kind.from_pretrained(
                name, revision=revision, use_safetensors=True, trust_remote_code=False, output_loading_info=True,
                ignore_mismatched_sizes=True, **options,
            )  # fmt: skip
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if isinstance(error, ImportError) and (method := quantisation(options.get("config"))):
            raise ValueError(
                f"model {name!r} is quantised by {method}, but the library that reads it is not installed: {brief(error)}"
            ) from error
        raise unreachable(name, revision, error) or ValueError(
            f"model {name!r}: its weights cannot be read ({brief(error)}). Use safetensors that match its config.json."
        ) from error
    if misshapen := sorted(report["mismatched_keys"]):
        tensor, stored, expected = misshapen[0]
        raise ValueError(
            f"model {name!r}: got {tensor} of shape {list(stored)}, expected {list(expected)} by its config.json; "
            f"{len(misshapen)} tensors differ in shape. {RESTORE}"
        )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(
            f"model {name!r} lacks the weights {_listed(missing)}, expected every weight of its config.json. "
            "Download or save it again."
        )
    stored = _stored(name, revision)
    _check_used(model, report["unexpected_keys"], stored, name)
    if options.get("dtype") == "auto":
        _check_digits(model, stored, name)
    return model


def _check_used(model: PreTrainedModel, unused: set[str], stored: dict[str, Stored], name: str) -> None:
    """Raises where a tensor of the checkpoint is not in the model, or two tables are where the configuration ties them."""
    scaled = dict(model.named_modules()) if quantisation(model.config) else ()
    if left := real_leftovers(unused, stored, scaled):
        raise ValueError(
            f"model {name!r}: its weights hold {_listed(left)}, for which its config.json has no place. "
            f"{RESTORE} If they are no part of the model, load it with transformers and `save_pretrained` it again."
        )
    expected = model.get_expanded_tied_weights_keys(all_submodels=True)
    if untied := sorted(expected.keys() - model.all_tied_weights_keys.keys()):
        raise ValueError(
            f"model {name!r}: its config.json ties {untied[0]} to {expected[untied[0]]}, but its weights hold two different "
            f"tables. {RESTORE} If both are meant, write tie_word_embeddings false into it."
        )


def _check_digits(model: PreTrainedModel, stored: dict[str, Stored], name: str) -> None:
    """Raises where most weights were stored in more digits than the configuration says, so that loading rounds them."""
    sizes: Counter[str] = Counter()
    for tensor in stored.values():
        if tensor.dtype in _FLOATS:
            sizes[tensor.dtype] += prod(tensor.shape)
    if not sizes or quantisation(model.config):
        return
    most = _FLOATS[sizes.most_common(1)[0][0]]
    if torch.promote_types(most, model.dtype) != model.dtype:
        configured, actual = (str(dtype).removeprefix("torch.") for dtype in (model.dtype, most))
        raise ValueError(
            f"model {name!r}: got {configured} in its config.json, expected {actual}, the dtype of its weights. "
            f"Give dtype {actual!r} to keep full precision, or {configured!r} to round."
        )


def _stored(name: str, revision: str | None) -> dict[str, Stored]:
    """The tensors of a checkpoint as they are stored, of a folder or of the hub's cache; of the latter those that are there."""
    folder = Path(name)
    if not folder.is_dir():
        patterns = ["*.safetensors", "*.safetensors.index.json"]
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True))
    return stored_tensors(path for path in weight_files(folder) if path.is_file())


@contextmanager
def _without_report() -> Iterator[None]:
    """transformers' table of missing, misshapen and unused tensors is not logged: what is wrong with them is raised."""

    def wanted(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    log = logging.getLogger("transformers.modeling_utils")
    log.addFilter(wanted)
    try:
        yield
    finally:
        log.removeFilter(wanted)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
