"""Killed, without space, refused or doubled: every long command ends at the files of a run that nothing happened to."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import experiments.__main__ as cli
import probes
from interp.files.lock import locked
from probes.report import Report
from tests.support.tiny import tiny_folder

TEXT = {
    "eng_Latn": "cat sleeps,dog runs,bird sings,wide river,red house,warm bread,two fish,snow falls,I see you,long road",
    "deu_Latn": "Katze schläft,Hund läuft,Vogel singt,ein Fluss,rotes Haus,warmes Brot,zwei Fische,Schnee fällt,du,ein Weg",
    "zho_Hans": "猫睡觉,狗在跑,鸟唱歌,宽河,红房子,热面包,两条鱼,下雪了,我看见你,长路",
}
LONG = {
    "align": "--metrics mexa",
    "transplant": "--corpus cldr:facts --languages de --limit 8 --controls shuffled",
    "neurons": "--shards 2 --modes zero --no-random-init",
    "lens": "--languages de --shots 1 --no-controls --lens {output}/lens.safetensors --lens-corpus {corpus} --lens-steps 26",
    "quadrants": "--corpus cldr:dates --languages de --probes ro --sizes 16 --limit 3 --steps 2 --batch 8 --seeds 1 "
    "--max-new-tokens 4",
    "tune": "--languages de zh --form quoted --steps 8 --batch 4 --checkpoints 3 --held-out 0.2",
}


@pytest.fixture(scope="module", autouse=True)
def no_figures():
    """Half a minute of drawing that tells nothing here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in probes.__all__:
            kind = getattr(probes, name)
            if isinstance(kind, type) and issubclass(kind, Report):
                patch.setattr(kind, "figures", lambda self: {})
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("world")
    (root / "corpus").mkdir()
    for code, text in TEXT.items():
        (root / "corpus" / f"{code}.txt").write_text(text.replace(",", "\n") + "\n", encoding="utf-8")
    tiny_folder("llama", root / "model")
    return root


@pytest.fixture(scope="module")
def undisturbed(world) -> Callable[[str], tuple[Path, list[int]]]:
    """Each command's finished folder, and the size of every file that took its name on the way."""
    done: dict[str, tuple[Path, list[int]]] = {}

    def run(command: str) -> tuple[Path, list[int]]:
        if command not in done:
            with pytest.MonkeyPatch.context() as patch:
                replace, sizes = os.replace, []
                patch.setattr(os, "replace", lambda a, b: (sizes.append(Path(a).stat().st_size), replace(a, b)))
                assert cli.main(flags(world, command, world / command)) == 0
            done[command] = world / command, sizes
        return done[command]

    return run


def flags(world: Path, command: str, output: Path, *more: str) -> list[str]:
    own = LONG[command].format(output=output, corpus=world / "corpus").split()
    given = ["--model", str(world / "model"), "--device", "cpu", "--output", str(output)]
    return [command, *([] if "--corpus" in own else ["--corpus", str(world / "corpus")]), *given, *own, *more]


def forked(args: list[str], told: Path, before: Callable[[], object]) -> int:
    """Run a command in a process of its own; what it says on stderr goes to `told`."""

    def child() -> None:
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        before()
        sys.exit(cli.main(args))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(100)
    return process.exitcode


def dying(when: Callable[[int, Path], bool]) -> Callable[[], object]:
    """The process is killed where a file is written and about to take its name: `when` knows how many came before, and the name."""

    def set_up() -> None:
        replace, names = os.replace, []

        def dies(a: str, b: str) -> None:
            if when(len(names), Path(b)):
                os.kill(os.getpid(), signal.SIGKILL)
            names.append(b)
            replace(a, b)

        os.replace = dies

    return set_up


def assert_same(folder: Path, other: Path) -> None:
    """Every number that the manifest names, bit for bit, every drawing, and nothing that was only begun."""
    files, others = (json.loads((run / "manifest.json").read_text())["files"] for run in (folder, other))
    assert {"table.parquet", "summary.csv"} <= set(files)
    files.pop("config.yaml")  # of a lens, it names another file
    others.pop("config.yaml")
    assert set(files) == set(others)
    assert all(files[name] == others[name] for name in files if not name.startswith("figure"))
    assert not list(folder.rglob(".interp-*"))


@pytest.mark.parametrize("command", LONG)
def test_a_command_without_space_and_killed_twice_ends_at_the_same_files(command, world, undisturbed, tmp_path):
    """No file may grow beyond half of the largest; then it dies with its second file half there, then with all but the manifest."""
    whole, sizes = undisturbed(command)
    folder, told = tmp_path / "run", tmp_path / "told"

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes) // 2, max(sizes) // 2))

    assert forked(flags(world, command, folder), told, full) == 2
    said = [line for line in told.read_text().splitlines() if "error" in line or "Traceback" in line]
    assert len(said) == 1
    assert re.fullmatch(rf"interp {command}: error: cannot write (a checkpoint in )?{tmp_path}/.* with --resume\.", said[0])
    assert not (folder / "manifest.json").exists()
    assert forked(flags(world, command, folder, "--resume"), told, dying(lambda n, name: n == 1)) == -signal.SIGKILL
    assert list(tmp_path.rglob(".interp-*")), "this is what it had begun"
    last = dying(lambda n, name: name == folder / "manifest.json")
    assert forked(flags(world, command, folder, "--resume"), told, last) == -signal.SIGKILL
    assert not (folder / "manifest.json").exists()
    assert cli.main(flags(world, command, folder, "--resume")) == 0
    assert_same(folder, whole)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_up_at_any_file_leaves_no_part_of_it(call, world, undisturbed, tmp_path, monkeypatch, capsys):
    whole, sizes = undisturbed("align")
    folder, real = tmp_path / "run", getattr(os, call)
    for n in range(1, len(sizes), 3):
        calls = []

        def full(*args: object, n: int = n, calls: list = calls) -> object:
            calls.append(args)
            if len(calls) == n:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            assert cli.main(flags(world, "align", folder, "--resume")) == (2 if len(calls) >= n else 0)
        assert not list(folder.rglob(".interp-*"))
    assert "No space left on device. Free some space, then go on with --resume." in capsys.readouterr().err
    assert cli.main(flags(world, "align", folder, "--resume")) == 0
    assert_same(folder, whole)


@pytest.mark.parametrize("place", ["a file/run", "/proc/nobody/run"])
def test_a_folder_that_cannot_be_written_is_one_line(place, world, tmp_path, capsys):
    (tmp_path / "a file").write_text("x")
    assert cli.main(flags(world, "align", tmp_path / place)) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"interp align: error: cannot write {tmp_path / place}: ")
    assert told.endswith("Choose a folder you may write to (--output).\n")
    assert told.count("\n") == 1


def test_the_second_process_at_a_folder_is_told_who_holds_it(world, tmp_path, capsys):
    fork = multiprocessing.get_context("fork")
    holds, folder = fork.Event(), tmp_path / "run"

    def hold() -> None:
        with locked(folder):
            holds.set()
            signal.pause()

    process = fork.Process(target=hold)
    process.start()
    assert holds.wait(20)
    assert cli.main(flags(world, "align", folder)) == 2
    assert f"{folder} is in use by process {process.pid}. Wait for it, or choose another --output.\n" in capsys.readouterr().err
    process.kill()
    process.join()
    assert cli.main(flags(world, "align", folder)) == 0, "one that was killed lets go"
