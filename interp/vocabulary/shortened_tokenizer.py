"""A tokenizer that drops constant lead bytes at encoding and restores them at decoding, and its file in the folder of a model.

Tuning, generation, the lens and TransformerLens see shortened ids and whole text through it. `save_pretrained` writes
`shortening.json` next to the unchanged tokenizer files, and `interp.load` reads it.

When it misleads: transformers does not know that file. `AutoTokenizer` on such a folder gives the model unshortened ids, which it
was not tuned on, and shows U+FFFD in its output. There use `interp.models.checkpoints.parts.read_tokenizer(folder, None)`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase
from transformers.tokenization_utils_base import EncodedInput, PreTokenizedInput, TextInput, TruncationStrategy
from transformers.utils.generic import PaddingStrategy, TensorType
from transformers.utils.hub import cached_file

from interp.files.atomic import write_json
from interp.vocabulary.shortening import Shortening
from interp.vocabulary.spelling import read_vocabulary

SHORTENING = "shortening.json"
_BY_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask", "offset_mapping")
_NOTE = (
    "This model reads and writes ids without the tokens in 'dropped', which spell 'prefix' (UTF-8, hexadecimal). They are put back "
    "before every token that begins with a continuation byte (80-BF) where a character should begin. interp.load does so; plain "
    "transformers does not: take the tokenizer of interp.models.checkpoints.parts.read_tokenizer(folder, None) there."
)


def shortened(tokenizer: PreTrainedTokenizerBase, shortening: Shortening) -> PreTrainedTokenizerBase:
    """A copy of a tokenizer that shortens its ids. Offsets, masks and padding fit the shortened ids.

    Truncation cuts the ids at the end, including a special token there. Overflowing tokens are not available.

    Parameters
    ----------
    tokenizer
        A fast Hugging Face tokenizer. It is not changed.
    shortening
        The plan, from `plan_shortening` with this tokenizer. It is the attribute `shortening` of the result.

    Raises
    ------
    ValueError
        The tokenizer is slow, or shortened already.

    Example
    -------
    >>> import interp
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> from interp.vocabulary.shortening import plan_shortening
    >>> short = shortened(tokenizer, plan_shortening(tokenizer, ["ባባባ", "በበበ"]))
    >>> ids = short("ባባባ").input_ids
    >>> len(ids) < len(tokenizer("ባባባ").input_ids), short.decode(ids, skip_special_tokens=True)
    (True, 'ባባባ')
    """
    if not tokenizer.is_fast:
        raise ValueError(f"got the slow tokenizer {type(tokenizer).__name__}, expected a fast one to shorten.")
    if hasattr(tokenizer, "shortening"):
        raise ValueError("got a tokenizer that is shortened already, expected the original one.")
    own = copy.deepcopy(tokenizer)
    own_class: type = type(tokenizer)
    own.__class__ = _kind(own_class)
    own.shortening = shortening
    return own


def read_shortened(tokenizer: PreTrainedTokenizerBase, name: str, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, shortened if the model has a `shortening.json`.

    Parameters
    ----------
    tokenizer
        The unshortened tokenizer of the model.
    name
        Name of the model on the Hub, or its folder.
    revision
        Revision on the Hub. Default: the main branch.

    Raises
    ------
    ValueError
        `shortening.json` is not readable.

    Example
    -------
    A model without the file keeps its tokenizer:

    >>> import interp
    >>> from interp.models.checkpoints.folders import BUNDLED
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> read_shortened(tokenizer, str(BUNDLED)) is tokenizer
    True
    """
    quiet = {f"_raise_exceptions_for_{kind}": False for kind in ("missing_entries", "connection_errors", "gated_repo")}
    path = cached_file(name, SHORTENING, revision=revision, **quiet)
    if path is None:
        return tokenizer
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
        prefix, dropped = bytes.fromhex(saved["prefix"]), tuple(map(int, saved["dropped"]))
        counts = {key: int(saved[key]) for key in ("before", "after", "split", "begun")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{SHORTENING} of model {name!r} is not readable ({error!r}). Make the folder again.") from None
    return shortened(tokenizer, Shortening(prefix, dropped, read_vocabulary(tokenizer).spelling, **counts))


@cache
def _kind(own: type) -> type:
    """A subclass with the name of the tokenizer's class, so that a saved tokenizer is loaded by its own class."""
    return type(own.__name__, (_Shortened, own), {})


class _Shortened(PreTrainedTokenizerBase):
    shortening: Shortening

    def _encode_plus(  # type: ignore[override]
        self,
        text: TextInput | PreTokenizedInput | EncodedInput,
        text_pair: TextInput | PreTokenizedInput | EncodedInput | None = None,
        padding_strategy: PaddingStrategy = PaddingStrategy.DO_NOT_PAD,
        truncation_strategy: TruncationStrategy = TruncationStrategy.DO_NOT_TRUNCATE,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | TensorType | None = None,
        return_overflowing_tokens: bool = False,
        **how: Any,
    ) -> BatchEncoding:
        if return_overflowing_tokens:
            raise ValueError(
                "got return_overflowing_tokens=True, expected False for a shortened tokenizer. Truncate the text yourself."
            )
        encoding = super()._encode_plus(text, text_pair, **how)
        nested = bool(encoding["input_ids"]) and isinstance(encoding["input_ids"][0], list)
        table = {key: encoding[key] if nested else [encoding[key]] for key in _BY_TOKEN if key in encoding}
        kept_indices = [self.shortening.kept(ids) for ids in table["input_ids"]]
        if truncation_strategy != TruncationStrategy.DO_NOT_TRUNCATE and max_length is not None:
            kept_indices = [
                indices[:max_length] if self.truncation_side == "right" else indices[-max_length:] for indices in kept_indices
            ]
        values: dict[str, list[Any]] = {
            key: [[row[index] for index in indices] for row, indices in zip(rows, kept_indices, strict=True)]
            for key, rows in table.items()
        }
        if "length" in encoding:
            values["length"] = [len(indices) for indices in kept_indices]
        if not nested and return_tensors is None:
            values = {key: row[0] for key, row in values.items()}
        return self.pad(
            BatchEncoding(values), padding=padding_strategy, max_length=max_length, pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side, return_attention_mask="attention_mask" in values, return_tensors=return_tensors,
            verbose=False,
        )  # fmt: skip

    def tokenize(self, text: str, pair: str | None = None, add_special_tokens: bool = False, **how: Any) -> list[str]:
        ids = self._encode_plus(text, pair, add_special_tokens=add_special_tokens, **how)["input_ids"]
        return list(self.convert_ids_to_tokens(ids))

    def _decode(self, token_ids: int | Sequence[int], *args: Any, **how: Any) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        return super()._decode(self.shortening.restore(ids), *args, **how)

    def save_pretrained(self, save_directory: str | PathLike[str], *args: Any, **how: Any) -> tuple[str, ...]:
        written = super().save_pretrained(save_directory, *args, **how)
        plan, path = self.shortening, Path(save_directory) / SHORTENING
        write_json(path, {
            "prefix": plan.prefix.hex().upper(), "dropped": list(plan.dropped), "before": plan.before, "after": plan.after,
            "split": plan.split, "begun": plan.begun, "note": _NOTE,
        })  # fmt: skip
        return (*written, str(path))
