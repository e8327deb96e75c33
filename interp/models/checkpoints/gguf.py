"""Read a model from a GGUF file, as llama.cpp and Ollama use them. Its weights are dequantised: they are not the original's."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

import torch
from transformer_lens.model_bridge.sources.transformers import get_hf_model_class_for_architecture
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.auto_factory import _BaseAutoModelClass

from interp.models.checkpoints.configurations import check_names, check_settings, stored_architecture
from interp.models.checkpoints.parts import padding_with_end, read_tokenizer
from interp.models.checkpoints.unreachable import brief
from interp.provenance import install_command

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
_log = logging.getLogger(__name__)


def find_gguf(name: str | Path) -> Path | None:
    """The GGUF file at the path `name`: the file itself, or the only one of a folder without a config.json; else None.

    Raises `ValueError` for a folder with several such files.
    """
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path
    if not path.is_dir() or (path / "config.json").exists():
        return None
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        raise ValueError(f"model {str(name)!r}: got {len(files)} GGUF files, expected one. Name the file: {files[0]}.")
    return files[0] if files else None


def read_gguf(
    path: Path, tokenizer: PreTrainedTokenizerBase | None, dtype: torch.dtype | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Read configuration, tokenizer and weights from a GGUF file, with transformers.

    Parameters
    ----------
    path
        The file.
    tokenizer
        The tokenizer of the model. Default: the one beside the file (tokenizer.json or tokenizer_config.json), else the one in it.
    dtype
        Dtype of the dequantised weights. Default: float32.

    Raises
    ------
    ImportError
        The package gguf is not installed.
    ValueError
        transformers cannot read this architecture from GGUF, or weights are missing.
    """
    if find_spec("gguf") is None:
        raise ImportError(
            f"model {str(path)!r} is GGUF, which needs gguf, which is not installed. Install it: {install_command('gguf')}"
        )
    where = {"gguf_file": path.name, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(path.parent, **where)
        check_settings(config.to_dict(), str(path))
        check_names(config, str(path))
        kind: type[_BaseAutoModelClass] = get_hf_model_class_for_architecture(stored_architecture(config, str(path)))
        if tokenizer is None:
            beside = any((path.parent / name).is_file() for name in _TOKENIZER)
            tokenizer = read_tokenizer(str(path.parent), None) if beside else _own_tokenizer(path)
        hf, report = kind.from_pretrained(
            path.parent, **where, dtype=dtype or torch.float32, attn_implementation="eager", output_loading_info=True
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ValueError(f"model {str(path)!r} cannot be read as GGUF ({brief(error)}). Give its Hugging Face folder.") from error
    for name in ("quantization_config", "_pre_quantization_dtype"):  # of the file; these weights are not quantised any more
        if hasattr(hf.config, name):
            delattr(hf.config, name)
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"model {str(path)!r} lacks the weights {missing[0]} ({len(missing)} in all). Download it again.")
    _log.warning(
        "model %s: GGUF weights are dequantised to %s; results differ from those of the model they were quantised from",
        path.name,
        str(hf.dtype).removeprefix("torch."),
    )
    return hf, tokenizer


def _own_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    try:
        return padding_with_end(AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, trust_remote_code=False))
    except Exception as error:
        raise ValueError(f"put tokenizer.json beside it, or give tokenizer=: its own is not readable, {brief(error)}") from error
