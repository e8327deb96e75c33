"""The files of a capture: a language's pooled states in safetensors, and the manifest that lists them with their checksums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from interp.files.atomic import checksum, whole
from interp.files.checks import safe_path, validate
from interp.files.sealed_json import read_sealed
from interp.languages import language
from interp.models.sites import Site
from interp.provenance import Signature

_TENSOR, _TOKENS, _LENGTHS, _SINKS = "activations", "tokens", "lengths", "sinks"


@dataclass(frozen=True)
class Entry:
    name: str
    sha256: str


@dataclass(frozen=True)
class CaptureManifest:
    """The manifest of a capture."""

    layers: list[str]
    site: Site
    pooling: str
    ids: list[str]
    documents: list[str] | None
    labels: dict[str, list[str]]
    files: dict[str, Entry]
    signature: Signature
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredStates:
    """The activations of one language in a file, opened when needed. Its checksum is verified the first time."""

    path: Path
    sha: str
    checked: set[str] = field(default_factory=set, compare=False, repr=False)

    def read(self, rows: Sequence[int]) -> Float[Tensor, "layer sentence d_model"]:
        """Read the layers at `rows`, as `[layer sentence d_model]`."""
        with self._opened() as file:
            states = file.get_slice(_TENSOR)
            return torch.cat([states[row : row + 1] for row in rows])

    def read_tokens(self) -> list[Int[Tensor, " _"]]:
        """The token ids of each sentence; none where they were not written."""
        with self._opened() as file:
            if _TOKENS not in file.keys():  # noqa: SIM118
                return []
            return list(file.get_tensor(_TOKENS).split(file.get_tensor(_LENGTHS).tolist()))

    def read_sinks(self, sentences: int) -> list[tuple[int, ...]]:
        """The positions of the attention sinks left out of each of so many `sentences`; none where they were not written."""
        with self._opened() as file:
            pairs = file.get_tensor(_SINKS).tolist() if _SINKS in file.keys() else []  # noqa: SIM118
            left_out: list[list[int]] = [[] for _ in range(sentences)]
            for sentence, position in pairs:
                left_out[sentence].append(position)
            return [tuple(positions) for positions in left_out]

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.sha not in self.checked:
            if fault := self.fault():
                raise ValueError(f"{self.path} {fault}. Capture again into the same folder: only this language is computed.")
            self.checked.add(self.sha)
        try:
            with safe_open(self.path, framework="pt") as file:
                yield file
        except (SafetensorError, RuntimeError, TypeError) as error:
            raise ValueError(f"{self.path} holds no states of sentences ({error}). Capture into another folder.") from None

    def fault(self) -> str:
        """What is wrong with the file; empty where it is whole and as it was written."""
        if not self.path.is_file():
            return "is missing"
        return "" if checksum(self.path) == self.sha else "is truncated or was altered since it was captured"


def write_states(
    path: Path,
    states: Float[Tensor, "layer sentence d_model"],
    tokens: Sequence[Tensor] = (),
    sinks: Sequence[tuple[int, ...]] = (),
) -> str:
    """Write the `states`, token ids (`tokens`) and attention `sinks` of one language to `path` atomically. Returns the checksum."""
    tensors = {_TENSOR: states.contiguous()}
    if tokens:
        tensors |= {_TOKENS: torch.cat(list(tokens)), _LENGTHS: torch.tensor([len(ids) for ids in tokens])}
    pairs = [(sentence, position) for sentence, positions in enumerate(sinks) for position in positions]
    tensors[_SINKS] = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    with whole(path) as temporary:
        save_file(tensors, temporary)
        return checksum(temporary)


def read_capture_manifest(path: Path) -> tuple[CaptureManifest, dict[str, StoredStates]]:
    """Read the manifest of a capture at `path`, finished or not, and the states it lists. Raises `ValueError` if it is damaged."""
    try:
        manifest = validate(CaptureManifest, read_sealed(safe_path(path.parent, path.name)), path)
        files = {
            language(code).code: StoredStates(safe_path(path.parent, each.name), each.sha256)
            for code, each in manifest.files.items()
        }
    except ValueError as error:
        reason = str(error).removesuffix(".")
        raise ValueError(f"{reason}. It is not readable as a capture's manifest; capture into another folder.") from None
    return manifest, files
