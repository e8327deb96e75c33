"""The state of a run folder: whether it is new, unfinished or finished, and which settings it has.

`config.yaml` is written first, then `started.json`, and `manifest.json` last; `run.log` keeps what was said on the way.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from experiments.runs.started import STARTED, check_started
from experiments.settings.settings import CONFIG, Settings, read_recipe
from interp.files.atomic import write_text, writing
from interp.files.checks import safe_path

LOG = "run.log"
FAILED = "failed.txt"
"""Why the run in the folder failed: a corrected command may then take the folder."""
SHARDS = "shards"
"""Where processes that share one run keep what each has done."""
_BEFORE = frozenset({CONFIG, STARTED, LOG, SHARDS, FAILED})
"""What stands in a folder before anything was computed: nothing is lost by starting over."""
_log = logging.getLogger(__name__)


def check_ours(folder: Path) -> None:
    """Raise `ValueError` if `folder` holds files that no run wrote."""
    names = _names(folder)
    if names - _BEFORE and CONFIG not in names:
        raise ValueError(f"{folder} holds files that no run wrote. Choose another --output.")


def is_new(folder: Path) -> bool:
    """Whether nothing has been computed in `folder` yet."""
    return _names(folder) <= _BEFORE and not any(folder.glob(f"{SHARDS}/*/*.json"))


def _names(folder: Path) -> set[str]:
    """What stands in the folder, less hidden files: locks, and what a killed process was about to write."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()


def taken(folder: Path) -> ValueError:
    """The error for a `folder` that already holds a run, without --resume."""
    return ValueError(f"{folder} already holds a run. Show or continue it with --resume, or choose another --output.")


def check_same(folder: Path, settings: Settings) -> None:
    """Check that a run folder holds the run that is asked for. Only inside `computing`.

    Parameters
    ----------
    folder
        The run folder.
    settings
        The settings asked for, resolved.

    Raises
    ------
    ValueError
        A setting, a library version or an input file differs. The message names it.
    """
    before, now = read_recipe(type(settings), folder / CONFIG).resolved().asked(), settings.asked()
    if other := [f"{key} {before[key]!r}, but got {now[key]!r}" for key in now if before[key] != now[key]]:
        raise ValueError(
            f"{folder} holds a run with {'; '.join(other)}. Give the same settings to resume it, or choose another --output."
        )
    check_started(settings, is_whole(folder))


@contextmanager
def failing(folder: Path) -> Iterator[None]:
    """Record in `folder` that the run inside the block failed, and why; nothing where it is stopped or killed."""
    (folder / FAILED).unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # a full disk must not hide the error
            write_text(folder / FAILED, f"{type(error).__name__}: {error}\n")
        raise


def has_failed(folder: Path) -> bool:
    """Whether the run in `folder` ended in an error."""
    return (folder / FAILED).is_file()


def take_over(folder: Path, settings: Settings) -> bool:
    """Go on in the `folder` of a run that failed, or make room there for other `settings`. Only inside `computing`.

    What the failed run had computed is moved into a folder beside it, and not deleted.

    Returns
    -------
    True if the run starts anew, False if it goes on with what is there.
    """
    try:
        check_same(folder, settings)
        return False
    except ValueError as error:
        aside = next(path for path in _numbered(folder) if not path.exists())
        aside.mkdir()
        for path in folder.iterdir():
            if not path.name.startswith(".") and path.name != LOG:
                path.rename(aside / path.name)
        _log.warning("%s The run in it had failed: what it left is in %s, and a new one starts.", _said(error), aside)
        return True


def _numbered(folder: Path) -> Iterator[Path]:
    return (folder.with_name(f"{folder.name}-failed-{number}") for number in count(1))


def _said(error: ValueError) -> str:
    """What differs, without what to do about it."""
    return f"{str(error).partition('. ')[0]}."


def is_whole(folder: Path) -> bool:
    """Whether the run in `folder` is finished, with every file as it was written."""
    from probes.report import check_files, read_manifest

    try:
        check_files(folder, read_manifest(folder))
    except ValueError:
        return False
    return True


class _Log(logging.FileHandler):
    """A log that a full disk cuts short without a word: what cannot be written for the same reason says so itself."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Keep what is logged and warned of in the folder, and our own warnings on the screen; an error leaves its traceback."""
    with writing(folder / LOG):
        file, screen = _Log(safe_path(folder, LOG), encoding="utf-8"), logging.StreamHandler()
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
        vars(error).setdefault("log", folder / LOG)
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(file)
        for logger, level in zip(ours, levels, strict=True):
            logger.removeHandler(screen)
            logger.setLevel(level)
        file.close()
