"""A run from start to end: check that nothing is overwritten, compute, save, show."""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from experiments.costs.plan import announce, check_first, show_plan
from experiments.runs.folder import check_ours, check_same, failing, has_failed, is_new, is_whole, logged, take_over, taken
from experiments.runs.shards import Shard, stand_alone, take_share
from experiments.runs.started import computing, write_started
from experiments.settings.recipe_texts import check_texts, flags_told
from experiments.settings.settings import CONFIG, Settings, parse, settings_of
from experiments.settings.together import check_together
from interp.files.atomic import sweep, write_text
from interp.files.lock import locked
from interp.models.checks.receipts import collected, merge_receipts
from interp.text.notes import texts_read

if TYPE_CHECKING:
    from probes.report import Report

_log = logging.getLogger(__name__)


def ask(module: ModuleType, args: Sequence[str]) -> None:
    """Run the question of `module` with the command line `args` and show its answer; with shards the last process does."""
    settings = parse(settings_of(module), args)
    check_together(settings.resolved(), args)
    if settings.plan:
        plan(settings)
        return
    shard = Shard.of(settings.shard)
    if shard.count == 1:
        show(answer(settings))
    else:
        answer_shared(settings, shard)


def plan(settings: Settings) -> None:
    """Print what a question would cost. Its texts are looked for as in a run."""
    settings = settings.resolved()
    check_texts(settings)
    with flags_told(settings):
        show_plan(settings)


def answer(settings: Settings) -> Path:
    """The finished run folder of a question, computed or continued, or as it is where it is finished already.

    `settings` are those of the question's command. Raises `ValueError` where the folder holds another run, or an unfinished one
    and `settings.resume` is off.
    """
    settings = settings.resolved()
    check_ours(settings.output)
    if not is_whole(settings.output):
        check_texts(settings)
    with flags_told(settings), locked(settings.output), logged(settings.output):
        return _finish(settings)


def answer_shared(settings: Settings, shard: Shard) -> None:
    """Compute one share of a question; the process that finishes the last share computes the answer from all and shows it.

    `settings` are those of the question's command, and `shard` says which share of how many.
    """
    stand_alone()
    settings = settings.resolved()
    check_ours(settings.output)
    if not is_whole(settings.output):
        check_texts(settings)
    with flags_told(settings), ExitStack() as locks:
        if is_new(settings.output):
            check_first(settings)
        # A share that a plain forward contradicts is refused here already.
        with computing(settings, is_whole(settings.output)), collected(settings.seed):
            waiting = take_share(settings, shard, locks)
        if waiting:
            print(waiting)
            return
        with logged(settings.output):
            folder = _finish(dataclasses.replace(settings, resume=True))
    show(folder)


def _finish(settings: Settings) -> Path:
    """Compute the answer into its run folder, which this process has locked."""
    folder = settings.output
    for part in (folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())):
        sweep(part)
    new, finished = is_new(folder), is_whole(folder)
    failed = has_failed(folder) and not finished
    if not (new or settings.resume or failed):
        raise taken(folder)
    with computing(settings, finished):
        if not new and failed and not settings.resume:
            new = take_over(folder, settings)
        elif not new:
            check_same(folder, settings)
        if not finished:
            announce(settings)  # refuses what the run would refuse, before anything is written
            write_text(folder / CONFIG, settings.to_yaml())
            if new:
                write_started(settings)
            _log.info("asking %s", settings.asked())
            run: Callable[[Settings], Report] = sys.modules[type(settings).__module__].run
            with failing(folder), collected(settings.seed) as receipts, texts_read() as texts:
                report = run(settings)
            dataclasses.replace(report, receipts=merge_receipts(receipts), texts=tuple(texts)).save(folder)
            _log.info("finished")
    if settings.page:
        from experiments.pages.render import write_page

        write_page([folder], folder / "page.html")
    return folder


def show(folder: Path) -> None:
    """Print a finished run `folder`: a short table, its path, verdict, notes and signature."""
    from rich.console import Console

    from experiments.runs.finished import read_finished
    from experiments.runs.shown import plain, table_of

    run = read_finished(folder)
    console = Console(highlight=False)
    console.print(plain(run.manifest["question"], "italic"), soft_wrap=True)
    console.print(table_of(run, console))
    lines = [(str(folder), ""), (run.manifest["verdict"], "bold"), *((note, "dim") for note in run.manifest["notes"])]
    read = [(line, "dim") for text in run.texts for line in (f"read {text.source}", *text.notes) if text.notes]
    for line, style in (*lines, *read, *([(run.checked, "")] if run.checked else [])):
        console.print(plain(line, style), soft_wrap=True)
    console.print(plain(run.signature), soft_wrap=True)
