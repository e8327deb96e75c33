"""Pooled activations of every sentence in every language, in memory or read from a folder when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.activations.files import StoredStates, read_capture_manifest
from interp.languages import in_other_script, language, languages
from interp.models.checks.finite import check_finite
from interp.models.sites import Site, layer_names
from interp.provenance import CorpusIdentity, ModelIdentity, Signature

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Activations:
    """Pooled activations of parallel sentences, as `interp.capture` returns them.

    `activations[language]` is float32 `[layer sentence d_model]`, in any spelling of the language. The object is immutable. If the
    activations are in a folder, a language is read each time it is asked for, and never before.

    Attributes
    ----------
    layers
        Names of the layers. For the residual stream "embed" (the input of block 0), then "0" .. "N-1" (the output of each block);
        for attention and MLP "0" .. "N-1" (what each block adds).
    site
        "residual", "attention" or "mlp".
    pooling
        How the tokens of a sentence were combined: "mean", "last", "weighted" or "end".
    ids
        Identifiers of the sentences, in the same order in every language.
    languages
        FLORES-200 codes of the languages.
    signature
        Model, corpus and settings of the capture.
    documents
        The document of each sentence, if the corpus has documents.
    labels
        Further labels of each sentence, by name.
    states
        The activations of each language, in memory or in a file. Use `activations[language]` instead.
    rows
        Rows of `states` that are selected; empty for all of them.
    token_ids
        The tokens of each sentence. Use `tokens(language)` instead.
    sinks
        The attention sinks left out of each sentence. Use `left_out(language)` instead.
    facts
        What else the numbers depend on, such as hashes of the weights and library versions (`interp.models.computation`).

    Notes
    -----
    The last layer of the residual stream is the input of the final norm. Hugging Face's `hidden_states[-1]` is its output.

    Example
    -------
    >>> import numpy as np, interp
    >>> random = np.random.default_rng(0)
    >>> arrays = {code: random.normal(size=(3, 5, 8)) for code in ("eng_Latn", "deu_Latn")}  # layer, sentence, d_model
    >>> activations = interp.Activations.from_arrays(arrays)
    >>> activations.layers, len(activations), activations.d_model
    (('embed', '0', '1'), 5, 8)
    >>> tuple(activations.select(layers=["embed"])["German"].shape)
    (1, 5, 8)
    """

    layers: tuple[str, ...]
    site: Site
    pooling: str
    ids: tuple[str, ...]
    languages: tuple[str, ...]
    signature: Signature
    documents: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    states: Mapping[str, Any] = field(default_factory=dict, repr=False)
    rows: tuple[int, ...] = ()
    token_ids: Mapping[str, Sequence[Tensor]] = field(default_factory=dict, repr=False)
    sinks: Mapping[str, Sequence[tuple[int, ...]]] = field(default_factory=dict, repr=False)
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __getitem__(self, spelling: str) -> Float[Tensor, "layer sentence d_model"]:
        """The activations of one language, in any spelling of it, as float32 `[layer sentence d_model]`.

        Raises `ValueError` if the language is missing, or if a value is NaN or infinite.
        """
        code = language(spelling).code
        if code not in self.languages:
            raise ValueError(
                f"got language {code}, expected one of {', '.join(self.languages)}.{in_other_script(code, self.languages)}"
            )
        states = self.states[code]
        rows = list(self.rows or range(len(self.layers)))
        if not isinstance(states, StoredStates):
            return self._checked(code, states[rows])
        stored, shape = states.read(rows), (len(rows), len(self.ids), self.d_model)
        if tuple(stored.shape) != shape or stored.dtype != torch.float32:
            raise ValueError(
                f"{states.path}: got {stored.dtype} {tuple(stored.shape)}, expected float32 {shape}, [layer sentence d_model]. "
                "Capture into another folder."
            )
        return self._checked(code, stored)

    def _checked(self, code: str, states: Tensor) -> Tensor:
        check_finite(
            states, lambda row, sentence, _: f"the state at layer {self.layers[row]} of sentence {self.ids[sentence]!r} in {code}"
        )
        return states

    def tokens(self, spelling: str) -> list[Int[Tensor, " _"]]:
        """The token ids of each sentence of a language (`spelling`), with sinks. Raises `ValueError` if they were not stored."""
        code = language(spelling).code
        states = self.states.get(code)
        stored = states.read_tokens() if isinstance(states, StoredStates) else list(self.token_ids.get(code, ()))
        if len(stored) != len(self.ids):
            raise ValueError(f"these activations have no token ids of {code}. Capture again, or give from_arrays(..., tokens=).")
        return stored

    def left_out(self, spelling: str) -> list[tuple[int, ...]]:
        """The attention sinks left out of each sentence of a language (`spelling`), positions in `tokens`; mostly none or (0,).

        With pooling "end" they may stand behind the tokens of the sentence, in the template.
        """
        code = language(spelling).code
        states = self.states.get(code)
        if isinstance(states, StoredStates):
            return states.read_sinks(len(self.ids))
        return list(self.sinks.get(code, ())) or [()] * len(self.ids)

    def __repr__(self) -> str:
        codes = ", ".join(self.languages[:6]) + (f", ... ({len(self.languages)})" if len(self.languages) > 6 else "")
        shape = f"{len(self.layers)} layers x {len(self)} sentences x d_model {self.d_model}"
        return f"Activations of {self.signature.model.name}: {shape} in {codes}, site {self.site}, pooling {self.pooling}"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.signature.model.d_model

    def select(self, languages: Sequence[str] | None = None, layers: Sequence[str | int] | None = None) -> Activations:
        """Select languages and layers, without reading any activations.

        Parameters
        ----------
        languages
            Languages in any spelling, in the order wanted. Default: all.
        layers
            Layers by name ("embed", "3") or by row number, which may be negative. Default: all.

        Raises
        ------
        ValueError
            A language or layer is missing, or is named twice.
        """
        codes = self.languages if languages is None else tuple(_codes(languages))
        for code in codes:
            if code not in self.languages:
                raise ValueError(
                    f"got language {code}, expected one of {', '.join(self.languages)}.{in_other_script(code, self.languages)}"
                )
        chosen = choose_rows(self.layers, layers)
        rows = self.rows or tuple(range(len(self.layers)))
        return replace(
            self,
            languages=codes,
            layers=tuple(self.layers[row] for row in chosen),
            rows=tuple(rows[row] for row in chosen),
            states=MappingProxyType({code: self.states[code] for code in codes}),
        )

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Tensor | np.ndarray],
        *,
        site: Site = "residual",
        pooling: str = "mean",
        layers: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
        documents: Sequence[str] | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
        signature: Signature | None = None,
        tokens: Mapping[str, Sequence[Sequence[int]]] | None = None,
    ) -> Activations:
        """Make `Activations` of arrays that were captured by other means.

        Parameters
        ----------
        arrays
            An array `[layer sentence d_model]` for each language, of equal shapes. Converted to float32.
        site
            "residual", "attention" or "mlp".
        pooling
            How the tokens of a sentence were combined, for the record.
        layers
            Names of the layers. Default: "embed", "0", "1" .. for the residual stream, else "0", "1" ..
        ids
            Identifiers of the sentences. Default: "0", "1" ..
        documents
            The document of each sentence, so that resampling keeps the sentences of a document together.
        labels
            Further labels of each sentence, by name.
        signature
            Model, corpus and settings. Default: a placeholder named "arrays".
        tokens
            Token ids of each sentence, by language.

        Raises
        ------
        ValueError
            The arrays differ in shape or have other than three axes, or the number of layers or ids does not fit them.
        """
        states = {code: torch.as_tensor(array).float() for code, array in zip(_codes(arrays), arrays.values(), strict=True)}
        shapes = [tuple(tensor.shape) for tensor in states.values()]
        if len(set(shapes)) != 1 or len(shape := shapes[0]) != 3:
            raise ValueError(f"from_arrays: got shapes {shapes}, expected one [layer sentence d_model].")
        names = tuple(layers or layer_names(site, shape[0] - (site == "residual")))
        numbers = tuple(ids or map(str, range(shape[1])))
        for what, given, expected in (("layers", len(names), shape[0]), ("ids", len(numbers), shape[1])):
            if given != expected:
                raise ValueError(f"from_arrays: got {given} {what} for arrays of shape {shape}, expected {expected}.")
        model = ModelIdentity("arrays", "0" * 64, shape[0] - (site == "residual"), shape[2], "float32")
        made = Signature("capture", model, CorpusIdentity("arrays", "0" * 64, shape[1]), {"site": site, "pool": pooling})
        return cls(
            layers=names,
            site=site,
            pooling=pooling,
            ids=numbers,
            languages=tuple(states),
            signature=signature or made,
            documents=tuple(documents) if documents else None,
            labels=MappingProxyType({name: tuple(values) for name, values in (labels or {}).items()}),
            states=MappingProxyType(states),
            token_ids={language(code).code: [torch.tensor(ids) for ids in given] for code, given in (tokens or {}).items()},
        )

    @classmethod
    def load(cls, folder: str | Path) -> Activations:
        """Open a finished capture.

        Parameters
        ----------
        folder
            The `folder` given to `interp.capture`. The checksum of each file is verified when the file is first read.

        Raises
        ------
        ValueError
            The folder holds no finished capture, or its manifest is damaged.
        """
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise ValueError(f"{folder} holds no finished capture: {MANIFEST} is missing. Finish it with capture(..., folder=...).")
        return read_manifest(path)


def read_manifest(path: Path) -> Activations:
    """The `Activations` that the manifest at `path` describes, of a finished or an interrupted capture."""
    manifest, states = read_capture_manifest(path)
    return Activations(
        layers=tuple(manifest.layers),
        site=manifest.site,
        pooling=manifest.pooling,
        ids=tuple(manifest.ids),
        languages=tuple(states),
        signature=manifest.signature,
        documents=tuple(manifest.documents) if manifest.documents else None,
        labels=MappingProxyType({name: tuple(values) for name, values in manifest.labels.items()}),
        states=MappingProxyType(states),
        facts=MappingProxyType(manifest.facts),
    )


def choose_rows(names: Sequence[str], wanted: Sequence[str | int] | None) -> tuple[int, ...]:
    """Find the row numbers of layers.

    Parameters
    ----------
    names
        Names of all layers.
    wanted
        Layers by name or by row number, which may be negative. None means all.

    Raises
    ------
    ValueError
        A layer is missing or named twice, or none is given.
    """
    if wanted is None:
        return tuple(range(len(names)))
    rows = []
    for layer in wanted:
        if isinstance(layer, str) and layer in names:
            rows.append(list(names).index(layer))
        elif isinstance(layer, int) and -len(names) <= layer < len(names):
            rows.append(layer % len(names))
        else:
            raise ValueError(f"got layer {layer!r}, expected one of {', '.join(names)}, or a row number below {len(names)}.")
    if not rows or len(set(rows)) != len(rows):
        raise ValueError(f"got layers {list(wanted)}, expected at least one, each once.")
    return tuple(rows)


def _codes(spellings: Mapping[str, object] | Sequence[str]) -> list[str]:
    return [lang.code for lang in languages(spellings)]


def check_random_init(acts: Activations, random_init: Activations | None) -> None:
    """Raise `ValueError` unless `random_init`, where given, holds the same sentences at the same layers and site as `acts`.

    Parameters
    ----------
    acts
        Activations of the trained model.
    random_init
        Activations of the model with random weights, or None.
    """
    for name in ("ids", "layers", "site", "pooling", "languages") if random_init is not None else ():
        if getattr(acts, name) != getattr(random_init, name):
            raise ValueError(
                f"got random_init activations of other {name}, expected the same as of the trained model. "
                "Capture both on the same corpus and site."
            )
