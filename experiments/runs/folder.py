"""The state of a run folder: whether it is new, unfinished or finished, and which settings it has.

`config.yaml` is written first, then `started.json`, and `manifest.json` last; `run.log` keeps what was said on the way.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from experiments.runs.started import STARTED, check_started
from experiments.settings.settings import CONFIG, Settings, read_recipe
from interp.files.atomic import writing
from interp.files.checks import safe_path

LOG = "run.log"
SHARDS = "shards"
"""Where processes that share one run keep what each has done."""
_BEFORE = frozenset({CONFIG, STARTED, LOG, SHARDS})
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
    for key in now:
        if before[key] != now[key]:
            raise ValueError(
                f"{folder} holds a run with {key} {before[key]!r}, but got {now[key]!r}. "
                "Give the same settings to resume it, or choose another --output."
            )
    check_started(settings, is_whole(folder))


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
