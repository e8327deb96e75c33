"""Check that a configuration describes a causal language model, before anything is built from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import transformers
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
from transformer_lens.model_bridge.sources.transformers import get_hf_model_class_for_architecture
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedConfig, PreTrainedModel
from transformers.activations import ACT2CLS
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from interp.files.checks import short_repr
from interp.languages import nearest

_HEADS, _SHARED = (
    ("num_attention_heads", "n_head", "n_heads", "attention_heads", "num_heads"),
    ("num_key_value_heads", "num_kv_heads"),
)
_LAYERS, _WIDTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers"), ("hidden_size", "n_embd", "d_model", "head_dim")
_COUNTS = {
    *_HEADS, *_SHARED, *_LAYERS, *_WIDTHS, "intermediate_size", "ffn_dim", "n_inner", "vocab_size", "max_position_embeddings",
    "n_positions", "n_ctx", "max_seq_len", "sliding_window", "original_max_position_embeddings",
}  # fmt: skip
_POSITIVE = {"rope_theta", "rope_local_base_freq", "global_rope_theta", "local_rope_theta", "rotary_emb_base", "rotary_pct",
             "partial_rotary_factor"}  # fmt: skip
_EPSILONS = {"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon"}
_NESTED = {"text_config", "rope_parameters", "rope_scaling"}
RESTORE = "Restore the config.json that its weights were saved with."
_HEADLESS = {"BloomModel": "bloom"}
"""Names of a model without a head that published checkpoints of a language model carry."""


def check_settings(settings: Mapping[str, object], name: str) -> None:
    """Refuse a configuration whose sizes are of no model.

    `settings` are its plain values, of `config.json` or of `config.to_dict()`; `name` is for the error. Asked are sizes (a whole
    number from 1), rotary bases and factors (above 0), epsilons (from 0), and that each key-value head serves as many heads.
    None stands for "not set". Raises `ValueError` naming the field.
    """
    for key, value in _numbers(settings):
        expected = _wanted(key, value)
        if expected:
            raise ValueError(f"model {name!r}, configuration: got {key} {short_repr(value)}, expected {expected}. {RESTORE}")
    for part in (settings, settings.get("text_config")):
        _check_heads(part if isinstance(part, Mapping) else {}, name)


def _numbers(settings: Mapping[str, object], inside: str = "") -> Iterator[tuple[str, object]]:
    """Every value by its name, with those of the parts that describe a language model."""
    sliding = settings.get("use_sliding_window", True)
    for key, value in settings.items():
        if isinstance(value, Mapping) and (key in _NESTED or inside.startswith("rope_")):
            yield from _numbers(value, key if key in _NESTED else inside)
        elif inside.startswith("rope_") and key == "factor":
            yield f"{inside} {key}", value
        elif key != "sliding_window" or sliding:
            yield key, value


def _wanted(key: str, value: Any) -> str:
    """What is expected of a value of that name; empty where it is such a value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or isinstance(value, list | tuple):  # some families give a list, one value per layer
        return ""
    if key in _COUNTS:
        return "" if not number or value >= 1 else "a whole number from 1"
    if key in _POSITIVE or key.endswith(" factor"):
        return "" if number and 0 < value < math.inf else "a number above 0"
    if key in _EPSILONS:
        return "" if number and 0 <= value < math.inf else "a number from 0"
    return ""


def _check_heads(settings: Mapping[str, Any], name: str) -> None:
    heads = next((settings[key] for key in _HEADS if isinstance(settings.get(key), int)), None)
    shared = next((settings[key] for key in _SHARED if isinstance(settings.get(key), int)), None)
    if heads and shared and heads % shared:
        raise ValueError(
            f"model {name!r}, configuration: got {heads} attention heads and {shared} key-value heads, expected a multiple "
            f"of the key-value heads. {RESTORE}"
        )


def check_names(config: PreTrainedConfig, name: str) -> None:
    """Raises `ValueError` where the `config` of model `name` asks for a rotary embedding or activation that transformers lacks."""
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    parts = (rope, *(section for section in rope.values() if isinstance(section, Mapping)))
    settings = [("rope_type", section.get("rope_type"), {"default", *ROPE_INIT_FUNCTIONS}) for section in parts]
    settings += [
        (key, getattr(text, key, None), set(ACT2CLS)) for key in ("hidden_act", "activation_function", "hidden_activation")
    ]
    for key, value, allowed in settings:
        if isinstance(value, str) and value not in allowed:
            raise ValueError(
                f"model {name!r}, configuration: got {key} {short_repr(value)}, expected one of {', '.join(sorted(allowed))}."
            )


def stored_architecture(config: PreTrainedConfig, name: str) -> str:
    """The architecture of a checkpoint, as TransformerLens spells it.

    A `config.json` names one class, and it must be the language model of its `model_type`; where it names none, that one is taken.
    `name` is for the error. Raises `ValueError` for several names, another family's, a model with another head or with none, an
    encoder, and one that TransformerLens does not have.
    """
    names, kind = getattr(config, "architectures", None) or [], config.model_type
    mappings = (MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    known = [mapping[kind] for mapping in mappings if isinstance(mapping.get(kind), str)]
    if not isinstance(names, list) or len(names) > 1 or not all(isinstance(entry, str) for entry in names):
        raise ValueError(
            f"model {name!r}, configuration: got architectures {short_repr(names)}, expected a list of one class name"
            f"{f', such as {known[:1]}' if known else ''}. {RESTORE}"
        )
    architecture = names[0] if names else next((spelling for spelling in known if _spelled(spelling)), known[0] if known else kind)
    if not _spelled(architecture) and (not known or _same(architecture, known)):
        raise ValueError(
            f"model {name!r}: architecture {architecture!r} is not supported.{nearest(architecture, SUPPORTED_ARCHITECTURES)}"
        )
    if not _same(architecture, known) and _HEADLESS.get(architecture) != kind:
        raise ValueError(_other(architecture, known, kind, config, name))
    return _causal(_spelled(architecture), config, name)


def live_architecture(model: PreTrainedModel, name: str) -> str:
    """The architecture of a `model` in memory: the nearest class of it that TransformerLens has, whatever its configuration says.

    `name` is for the error. Raises `ValueError` where there is none, or where it is no causal language model.
    """
    classes = [base.__name__ for base in type(model).__mro__]
    architecture = next((spelled for each in classes if (spelled := _spelled(each))), "")
    if not architecture or model.get_output_embeddings() is None:
        suggestion = nearest(classes[0], SUPPORTED_ARCHITECTURES)
        raise ValueError(f"model {name!r}: got a {classes[0]}, expected a supported causal language model.{suggestion}")
    return _causal(architecture, model.config, name)


def _causal(architecture: str, config: PreTrainedConfig, name: str) -> str:
    kind = get_hf_model_class_for_architecture(architecture)
    encoder = architecture == "BertLMHeadModel" and not getattr(config, "is_decoder", False)
    if encoder or kind not in (AutoModelForCausalLM, AutoModelForImageTextToText):
        raise ValueError(f"model {name!r}: got a {architecture}, expected a causal language model (a decoder).")
    return architecture


def _other(architecture: str, known: list[str], kind: str, config: PreTrainedConfig, name: str) -> str:
    """What is wrong with the name of a class that is not the language model of its family."""
    expected = f"a causal language model (a decoder){f', for {kind} {known[0]}' if known else ''}"
    if getattr(getattr(transformers, architecture, None), "config_class", None) is type(config) or not known:
        return f"model {name!r}: got a {architecture}, expected {expected}."
    return (
        f"model {name!r}, configuration: got model_type {kind!r} and architecture {architecture!r}, expected {known[0]}. {RESTORE}"
    )


def _same(name: str, others: list[str]) -> bool:
    return name.casefold() in {other.casefold() for other in others}


def _spelled(name: str) -> str:
    """A class name as TransformerLens spells it (it says PhiMoE where transformers says Phimoe); empty where it has none."""
    return next((supported for supported in SUPPORTED_ARCHITECTURES if supported.casefold() == name.casefold()), "")
