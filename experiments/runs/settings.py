"""What every question takes, and how a recipe and the command line become it.

One frozen dataclass a question is its command line (tyro), the schema of its YAML (pydantic) and the `config.yaml` of its
run folder. Nothing here imports torch: `interp align --help` must answer at once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import tyro
import yaml

from experiments.runs.strict_yaml import read_yaml

import dataclasses
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from interp.files.atomic import sweep, write_text
from interp.files.lock import locked
if TYPE_CHECKING:
    from interp.text.corpus import ParallelCorpus
    from interp.models.load import TransformerBridge

RECIPES = Path(__file__).parents[1] / "recipes"
CONFIG = "config.yaml"
_HOW = frozenset({"output", "config", "resume", "shard", "page", "debug"})
"""Fields that say how to run, not what is asked: they may differ when a run is resumed."""


@dataclass(frozen=True)
class Settings:
    """What every question takes; a question adds its own fields and a default `output`."""

    model: str = "bundled"
    """A hub name, the folder of a Hugging Face model, or "bundled"."""
    corpus: str = "cldr:names"
    """Parallel text: "cldr:names", or a file or folder of it."""
    languages: tuple[str, ...] = ()
    """Languages to ask about, as deu_Latn, de or German; none given means all that the corpus has."""
    pivot: str = "eng_Latn"
    """The language every other one is held against."""
    output: Path = Path("runs/run")
    """The run folder to write."""
    device: str | None = None
    """cpu, cuda, cuda:1, mps, or auto: the best there is, several GPUs where one cannot hold the model; none given is auto."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Precision of the weights; none given means the checkpoint's own."""
    seed: int = 0
    """Start of everything random."""
    limit: int | None = None
    """Use at most this many items, drawn by --seed and kept in order."""
    config: str | None = None
    """A recipe: a YAML file of these settings, or the name of one that is shipped. Flags override it."""
    resume: bool = False
    """Continue an unfinished run folder, or show a finished one again."""
    shard: str | None = None
    """This process's share of a run that several do together, as 1/4 to 4/4; the last to finish answers."""
    page: bool = False
    """Also write the run as one self-contained HTML page."""
    debug: bool = False
    """Show the traceback of an error."""

    @property
    def command(self) -> str:
        """The command that asks this question: the name of its module."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to read, the pivot first; None means all that the corpus has."""
        return tuple(dict.fromkeys((self.pivot, *self.languages))) if self.languages else None

    def others(self) -> list[str]:
        """The languages beside the pivot. Raises `ValueError` where none is named."""
        codes = [code for code in self.languages if code != self.pivot]
        if not codes:
            raise ValueError(f"got no language beside the pivot {self.pivot}, expected one or more. Name some with --languages.")
        return codes

    def resolved(self) -> Self:
        """The same settings with every language under its one code. Raises `ValueError` where none is meant."""
        from interp.languages import language, languages

        codes = tuple(found.code for found in languages(self.languages))
        return dataclasses.replace(self, languages=codes, pivot=language(self.pivot).code)

    def read_corpus(self) -> ParallelCorpus:
        """The text asked for: the pivot and the languages, cut to `limit`."""
        import interp

        return interp.read(self.corpus, languages=self.wanted).select(limit=self.limit, seed=self.seed)

    def load_model(self) -> TransformerBridge:
        """The model asked for."""
        import interp

        return interp.load(self.model, device=self.device, dtype=self.dtype)

    def asked(self) -> dict[str, Any]:
        """What is asked, as plain values: equal for two runs that must give the same result. A GPU's number is not asked."""
        plain = {key: value for key, value in dataclasses.asdict(self).items() if key not in _HOW}
        plain["device"] = self.device and self.device.partition(":")[0]
        return {"command": self.command, **json.loads(json.dumps(plain, default=str))}

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.asked(), sort_keys=False, allow_unicode=True)


Question = TypeVar("Question", bound=Settings)


def parse(kind: type[Question], args: Sequence[str]) -> Question:
    """Settings from a command line: defaults, then the recipe of `--config`, then flags. Leaves by `SystemExit` on `--help`."""
    command = kind().command
    options: dict[str, Any] = {
        "args": list(args),
        "prog": f"interp {command}",
        "config": (tyro.conf.FlagCreatePairsOff, tyro.conf.AvoidSubcommands),
    }
    settings = tyro.cli(kind, **options)
    if settings.config is not None:
        settings = tyro.cli(kind, **options, default=read_recipe(kind, find_recipe(settings.config)))
    return settings


def find_recipe(name: str) -> Path:
    """The file meant by `--config`: a path, or the name of a shipped recipe."""
    for path in (Path(name), RECIPES / f"{name}.yaml"):
        if path.is_file():
            return path
    from interp.languages import nearest

    shipped = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    raise ValueError(f"no recipe {name!r}. Needed: a YAML file, or one of {', '.join(shipped)}.{nearest(name, shipped)}")


def read_recipe(kind: type[Question], path: Path) -> Question:
    """Settings from a YAML file; what it leaves out has its default. Raises `ValueError` naming the file and the key."""
    from pydantic import TypeAdapter, ValidationError

    values = read_yaml(path)
    command = kind().command
    meant = values.pop("command", command)
    if meant != command:
        raise ValueError(f"{path}: command is {meant!r}. Needed: a recipe of {command!r}; run `interp {meant}` instead.")
    _check_keys(
        path, values, [field.name for field in dataclasses.fields(kind) if field.name not in ("config", "resume", "shard", "debug")]
    )
    _check_output(path, values)
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        quote = (
            " YAML reads a bare no, yes, on or off as a truth value: put it in quotes." if isinstance(first["input"], bool) else ""
        )
        raise ValueError(f"{path}: {key}: got {first['input']!r}. {first['msg']}.{quote}") from None


def _check_output(path: Path, values: dict[str, Any]) -> None:
    """A recipe may come from a stranger: it chooses a folder below this one, and no other."""
    output = Path(str(values.get("output", "")))
    if output.is_absolute() or ".." in output.parts:
        raise ValueError(f"{path}: output {str(output)!r} is no folder below this one. Needed: one that is; --output takes any.")


def _check_keys(path: Path, values: dict[str, Any], known: list[str]) -> None:
    from interp.languages import nearest

    for key in values:
        if key not in known:
            near = nearest(str(key), known, n=1) or f" Known: {', '.join(known)}."
            raise ValueError(f"{path}: unknown key {key!r}.{near}")


def settings_of(module: ModuleType) -> type[Settings]:
    """The settings of a question: the one kind of `Settings` that its module defines."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
    (kind,) = (kind for kind in kinds if issubclass(kind, Settings))
    return kind
