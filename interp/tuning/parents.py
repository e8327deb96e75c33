"""Parents that read a language in fewer tokens: the same model with a shortened tokenizer, or with new pieces. `tune` takes both.

Each function makes an ordinary Hugging Face folder once and finds it again: a sweep may ask for it in every process.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from interp.files.atomic import write_json
from interp.files.cache import digest
from interp.files.lock import locked
from interp.models.checkpoints.folders import locate
from interp.models.checkpoints.parts import read_tokenizer
from interp.models.checkpoints.weights import read_weights
from interp.models.fingerprint import fingerprint
from interp.provenance import environment, versions
from interp.vocabulary.extension import Init, extended, grow
from interp.vocabulary.new_pieces import learn_pieces
from interp.vocabulary.shortened_tokenizer import shortened
from interp.vocabulary.shortening import Drop, plan_shortening

PARENT = "parent.json"
_CONSTANT = 0.9
_WAIT = 3600.0  # seconds another process may take to make the same folder
_Made = tuple[PreTrainedTokenizerBase, dict[str, object]]
_Make = Callable[[PreTrainedModel, PreTrainedTokenizerBase], _Made]
"""Changes a model in place where it must, and gives its new tokenizer and facts for the file `PARENT`."""
_log = logging.getLogger(__name__)


def shortened_parent(parent: str | Path, texts: Sequence[str], folder: str | Path, *, drop: Drop | None = 1) -> Path:
    """The parent with the constant lead byte(s) of a language left out of its ids: method "shorten" of arXiv 2311.09071.

    `parent` is a hub name or folder; `texts` are the language's side of what it is to be tuned on; `folder` is where the new model
    is written, or found if it was made before; `drop` as in `plan_shortening`. The weights are a copy, bit for bit. `interp.load`
    and `tune` see shortened ids everywhere, and a model tuned on it keeps `shortening.json`. Raises `ValueError` where nothing is
    spelled in parts, or the lead is merged with its neighbours.

    Example
    -------
    >>> import tempfile
    >>> from interp.tuning import shortened_parent
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     shortened_parent("bundled", ["ភាសាខ្មែរ"], f"{folder}/shortened").name
    'shortened'
    """

    def make(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> _Made:
        plan = plan_shortening(tokenizer, texts, drop)
        if len(plan.prefix) == 1 and plan.constancy < _CONSTANT:
            share, lead = 100 * plan.constancy, plan.prefix.hex().upper()
            _log.warning("only %.0f%% of the multi-token characters begin with byte %s", share, lead)
        facts = {"prefix": plan.prefix.hex().upper(), "constancy": plan.constancy, "before": plan.before, "after": plan.after}
        return shortened(tokenizer, plan), facts

    return _made(parent, Path(folder), {"method": "shorten", "drop": drop, "texts": _digest(texts)}, make)


def extended_parent(
    parent: str | Path,
    texts: Sequence[str],
    folder: str | Path,
    *,
    size: int = 3000,
    init: Init = "subword",
    keep: Sequence[str] = (),
    seed: int = 0,
) -> Path:
    """The parent with `size` new pieces for a language and a row for each in both tables: method "extend" of arXiv 2311.09071.

    `parent` is a hub name or folder; `texts` are those of the language, from which pieces are learned; `folder` is where the new
    model is written, or found if it was made before; `init` is how the new rows are initialised ("subword", "mean" or "random"),
    and `seed` the random seed of random rows. `keep` are texts of other languages, whose ids are checked to stay as they were. The
    published sizes are 1, 3, 6, 9 and 12 thousand and the rows random; there old text was segmented anew. There are fewer pieces
    where `texts` have no more to offer.

    Example
    -------
    >>> import tempfile
    >>> from interp.tuning import extended_parent
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     extended_parent("bundled", ["Gedankenexperiment", "Gedanken"], f"{folder}/extended", size=2).name
    'extended'
    """

    def make(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> _Made:
        pieces = learn_pieces(tokenizer, texts, size, keep)
        if len(pieces) < size:
            _log.warning("%d new pieces instead of %d: no further piece leaves the kept texts' ids unchanged", len(pieces), size)
        new_tokenizer, first = extended(tokenizer, pieces), len(tokenizer)
        grow(model, pieces, first, init, seed)
        _check_kept(tokenizer, new_tokenizer, keep)
        counts = {
            name: sum(map(len, encode(list(texts))["input_ids"]))
            for name, encode in (("before", tokenizer), ("after", new_tokenizer))
        }
        return new_tokenizer, {"first": first, "pieces": {piece: list(ids) for piece, ids in pieces.parts.items()}, **counts}

    settings = {"method": "extend", "size": size, "init": init, "seed": seed, "texts": _digest(texts), "keep": _digest(keep)}
    return _made(parent, Path(folder), settings, make)


def _made(parent: str | Path, folder: Path, settings: dict[str, object], make: _Make) -> Path:
    """The finished folder: made now, or found as it was made before. One process makes it, the others wait."""
    name = locate(parent, None)
    settings = {"parent": digest(fingerprint(name) or name), **settings, **versions()}
    with locked(folder, patience=_WAIT):
        if _found(folder, settings):
            return folder
        write_json(folder / PARENT, {"asked": settings, "finished": False})
        tokenizer = read_tokenizer(name, None)
        model = read_weights(name, None, AutoModelForCausalLM, {"dtype": "auto"})
        new_tokenizer, facts = make(model, tokenizer)
        model.save_pretrained(folder)
        new_tokenizer.save_pretrained(folder)
        finished = {"finished": True, "made_from": Path(name).name, **facts, "environment": environment()}
        write_json(folder / PARENT, {"asked": settings, **finished})
    return folder


def _found(folder: Path, settings: dict[str, object]) -> bool:
    """Whether `folder` holds this parent, complete. Raises `ValueError` if it holds something else."""
    if not (folder / PARENT).is_file():
        if any(folder.glob("*.safetensors")) or any(folder.glob("*.json")):
            raise ValueError(f"{folder} holds a model already. Choose another folder.")
        return False
    manifest = json.loads((folder / PARENT).read_text(encoding="utf-8"))
    for key, value in settings.items():
        if (saved := manifest["asked"].get(key)) != value:
            raise ValueError(f"{folder} holds a parent made with {key} {saved!r}, expected {value!r}. Choose another folder.")
    return bool(manifest["finished"])


def _check_kept(before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase, keep: Sequence[str]) -> None:
    texts = list(keep)
    if not texts:
        return
    pairs = zip(texts, before(texts)["input_ids"], after(texts)["input_ids"], strict=True)
    if changed := [text for text, old, new in pairs if old != new]:
        raise RuntimeError(
            f"got other ids for {len(changed)} of {len(texts)} texts to keep, {changed[0]!r} first, expected the same ids."
        )


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
