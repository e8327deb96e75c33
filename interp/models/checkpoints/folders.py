"""Find a model by its name, and refuse a folder that holds no whole model before anything of it is built.

Weights are safetensors only: a pickle can run code.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from safetensors import SafetensorError, safe_open

import interp.bundled
from interp.files.checks import safe_path
from interp.files.sealed_json import Json, read_object
from interp.models.checkpoints.configurations import RESTORE, check_settings

BUNDLED = Path(interp.bundled.__file__).parent
_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers")


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
    if not str(name).strip():
        raise ValueError("got an empty model name, expected a Hub name, a folder, or 'bundled'.")
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
        looks_local = looks_local or str(name).endswith(".gguf")
        if looks_local or folder.is_file():
            raise ValueError(
                f"model {str(name)!r} is not a folder, expected a Hugging Face folder, a GGUF file, or a Hub name like 'org/model'."
                f"{_meant(folder)}"
            )
        if meant := _meant(folder):
            raise ValueError(f"model {str(name)!r} is no folder here, and is not looked for on the Hub.{meant}")
        return str(name)
    _check_folder(folder)
    return str(folder)


def _meant(missing: Path) -> str:
    """ " Did you mean ...?" for a mistyped "bundled" or local folder of a model; empty if nothing here is like it.

    Names that differ in a digit are different models, such as two sizes of one, of which the Hub may have the other.
    """
    digits = re.sub(r"\D", "", missing.name)
    beside = [path.name for path in missing.parent.iterdir()] if missing.parent.is_dir() else []
    models = [name for name in beside if (missing.parent / name / "config.json").is_file() or name.endswith(".gguf")]
    own = ["bundled"] if missing.parent == Path() else []
    like = [name for name in (*own, *models) if re.sub(r"\D", "", name) == digits]
    found = difflib.get_close_matches(missing.name.casefold(), [name.casefold() for name in like], n=1, cutoff=0.8)
    meant = [str(missing.parent / name) for name in like if name.casefold() in found]
    return f" Did you mean {meant[0]}?" if meant else ""


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
    tensors = sum(map(_count_tensors, weight_files(folder)))
    settings = _read_json(config)
    check_settings(settings, str(folder))
    if (layers := _most_layers(settings)) > tensors:
        raise ValueError(f"{config}: got {layers} layers, expected at most the {tensors} tensors of the weights. {RESTORE}")


def weight_files(folder: Path) -> list[Path]:
    """The files of weights of a `folder`, as its index names them where it has one."""
    index, names = folder / "model.safetensors.index.json", {"model.safetensors"}
    if index.is_file():
        weights = _read_json(index).get("weight_map")
        if not isinstance(weights, dict) or not weights or not all(isinstance(name, str) for name in weights.values()):
            raise ValueError(f"{index} has no weight_map. Save or download the model again.")
        names = set(weights.values())
    return [safe_path(folder, name, links=True) for name in sorted(names)]


def _read_json(path: Path) -> dict[str, Json]:
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
        todo, gguf = "Save its weights as safetensors.", sorted(path.name for path in shard.parent.glob("*.gguf"))
        if gguf:
            todo = f"It has {gguf[0]}: give the path of that file."
        if pickled:
            todo = f"It has {pickled[0]}, but a pickle can run code: load it with transformers and save it with `save_pretrained`."
        raise ValueError(f"model {str(shard.parent)!r} has no {shard.name}. {todo}")
    try:
        with safe_open(shard, framework="pt") as file:
            return len(file.keys())
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{shard} is truncated or corrupt ({error}). Save or download the model again.") from None
