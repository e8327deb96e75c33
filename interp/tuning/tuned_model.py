"""A tuned model's folder and what made it: read back as it was written, and known where a file of it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from interp.files.atomic import checksum
from interp.files.checks import safe_path, validate
from interp.files.sealed_json import read_sealed, write_sealed
from interp.provenance import CorpusIdentity, ModelIdentity
from interp.tuning.recipe import Recipe

MANIFEST = "tuned.json"
_ELSEWHERE = ("folder", "details")


@dataclass(frozen=True)
class TunedModel:
    """A tuned model's folder and everything that made it. The folder loads like any other model.

    `parent` is the model before, `data` the mixture trained on, `final_loss` the mean training loss of the last logged
    stretch in nats a token. `details` holds what moved (tensors, embedding rows), what was cut, the held-out losses of
    every example before (the parent) and after (this folder, read back), the history, the versions and the checksum of every file.
    """

    folder: Path
    parent: ModelIdentity
    recipe: Recipe
    scope: str
    data: CorpusIdentity
    steps: int
    final_loss: float
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path) -> TunedModel:
        """Read a finished tuned folder back. Raises `ValueError` where there is none."""
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise ValueError(f"{folder} holds no finished tuned model: {MANIFEST} is missing. Finish it with --resume.")
        try:
            plain = read_sealed(safe_path(path.parent, path.name))
        except ValueError as error:
            raise ValueError(f"{error}. Delete it to tune again with --resume, or choose another --output.") from None
        facts = validate(_Facts, plain, path)
        own = {each.name: getattr(facts, each.name) for each in fields(cls) if each.name not in _ELSEWHERE}
        return cls(folder=path.parent, **own, details={name: value for name, value in plain.items() if name not in own})

    def fault(self) -> str:
        """What is wrong with the files of the model; empty where they are all as they were written."""
        files = {self.folder / name: sha for name, sha in self.details["files"].items()}
        wrong = [path for path, sha in files.items() if not path.is_file() or checksum(path) != sha]
        return f"{wrong[0]} is missing or was altered since it was written" if wrong else ""

    def save(self) -> None:
        """Write the manifest; written last, its presence means that the folder is complete."""
        own = {key: value for key, value in asdict(self).items() if key not in _ELSEWHERE}
        write_sealed(self.folder / MANIFEST, {**own, **self.details})


@dataclass(frozen=True)
class _HeldOut:
    id: list[str]
    item: list[str]
    source: list[str]
    target: list[str]
    before: list[float]
    after: list[float]


@dataclass(frozen=True)
class _Facts:
    """What must stand in a tuned model's manifest, and of which type."""

    parent: ModelIdentity
    recipe: Recipe
    scope: str
    data: CorpusIdentity
    steps: int
    final_loss: float
    history: list[dict[str, float]]
    held_out: _HeldOut | Annotated[dict[str, Any], Field(max_length=0)]
    truncated: int
    dropped: list[str]
    max_length: int
    moved: list[str]
    moved_rows: int
    files: dict[str, str]
