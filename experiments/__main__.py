"""The command line `interp`: one command a question. Only the module of the given command is imported."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module

from experiments.commands import COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command with `argv` (by default that of the process).

    Returns its exit code: 0, 1 for a fault (of a model that `check` looked at, or of ours), 2 for what the user can mend, 130 where
    it was stopped.
    """
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars are for a screen; a log keeps what was found
    # Threads that wait for each other in a loop lose whole time slices to other processes (`benchmarks crowd` shows how much).
    # OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    command, *args = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if command == "help" and args:
        command, args = args[0], ["--help"]
    if command in ("-h", "--help", "help"):
        print(_help())
        return 0
    if command in ("-V", "--version"):
        from interp import __version__

        print(f"interp {__version__}")
        return 0
    if command not in COMMANDS:
        return _complain("interp", _unknown(command))
    try:
        module = import_module(COMMANDS[command][0])
        if hasattr(module, "main"):
            return module.main(args) or 0
        else:
            import_module("experiments.ask").ask(module, args)
    except BrokenPipeError:  # what read our output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, RuntimeError, FloatingPointError, MemoryError) as error:
        if "--debug" in args:
            raise
        return _complain(
            f"interp {command}", str(error) or "the memory ran out: ask for less at a time, by --limit or fewer --languages."
        )
    except KeyboardInterrupt:
        arguments = args if "--resume" in args else [*args, "--resume"]
        print(f"interp {command}: stopped. Continue with: {shlex.join(['interp', command, *arguments])}", file=sys.stderr)
        return 130
    except Exception as error:
        if "--debug" in args:
            raise
        if isinstance(error, ImportError) and (error.name or "").partition(".")[0] not in ("interp", "probes", "experiments"):
            return _complain(f"interp {command}", _missing(error))
        message = f"a fault of this program: {type(error).__name__}: {error}"
        return _complain(f"interp {command}", f"{message[:400]} The traceback is in {_traceback_of(error)}; --debug shows it.", 1)
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {command:<{width}}  {line}" for command, (_, line) in COMMANDS.items()]
    usage = "usage: interp COMMAND [OPTIONS]\n\nAsk how one language model holds many languages.\n\ncommands:"
    return "\n".join([usage, *lines, "", "`interp help COMMAND` lists its options; `interp --version` says which version this is."])


def _unknown(command: str) -> str:
    from interp.languages import nearest

    return f"got command {command!r}, expected one of {', '.join(COMMANDS)}.{nearest(command, COMMANDS)}"


def _missing(error: ImportError) -> str:
    """A library that is not installed, and the command that installs it."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return str(error)
    from interp.provenance import install_command

    return f"{error.name} is not installed. Install it: {install_command(error.name)}"


def _traceback_of(error: Exception) -> str:
    """The file that holds the traceback: the log of the run, or one of its own where no run folder had been opened."""
    if log := getattr(error, "log", None):
        return str(log)
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="interp-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    return file.name


def _complain(who: str, message: str, code: int = 2) -> int:
    from experiments.runs.terminal import printable

    print(f"{who}: error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
