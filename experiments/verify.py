"""`interp verify`: is a finished run what it says, and does it come out again?"""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import tyro

from experiments.settings.bounds import check_bounds
from experiments.settings.flags import parse_flags
from experiments.settings.settings import CONFIG, Settings, read_recipe, settings_of

if TYPE_CHECKING:
    import pandas as pd

    from probes.report import Manifest

_BY_LANGUAGE = frozenset({"align", "vocabulary", "translate", "answer", "transplant", "patch"})
"""Commands that measure each language by itself, so that some of them give the rows of those languages again."""


@dataclass(frozen=True)
class VerifySettings:
    """Is a finished run what it says, and does it come out again?

    Compares every file with its hash in the manifest, the libraries and the inputs with those there are now, and computes a random
    sample of the run again: some of its languages, all rows of them. What could not be checked is said. The exit status is 1 where
    something differs.

    Example: interp verify runs/align --all
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Finished run folder."""
    all: bool = False
    """Compute the whole run again, and not a sample."""
    sample: int = 1
    """Number of languages to compute again."""
    rerun: bool = True
    """--no-rerun: compute nothing again; look at files, versions and inputs alone."""
    seed: int = 0
    """Random seed of the sample."""
    tolerance: float = 1e-3
    """Largest difference of two numbers that counts as none, as a share of the larger, or absolute below 1."""
    model: str | None = None
    """The model, where it now has another path. Default: that of the run."""
    corpus: str | None = None
    """The text, where it now has another path. Default: that of the run."""
    device: str | None = None
    """cpu, cuda, mps or auto. Default: that of the run's settings."""
    debug: bool = False
    """On an error, show the full traceback."""


class Fact(NamedTuple):
    """One thing that was looked at, and how it stands."""

    what: str
    result: Literal["ok", "DIFFERS", "other", "not checked"]
    detail: str = ""


def main(args: Sequence[str]) -> int:
    """Print what was checked of the run in `args`. Returns the exit status: 1 where something differs, else 0."""
    settings = parse_flags(VerifySettings, args, "verify")
    check_bounds(settings)
    facts = list(verify(settings))
    _show(facts)
    return int(any(fact.result == "DIFFERS" for fact in facts))


def verify(settings: VerifySettings) -> Iterator[Fact]:
    """Every fact of a finished run, the cheap ones first. Raises `ValueError` where the folder holds no finished run."""
    from probes.report import read_manifest

    manifest = read_manifest(settings.run)
    yield from _files(settings.run, manifest)
    yield from _versions(manifest)
    if CONFIG not in manifest["files"]:
        yield Fact("inputs", "not checked", "saved from Python and not by a command: the settings are not known")
        yield Fact("computed again", "not checked", "as above; run the same lines again")
        return
    try:
        asked = _asked(settings)
    except ValueError as error:
        yield Fact("settings", "not checked", f"{error} So nothing was computed again.")
        return
    yield from _inputs(asked, settings.run)
    if settings.rerun:
        yield from _again(settings, asked, manifest)
    else:
        yield Fact("computed again", "not checked", "--no-rerun")


def _files(folder: Path, manifest: Manifest) -> Iterator[Fact]:
    """Every file against its hash. The seal of the manifest itself was checked in reading it."""
    from interp.files.atomic import checksum
    from interp.files.checks import safe_path

    for name, sha in manifest["files"].items():
        path = safe_path(folder, name)
        if not path.is_file():
            yield Fact(name, "DIFFERS", "missing")
        else:
            yield Fact(name, "ok") if checksum(path) == sha else Fact(name, "DIFFERS", "altered since the run finished")
    more = {path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."} - {
        *manifest["files"],
        "manifest.json",
    }
    if more:
        yield Fact("other files", "not checked", f"{', '.join(sorted(more))}: the manifest has no hash of them")


def _versions(manifest: Manifest) -> Iterator[Fact]:
    """The environment of the run beside that of now. What is another is no fault: it may explain a difference."""
    from interp.provenance import environment

    now = environment()
    for name, before in manifest["environment"].items():
        if name not in now:
            yield Fact(name, "not checked", f"{before} in the run")
        elif before == now[name]:
            yield Fact(name, "ok", before)
        else:
            yield Fact(name, "other", f"{before} in the run, {now[name]} now")


def _asked(settings: VerifySettings) -> Settings:
    """The settings of the run, with what is told of this machine."""
    from experiments.commands import COMMANDS
    from experiments.settings.strict_yaml import read_yaml

    command = str(read_yaml(settings.run / CONFIG).get("command"))
    if command not in COMMANDS:
        raise ValueError(f"{settings.run / CONFIG}: this version has no command {command!r}.")
    told = {name: value for name in ("model", "corpus", "device") if (value := getattr(settings, name)) is not None}
    kind: type[Settings] = settings_of(import_module(COMMANDS[command][0]))
    return replace(read_recipe(kind, settings.run / CONFIG), output=settings.run, **told).resolved()


def _inputs(asked: Settings, folder: Path) -> Iterator[Fact]:
    """The files of the model and the text as they were when the run was started."""
    from experiments.runs.started import STARTED, changed_inputs
    from interp.files.checks import safe_path
    from interp.files.sealed_json import read_sealed

    if not (folder / STARTED).is_file():
        yield Fact("inputs", "not checked", f"{STARTED} is missing")
        return
    try:
        before = read_sealed(safe_path(folder, STARTED))
    except ValueError as error:
        yield Fact(STARTED, "DIFFERS", str(error))
        return
    inputs = before.get("inputs")
    for name, what in changed_inputs(asked, inputs if isinstance(inputs, dict) else {}).items():
        yield Fact(f"--{name.replace('_', '-')}", "other" if what else "ok", what or str(getattr(asked, name)))


def _again(settings: VerifySettings, asked: Settings, manifest: Manifest) -> Iterator[Fact]:
    """The run, or some of its languages, computed again in a folder that is thrown away."""
    import pandas as pd

    from experiments.ask import answer

    stored = pd.read_parquet(settings.run / "table.parquet")
    what, some = "the whole run, computed again", asked
    if not settings.all:
        if reason := _indivisible(asked, stored):
            yield Fact("a sample, computed again", "not checked", f"{reason}; --all computes the whole run again")
            return
        others = sorted(set(stored["language"].astype(str)) - {asked.pivot})
        chosen = sorted(random.Random(settings.seed).sample(others, min(settings.sample, len(others))))
        some, what = replace(asked, languages=tuple(chosen)), f"{', '.join(chosen)} of {len(others)} languages, computed again"
    start = manifest["signature"]["settings"].get("start")
    if start and "start" in {field.name for field in dataclasses.fields(some)}:
        some = type(some)(**{**vars(some), "start": start})
    with TemporaryDirectory(prefix="interp-verify-") as folder:
        try:
            again = pd.read_parquet(answer(replace(some, output=Path(folder) / "again", resume=False)) / "table.parquet")
        except (ValueError, OSError) as error:
            yield Fact(what, "not checked", f"it could not be: {error}")
            return
    yield Fact(what, *_compared(stored, again, whole=settings.all, tolerance=settings.tolerance))


def _indivisible(asked: Settings, stored: pd.DataFrame) -> str:
    """Why some languages of a run cannot be measured by themselves; empty where they can."""
    if asked.command not in _BY_LANGUAGE:
        return f"what `interp {asked.command}` measures of one language rests on the others"
    if getattr(asked, "erase", "none") != "none" or getattr(asked, "direction", "to") in ("all", "mean"):
        return "with these settings what is measured of one language rests on the others"
    if "language" not in stored or set(stored["language"].astype(str)) <= {asked.pivot}:
        return "its table names no language beside the pivot"
    return ""


def _compared(stored: pd.DataFrame, again: pd.DataFrame, *, whole: bool, tolerance: float) -> tuple[Literal["ok", "DIFFERS"], str]:
    """How two tables stand to each other: rows are paired by all that is no fraction, numbers may differ by the tolerance."""
    import numpy as np

    numbers = [name for name in again if again[name].dtype.kind == "f" and name in stored]
    keys = [name for name in again if name not in numbers and name in stored]
    pairs = _counted(stored, keys).merge(_counted(again, keys), on=[*keys, "_nth"], suffixes=("", "_again"))
    lost = len(again) - len(pairs), len(stored) - len(pairs) if whole else 0
    differences = []
    for name in numbers:
        old, new = pairs[name].to_numpy(dtype=float), pairs[f"{name}_again"].to_numpy(dtype=float)
        apart = np.abs(old - new) / np.maximum(1, np.maximum(np.abs(old), np.abs(new)))
        differences.append(np.where(np.isnan(old) & np.isnan(new), 0, np.where(np.isnan(apart), np.inf, apart)))
    largest = float(max((column.max(initial=0) for column in differences), default=0))
    said = f"{len(pairs)} rows, largest difference {largest:.2g} ({tolerance:g} allowed)"
    if any(lost):
        said += f"; {lost[0]} rows are new and {lost[1]} are gone"
    return ("ok" if largest <= tolerance and not any(lost) and len(pairs) else "DIFFERS"), said


def _counted(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The table with the number of each row among those of the same keys, which are made plain text."""
    plain = table.assign(**{name: table[name].map(str) for name in keys})
    return plain.assign(_nth=plain.groupby(keys, sort=False).cumcount() if keys else range(len(plain)))


def _show(facts: Sequence[Fact]) -> None:
    from experiments.runs.terminal import printable

    files = [fact for fact in facts if fact.result == "ok" and not fact.detail]
    if files:
        print(f"{'ok':<12} {len(files)} files are as the manifest has them")
    for fact in facts:
        if fact not in files:
            print(printable(f"{fact.result:<12} {fact.what}" + (f": {fact.detail}" if fact.detail else "")))
    counts = {result: sum(fact.result == result for fact in facts) for result in ("ok", "DIFFERS", "other", "not checked")}
    print(", ".join(f"{count} {result}" for result, count in counts.items()), file=sys.stdout)
