"""The folder of a tuned model and its manifest, which has checksums of all files."""

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
    """A tuned model, as `tune` makes it. The folder loads like any other model.

    Parameters
    ----------
    folder
        The folder.
    parent
        Identity of the model that was tuned.
    recipe
        How it was tuned.
    scope
        Which weights were trained: that of the recipe.
    data
        Identity of the training examples.
    steps
        Number of updates.
    final_loss
        Mean training loss over the last logged steps, in nats per token.
    details
        Which tensors and embedding rows changed, which examples were cut, the held-out losses of each example before (the parent)
        and after (this folder), the history of the loss, versions, and checksums of the files.

    Example
    -------
    >>> import interp, tempfile
    >>> from interp.tuning import Recipe, TunedModel, translations, tune
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=4, seed=0)
    >>> mixture = translations(corpus, [("eng_Latn", "deu_Latn")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuned = tune("bundled", mixture, Recipe(steps=1, batch=4, held_out=0.0), f"{folder}/tuned")
    ...     TunedModel.load(tuned.folder).steps
    1
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
        """Read the manifest of a tuned model. Raises `ValueError` if `folder` has no finished one."""
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise ValueError(f"{folder} holds no finished tuned model: {MANIFEST} is missing. Finish it with --resume.")
        try:
            values = read_sealed(safe_path(path.parent, path.name))
        except ValueError as error:
            raise ValueError(f"{error}. Delete it to tune again with --resume, or choose another --output.") from None
        facts = validate(_Facts, values, path)
        own = {field.name: getattr(facts, field.name) for field in fields(cls) if field.name not in _ELSEWHERE}
        return cls(folder=path.parent, **own, details={name: value for name, value in values.items() if name not in own})

    def fault(self) -> str:
        """The first file that is missing or was altered, in words; empty if there is none."""
        files = {self.folder / name: sha for name, sha in self.details["files"].items()}
        altered = [path for path, sha in files.items() if not path.is_file() or checksum(path) != sha]
        return f"{altered[0]} is missing or was altered since it was written" if altered else ""

    def save(self) -> None:
        """Write the manifest. It is written last: a folder that has one is complete."""
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
    """The fields of the manifest of a tuned model, and their types."""

    parent: ModelIdentity
    recipe: Recipe
    scope: str
    data: CorpusIdentity
    steps: int
    final_loss: float
    history: list[dict[str, float]]
    held_out: _HeldOut | Annotated[dict[str, object], Field(max_length=0)]
    truncated: int
    dropped: list[str]
    max_length: int
    moved: list[str]
    moved_rows: int
    files: dict[str, str]
