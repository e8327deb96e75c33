"""Settings that all commands share, and how they are read from the command line and from a recipe.

Each command has one frozen dataclass. It defines the command line (tyro), the schema of the YAML recipe (pydantic) and the
`config.yaml` in the run folder. Nothing here imports torch, so that `interp align --help` answers at once.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeVar

import tyro
import yaml

from experiments.settings.bounds import check_bounds
from experiments.settings.code import check_code_typed
from experiments.settings.flags import parse_flags
from experiments.settings.strict_yaml import read_yaml
from experiments.settings.values import check_values, empty

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus

RECIPES = Path(__file__).parents[1] / "recipes"
CONFIG = "config.yaml"
_HOW = frozenset(
    {
        "output",
        "config",
        "resume",
        "shard",
        "page",
        "plan",
        "plan_rate",
        "debug",
        "store",
        "workers",
        "launcher",
        "partition",
        "hours",
    }
)
"""Settings that do not change the result, so they may differ when a run is resumed."""

_BY_LANGUAGE = frozenset({"names", "template", "words", "ratios", "budgets", "caps", "weights", "shares", "similarity"})
"""Settings that hold a value for each of some languages."""


@dataclass(frozen=True)
class Settings:
    """Settings of all commands. Each command adds its own fields and its default `output`."""

    yaml_names: ClassVar[Mapping[str, str]] = {}
    """Settings that a recipe may call by another name, which Python does not allow for a field."""

    model: str = "bundled"
    """Model: a name on the Hugging Face Hub, a local model folder, or "bundled"."""
    corpus: str = "cldr:names"
    """Parallel corpus: a file or folder, or built-in text such as "cldr:names"."""
    languages: tuple[str, ...] = ()
    """Languages, as deu_Latn, de or German. Default: all languages of the corpus."""
    columns: tuple[str, ...] = ()
    """Where --corpus does not say it clearly, its columns: english=text_en german=text_de; a variant: eng_Latn=en-GB; ids=nr,
    documents=url or text=sentence. Default: by their names and what stands in them; `interp read` shows it."""
    pivot: str = "eng_Latn"
    """Reference language, to which every other language is compared."""
    output: Path = Path("runs/run")
    """Run folder to write."""
    device: str | None = None
    """cpu, cuda, cuda:1, mps or auto. Default: auto, the fastest available (several GPUs if one cannot hold the model)."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Precision of the weights. Default: that of the checkpoint."""
    seed: int = 0
    """Random seed."""
    limit: int | None = None
    """Use at most this many items: a random subset drawn with --seed, in corpus order. Default: all."""
    config: str | None = None
    """Recipe: a YAML file of these settings, or the name of a built-in one. Command-line options override it."""
    resume: bool = False
    """Continue the unfinished run in the output folder, or show the finished one again."""
    shard: str | None = None
    """Split the run over several processes: this is process i of n, as 1/4 to 4/4. The last to finish writes the report."""
    page: bool = False
    """Also write the report as one self-contained HTML page."""
    plan: bool = False
    """Only say what the run would cost, and run nothing: items, forwards, tokens, FLOPs, memory, disk, and the hours of the
    forwards on this machine. Not counted: starting and loading, statistics and figures, and the small files of a run folder."""
    plan_rate: float | None = None
    """With --plan, also say the hours on a machine of so many FLOP/s, such as 1e14."""
    debug: bool = False
    """On an error, show the full traceback."""

    @property
    def command(self) -> str:
        """Name of the command: the name of its module."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to read, the reference language first; None means all languages of the corpus."""
        return tuple(dict.fromkeys((self.pivot, *self.languages))) if self.languages else None

    @property
    def chosen_columns(self) -> dict[str, str] | None:
        """What `columns` says, by language or role; None if it says nothing."""
        return read_choices(self.columns)

    @property
    def run_model(self) -> str | None:
        """The model that the command runs, whose sizes set its cost; None if it runs none."""
        return self.model

    def others(self) -> list[str]:
        """The languages beside the pivot. Raises `ValueError` where none is named."""
        codes = [code for code in self.languages if code != self.pivot]
        if not codes:
            raise ValueError(f"got no language beside the pivot {self.pivot}, expected one or more. Name some with --languages.")
        return codes

    def resolved(self) -> Self:
        """The same settings with every language as its FLORES-200 code.

        Raises `ValueError` for an unknown language, a number outside its bounds, empty text, and a list with a repeat.
        """
        from interp.languages import language, languages

        check_bounds(self)
        for name in _BY_LANGUAGE & vars(self).keys():
            if isinstance(keys := getattr(self, name), dict):
                languages(keys)
        codes = tuple(lang.code for lang in languages(self.languages))  # says which spellings mean one language
        check_values(self)
        read_choices(self.columns)
        return dataclasses.replace(self, languages=codes, pivot=language(self.pivot).code)

    def read_corpus(self) -> ParallelCorpus:
        """The corpus in the reference language and the other languages, with at most `limit` items."""
        import interp

        return interp.read(self.corpus, languages=self.wanted, columns=self.chosen_columns).select(limit=self.limit, seed=self.seed)

    def load_model(self) -> TransformerBridge:
        """Load `model` on `device` with `dtype`."""
        import interp

        return interp.load(self.model, device=self.device, dtype=self.dtype)

    def asked(self) -> dict[str, object]:
        """The settings that determine the result, as JSON values. The index of a GPU is left out."""
        values = {key: value for key, value in dataclasses.asdict(self).items() if key not in _HOW}
        values["device"] = self.device and self.device.partition(":")[0]
        return {"command": self.command, **json.loads(json.dumps(values, default=str))}

    def to_yaml(self) -> str:
        """The settings that determine the result, as the text of `config.yaml`."""
        return yaml.safe_dump(self.asked(), sort_keys=False, allow_unicode=True)


def read_choices(columns: Sequence[str]) -> dict[str, str] | None:
    """What `--columns` says (`columns`), by language or role; None if it says nothing.

    Raises `ValueError` where it is not `LANGUAGE=COLUMN`.

    >>> read_choices(("english=text_en", "ids=nr"))
    {'english': 'text_en', 'ids': 'nr'}
    """
    from interp.languages import language
    from interp.text.choices import ROLES

    choices: dict[str, str] = {}
    for choice in columns:
        name, equals, column = choice.partition("=")
        if not equals or not name.strip() or not column:
            raise ValueError(f"--columns: got {choice!r}, expected LANGUAGE=COLUMN, such as english=text_en.")
        if name.strip().casefold() not in ROLES:
            language(name)
        if name.strip() in choices:
            raise ValueError(f"--columns: got {name.strip()} twice, expected each language and each column once.")
        choices[name.strip()] = column
    return choices or None


Question = TypeVar("Question", bound=Settings)


def parse(kind: type[Question], args: Sequence[str]) -> Question:
    """Read settings from a command line.

    Defaults come first, then the recipe of `--config`, then the options given.

    Parameters
    ----------
    kind
        The settings class of the command, such as `AlignSettings`.
    args
        The arguments after the name of the command.

    Raises
    ------
    ValueError
        The recipe does not exist, or one of its keys or values is wrong.
    SystemExit
        On `--help`, and on an option that tyro refuses.
    """
    command, markers = kind().command, (tyro.conf.AvoidSubcommands,)
    hidden = () if hasattr(sys.modules[kind.__module__], "share") else ("shard",)
    settings = parse_flags(kind, args, command, *markers, hidden=hidden, common=Settings)
    if settings.config is not None:
        path = find_recipe(settings.config)
        settings = parse_flags(kind, args, command, *markers, default=read_recipe(kind, path))
        check_code_typed(path, settings, args)
    return settings


def find_recipe(name: str) -> Path:
    """The file that `--config` names: a path, or the name of a built-in recipe."""
    for path in (Path(name), RECIPES / f"{name}.yaml"):
        if path.is_file():
            return path
    from interp.languages import nearest

    built_in = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    raise ValueError(f"got recipe {name!r}, expected a YAML file or one of {', '.join(built_in)}.{nearest(name, built_in)}")


def read_recipe(kind: type[Question], path: Path) -> Question:
    """Read settings from a YAML recipe. Keys that it leaves out keep their defaults.

    Parameters
    ----------
    kind
        The settings class of the command, such as `AlignSettings`.
    path
        The YAML file. Its `output` must be a relative path inside the working directory.

    Raises
    ------
    ValueError
        The recipe is for another command, or has an unknown key or a wrong value. The message names the file and the key.
    """
    from pydantic import TypeAdapter, ValidationError

    values = read_yaml(path)
    for other in set(kind.yaml_names) & set(values):
        if kind.yaml_names[other] in values:
            raise ValueError(f"{path}: got {other!r} and {kind.yaml_names[other]!r}, which mean the same. Keep one.")
        values[kind.yaml_names[other]] = values.pop(other)
    command = kind().command
    recipe_command = values.pop("command", command)
    if recipe_command != command:
        raise ValueError(
            f"{path}: got a recipe for {recipe_command!r}, expected one for {command!r}. Run `interp {recipe_command}` instead."
        )
    _check_keys(
        path,
        values,
        [
            field.name
            for field in dataclasses.fields(kind)
            if field.name not in ("config", "resume", "shard", "plan", "plan_rate", "debug")
        ],
    )
    _check_output(path, values)
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        quote = (
            " YAML reads an unquoted no, yes, on or off as a boolean: put it in quotes." if isinstance(first["input"], bool) else ""
        )
        raise ValueError(f"{path}: {key}: got {first['input']!r}. {first['msg']}.{quote}") from None


def _check_output(path: Path, values: dict[str, object]) -> None:
    """A recipe may come from someone else, so it may only write inside the working directory."""
    for name in ("output", "store"):
        folder = Path(str(values.get(name) or "."))
        if values.get(name) == "":
            raise ValueError(f"{path}: {empty(name)}")
        if folder.is_absolute() or ".." in folder.parts:
            raise ValueError(
                f"{path}: got {name} {str(folder)!r}, expected a folder inside the working directory. Any other goes with --{name}."
            )


def _check_keys(path: Path, values: dict[str, object], known: list[str]) -> None:
    from interp.languages import nearest

    for key in values:
        if key not in known:
            hint = nearest(str(key), known, n=1) or f" Known keys: {', '.join(known)}."
            raise ValueError(f"{path}: unknown key {key!r}.{hint}")


def settings_of(module: ModuleType) -> type[Settings]:
    """The settings class of a command: the one subclass of `Settings` that its module defines."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
    (kind,) = (kind for kind in kinds if issubclass(kind, Settings))
    return kind
