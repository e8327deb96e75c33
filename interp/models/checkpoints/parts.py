"""Read the configuration and the tokenizer of a model, or refuse it with one sentence that says why.

A repository's own code never runs.
"""

from __future__ import annotations

from transformers import CONFIG_MAPPING, AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from interp.languages import nearest
from interp.models.checkpoints.configurations import RESTORE, check_names, check_settings
from interp.models.checkpoints.unreachable import brief, unreachable
from interp.vocabulary.shortened_tokenizer import read_shortened


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
        raise unreachable(name, revision, error) or _unknown_type(name, error) from error
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
    return ValueError(f"model {name!r}: its configuration is not usable ({brief(error)}). {RESTORE}")


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
        raise unreachable(name, revision, error) or ValueError(
            f"model {name!r} has no readable tokenizer ({brief(error)}). Add tokenizer.json to the weights, or give tokenizer=."
        ) from error
    if not tokenizer.get_vocab():
        raise ValueError(f"model {name!r} has an empty tokenizer. Add tokenizer.json to the weights, or give tokenizer=.")
    return read_shortened(padding_with_end(tokenizer), name, revision)


def padding_with_end(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """`tokenizer` itself, which from now on pads with its end-of-text token if it has no padding token."""
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
