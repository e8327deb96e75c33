"""Read the parts of a model, on disk or on the Hub, or refuse it with one sentence that says why.

Weights are read from safetensors only (a pickle can run code), and a repository's own code never runs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import errors, snapshot_download
from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING, AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from interp.files.checks import safe_path
from interp.files.sealed_json import read_object
from interp.languages import nearest
from interp.models.checkpoints.configurations import RESTORE, check_names, check_settings
from interp.models.checkpoints.device_map import quantisation
from interp.models.checkpoints.leftovers import Stored, real_leftovers, stored_tensors
from interp.vocabulary.shortened_tokenizer import read_shortened

BUNDLED = Path(__file__).parents[2] / "bundled"
_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers")
_FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def locate(name: str | Path, revision: str | None) -> str:
    """Find the folder of a model, and check that it is complete, or return its Hub name.

    Parameters
    ----------
    name
        A Hub name, a folder, or "bundled".
    revision
        Branch, tag or commit on the Hub; None for a folder.

    Raises
    ------
    ValueError
        The folder does not exist or is incomplete, or a revision is given for a folder.
    """
    if revision is not None and (str(name) == "bundled" or Path(name).expanduser().is_dir()):
        raise ValueError(
            f"model {str(name)!r}: got revision {revision!r} for a folder, expected none. Leave revision out, or give a Hub name."
        )
    if str(name) == "bundled" and not (BUNDLED / "config.json").is_file():
        raise ValueError(
            "model 'bundled' is missing from this installation. Give a Hub name or a folder, or train it with "
            "`python -m experiments.bundled.train`."
        )
    folder = BUNDLED if str(name) == "bundled" else Path(name).expanduser()
    if not folder.is_dir():
        looks_local = isinstance(name, Path) or str(name).startswith((".", "/", "~")) or str(name).count("/") > 1
        if looks_local or folder.is_file():
            raise ValueError(
                f"model {str(name)!r} is not a folder, expected a Hugging Face folder, or a Hub name like 'org/model'."
            )
        return str(name)
    _check_folder(folder)
    return str(folder)


def _check_folder(folder: Path) -> None:
    config = folder / "config.json"
    if not config.is_file():
        todo = "Give a Hugging Face folder, as `save_pretrained` writes it."
        if (folder / "adapter_config.json").is_file():
            todo = (
                "It holds a PEFT adapter: open it with peft.AutoPeftModelForCausalLM.from_pretrained(folder), and give that model "
                "to interp.load with tokenizer=."
            )
        raise ValueError(f"model {str(folder)!r} has no config.json. {todo}")
    if (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"model {str(folder)!r}: got weights and a PEFT adapter, which may belong to other weights, expected one of them. "
            "Merge the adapter and save, or remove adapter_config.json."
        )
    tensors = sum(map(_count_tensors, _shards(folder)))
    settings = _read_json(config)
    check_settings(settings, str(folder))
    if (layers := _most_layers(settings)) > tensors:
        raise ValueError(f"{config}: got {layers} layers, expected at most the {tensors} tensors of the weights. {RESTORE}")


def _shards(folder: Path) -> list[Path]:
    """The files of weights of a folder, as its index names them where it has one."""
    index, names = folder / "model.safetensors.index.json", {"model.safetensors"}
    if index.is_file():
        weights = _read_json(index).get("weight_map")
        if not isinstance(weights, dict) or not weights or not all(isinstance(name, str) for name in weights.values()):
            raise ValueError(f"{index} has no weight_map. Save or download the model again.")
        names = set(weights.values())
    return [safe_path(folder, name, links=True) for name in sorted(names)]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_object(path)
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON ({error}). Save or download the model again.") from None


def _most_layers(config: object) -> int:
    """The most layers that a configuration names, its parts included: it is built before its weights are looked at."""
    if isinstance(config, list):
        return max(map(_most_layers, config), default=0)
    if not isinstance(config, dict):
        return 0
    named = [value for key, value in config.items() if key in _LAYERS and isinstance(value, int)]
    return max([*named, *map(_most_layers, config.values())], default=0)


def _count_tensors(shard: Path) -> int:
    """How many tensors a file of weights holds. Raises `ValueError` where it is none."""
    if not shard.is_file():
        pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in shard.parent.glob(pattern))
        todo = "Save its weights as safetensors."
        if pickled:
            todo = f"It has {pickled[0]}, but a pickle can run code: load it with transformers and save it with `save_pretrained`."
        raise ValueError(f"model {str(shard.parent)!r} has no {shard.name}. {todo}")
    try:
        with safe_open(shard, framework="pt") as file:
            return len(file.keys())
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{shard} is truncated or corrupt ({error}). Save or download the model again.") from None


def read_config(name: str, revision: str | None) -> PreTrainedConfig:
    """Read the configuration of a model.

    Parameters
    ----------
    name, revision
        As `locate` returns and takes them.

    Raises
    ------
    ValueError
        transformers does not have the architecture, or the configuration has an impossible value (see `configurations`).
    """
    try:
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise _unreachable(name, revision, error) or _unknown_type(name, error) from error
    check_settings(config.to_dict(), name)
    check_names(config, name)
    return config


def _unknown_type(name: str, error: Exception) -> ValueError:
    words = str(error).split("`")
    if "does not recognize" in str(error) and len(words) > 1:
        kind = words[1]
        return ValueError(f"model {name!r}: architecture {kind!r} is not supported.{nearest(kind, CONFIG_MAPPING.keys())}")
    if "trust_remote_code" in str(error):
        return ValueError(
            f"model {name!r} would run code from its own repository, which is refused. Use an architecture of transformers."
        )
    return ValueError(f"model {name!r}: its configuration is not usable ({_brief(error)}). {RESTORE}")


def read_tokenizer(name: str, revision: str | None) -> PreTrainedTokenizerBase:
    """Read the tokenizer of a model, shortened if the folder says so. Without a padding token it pads with its end-of-text token.

    Parameters
    ----------
    name, revision
        As `locate` returns and takes them.

    Raises
    ------
    ValueError
        There is no readable tokenizer, or its vocabulary is empty.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise _unreachable(name, revision, error) or ValueError(
            f"model {name!r} has no readable tokenizer ({_brief(error)}). Add tokenizer.json to the weights, or give tokenizer=."
        ) from error
    if not tokenizer.get_vocab():
        raise ValueError(f"model {name!r} has an empty tokenizer. Add tokenizer.json to the weights, or give tokenizer=.")
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    return read_shortened(tokenizer, name, revision)


def read_weights(name: str, revision: str | None, kind: Any, options: dict[str, Any]) -> PreTrainedModel:
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
                f"model {name!r} is quantised by {method}, and what reads that is not here: {_brief(error)}"
            ) from error
        raise _unreachable(name, revision, error) or ValueError(
            f"model {name!r}: its weights cannot be read ({_brief(error)}). Use safetensors that match its config.json."
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
    for each in stored.values():
        if each.dtype in _FLOATS:
            sizes[each.dtype] += prod(each.shape)
    if not sizes or quantisation(model.config):
        return
    most = _FLOATS[sizes.most_common(1)[0][0]]
    if torch.promote_types(most, model.dtype) != model.dtype:
        says, holds = (str(each).removeprefix("torch.") for each in (model.dtype, most))
        raise ValueError(
            f"model {name!r}: got {says} in its config.json, expected {holds}, the dtype of its weights. "
            f"Give dtype {holds!r} to keep full precision, or {says!r} to round."
        )


def _stored(name: str, revision: str | None) -> dict[str, Stored]:
    """The tensors of a checkpoint as they are stored, of a folder or of the hub's cache; of the latter those that are there."""
    folder = Path(name)
    if not folder.is_dir():
        patterns = ["*.safetensors", "*.safetensors.index.json"]
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True))
    return stored_tensors(path for path in _shards(folder) if path.is_file())


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


def _unreachable(name: str, revision: str | None, error: BaseException) -> OSError | ValueError | None:
    """Why a hub name gave nothing, found along the chain of causes; None where the hub is not to blame."""
    if Path(name).is_dir():
        return None
    at = f"model {name!r}" + (f" at revision {revision!r}" if revision else "")
    causes = _causes(error)

    def caused_by(*types: type[BaseException]) -> bool:
        return any(isinstance(cause, types) for cause in causes)

    if caused_by(errors.GatedRepoError):
        return OSError(f"{at} is gated. Accept its terms on its hub page, then log in with `hf auth login`.")
    if caused_by(errors.RevisionNotFoundError):
        return ValueError(f"{at} does not exist, expected a branch, tag or commit of it.")
    if caused_by(errors.RepositoryNotFoundError, errors.HFValidationError):
        return ValueError(f"{at} is unknown: no folder here and no public model on the hub has that name. Check the spelling.")
    if caused_by(errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError):
        return OSError(f"{at} is not in the local cache and the hub cannot be reached. Go online, or give a local folder.")
    if caused_by(errors.EntryNotFoundError) or "does not appear to have a file" in str(error):
        return OSError(f"{at} lacks a required file ({_brief(error)}). Weights must be safetensors: pickles are refused.")
    return None


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
