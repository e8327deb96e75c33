"""`interp check`: is this model computed as its checkpoint says?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml

from experiments.costs.plan import show_plan
from experiments.settings.bounds import check_bounds
from experiments.settings.flags import parse_flags

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedModel

    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge


@dataclass(frozen=True)
class CheckSettings:
    """Is this model computed as its checkpoint says?

    Compares every fast computation with plain forward passes and with plain Hugging Face, checks the tokenizer, and reports
    attention sinks and the effect of half precision. The exit status is 1 if a check fails.

    Example: interp check path/to/model --dtype bfloat16
    """

    model: str = "bundled"
    """Model: a name on the Hugging Face Hub, a local model folder, or "bundled". May be given first, without --model."""
    device: str | None = None
    """cpu, cuda, cuda:1, mps or auto. Default: auto."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Precision of the weights. Default: that of the checkpoint."""
    output: Path | None = None
    """Folder to write the table to (config.yaml, checks.csv, check.json). Default: none."""
    plan: bool = False
    """Only say what the check would cost (--help of another command says what is counted), and run nothing."""
    plan_rate: float | None = None
    """With --plan, also say the hours on a machine of so many FLOP/s, such as 1e14."""
    debug: bool = False
    """On an error, show the full traceback."""

    @property
    def command(self) -> str:
        """Name of the command."""
        return "check"

    @property
    def run_model(self) -> str:
        """The model that is run."""
        return self.model


def main(args: Sequence[str]) -> int:
    """Print one row for each check. Returns the exit status: 1 if a check fails, else 0."""
    args = ["--model", *args] if args and not args[0].startswith("-") else list(args)
    settings = parse_flags(CheckSettings, args, "check")
    check_bounds(settings)
    if settings.plan:
        show_plan(settings)
        return 0
    if settings.output is not None:
        _begin(settings, settings.output)
    table, identity = run(settings)
    _show(table)
    if settings.output is not None:
        _save(table, identity, settings.output)
    return int((table["result"] == "FAILED").any())


def run(settings: CheckSettings) -> tuple[pd.DataFrame, dict[str, object]]:
    """Run the checks. Returns their table and the identity of the model."""
    from rich.progress import Progress

    from interp.models.bridge import bridge_unchecked
    from interp.models.load import identify, load, load_hf_model
    from probes.verification.measure import tabulate, verify

    plain: PreTrainedModel | None
    plain, tokenizer, name = load_hf_model(settings.model, dtype=settings.dtype, device=settings.device)
    split = len(set((getattr(plain, "hf_device_map", None) or {}).values())) > 1
    if split:  # a second tree over tensors on several devices or on disk would be a second model
        plain, model = None, load(settings.model, dtype=settings.dtype, device=settings.device)
    else:
        model = bridge_unchecked(plain.eval(), tokenizer, name)
    checks = []
    with Progress(transient=True) as progress:
        task = progress.add_task("check", total=None)
        for check in verify(model, plain):
            checks.append(check)
            progress.update(task, description=check.name)
    return tabulate(checks), dataclasses.asdict(identify(model))


def work(settings: CheckSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a check, the same for every model but for its size: it reads a few short texts in every way."""
    from experiments.costs.cost import Work, size_of

    copies = 3 * size_of(model).bytes  # plain, bridged, and in half precision
    return [Work("compare with plain forwards", 301, 7000, attended=7000 * 30, items=301, bound="at most", held=copies)]


def _show(table: pd.DataFrame) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from experiments.runs.terminal import printable

    shown = Table(box=box.SIMPLE)
    for name in ("fact", "result", "difference", "allowed", "detail"):
        shown.add_column(name, overflow="fold")
    styles = {"FAILED": "bold red", "skipped": "dim", "info": ""}
    for row in table.to_dict("records"):
        numbers = [f"{row[name]:.0e}" if row[name] == row[name] else "" for name in ("difference", "allowed")]
        cells = (row["fact"], row["result"], *numbers, row["detail"])
        shown.add_row(*(Text(printable(str(cell)), styles.get(row["result"], "")) for cell in cells))
    console = Console(highlight=False)
    console.print(shown)
    counts = table["result"].value_counts()
    console.print(", ".join(f"{counts.get(kind, 0)} {kind}" for kind in ("ok", "FAILED", "skipped", "info")))


def _begin(settings: CheckSettings, folder: Path) -> None:
    """Refuse a folder that contains anything; write the settings."""
    from interp.files.atomic import write_text

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} holds files already. Choose another --output.")
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"command": "check", "model": settings.model, "device": settings.device, "dtype": settings.dtype}
    write_text(folder / "config.yaml", yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def _save(table: pd.DataFrame, identity: dict[str, object], folder: Path) -> None:
    """Write the table and, last, check.json, which marks the folder as complete."""
    from interp.files.atomic import checksum, whole
    from interp.files.sealed_json import write_sealed
    from interp.provenance import environment
    from probes.spreadsheet import write_spreadsheet

    with whole(folder / "checks.csv") as path:
        write_spreadsheet(table, path)
    files = {"checks.csv": checksum(folder / "checks.csv")}
    failed = table.loc[table["result"] == "FAILED", "fact"].tolist()
    write_sealed(folder / "check.json", {"model": identity, "failed": failed, "files": files, "environment": environment()})
    print(folder)
