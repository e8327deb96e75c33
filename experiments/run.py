"""A run folder from start to end: refuse what would be overwritten, ask, save, show.

`config.yaml` is written first and `manifest.json` last, so a folder tells by itself whether it is new, unfinished or
finished, and what it was asked.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from experiments.settings import CONFIG, Settings, parse, read_recipe
from interp.storage import checksum, locked, write_text

LOG = "run.log"
_BEFORE = frozenset({CONFIG, LOG, ".lock"})
"""What stands in a folder before anything was computed: nothing is lost by starting over."""
_log = logging.getLogger(__name__)


def ask(module: ModuleType, args: Sequence[str]) -> None:
    """Answer the question of one module as a command line puts it."""
    show(answer(parse(settings_of(module), args)))


def settings_of(module: ModuleType) -> type[Settings]:
    """The settings of a question: the one kind of `Settings` that its module defines."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
    (kind,) = (kind for kind in kinds if issubclass(kind, Settings))
    return kind


def answer(settings: Settings) -> Path:
    """The finished run folder of a question: computed, continued or, where it is finished already, found."""
    settings = settings.resolved()
    folder = settings.output
    _check_ours(folder)
    with locked(folder), _logged(folder):
        if not _finished(folder, settings):
            write_text(folder / CONFIG, settings.to_yaml())
            _log.info("asking %s", settings.asked())
            run: Callable = sys.modules[type(settings).__module__].run
            run(settings).save(folder)
            _log.info("finished")
        if settings.page:
            from experiments.page import write_page

            write_page([folder], folder / "page.html")
    return folder


def _check_ours(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names - _BEFORE and CONFIG not in names:
        raise ValueError(f"{folder} holds files that no run wrote. Choose another --output.")


def _finished(folder: Path, settings: Settings) -> bool:
    """Whether the folder holds the whole answer. Raises `ValueError` where it holds another one, or --resume is missing."""
    if {path.name for path in folder.iterdir()} <= _BEFORE:
        return False
    if not settings.resume:
        raise ValueError(f"{folder} already holds a run. Show or continue it with --resume, or choose another --output.")
    from interp.report import read_manifest

    before, now = read_recipe(type(settings), folder / CONFIG).resolved().asked(), settings.asked()
    for key in now:
        if before[key] != now[key]:
            raise ValueError(
                f"{folder} holds a run with {key} {before[key]!r}, but {now[key]!r} is asked. "
                "Give the same settings to resume it, or choose another --output."
            )
    try:
        files = read_manifest(folder)["files"]
    except ValueError:
        return False
    return all((folder / name).is_file() and checksum(folder / name) == recorded for name, recorded in files.items())


@contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """Keep what is logged and warned of in the folder, and our own warnings on the screen; an error leaves its traceback."""
    file, screen = logging.FileHandler(folder / LOG, encoding="utf-8"), logging.StreamHandler()
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    screen.setLevel(logging.WARNING)
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in ("interp", "probes", "experiments")]
    levels = [logger.level for logger in ours]
    root.addHandler(file)
    for logger in ours:
        logger.addHandler(screen)
        logger.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    except BaseException as error:
        _log.info("stopped by %s", type(error).__name__, exc_info=True)
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(file)
        for logger, level in zip(ours, levels, strict=True):
            logger.removeHandler(screen)
            logger.setLevel(level)
        file.close()


def show(folder: Path) -> None:
    """Print a finished run: a short table, the path, what it shows, and the signature."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from experiments.finished import cell, read_finished

    run = read_finished(folder)
    rows, left_out = run.brief()
    names = [name for name in rows if rows[name].dtype.kind not in "iufb"]
    table = Table(box=box.SIMPLE, title=run.manifest["question"], caption=left_out, title_justify="left", caption_justify="left")
    for name in (*names, "estimate", "95 %", "baseline", "n"):
        table.add_column(name, justify="left" if name in names else "right")
    for row in rows.to_dict("records"):
        interval = f"{cell(row['lower'])} to {cell(row['upper'])}"
        values = (*(row[name] for name in names), row["estimate"], interval, row["baseline"], row["n"])
        table.add_row(*(Text(cell(value)) for value in values))
    console = Console(highlight=False)
    console.print(table)
    for line, style in ((str(folder), ""), (run.manifest["verdict"], "bold"), *((note, "dim") for note in run.manifest["notes"])):
        console.print(Text(line, style), soft_wrap=True)
    console.print(Text(run.signature), soft_wrap=True)
